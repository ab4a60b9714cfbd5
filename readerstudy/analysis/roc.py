"""Empirical ROC: AUC with ties, DeLong's variance, tests, partial areas.

Sources: DeLong, DeLong & Clarke-Pearson 1988; Hanley & McNeil 1982 (Radiology 143, 29-36). Curves
with bands are in :mod:`readerstudy.analysis.roc_curve`, partial areas in ``partial_area``,
parametric fits in ``binormal`` and ``proper``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from readerstudy.analysis.binormal import BinormalFit, binormal_fit
from readerstudy.analysis.bootstrap import interval_from
from readerstudy.analysis.delong import delong_covariance, placements, separation_bound
from readerstudy.analysis.partial_area import compare_partial_paired, partial_auc
from readerstudy.analysis.proper import ProperFit, proper_fit
from readerstudy.analysis.proportions.counts import (
    ALTERNATIVES,
    checked_level,
    checked_probability,
    one_of,
)
from readerstudy.analysis.rating_counts import checked_ratings, paired_ratings, zero_or_one
from readerstudy.analysis.result import Estimate
from readerstudy.analysis.roc_curve import (
    RocCurve,
    band_kolmogorov,
    bootstrap_band,
    bootstrap_curves,
    curve,
    partial_areas,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

__all__ = [
    "BinormalFit",
    "ProperFit",
    "RocCurve",
    "auc",
    "band_kolmogorov",
    "binormal_fit",
    "bootstrap_band",
    "compare_paired",
    "compare_partial_paired",
    "compare_unpaired",
    "covariance",
    "curve",
    "partial_auc",
    "proper_fit",
]


def auc(
    ratings: ArrayLike,
    truth: ArrayLike,
    *,
    null: float | None = 0.5,
    alternative: str = "two-sided",
    interval: str = "delong",
    level: float = 0.95,
    replicates: int = 2_000,
    seed: int = 0,
    name: str = "AUC",
) -> Estimate:
    """Area under the empirical ROC curve, ties counting one half; higher ratings mean positive.

    ``interval``: ``delong`` (symmetric, cut off at 0 and 1), ``logit`` (DeLong's standard error on
    the logit), ``hanley-mcneil`` or ``bootstrap`` (cases resampled within class, percentile).
    Missing ratings are left out with a note. An AUC of exactly 0 or 1, or all ratings tied, has a
    zero DeLong variance, which is not a zero-width interval: the result says "degenerate" and
    gives an exact bound instead. Raises ``ValueError`` for single-class data.
    """
    checked_level(level)
    one_of(interval, ("delong", "logit", "hanley-mcneil", "bootstrap"), "interval")
    one_of(alternative, ALTERNATIVES, "alternative")
    if null is not None:
        checked_probability(null, "null")
    scores, labels, missing = checked_ratings(ratings, truth)
    notes = [f"{missing} missing ratings left out"] if missing else []
    positives, negatives = int(labels.sum()), int((~labels).sum())
    v10, v01 = placements(scores[labels], scores[~labels])
    area = float(v10.mean())
    details = {"positives": positives, "negatives": negatives}
    variance = _delong_variance(v10, v01)
    if not variance > 0:
        return _degenerate(area, labels, null, alternative, level, name, details, notes)
    method = "empirical AUC, DeLong"
    if interval == "hanley-mcneil":
        variance = hanley_mcneil_variance(area, positives, negatives)
        method = "empirical AUC, Hanley-McNeil"
    error = math.sqrt(variance)
    z = float(stats.norm.isf((1 - level) / 2))
    if interval == "logit":
        width = z * error / (area * (1 - area))
        lower, upper = special.expit(special.logit(area) + np.array([-width, width]))
        method += " on the logit"
    elif interval == "bootstrap":
        draws = partial_areas(*bootstrap_curves(scores, labels, replicates, seed), 0.0, 1.0)
        lower, upper = interval_from(draws, area, level=level)
        error = float(draws.std(ddof=1))
        method = f"empirical AUC, stratified bootstrap, {replicates} resamples"
    else:
        lower, upper = max(0.0, area - z * error), min(1.0, area + z * error)
    statistic = None if null is None else (area - null) / error
    return Estimate(
        name=name,
        estimate=area,
        standard_error=error,
        lower=float(lower),
        upper=float(upper),
        level=level,
        null=null,
        statistic=statistic,
        p_value=None if statistic is None else _normal_p(statistic, alternative),
        alternative=alternative,
        method=method,
        n=len(scores),
        details=details,
        notes=tuple(notes),
    )


def covariance(ratings: ArrayLike, truth: ArrayLike) -> tuple[Floats, Floats]:
    """AUCs (k,) and DeLong covariance (k, k) of k ratings (k, cases) of the same cases."""
    # The products are small: on a busy machine threads cost more than they bring.
    with threadpool_limits(1, user_api="blas"):
        return delong_covariance(np.asarray(ratings, dtype=float), zero_or_one(truth, "truth"))


def compare_paired(
    first: ArrayLike,
    second: ArrayLike,
    truth: ArrayLike,
    *,
    alternative: str = "two-sided",
    level: float = 0.95,
) -> Estimate:
    """AUC of ``first`` minus AUC of ``second`` on the same cases, DeLong's z test.

    Cases with a missing rating on either side are left out of both. Where the difference has no
    variance (identical rankings, or both separated) the result says so and has no p.
    """
    checked_level(level)
    one_of(alternative, ALTERNATIVES, "alternative")
    a, b, labels, missing = paired_ratings(first, second, truth)
    areas, matrix = delong_covariance(np.vstack([a, b]), labels)
    variance = float(matrix[0, 0] + matrix[1, 1] - 2 * matrix[0, 1])
    notes = [f"{missing} cases without both ratings left out"] if missing else []
    details = {"first": float(areas[0]), "second": float(areas[1]), "covariance": matrix}
    return _difference(
        float(areas[0] - areas[1]),
        variance,
        math.inf,
        "DeLong, paired",
        alternative,
        level,
        len(labels),
        details,
        notes,
    )


def compare_unpaired(
    first: ArrayLike,
    first_truth: ArrayLike,
    second: ArrayLike,
    second_truth: ArrayLike,
    *,
    alternative: str = "two-sided",
    level: float = 0.95,
) -> Estimate:
    """Difference of two AUCs on different cases: DeLong's variances, t with Satterthwaite's df
    (as pROC)."""
    checked_level(level)
    one_of(alternative, ALTERNATIVES, "alternative")
    areas, variances, sizes, notes = [], [], [], []
    for ratings, truth in ((first, first_truth), (second, second_truth)):
        scores, labels, missing = checked_ratings(ratings, truth)
        v10, v01 = placements(scores[labels], scores[~labels])
        areas.append(float(v10.mean()))
        variances.append(_delong_variance(v10, v01))
        sizes.append(len(scores))
        notes += [f"{missing} missing ratings left out"] if missing else []
    variance = sum(variances)
    spread = sum(v * v / (size - 1) for v, size in zip(variances, sizes, strict=True))
    return _difference(
        areas[0] - areas[1],
        variance,
        variance**2 / spread if spread > 0 else math.nan,
        "DeLong, unpaired",
        alternative,
        level,
        sum(sizes),
        {"first": areas[0], "second": areas[1], "variances": variances},
        notes,
    )


def hanley_mcneil_variance(area: float, positives: int, negatives: int) -> float:
    """Hanley & McNeil 1982, equation (1), with the exponential approximations of Q1 and Q2."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    return (
        area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    ) / (positives * negatives)


