"""Figures of merit of every reader under every modality, with their covariance over cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from readerstudy.analysis.delong import placement_matrix
from readerstudy.analysis.tidy import RatingCube

from .by_function import (
    FigureFunction,
    bootstrap_covariance,
    figure_name,
    jackknife_covariance,
    jackknife_values,
    values_of,
)
from .moments import auc_moments, binary_moments, unbiased_covariance

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

METRICS = ("auc", "sensitivity", "specificity", "accuracy", "proportion")
REPLICATES = 64
RUN = 16
COVARIANCES = ("jackknife", "delong", "unbiased", "bootstrap")


@dataclass(frozen=True)
class Figures:
    """``values`` is modality x reader (NaN where a reader has no cell), ``covariance`` over the
    flattened cells, ``deviations`` the jackknife's leave-one-out differences (cell x case)."""

    values: Floats
    covariance: Floats
    metric: str
    method: str
    cases: int
    positives: int
    negatives: int
    sizes: Floats
    """Disjoint positive-negative pairs (functions and the AUC), else cases, of each cell."""
    notes: tuple[str, ...] = field(default=())


def cells_of(cube: RatingCube, metric: str | FigureFunction) -> tuple[Floats, Bools | None]:
    """Cell x case values of the metric: ratings and truth for the AUC and for functions, else 0/1
    responses.

    Raises ``ValueError`` for an unknown metric, a metric that needs truth where there is none,
    single-class data, or responses that are not 0/1 where they must be.
    """
    if isinstance(metric, str) and metric not in METRICS:
        raise ValueError(f"unknown figure of merit {metric!r}: use one of {', '.join(METRICS)}")
    ratings = cube.ratings.reshape(-1, cube.ratings.shape[2])
    if metric != "proportion" and not cube.has_truth:
        raise ValueError(
            f"{figure_name(metric)} needs the truth of every case: name the truth column"
        )
    if metric == "auc" or not isinstance(metric, str):
        if cube.truth.all() or not cube.truth.any():
            only = "positive" if cube.truth.all() else "negative"
            figure = "the AUC" if metric == "auc" else figure_name(metric)
            raise ValueError(
                f"all {cube.truth.size} cases are {only}: {figure} needs both classes; analyse a "
                "proportion instead"
            )
        return ratings, cube.truth
    known = np.isfinite(ratings)
    if not np.isin(ratings[known], (0.0, 1.0)).all():
        bad = ratings[known][~np.isin(ratings[known], (0.0, 1.0))][0]
        raise ValueError(f"{metric} needs responses of 0 and 1, found {bad:g}; give a threshold")
    if metric == "sensitivity":
        responses = ratings[:, cube.truth]
    elif metric == "specificity":
        responses = 1.0 - ratings[:, ~cube.truth]
    elif metric == "accuracy":
        responses = np.where(cube.truth, ratings, 1.0 - ratings)
    else:
        responses = ratings
    if responses.shape[1] == 0:
        wanted = "positive" if metric == "sensitivity" else "negative"
        raise ValueError(f"no {wanted} case: {metric} is not defined")
    return responses, None


def figures_of_merit(
    cube: RatingCube,
    *,
    metric: str | FigureFunction = "auc",
    covariance: str = "jackknife",
    replicates: int = 1000,
    seed: int | None = 0,
) -> Figures:
    """The figures of merit and their covariance by the named method.

    ``metric`` is one of ``METRICS``, or a function of (truth, ratings) of one cell's cases.

    ``jackknife`` leaves out one case at a time over all cases of the study (closed form);
    ``delong`` is the sample covariance of placements, for incomplete designs over the cases two
    cells share; ``unbiased`` is the U-statistic; ``bootstrap`` resamples cases within truth.
    """
    if covariance not in (*COVARIANCES, "none"):
        raise ValueError(
            f"unknown covariance method {covariance!r}: use one of {', '.join(COVARIANCES)}"
        )
    # Matrices are small: threads of the linear algebra would only wait for one another.
    with threadpool_limits(limits=1, user_api="blas"):
        return _figures(cube, metric, covariance, replicates, seed)


