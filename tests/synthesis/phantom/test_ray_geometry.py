"""The beam, the solids and the tubes against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from synthesis.phantom.beam import Beam
from synthesis.phantom.solids import Column, Ellipsoid, covered, length
from synthesis.phantom.tubes import path_length, tube

PA = Beam("PA", 1800.0, 140.0, 400.0, (3.0, -20.0), 2.0, -1.5)
AP = Beam("AP", 1100.0, 140.0, 400.0, (0.0, 0.0), -3.0, 1.0)
STRAIGHT = Beam("PA", 1800.0, 140.0, 200.0, (0.0, 0.0), 0.0, 0.0)


@pytest.mark.parametrize("beam", [PA, AP])
def test_points_along_a_ray_project_to_its_pixel(beam: Beam) -> None:
    # given rays of a turned and tilted cone beam
    rays = beam.rays(64)
    # when points of one ray at several depths are projected back
    for row, column in ((0, 0), (11, 50), (63, 63)):
        for depth in (-90.0, 0.0, 75.0):
            x, z = rays.at(depth)
            point = np.array([[x[row, column], depth, z[row, column]]])
            at_column, at_row, _ = beam.project(point, 64)
            # then all land in the middle of that pixel
            assert at_column[0] == pytest.approx(column + 0.5, abs=1e-9)
            assert at_row[0] == pytest.approx(row + 0.5, abs=1e-9)


def test_magnification_is_that_of_similar_triangles() -> None:
    # given a point in the mid-coronal plane of an unturned beam
    _, _, magnification = STRAIGHT.project(np.array([[10.0, 0.0, 30.0]]), 64)
    # then it is magnified by source-detector over source-object distance
    assert magnification[0] == pytest.approx(1800 / (1800 - 140))
    assert STRAIGHT.magnification == pytest.approx(1800 / 1660)


@pytest.mark.parametrize("beam", [PA, AP])
def test_chord_of_a_sphere_is_the_distance_between_its_two_crossings(beam: Beam) -> None:
    # given a sphere off the axis
    centre, radius = np.array([22.0, -31.0, 40.0]), 37.0
    rays = beam.rays(96)
    # when it is traced
    chord = length(Ellipsoid(tuple(centre), (radius,) * 3).intersect(rays)) * rays.stretch
    # then every chord is 2 sqrt(R^2 - d^2), d being the distance of the ray from the centre
    direction = np.stack([rays.slope_x, np.ones_like(rays.slope_x), rays.slope_z])
    direction /= np.linalg.norm(direction, axis=0)
    off = np.cross(direction, (centre - rays.origin)[:, None, None], axis=0)
    distance = np.linalg.norm(off, axis=0)
    expected = 2 * np.sqrt(np.maximum(radius**2 - distance**2, 0.0))
    np.testing.assert_allclose(chord, expected, atol=1e-5)


def test_turned_ellipsoid_keeps_its_volume() -> None:
    # given a tilted ellipsoid in a nearly parallel beam
    beam = Beam("PA", 1e6, 140.0, 300.0, (0.0, 0.0), 0.0, 0.0)
    rays = beam.rays(300)
    solid = Ellipsoid((10.0, 5.0, -8.0), (60.0, 25.0, 35.0), turn=33.0)
    # when its chords are summed over the film
    area = (rays.pitch / beam.magnification) ** 2
    volume = float(length(solid.intersect(rays)).sum()) * area
    # then the sum is 4/3 pi a b c
    assert volume == pytest.approx(4 / 3 * np.pi * 60 * 25 * 35, rel=2e-3)


def test_column_has_the_chord_of_an_elliptical_cylinder() -> None:
    # given an upright cylinder
    rays = STRAIGHT.rays(101)
    column = Column(((-80.0, 4.0, 20.0), (80.0, 4.0, 20.0)), depth=-10.0, radius_y=15.0)
    # when it is traced along the middle row
    chord = length(column.intersect(rays))[50]
    # then it follows 2 b sqrt(1 - (x/a)^2)
    x = rays.at(-10.0)[0][50] - 4.0
    np.testing.assert_allclose(chord, 30 * np.sqrt(np.maximum(1 - (x / 20) ** 2, 0)), atol=1e-9)


def test_union_of_intervals_counts_shared_depth_once() -> None:
    # given random, overlapping, nested and empty intervals on many rays
    rng = np.random.default_rng(4)
    within = (np.full(300, -1.0), np.where(rng.random(300) < 0.9, 1.0, -1.0))
    starts = rng.uniform(-1.5, 1.2, (6, 300))
    parts = [(start, start + rng.uniform(-0.2, 1.0, 300)) for start in starts]
    # when their union inside the window is measured
    found = covered(within, parts)
    # then it is what counting on a fine grid gives
    grid = np.linspace(-1, 1, 20001)[:, None]
    inside = np.zeros((20001, 300), dtype=bool)
    for low, high in parts:
        inside |= (grid >= low) & (grid <= high)
    expected = inside.mean(axis=0) * 2 * (within[1] > within[0])
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_tube_across_the_beam_has_the_chord_of_a_cylinder() -> None:
    # given a straight tube of radius 9 mm in the mid-coronal plane, across the beam
    line = np.array([[-70.0, 0.0, -60.0], [80.0, 0.0, 50.0]])
    tubes = tube(line, (9.0, 9.0), 0.4, np.array([0.0, 1.0, 0.0]))
    # when its path length is laid down
    size = 256
    found = path_length(tubes, STRAIGHT, size)
    # then away from the ends it is 2 sqrt(R^2 - d^2)
    x, z = STRAIGHT.rays(size).at(0.0)
    along = line[1] - line[0]
    unit = along / np.linalg.norm(along)
    run = (x - line[0, 0]) * unit[0] + (z - line[0, 2]) * unit[2]
    off = (x - line[0, 0]) * -unit[2] + (z - line[0, 2]) * unit[0]
    middle = (run > 20) & (run < np.linalg.norm(along) - 20) & (np.abs(off) < 8)
    expected = 2 * np.sqrt(81 - off[middle] ** 2)
    np.testing.assert_allclose(found[middle], expected, rtol=0.04)
    assert found[np.abs(off) > 10.5].max() < 1e-9


@pytest.mark.parametrize("towards", [0.0, 0.5, 1.0])
def test_tube_keeps_its_volume_however_it_runs_to_the_beam(towards: float) -> None:
    # given a tube of 5 x 7 mm semi-axes from across the beam to along it
    end = np.array([60 * np.cos(towards * np.pi / 2), 60 * np.sin(towards * np.pi / 2), 8.0])
    line = np.stack([-end, end])
    beam = Beam("PA", 1e6, 140.0, 200.0, (0.0, 0.0), 0.0, 0.0)
    # when its path length is summed over the film
    found = path_length(tube(line, (5.0, 7.0), 0.5, np.array([0.0, 0.2, 1.0])), beam, 256)
    # then the sum is pi a b L
    volume = found.sum() * (200 / 256) ** 2
    assert volume == pytest.approx(np.pi * 35 * np.linalg.norm(2 * end), rel=5e-3)


def test_hair_thin_vessels_keep_their_blood() -> None:
    # given a vessel a tenth of a pixel wide, level with the rows
    line = np.array([[-50.0, 0.0, 3.3], [50.0, 0.0, 3.3]])
    beam = Beam("PA", 1e6, 140.0, 200.0, (0.0, 0.0), 0.0, 0.0)
    found = path_length(tube(line, (0.16, 0.16), 0.8, np.array([0.0, 1.0, 0.0])), beam, 64)
    # then no volume is lost between scan lines
    assert found.sum() * (200 / 64) ** 2 == pytest.approx(np.pi * 0.16**2 * 100, rel=5e-3)
