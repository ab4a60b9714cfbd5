"""The reader-averaged figure of merit as one U-statistic: its layout of cells and its moments."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from readerstudy.analysis.tidy import RatingCube

from .moments import CellMoments, distinct

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Moments of two modalities (or one with itself): M1.. share a reader, the rest do not."""

    unbiased: Floats
    biased: Floats
    coefficients: Floats

    @property
    def covariance(self) -> float:
        return float(self.coefficients @ self.unbiased)

    @property
    def covariance_biased(self) -> float:
        return float(self.coefficients @ self.biased)

    @property
    def sources(self) -> Floats:
        """(biased component, degrees of freedom) of positives, negatives (or cases), readers."""
        c, m = self.coefficients, self.biased
        if m.size == 8:  # M6 - M8 positives, M7 - M8 negatives, M4 - M8 readers.
            shared = [c[0] + c[1] + c[4] + c[5], c[0] + c[2] + c[4] + c[6], c[:4].sum()]
            parts = [m[5] - m[7], m[6] - m[7], m[3] - m[7]]
        else:
            shared = [c[0] + c[2], c[0] + c[1]]
            parts = [m[2] - m[3], m[1] - m[3]]
        # iMRMC rounds, which loses a source whose effective number is below one and a half: one
        # reader who read nearly all beside one who read little would count as no variance.
        with np.errstate(divide="ignore"):
            exact = 1.0 / np.array(shared) - 1.0
        df = np.where(exact > 1e-9, np.maximum(np.round(exact), 1.0), 0.0)
        return np.column_stack([parts, df])


@dataclass(frozen=True)
class Layout:
    """Which cells belong to which modality and reader, with their weights."""

    moments_of_cells: CellMoments
    cells: tuple[NDArray[np.intp], ...]
    readers: tuple[NDArray[np.intp], ...]
    scale: Floats
    notes: tuple[str, ...]
    perfect: tuple[float, ...]
    """Each modality's bound (0 or 1) if all its cells are at it, else NaN."""

    @classmethod
    def of(cls, cube: RatingCube, moments: CellMoments, weights: str) -> Layout:
        t, r, _ = cube.ratings.shape
        notes: list[str] = []
        cells, readers, perfect = [], [], []
        counts = moments.counts.reshape(t, r)
        scale = np.ones(t * r)
        for a in range(t):
            active = np.flatnonzero(counts[a] > 0)
            if active.size == 0:
                raise ValueError(
                    f"modality {cube.modalities[a]!r}: no reader read cases of both classes"
                )
            idle = r - active.size
            if idle and np.isfinite(cube.ratings[a]).any(axis=1).sum() > active.size:
                notes.append(
                    f"{cube.modalities[a]}: readers without cases of both classes left out"
                )
            if weights == "readers":
                scale[a * r + active] = 1.0 / counts[a, active]
            elif np.unique(counts[a, active]).size > 1:
                notes.append(
                    f"{cube.modalities[a]}: readers weigh by their numbers of comparisons "
                    "(weights='readers' makes them equal)"
                )
            own, who = a * r + active, active
            if active.size == 1:
                # Entered twice, the reader has no variance of his own: taken as fixed (iMRMC).
                own, who = np.repeat(own, 2), np.array([active[0], active[0] + r])
                notes.append(f"{cube.modalities[a]}: one reader, taken as fixed")
            cells.append(own)
            readers.append(who)
            values = moments.means[a * r + active]
            at = values[0] if values[0] in (0.0, 1.0) and (values == values[0]).all() else np.nan
            perfect.append(float(at))
        return cls(moments, tuple(cells), tuple(readers), scale, tuple(notes), tuple(perfect))

    def mean(self, a: int) -> float:
        own = self.cells[a]
        m = self.moments_of_cells
        return float(
            (m.sums[own] * self.scale[own]).sum() / (m.counts[own] * self.scale[own]).sum()
        )

    def moments(self, a: int, b: int) -> Moments:
        first, second = self.cells[a], self.cells[b]
        same = self.readers[a][:, None] == self.readers[b][None, :]
        weight = np.outer(self.scale[first], self.scale[second])
        pick = np.ix_(np.arange(self.moments_of_cells.numerators.shape[0]), first, second)
        top = self.moments_of_cells.numerators[pick] * weight
        bottom = self.moments_of_cells.denominators[pick] * weight
        same_top, all_top = (top * same).sum(axis=(1, 2)), top.sum(axis=(1, 2))
        same_bottom, all_bottom = (bottom * same).sum(axis=(1, 2)), bottom.sum(axis=(1, 2))
        top_u = np.concatenate([distinct(same_top), distinct(all_top) - distinct(same_top)])
        bottom_u = np.concatenate(
            [distinct(same_bottom), distinct(all_bottom) - distinct(same_bottom)]
        )
        coefficients = bottom_u / all_bottom[-1]
        coefficients[-1] -= 1.0
        unbiased = _ratio(top_u, bottom_u)
        if bottom_u[-1] <= 1e-9 * np.abs(bottom_u).max():
            # Nothing estimates the squared mean (a single case, say): no variance can be had.
            unbiased[-1] = np.nan
        return Moments(
            unbiased=unbiased,
            biased=_ratio(
                np.concatenate([same_top, all_top]), np.concatenate([same_bottom, all_bottom])
            ),
            coefficients=coefficients,
        )


def _ratio(top: Floats, bottom: Floats) -> Floats:
    small = 1e-9 * np.abs(bottom).max(initial=1e-300)
    return np.divide(top, bottom, out=np.zeros_like(top), where=np.abs(bottom) > small)


def contrast_variance(parts: list[tuple[float, Moments]], statistic: str) -> float:
    return sum(
        factor * (m.covariance if statistic == "U" else m.covariance_biased)
        for factor, m in parts
    )  # fmt: skip


def satterthwaite(variance: float, sources: Floats) -> float:
    """Obuchowski, Gallas and Hillis 2012, floored at the smallest source (Gaylor and Hopper)."""
    parts, df = sources[:, 0], sources[:, 1]
    usable = df > 0
    if not usable.any() or variance <= 0:
        return float("nan")
    denominator = float(np.sum(parts[usable] ** 2 / df[usable] ** 3))
    least = float(df[usable].min())
    return max(least, variance**2 / denominator) if denominator > 0 else math.inf
