"""Frames of scans, many at a time: read here, rendered by a crew on every core."""

from __future__ import annotations

from collections.abc import Generator, Iterable

import numpy as np
from numpy.typing import NDArray

from readerstudy.imaging import blinding, storage
from readerstudy.imaging.crew import Crew
from readerstudy.imaging.models import Scan
from readerstudy.imaging.rendering import RenderingProtocol

Work = tuple[NDArray[np.uint16], int, tuple[float, float] | None, float]


def packed_frames(
    scans: Iterable[Scan],
    protocol: RenderingProtocol,
    *,
    reference: blinding.Reference | None = None,
    seed: int = 0,
    processes: int | None = None,
) -> Generator[tuple[bytes, str], None, None]:
    """Container (not yet padded) and pixel digest of each scan's blinded frame, in order.

    Only as many scans are in memory as there are processes to render them, and a few ahead.
    """
    with Crew(blinding.render_packed, processes) as crew:
        yield from crew.each((*work(scan), protocol, reference, seed) for scan in scans)


def reference_of(
    scans: Iterable[Scan], protocol: RenderingProtocol, *, processes: int | None = None
) -> blinding.Reference | None:
    """The pool's grey levels that histogram matching brings every case to, where the protocol
    matches at all. Raises ``ValueError`` for an empty pool."""
    if protocol.normalisation != "histogram-match":
        return None
    with Crew(blinding.own_quantiles, processes) as crew:
        own = crew.each(
            (storage.read_pixels(scan), scan.bits, scan.pixel_aspect, protocol) for scan in scans
        )
        return blinding.mean_quantiles(own)


def work(scan: Scan) -> Work:
    """What rendering needs to know of a scan. Its origin is not among it."""
    return storage.read_pixels(scan), scan.bits, scan.window, scan.pixel_aspect
