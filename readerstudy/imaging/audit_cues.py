"""Nuisance cues: numbers of a picture or of its file that carry no anatomy. No Django.

Each could tell a generated from an acquired scan without a look at the chest. Definitions are
plain and local, so that a finding names what to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from readerstudy.imaging.pixel_text import text_area

Floats = NDArray[np.float64]

LARGEST_PATCH = 1024  # spectral cues are taken from the central square of at most this side


@dataclass(frozen=True, slots=True)
class Cue:
    """What a cue is called, and what to change in the rendering when it tells the arms apart."""

    label: str
    remedy: str


CUES: dict[str, Cue] = {
    "byte_length": Cue("Byte length of the file", "Rendered frames all have one length."),
    "packed_length": Cue("Byte length, packed", "Rendered frames all have one length."),
    "pixel_aspect": Cue("Shape of a pixel", "Rendered frames have square pixels."),
    "matrix_rows": Cue("Rows", "Rendered frames all have one matrix."),
    "matrix_columns": Cue("Columns", "Rendered frames all have one matrix."),
    "aspect": Cue("Aspect ratio", "Crop every scan to the same shape."),
    "bits_stored": Cue("Bits stored", "Render to one bit depth."),
    "mean": Cue("Mean grey level", "Match histograms to the acquired pool."),
    "spread": Cue("Spread of grey levels", "Match histograms to the acquired pool."),
    "skewness": Cue("Skewness of grey levels", "Match histograms to the acquired pool."),
    "comb": Cue("Gaps in the histogram (comb)", "Resample, and normalise grey levels."),
    "levels_used": Cue("Grey levels in use", "Render to fewer bits, or add grain."),
    "clipped_dark": Cue("Pixels at black", "Normalise by percentiles; mask borders."),
    "clipped_bright": Cue("Pixels at white", "Normalise by percentiles."),
    "low_bits": Cue("Occupancy of the lowest bits", "Resample, add grain, or render to 8 bits."),
    "border_width": Cue("Constant border", "Mask a border; crop rather than pad."),
    "border_level": Cue("Grey level of the border", "Mask a border."),
    "collimation": Cue("Dark margins (collimation)", "Mask a border; crop rather than pad."),
    "noise": Cue("Noise level", "Add matched grain, or bring all scans to one detail."),
    "noise_tails": Cue("Shape of the noise", "Add grain."),
    "spectrum_slope": Cue("Slope of the spectrum", "Bring all scans to one detail."),
    "high_frequencies": Cue("High-frequency share", "Bring all scans to one detail; add grain."),
    "roll_off": Cue("High-frequency roll-off", "Bring all scans to one detail."),
    "checkerboard": Cue("Checkerboard peaks", "Bring all scans to a lower detail."),
    "upsampling": Cue("Upsampling peaks", "Bring all scans to a lower detail."),
    "jpeg_grid": Cue("JPEG 8 × 8 grid", "Bring all scans to a lower detail; add grain."),
    "resampling": Cue("Resampling trace", "Bring all scans to one detail."),
    "symmetry": Cue("Left-right symmetry", "Not a matter of rendering: see the generator."),
    "text_area": Cue("Burned-in text and markers", "Mask markers and text."),
}


def label_of(name: str) -> str:
    """A cue's name for people; ``format: ...`` cues name themselves."""
    return CUES[name].label if name in CUES else name[:1].upper() + name[1:]


def remedy_of(name: str) -> str:
    """What to change in the rendering protocol."""
    return CUES[name].remedy if name in CUES else "Rendered frames all have one format."


def pixel_cues(pixels: NDArray[Any], *, bits: int) -> dict[str, float]:
    """Cues of canonical or rendered pixels (rows x columns, 0 .. ``2**bits - 1``)."""
    values = pixels.astype(np.float64)
    top = float((1 << bits) - 1)
    patch = _centre(values)
    cues = _grey_levels(pixels, values, bits)
    cues |= _borders(values / top)
    cues |= _noise(patch / top)
    cues |= _spectrum(patch / top)
    cues["jpeg_grid"] = _jpeg_grid(patch)
    cues["resampling"] = _resampling(patch)
    cues["symmetry"] = _symmetry(values)
    cues["text_area"] = text_area(pixels, bits=bits)
    return cues


def picture_cues(pixels: NDArray[Any], bits: int) -> dict[str, float]:
    """All cues of pixels and of the matrix and depth that hold them."""
    held = file_cues(rows=pixels.shape[0], columns=pixels.shape[1], bits=bits)
    return {**held, **pixel_cues(pixels, bits=bits)}


