"""The DICOM greyscale pipeline as one table over stored values.

A stored value passes the modality transform, the values of interest and the presentation
(PS3.3 C.11.1, C.11.2, C.11.6). At most 16 bits are stored, so the whole pipeline is a table of at
most 65 536 entries and is exact. What is linear stays out of the table: rescale and linear windows
are carried as a window in canonical grey levels, so that no grey level of the detector is lost and
a reader can still change the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from readerstudy.imaging.decoding.decoded import Window
from readerstudy.imaging.decoding.refusal import Refused

SIGMOID_BITS = 16


@dataclass(slots=True)
class Greyscale:
    """``table`` maps ``stored - lowest`` to canonical grey; ``None`` is the identity."""

    lowest: int
    table: NDArray[np.uint16] | None
    bits: int
    window: Window | None
    notes: list[str]


def pipeline(dataset: Dataset, *, bits_stored: int, signed: bool) -> Greyscale:
    """Build the table for ``dataset`` (PhotometricInterpretation MONOCHROME1 or MONOCHROME2).

    Raises ``Refused`` for look-up tables that contradict themselves.
    """
    lowest = -(1 << (bits_stored - 1)) if signed else 0
    index = np.arange(1 << bits_stored, dtype=np.int64)
    notes: list[str] = []
    grey, bits, slope, intercept = index, bits_stored, 1.0, 0.0
    stored = index + lowest

    modality = _first(dataset, "ModalityLUTSequence")
    if modality is not None:
        lut, first, bits = _lut(modality, "Modality LUT", signed=signed)
        grey = lut[np.clip(stored - first, 0, lut.size - 1)]
        values: NDArray[Any] = grey
        notes.append("Modality LUT applied")
    else:
        slope = _float(dataset, "RescaleSlope", 1.0)
        intercept = _float(dataset, "RescaleIntercept", 0.0)
        if slope == 0.0 or not np.isfinite([slope, intercept]).all():
            notes.append(f"Rescale Slope {slope:g} ignored")
            slope, intercept = 1.0, 0.0
        values = stored * slope + intercept
        if slope < 0:
            grey = grey[::-1]
    full = (1 << bits) - 1

    window: Window | None = None
    voi = _first(dataset, "VOILUTSequence")
    centre, width = _window(dataset)
    if voi is not None:
        lut, first, bits = _lut(voi, "VOI LUT", signed=float(values.min()) < 0)
        position = np.clip(np.round(values).astype(np.int64) - first, 0, lut.size - 1)
        grey, full = lut[position], (1 << bits) - 1
        notes.append("VOI LUT applied")
    elif centre is not None and width is not None:
        function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
        if function == "SIGMOID" and width > 0:
            bits, full = SIGMOID_BITS, (1 << SIGMOID_BITS) - 1
            share = 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - centre) / width, -500, 500)))
            grey = np.rint(share * full).astype(np.int64)
            notes.append("sigmoid window applied")
        elif (function == "LINEAR" and width >= 1) or (function == "LINEAR_EXACT" and width > 0):
            if function == "LINEAR":  # C.11.2.1.2.1: from c - 0.5 - (w-1)/2 to c - 0.5 + (w-1)/2
                centre, width = centre - 0.5, width - 1.0
            if modality is None:
                centre, width = (centre - intercept) / slope - lowest, width / abs(slope)
                centre = full - centre if slope < 0 else centre
            window = (centre, width)
        else:
            notes.append(f"window {centre:g} / {width:g} ({function}) ignored")

    if _inverse(dataset):
        grey = full - grey
        window = None if window is None else (full - window[0], window[1])
    grey = _without_padding(dataset, grey, stored, signed=signed, bits_stored=bits_stored)
    identity = grey is index
    return Greyscale(
        lowest=lowest,
        table=None if identity else np.ascontiguousarray(grey, dtype=np.uint16),
        bits=bits,
        window=window,
        notes=notes,
    )


def apply_window(pixels: NDArray[Any], window: Window | None, *, bits: int) -> NDArray[np.float64]:
    """Canonical pixels through a window to 0 .. 1 (PS3.3 C.11.2.1.3.2); no window: full range."""
    if window is None:
        return pixels / float((1 << bits) - 1)
    centre, width = window
    if width <= 0:
        return (pixels > centre).astype(np.float64)
    return np.clip((pixels - (centre - width / 2)) / width, 0.0, 1.0)


def _inverse(dataset: Dataset) -> bool:
    """Presentation LUT Shape decides where it is present (C.11.6.1.2); it says the same as the
    photometric interpretation in every object that follows the standard."""
    shape = str(dataset.get("PresentationLUTShape") or "").upper()
    if shape in ("IDENTITY", "INVERSE"):
        return shape == "INVERSE"
    return str(dataset.get("PhotometricInterpretation")) == "MONOCHROME1"


def _without_padding(
    dataset: Dataset, grey: NDArray[Any], stored: NDArray[Any], *, signed: bool, bits_stored: int
) -> NDArray[Any]:
    """Padding is black, whatever the tables would make of it (C.7.5.1.1.2)."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return grey
    limit = dataset.get("PixelPaddingRangeLimit")
    ends = []
    for end in (value, value if limit is None else limit):
        try:
            number = int(end)
        except (TypeError, ValueError):
            return grey
        # Read as US though the pixels are signed, or the other way round.
        if signed and number >= 1 << 15:
            number -= 1 << 16
        elif not signed and number < 0:
            number += 1 << 16
        ends.append(number)
    padded = (stored >= min(ends)) & (stored <= max(ends))
    return np.where(padded, 0, grey) if padded.any() else grey


