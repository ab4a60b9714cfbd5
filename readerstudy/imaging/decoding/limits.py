"""Bounds within which a file is decoded. A file past them is refused, never half taken."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from readerstudy.imaging.decoding.refusal import Refused


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything a decode may use. The defaults take any chest radiograph made today."""

    smallest_side: int = 100  # pixels; below this no reader could judge a chest film
    largest_side: int = 16_384  # pixels
    most_pixels: int = 80_000_000  # about 9000 x 9000; flat-panel detectors stop near 4300 x 4300
    most_file_bytes: int = 1 << 30
    address_space: int = 4 << 30  # bytes of virtual memory of one decoding process
    seconds: float = 60.0  # wall clock for one file

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def check_matrix(self, rows: int, columns: int) -> None:
        """Raise ``Refused`` for a matrix that is too small or too large to be a radiograph."""
        if rows < 1 or columns < 1:
            raise Refused(
                "no-pixels", f"the image is {columns} x {rows} pixels: there is nothing to show"
            )
        if max(rows, columns) > self.largest_side or rows * columns > self.most_pixels:
            raise Refused(
                "too-large",
                f"the header declares {columns} x {rows} pixels; at most {self.largest_side} a "
                f"side and {self.most_pixels:,} in all are taken",
            )
        if min(rows, columns) < self.smallest_side:
            raise Refused(
                "too-small",
                f"the image is {columns} x {rows} pixels; at least {self.smallest_side} a side "
                "are needed to judge a radiograph",
            )
