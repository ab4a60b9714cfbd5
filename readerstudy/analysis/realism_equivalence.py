"""Equivalence of a pooled realism rate to chance: two one-sided tests for each way of pooling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from readerstudy.analysis.result import Estimate

Floats = NDArray[np.float64]


def on_its_own_scale(estimate: Estimate, chance: float, margin: float, alpha: float) -> Estimate:
    """TOST of an estimate with a standard error and df, on its own scale."""
    error, df = estimate.standard_error, estimate.df
    if error is None or not isinstance(df, (int, float)):
        return _not_shown(estimate, chance, margin, alpha)
    p_lower = float(stats.t.sf((estimate.estimate - chance + margin) / error, df))
    p_upper = float(stats.t.cdf((estimate.estimate - chance - margin) / error, df))
    half = float(stats.t.isf(alpha, df)) * error
    ends = (estimate.estimate - half, estimate.estimate + half)
    return _tost(estimate, chance, margin, alpha, p_lower, p_upper, ends)


def on_the_logit(estimate: Estimate, chance: float, margin: float, alpha: float) -> Estimate:
    scale, df = estimate.details.get("logit_standard_error"), estimate.df
    separated = any("separation" in note for note in estimate.notes)
    if scale is None or separated or not isinstance(df, (int, float)):
        return _not_shown(estimate, chance, margin, alpha)
    centre = estimate.details["logit"]
    low, high = special.logit(chance - margin), special.logit(chance + margin)
    p_lower = float(stats.t.sf((centre - low) / scale, df))
    p_upper = float(stats.t.cdf((centre - high) / scale, df))
    half = float(stats.t.isf(alpha, df)) * scale
    ends = (float(special.expit(centre - half)), float(special.expit(centre + half)))
    return _tost(estimate, chance, margin, alpha, p_lower, p_upper, ends)


def of_replicates(
    replicates: Floats, estimate: Estimate, chance: float, margin: float, alpha: float
) -> Estimate:
    kept = replicates[np.isfinite(replicates)]
    if len(kept) == 0 or float(np.ptp(kept)) == 0:
        return _not_shown(estimate, chance, margin, alpha)
    p_lower = (float((kept <= chance - margin).sum()) + 1) / (len(kept) + 1)
    p_upper = (float((kept >= chance + margin).sum()) + 1) / (len(kept) + 1)
    lower, upper = np.quantile(kept, [alpha, 1 - alpha])
    ends = (float(lower), float(upper))
    return _tost(estimate, chance, margin, alpha, p_lower, p_upper, ends)


def _tost(
    estimate: Estimate,
    chance: float,
    margin: float,
    alpha: float,
    p_lower: float,
    p_upper: float,
    ends: tuple[float, float],
) -> Estimate:
    p_value = max(p_lower, p_upper)
    return Estimate(
        name=f"{estimate.name}, equivalence to chance",
        estimate=estimate.estimate,
        standard_error=estimate.standard_error,
        lower=ends[0],
        upper=ends[1],
        level=1 - 2 * alpha,
        null=chance,
        df=estimate.df,
        p_value=p_value,
        alternative="equivalence",
        method=f"TOST; {estimate.method}",
        n=estimate.n,
        details={
            "margin": margin,
            "p_lower": p_lower,
            "p_upper": p_upper,
            "equivalent": p_value < alpha,
            "alpha": alpha,
        },
    )


def _not_shown(estimate: Estimate, chance: float, margin: float, alpha: float) -> Estimate:
    return Estimate(
        name=f"{estimate.name}, equivalence to chance",
        estimate=estimate.estimate,
        level=1 - 2 * alpha,
        null=chance,
        p_value=1.0,
        alternative="equivalence",
        method=f"TOST; {estimate.method}",
        n=estimate.n,
        details={"margin": margin, "equivalent": False, "alpha": alpha},
        notes=("no standard error to test with: equivalence is not shown",),
    )
