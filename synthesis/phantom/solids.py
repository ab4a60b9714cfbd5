"""Solids as the interval of depth in which each ray is inside them.

A solid answers ``(near, far)``: arrays of depth y in mm, with ``far <= near`` where it is missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synthesis.phantom.beam import Array, Rays

Interval = tuple[Array, Array]


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid; ``turn`` rotates it in the film plane (degrees, anticlockwise as displayed)."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    turn: float = 0.0

    def intersect(self, rays: Rays) -> Interval:
        """Exact: the two roots of the ray's quadratic."""
        angle = np.deg2rad(self.turn)
        cos, sin = np.cos(angle), np.sin(angle)
        ox, oy, oz = rays.origin - np.array(self.centre)
        rx, ry, rz = self.radii
        start_1, start_2, start_y = (ox * cos + oz * sin) / rx, (oz * cos - ox * sin) / rz, oy / ry
        go_1 = (rays.slope_x * cos + rays.slope_z * sin) / rx
        go_2 = (rays.slope_z * cos - rays.slope_x * sin) / rz
        go_y = 1.0 / ry
        a = go_1**2 + go_2**2 + go_y**2
        half_b = go_1 * start_1 + go_2 * start_2 + go_y * start_y
        c = start_1**2 + start_2**2 + start_y**2 - 1.0
        root = np.sqrt(np.maximum(half_b**2 - a * c, 0.0)) / a
        middle = rays.origin[1] - half_b / a
        return middle - root, middle + root


@dataclass(frozen=True)
class Column:
    """An upright elliptical cylinder whose centre and radii change with height.

    ``knots`` are rows of (z, centre x, radius x), from low to high; outside them it ends.
    """

    knots: tuple[tuple[float, float, float], ...]
    depth: float  # mm, y of the axis
    radius_y: float  # mm
    power: float = 2.0  # of the section's superellipse; larger is squarer

    def intersect(self, rays: Rays) -> Interval:
        """Taken at the depth of the axis: the section is narrow against the beam's spread."""
        x, z = rays.at(self.depth)
        heights, centres, radii = np.array(self.knots).T
        centre, radius = np.interp(z, heights, centres), np.interp(z, heights, radii)
        inside = 1.0 - np.abs((x - centre) / np.maximum(radius, 1e-3)) ** self.power
        inside[(z < heights[0]) | (z > heights[-1])] = 0.0
        half = self.radius_y * np.maximum(inside, 0.0) ** (1 / self.power)
        return self.depth - half, self.depth + half


@dataclass(frozen=True)
class Dome:
    """What lies under a diaphragm leaf: z < top - height f(r^2), f steepening towards the wall."""

    centre: tuple[float, float]  # x, y of the summit
    top: float  # z of the summit
    height: float  # mm, drop at r = 1
    radii: tuple[float, float]  # x, y

    def intersect(self, rays: Rays) -> Interval:
        depth = np.full_like(rays.slope_x, self.centre[1])
        x, z = rays.at(depth)
        fall = np.maximum((self.top - z) / self.height, 0.0)
        # f(q) = 0.6 q + 0.4 q^2, inverted.
        reach = (np.sqrt(0.36 + 1.6 * fall) - 0.6) / 0.8
        across = ((x - self.centre[0]) / self.radii[0]) ** 2
        half = self.radii[1] * np.sqrt(np.maximum(reach - across, 0.0))
        return self.centre[1] - half, self.centre[1] + half


def length(interval: Interval) -> Array:
    """Depth spanned, mm, zero where the solid is missed."""
    return np.maximum(interval[1] - interval[0], 0.0)


def covered(within: Interval, parts: Sequence[Interval]) -> Array:
    """Depth of ``within`` that lies in at least one of ``parts``, mm."""
    total = np.zeros_like(within[0])
    met = within[1] > within[0]  # the sort below is dear: leave out rays that miss
    low, high = within[0][met], within[1][met]
    near = np.stack([np.clip(part[0][met], low, high) for part in parts])
    far = np.stack([np.clip(part[1][met], low, high) for part in parts])
    order = np.argsort(near, axis=0, kind="stable")
    near, far = np.take_along_axis(near, order, 0), np.take_along_axis(far, order, 0)
    inside = np.zeros_like(low)
    reached = np.full_like(low, -np.inf)
    for start, end in zip(near, far, strict=True):
        inside += np.maximum(end - np.maximum(start, reached), 0.0)
        np.maximum(reached, end, out=reached)
    total[met] = inside
    return total