def _lut(item: Dataset, name: str, *, signed: bool) -> tuple[NDArray[np.int64], int, int]:
    """Entries, first value mapped and bits of a look-up table (C.11.1.1, C.11.2.1.1)."""
    try:
        count, first, depth = (int(value) for value in item.LUTDescriptor)
        raw = item.LUTData
    except (AttributeError, TypeError, ValueError):
        raise Refused("bad-lut", f"the {name} has no usable descriptor or data") from None
    count = count if count > 0 else 65536 if count == 0 else count + 65536
    if first >= 1 << 15 and signed:
        first -= 1 << 16
    if not 1 <= depth <= 16:
        raise Refused("bad-lut", f"the {name} says {depth} bits an entry; 8 to 16 are defined")
    if isinstance(raw, (bytes, bytearray)):
        little = item.original_encoding[1] is not False
        size = "u1" if len(raw) < 2 * count else ("<u2" if little else ">u2")
        entries = np.frombuffer(raw, dtype=size)
    else:
        entries = np.atleast_1d(np.asarray(raw))
    entries = entries.astype(np.int64) & 0xFFFF
    if entries.size < count:
        raise Refused("bad-lut", f"the {name} announces {count} entries and holds {entries.size}")
    entries = entries[:count]
    highest = int(entries.max())
    return entries, first, max(depth, highest.bit_length(), 1)


def _window(dataset: Dataset) -> tuple[float | None, float | None]:
    centre, width = _firsts(dataset, "WindowCenter"), _firsts(dataset, "WindowWidth")
    if centre is None or width is None or not np.isfinite([centre, width]).all():
        return None, None
    return centre, width


def _firsts(dataset: Dataset, keyword: str) -> float | None:
    value = dataset.get(keyword)
    if value is None or value == "":
        return None
    try:
        return float(value if not hasattr(value, "append") else value[0])
    except (TypeError, ValueError, IndexError):
        return None


def _float(dataset: Dataset, keyword: str, default: float) -> float:
    value = _firsts(dataset, keyword)
    return default if value is None else value


def _first(dataset: Dataset, keyword: str) -> Dataset | None:
    sequence = dataset.get(keyword)
    return sequence[0] if sequence else None
