"""One realism rate pooled over readers and cases, four ways side by side.

The four treat readers and cases as random and should agree; where they do not, the reader of the
report must see it. The plain binomial is given only with its warning.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from readerstudy.analysis import proportions
from readerstudy.analysis.bootstrap import bootstrap_estimate
from readerstudy.analysis.crossed_mean import u_statistic_difference, u_statistic_rate
from readerstudy.analysis.mixed import crossed_logistic
from readerstudy.analysis.result import Estimate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

WAYS = ("u_statistic", "mixed", "bootstrap", "reader_averaged")
CLUSTERING = "ignores that readings cluster in readers and cases: its interval can be far too short"


@dataclass(frozen=True)
class PooledRate:
    """A realism rate by every way; ``primary`` is the U-statistic."""

    name: str
    n: int
    successes: int
    readers: int
    cases: int
    u_statistic: Estimate
    mixed: Estimate
    bootstrap: Estimate
    reader_averaged: Estimate
    binomial: Estimate
    equivalence: dict[str, Estimate] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def primary(self) -> Estimate:
        """The estimate to quote."""
        return self.u_statistic

    def estimates(self) -> Iterator[tuple[str, Estimate]]:
        """(way, estimate), the four and the binomial, then equivalence."""
        for way in (*WAYS, "binomial"):
            yield way, getattr(self, way)
        for way, estimate in self.equivalence.items():
            yield f"equivalence, {way}", estimate

    def to_dict(self) -> dict[str, Any]:
        """Every number, ready for JSON."""
        return {
            "name": self.name,
            "n": self.n,
            "successes": self.successes,
            "readers": self.readers,
            "cases": self.cases,
            **{way: getattr(self, way).to_dict() for way in (*WAYS, "binomial")},
            "equivalence": {way: e.to_dict() for way, e in self.equivalence.items()},
            "notes": list(self.notes),
        }


def pooled_rate(
    real: Floats,
    replicates: Floats,
    *,
    name: str,
    chance: float | None,
    level: float,
    margin: float | None = None,
    alpha: float = 0.05,
) -> PooledRate:
    """Pool ``real`` (readers, cases; NaN not read); ``replicates`` are its bootstrap means."""
    present = np.isfinite(real)
    n, successes = int(present.sum()), int(np.nansum(real))
    u = u_statistic_rate(real, null=chance, level=level, name=name)
    mixed = mixed_rate(real, null=chance, level=level, name=name)
    boot = bootstrap_estimate(
        replicates,
        successes / n if n else math.nan,
        null=chance,
        level=level,
        name=name,
        n=n,
    )
    averaged = reader_averaged(real, null=chance, level=level, name=name)
    plain = proportions.binomial_test(
        successes, n, 0.5 if chance is None else chance, level=level, name=name
    )
    equivalence = {}
    if margin is not None and chance is not None and n:
        low, high = chance - margin, chance + margin
        if low <= 0 or high >= 1:
            raise ValueError(f"margin {margin:g} around {chance:g} leaves 0 to 1; choose a smaller")
        for way, estimate in (("u_statistic", u), ("reader_averaged", averaged)):
            equivalence[way] = _equivalence(estimate, chance, margin, alpha)
        equivalence["mixed"] = _equivalence_on_logit(mixed, chance, margin, alpha)
        equivalence["bootstrap"] = _equivalence_of(replicates, boot, chance, margin, alpha)
    return PooledRate(
        name=name,
        n=n,
        successes=successes,
        readers=int(present.any(axis=1).sum()),
        cases=int(present.any(axis=0).sum()),
        u_statistic=u,
        mixed=mixed,
        bootstrap=boot,
        reader_averaged=averaged,
        binomial=_with_note(plain, CLUSTERING),
        equivalence=equivalence,
    )


def reader_averaged(
    real: Floats, *, null: float | None, level: float, name: str = "rate"
) -> Estimate:
    """Mean of the readers' own rates with the one-sample t test over readers."""
    method = "mean of the readers' rates, t over readers"
    rates = _reader_rates(real)
    return _t_over_readers(rates, null, level, name, method, int(np.isfinite(real).sum()), (0, 1))


