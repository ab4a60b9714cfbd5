"""Path length through curved tubes: ribs, clavicles, bronchi, vessels.

A tube is a stack of thin elliptical slices along a curve. Each slice is laid down as a filled
ellipse in the film plane that holds the slice's volume; for a straight tube across or along the
beam the sum is the exact chord, in between it conserves volume. The lateral turn of a rib, where
the beam runs along the bone, comes out bright of its own accord.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from synthesis.phantom.beam import Array, Beam

_CHUNK = 2_000_000  # scan-line entries laid down at once: bounds memory at large matrices
_APERTURE = 0.45  # px^2 added to every footprint, so that hair-thin vessels meet a scan line


@dataclass(frozen=True)
class Tubes:
    """Slices of any number of tubes, laid end to end."""

    points: Array  # (n, 3) mm
    steps: Array  # (n,) mm of tube that each slice stands for
    tangents: Array  # (n, 3) unit
    flat: Array  # (n, 3) unit vector along the second semi-axis
    radii: Array  # (n, 2) mm: semi-axis across ``flat`` and along it

    def shrunk(self, by: float) -> Tubes:
        """The same tubes without a shell ``by`` mm thick."""
        return Tubes(
            self.points, self.steps, self.tangents, self.flat, np.maximum(self.radii - by, 0.0)
        )

    @classmethod
    def join(cls, parts: Iterable[Tubes]) -> Tubes:
        """One set of slices out of several."""
        parts = list(parts)
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("points", "steps", "tangents", "flat", "radii")
            )
        )


def tube(curve: Array, radii: Array | tuple[float, float], spacing: float, flat: Array) -> Tubes:
    """Slice the tube along ``curve`` (k, 3) every ``spacing`` mm.

    ``radii`` is (k, 2), or one pair for the whole length; ``flat`` is (k, 3) or (3,), the
    direction of the second semi-axis (made perpendicular to the curve here).
    """
    curve = np.asarray(curve, dtype=float)
    pieces = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(pieces)])
    count = max(2, int(np.ceil(along[-1] / spacing)))
    where = (np.arange(count) + 0.5) * along[-1] / count

    def follow(values: Array) -> Array:
        full = np.broadcast_to(values, (len(curve), values.shape[-1]))
        return np.stack([np.interp(where, along, column) for column in full.T], axis=1)

    points = follow(curve)
    tangents = follow(np.gradient(curve, along, axis=0) if len(curve) > 2 else _chord(curve))
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    side = follow(np.asarray(flat, dtype=float))
    side -= np.sum(side * tangents, axis=1, keepdims=True) * tangents
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    steps = np.full(count, along[-1] / count)
    return Tubes(points, steps, tangents, side, follow(np.asarray(radii, dtype=float)))


def _chord(curve: Array) -> Array:
    return np.broadcast_to(curve[-1] - curve[0], curve.shape)


def path_length(tubes: Tubes, beam: Beam, size: int) -> Array:
    """Millimetres of tube on each of the ``size`` x ``size`` rays."""
    kept = tubes.radii.min(axis=1) > 0.01
    points, tangents, flat = tubes.points[kept], tubes.tangents[kept], tubes.flat[kept]
    radii, steps = tubes.radii[kept], tubes.steps[kept]
    column, row, magnification = beam.project(points, size)
    scale = magnification * size / beam.field  # px of film for a mm in the patient
    across = np.cross(tangents, flat)
    thin = radii.min(axis=1)
    mxx = np.full(len(points), _APERTURE)
    mzz, mxz = mxx.copy(), np.zeros(len(points))
    for vector, extent in ((across, radii[:, 0]), (flat, radii[:, 1]), (tangents, thin)):
        dx, dz = beam.shear(points, vector * (extent * scale)[:, None])
        mxx += dx * dx
        mzz += dz * dz
        mxz -= dx * dz  # rows run downwards
    volume = np.pi * radii[:, 0] * radii[:, 1] * steps * scale**2
    half_height = np.sqrt(mzz)
    seen = (row + half_height > 0) & (row - half_height < size)
    reach = np.sqrt(mxx)
    seen &= (column + reach > 0) & (column - reach < size)
    order = np.flatnonzero(seen)
    lines = np.ceil(2 * half_height[order]).astype(int) + 1
    film = np.zeros(size * (size + 2))
    for part in np.split(
        order, np.searchsorted(np.cumsum(lines), np.arange(_CHUNK, lines.sum(), _CHUNK))
    ):
        if len(part):
            _lay(film, size, column[part], row[part], mxx[part], mzz[part], mxz[part], volume[part])
    return np.cumsum(film.reshape(size, size + 2), axis=1)[:, :size]


def _lay(
    film: Array,
    size: int,
    column: Array,
    row: Array,
    mxx: Array,
    mzz: Array,
    mxz: Array,
    volume: Array,
) -> None:
    """Add ellipses to ``film``, which holds differences along each row (edges shared by area)."""
    half_height = np.sqrt(mzz)
    first = np.ceil(row - half_height - 0.5).astype(int)
    lines = np.maximum(np.floor(row + half_height - 0.5).astype(int) - first + 1, 0)
    which = np.repeat(np.arange(len(row)), lines)
    line = np.arange(len(which)) - np.repeat(np.cumsum(lines) - lines, lines) + first[which]
    off = line + 0.5 - row[which]
    inside = np.maximum(1.0 - off**2 / mzz[which], 0.0)
    spread = mxx - mxz**2 / mzz
    half = np.sqrt(spread[which] * inside)
    area = np.bincount(which, weights=2 * half, minlength=len(row))
    height = (volume / np.maximum(area, 1e-9))[which]
    middle = column[which] + (mxz / mzz)[which] * off
    keep = (line >= 0) & (line < size)
    start = np.clip(middle - half, 0.0, size)[keep]
    stop = np.clip(middle + half, 0.0, size)[keep]
    height, base = height[keep], line[keep] * (size + 2)
    for edge, weight in ((start, height), (stop, -height)):
        cell = np.floor(edge).astype(int)
        share = weight * (edge - cell)
        film += np.bincount(base + cell, weights=weight - share, minlength=len(film))
        film += np.bincount(base + cell + 1, weights=share, minlength=len(film))
