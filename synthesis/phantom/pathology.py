"""How each finding changes what the rays meet, and the exact mask of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from synthesis.phantom.beam import Array, Rays
from synthesis.phantom.findings import Finding
from synthesis.phantom.parameters import PhantomParameters
from synthesis.phantom.solids import Dome, Ellipsoid, Interval, covered, length
from synthesis.phantom.thorax import Cavity, heart

Mask = NDArray[np.bool_]


@dataclass
class State:
    """Depths (mm) on each ray, changed in place by one finding after another."""

    rays: Rays
    cavity: Cavity
    within: Interval
    lung: Array  # lung, vessels included
    vessels: Array  # blood inside it
    soft: Array  # lung turned to soft tissue or fluid
    air: Array  # free of lung: airways, bowel, pleural air

    def solidify(self, depth: Array) -> Mask:
        """Turn ``depth`` mm of lung to soft tissue; the rays that lose any."""
        taken = np.minimum(depth, np.maximum(self.lung - self.vessels - self.soft, 0.0))
        self.soft = self.soft + taken
        return np.asarray(taken > 0.05)


def heart_factor(findings: Sequence[Finding]) -> float:
    """How much the heart is enlarged."""
    return max((f.amount for f in findings if f.label == "Cardiomegaly"), default=1.0)


def leaves(domes: tuple[Dome, Dome], parameters: PhantomParameters) -> tuple[Dome, ...]:
    """Diaphragm, drawn up on the side of a plate of atelectasis."""
    raised = {f.side for f in parameters.findings if f.label == "Atelectasis"}
    return tuple(
        replace(dome, top=dome.top + 9 * parameters.anatomy.scale) if side in raised else dome
        for side, dome in zip((-1, 1), domes, strict=True)
    )


def apply(state: State, parameters: PhantomParameters) -> dict[str, Mask]:
    """Put every finding into ``state``; its mask by label."""
    anatomy = parameters.anatomy
    masks: dict[str, Mask] = {}
    # Air first: what has collapsed holds no nodule.
    for finding in sorted(parameters.findings, key=lambda f: f.label != "Pneumothorax"):
        if finding.label == "Pneumothorax":
            mask = _pneumothorax(state, finding)
        elif finding.label in ("Nodule", "Mass"):
            mask = state.solidify(_lesion(state.rays, finding))
        elif finding.label == "Effusion":
            mask = _effusion(state, finding)
        elif finding.label == "Cardiomegaly":
            mask = _silhouette(state.rays, heart(anatomy, finding.amount), state.within)
        elif finding.label == "Consolidation":
            mask = state.solidify(_airspace(state.rays, finding))
        elif finding.label == "Atelectasis":
            mask = state.solidify(_plate(state.rays, finding))
        elif finding.label == "Emphysema":
            mask = np.asarray(state.lung > 0.05)
        else:
            raise ValueError(f"no drawing for {finding.label!r}")
        masks[finding.label] = mask
    return masks


def _silhouette(rays: Rays, parts: Sequence[Ellipsoid], within: Interval) -> Mask:
    whole = covered(within, [part.intersect(rays) for part in parts])
    return np.asarray(whole > 0.05)


def _lesion(rays: Rays, finding: Finding) -> Array:
    """A sphere with lobes: its radius varies with the angle in the film plane."""
    rng = np.random.default_rng([finding.seed, 1])
    x, z = rays.at(finding.centre[1])
    dx, dz = (x - finding.centre[0]) / finding.radii[0], (z - finding.centre[2]) / finding.radii[2]
    angle = np.arctan2(dz, dx)
    lobes = 0.5 if finding.label == "Nodule" else 1.0
    edge = np.ones_like(angle)
    for order in range(2, 7):
        edge += lobes * rng.normal(0, 0.16) / order * np.cos(order * angle + rng.uniform(0, 6.28))
    if finding.label == "Mass" and rng.random() < 0.5:
        for order in range(9, 24):  # spiculated
            edge += rng.normal(0, 0.009) * np.cos(order * angle + rng.uniform(0, 6.28))
    off = (dx**2 + dz**2) / edge**2
    return 2 * finding.radii[1] * np.sqrt(np.maximum(1 - off, 0.0))


def _airspace(rays: Rays, finding: Finding) -> Array:
    """Patchy filling of a region whose border wanders; densest in the middle."""
    rng = np.random.default_rng([finding.seed, 2])
    x, z = rays.at(finding.centre[1])
    dx, dz = (x - finding.centre[0]) / finding.radii[0], (z - finding.centre[2]) / finding.radii[2]
    patches = np.zeros_like(x)
    for cell, strength in ((26.0, 0.5), (12.0, 0.35), (5.0, 0.22)):
        grid = rng.standard_normal((int(480 / cell),) * 2)
        where = np.stack([(z + 240) / cell, (x + 240) / cell])
        patches += strength * ndimage.map_coordinates(grid, where, order=2, mode="wrap")
    filling = np.clip(1.25 * (1 - np.sqrt(dx**2 + dz**2)) + 0.35 * patches, 0.0, 1.0)
    filling *= dx**2 + dz**2 < 1.7
    return 2 * finding.radii[1] * finding.amount * filling * (3 - 2 * filling) * filling


def _plate(rays: Rays, finding: Finding) -> Array:
    """One to three discs seen nearly edge-on: uneven, slightly bent, fading at the ends."""
    rng = np.random.default_rng([finding.seed, 3])
    x, z = rays.at(finding.centre[1])
    depth = np.zeros_like(x)
    for number in range(int(rng.integers(1, 4))):
        angle = np.deg2rad(finding.amount + rng.normal(0, 6))
        reach = finding.radii[0] * (1.0 if number == 0 else rng.uniform(0.5, 0.8))
        dx = x - finding.centre[0] - (rng.uniform(-8, 8) if number else 0.0)
        dz = z - finding.centre[2] + number * rng.uniform(7, 12)
        run = dx * np.cos(angle) + dz * np.sin(angle)
        off = dz * np.cos(angle) - dx * np.sin(angle)
        off = off - rng.normal(0, 2.0) * (run / reach) ** 2 - rng.normal(0, 1.2) * np.sin(run / 9.0)
        ends = np.maximum(1 - (run / reach) ** 2, 0.0)
        uneven = 1 + 0.25 * np.sin(run / 5.0 + rng.uniform(0, 6.28))
        thin = np.maximum(1 - (off / finding.radii[2]) ** 2, 0.0)
        depth = np.maximum(depth, 2 * finding.radii[1] * np.sqrt(thin) * ends**0.7 * uneven)
    return depth


def _effusion(state: State, finding: Finding) -> Mask:
    """Fluid that stands level in the pleural space and climbs the wall as a meniscus."""
    x, z = state.rays.at(0.0)
    width, half, centre = state.cavity.section(z)
    base = state.cavity.apex - state.cavity.height
    lying = base + 0.45 * finding.amount
    climb = 0.55 * finding.amount + 14
    # In the ring r > r0(z) of each section there is fluid; r0 = 0 under the level.
    inner = np.clip((z - lying) / climb, 0.0, 1.0) ** 0.22
    across = (np.abs(x) / np.maximum(width, 1.0)) ** 2.3
    spared = half * np.maximum(inner**2.3 - across, 0.0) ** (1 / 2.3)
    aerated = (centre - spared, centre + spared)
    dry = length((np.maximum(state.within[0], aerated[0]), np.minimum(state.within[1], aerated[1])))
    whole = length(state.within)
    share = np.where(whole > 0, 1 - dry / np.maximum(whole, 1e-9), 0.0)
    sided = np.ones_like(x, dtype=bool) if finding.side == 0 else np.sign(x) == finding.side
    return state.solidify(state.lung * share * (sided & (inner < 1)))


def _pneumothorax(state: State, finding: Finding) -> Mask:
    """Lung fallen away from apex and side: air without vessels beyond a thin pleural line."""
    x, z = state.rays.at(0.0)
    gap = finding.amount
    down = state.cavity.apex - z
    fall = np.clip(1 - down / (0.85 * state.cavity.height), 0.0, 1.0)
    shifted, _, _ = state.cavity.section(z + 0.9 * gap)
    border = np.where(down < 0.9 * gap, 0.0, shifted - gap * (0.25 + 0.75 * fall))
    outside = (np.sign(x) == finding.side) & (np.abs(x) > border)
    mask = outside & (state.lung > 0.05)
    state.air = state.air + np.where(mask, state.lung, 0.0)
    state.lung = np.where(mask, 0.0, state.lung)
    state.vessels = np.where(mask, 0.0, state.vessels)
    # The visceral pleura stands edge-on to the beam: a white line along the collapsed lung.
    inside = border - np.abs(x)
    line = np.clip((1.1 - np.abs(inside - 0.9)) / max(state.rays.pitch, 0.4) + 0.5, 0.0, 1.0)
    line *= (np.sign(x) == finding.side) & ~mask & (down > 0.9 * gap)
    state.soft = state.soft + np.minimum(14.0 * line, 0.8 * state.lung)
    return np.asarray(mask | (line * state.lung > 0))
