"""What a decoder found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Window = tuple[float, float]


@dataclass(slots=True)
class Decoded:
    """Canonical pixels and what the file said about them.

    ``pixels`` is rows x columns of uint8 (``bits`` <= 8) or uint16. ``window`` is (centre, width)
    in canonical grey levels: at or below ``centre - width / 2`` is black, at or above
    ``centre + width / 2`` white (LINEAR_EXACT of PS3.3 C.11.2.1.3.2); ``None`` means full range.
    ``spacing_mm`` is the width of a pixel in the patient in millimetres where the file lets one
    know, ``pixel_aspect`` its height over its width. ``dropped`` names what else the file carried
    beside the pixels and what is not kept; ``says_text`` that its header speaks of burned-in text.
    """

    pixels: NDArray[Any]
    bits: int
    source_format: str
    window: Window | None = None
    spacing_mm: float | None = None
    pixel_aspect: float = 1.0
    view: str = ""
    sex: str = ""
    age_years: int | None = None
    patient_id: str = ""
    notes: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    says_text: bool = False
    dataset: Any = None  # pydicom.Dataset of a DICOM file, not yet de-identified

    @property
    def rows(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def columns(self) -> int:
        return int(self.pixels.shape[1])


def smallest_type(pixels: NDArray[Any], bits: int) -> NDArray[Any]:
    """The pixels contiguous and little-endian, one byte each where ``bits`` <= 8, else two."""
    return np.ascontiguousarray(pixels, dtype=np.dtype("u1") if bits <= 8 else np.dtype("<u2"))
