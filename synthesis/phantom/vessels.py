"""The pulmonary vessel tree: grown towards points that fill each lung, thinned by Murray's law."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthesis.phantom.anatomy import Anatomy
from synthesis.phantom.beam import Array
from synthesis.phantom.thorax import Cavity
from synthesis.phantom.tubes import Tubes

_TIPS = 420  # terminal points a lung: arteries and veins together


def tree(anatomy: Anatomy, cavity: Cavity, spacing: float) -> Tubes:
    """Arteries and veins of both lungs."""
    parts: list[Tubes] = []
    for side in (-1.0, 1.0):
        rng = np.random.default_rng([anatomy.seed, 7, int(side > 0)])
        for kind, share in (("artery", 0.6), ("vein", 0.4)):
            parts.append(_grow(rng, anatomy, cavity, side, kind, int(_TIPS * share), spacing))
    return Tubes.join(parts)


def _grow(
    rng: np.random.Generator,
    anatomy: Anatomy,
    cavity: Cavity,
    side: float,
    kind: str,
    tips: int,
    spacing: float,
) -> Tubes:
    scale = anatomy.scale
    # The left hilum stands higher than the right; veins enter lower and further forward.
    hilum = np.array([side * 31.0, -10.0, 14.0 if side < 0 else 22.0]) * scale
    if kind == "vein":
        hilum += np.array([-side * 4.0, 12.0, -16.0]) * scale
    targets = _fill(rng, anatomy, cavity, side, tips)
    targets = targets[np.argsort(np.linalg.norm(targets - hilum, axis=1))]
    trunks = np.array([[8, -6, -26], [10, -2, 20], [13, -12, -52]]) * [side, 1, 1] * scale
    trunks = trunks[: 3 if kind == "artery" else 0]  # the lobar arteries that make the hilar shadow
    room = 1 + len(trunks) + 2 * tips
    places, parent, path = np.empty((room, 3)), np.zeros(room, dtype=int), np.zeros(room)
    places[0] = hilum
    places[1 : 1 + len(trunks)] = hilum + trunks
    path[1 : 1 + len(trunks)] = 30.0 * scale
    parent[3 : 1 + len(trunks)] = 1
    used = 1 + len(trunks)
    wander = rng.normal(0, 0.05, (tips, 3))
    for target, drift in zip(targets, wander, strict=True):
        known = places[:used]
        apart = np.sqrt(((known - target) ** 2).sum(axis=1))
        # Leave along existing trunks, but never fold back towards the hilum.
        outward = np.sqrt(((known - hilum) ** 2).sum(axis=1))
        behind = np.maximum(outward - np.sqrt(((target - hilum) ** 2).sum()), 0.0)
        best = int(np.argmin(apart + 0.25 * path[:used] + 3.0 * behind))
        places[used] = known[best] + 0.55 * (target - known[best]) + drift * apart[best]
        places[used + 1] = target
        parent[used], parent[used + 1] = best, used
        path[used : used + 2] = path[best] + np.array([0.55, 1.0]) * apart[best]
        used += 2
    flow = np.ones(room)
    flow[0] = 0.0
    for child in range(room - 1, 0, -1):
        flow[parent[child]] += flow[child]
    full = (8.4 if kind == "artery" else 7.0) * scale * anatomy.vessels
    radius = full * (flow / flow[0]) ** (1 / 2.55)  # Murray's law, exponent as measured in lungs
    return _branches(rng, places, parent, radius, spacing)


def _branches(
    rng: np.random.Generator, places: Array, parent: NDArray[np.int_], radius: Array, spacing: float
) -> Tubes:
    """Every branch from its parent, slightly curved and tapering, sliced in one go."""
    start, end = places[parent[1:]], places[1:]
    reach = np.linalg.norm(end - start, axis=1)
    sway = rng.normal(0, 0.06, (len(reach), 3)) * reach[:, None]
    wide = np.minimum(radius[1:] * 1.12, radius[parent[1:]])
    count = np.maximum(np.ceil(reach / spacing).astype(int), 2)
    which = np.repeat(np.arange(len(reach)), count)
    share = (np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + 0.5) / count[
        which
    ]
    along = (end - start)[which]
    bend = np.pi * share[:, None]
    points = start[which] + share[:, None] * along + np.sin(bend) * sway[which]
    tangents = along + np.pi * np.cos(bend) * sway[which]
    speed = np.linalg.norm(tangents, axis=1, keepdims=True)
    tangents = tangents / np.maximum(speed, 1e-9)
    calibre = wide[which] + share * (0.86 * radius[1:] - wide)[which]
    across = np.cross(tangents, [0.37, 0.81, 0.45])
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    steps = speed[:, 0] / count[which]
    return Tubes(points, steps, tangents, across, np.stack([calibre, calibre], axis=1))


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