def _figures(
    cube: RatingCube,
    metric: str | FigureFunction,
    covariance: str,
    replicates: int,
    seed: int | None,
) -> Figures:
    cells, truth = cells_of(cube, metric)
    read = np.isfinite(cells)
    notes = list(cube.notes)
    used = cells[:, read.any(axis=0)]
    labels = None if truth is None else truth[read.any(axis=0)]
    if not isinstance(metric, str) and labels is not None:
        values, matrix = _of_function(used, labels, metric, covariance, replicates, seed)
        return _assembled(cube, values, matrix, metric, covariance, used, labels, notes)
    values, components = _influence(used, labels)
    if covariance != "none":
        jackknife_deviations(used, labels)  # Refuses single cases, which every method needs two of.
    if covariance == "none":  # Cases fixed: nothing varies over them.
        matrix = np.zeros((used.shape[0], used.shape[0]))
    elif covariance == "unbiased":
        moments = binary_moments(used) if labels is None else auc_moments(used, labels)
        matrix = unbiased_covariance(moments)
    elif covariance == "bootstrap":
        matrix, lost = _bootstrap(used, labels, replicates, seed)
        if lost:
            notes.append(f"{lost} of {replicates} bootstrap samples left a cell without a class")
    else:
        matrix = _from_influence(used, labels, components, covariance)
        if covariance == "delong" and not np.isfinite(used[~np.isnan(values)]).all():
            notes.append("incomplete design: DeLong's covariance over the cases two cells share")
    return _assembled(cube, values, matrix, metric, covariance, used, labels, notes)


def _of_function(
    cells: Floats,
    truth: Bools,
    function: FigureFunction,
    covariance: str,
    replicates: int,
    seed: int | None,
) -> tuple[Floats, Floats]:
    values = values_of(cells, truth, function)
    if covariance == "none":
        return values, np.zeros((cells.shape[0], cells.shape[0]))
    if covariance == "jackknife":
        return values, jackknife_covariance(jackknife_values(cells, truth, function))
    if covariance == "bootstrap":
        return values, bootstrap_covariance(cells, truth, function, replicates, seed)
    raise ValueError(
        f"covariance {covariance!r} is for the AUC and binary endpoints: use jackknife or "
        f"bootstrap for {figure_name(function)}"
    )


def _assembled(
    cube: RatingCube,
    values: Floats,
    matrix: Floats,
    metric: str | FigureFunction,
    method: str,
    used: Floats,
    labels: Bools | None,
    notes: list[str],
) -> Figures:
    shape = cube.ratings.shape[:2]
    empty = np.isnan(values)
    matrix = matrix.copy()
    matrix[empty, :] = np.nan
    matrix[:, empty] = np.nan
    return Figures(
        values=values.reshape(shape),
        covariance=matrix,
        metric=figure_name(metric),
        method=method,
        cases=used.shape[1],
        positives=int(labels.sum()) if labels is not None else 0,
        negatives=int((~labels).sum()) if labels is not None else 0,
        sizes=_sizes(used, labels).reshape(shape),
        notes=tuple(notes),
    )


def _sizes(cells: Floats, truth: Bools | None) -> Floats:
    read = np.isfinite(cells)
    if truth is None:
        return np.asarray(read.sum(axis=1), dtype=float)
    return np.minimum(read[:, truth].sum(axis=1), read[:, ~truth].sum(axis=1)).astype(float)


def _influence(cells: Floats, truth: Bools | None) -> tuple[Floats, Floats]:
    """Each cell's figure of merit and, per case, its component minus that (0 where not read)."""
    if truth is None:
        counts = np.isfinite(cells).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(counts > 0, np.nansum(cells, axis=1) / counts, np.nan)
        components = cells - values[:, None]
    else:
        placed = placement_matrix(cells, truth)
        counts = np.isfinite(placed[:, truth]).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(counts > 0, np.nansum(placed[:, truth], axis=1) / counts, np.nan)
        components = placed - values[:, None]
    return values, np.nan_to_num(components, nan=0.0)


