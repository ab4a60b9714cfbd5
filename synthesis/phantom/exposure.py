"""From path lengths to a picture: spectrum, scatter, quanta, detector and display curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from synthesis.phantom.beam import Array
from synthesis.phantom.parameters import Exposure

# Energies (keV) that stand for the spectrum, and mass attenuation coefficients (cm^2/g) from
# NIST XCOM / ICRU-44 tables (Hubbell & Seltzer, NISTIR 5632).
ENERGIES = np.array([40.0, 50.0, 60.0, 80.0, 100.0])
MASS_ATTENUATION = {
    "soft": np.array([0.2688, 0.2264, 0.2048, 0.1823, 0.1693]),
    "fat": np.array([0.2396, 0.2123, 0.1974, 0.1800, 0.1688]),
    "bone": np.array([0.6655, 0.4242, 0.3148, 0.2229, 0.1855]),
}
DENSITY = {"soft": 1.06, "fat": 0.95, "bone": 1.92}  # g/cm^3
MARKER = 3.0  # optical depth of the lead letter: as good as opaque

BLACK, WHITE = 0, 4095


@dataclass(frozen=True)
class Paths:
    """Millimetres of each material on each ray."""

    soft: Array
    fat: Array
    bone: Array
    lung: Array  # aerated lung, counted as soft tissue of ``lung_density``
    lung_density: float


def spectrum(kilovolt: float) -> Array:
    """Share of detected energy at each of :data:`ENERGIES` for a filtered tungsten beam.

    Kramers' law with 3 mm Al-like hardening; enough to give bone and soft tissue their contrast.
    """
    fluence = np.maximum(kilovolt - ENERGIES, 0.0) / ENERGIES
    hardened = fluence * np.exp(-(3.0 * (30.0 / ENERGIES) ** 3))
    width = np.array([10.0, 10.0, 15.0, 20.0, 20.0])
    share = hardened * width * ENERGIES
    return share / share.sum()


def attenuation(paths: Paths) -> tuple[Array, ...]:
    """Optical depth mu x path at each energy (Beer-Lambert exponent), one array an energy."""
    water_like = 0.1 * (DENSITY["soft"] * paths.soft + paths.lung_density * paths.lung)
    fat, bone = 0.1 * DENSITY["fat"] * paths.fat, 0.1 * DENSITY["bone"] * paths.bone
    mass = MASS_ATTENUATION
    return tuple(
        mass["soft"][k] * water_like + mass["fat"][k] * fat + mass["bone"][k] * bone
        for k in range(len(ENERGIES))
    )


def primary(paths: Paths, kilovolt: float) -> Array:
    """Unscattered signal relative to the open field, 0..1."""
    signal = np.zeros_like(paths.soft)
    for share, depth in zip(spectrum(kilovolt), attenuation(paths), strict=True):
        if share > 0:
            signal += share * np.exp(-depth)
    return signal


def scatter(signal: Array, thickness: Array, pitch: float, grid: float) -> Array:
    """Scattered signal: a wide halo of what the patient removes, after the grid.

    Scatter-to-primary ratios of 1-4 before the grid between lung and mediastinum follow from a
    kernel of 45 mm and a source that grows with the tissue traversed (Boone & Seibert 1988).
    """
    step = max(1, round(4.0 / pitch))  # nothing finer than 4 mm is left in scatter
    source = signal * np.minimum(thickness / 220.0, 1.2)
    coarse = _shrink(source, step)
    wide = ndimage.gaussian_filter(coarse, 45.0 / (pitch * step), mode="nearest")
    near = ndimage.gaussian_filter(coarse, 16.0 / (pitch * step), mode="nearest")
    return grid * _enlarge(0.65 * wide + 0.35 * near, signal.shape)


def _shrink(image: Array, step: int) -> Array:
    rows, columns = (side // step * step for side in image.shape)
    blocks = image[:rows, :columns].reshape(rows // step, step, columns // step, step)
    return blocks.mean(axis=(1, 3))


def _enlarge(image: Array, shape: tuple[int, ...]) -> Array:
    where = [
        np.clip((np.arange(side) + 0.5) * small / side - 0.5, 0, small - 1)
        for side, small in zip(shape, image.shape, strict=True)
    ]
    rows = np.stack([np.interp(where[0], np.arange(image.shape[0]), c) for c in image.T], axis=1)
    return np.stack([np.interp(where[1], np.arange(image.shape[1]), r) for r in rows])


def side_marker(shape: tuple[int, int], letter: str, pitch: float) -> Array:
    """Optical depth of a lead letter near the upper corner of the side that it names.

    A lead letter on the cassette is part of the exposure, not an annotation.
    """
    depth = np.zeros(shape)
    if not letter:
        return depth
    half = 0.5 * shape[0] * pitch
    place = (0.82 if letter == "L" else -0.82) * half
    x = (np.arange(shape[1]) + 0.5) * pitch - half - place
    y = half - (np.arange(shape[0]) + 0.5) * pitch - 0.86 * half
    stem = (-5.0, -8.0, -5.0, 8.0)
    strokes = {
        "L": (stem, (-5.0, -8.0, 4.0, -8.0)),
        "R": (stem, (-5.0, 8.0, 3.0, 8.0), (3.0, 8.0, 3.0, 0.0), (-5.0, 0.0, 3.0, 0.0),
              (-2.0, 0.0, 4.5, -8.0)),
    }  # fmt: skip
    off = np.full(shape, np.inf)
    for x0, y0, x1, y1 in strokes[letter]:
        run = np.hypot(x1 - x0, y1 - y0)
        along = ((x[None, :] - x0) * (x1 - x0) + (y[:, None] - y0) * (y1 - y0)) / run**2
        along = np.clip(along, 0.0, 1.0)
        apart = np.hypot(x[None, :] - x0 - along * (x1 - x0), y[:, None] - y0 - along * (y1 - y0))
        np.minimum(off, apart, out=off)
    return MARKER * np.clip((1.6 - off) / max(pitch, 0.3) + 0.5, 0.0, 1.0)


def heel(shape: tuple[int, int], strength: float = 0.06) -> Array:
    """Fall-off of the beam towards the anode (top of the film) that flat-fielding leaves."""
    ramp = np.linspace(-1.0, 1.0, shape[0])[:, None]
    return 1.0 + strength * ramp - 0.5 * strength * ramp**2 + np.zeros(shape)


def detect(
    signal: Array, exposure: Exposure, pitch: float, noise: np.random.Generator | None
) -> Array:
    """Blur of focus and scintillator, and quantum noise where ``noise`` is given."""
    sharp = exposure.blur / pitch
    if noise is not None:
        quanta = exposure.photons * pitch**2
        # Gaussian limit of the Poisson law: more than a hundred quanta reach every pixel.
        grain = noise.standard_normal(signal.shape)
        if sharp > 0.2:
            grain = ndimage.gaussian_filter(grain, 0.6 * sharp)
        signal = signal + np.sqrt(np.maximum(signal, 1e-7) / quanta) * grain
    if sharp > 0.2:
        signal = ndimage.gaussian_filter(signal, sharp, mode="nearest")
    return np.maximum(signal, 1e-5)


def present(signal: Array, exposure: Exposure, pitch: float, body: np.ndarray) -> Array:
    """12-bit "for presentation" grey scale: log, dynamic-range compression, edges, S-curve.

    Returns whole numbers 0..4095, bright where the patient absorbs (MONOCHROME2).
    """
    density = -np.log(signal)
    open_air = np.log(1 / 0.6)
    anchored = density[body] if body.any() else density
    dark, light = np.percentile(anchored, [12, 88])
    span = max(light - dark, 0.3)
    scaled = (density - dark) / span
    step = max(1, round(4.0 / pitch))
    floor = (open_air - dark) / span
    coarse = ndimage.gaussian_filter(
        _shrink(np.maximum(scaled, floor), step), 22.0 / (pitch * step), mode="nearest"
    )
    # Large areas are drawn together so that mediastinum and lung both keep their detail.
    flat = scaled - 0.22 * (_enlarge(coarse, scaled.shape) - 0.5)
    fine = ndimage.gaussian_filter(flat, 1.6 / pitch, mode="nearest") if pitch < 3.2 else flat
    crisp = flat + 0.45 * (flat - fine)
    slope = 3.7 * exposure.contrast
    grey = 1.0 / (1.0 + np.exp(-slope * (crisp - 0.36 + 0.12 * exposure.brightness)))
    return np.clip(np.rint((grey - 0.02) / 0.97 * WHITE), BLACK, WHITE)
