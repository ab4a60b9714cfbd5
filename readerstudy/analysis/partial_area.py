"""Area under a part of the empirical ROC curve, and the difference of two on the same cases.

Sources: McClish 1989 (Medical Decision Making 9, 190-195) for the standardised area; Hanley &
McNeil 1983 (Radiology 148, 839-843) for the z of a difference, with the bootstrap's standard error
as in the R package pROC (Robin et al. 2011, BMC Bioinformatics 12, 77).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from readerstudy.analysis.bootstrap import interval_from
from readerstudy.analysis.proportions.counts import ALTERNATIVES, checked_level, one_of
from readerstudy.analysis.rating_counts import checked_ratings, paired_ratings
from readerstudy.analysis.result import Estimate
from readerstudy.analysis.roc_curve import (
    bootstrap_curves,
    checked_replicates,
    curve,
    partial_areas,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

AXES = ("false positive", "true positive")


def _range(between: Sequence[float]) -> tuple[float, float]:
    low, high = (float(value) for value in between)
    if not 0 <= low < high <= 1:
        raise ValueError(f"between must be two increasing fractions from 0 to 1, got {between!r}")
    return low, high


def _shown(axis: str, low: float, high: float, standardised: bool) -> str:
    return f"{axis} {low:g} to {high:g}" + (", standardised" if standardised else "")


def _areas(
    x: Floats, y: Floats, *, low: float, high: float, swap: bool, standardised: bool
) -> Floats:
    """Area of each curve (curves, points); ``swap`` reads it from the side."""
    # From the side: sensitivity along, specificity up.
    area = partial_areas(y, 1 - x, low, high) if swap else partial_areas(x, y, low, high)
    if not standardised:
        return area
    least = ((1 - low) ** 2 - (1 - high) ** 2) / 2 if swap else (high**2 - low**2) / 2
    return (1 + (area - least) / (high - low - least)) / 2


def partial_auc(
    ratings: ArrayLike,
    truth: ArrayLike,
    *,
    between: Sequence[float] = (0.0, 0.1),
    axis: str = "false positive",
    standardised: bool = False,
    level: float = 0.95,
    replicates: int = 2_000,
    seed: int = 0,
) -> Estimate:
    """Area under part of the empirical curve with a stratified bootstrap interval.

    ``between`` bounds the false-positive fraction, or with ``axis="true positive"`` the
    sensitivity (the area is then that to the right of the curve, 1 - FPF, as in pROC).
    ``standardised`` is McClish's: 0.5 for the diagonal, 1 for the best.
    """
    checked_level(level)
    one_of(axis, AXES, "axis")
    low, high = _range(between)
    scores, labels, missing = checked_ratings(ratings, truth)
    areas = functools.partial(
        _areas, low=low, high=high, swap=axis == "true positive", standardised=standardised
    )
    shape = curve(scores, labels)
    area = float(areas(shape.false_positive[None], shape.true_positive[None])[0])
    draws = areas(*bootstrap_curves(scores, labels, replicates, seed))
    lower, upper = interval_from(draws, area, level=level)
    notes = [f"{missing} missing ratings left out"] if missing else []
    if float(np.ptp(draws)) == 0:
        lower, upper = 0.0, 1.0 if standardised else high - low
        notes.append("degenerate: every resample alike; the interval is all that is possible")
    return Estimate(
        name="standardised partial AUC" if standardised else "partial AUC",
        estimate=area,
        standard_error=float(draws.std(ddof=1)),
        lower=lower,
        upper=upper,
        level=level,
        method=f"empirical, {_shown(axis, low, high, standardised)}; stratified bootstrap",
        n=len(scores),
        details={"between": (low, high), "axis": axis},
        notes=tuple(notes),
    )


def partial_area_figure(
    between: Sequence[float], *, axis: str = "false positive", standardised: bool = False
) -> Callable[[Bools, Floats], float]:
    """The partial area as a figure of merit ``f(truth, ratings)`` for multi-reader analyses."""
    one_of(axis, AXES, "axis")
    low, high = _range(between)

    def partial_area(truth: Bools, ratings: Floats) -> float:
        shape = curve(ratings, truth)
        return float(
            _areas(
                shape.false_positive[None], shape.true_positive[None], low=low, high=high,
                swap=axis == "true positive", standardised=standardised,
            )[0]
        )  # fmt: skip

    partial_area.__name__ = f"partial AUC, {_shown(axis, low, high, standardised)}"
    return partial_area


def compare_partial_paired(
    first: ArrayLike,
    second: ArrayLike,
    truth: ArrayLike,
    *,
    between: Sequence[float] = (0.0, 0.1),
    axis: str = "false positive",
    standardised: bool = False,
    alternative: str = "two-sided",
    level: float = 0.95,
    replicates: int = 2_000,
    seed: int = 0,
) -> Estimate:
    """Partial AUC of ``first`` minus that of ``second`` on the same cases, bootstrap z test.

    Cases are resampled within their class, both ratings of a case together; the difference over
    the resamples' standard deviation is taken as normal, as in pROC's ``roc.test``. The resamples'
    own percentile interval is in ``details``. Cases without both ratings are left out. Where the
    resamples are all alike there is no test, and the result says so.
    """
    checked_level(level)
    one_of(axis, AXES, "axis")
    one_of(alternative, ALTERNATIVES, "alternative")
    low, high = _range(between)
    a, b, labels, missing = paired_ratings(first, second, truth)
    areas = functools.partial(
        _areas, low=low, high=high, swap=axis == "true positive", standardised=standardised
    )
    values = []
    draws = np.zeros(max(replicates, 0))
    for sign, scores in ((1, a), (-1, b)):
        shape = curve(scores, labels)
        values.append(float(areas(shape.false_positive[None], shape.true_positive[None])[0]))
        # The same seed for both: the same cases are drawn.
        draws += sign * areas(*_case_curves(scores, labels, replicates, seed))
    difference, error = values[0] - values[1], float(draws.std(ddof=1))
    span = 1.0 if standardised else high - low
    notes = [f"{missing} cases without both ratings left out"] if missing else []
    details = {
        "first": values[0], "second": values[1], "between": (low, high), "axis": axis,
        "percentile_interval": interval_from(draws, difference, level=level),
    }  # fmt: skip
    statistic = p_value = None
    lower, upper = -span, span
    if error > 1e-12:
        statistic = difference / error
        half = float(stats.norm.isf((1 - level) / 2)) * error
        lower, upper = max(-span, difference - half), min(span, difference + half)
        p_value = float(
            {
                "two-sided": 2 * stats.norm.sf(abs(statistic)),
                "greater": stats.norm.sf(statistic),
                "less": stats.norm.cdf(statistic),
            }[alternative]
        )
    else:
        notes.append("degenerate: every resample alike; no test")
    return Estimate(
        name=f"difference of {'standardised ' * standardised}partial AUCs", estimate=difference,
        standard_error=error if error > 1e-12 else None, lower=lower, upper=upper, level=level,
        null=0.0, statistic=statistic, p_value=p_value, alternative=alternative,
        method=f"empirical, {_shown(axis, low, high, standardised)}; "
        "paired stratified bootstrap, z",
        n=len(labels), details=details, notes=tuple(notes),
    )  # fmt: skip


def _case_curves(
    scores: Floats, labels: Bools, replicates: int, seed: int
) -> tuple[Floats, Floats]:
    """(FPF, TPF), each (replicates, points): cases drawn by ``seed`` alone, not by their rating."""
    checked_replicates(replicates)
    rng = np.random.default_rng(seed)
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # one point a distinct rating
    sides = []
    for members in (~labels, labels):
        count = int(members.sum())
        weights = np.zeros((replicates, len(scores)))
        weights[:, members] = rng.multinomial(count, np.full(count, 1 / count), size=replicates)
        running = np.cumsum(weights[:, order], axis=1)[:, last] / count
        sides.append(np.hstack([np.zeros((replicates, 1)), running]))
    return sides[0], sides[1]
