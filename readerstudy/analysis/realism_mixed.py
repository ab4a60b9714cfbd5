"""Realism rates and their differences by the crossed random-effects logistic model."""

from __future__ import annotations

import dataclasses
import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from readerstudy.analysis.mixed import MixedFit, crossed_logistic
from readerstudy.analysis.result import Estimate
from readerstudy.analysis.small_sample import METHOD

Floats = NDArray[np.float64]


def mixed_rate(real: Floats, *, null: float | None, level: float, name: str = "rate") -> Estimate:
    """Marginal probability of the crossed logistic model with its t interval and test.

    Both are on the logit, with the small-sample correction for few readers. The likelihood ratio
    against one half (where the conditional and the marginal null are the same) is in ``details``;
    it is the test where the outcome is constant and t has nothing to go by.
    """
    if not np.isfinite(real).any():
        return Estimate(name, math.nan, level=level, method="crossed logistic", n=0)
    fit = _rate_fit(real.astype(float).tobytes(), len(real), level)
    averaged = fit.marginal
    assert averaged is not None
    intercept = fit.coefficients["intercept"]
    p_value: float | None = None
    statistic: float | None = None
    if null is not None and averaged.notes and null == 0.5:
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
            "likelihood_ratio": intercept.details["likelihood_ratio"],
            "likelihood_ratio_p": intercept.details["likelihood_ratio_p"],
        },
        notes=tuple(dict.fromkeys((*fit.notes, *averaged.notes))),
    )


def mixed_difference(generated: Floats, acquired: Floats, level: float, name: str) -> Estimate:
    """Log odds ratio of origin with reader, reader-by-origin and case random; t test.

    Readers differ in how well they tell the origins apart; without the reader-by-origin term the
    standard error of the difference would forget it.
    """
    both = np.hstack([generated, acquired]).astype(float)
    first = generated.shape[1]
    read = np.isfinite(both)
    label = f"{name}, log odds ratio"
    count = int(read.sum())
    if not (read[:, :first].any() and read[:, first:].any()):
        return Estimate(label, math.nan, level=level, method="crossed logistic", n=count)
    fit = _difference_fit(both.tobytes(), len(both), first, level)
    effect = fit.coefficients["origin"]
    open_ended = effect.details["open"]  # separated: the interval is the profile's
    lower, upper = (effect.lower, effect.upper) if open_ended else effect.details["t_interval"]
    ratio, ratio_p = (effect.details[k] for k in ("likelihood_ratio", "likelihood_ratio_p"))
    there, here = fit.probability([1, 1], level=level), fit.probability([1, 0], level=level)
    return Estimate(
        name=label,
        estimate=effect.estimate,
        standard_error=effect.details["t_standard_error"],
        lower=lower,
        upper=upper,
        level=level,
        null=0.0,
        statistic=ratio if open_ended else effect.estimate / effect.details["t_standard_error"],
        df=1.0 if open_ended else effect.details["t_df"],
        p_value=ratio_p if open_ended else effect.details["t_p"],
        method="crossed logistic (Laplace): reader, reader by origin, case; "
        + ("likelihood-ratio test, profile interval" if open_ended else METHOD),
        n=count,
        details={
            "likelihood_ratio": ratio,
            "likelihood_ratio_p": ratio_p,
            "marginal_generated": there.estimate,
            "marginal_acquired": here.estimate,
            "marginal_difference": there.estimate - here.estimate,
            "wald_p": effect.details["wald_p"],
            "standard_deviations": {key: e.estimate for key, e in fit.components.items()},
        },
        notes=tuple(dict.fromkeys((*fit.notes, *(effect.notes if open_ended else ())))),
    )


def bounded_like(mixed: Estimate, exact: Estimate) -> Estimate:
    """All judgments alike: the likelihood knows nothing of how readers and cases vary, so what it
    excludes would be that of independent readings. The exact bound takes its place."""
    return dataclasses.replace(
        mixed,
        standard_error=None,
        lower=exact.lower,
        upper=exact.upper,
        statistic=None,
        df=None,
        p_value=exact.p_value,
        notes=(*mixed.notes, "all judgments alike: interval and p are the exact ones of the "
               "U-statistic's degenerate case"),
    )  # fmt: skip


def not_fitted(name: str, level: float, n: int) -> Estimate:
    return Estimate(name, math.nan, level=level, method="crossed logistic, not asked for", n=n)


# A study with one generator, or one label, asks for the same fit several times.
@lru_cache(maxsize=32)
def _rate_fit(content: bytes, readers: int, level: float) -> MixedFit:
    real = np.frombuffer(content).reshape(readers, -1)
    r, c = np.nonzero(np.isfinite(real))
    return crossed_logistic(real[r, c], r, c, interval="wald", level=level)


@lru_cache(maxsize=32)
def _difference_fit(content: bytes, readers: int, first: int, level: float) -> MixedFit:
    """Fit of both sets side by side, the first columns of which are one of them."""
    both = np.frombuffer(content).reshape(readers, -1)
    r, c = np.nonzero(np.isfinite(both))
    x = (c < first).astype(float)
    return crossed_logistic(
        both[r, c],
        r,
        c,
        np.column_stack([np.ones(len(r)), x]),
        names=["intercept", "origin"],
        extra_factors={"reader by origin": 2 * r + x.astype(int)},
        level=level,
        interval="wald",
    )


def forget_fits() -> None:
    """Let go of the fits that are kept for who asks again; a whole analysis ends with it."""
    _rate_fit.cache_clear()
    _difference_fit.cache_clear()
