"""Speed of the reading room: key to paint, decode, window drag, bundle size.

The measuring needs a live server and a browser, which the tests' fixtures bring: this programme
runs ``tests/browser/test_reading_speed.py`` and shows what it prints. With ``--peer`` it first
installs and builds cornerstone3D (``benchmarks/cornerstone``, from the npm registry, about 100 MB,
a few minutes); once built, every run shows it beside the viewer on the same frames.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PEER = Path(__file__).resolve().parent / "cornerstone"


def main() -> int:
    if "--peer" in sys.argv[1:]:
        for step in (["npm", "install", "--no-audit", "--no-fund"], ["npm", "run", "build"]):
            if code := subprocess.run(step, cwd=PEER).returncode:
                return code
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-m", "bench or not bench"]
    return subprocess.run([*command, "tests/browser/test_reading_speed.py"]).returncode


if __name__ == "__main__":
    sys.exit(main())
