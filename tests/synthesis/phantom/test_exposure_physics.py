"""Attenuation, scatter, quanta and the display curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from synthesis.phantom import draw
from synthesis.phantom.beam import Beam
from synthesis.phantom.exposure import (
    DENSITY,
    ENERGIES,
    MASS_ATTENUATION,
    Paths,
    attenuation,
    detect,
    present,
    primary,
    scatter,
    spectrum,
)
from synthesis.phantom.solids import Ellipsoid, length


def paths(shape: tuple[int, ...] = (1, 1), **millimetres: float | np.ndarray) -> Paths:
    full = {
        name: np.broadcast_to(np.asarray(millimetres.get(name, 0.0), dtype=float), shape)
        for name in ("soft", "fat", "bone", "lung")
    }
    return Paths(**full, lung_density=0.25)


def test_each_energy_follows_beer_lambert() -> None:
    # given 200 mm of soft tissue; mu/rho of ICRU-44 soft tissue at 60 keV is 0.2048 cm^2/g
    # (NIST, Hubbell & Seltzer), its density 1.06 g/cm^3
    depth = attenuation(paths(soft=200.0))[list(ENERGIES).index(60.0)]
    # then the exponent is mu rho x
    assert depth.item() == pytest.approx(0.2048 * 1.06 * 20.0)


def test_a_sphere_attenuates_as_its_chord_says_on_every_ray() -> None:
    # given a sphere of soft tissue in air
    beam = Beam("PA", 1800.0, 140.0, 120.0, (0.0, 0.0), 0.0, 0.0)
    rays, radius = beam.rays(64), 40.0
    chord = length(Ellipsoid((0.0, 0.0, 0.0), (radius,) * 3).intersect(rays)) * rays.stretch
    # when it is exposed at 120 kV
    signal = primary(paths(chord.shape, soft=chord), 120.0)
    # then the signal is the spectrum's mean of exp(-mu 2 sqrt(R^2 - d^2)), found independently
    direction = np.stack([rays.slope_x, np.ones_like(rays.slope_x), rays.slope_z])
    direction /= np.linalg.norm(direction, axis=0)
    off = np.cross(direction, -rays.origin[:, None, None], axis=0)
    analytic = 0.2 * np.sqrt(np.maximum(radius**2 - (off**2).sum(axis=0), 0.0))  # cm
    expected = sum(
        share * np.exp(-mu * DENSITY["soft"] * analytic)
        for share, mu in zip(spectrum(120.0), MASS_ATTENUATION["soft"], strict=True)
    )
    np.testing.assert_allclose(signal, expected, rtol=1e-6)


def test_the_beam_hardens() -> None:
    # given thin and thick soft tissue
    thin = -np.log(primary(paths(soft=1.0), 120.0)).item()
    thick = -np.log(primary(paths(soft=300.0), 120.0)).item() / 300
    # then a millimetre of thick tissue removes less than the first one
    assert thick < 0.99 * thin


def test_low_voltage_shows_more_bone_contrast() -> None:
    # given a rib's worth of bone within soft tissue
    def contrast(kilovolt: float) -> float:
        bare = primary(paths(soft=150.0), kilovolt).item()
        return 1 - primary(paths(soft=144.0, bone=6.0), kilovolt).item() / bare

    # then 80 kV shows it better than 125 kV
    assert contrast(80.0) > 1.1 * contrast(125.0)


def test_spectrum_is_a_share_and_ends_at_the_voltage() -> None:
    assert spectrum(90.0).sum() == pytest.approx(1.0)
    assert spectrum(90.0)[ENERGIES > 90].sum() == 0.0


def test_scatter_fills_the_shadow_of_the_mediastinum() -> None:
    # given a dense bar between two bright fields
    signal = np.full((128, 128), 0.12)
    signal[:, 50:78] = 0.01
    thickness = np.full_like(signal, 220.0)
    halo = scatter(signal, thickness, 3.0, 0.5)
    # then scatter to primary is far larger behind the bar, as it is behind the mediastinum
    ratio = halo / signal
    assert ratio[64, 64] > 3 * ratio[64, 10]
    # and a patient of no thickness scatters nothing
    assert scatter(signal, np.zeros_like(signal), 3.0, 0.5).max() == 0.0


def test_noise_follows_the_square_root_of_the_quanta() -> None:
    # given flat fields at two exposures four times apart
    exposure = replace(draw(1).exposure, blur=1e-3)
    flat = np.full((200, 200), 0.2)
    weak = detect(flat, exposure, 1.0, np.random.default_rng(0))
    strong_exposure = replace(exposure, photons=4 * exposure.photons)
    strong = detect(flat, strong_exposure, 1.0, np.random.default_rng(0))
    # then the spread is that of Poisson counts, halved by four times the dose
    assert weak.std() == pytest.approx(np.sqrt(0.2 / exposure.photons), rel=0.02)
    assert weak.std() / strong.std() == pytest.approx(2.0, rel=1e-6)


def test_display_is_brighter_where_more_was_absorbed() -> None:
    # given a wedge
    exposure = draw(2).exposure
    signal = np.exp(-np.linspace(0.5, 4.0, 128))[None, :] * np.ones((128, 1))
    grey = present(signal, exposure, 3.0, np.ones_like(signal, dtype=bool))
    # then grey rises along it within 12 bits
    assert (np.diff(grey[64]) >= 0).all()
    assert grey.min() >= 0
    assert grey.max() <= 4095
