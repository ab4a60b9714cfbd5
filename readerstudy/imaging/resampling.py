"""Resampling that gives the same bits on every machine.

Kernel weights are rounded to integers that sum to exactly 2**14 and carried in doubles: with
pixels below 2**16 every product and every partial sum is an integer below 2**53, so it is exact in
whatever order, and with whatever instructions, a machine adds it up.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Kernel = Literal["area", "bicubic", "lanczos"]
WEIGHT_BITS = 14
_SUPPORT = {"area": 0.5, "bicubic": 2.0, "lanczos": 3.0}


Box = tuple[float, float]


def resample(
    pixels: NDArray[Any],
    rows: int,
    columns: int,
    *,
    kernel: Kernel = "lanczos",
    vertical: Box | None = None,
    horizontal: Box | None = None,
) -> NDArray[np.float64]:
    """``pixels`` (integers below 2**16) at ``rows`` x ``columns``, times 2**28, exactly.

    ``vertical`` and ``horizontal`` are (start, length) of the part to show, in source pixels, not
    necessarily whole; by default all of it. Divide by 2**28 for grey levels. Lanczos and bicubic
    overshoot at edges: clip afterwards. Kernels widen with reduction, so they do not alias; pixel
    centres lie at half-integers; at the border weights are cut off and renormalised.
    """
    down = _weights(pixels.shape[0], rows, kernel, vertical or (0.0, float(pixels.shape[0])))
    along = _weights(pixels.shape[1], columns, kernel, horizontal or (0.0, float(pixels.shape[1])))
    source = pixels.astype(np.float64)
    # The direction that shrinks most goes first, so that the second pass has less to do.
    if rows * pixels.shape[1] <= columns * pixels.shape[0]:
        half = down @ source
        return np.ascontiguousarray((along @ np.ascontiguousarray(half.T)).T)
    half = along @ np.ascontiguousarray(source.T)
    return np.asarray(down @ np.ascontiguousarray(half.T))


@lru_cache(maxsize=64)
def _weights(size: int, wanted: int, kernel: Kernel, box: Box) -> sparse.csr_array:
    """wanted x size, each row integers that sum to 2**14."""
    start, length = box
    scale = length / wanted
    stretch = max(scale, 1.0)
    reach = _SUPPORT[kernel] * stretch
    rows: list[int] = []
    columns: list[int] = []
    values: list[int] = []
    for target in range(wanted):
        centre = start + (target + 0.5) * scale
        first = min(max(int(np.floor(centre - reach)), 0), size - 1)
        last = max(min(int(np.ceil(centre + reach)), size), first + 1)
        places = np.arange(first, last)
        if kernel == "area":
            raw = np.minimum(places + 1, centre + reach) - np.maximum(places, centre - reach)
            raw = np.maximum(raw, 0.0)
        else:
            raw = _kernel((places + 0.5 - centre) / stretch, kernel)
        if raw.sum() <= 0:
            raw = np.ones_like(raw)
        whole = np.rint(raw / raw.sum() * (1 << WEIGHT_BITS)).astype(np.int64)
        whole[np.argmax(whole)] += (1 << WEIGHT_BITS) - whole.sum()
        used = np.flatnonzero(whole)
        rows.extend([target] * used.size)
        columns.extend((places[used]).tolist())
        values.extend(whole[used].tolist())
    return sparse.csr_array(
        (np.array(values, dtype=np.float64), (rows, columns)), shape=(wanted, size)
    )


def _kernel(distance: NDArray[np.floating[Any]], kernel: Kernel) -> NDArray[np.floating[Any]]:
    x = np.abs(distance)
    if kernel == "bicubic":  # Keys 1981 with a = -0.5
        near = (1.5 * x - 2.5) * x * x + 1.0
        far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
        return np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
