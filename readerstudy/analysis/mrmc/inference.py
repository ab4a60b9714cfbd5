"""Standard errors, degrees of freedom and tests from Obuchowski-Rockette components."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from readerstudy.analysis.delong import separation_bound
from readerstudy.analysis.result import Estimate

from .figures import Figures
from .variance import Components

Floats = NDArray[np.float64]
ROUNDING = 1e-15


@dataclass(frozen=True)
class Error:
    """Variance of a contrast, its degrees of freedom (infinite: normal) and what to say of it."""

    variance: float
    df: float
    notes: tuple[str, ...]
    details: dict[str, float]


def modality_error(c: Components, index: int, readers: str, cases: str) -> Error:
    """Error of one modality's mean, from that modality's data alone (Hillis 2014, sec. 6)."""
    r = int(c.per_modality[index])
    cov2 = float(c.cov2_each[index])
    notes: list[str] = []
    used = max(cov2, 0.0)
    if cov2 < 0 and cases == "random":
        notes.append(f"Cov2 estimated {cov2:.3g}, taken as 0 in error term and degrees of freedom")
    if readers == "fixed":
        variance = (float(c.variance_each[index]) + (r - 1) * used) / r
        return Error(
            variance, math.inf, tuple(notes),
            {"error_variance": float(c.variance_each[index]), "cov2": cov2},
        )  # fmt: skip
    ms = float(c.ms_reader_each[index])
    if cases == "fixed":
        return Error(ms / r, r - 1.0, (), {"ms_reader": ms})
    term = ms + r * used
    df = math.inf if ms <= 0 else term**2 / (ms**2 / (r - 1.0))
    return Error(term / r, df, tuple(notes), {"ms_reader": ms, "cov2": cov2})


def difference_error(c: Components, readers: str, cases: str, pair: tuple[int, int]) -> Error:
    """Error of a difference of two modalities' means, components pooled over all modalities."""
    notes: list[str] = []
    gap = c.cov2 - c.cov3
    used = max(gap, 0.0)
    details = {"cov1": c.cov1, "cov2": c.cov2, "cov3": c.cov3}
    if gap < 0 and cases == "random":
        notes.append(
            f"Cov2 - Cov3 estimated {gap:.3g}, taken as 0 in error term and degrees of freedom"
        )
    counts = c.per_modality[list(pair)].astype(float)
    inverse = float(np.sum(1.0 / counts))
    if readers == "fixed":
        if c.nested:
            variance = c.variance * inverse + used * (2.0 - inverse) - c.cov3 * inverse
        else:
            term = c.variance - c.cov1 + (c.readers - 1) * used
            variance = 2.0 / c.readers * term
            # What MRMCaov takes; OR-DBM MRMC and RJafroc truncate, and so does this.
            details["variance_untruncated"] = (
                2.0 / c.readers * (c.variance - c.cov1 + (c.readers - 1) * gap)
            )
        return Error(variance, math.inf, tuple(notes), {**details, "error_variance": c.variance})
    ms = c.ms_interaction
    details["ms_error"] = ms
    if cases == "fixed":
        return Error(inverse * ms, c.df_interaction, (), details)
    variance = inverse * ms + 2.0 * used
    if math.isnan(ms):
        return Error(math.nan, math.nan, tuple(notes), details)
    # With equal numbers this is Hillis' (MS + r max(Cov2 - Cov3, 0))^2 / (MS^2 / df).
    df = math.inf if ms <= 0 else (variance / (inverse * ms)) ** 2 * c.df_interaction
    return Error(variance, df, tuple(notes), details)


def contrast(
    c: Components,
    readers: str,
    cases: str,
    level: float,
    *,
    kind: str,
    first: int,
    second: int = -1,
    name: str,
    null: float | None,
    covariance_method: str,
    bounds: tuple[float, float] | None = None,
) -> Estimate:
    """One modality's mean, or the difference of two, with its interval and test."""
    if kind == "modality":
        estimate = float(c.means[first])
        error = modality_error(c, first, readers, cases)
    else:
        estimate = float(c.means[first] - c.means[second])
        error = difference_error(c, readers, cases, (first, second))
    method = f"Obuchowski-Rockette, readers {readers}, cases {cases}" + (
        f", covariance {covariance_method}" if cases == "random" else ""
    )
    return estimate_from(
        name=name, estimate=estimate, variance=error.variance, df=error.df, level=level,
        null=null, bounds=bounds, method=method, details=dict(error.details), notes=error.notes,
        n=int(c.per_modality[first]),
    )  # fmt: skip