def mixed_rate(real: Floats, *, null: float | None, level: float, name: str = "rate") -> Estimate:
    """Marginal probability of the crossed logistic model, tested by likelihood ratio.

    At a chance of one half the conditional and the marginal null are the same, and p is the
    likelihood ratio's; elsewhere it is the t test on the logit of the marginal probability.
    """
    r, c = np.nonzero(np.isfinite(real))
    if len(r) == 0:
        return Estimate(name, math.nan, level=level, method="crossed logistic", n=0)
    fit = crossed_logistic(real[r, c], r, c, interval="wald", level=level)
    averaged = fit.marginal
    assert averaged is not None
    intercept = fit.coefficients["intercept"]
    p_value: float | None = None
    statistic: float | None = None
    if null is not None and null == 0.5:
        p_value = intercept.details["likelihood_ratio_p"]
        statistic = intercept.details["likelihood_ratio"]
    elif null is not None:
        scale = averaged.details["logit_standard_error"]
        statistic = (averaged.details["logit"] - float(special.logit(null))) / scale
        df = averaged.df if isinstance(averaged.df, float) else math.inf
        p_value = float(2 * stats.t.sf(abs(statistic), df))
    components = {key: e.estimate for key, e in fit.components.items()}
    return Estimate(
        name=name,
        estimate=averaged.estimate,
        standard_error=averaged.standard_error,
        lower=averaged.lower,
        upper=averaged.upper,
        level=level,
        null=null,
        statistic=statistic,
        df=averaged.df,
        p_value=p_value,
        method=averaged.method,
        n=averaged.n,
        details={
            **averaged.details,
            "standard_deviations": components,
            "log_odds": intercept.estimate,
            "log_odds_standard_error": intercept.standard_error,
            "wald_p": intercept.details["wald_p"],
            "likelihood_ratio_p": intercept.details["likelihood_ratio_p"],
        },
        notes=tuple(dict.fromkeys((*fit.notes, *averaged.notes))),
    )


def difference_four_ways(
    generated: Floats,
    acquired: Floats,
    replicates: Floats,
    *,
    level: float,
    name: str = "generated minus acquired",
) -> dict[str, Estimate]:
    """Generated minus acquired realism rate by the four ways and the warned plain score."""
    n = int(np.isfinite(generated).sum() + np.isfinite(acquired).sum())
    estimate = _mean(generated) - _mean(acquired)
    paired = _reader_rates(generated) - _reader_rates(acquired)
    table = (
        int(np.nansum(generated)),
        int(np.isfinite(generated).sum()),
        int(np.nansum(acquired)),
        int(np.isfinite(acquired).sum()),
    )
    plain = proportions.miettinen_nurminen(*table, level=level)
    return {
        "u_statistic": u_statistic_difference(generated, acquired, level=level, name=name),
        "mixed": _mixed_difference(generated, acquired, level, name),
        "bootstrap": bootstrap_estimate(
            replicates, estimate, null=0.0, level=level, name=name, n=n
        ),
        "reader_averaged": _t_over_readers(
            paired, 0.0, level, name, "mean of the readers' differences, t over readers", n, (-1, 1)
        ),
        "independent": _with_note(plain, CLUSTERING),
    }


def _mixed_difference(generated: Floats, acquired: Floats, level: float, name: str) -> Estimate:
    """Log odds ratio of origin with reader, reader-by-origin and case random; LR test.

    Readers differ in how well they tell the origins apart; without the reader-by-origin term the
    standard error of the difference would forget it.
    """
    both = np.hstack([generated, acquired])
    origin = np.concatenate([np.ones(generated.shape[1]), np.zeros(acquired.shape[1])])
    r, c = np.nonzero(np.isfinite(both))
    x = origin[c]
    label = f"{name}, log odds ratio"
    if len(np.unique(x)) < 2:
        return Estimate(label, math.nan, level=level, method="crossed logistic", n=len(r))
    fit = crossed_logistic(
        both[r, c],
        r,
        c,
        np.column_stack([np.ones(len(r)), x]),
        names=["intercept", "origin"],
        extra_factors={"reader by origin": 2 * r + x.astype(int)},
        level=level,
        interval="wald",
    )
    effect = fit.coefficients["origin"]
    there, here = fit.probability([1, 1], level=level), fit.probability([1, 0], level=level)
    return Estimate(
        name=label,
        estimate=effect.estimate,
        standard_error=effect.standard_error,
        lower=effect.lower,
        upper=effect.upper,
        level=level,
        null=0.0,
        statistic=effect.details["likelihood_ratio"],
        df=1.0,
        p_value=effect.details["likelihood_ratio_p"],
        method="crossed logistic (Laplace): reader, reader by origin, case; LR test, Wald interval",
        n=len(r),
        details={
            "marginal_generated": there.estimate,
            "marginal_acquired": here.estimate,
            "marginal_difference": there.estimate - here.estimate,
            "wald_p": effect.details["wald_p"],
            "standard_deviations": {key: e.estimate for key, e in fit.components.items()},
        },
        notes=tuple(dict.fromkeys((*fit.notes, *effect.notes))),
    )


