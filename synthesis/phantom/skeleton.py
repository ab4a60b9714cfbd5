"""Bones, as tubes with a cortical shell, and the vertebral bodies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from synthesis.phantom.anatomy import Anatomy
from synthesis.phantom.beam import Array, Beam, Rays
from synthesis.phantom.thorax import Cavity
from synthesis.phantom.tubes import Tubes, path_length, tube

# Descent of each rib from its head to its front end, mm; angle of that end (degrees from lateral).
_DROP = (36, 54, 68, 79, 88, 95, 100, 103, 98, 88, 62, 40)
_FRONT = (66, 62, 58, 56, 54, 51, 47, 41, 33, 22, -14, -44)
_CERVICAL = 5  # vertebrae above the first thoracic that a film can show


@dataclass(frozen=True)
class Bone:
    """Tubes that share a cortex thickness (mm) and a share of mineral inside it."""

    tubes: Tubes
    cortex: float
    inside: float


def vertebra_level(index: Array | float, scale: float) -> Array:
    """z (mm) of the centre of thoracic vertebra ``index`` (1 = T1, 0 = C7)."""
    below = np.asarray(index, dtype=float) - 1.0
    return scale * (112.0 - 19.4 * below - 0.42 * np.sign(below) * below**2)


def bow(z: Array, anatomy: Anatomy) -> Array:
    """Sideways shift (mm) of the spine at height ``z``."""
    return anatomy.scoliosis * np.sin(np.asarray(z) / (95.0 * anatomy.scale) + 0.4)


def bones(anatomy: Anatomy, cavity: Cavity, spacing: float) -> list[Bone]:
    """Ribs, shoulder girdle and posterior elements of the spine."""
    scale = anatomy.scale
    ribs = Tubes.join(
        rib(anatomy, cavity, number, side, spacing) for number in range(1, 13) for side in (-1, 1)
    )
    girdle = [part for side in (-1.0, 1.0) for part in _girdle(anatomy, side, spacing)]
    arches = Tubes.join(_arches(anatomy, spacing))
    return [
        Bone(ribs, 0.85 * scale, 0.13),
        *girdle,
        Bone(arches, 0.75 * scale, 0.10),
    ]


def rib(anatomy: Anatomy, cavity: Cavity, number: int, side: int, spacing: float) -> Tubes:
    """One rib, from its neck beside the spine round to the costochondral junction."""
    scale = anatomy.scale
    along = np.linspace(0.0, 1.0, 160)
    first, last = np.deg2rad(-83.0), np.deg2rad(_FRONT[number - 1])
    angle = first + (last - first) * along
    head = float(vertebra_level(number, scale)) + 5 * scale
    drop = _DROP[number - 1] * scale * anatomy.rib_slope * anatomy.lung_height / (262 * scale)
    # Out and slightly up from the spine, then ever steeper down to the front.
    z = head + 5 * scale * np.sin(np.pi * np.minimum(along / 0.32, 1.0)) - drop * along**1.35
    if number == 1:
        z = np.minimum(z, cavity.apex + 4 * scale)
    thick = 3.3 * scale
    x, y, normal = cavity.shell(angle, z, thick)
    x = side * x + bow(z, anatomy) * (1 - along) ** 2
    normal[:, 0] *= side
    # Ribs are tallest behind and flare again at the front end.
    tall = scale * (5.5 + 1.6 * along + 1.0 * np.clip((along - 0.86) / 0.14, 0, 1))
    tall = tall * (0.86 if number in (1, 11, 12) else 1.0)
    radii = np.stack([tall, thick * (1.06 - 0.32 * along)], axis=1)
    return tube(np.stack([x, y, z], axis=1), radii, spacing, normal)


def scapula_corners(out: float) -> tuple[tuple[float, float, float], ...]:
    """Superior angle, inferior angle and glenoid of a left scapula at scale 1 (mm)."""
    shift = 26 * (out - 1.0)
    return (96 + shift, -70, 108), (134 + shift, -84, -52), (140 + 6 * out, -14, 82)


def scapula_blades(anatomy: Anatomy, beam: Beam, size: int) -> Array:
    """Depth (mm) of compact bone in the thin plates of both scapulae."""
    column, row = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    depth = np.zeros((size, size))
    for side in (-1.0, 1.0):
        flip = np.array([side, 1.0, 1.0]) * anatomy.scale
        x, y, _ = beam.project(np.array(scapula_corners(anatomy.scapula_out)) * flip, size)
        turn = np.sign((x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0]))
        inside = np.full((size, size), np.inf)
        for start, end in ((0, 1), (1, 2), (2, 0)):
            dx, dy = x[end] - x[start], y[end] - y[start]
            off = turn * ((row - y[start]) * dx - (column - x[start]) * dy) / np.hypot(dx, dy)
            np.minimum(inside, off, out=inside)
        depth += 1.1 * anatomy.scale * np.clip(inside + 0.5, 0.0, 1.0)
    return depth


def _girdle(anatomy: Anatomy, side: float, spacing: float) -> list[Bone]:
    scale, out = anatomy.scale, anatomy.scapula_out
    flip = np.array([side, 1.0, 1.0]) * scale
    forward, deep = np.array([0.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0])

    def curve(*points: tuple[float, float, float]) -> Array:
        knots = np.array(points) * flip
        where = np.arange(len(points), dtype=float)
        fine = np.linspace(0, len(points) - 1, 60)
        return PchipInterpolator(where, knots, axis=0)(fine)

    clavicle = curve(
        (13, 62, 82), (30, 66, 90), (58, 58, 100), (90, 38, 107), (120, 22, 112), (150, 12, 116)
    )
    wide = np.interp(np.linspace(0, 1, 60), [0, 0.12, 0.5, 0.85, 1], [8.5, 6.6, 5.2, 6.4, 7.2])
    clavicle_radii = np.stack([wide, wide * 0.85], axis=1) * scale
    arm = np.deg2rad(anatomy.arms_out)
    head = np.array([160.0 + 6 * out, -4.0, 84.0])
    reach = np.array([np.sin(arm), 0.02, -np.cos(arm)])
    runs = np.concatenate([np.linspace(-23.5, 24, 48), np.linspace(28, 270, 24)])
    humerus = (head + np.outer(runs, reach)) * flip
    ball = 24.0 * np.sqrt(np.clip(1 - (runs / 24.0) ** 2, 0.02, 1))
    stem = np.interp(runs, [0, 24, 60, 110, 270], [20, 18, 12.5, 10.8, 10.0]) * (runs > 0)
    humerus_wide = np.maximum(ball, stem) * scale
    shift = 26 * (out - 1.0)
    superior, inferior, glenoid = scapula_corners(out)
    lateral = curve(glenoid, (139 + 0.4 * shift, -40, 45), (141 + 0.9 * shift, -70, -8), inferior)
    medial = curve(superior, (93 + shift, -84, 72), (104 + shift, -88, 10), inferior)
    upper = curve(superior, (118 + 0.6 * shift, -50, 102), (133, -30, 96), glenoid)
    spine_of = curve(
        (98 + shift, -86, 76), (128 + 0.5 * shift, -72, 92), (156, -50, 110), (176, -22, 114)
    )
    acromion = curve((166, -38, 111), (180, -20, 113), (182, -4, 112), (168, 10, 114))
    coracoid = curve((136, -6, 96), (132, 10, 101), (138, 24, 96))
    return [
        Bone(tube(clavicle, clavicle_radii, spacing, forward), 1.9 * scale, 0.22),
        Bone(tube(humerus, np.stack([humerus_wide] * 2, 1), spacing, forward), 1.7 * scale, 0.08),
        Bone(tube(lateral, (4.6 * scale, 4.8 * scale), spacing, deep), 1.5 * scale, 0.2),
        Bone(tube(medial, (1.6 * scale, 1.8 * scale), spacing, deep), 0.8 * scale, 0.2),
        Bone(tube(upper, (1.5 * scale, 2.0 * scale), spacing, deep), 0.7 * scale, 0.2),
        Bone(tube(spine_of, (4.0 * scale, 6.0 * scale), spacing, deep), 1.1 * scale, 0.15),
        Bone(tube(acromion, (6.5 * scale, 4.5 * scale), spacing, deep), 1.2 * scale, 0.15),
        Bone(tube(coracoid, (6.0 * scale, 6.0 * scale), spacing, deep), 1.3 * scale, 0.15),
    ]


def _arches(anatomy: Anatomy, spacing: float) -> list[Tubes]:
    """Pedicles, transverse processes and spinous processes."""
    scale = anatomy.scale
    parts = []
    for index in range(1 - _CERVICAL, 15):
        z = float(vertebra_level(index, scale))
        x = float(bow(np.asarray(z), anatomy))
        grow = 1 + 0.03 * (index - 1)
        behind = np.array([0.0, 0.0, 1.0])
        for side in (-1.0, 1.0):
            foot = np.array([x + side * 11.5 * grow * scale, -62 * scale, z + 3.5 * scale])
            back = foot + np.array([side * 1.0, -17.0, -1.0]) * scale
            parts.append(
                tube(
                    np.stack([foot, back]),
                    (3.6 * grow * scale, 4.8 * grow * scale),
                    spacing,
                    behind,
                )
            )
            tip = back + np.array([side * (20 if index > 0 else 12), -8.0, 5.0]) * scale
            parts.append(
                tube(
                    np.stack([back, tip]),
                    (4.4 * scale, 3.8 * scale),
                    spacing,
                    np.array([0, 1.0, 0]),
                )
            )
        root = np.array([x, -82 * scale, z - 4 * scale])
        tip = root + np.array([0.0, -24.0, -13.0]) * scale
        parts.append(tube(np.stack([root, tip]), (3.0 * scale, 5.5 * scale), spacing, behind))
    return parts


def vertebral_bodies(anatomy: Anatomy, rays: Rays) -> tuple[Array, Array]:
    """Cortical and cancellous depth (mm) of the vertebral bodies on each ray."""
    scale = anatomy.scale
    depth = -52.0 * scale
    x, z = rays.at(depth)
    cortex, spongy = np.zeros_like(x), np.zeros_like(x)
    near = np.flatnonzero((np.abs(x - bow(z, anatomy)) < 30 * scale).any(axis=0))
    if len(near) == 0:
        return cortex, spongy
    columns = slice(int(near[0]), int(near[-1]) + 1)
    x, z = x[:, columns], z[:, columns]
    number = np.arange(1.0 - _CERVICAL, 15)[::-1]
    centres = vertebra_level(number, scale)
    index = np.interp(z, centres, number)
    # Halves of a level either side of each centre; the disc takes the last of them.
    within = index - np.round(index)
    grow = 1 + 0.03 * (np.round(index) - 1)
    body = 0.40
    reach = np.clip((body - np.abs(within)) / 0.02, 0.0, 1.0)
    waist = 1 - 0.10 * (1 - np.minimum(np.abs(within) / body, 1.0) ** 2)
    off = np.abs(x - bow(z, anatomy)) / (15.5 * scale * grow * waist)
    thin = 1 - 0.9 / 15.5
    outer = np.maximum(1 - off**3.2, 0.0) ** (1 / 3.2)
    inner = np.maximum(1 - (off / thin) ** 3.2, 0.0) ** (1 / 3.2) * thin
    plate = np.clip((np.abs(within) - (body - 0.075)) / 0.02, 0.0, 1.0)
    thick = 27.0 * scale * grow * reach
    whole, core = thick * outer, thick * inner * (1 - 0.85 * plate)
    cortex[:, columns] = whole - core
    spongy[:, columns] = core
    return cortex, spongy


def mineral(anatomy: Anatomy, cavity: Cavity, beam: Beam, rays: Rays, size: int) -> Array:
    """Depth of bone on each ray as millimetres of compact bone; marrow counts as soft tissue."""
    spacing = float(np.clip(0.75 * rays.pitch / beam.magnification, 0.3, 2.5))
    compact = np.zeros((size, size))
    # Sweeps of equal shell and filling share one pass.
    groups: dict[tuple[float, float], list[Tubes]] = {}
    for bone in bones(anatomy, cavity, spacing):
        groups.setdefault((bone.cortex, bone.inside), []).append(bone.tubes)
    for (cortex, inside), parts in groups.items():
        together = Tubes.join(parts)
        outer = path_length(together, beam, size)
        inner = np.minimum(path_length(together.shrunk(cortex), beam, size), outer)
        compact += (outer - inner) + inside * inner
    compact += scapula_blades(anatomy, beam, size)
    shell, spongy = vertebral_bodies(anatomy, rays)
    # End plates and body walls are thin and porous at this scale: 0.28 of compact bone.
    compact += 0.28 * shell + 0.085 * spongy
    return compact * anatomy.bone_density
