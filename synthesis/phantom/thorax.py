"""The soft parts: body outline, thoracic cavity, diaphragm, mediastinum and airways."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from synthesis.phantom.anatomy import Anatomy
from synthesis.phantom.beam import Array, Rays
from synthesis.phantom.solids import Column, Dome, Ellipsoid, Interval, length

# Height below the apex as a share of lung height; half width, half depth as a share of the
# largest; depth of the section's centre in mm. Read off frontal and lateral films.
_DOWN = [0.0, 0.02, 0.06, 0.127, 0.27, 0.41, 0.55, 0.69, 0.83, 0.97, 1.10]
_WIDTH = [0.20, 0.34, 0.50, 0.665, 0.80, 0.86, 0.90, 0.945, 0.98, 1.0, 0.99]
_DEPTH = [0.12, 0.26, 0.38, 0.52, 0.73, 0.86, 0.94, 0.99, 1.0, 1.0, 0.98]
_CENTRE = [-30.0, -29.0, -27.0, -23.0, -12.0, -5.0, -1.0, 0.0, 0.0, -2.0, -4.0]
_POWER = 2.3  # of the section's superellipse: a little squarer than an ellipse


class Cavity:
    """The inside of the rib cage: a superellipse at each height."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.apex = 118.0 * anatomy.scale
        self.height = anatomy.lung_height
        self.half_width, self.half_depth = anatomy.half_width, anatomy.half_depth
        self._grid = np.linspace(0.0, 1.10, 512)
        self._width = PchipInterpolator(_DOWN, _WIDTH)(self._grid)
        self._depth = PchipInterpolator(_DOWN, _DEPTH)(self._grid)
        self._centre = PchipInterpolator(_DOWN, _CENTRE)(self._grid) * anatomy.scale

    def section(self, z: Array) -> tuple[Array, Array, Array]:
        """Half width, half depth and centre depth (mm) at height ``z``."""
        down = (self.apex - z) / self.height
        return (
            self.half_width * np.interp(down, self._grid, self._width),
            self.half_depth * np.interp(down, self._grid, self._depth),
            np.interp(down, self._grid, self._centre),
        )

    def intersect(self, rays: Rays) -> Interval:
        """Front and back by fixed point: the walls are steep enough that two rounds do."""
        near = np.full_like(rays.slope_x, -0.6 * self.half_depth)
        far = -near
        for _ in range(2):
            near, met_near = self._face(*rays.at(near), -1.0)
            far, met_far = self._face(*rays.at(far), 1.0)
        # A ray that misses has nothing between its faces, whatever its slope.
        return near, np.where(met_near | met_far, far, near)

    def _face(self, x: Array, z: Array, face: float) -> tuple[Array, NDArray[np.bool_]]:
        width, half, centre = self.section(z)
        # Each apex is a dome of its own, 33 mm off the midline.
        down = (self.apex - z) / self.height
        off = np.maximum(0.27 * self.half_width - np.abs(x), 0.0)
        beyond = np.clip((down - off**2 / (17.0 * self.height)) / 0.05, 0.0, 1.0)
        inside = 1.0 - (np.abs(x) / width) ** _POWER
        inside = np.maximum(inside, 0.0) * beyond * (2 - beyond) * (down < 1.09)
        return centre + face * half * inside ** (1.0 / _POWER), inside > 0

    def contains(self, points: Array, margin: float) -> NDArray[np.bool_]:
        """Which ``points`` (n, 3) lie at least ``margin`` mm inside the wall."""
        x, y, z = points.T
        width, half, centre = self.section(z + margin)
        radius = (np.abs(x) / np.maximum(width - margin, 1.0)) ** _POWER
        radius += (np.abs(y - centre) / np.maximum(half - margin, 1.0)) ** _POWER
        return np.asarray((radius < 1.0) & (z < self.apex - margin))

    def shell(self, angle: Array, z: Array, outwards: float) -> tuple[Array, Array, Array]:
        """Points ``outwards`` mm off the wall at ``angle`` (radians, -pi/2 behind, 0 lateral).

        Returns x (towards the patient's left), y, and the unit outward normal (n, 3).
        """
        width, half, centre = self.section(z)
        width, half = width + outwards, half + outwards
        cos, sin = np.cos(angle), np.sin(angle)
        x = width * np.sign(cos) * np.abs(cos) ** (2 / _POWER)
        y = centre + half * np.sign(sin) * np.abs(sin) ** (2 / _POWER)
        normal = np.stack([cos / width, sin / half, np.zeros_like(cos)], axis=-1)
        return x, y, normal / np.linalg.norm(normal, axis=-1, keepdims=True)


