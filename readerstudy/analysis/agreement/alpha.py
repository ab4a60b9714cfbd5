"""Krippendorff's alpha of values on a scale, without a matrix of categories.

For the interval metric every sum of squared differences is a function of sums and sums of squares,
so continuous ratings (each value its own category) cost nothing. The ordinal metric is the interval
metric of midranks: (sum of n_g from c to k minus half of both ends)^2 is the squared distance of
the two midranks.

Source: Krippendorff, Content Analysis (2004), chapter 11.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from readerstudy.analysis.proportions.counts import checked_level
from readerstudy.analysis.result import Estimate

Floats = NDArray[np.float64]


def alpha_of_values(
    values: Floats,
    *,
    metric: str = "interval",
    level: float = 0.95,
    bootstrap: int = 0,
    seed: int | None = 0,
) -> Estimate:
    """Alpha of a subject x rater matrix (NaN missing), ``metric`` interval or ordinal.

    The standard error is the jackknife's over subjects; the bootstrap percentile interval goes into
    ``details``. Raises ``ValueError`` for another metric or no subject with two ratings.
    """
    if metric not in {"interval", "ordinal"}:
        raise ValueError(f"metric {metric!r} needs categories; here interval or ordinal")
    checked_level(level)
    known = np.isfinite(values)
    several = known.sum(axis=1) >= 2
    if not several.any():
        raise ValueError("no subject has two ratings: agreement is not defined")
    x, present = values[several], known[several]
    if metric == "ordinal":
        ranked = np.full(x.shape, np.nan)
        ranked[present] = stats.rankdata(x[present])
        x = ranked
    x = np.where(present, x - x[present].mean(), 0.0)
    m = present.sum(axis=1).astype(float)
    total, squares = x.sum(axis=1), (x**2).sum(axis=1)
    # Per subject: ratings, sum, sum of squares, and disagreement within; all of them add up.
    parts = np.column_stack([m, total, squares, (m * squares - total**2) / (m - 1.0)])
    whole = parts.sum(axis=0)
    alpha = float(_alpha(whole[None])[0])
    n = m.size
    common: dict[str, Any] = {
        "name": "Krippendorff's alpha", "level": level, "n": int(n),
        "method": f"Krippendorff's alpha, {metric} metric, jackknife over subjects",
    }  # fmt: skip
    details: dict[str, Any] = {
        "weights": f"{metric} metric", "raters": int(values.shape[1]),
        "subjects_with_two_ratings": int(n), "distinct_values": int(np.unique(x[present]).size),
    }  # fmt: skip
    if not np.isfinite(alpha):
        note = "not defined: every rating is the same"
        return Estimate(estimate=alpha, details=details, notes=(note,), **common)
    if bootstrap:
        rng = np.random.default_rng(seed)
        draws = rng.multinomial(n, np.full(n, 1.0 / n), size=bootstrap).astype(float)
        found = _alpha(draws @ parts)
        tail = (1.0 - level) / 2.0
        low, high = np.nanquantile(found, [tail, 1.0 - tail])
        details.update(
            bootstrap_lower=float(low), bootstrap_upper=float(high),
            bootstrap_standard_error=float(np.nanstd(found, ddof=1)),
            bootstrap_replicates=bootstrap,
        )  # fmt: skip
    if n < 3:
        return Estimate(estimate=alpha, details=details,
                        notes=("too few subjects for a standard error",), **common)  # fmt: skip
    left = _alpha(whole - parts)
    error = float(np.sqrt((n - 1.0) / n * np.sum((left - left.mean()) ** 2)))
    if not error > 1e-12:
        note = "degenerate: the estimated standard error is zero, which is not certainty"
        return Estimate(
            estimate=alpha, standard_error=0.0, details=details, notes=(note,), **common
        )
    reach = float(stats.t.ppf((1.0 + level) / 2.0, n - 1)) * error
    t = alpha / error
    return Estimate(
        estimate=alpha, standard_error=error, lower=alpha - reach, upper=min(1.0, alpha + reach),
        null=0.0, statistic=t, df=n - 1.0, p_value=float(2.0 * stats.t.sf(abs(t), n - 1)),
        details=details, **common,
    )  # fmt: skip


def _alpha(sums: Floats) -> Floats:
    """1 - observed over expected disagreement from the added parts (one row a sample)."""
    ratings, total, squares, within = sums.T
    observed = within / ratings
    expected = (ratings * squares - total**2) / (ratings * (ratings - 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(expected > 1e-300, 1.0 - observed / expected, np.nan))
