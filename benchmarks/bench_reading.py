"""Speed of the reading room: key to paint, decode, window drag, bundle size.

The measuring needs a live server and a browser, which the tests' fixtures bring: this programme
runs ``tests/browser/test_reading_speed.py`` and shows what it prints.
"""

from __future__ import annotations

import subprocess
import sys


def main() -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-m", "bench"]
    return subprocess.run([*command, "tests/browser/test_reading_speed.py"]).returncode


if __name__ == "__main__":
    sys.exit(main())
