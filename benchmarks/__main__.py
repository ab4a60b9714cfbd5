"""Run every benchmark, or those named: ``python -m benchmarks [imaging reading ...]``.

Each ``bench_NAME.py`` here is a programme of its own that prints what it measured beside its peer
or limit, and exits non-zero when a limit that the project promises is missed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    known = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    wanted = sys.argv[1:] or known
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        print(f"No benchmark {', '.join(unknown)}; there are: {', '.join(known)}")
        return 2
    missed = []
    for name in wanted:
        print(f"\n==> {name}", flush=True)
        started = time.monotonic()
        code = subprocess.run([sys.executable, "-m", f"benchmarks.bench_{name}"]).returncode
        print(f"    {name}: {time.monotonic() - started:.0f} s", flush=True)
        if code:
            missed.append(name)
    if missed:
        print(f"\nLimits missed or benchmark failed: {', '.join(missed)}")
    return len(missed)


if __name__ == "__main__":
    sys.exit(main())
