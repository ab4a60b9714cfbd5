"""The pulmonary vessel tree: grown towards points that fill each lung, thinned by Murray's law."""

from __future__ import annotations

import numpy as np

from synthesis.phantom.beam import Array
from synthesis.phantom.parameters import Anatomy
from synthesis.phantom.thorax import Cavity
from synthesis.phantom.tubes import Tubes, tube

_TIPS = 330  # terminal points a lung: arteries and veins together


def tree(anatomy: Anatomy, cavity: Cavity, spacing: float) -> Tubes:
    """Arteries and veins of both lungs."""
    parts: list[Tubes] = []
    for side in (-1.0, 1.0):
        rng = np.random.default_rng([anatomy.seed, 7, int(side > 0)])
        for kind, share in (("artery", 0.6), ("vein", 0.4)):
            parts.extend(_grow(rng, anatomy, cavity, side, kind, int(_TIPS * share), spacing))
    return Tubes.join(parts)


def _grow(
    rng: np.random.Generator,
    anatomy: Anatomy,
    cavity: Cavity,
    side: float,
    kind: str,
    tips: int,
    spacing: float,
) -> list[Tubes]:
    scale = anatomy.scale
    # The left hilum stands higher than the right; veins enter lower and further forward.
    hilum = np.array([side * 31.0, -10.0, 14.0 if side < 0 else 22.0]) * scale
    if kind == "vein":
        hilum += np.array([-side * 4.0, 12.0, -16.0]) * scale
    targets = _fill(rng, anatomy, cavity, side, tips)
    targets = targets[np.argsort(np.linalg.norm(targets - hilum, axis=1))]
    places, parent, path = [hilum], [-1], [0.0]
    if kind == "artery":
        # The two lobar trunks that make the hilar shadow.
        for step in (
            (side * 8.0, -6.0, -26.0),
            (side * 10.0, -2.0, 20.0),
            (side * 13.0, -12.0, -52.0),
        ):
            places.append(hilum + np.array(step) * scale)
            parent.append(0 if len(places) < 4 else 1)
            path.append(30.0 * scale)
    for target in targets:
        known = np.array(places)
        apart = np.linalg.norm(known - target, axis=1)
        # Leave along existing trunks, but never fold back towards the hilum.
        outward = known - hilum
        behind = np.maximum(np.linalg.norm(outward, axis=1) - np.linalg.norm(target - hilum), 0.0)
        best = int(np.argmin(apart + 0.25 * np.array(path) + 3.0 * behind))
        middle = known[best] + 0.55 * (target - known[best]) + rng.normal(0, 0.05 * apart[best], 3)
        places.append(middle)
        parent.append(best)
        path.append(path[best] + 0.55 * apart[best])
        places.append(target)
        parent.append(len(places) - 2)
        path.append(path[-1] + 0.45 * apart[best])
    flow = np.zeros(len(places))
    flow[1:] = 1.0
    for child in range(len(places) - 1, 0, -1):
        flow[parent[child]] += flow[child]
    full = (8.4 if kind == "artery" else 7.0) * scale * anatomy.vessels
    radius = full * (flow / flow[0]) ** (1 / 2.55)
    parts = []
    for child in range(1, len(places)):
        start, end = places[parent[child]], places[child]
        sway = rng.normal(0, 0.05 * float(np.linalg.norm(end - start)), 3)
        share = np.linspace(0, 1, 5)[:, None]
        curve = start + share * (end - start) + np.sin(np.pi * share) * sway
        wide = min(float(radius[child]) * 1.12, float(radius[parent[child]])) if child else full
        taper = np.linspace(wide, radius[child] * 0.86, 5)
        parts.append(
            tube(
                curve, np.stack([taper, taper], 1), max(spacing, 0.3), np.array([0.37, 0.81, 0.45])
            )
        )
    return parts


def _fill(
    rng: np.random.Generator, anatomy: Anatomy, cavity: Cavity, side: float, count: int
) -> Array:
    """Points spread through one lung, denser towards the bases, clear of wall and mediastinum."""
    kept: list[Array] = []
    low = min(anatomy.dome_right, anatomy.dome_left) - 0.6 * anatomy.dome_height
    while sum(len(part) for part in kept) < count:
        points = rng.uniform(0, 1, (4 * count, 3))
        points[:, 0] = side * (16 + points[:, 0] * cavity.half_width)
        points[:, 1] = (2 * points[:, 1] - 1) * cavity.half_depth
        points[:, 2] = low + points[:, 2] ** 1.2 * (cavity.apex - low)
        dome = anatomy.dome_right if side < 0 else anatomy.dome_left
        across = (np.abs(points[:, 0]) - 0.48 * cavity.half_width) / (0.62 * cavity.half_width)
        floor = dome - anatomy.dome_height * (
            across**2 + (points[:, 1] / cavity.half_depth) ** 2 * 0.6
        )
        good = cavity.contains(points, 9.0) & (points[:, 2] > floor + 4)
        good &= (np.abs(points[:, 0]) > 30 * anatomy.scale) | (rng.random(len(points)) < 0.2)
        kept.append(points[good])
    return np.concatenate(kept)[:count]