@dataclass(frozen=True)
class Mediastinum:
    """Soft structures that displace lung, and the heart among them."""

    heart: tuple[Ellipsoid, ...]
    vessels: tuple[Column | Ellipsoid, ...]


def diaphragm(anatomy: Anatomy) -> tuple[Dome, Dome]:
    """Right and left leaf."""
    wide, deep = anatomy.half_width, anatomy.half_depth
    right = Dome(
        (-0.47 * wide, 0.16 * deep),
        anatomy.dome_right,
        anatomy.dome_height,
        (0.62 * wide, 1.22 * deep),
    )
    left = Dome(
        (0.50 * wide, 0.14 * deep),
        anatomy.dome_left,
        anatomy.dome_height * 0.95,
        (0.60 * wide, 1.2 * deep),
    )
    return right, left


def heart(anatomy: Anatomy, factor: float = 1.0) -> tuple[Ellipsoid, ...]:
    """Left ventricle, right atrium, diaphragmatic face and outflow, lying on the diaphragm.

    ``factor`` enlarges the chambers. An enlarged heart holds the normal one beside them, so that
    it contains it whatever the axis.
    """
    sit = anatomy.dome_left + 4  # the apex lies on the left leaf
    upright = (anatomy.heart_axis - 45) / 45
    parts: list[Ellipsoid] = []
    for grown in sorted({1.0, factor}):
        normal = anatomy.half_width * anatomy.heart
        size = normal * grown
        base = sit + 0.27 * normal * (0.7 + 0.3 * grown)
        parts += [
            Ellipsoid(
                (0.25 * size * (1 - 0.25 * upright), 12.0, base - 0.02 * size),
                (0.56 * size, 0.54 * normal, 0.395 * size),
                -anatomy.heart_axis,
            ),
            Ellipsoid(
                (-0.05 * size, 6.0, base + 0.10 * normal),
                (0.25 * size, 0.42 * normal, 0.50 * normal),
                6.0,
            ),
            Ellipsoid(
                (0.19 * size, 16.0, sit - 0.02 * size),
                (0.46 * size, 0.5 * normal, 0.26 * size),
                -6.0,
            ),
        ]
    outflow = (0.23 * normal, 0.40 * normal, 0.50 * normal)
    parts.append(Ellipsoid((0.14 * normal, 4.0, sit + 0.63 * normal), outflow, 16.0))
    return tuple(parts)