def _delong_variance(v10: Floats, v01: Floats) -> float:
    """Sum of the two placement variances; a class of one case contributes what it can: nothing."""
    parts = [float(v.var(ddof=1)) / len(v) for v in (v10, v01) if len(v) > 1]
    # Rounding in the mean of equal placements is no variance.
    total = sum(parts) if len(parts) == 2 else 0.0
    return total if total > 1e-24 else 0.0


def _degenerate(
    area: float,
    labels: Bools,
    null: float | None,
    alternative: str,
    level: float,
    name: str,
    details: dict[str, int],
    notes: list[str],
) -> Estimate:
    """No DeLong variance: an exact bound for separated classes, all of 0 to 1 otherwise.

    For separated classes the exact test counts the labellings as extreme as this one: the
    probability of complete separation under exchangeability is 1 / C(n, positives).
    """
    positives, negatives = details["positives"], details["negatives"]
    bound = separation_bound(positives, negatives, level=level)
    p_value: float | None = None
    if area in (0.0, 1.0):
        lower, upper = (bound, 1.0) if area == 1.0 else (0.0, 1 - bound)
        notes.append(
            "degenerate: the classes are separated and DeLong's variance is zero; exact bound from "
            f"{min(positives, negatives)} independent pairs instead"
        )
        if null == 0.5:
            one_sided = math.exp(-_log_choose(len(labels), positives))
            toward = {"two-sided": 2 * one_sided}
            toward["greater"] = one_sided if area == 1.0 else 1.0
            toward["less"] = one_sided if area == 0.0 else 1.0
            p_value = min(1.0, toward[alternative])
    else:
        lower, upper = 0.0, 1.0
        notes.append(
            "degenerate: one case in a class, its variance cannot be estimated"
            if min(positives, negatives) == 1
            else "degenerate: all ratings are tied and say nothing of the order"
        )
    return Estimate(
        name=name,
        estimate=area,
        lower=lower,
        upper=upper,
        level=level,
        null=null if p_value is not None else None,
        p_value=p_value,
        alternative=alternative,
        method="empirical AUC, exact bound" + ("; permutation test" if p_value is not None else ""),
        n=len(labels),
        details=dict(details),
        notes=tuple(notes),
    )


def _log_choose(n: int, k: int) -> float:
    return float(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))


def _difference(
    difference: float,
    variance: float,
    df: float,
    method: str,
    alternative: str,
    level: float,
    n: int,
    details: dict[str, object],
    notes: list[str],
) -> Estimate:
    if not variance > 1e-20:
        return Estimate(
            name="difference of AUCs",
            estimate=difference,
            lower=-1.0,
            upper=1.0,
            level=level,
            null=0.0,
            method=method,
            n=n,
            details=details,
            notes=(*notes, "degenerate: the difference has no variance; no test"),
        )
    error = math.sqrt(variance)
    statistic = difference / error
    law = stats.norm if math.isinf(df) else stats.t(df)
    half = float(law.isf((1 - level) / 2)) * error
    tails = {
        "two-sided": 2 * law.sf(abs(statistic)),
        "greater": law.sf(statistic),
        "less": law.cdf(statistic),
    }
    return Estimate(
        name="difference of AUCs",
        estimate=difference,
        standard_error=error,
        lower=max(-1.0, difference - half),
        upper=min(1.0, difference + half),
        level=level,
        null=0.0,
        statistic=statistic,
        df=None if math.isinf(df) else df,
        p_value=float(tails[alternative]),
        alternative=alternative,
        method=method,
        n=n,
        details=details,
        notes=tuple(notes),
    )


def _normal_p(z: float, alternative: str) -> float:
    if alternative == "greater":
        return float(stats.norm.sf(z))
    if alternative == "less":
        return float(stats.norm.cdf(z))
    return float(2 * stats.norm.sf(abs(z)))
