"""The patient: one thorax, drawn at random within what adults have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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


def draw_anatomy(rng: np.random.Generator, seed: int) -> Anatomy:
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


def hyperinflated(anatomy: Anatomy) -> Anatomy:
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
