"""What is drawn for one phantom: the patient, the exposure and the findings.

Everything about a picture follows from a :class:`PhantomParameters` and a matrix size, so a phantom
can be rendered again at any size, with or without a finding, from the same few numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from synthesis.phantom.anatomy import Anatomy, draw_anatomy, hyperinflated
from synthesis.phantom.beam import Beam
from synthesis.phantom.findings import Finding, choose, draw_finding


@dataclass(frozen=True)
class Exposure:
    """How the picture was taken and shown."""

    beam: Beam
    kilovolt: float
    photons: float  # quanta per mm^2 at the unattenuated detector, sets the noise
    grid: float  # share of scatter that passes to the detector
    blur: float  # mm, standard deviation of focus and detector together
    shutters: tuple[float, float, float, float]  # mm cut at left, right, top, bottom
    contrast: float  # slope of the display curve, 1 = usual
    brightness: float  # shift of the display curve, 0 = usual
    marker: str  # "L", "R" or ""


@dataclass(frozen=True)
class PhantomParameters:
    """One phantom: who, how exposed, with what."""

    seed: int
    anatomy: Anatomy
    exposure: Exposure
    findings: tuple[Finding, ...] = field(default=())

    @property
    def view(self) -> str:
        return self.exposure.beam.view


def draw(seed: int, *, pathology: str | Sequence[str] | None = None) -> PhantomParameters:
    """Draw a patient, an exposure and findings; the same seed always gives the same phantom.

    ``pathology`` names one finding or several (ChestX-ray14 terms, or ``"none"`` /
    ``"No Finding"``); left out, it is drawn too. Raises ``ValueError`` for a name not known or a
    negative seed.
    """
    if seed < 0:
        raise ValueError(f"seed {seed}: a whole number from 0 up is expected")
    names = choose(np.random.default_rng([seed, 1]), pathology)
    rng = np.random.default_rng([seed, 0])
    anatomy = draw_anatomy(rng, seed)
    exposure = _draw_exposure(rng, anatomy)
    if "Emphysema" in names:
        anatomy = hyperinflated(anatomy)
    details = np.random.default_rng([seed, 2])
    findings = tuple(draw_finding(details, name, anatomy) for name in names)
    return PhantomParameters(seed, anatomy, exposure, findings)


def _draw_exposure(rng: np.random.Generator, anatomy: Anatomy) -> Exposure:
    supine = rng.random() < 0.3
    beam = Beam(
        view="AP" if supine else "PA",
        source_detector=float(rng.normal(1150, 60)) if supine else 1800.0,
        patient_detector=130.0 + anatomy.fat,
        field=float(np.clip(rng.normal(386, 13), 355, 415)) * (1.03 if supine else 1.0),
        centre=(float(rng.normal(0, 4)), float(rng.normal(-26, 7)) * anatomy.scale),
        rotation=float(rng.normal(0, 1.6 if supine else 0.9)),
        tilt=float(rng.normal(0, 1.5 if supine else 0.7)),
    )
    shutters = [0.0, 0.0, 0.0, 0.0]
    if rng.random() < 0.35:
        shutters = list(np.where(rng.random(4) < 0.6, rng.uniform(2, 18, 4), 0.0))
    return Exposure(
        beam=beam,
        kilovolt=float(rng.uniform(85, 105)) if supine else float(rng.uniform(110, 130)),
        photons=float(rng.uniform(0.7, 1.6)) * 1.6e5,
        grid=float(rng.uniform(0.45, 0.6)) if supine else float(rng.uniform(0.2, 0.35)),
        blur=float(rng.uniform(0.16, 0.26)),
        shutters=(shutters[0], shutters[1], shutters[2], shutters[3]),
        contrast=float(np.clip(rng.normal(1.0, 0.1), 0.75, 1.3)),
        brightness=float(rng.normal(0, 0.1)),
        marker="L" if rng.random() < 0.5 else ("R" if rng.random() < 0.3 else ""),
    )