def estimate_from(
    *,
    name: str,
    estimate: float,
    variance: float,
    df: float,
    level: float,
    null: float | None,
    method: str,
    details: dict[str, Any],
    notes: tuple[str, ...] = (),
    bounds: tuple[float, float] | None = None,
    n: int | None = None,
) -> Estimate:
    """An estimate with t (or normal, df infinite) interval and test; never a root of a negative."""
    common: dict[str, Any] = {
        "name": name, "estimate": estimate, "level": level, "null": null, "method": method,
        "details": details, "n": n,
    }  # fmt: skip
    if not math.isfinite(variance) or variance < 0:
        found = "not estimable" if not math.isfinite(variance) else f"estimated {variance:.3g}"
        return Estimate(
            notes=(*notes, f"variance {found}: no standard error, interval or test"), **common
        )
    # Figures of merit are of order one: less than this is rounding.
    if variance <= ROUNDING:
        return Estimate(
            standard_error=0.0,
            p_value=1.0 if null is not None and abs(estimate - null) < 1e-12 else None,
            notes=(*notes, "degenerate: the estimated variance is zero, which is not certainty"),
            **common,
        )
    error = math.sqrt(variance)
    quantile = float(stats.t.ppf((1.0 + level) / 2.0, df))
    lower, upper = estimate - quantile * error, estimate + quantile * error
    if bounds is not None:
        if bounds == (0.0, 1.0) and 0.0 < estimate < 1.0:
            # The same on the log-odds scale, which keeps its level better near 0 and 1.
            centre, reach = special.logit(estimate), quantile * error / (estimate * (1 - estimate))
            details["logit_lower"] = float(special.expit(centre - reach))
            details["logit_upper"] = float(special.expit(centre + reach))
        lower, upper = max(bounds[0], lower), min(bounds[1], upper)
    statistic = (estimate - null) / error if null is not None else None
    return Estimate(
        standard_error=error, lower=lower, upper=upper, statistic=statistic,
        df=df if math.isfinite(df) else None,
        p_value=None if statistic is None else float(2.0 * stats.t.sf(abs(statistic), df)),
        notes=notes, **common,
    )  # fmt: skip


def equality_test(
    c: Components, readers: str, cases: str, level: float, covariance_method: str
) -> Estimate:
    """F (readers random) or chi-square (readers fixed) test that all modalities are equal."""
    t = c.modalities
    error = difference_error(c, readers, cases, (0, 1))
    # Variance of a difference is (2 / r) x denominator where reader numbers are equal.
    harmonic = t / float(np.sum(1.0 / c.per_modality))
    pooled = 2.0 / harmonic
    denominator = (
        error.variance / pooled
        if not c.nested
        else (c.ms_interaction + harmonic * max(c.cov2 - c.cov3, 0.0) if readers == "random"
              and cases == "random" else error.variance / pooled)
    )  # fmt: skip
    common: dict[str, Any] = {
        "name": "equality of modalities", "level": level,
        "details": {"ms_modality": c.ms_modality, "denominator": denominator, **error.details},
    }  # fmt: skip
    notes = error.notes
    if not math.isfinite(denominator) or denominator <= ROUNDING:
        word = (
            "zero" if math.isfinite(denominator) and abs(denominator) <= ROUNDING else "not usable"
        )
        return Estimate(
            estimate=float("nan"), method="global test of equal modalities",
            notes=(*notes, f"degenerate: the error term is {word}; no test"), **common,
        )  # fmt: skip
    if c.nested and np.unique(c.per_modality).size > 1:
        notes = (*notes, "unequal numbers of readers: harmonic mean number used")
    if readers == "fixed":
        statistic = (t - 1) * c.ms_modality / denominator
        return Estimate(
            estimate=statistic, statistic=statistic, df=float(t - 1),
            p_value=float(stats.chi2.sf(statistic, t - 1)),
            method=f"chi-square test, readers fixed, covariance {covariance_method}",
            notes=notes, **common,
        )  # fmt: skip
    statistic = c.ms_modality / denominator
    df2 = error.df
    p = (
        float(stats.f.sf(statistic, t - 1, df2))
        if math.isfinite(df2)
        else float(stats.chi2.sf((t - 1) * statistic, t - 1))
    )
    return Estimate(
        estimate=statistic, statistic=statistic, df=(float(t - 1), df2), p_value=p,
        method=f"F test, Hillis degrees of freedom, cases {cases}"
        + (f", covariance {covariance_method}" if cases == "random" else ""),
        notes=notes, **common,
    )  # fmt: skip


def separated_interval(found: Estimate, figures: Figures, values: Floats, level: float) -> Estimate:
    """Replace the zero-width interval of a figure of merit of exactly 0 or 1 by an exact one.

    If every reader is at the bound, so is each of them; P(that) <= theta_j^m for every reader j
    and hence <= (mean theta)^m, with m the disjoint positive-negative pairs (AUC) or the cases.
    """
    if found.standard_error is None or found.standard_error > 0:
        return found
    present = values[~np.isnan(values)]
    if not (present == 1.0).all() and not (present == 0.0).all():
        return found
    if figures.metric == "auc":
        bound = separation_bound(figures.positives, figures.negatives, level=level)
    else:
        bound = ((1.0 - level) / 2.0) ** (1.0 / figures.cases)
    lower, upper = (bound, 1.0) if present[0] == 1.0 else (0.0, 1.0 - bound)
    note = "exact interval for these readers from the bound of a figure of merit of 0 or 1"
    return replace(found, lower=lower, upper=upper, notes=(*found.notes, note))