def mediastinum(anatomy: Anatomy, heart_factor: float = 1.0) -> Mediastinum:
    """Great vessels, paraspinal soft tissue and heart."""
    scale, old = anatomy.scale, anatomy.aorta
    low, top = anatomy.dome_left - 80, 210.0
    knob = 62 * scale + 6 * (old - 1)
    # What lies between the pleurae in front of and behind heart and spine is thin.
    core = Column(
        ((low, 0.0, 15 * scale), (0.0, 0.0, 13 * scale), (60 * scale, 1.0, 14 * scale),
         (125 * scale, 0.0, 16 * scale), (top, 0.0, 30 * scale)),
        -6.0 * scale, 96 * scale,
    )  # fmt: skip
    inlet = Column(
        ((-22 * scale, 4 * scale, 8 * scale), (28 * scale, 4 * scale, 20 * scale),
         (58 * scale, 3 * scale, 24 * scale),
         (95 * scale, 1 * scale, 25 * scale), (125 * scale, 0.0, 29 * scale),
         (top, 0.0, 34 * scale)),
        2.0 * scale, 42 * scale,
    )  # fmt: skip
    cava = Column(
        ((-20 * scale, -16 * scale, 13 * scale), (35 * scale, -18 * scale, 11.5 * scale),
         (90 * scale, -20 * scale, 11 * scale), (135 * scale, -27 * scale, 16 * scale)),
        10.0 * scale, 12 * scale,
    )  # fmt: skip
    descending = Column(
        ((low, 6 * scale, 11 * old * scale), (-40 * scale, 13 * old * scale, 11 * old * scale),
         (30 * scale, 20 * old * scale, 12 * old * scale),
         (knob, 22 * old * scale, 12 * old * scale), (knob + 12 * scale, 20 * old * scale, 1.0)),
        -46.0 * scale, 12 * old * scale,
    )  # fmt: skip
    subclavian = Column(
        ((knob - 14 * scale, 18 * scale, 1.0), (knob, 18 * scale, 13 * scale),
         (95 * scale, 20 * scale, 12 * scale), (135 * scale, 28 * scale, 18 * scale)),
        -12.0 * scale, 13 * scale,
    )  # fmt: skip
    spine = Column(
        ((low, 0.0, 27 * scale), (0.0, 0.0, 23 * scale), (125 * scale, 0.0, 24 * scale),
         (top, 0.0, 30 * scale)),
        -70.0 * scale, 26 * scale,
    )  # fmt: skip
    arch = Ellipsoid(
        (17 * old * scale, -14 * scale, knob), (18.5 * old * scale, 34 * scale, 17 * old * scale)
    )
    ascending = Ellipsoid(
        (-10 * scale - 6 * (old - 1), 22 * scale, 28 * scale),
        (19 * old * scale, 18 * scale, 48 * scale),
        6.0,
    )
    trunk = Ellipsoid(
        (22 * scale, 12 * scale, 30 * scale), (17 * scale, 22 * scale, 24 * scale), 24.0
    )
    return Mediastinum(
        heart(anatomy, heart_factor),
        (core, inlet, cava, descending, subclavian, spine, arch, ascending, trunk),
    )


def gas(anatomy: Anatomy) -> tuple[Ellipsoid, ...]:
    """Stomach bubble and a few loops of bowel gas under the left leaf."""
    rng = np.random.default_rng([anatomy.seed, 5])
    blobs = []
    if anatomy.bubble > 0:
        across = anatomy.bubble
        blobs.append(
            Ellipsoid(
                (
                    rng.uniform(0.36, 0.52) * anatomy.half_width,
                    8.0,
                    anatomy.dome_left - 13 - 0.45 * across,
                ),
                (across, rng.uniform(10, 20), 0.45 * across),
                rng.uniform(-18, 6),
            )
        )
    for _ in range(rng.integers(0, 5)):
        radius = rng.uniform(7, 17)
        blobs.append(
            Ellipsoid(
                (
                    rng.uniform(0.1, 0.75) * anatomy.half_width,
                    20.0,
                    anatomy.dome_left - rng.uniform(45, 90),
                ),
                (radius * rng.uniform(0.9, 1.5), radius * 0.8, radius),
                rng.uniform(-40, 40),
            )
        )
    return tuple(blobs)


def body_thickness(anatomy: Anatomy, rays: Rays) -> tuple[Array, Array]:
    """Depth of tissue on each ray, and how much of it is fat (mm)."""
    x, z = rays.at(0.0)
    outer = _thickness(anatomy, x, z, anatomy.fat)
    inner = _thickness(anatomy, x, z, 0.0)
    return outer, np.maximum(outer - inner, 0.0)


