"""Limits of agreement of ratings on a scale, between two readers, many readers, and repeats.

Sources: Bland and Altman, Lancet 1986 i 307-310; Carkeet, Optometry and Vision Science 92 (2015)
e71-e80 (exact interval of a limit by the noncentral t); Jones, Dobson and O'Brian, Int J Epidemiol
40 (2011) 1308-1313 (limits of agreement with the mean of several observers); Bland and Altman,
Stat Methods Med Res 8 (1999) 135-160 (repeatability).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from readerstudy.analysis.proportions.counts import checked_level
from readerstudy.analysis.result import Estimate

from .ratings import scores

Floats = NDArray[np.float64]
INTERVALS = ("exact", "approximate", "bland-altman-1986")


def limits_of_agreement(
    first: ArrayLike,
    second: ArrayLike,
    *,
    coverage: float = 0.95,
    level: float = 0.95,
    interval: str = "exact",
) -> dict[str, Estimate]:
    """Bias and the limits that hold ``coverage`` of the differences ``first`` - ``second``.

    Returns ``bias``, ``lower_limit`` and ``upper_limit``, each limit with its confidence interval
    at ``level``: ``interval`` is ``exact`` (noncentral t), ``approximate`` (Bland and Altman 1999,
    variance s^2 (1 / n + z^2 / (2 (n - 1)))) or ``bland-altman-1986`` (3 s^2 / n), both with t.
    Pairs with a missing value are left out with a note. ``details`` of the bias hold the slope of
    difference on mean, whose p-value tells whether one bias fits all sizes.
    """
    checked_level(level)
    checked_level(coverage)
    if interval not in INTERVALS:
        raise ValueError(f"interval {interval!r}: use one of {', '.join(INTERVALS)}")
    a, b = scores(first, "first").ravel(), scores(second, "second").ravel()
    if a.size != b.size:
        raise ValueError(f"{a.size} ratings against {b.size}: limits of agreement need pairs")
    both = np.isfinite(a) & np.isfinite(b)
    difference, mean = (a - b)[both], (a + b)[both] / 2.0
    n = int(difference.size)
    if n < 2:
        raise ValueError(f"limits of agreement need two complete pairs, got {n}")
    notes = (f"{int((~both).sum())} incomplete pairs left out",) if not both.all() else ()
    bias, spread = float(difference.mean()), float(difference.std(ddof=1))
    error = spread / math.sqrt(n)
    reach = float(stats.t.ppf((1.0 + level) / 2.0, n - 1)) * error
    details: dict[str, float] = {"standard_deviation": spread}
    if n > 2 and np.ptp(mean) > 0:
        slope = stats.linregress(mean, difference)
        details.update(slope_on_mean=float(slope.slope), slope_p_value=float(slope.pvalue))
    if spread == 0:
        notes = (*notes, "degenerate: every difference is the same")
    statistic = bias / error if error > 0 else float("nan")
    z = float(stats.norm.ppf((1.0 + coverage) / 2.0))
    way = "exact interval (noncentral t)" if interval == "exact" else f"{interval} interval"
    found = {
        "bias": Estimate(
            name="bias", estimate=bias, standard_error=error,
            lower=bias - reach if error else None, upper=bias + reach if error else None,
            level=level, null=0.0, statistic=statistic, df=n - 1.0,
            p_value=float(2 * stats.t.sf(abs(statistic), n - 1)) if error > 0 else None,
            method="mean difference, paired t", n=n, details=dict(details), notes=notes,
        )
    }  # fmt: skip
    for name, sign in (("lower_limit", -1.0), ("upper_limit", 1.0)):
        near, far = _limit_factors(z, n, level)
        if interval != "exact":
            own = 3.0 / n if interval != "approximate" else 1.0 / n + z * z / (2.0 * (n - 1.0))
            wide = float(stats.t.ppf((1.0 + level) / 2.0, n - 1)) * math.sqrt(own)
            near, far = z - wide, z + wide
        ends: list[float | None] = [
            *sorted((bias + sign * near * spread, bias + sign * far * spread))
        ]
        if spread == 0:
            ends = [None, None]
        found[name] = Estimate(
            name=name.replace("_", " "), estimate=bias + sign * z * spread, lower=ends[0],
            upper=ends[1], level=level,
            method=f"{100 * coverage:g} % limit of agreement, {way}", n=n,
            details={"standard_deviation": spread, "coverage": coverage}, notes=notes,
        )  # fmt: skip
    return found


def limits_with_the_mean(
    ratings: ArrayLike, *, coverage: float = 0.95, level: float = 0.95
) -> Estimate:
    """How far a reader's rating lies from the mean of all readers (Jones et al. 2011).

    ``ratings`` is subject x reader, complete subjects only. The estimate is the half-width of the
    limits, z sqrt(V_R + V_E) with V_R the variance between readers and V_E the residual variance;
    the limits are minus and plus that. The interval is Jones' delta method on the variance.
    """
    checked_level(level)
    checked_level(coverage)
    array = scores(ratings, "rating")
    if array.ndim != 2 or array.shape[1] < 2:
        raise ValueError(f"limits with the mean need subjects x readers, got {array.shape}")
    complete = np.isfinite(array).all(axis=1)
    x: Floats = array[complete]
    n, m = x.shape
    if n < 2:
        raise ValueError(f"limits with the mean need two complete subjects, got {n}")
    notes = (f"{int((~complete).sum())} incomplete subjects left out",) if n < len(array) else ()
    grand, subjects, readers = x.mean(), x.mean(axis=1), x.mean(axis=0)
    sum_readers = n * float(np.sum((readers - grand) ** 2))
    sum_error = float(np.sum((x - subjects[:, None] - readers[None, :] + grand) ** 2))
    mean_readers, mean_error = sum_readers / (m - 1), sum_error / ((m - 1) * (n - 1))
    between = max(0.0, (mean_readers - mean_error) / n)
    if mean_readers < mean_error:
        notes = (*notes, "reader variance estimated negative, taken as zero")
    # Differences from the mean of m readers, each of whom is part of that mean.
    variance = (sum_readers + sum_error) / (n * m)
    z = float(stats.norm.ppf((1.0 + coverage) / 2.0))
    spread_of_variance = (
        2.0 * (m - 1) * mean_readers**2 + 2.0 * (m - 1) * (n - 1) * mean_error**2
    ) / (n * m) ** 2
    tail = float(stats.norm.ppf((1.0 + level) / 2.0))
    if variance > 0:
        relative = math.sqrt(spread_of_variance) / variance
        low, high = variance * math.exp(-tail * relative), variance * math.exp(tail * relative)
    else:
        low = high = 0.0
        notes = (*notes, "degenerate: the readers agree exactly")
    return Estimate(
        name="limits of agreement with the mean", estimate=z * math.sqrt(variance),
        lower=z * math.sqrt(low) if variance > 0 else None,
        upper=z * math.sqrt(high) if variance > 0 else None, level=level,
        method=f"half-width of {100 * coverage:g} % limits around the readers' mean, delta method",
        n=n,
        details={"readers": m, "variance_between_readers": between,
                 "variance_residual": mean_error, "variance_about_mean": variance},
        notes=notes,
    )  # fmt: skip


def repeatability(repeats: ArrayLike, *, coverage: float = 0.95, level: float = 0.95) -> Estimate:
    """Repeatability coefficient of repeated ratings, ``repeats`` subject x repeat.

    Two repeats of one subject differ by less than z sqrt(2) s_w in ``coverage`` of cases; s_w is
    the within-subject standard deviation, its interval by chi-square. Subjects with one rating
    carry no information and are left out.
    """
    checked_level(level)
    checked_level(coverage)
    array = scores(repeats, "repeat")
    if array.ndim != 2:
        raise ValueError(f"repeats are subject x repeat, got shape {array.shape}")
    known = np.isfinite(array)
    used = known.sum(axis=1) >= 2
    if not used.any():
        raise ValueError("no subject has two repeats")
    x, present = array[used], known[used]
    count = present.sum(axis=1)
    mean = np.where(present, x, 0.0).sum(axis=1) / count
    within = float(np.where(present, (x - mean[:, None]) ** 2, 0.0).sum())
    df = int((count - 1).sum())
    variance = within / df
    factor = float(stats.norm.ppf((1.0 + coverage) / 2.0)) * math.sqrt(2.0)
    tail = (1.0 - level) / 2.0
    notes: tuple[str, ...] = ()
    if (~used).any():
        notes = (f"{int((~used).sum())} subjects with fewer than two ratings left out",)
    if variance == 0:
        notes = (*notes, "degenerate: every repeat equals the first rating")
    return Estimate(
        name="repeatability coefficient", estimate=factor * math.sqrt(variance),
        lower=factor * math.sqrt(within / stats.chi2.ppf(1.0 - tail, df)) if variance > 0 else None,
        upper=factor * math.sqrt(within / stats.chi2.ppf(tail, df)) if variance > 0 else None,
        level=level, df=float(df),
        method="within-subject standard deviation, chi-square interval (Bland and Altman 1999)",
        n=int(used.sum()), details={"within_subject_sd": math.sqrt(variance)}, notes=notes,
    )  # fmt: skip


def _limit_factors(z: float, n: int, level: float) -> tuple[float, float]:
    """Standard deviations from the bias to the near and far end of a limit's exact interval."""
    centre = z * math.sqrt(n)
    tail = (1.0 - level) / 2.0
    near = float(stats.nct.ppf(tail, n - 1, centre)) / math.sqrt(n)
    far = float(stats.nct.ppf(1.0 - tail, n - 1, centre)) / math.sqrt(n)
    return near, far
