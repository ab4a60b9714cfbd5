"""Figures of merit that a caller's own function computes, with their covariance by resampling.

``function(truth, ratings) -> float`` sees the cases that one reader read under one modality:
booleans and floats of one length. Any figure can be analysed so: a partial area, a fitted curve's
area, the sensitivity at a specificity.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
FigureFunction = Callable[[Bools, Floats], float]


def figure_name(metric: str | FigureFunction) -> str:
    """The metric's name for titles."""
    return metric if isinstance(metric, str) else getattr(metric, "__name__", "figure of merit")


def values_of(cells: Floats, truth: Bools, function: FigureFunction) -> Floats:
    """The function's value in every cell (NaN for a cell without readings)."""
    return np.array([_value(row, truth, function) for row in cells])


def jackknife_values(cells: Floats, truth: Bools, function: FigureFunction) -> Floats:
    """Cell x case values with one case left out; cells that did not read it keep their own."""
    left = np.repeat(values_of(cells, truth, function)[:, None], cells.shape[1], axis=1)
    for cell, row in enumerate(cells):
        for case in np.flatnonzero(np.isfinite(row)):
            kept = row.copy()
            kept[case] = np.nan
            left[cell, case] = _value(kept, truth, function)
            if np.isnan(left[cell, case]):
                raise ValueError(
                    f"{figure_name(function)} is not defined in cell {cell} without case {case}: "
                    "leaving a case out must leave both classes"
                )
    return left


def jackknife_covariance(left: Floats) -> Floats:
    """(n - 1) / n times the sum of products about the mean of the leave-one-out values."""
    n = left.shape[1]
    centred = left - left.mean(axis=1, keepdims=True)
    return np.asarray((n - 1.0) / n * centred @ centred.T)


def bootstrap_covariance(
    cells: Floats, truth: Bools, function: FigureFunction, replicates: int, seed: int | None
) -> Floats:
    """Sample covariance over resamples of cases within truth."""
    if replicates < 2:
        raise ValueError(f"{replicates} bootstrap replicates: at least two are needed")
    rng = np.random.default_rng(seed)
    ones, zeros = np.flatnonzero(truth), np.flatnonzero(~truth)
    drawn = np.empty((cells.shape[0], replicates))
    for k in range(replicates):
        picked = np.concatenate([rng.choice(ones, ones.size), rng.choice(zeros, zeros.size)])
        drawn[:, k] = values_of(cells[:, picked], truth[picked], function)
    usable = np.isfinite(drawn[np.isfinite(drawn).any(axis=1)]).all(axis=0)
    if usable.sum() < 2:
        raise ValueError("too few cases to resample: use the jackknife")
    return np.atleast_2d(np.cov(drawn[:, usable], ddof=1))


def _value(row: Floats, truth: Bools, function: FigureFunction) -> float:
    read = np.isfinite(row)
    labels = truth[read]
    if labels.all() or not labels.any():
        return float("nan")
    return float(function(labels, row[read]))