def file_cues(
    *, rows: int, columns: int, bits: int, byte_length: int | None = None
) -> dict[str, float]:
    """Cues of what holds the pixels."""
    cues = {
        "matrix_rows": float(rows),
        "matrix_columns": float(columns),
        "aspect": columns / rows,
        "bits_stored": float(bits),
    }
    if byte_length is not None:
        cues["byte_length"] = float(byte_length)
    return cues


def format_cues(formats: list[str]) -> list[dict[str, float]]:
    """For each case one 0/1 cue for each format that occurs among ``formats``."""
    kinds = sorted(set(formats))
    return [{f"format: {kind}": float(one == kind) for kind in kinds} for one in formats]


def as_table(cases: list[Mapping[str, float]]) -> tuple[Floats, list[str]]:
    """Cases x cues, and the names of the cues: those that every case has and that vary."""
    if not cases:
        return np.zeros((0, 0)), []
    names = [name for name in cases[0] if all(name in case for case in cases)]
    table = np.array([[case[name] for name in names] for case in cases], dtype=float)
    varies = [
        bool(np.isfinite(column).all() and np.ptp(column) > 1e-12 * max(1.0, np.abs(column).max()))
        for column in table.T
    ]
    kept = [name for name, one in zip(names, varies, strict=True) if one]
    return table[:, np.array(varies, dtype=bool)], kept


def _centre(values: Floats) -> Floats:
    side = min(*values.shape, LARGEST_PATCH) // 8 * 8
    top, left = (values.shape[0] - side) // 2 // 8 * 8, (values.shape[1] - side) // 2 // 8 * 8
    return values[top : top + side, left : left + side]


