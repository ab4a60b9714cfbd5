"""The beam: where each ray of the exposure runs through the patient, and how points project.

Patient coordinates are millimetres: x to the patient's left (image right), y forwards (anterior),
z upwards. The origin lies in the midline at the level of the seventh thoracic vertebra.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Beam:
    """A cone beam from a point focus onto a flat square detector.

    ``view`` is ``"PA"`` (focus behind the patient) or ``"AP"`` (focus in front). The picture is
    shown as a radiologist hangs it, the patient's right on the left of the image, in both.
    """

    view: str  # "PA" or "AP"
    source_detector: float  # mm, focus to detector
    patient_detector: float  # mm, patient's mid-coronal plane to detector
    field: float  # mm, side of the exposed square on the detector
    centre: tuple[float, float]  # mm, (x, z) of the central ray
    rotation: float  # degrees about the patient's long axis
    tilt: float  # degrees in the plane of the film

    @property
    def magnification(self) -> float:
        """Of the mid-coronal plane (PS3.3 C.8.7.10, Estimated Radiographic Magnification)."""
        return self.source_detector / (self.source_detector - self.patient_detector)

    @cached_property
    def _frame(self) -> tuple[float, float, Array]:
        facing = 1.0 if self.view == "PA" else -1.0
        detector_y = facing * self.patient_detector
        source_y = detector_y - facing * self.source_detector
        turn, lean = np.deg2rad(self.rotation), np.deg2rad(self.tilt)
        about_z = np.array(
            [[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1.0]]
        )
        about_y = np.array(
            [[np.cos(lean), 0, np.sin(lean)], [0, 1.0, 0], [-np.sin(lean), 0, np.cos(lean)]]
        )
        return detector_y, source_y, about_z @ about_y

    def rays(self, size: int) -> Rays:
        """Rays to the ``size`` x ``size`` pixel centres, row 0 at the top of the picture."""
        detector_y, source_y, turn = self._frame
        pitch = self.field / size
        offset = (np.arange(size) + 0.5 - size / 2) * pitch
        along = np.array([[0.0], [detector_y - source_y], [0.0]])
        # Directions are affine in row and column, so the outer sum below costs two additions.
        by_column = turn @ (along + np.outer([1.0, 0, 0], offset))
        by_row = turn @ np.outer([0, 0, 1.0], -offset)
        direction = by_column[:, None, :] + by_row[:, :, None]
        origin = turn @ np.array([self.centre[0], source_y, self.centre[1]])
        slope_x = direction[0] / direction[1]
        slope_z = direction[2] / direction[1]
        return Rays(origin, slope_x, slope_z, pitch)

    def project(self, points: Array, size: int) -> tuple[Array, Array, Array]:
        """Column, row (pixel edges at whole numbers) and magnification of ``points`` (n, 3)."""
        detector_y, source_y, turn = self._frame
        lab = points @ turn
        magnification = (detector_y - source_y) / (lab[:, 1] - source_y)
        pitch = self.field / size
        u = (lab[:, 0] - self.centre[0]) * magnification
        v = (lab[:, 2] - self.centre[1]) * magnification
        return u / pitch + size / 2, size / 2 - v / pitch, magnification

    def shear(self, points: Array, vectors: Array) -> tuple[Array, Array]:
        """Displacement in the film plane (x, z mm, not magnified) of ``vectors`` at ``points``."""
        _, source_y, turn = self._frame
        lab, moved = points @ turn, vectors @ turn
        depth = lab[:, 1] - source_y
        across = moved[:, 0] - (lab[:, 0] - self.centre[0]) / depth * moved[:, 1]
        upward = moved[:, 2] - (lab[:, 2] - self.centre[1]) / depth * moved[:, 1]
        return across, upward


@dataclass(frozen=True)
class Rays:
    """One ray a pixel, parametrised by depth: x = x0 + (y - y0) slope_x, and so for z."""

    origin: Array  # (3,) mm, the focus
    slope_x: Array  # (rows, columns) dx/dy
    slope_z: Array  # (rows, columns) dz/dy
    pitch: float  # mm, pixel spacing at the detector

    @cached_property
    def stretch(self) -> Array:
        """Path length along the ray for one millimetre of depth."""
        return np.sqrt(1.0 + self.slope_x**2 + self.slope_z**2)

    def at(self, depth: Array | float) -> tuple[Array, Array]:
        """x and z (mm) of every ray at ``depth`` (mm, a number or one for each ray)."""
        run = depth - self.origin[1]
        return self.origin[0] + run * self.slope_x, self.origin[2] + run * self.slope_z

    def band(self, rows: slice) -> Rays:
        """The rays of some rows."""
        return Rays(self.origin, self.slope_x[rows], self.slope_z[rows], self.pitch)