def class_sizes(cells: Floats, truth: Bools | None) -> Floats:
    """For every cell and case the number of read cases of that case's class (cell x case)."""
    read = np.isfinite(cells).astype(float)
    if truth is None:
        return np.broadcast_to(read.sum(axis=1)[:, None], cells.shape)
    ones, zeros = read[:, truth].sum(axis=1), read[:, ~truth].sum(axis=1)
    return np.where(truth[None, :], ones[:, None], zeros[:, None])


def jackknife_deviations(cells: Floats, truth: Bools | None) -> tuple[Floats, Floats]:
    """Figures of merit and their change when a case is left out (cell x case).

    Leaving positive i out of n1 changes the AUC by (AUC - V10_i) / (n1 - 1). Raises
    ``ValueError`` where a cell has a single case of a class: leaving it out leaves nothing.
    """
    values, components = _influence(cells, truth)
    sizes = class_sizes(cells, truth)
    single = (np.isfinite(cells) & (sizes == 1) & ~np.isnan(values)[:, None]).any(axis=1)
    if single.any():
        raise ValueError(
            f"{int(single.sum())} reader-modality cells have a single case of a class: variance "
            "over cases cannot be estimated; add cases or drop those readers"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        return values, np.where(components == 0, 0.0, -components / (sizes - 1.0))


def _from_influence(cells: Floats, truth: Bools | None, components: Floats, method: str) -> Floats:
    if method == "jackknife":
        _, deviations = jackknife_deviations(cells, truth)
        n = cells.shape[1]
        return np.asarray((n - 1.0) / n * (deviations @ deviations.T))
    sizes = class_sizes(cells, truth)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(components == 0, 0.0, components / np.sqrt(sizes * (sizes - 1.0)))
    return np.asarray(scaled @ scaled.T)


def _bootstrap(
    cells: Floats, truth: Bools | None, replicates: int, seed: int | None
) -> tuple[Floats, int]:
    """Covariance of the figures of merit over resampled cases, stratified by truth."""
    if replicates < 2:
        raise ValueError(f"{replicates} bootstrap replicates: at least two are needed")
    rng = np.random.default_rng(seed)
    strata = [np.arange(cells.shape[1])] if truth is None else [
        np.flatnonzero(truth), np.flatnonzero(~truth)
    ]  # fmt: skip
    weights = np.zeros((cells.shape[1], replicates), dtype=np.float32)
    for stratum in strata:
        picked = rng.integers(0, stratum.size, size=(replicates, stratum.size))
        picked += np.arange(replicates)[:, None] * stratum.size
        counts = np.bincount(picked.ravel(), minlength=replicates * stratum.size)
        weights[stratum] = counts.reshape(replicates, stratum.size).T
    values = np.full((cells.shape[0], replicates), np.nan)
    scratch: Scratch = {}
    plans = [_plan(row, truth, scratch) for row in cells]
    for start in range(0, replicates, REPLICATES):
        # A few replicates' weights stay in the cache while every cell is gone through.
        w = np.ascontiguousarray(weights[:, start : start + REPLICATES])
        for cell, plan in enumerate(plans):
            if plan is not None:
                values[cell, start : start + REPLICATES] = plan(w)
    present = ~np.isnan(values).all(axis=1)
    usable = ~np.isnan(values[present]).any(axis=0)
    if usable.sum() < 2:
        raise ValueError(
            f"{replicates - int(usable.sum())} of {replicates} bootstrap samples leave a reader "
            "without a class: too few cases to resample; use jackknife or u_statistics"
        )
    matrix = np.full((cells.shape[0], cells.shape[0]), np.nan)
    matrix[np.ix_(present, present)] = np.atleast_2d(np.cov(values[present][:, usable], ddof=1))
    return matrix, int((~usable).sum())


Weights = NDArray[np.float32]
Scratch = dict[tuple[int, int, int], tuple[Weights, Weights, Weights]]


def _plan(row: Floats, truth: Bools | None, scratch: Scratch) -> Callable[[Weights], Floats] | None:
    """How to recompute one cell's figure of merit under case weights (case x replicate)."""
    read = np.isfinite(row)
    if truth is None:
        if not read.any():
            return None
        x = row[read].astype(np.float32)

        def mean(weights: Weights) -> Floats:
            w = weights[read]
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.asarray(x @ w / w.sum(axis=0), dtype=float)

        return mean
    if not (read & truth).any() or not (read & ~truth).any():
        return None
    return weighted_auc(row, read & truth, read & ~truth, scratch)


def weighted_auc(
    row: Floats, positive: Bools, negative: Bools, scratch: Scratch | None = None
) -> Callable[[Weights], Floats]:
    """A function of case weights (case x replicate) giving the AUC under each replicate.

    Rating scales are summed up level by level, continuous ratings by cumulated weights.
    ``scratch`` may be shared by cells that are gone through in turn.
    """
    levels, level = np.unique(row[positive | negative], return_inverse=True)
    if levels.size <= 64:
        of_case = np.zeros(row.size, dtype=np.intp)
        of_case[positive | negative] = level
        steps = np.arange(levels.size)[:, None]
        ones = ((of_case[None, :] == steps) & positive).astype(np.float32)
        zeros = ((of_case[None, :] == steps) & negative).astype(np.float32)

        def of_levels(weights: Weights) -> Floats:
            high, low = ones @ weights, zeros @ weights
            below = np.cumsum(low, axis=0, dtype=np.float64) - low / 2.0
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.asarray((high * below).sum(axis=0) / (high.sum(0) * low.sum(0)))

        return of_levels
    order = np.flatnonzero(negative)[np.argsort(row[negative], kind="stable")]
    ranked = np.flatnonzero(positive)
    below = np.searchsorted(row[order], row[ranked], side="left")
    up_to = np.searchsorted(row[order], row[ranked], side="right")
    tied = bool((below != up_to).any())
    ones = np.ones(ranked.size, dtype=np.float32)
    padded = -(-order.size // RUN) * RUN
    # All cells share buffers: fresh pages for every batch would cost more than the sums.
    kept = {} if scratch is None else scratch

    def of_ranks(weights: Weights) -> Floats:
        width = weights.shape[1]
        key = (padded, ranked.size, width)
        if key not in kept:
            kept.clear()
            kept[key] = (
                np.zeros((padded + 1, width), dtype=np.float32),
                np.empty((ranked.size, width), dtype=np.float32),
                np.empty((ranked.size, width), dtype=np.float32),
            )
        cumulated, own, under = kept[key]
        np.take(weights, order, axis=0, out=cumulated[1 : order.size + 1], mode="clip")
        cumulated[order.size + 1 :] = 0.0
        _accumulate(cumulated[1:])
        np.take(weights, ranked, axis=0, out=own, mode="clip")
        np.take(cumulated, below, axis=0, out=under, mode="clip")
        if tied:
            under += np.take(cumulated, up_to, axis=0, mode="clip")
            under *= 0.5
        under *= own
        wins = (ones @ under).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(wins / ((ones @ own).astype(np.float64) * cumulated[-1]))

    return of_ranks


def _accumulate(rows: Weights) -> None:
    """Running sums down the rows, in place: numpy's cumsum of columns takes five times as long."""
    runs = rows.reshape(-1, RUN, rows.shape[1])
    for k in range(1, RUN):
        runs[:, k] += runs[:, k - 1]
    runs[1:] += np.cumsum(runs[:-1, -1], axis=0)[:, None]
