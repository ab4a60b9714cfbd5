"""Time and memory for a phantom, in processor seconds of one core, beside the promised limits.

Processor time rather than wall time, so that a busy machine does not fail it.
"""

from __future__ import annotations

import resource
import sys
import time

from synthesis.phantom import draw, render

# Matrix: (phantoms to average over, processor seconds promised for each)
LIMITS = {64: (8, 0.15), 128: (8, 0.2), 256: (6, 0.4), 512: (4, 1.0), 1024: (2, 5.0)}


def main() -> int:
    render(draw(0), 64)  # imports and first-call costs are not the phantom's
    missed = 0
    print(f"{'matrix':>8}  {'s a phantom':>11}  {'limit':>6}  {'Mpx/s':>6}  {'peak MiB':>8}")
    for size, (count, limit) in LIMITS.items():
        began = time.process_time()
        for seed in range(count):
            render(draw(seed), size)
        each = (time.process_time() - began) / count
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{size:>8}  {each:>11.3f}  {limit:>6.2f}  {size**2 / each / 1e6:>6.2f}  {peak:>8.0f}"
        )
        missed += each > limit
    if missed:
        print(f"{missed} limits missed")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