def _grey_levels(pixels: NDArray[Any], values: Floats, bits: int) -> dict[str, float]:
    counts = np.bincount(pixels.ravel().astype(np.int64), minlength=1 << bits)
    top = (1 << bits) - 1
    reached = np.cumsum(counts) / pixels.size
    low, high = int(np.searchsorted(reached, 0.02)), int(np.searchsorted(reached, 0.98))
    middle = counts[low : high + 1]
    # At 12 bits and few pixels, levels are empty by chance: expected gaps are taken off.
    smooth = np.convolve(middle, np.ones(9) / 9, mode="same")
    gaps = float(np.mean(middle == 0) - np.mean(np.exp(-smooth)))
    deviation = values.std() or 1.0
    lowest = min(4, bits)
    shares = [float(np.mean((pixels >> bit) & 1)) for bit in range(lowest)]
    return {
        "mean": float(values.mean()) / top,
        "spread": float(deviation) / top,
        "skewness": float(np.mean((values - values.mean()) ** 3) / deviation**3),
        "comb": gaps + float(np.abs(np.diff(middle)).sum() / max(middle.sum(), 1)),
        "levels_used": float(np.count_nonzero(counts)) / (top + 1),
        "clipped_dark": float(counts[: 1 + top // 4096].sum()) / pixels.size,
        "clipped_bright": float(counts[top - top // 4096 :].sum()) / pixels.size,
        "low_bits": float(sum(abs(share - 0.5) for share in shares)),
    }


def _borders(share: Floats) -> dict[str, float]:
    """``share``: grey levels 0 .. 1."""
    rows, columns = share.shape
    flat_rows, flat_columns = share.std(axis=1) < 0.004, share.std(axis=0) < 0.004
    width = max(
        _run(flat_rows) / rows, _run(flat_rows[::-1]) / rows,
        _run(flat_columns) / columns, _run(flat_columns[::-1]) / columns,
    )  # fmt: skip
    edge = max(1, min(rows, columns) // 128)
    rim = np.concatenate(
        [side.ravel() for side in (share[:edge], share[-edge:], share[:, :edge], share[:, -edge:])]
    )
    dark = share < 0.08
    dark_rows, dark_columns = dark.mean(axis=1) > 0.9, dark.mean(axis=0) > 0.9
    margins = _run(dark_rows) + _run(dark_rows[::-1])
    sides = _run(dark_columns) + _run(dark_columns[::-1])
    return {
        "border_width": float(width),
        "border_level": float(np.median(rim)),
        "collimation": margins / rows + sides / columns,
    }


def _run(flags: NDArray[np.bool_]) -> int:
    return int(np.argmin(flags)) if not flags.all() else len(flags)


def _noise(share: Floats) -> dict[str, float]:
    """Of the mixed second difference, which takes out slopes (Immerkaer 1996)."""
    across = share[:, :-2] - 2 * share[:, 1:-1] + share[:, 2:]
    both = across[:-2] - 2 * across[1:-1] + across[2:]
    middle = float(np.median(np.abs(both)))
    return {
        "noise": float(np.log10(middle / 6 + 1e-7)),
        "noise_tails": float(
            np.log10((np.mean(both**4) + 1e-24) / (np.mean(both**2) ** 2 + 1e-24))
        ),
    }


def _spectrum(share: Floats) -> dict[str, float]:
    side = share.shape[0]
    window = np.hanning(side)
    spectrum = np.abs(fft.rfft2((share - share.mean()) * np.outer(window, window))) ** 2
    vertical = np.abs(fft.fftfreq(side))[:, None]
    horizontal = fft.rfftfreq(side)[None, :]
    radius = np.hypot(vertical, horizontal)
    rings = np.minimum((radius * 128).astype(int), 90)
    power = np.bincount(rings.ravel(), spectrum.ravel()) / np.maximum(np.bincount(rings.ravel()), 1)
    level = np.log10(power + 1e-20)
    frequency = (np.arange(level.size) + 0.5) / 128
    band = (frequency > 0.05) & (frequency < 0.30)
    slope = float(np.polyfit(np.log10(frequency[band]), level[band], 1)[0])
    middle = float(level[(frequency > 0.10) & (frequency < 0.20)].mean())
    high = float(level[(frequency > 0.40) & (frequency < 0.50)].mean())
    total = np.cumsum(power[4:64] * frequency[4:64])
    return {
        "spectrum_slope": slope,
        "high_frequencies": high - middle,
        "roll_off": float(np.searchsorted(total / total[-1], 0.99)) / 64,
        "checkerboard": _peak(spectrum, [(side // 2, side // 2), (side // 2, 0), (0, side // 2)]),
        "upsampling": _peak(
            spectrum,
            [
                (side * i // 8, side * j // 8)
                for i in range(-3, 5)
                for j in range(0, 5)
                if max(abs(i), abs(j)) in (1, 2, 3) and (i, j) != (0, 0)
            ],
        ),
    }


def _peak(spectrum: Floats, places: list[tuple[int, int]]) -> float:
    """Log power at ``places`` over the median around each, the largest of them."""
    rows, columns = spectrum.shape
    found = []
    for row, column in places:
        near_rows = np.arange(row - 4, row + 5) % rows
        near_columns = np.clip(np.arange(column - 4, column + 5), 0, columns - 1)
        patch = spectrum[np.ix_(near_rows, near_columns)]
        # A window spreads a line over its neighbours: the peak is the largest of the nearest nine.
        peak = patch[3:6, 3:6].max() if column + 1 < columns else patch[3:6, 3:].max()
        found.append(np.log10((peak + 1e-20) / (np.median(patch) + 1e-20)))
    return float(max(found))


def _jpeg_grid(patch: Floats) -> float:
    """How much larger steps across 8 x 8 block edges are than all others (Wang, Sheikh, Bovik,
    ICIP 2002), at the best of the eight phases; a cropped JPEG has its grid elsewhere."""
    found = []
    for axis in (0, 1):
        moved = np.moveaxis(patch, axis, 0)
        # The second difference is large where two slopes meet at an edge, small on smooth ramps.
        jump = np.abs(moved[:-3] - 3 * moved[1:-2] + 3 * moved[2:-1] - moved[3:])
        lines = np.log(np.median(jump, axis=1) + jump.mean(axis=1) + 1e-6)
        phases = np.array([lines[phase::8].mean() for phase in range(8)])
        found.append(float(phases.max() - np.median(phases)))
    return max(found)


def _resampling(patch: Floats) -> float:
    """Periodicity of the second difference's size along lines (Gallagher, CRV 2005): resampling
    interpolates some pixels more than others, in a rhythm of the scale."""
    found = []
    for axis in (0, 1):
        moved = np.moveaxis(patch, axis, 0)
        size = np.log(np.abs(np.diff(moved, n=2, axis=0)).mean(axis=1) + 1e-6)
        size = size - np.convolve(np.pad(size, 8, mode="edge"), np.ones(17) / 17, mode="valid")
        line = np.abs(fft.rfft(size * np.hanning(size.size)))[size.size // 16 :]
        found.append(float(np.log(line.max() / (np.median(line) + 1e-12))))
    return max(found)


def _symmetry(values: Floats) -> float:
    step = max(1, min(values.shape) // 128)
    small = values[::step, ::step]
    mirrored = small[:, ::-1]
    a, b = small - small.mean(), mirrored - mirrored.mean()
    return float((a * b).mean() / ((a * a).mean() + 1e-12))
