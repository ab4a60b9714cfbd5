"""The empirical ROC curve, its resamples and its bands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from readerstudy.analysis.proportions.counts import checked_level, whole_number
from readerstudy.analysis.rating_counts import checked_ratings

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class RocCurve:
    """Operating points from (0, 0) to (1, 1); "positive" is a rating of at least the threshold."""

    false_positive: Floats
    true_positive: Floats
    thresholds: Floats  # first is infinity: nobody positive

    def to_dict(self) -> dict[str, Any]:
        """The three columns, ready for JSON (the infinite threshold becomes None)."""
        return {
            "false_positive": self.false_positive.tolist(),
            "true_positive": self.true_positive.tolist(),
            "thresholds": [None, *self.thresholds[1:].tolist()],
        }


def curve(ratings: ArrayLike, truth: ArrayLike) -> RocCurve:
    """One operating point for every distinct rating; higher ratings mean positive."""
    scores, labels, _ = checked_ratings(ratings, truth)
    values, codes = np.unique(scores, return_inverse=True)
    signal = np.bincount(codes, weights=labels, minlength=len(values))[::-1]
    noise = np.bincount(codes, weights=~labels, minlength=len(values))[::-1]
    return RocCurve(
        false_positive=np.concatenate([[0.0], np.cumsum(noise) / noise.sum()]),
        true_positive=np.concatenate([[0.0], np.cumsum(signal) / signal.sum()]),
        thresholds=np.concatenate([[math.inf], values[::-1]]),
    )


def checked_replicates(replicates: int) -> None:
    """``ValueError`` for fewer resamples than a spread needs."""
    whole_number(replicates, "replicates", least=2)


def bootstrap_curves(
    scores: Floats, labels: Bools, replicates: int, seed: int
) -> tuple[Floats, Floats]:
    """(FPF, TPF), each (replicates, points), with cases resampled within their class.

    Resampling n cases is a multinomial draw over the distinct ratings, so a replicate costs the
    number of distinct ratings.
    """
    checked_replicates(replicates)
    values, codes = np.unique(scores, return_inverse=True)
    rng = np.random.default_rng(seed)
    sides = []
    for members in (~labels, labels):
        counts = np.bincount(codes[members], minlength=len(values))[::-1]
        total = int(counts.sum())
        drawn = rng.multinomial(total, counts / total, size=replicates)
        running = np.cumsum(drawn, axis=1) / total
        sides.append(np.hstack([np.zeros((replicates, 1)), running]))
    return sides[0], sides[1]


def partial_areas(x: Floats, y: Floats, low: float, high: float) -> Floats:
    """Area under each row's polyline (rows, points), x rising, between ``low`` and ``high``."""
    x0, x1, y0, y1 = x[:, :-1], x[:, 1:], y[:, :-1], y[:, 1:]
    left, right = np.clip(x0, low, high), np.clip(x1, low, high)
    width = x1 - x0
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(width > 0, (y1 - y0) / width, 0.0)
    at_left, at_right = y0 + slope * (left - x0), y0 + slope * (right - x0)
    return np.asarray(((right - left) * (at_left + at_right) / 2).sum(axis=1))


def bootstrap_band(
    ratings: ArrayLike,
    truth: ArrayLike,
    false_positive: ArrayLike,
    *,
    level: float = 0.95,
    replicates: int = 2_000,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """Pointwise percentile band (lower, upper) of TPF at the given FPF."""
    checked_level(level)
    scores, labels, _ = checked_ratings(ratings, truth)
    x, y = bootstrap_curves(scores, labels, replicates, seed)
    grid = np.asarray(false_positive, dtype=float)
    if not ((grid >= 0) & (grid <= 1)).all():
        raise ValueError("false_positive must be fractions from 0 to 1")
    at = np.array([_interpolate(grid, x[k], y[k]) for k in range(len(x))])
    lower, upper = np.quantile(at, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.asarray(lower), np.asarray(upper)


def _interpolate(grid: Floats, x: Floats, y: Floats) -> Floats:
    """TPF at FPF on the polyline, the highest where the curve is vertical."""
    last = np.searchsorted(x, grid, side="right") - 1
    following = np.minimum(last + 1, len(x) - 1)
    width = x[following] - x[last]
    share = np.where(width > 0, (grid - x[last]) / np.where(width > 0, width, 1), 0.0)
    return np.asarray(y[last] + share * (y[following] - y[last]))


def band_kolmogorov(
    ratings: ArrayLike, truth: ArrayLike, *, level: float = 0.95
) -> tuple[RocCurve, Floats, Floats]:
    """The curve with a simultaneous band from Kolmogorov's bounds on both distributions.

    Campbell 1994 (Statistics in Medicine 13, 499-508): each class's distribution lies within its
    exact Kolmogorov distance with probability sqrt(level), so the rectangles around the operating
    points hold the whole curve with ``level``. Returns (curve, lower TPF, upper TPF) where lower
    is taken at FPF + d and upper at FPF - d, read at the curve's own FPF.
    """
    checked_level(level)
    shape = curve(ratings, truth)
    _, labels, _ = checked_ratings(ratings, truth)
    each = math.sqrt(level)
    d_noise = float(stats.kstwo.ppf(each, int((~labels).sum())))
    d_signal = float(stats.kstwo.ppf(each, int(labels.sum())))
    x, y = shape.false_positive, shape.true_positive
    upper = np.minimum(1.0, _step_up(x, y, x + d_noise) + d_signal)
    lower = np.maximum(0.0, _step_down(x, y, x - d_noise) - d_signal)
    return shape, lower, upper


def _step_up(x: Floats, y: Floats, at: Floats) -> Floats:
    """Highest TPF of any operating point with FPF up to ``at``."""
    last = np.searchsorted(x, np.minimum(at, 1.0), side="right") - 1
    return np.asarray(y[np.minimum(last + 1, len(y) - 1)])


def _step_down(x: Floats, y: Floats, at: Floats) -> Floats:
    """Lowest TPF of any operating point with FPF from ``at``; 0 left of the curve."""
    first = np.searchsorted(x, at, side="left")
    value = y[np.maximum(first - 1, 0)]
    return np.asarray(np.where(at <= 0, 0.0, value))
