"""What is drawn for one phantom: the patient, the exposure and the findings.

Everything about a picture follows from a :class:`PhantomParameters` and a matrix size, so a phantom
can be rendered again at any size, with or without a finding, from the same few numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from synthesis.phantom.beam import Beam
from synthesis.phantom.findings import Finding, choose, draw_finding


@dataclass(frozen=True)
class Anatomy:
    """A thorax. Lengths in mm for this patient; ``scale`` multiplies the standard skeleton."""

    sex: str  # "F" or "M"
    age: int  # years
    scale: float
    half_width: float  # of the thoracic cavity at its widest
    half_depth: float
    lung_height: float  # apex to costophrenic angle
    dome_right: float  # z of the right diaphragm summit
    dome_left: float
    dome_height: float
    fat: float  # subcutaneous layer
    muscle: float  # chest wall without fat
    breast: float  # radius, 0 where there is none to see
    heart: float  # 1 = a cardiothoracic ratio of about 0.45
    heart_axis: float  # degrees: 30 lies flat, 60 hangs
    aorta: float  # 1 = young; widens and unfolds with age
    lung_density: float  # g/cm^3 of aerated lung
    bone_density: float  # 1 = young adult
    rib_slope: float  # 1 = usual
    arms_out: float  # degrees of abduction
    scapula_out: float  # 0 over the lungs (AP) .. 1 clear of them (good PA)
    scoliosis: float  # mm of lateral bow
    vessels: float  # calibre
    bubble: float  # mm, gastric air; 0 for none
    seed: int  # of vessel tree, texture and gas


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
    anatomy = _draw_anatomy(rng, seed, names)
    exposure = _draw_exposure(rng, anatomy)
    if "Emphysema" in names:
        anatomy = _hyperinflated(anatomy)
    details = np.random.default_rng([seed, 2])
    findings = tuple(draw_finding(details, name, anatomy) for name in names)
    return PhantomParameters(seed, anatomy, exposure, findings)


def _draw_anatomy(rng: np.random.Generator, seed: int, names: Sequence[str]) -> Anatomy:
    sex = "F" if rng.random() < 0.46 else "M"
    age = int(np.clip(rng.normal(52, 17), 18, 92))
    scale = (0.93 if sex == "F" else 1.0) * rng.normal(1.0, 0.03)
    habitus = float(np.clip(rng.gamma(4.0, 0.25), 0.25, 2.4))  # 1 = median build
    inspiration = float(np.clip(rng.normal(1.0, 0.06), 0.84, 1.1))
    old = (age - 50) / 40
    half_width = 136 * scale * rng.normal(1.0, 0.03) * (0.97 + 0.03 * habitus)
    lung_height = 262 * scale * inspiration
    dome_height = 52 * scale * rng.normal(1.0, 0.12)
    dome_right = 118 * scale - lung_height + 52 * scale * rng.normal(1.0, 0.08)
    return Anatomy(
        sex=sex,
        age=age,
        scale=scale,
        half_width=half_width,
        half_depth=half_width * rng.normal(0.65, 0.03) + 4 * max(old, 0),
        lung_height=lung_height,
        dome_right=dome_right,
        dome_left=dome_right - scale * rng.normal(13, 5),
        dome_height=dome_height,
        fat=5 + 13 * habitus * (1.1 if sex == "F" else 0.9),
        muscle=(15 if sex == "F" else 19) * scale * rng.normal(1.0, 0.1),
        breast=rng.normal(62, 9) * (0.82 + 0.18 * habitus) if sex == "F" else 0.0,
        heart=float(np.clip(rng.normal(1.0, 0.06) + 0.06 * old, 0.86, 1.14)),
        heart_axis=float(np.clip(rng.normal(45, 7) - 25 * (1 - inspiration), 30, 62)),
        aorta=float(np.clip(1.0 + 0.3 * old + rng.normal(0, 0.1), 0.75, 1.6)),
        lung_density=0.26 / inspiration**2 * rng.normal(1.0, 0.06),
        bone_density=float(np.clip(1.0 - 0.18 * old + rng.normal(0, 0.1), 0.6, 1.25)),
        rib_slope=float(np.clip(rng.normal(1.0, 0.1), 0.75, 1.3)),
        arms_out=float(rng.uniform(6, 24)),
        scapula_out=float(rng.uniform(0.55, 1.0)),
        scoliosis=rng.normal(0, 3.5),
        vessels=rng.normal(1.0, 0.1),
        bubble=float(rng.uniform(12, 30)) if rng.random() < 0.8 else 0.0,
        seed=seed,
    )


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


def _hyperinflated(anatomy: Anatomy) -> Anatomy:
    """Long, deep, dark lungs over low flat domes, with a narrow heart."""
    changed = dict(anatomy.__dict__)
    longer = 22 * anatomy.scale
    changed.update(
        lung_height=anatomy.lung_height + longer,
        half_depth=anatomy.half_depth * 1.14,
        dome_right=anatomy.dome_right - longer - 14 * anatomy.scale,
        dome_left=anatomy.dome_left - longer - 12 * anatomy.scale,
        dome_height=anatomy.dome_height * 0.42,
        heart=max(anatomy.heart * 0.84, 0.76),
        heart_axis=min(anatomy.heart_axis + 10, 64),
        lung_density=anatomy.lung_density * 0.66,
        vessels=anatomy.vessels * 0.86,
        rib_slope=anatomy.rib_slope * 0.82,
    )
    return Anatomy(**changed)
