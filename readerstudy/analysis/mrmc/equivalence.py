"""Equivalence and non-inferiority from any estimate that has a standard error.

Sources: Schuirmann, J Pharmacokinet Biopharm 15 (1987) 657-680 (two one-sided tests); Chen, Petrick
and Sahiner, Acad Radiol 19 (2012) 1158-1165 (MRMC non-inferiority and equivalence).
"""

from __future__ import annotations

import math
from dataclasses import replace

from scipy import stats

from readerstudy.analysis.result import Estimate


def equivalence(
    found: Estimate, *, margin: float | tuple[float, float], alpha: float = 0.05, null: float = 0.0
) -> Estimate:
    """Two one-sided tests that ``found`` lies within the margin around ``null``.

    ``margin`` is one number (symmetric) or (lower, upper) differences from ``null``, lower < 0 <
    upper. The p-value is the larger of the two; the interval is the 1 - 2 alpha one whose lying
    inside the margin is the same decision. Raises ``ValueError`` for a margin that does not hold
    ``null`` in its interior.
    """
    _checked(alpha)
    low, high = margin if isinstance(margin, tuple) else (-margin, margin)
    if not low < 0.0 < high:
        raise ValueError(f"margin ({low:g}, {high:g}) must hold zero difference in its interior")
    base = replace(
        found, name=f"equivalence of {found.name}", null=null, statistic=None, p_value=None,
        lower=None, upper=None, level=1.0 - 2.0 * alpha, alternative="equivalence",
        method=f"two one-sided t tests within {null + low:g} to {null + high:g}; {found.method}",
        details={**found.details, "margin_lower": null + low, "margin_upper": null + high},
    )  # fmt: skip
    error = found.standard_error
    if not error:
        note = "no standard error: equivalence cannot be tested"
        return replace(base, notes=(*found.notes, note))
    df = _df(found)
    t_low = (found.estimate - null - low) / error
    t_high = (found.estimate - null - high) / error
    p_low, p_high = float(stats.t.sf(t_low, df)), float(stats.t.cdf(t_high, df))
    reach = float(stats.t.ppf(1.0 - alpha, df)) * error
    p = max(p_low, p_high)
    return replace(
        base, lower=found.estimate - reach, upper=found.estimate + reach, p_value=p,
        statistic=t_low if p_low >= p_high else t_high,
        details={**base.details, "p_lower": p_low, "p_upper": p_high, "t_lower": t_low,
                 "t_upper": t_high, "equivalent": p < alpha},
    )  # fmt: skip


def non_inferiority(
    found: Estimate, *, margin: float, alpha: float = 0.025, higher_is_better: bool = True
) -> Estimate:
    """One-sided test that ``found`` (new minus reference) is not worse than by ``margin``.

    The interval reported is the two-sided 1 - 2 alpha one; non-inferior when its near end clears
    the margin. Raises ``ValueError`` for a margin that is not positive.
    """
    if not margin > 0:
        raise ValueError(f"margin {margin:g} must be positive: the loss that is still acceptable")
    _checked(alpha)
    sign = 1.0 if higher_is_better else -1.0
    base = replace(
        found, name=f"non-inferiority of {found.name}", null=-sign * margin, statistic=None,
        p_value=None, lower=None, upper=None, level=1.0 - 2.0 * alpha,
        alternative="greater" if higher_is_better else "less",
        method=f"one-sided t test against a loss of {margin:g}; {found.method}",
        details={**found.details, "margin": margin},
    )  # fmt: skip
    error = found.standard_error
    if not error:
        note = "no standard error: non-inferiority cannot be tested"
        return replace(base, notes=(*found.notes, note))
    df = _df(found)
    t = (found.estimate + sign * margin) / error
    p = float(stats.t.sf(sign * t, df))
    reach = float(stats.t.ppf(1.0 - alpha, df)) * error
    return replace(
        base, statistic=t, p_value=p, lower=found.estimate - reach, upper=found.estimate + reach,
        details={**base.details, "non_inferior": p < alpha},
    )  # fmt: skip


def _checked(alpha: float) -> None:
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha {alpha} of a one-sided test must lie between 0 and 0.5")


def _df(found: Estimate) -> float:
    if isinstance(found.df, tuple):
        raise ValueError("an F test has no direction: take the difference's own estimate")
    return math.inf if found.df is None else float(found.df)