def _mean(values: Floats) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan


def _reader_rates(real: Floats) -> Floats:
    """(readers,), NaN for a reader without a reading."""
    counts = np.isfinite(real).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nansum(real, axis=1) / counts)


def _t_over_readers(
    rates: Floats,
    null: float | None,
    level: float,
    name: str,
    method: str,
    n: int,
    ends: tuple[float, float],
) -> Estimate:
    rates = rates[np.isfinite(rates)]
    count = len(rates)
    if count < 2:
        return Estimate(
            name=name,
            estimate=float(rates[0]) if count else math.nan,
            lower=float(ends[0]),
            upper=float(ends[1]),
            level=level,
            null=null,
            method=method,
            n=n,
            notes=(f"{count or 'no'} reader: variation between readers cannot be seen",),
        )
    mean, error = float(rates.mean()), float(rates.std(ddof=1)) / math.sqrt(count)
    if error < 1e-15:
        return Estimate(
            name=name,
            estimate=mean,
            lower=float(ends[0]),
            upper=float(ends[1]),
            level=level,
            null=null,
            method=method,
            n=n,
            details={"reader_rates": rates},
            notes=("degenerate: all readers have the same rate, t is not defined",),
        )
    half = float(stats.t.isf((1 - level) / 2, count - 1)) * error
    statistic = None if null is None else (mean - null) / error
    return Estimate(
        name=name,
        estimate=mean,
        standard_error=error,
        lower=max(ends[0], mean - half),
        upper=min(ends[1], mean + half),
        level=level,
        null=null,
        statistic=statistic,
        df=float(count - 1),
        p_value=None if statistic is None else float(2 * stats.t.sf(abs(statistic), count - 1)),
        method=method,
        n=n,
        details={"reader_rates": rates},
    )


def _equivalence(estimate: Estimate, chance: float, margin: float, alpha: float) -> Estimate:
    """TOST of an estimate with a standard error and df, on its own scale."""
    error, df = estimate.standard_error, estimate.df
    if error is None or not isinstance(df, (int, float)):
        return _no_equivalence(estimate, chance, margin, alpha)
    p_lower = float(stats.t.sf((estimate.estimate - chance + margin) / error, df))
    p_upper = float(stats.t.cdf((estimate.estimate - chance - margin) / error, df))
    half = float(stats.t.isf(alpha, df)) * error
    ends = (estimate.estimate - half, estimate.estimate + half)
    return _tost(estimate, chance, margin, alpha, p_lower, p_upper, ends)


def _equivalence_on_logit(
    estimate: Estimate, chance: float, margin: float, alpha: float
) -> Estimate:
    scale, df = estimate.details.get("logit_standard_error"), estimate.df
    separated = any("separation" in note for note in estimate.notes)
    if scale is None or separated or not isinstance(df, (int, float)):
        return _no_equivalence(estimate, chance, margin, alpha)
    centre = estimate.details["logit"]
    low, high = special.logit(chance - margin), special.logit(chance + margin)
    p_lower = float(stats.t.sf((centre - low) / scale, df))
    p_upper = float(stats.t.cdf((centre - high) / scale, df))
    half = float(stats.t.isf(alpha, df)) * scale
    ends = (float(special.expit(centre - half)), float(special.expit(centre + half)))
    return _tost(estimate, chance, margin, alpha, p_lower, p_upper, ends)


def _equivalence_of(
    replicates: Floats, estimate: Estimate, chance: float, margin: float, alpha: float
) -> Estimate:
    kept = replicates[np.isfinite(replicates)]
    if len(kept) == 0 or float(np.ptp(kept)) == 0:
        return _no_equivalence(estimate, chance, margin, alpha)
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


def _no_equivalence(estimate: Estimate, chance: float, margin: float, alpha: float) -> Estimate:
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


def _with_note(estimate: Estimate, note: str) -> Estimate:
    return dataclasses.replace(estimate, notes=(*estimate.notes, note))
