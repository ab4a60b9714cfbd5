"""Render a phantom: trace every ray, expose, detect, show, and mask each finding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from synthesis.phantom import pathology
from synthesis.phantom.beam import Array, Rays
from synthesis.phantom.exposure import Paths, detect, heel, present, primary, scatter, side_marker
from synthesis.phantom.findings import NO_FINDING
from synthesis.phantom.parameters import PhantomParameters
from synthesis.phantom.skeleton import mineral
from synthesis.phantom.solids import Interval, covered, length
from synthesis.phantom.thorax import (
    Cavity,
    airways,
    body_thickness,
    diaphragm,
    gas,
    mediastinum,
    pectoral_and_breast,
)
from synthesis.phantom.tubes import Tubes, path_length, tube
from synthesis.phantom.vessels import tree

LARGEST = 2500  # pixels a side
_BAND = 65_536  # rays traced through the solids at once


@dataclass(frozen=True)
class Phantom:
    """A rendered phantom."""

    pixels: NDArray[np.uint16]  # (size, size), 0..4095, bright = dense
    masks: dict[str, NDArray[np.bool_]]  # label: rays that meet the finding
    labels: tuple[str, ...]  # ChestX-ray14 terms; ("No Finding",) where there is none
    metadata: dict[str, Any]  # sex, age, view and the exposure
    parameters: PhantomParameters = field(repr=False)


@dataclass(frozen=True)
class Traced:
    """What the rays met, before the exposure."""

    paths: Paths
    thickness: Array  # mm of patient
    lung: Array  # mm of aerated lung
    masks: dict[str, NDArray[np.bool_]]


def render(
    parameters: PhantomParameters,
    size: int = 512,
    *,
    noise: bool = True,
) -> Phantom:
    """Render ``parameters`` on a ``size`` x ``size`` matrix.

    The anatomy is the same at every size; only sampling and the noise per pixel change. Raises
    ``ValueError`` for a size outside 16..2500.
    """
    if not 16 <= size <= LARGEST:
        raise ValueError(f"size {size}: a phantom's matrix has 16 to {LARGEST} pixels a side")
    traced = trace(parameters, size)
    exposure, beam = parameters.exposure, parameters.exposure.beam
    pitch = beam.field / size
    direct = primary(traced.paths, exposure.kilovolt) * heel((size, size))
    direct *= np.exp(-side_marker((size, size), exposure.marker, pitch))
    signal = direct + scatter(direct, traced.thickness, pitch, exposure.grid)
    draw = np.random.default_rng([parameters.seed, 3, size]) if noise else None
    signal = detect(signal, exposure, pitch, draw)
    grey = present(signal, exposure, pitch, traced.thickness > 60)
    grey[~_exposed(exposure.shutters, beam.field, size)] = 0
    return Phantom(
        pixels=grey.astype(np.uint16),
        masks=traced.masks,
        labels=tuple(f.label for f in parameters.findings) or (NO_FINDING,),
        metadata={
            "sex": parameters.anatomy.sex,
            "age": parameters.anatomy.age,
            "view": parameters.view,
            "kilovolt": round(exposure.kilovolt, 1),
            "pixel_spacing": pitch,
            "source_detector": beam.source_detector,
            "magnification": beam.magnification,
        },
        parameters=parameters,
    )


def trace(parameters: PhantomParameters, size: int) -> Traced:
    """Millimetres of every material on every ray, and the exact mask of each finding."""
    anatomy, beam = parameters.anatomy, parameters.exposure.beam
    rays = beam.rays(size)
    cavity = Cavity(anatomy)
    spacing = float(np.clip(0.75 * rays.pitch / beam.magnification, 0.3, 2.5))
    within, lung = _aerated(parameters, cavity, rays)

    thickness, fat = body_thickness(anatomy, rays)
    thickness = np.maximum(thickness + pectoral_and_breast(anatomy, rays), length(within) + 20)
    air = np.zeros_like(lung)
    for blob in gas(anatomy):
        air += length(blob.intersect(rays)) * (lung < 40)
    tracheal = Tubes.join(
        tube(line, radii, spacing, np.array([0.0, 1.0, 0.0])) for line, radii in airways(anatomy)
    )
    air += np.minimum(path_length(tracheal, beam, size), thickness)
    vessels = path_length(tree(anatomy, cavity, spacing), beam, size)
    vessels = np.minimum(vessels, 0.5 * lung)
    compact = mineral(anatomy, cavity, beam, rays, size)

    state = pathology.State(
        rays=rays, cavity=cavity, within=within, lung=lung, vessels=vessels,
        soft=np.zeros_like(lung), air=air,
    )  # fmt: skip
    masks = pathology.apply(state, parameters)
    lung, vessels = state.lung, state.vessels
    texture = _interstitium(anatomy.seed, rays)
    aerated = np.maximum(lung - vessels - state.soft, 0.0)
    compact = np.minimum(compact, thickness)
    soft = np.maximum(thickness - fat - lung - state.air - compact, 0.0) + vessels + state.soft
    stretch = rays.stretch
    paths = Paths(
        soft=soft * stretch,
        fat=fat * stretch,
        bone=compact * stretch,
        lung=aerated * texture * stretch,
        lung_density=anatomy.lung_density,
    )
    return Traced(paths, thickness, lung, masks)


def _aerated(parameters: PhantomParameters, cavity: Cavity, rays: Rays) -> tuple[Interval, Array]:
    """Where each ray is within the rib cage, and how much of that is lung (mm).

    Worked in bands of rows: the intervals of a dozen solids would fill gigabytes at once.
    """
    anatomy = parameters.anatomy
    media = mediastinum(anatomy, pathology.heart_factor(parameters.findings))
    leaves = pathology.leaves(diaphragm(anatomy), parameters)
    solids = (*media.vessels, *media.heart, *leaves)
    near, far, lung = (np.empty_like(rays.slope_x) for _ in range(3))
    rows = max(1, _BAND // rays.slope_x.shape[1])
    for start in range(0, len(lung), rows):
        part = slice(start, start + rows)
        band = rays.band(part)
        within = cavity.intersect(band)
        near[part], far[part] = within
        displaced = covered(within, [solid.intersect(band) for solid in solids])
        lung[part] = length(within) - displaced
    return (near, far), lung


def _interstitium(seed: int, rays: Rays) -> Array:
    """Fine mottle of lung density about 1, fixed in millimetres: the same at any matrix."""
    rng = np.random.default_rng([seed, 6])
    x, z = rays.at(0.0)
    mottle = np.ones_like(x)
    for cell, strength in ((3.0, 0.035), (7.0, 0.03), (18.0, 0.03)):
        side = int(560 / cell)
        grid = rng.standard_normal((side, side))
        where = np.stack([(z + 280) / cell, (x + 280) / cell])
        mottle += strength * ndimage.map_coordinates(grid, where, order=1, mode="wrap")
    return mottle


def _exposed(
    shutters: tuple[float, float, float, float], field: float, size: int
) -> NDArray[np.bool_]:
    """Pixels that the collimator leaves open."""
    position = (np.arange(size) + 0.5) * field / size
    left, right, top, bottom = shutters
    columns = (position > left) & (position < field - right)
    rows = (position > top) & (position < field - bottom)
    return rows[:, None] & columns[None, :]