def _thickness(anatomy: Anatomy, x: Array, z: Array, fat: float) -> Array:
    scale = anatomy.scale
    across = np.abs(x)
    wall = anatomy.muscle + fat
    heights = np.array([-400, -190, -120, -40, 45, 95, 140, 175]) * scale
    trunk = anatomy.half_width
    widths = np.interp(
        z,
        heights,
        [trunk + wall - 8, trunk + wall - 6, trunk + wall, 0.95 * trunk + wall + 4,
         0.86 * trunk + wall + 12, 0.78 * trunk + wall + 6, 0.62 * trunk + wall, 0.4 * trunk],
    )  # fmt: skip
    deep = anatomy.half_depth + 12 + 0.5 * anatomy.muscle + fat
    depths = np.interp(
        z,
        heights,
        [deep + 4, deep + 2, deep, deep, 0.9 * deep, 0.74 * deep, 0.55 * deep, 0.4 * deep],
    )
    inside = 1.0 - (across / widths) ** 2.5
    half = depths * np.maximum(inside, 0.0) ** 0.4
    # Neck, then the slope of trapezius to the shoulder.
    neck = (52 if anatomy.sex == "F" else 59) * scale + 0.7 * fat
    inside = 1.0 - (across / (neck + 0.12 * np.maximum(150 * scale - z, 0.0))) ** 2.4
    half = np.maximum(half, (z > 90 * scale) * neck * 0.95 * np.maximum(inside, 0.0) ** (1 / 2.4))
    ridge = np.interp(
        across,
        np.array([0, 48, 70, 105, 150, 185, 212, 236]) * scale,
        np.array([215, 195, 163, 141, 127, 117, 92, 40]) * scale,
    ) + 0.6 * fat  # fmt: skip
    # The shoulder mass thins out downwards, where trunk and arm part at the axilla.
    sink = np.clip((z - (-30 + 0.25 * (150 - across)) * scale) / (95 * scale), 0.0, 1.0)
    fade = np.sqrt(sink * (2 - sink))
    under = np.clip((ridge - z) / (46 * scale), 0.0, 1.0)
    half = np.maximum(half, (46 * scale + 0.8 * fat) * np.sqrt(under * (2 - under)) * fade)
    # Arms: capsules from the shoulder down and out.
    angle = np.deg2rad(anatomy.arms_out)
    shoulder_x, shoulder_z = 170 * scale + 0.3 * fat, 78 * scale
    run = (across - shoulder_x) * np.sin(angle) - (z - shoulder_z) * np.cos(angle)
    off = (across - shoulder_x) * np.cos(angle) + (z - shoulder_z) * np.sin(angle)
    radius = np.interp(run, [-60, 0, 90, 300], [50, 50, 47, 40]) * scale + 0.75 * fat
    arm = np.sqrt(np.maximum(radius**2 - off**2 - np.minimum(run, 0.0) ** 2, 0.0))
    # A joint smooth to the eye: the deltoid and the axillary fold have no crease.
    return 2.0 * (half**6 + arm**6) ** (1 / 6)


def pectoral_and_breast(anatomy: Anatomy, rays: Rays) -> Array:
    """Depth added on the front of the chest by pectoralis major and the breasts (mm)."""
    scale = anatomy.scale
    extra = np.zeros_like(rays.slope_x)
    front = 0.82 * anatomy.half_depth
    bulk = anatomy.muscle * (0.40 if anatomy.sex == "F" else 0.62)
    for side in (-1.0, 1.0):
        muscle = Ellipsoid(
            (side * 98 * scale, front, 42 * scale), (76 * scale, bulk, 40 * scale), side * 24
        )
        # The muscle thins towards its borders: the square of an ellipsoid's chord.
        extra += length(muscle.intersect(rays)) ** 2 / (2 * bulk)
        if anatomy.breast > 0:
            radius = anatomy.breast
            droop = 0.10 * radius + 0.18 * anatomy.age
            low = Ellipsoid(
                (side * 0.64 * anatomy.half_width, front + 10, -34 * scale - droop),
                (radius * 1.16, radius * 0.52, radius),
                side * -10,
            )
            near, far = low.intersect(rays)
            rise = np.clip((rays.at(front + 10)[1] - low.centre[2]) / radius, -1.0, 1.0)
            # A breast hangs: full below, drawn out to nothing above.
            hang = 0.5 * (1 - np.sin(0.5 * np.pi * rise))
            extra += hang * np.maximum(far - np.maximum(near, front + 4), 0.0)
    return extra


def airways(anatomy: Anatomy) -> list[tuple[np.ndarray, tuple[float, float]]]:
    """Centre lines (k, 3) and semi-axes of trachea and main bronchi."""
    scale = anatomy.scale
    carina = np.array([3.0, -22.0, 40.0]) * scale
    wide = (8.2 if anatomy.sex == "F" else 9.6) * scale
    trachea = np.array([[0, 14, 230], [-1, 6, 160], [-3, -8, 110], [-2, -18, 70]]) * scale
    right = np.vstack([carina, np.array([[-14, -24, 20], [-30, -24, -2]]) * scale])
    left = np.vstack([carina, np.array([[20, -24, 24], [42, -26, 8]]) * scale])
    return [
        (np.vstack([trachea, carina]), (wide, wide * 0.9)),
        (right, (6.6 * scale, 6.4 * scale)),
        (left, (5.8 * scale, 5.6 * scale)),
    ]
