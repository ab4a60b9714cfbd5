"""Equivalence by two one-sided tests (Schuirmann 1987), one and two samples.

Exact one-sample: the two binomial tails. Score: null variance at the margin (one sample),
Farrington & Manning 1990 (two samples). Wald: the variance at the estimates, as in the TOSTER
package for R; for comparison, it is too short in small samples and near 0 and 1. Exact two-sample:
the unconditional test of Chan 1998, ordered by the score statistic and maximised over the nuisance
proportion. Power is in :mod:`readerstudy.analysis.proportions.equivalence_power`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from readerstudy.analysis.proportions.counts import (
    checked_probability,
    one_of,
    successes_of,
)
from readerstudy.analysis.proportions.one import limits
from readerstudy.analysis.proportions.two import miettinen_nurminen, score_statistic
from readerstudy.analysis.result import Estimate

EQUIVALENCE_METHODS = ("exact", "score", "wald")

EXACT_CELLS = 250_000
"""Above this many tables the exact two-sample test is refused: the score test is as good there."""


def equivalence_to_constant(
    successes: int,
    n: int,
    *,
    null: float = 0.5,
    margin: float,
    method: str = "exact",
    alpha: float = 0.05,
    name: str = "proportion",
) -> Estimate:
    """Is the proportion within ``null`` +- ``margin``? Two one-sided tests at ``alpha``.

    p is the larger of the two; the interval has level 1 - 2 alpha and lies inside the margins
    exactly when p < alpha (Clopper-Pearson for ``exact``, Wilson for ``score``, the plain normal
    one for ``wald``). ``details`` holds both one-sided p values and the decision ``equivalent``.
    """
    count, total = successes_of(successes, n)
    one_of(method, EQUIVALENCE_METHODS, "method")
    low, high = margins_around(null, margin)
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, got {alpha!r}")
    level = 1 - 2 * alpha
    kind = {"exact": "clopper-pearson", "score": "wilson", "wald": "wald"}[method]
    notes = [] if total else ["no observations: nothing can be concluded"]
    if method != "wald":
        lower, upper = limits(count, total, method=kind, level=level)
    else:
        lower, upper = _wald_interval(count / total if total else 0.5, count, total, alpha)
        if count in (0, total):
            notes.append("degenerate: the Wald variance is zero; use method='exact'")
    p_lower, p_upper = (
        (1.0, 1.0) if total == 0 else one_sample_tails(count, total, low, high, method)
    )
    p_value = max(p_lower, p_upper)
    return Estimate(
        name=name,
        estimate=count / total if total else math.nan,
        lower=lower,
        upper=upper,
        level=level,
        null=null,
        p_value=p_value,
        alternative="equivalence",
        method=f"TOST, {method}; {kind} interval",
        n=total,
        details={
            "margin": margin,
            "margins": (low, high),
            "p_lower": p_lower,
            "p_upper": p_upper,
            "equivalent": p_value < alpha,
            "alpha": alpha,
        },
        notes=tuple(notes),
    )


def equivalence_two_proportions(
    successes1: int,
    n1: int,
    successes2: int,
    n2: int,
    *,
    margin: float,
    method: str = "score",
    alpha: float = 0.05,
) -> Estimate:
    """Is |p1 - p2| below ``margin``? ``score`` (Farrington-Manning), ``exact`` (Chan) or ``wald``.

    The interval (level 1 - 2 alpha) is the score interval of the same statistic (with ``wald`` the
    unpooled normal one). ``exact`` raises ``ValueError`` above :data:`EXACT_CELLS` possible tables.
    """
    x1, m1 = successes_of(successes1, n1, group="group 1")
    x2, m2 = successes_of(successes2, n2, group="group 2")
    one_of(method, EQUIVALENCE_METHODS, "method")
    margins_around(0.5, margin / 2)
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, got {alpha!r}")
    score = miettinen_nurminen(x1, m1, x2, m2, level=1 - 2 * alpha, corrected=False)
    if m1 and m2 and method == "wald":
        return _wald_two(score, margin, alpha)
    if not (m1 and m2):
        p_lower = p_upper = 1.0
    elif method == "score":
        p_lower = float(stats.norm.sf(score_statistic(x1, m1, x2, m2, -margin, corrected=False)))
        p_upper = float(stats.norm.cdf(score_statistic(x1, m1, x2, m2, margin, corrected=False)))
    else:
        p_lower = _chan_p(x1, m1, x2, m2, -margin)
        p_upper = _chan_p(x2, m2, x1, m1, -margin)
    p_value = max(p_lower, p_upper)
    return Estimate(
        name=score.name,
        estimate=score.estimate,
        lower=score.lower,
        upper=score.upper,
        level=score.level,
        null=0.0,
        p_value=p_value,
        alternative="equivalence",
        method=f"TOST, {method} (unconditional)" if method == "exact" else "TOST, score",
        n=m1 + m2,
        details={
            **score.details,
            "margin": margin,
            "p_lower": p_lower,
            "p_upper": p_upper,
            "equivalent": p_value < alpha,
            "alpha": alpha,
        },
        notes=score.notes,
    )


def _wald_interval(p: float, count: int, n: int, alpha: float) -> tuple[float, float]:
    if n == 0:
        return 0.0, 1.0
    reach = float(stats.norm.isf(alpha)) * math.sqrt(p * (1 - p) / n)
    return p - reach, p + reach


def _wald_two(score: Estimate, margin: float, alpha: float) -> Estimate:
    """The z test with the unpooled variance, as TOSTER's ``twoprop_test``."""
    p1, p2 = score.details["p1"], score.details["p2"]
    n1, n2 = score.details["n1"], score.details["n2"]
    error = math.sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
    notes = score.notes
    if error == 0:
        p_lower = p_upper = 1.0
        notes = (*notes, "degenerate: the Wald variance is zero; use method='score' or 'exact'")
    else:
        p_lower = float(stats.norm.sf((score.estimate + margin) / error))
        p_upper = float(stats.norm.cdf((score.estimate - margin) / error))
    reach = float(stats.norm.isf(alpha)) * error
    p_value = max(p_lower, p_upper)
    return Estimate(
        name=score.name,
        estimate=score.estimate,
        standard_error=error,
        lower=score.estimate - reach,
        upper=score.estimate + reach,
        level=1 - 2 * alpha,
        null=0.0,
        p_value=p_value,
        alternative="equivalence",
        method="TOST, wald (unpooled z)",
        n=n1 + n2,
        details={
            **score.details,
            "margin": margin,
            "p_lower": p_lower,
            "p_upper": p_upper,
            "equivalent": p_value < alpha,
            "alpha": alpha,
        },
        notes=notes,
    )


def margins_around(null: float, margin: float) -> tuple[float, float]:
    checked_probability(null, "null")
    if not margin > 0:
        raise ValueError(f"margin must be positive, got {margin!r}")
    low, high = null - margin, null + margin
    if low <= 0 or high >= 1:
        raise ValueError(
            f"margin {margin:g} around {null:g} leaves 0 to 1 ({low:g} to {high:g}); "
            "choose a smaller margin"
        )
    return low, high


def one_sample_tails(
    count: int, n: int, low: float, high: float, method: str
) -> tuple[float, float]:
    if method == "exact":
        return (
            float(stats.binom.sf(count - 1, n, low)),
            float(stats.binom.cdf(count, n, high)),
        )
    p = count / n
    if method == "wald":
        error = math.sqrt(p * (1 - p) / n)
        if error == 0:
            return 1.0, 1.0
        return float(stats.norm.sf((p - low) / error)), float(stats.norm.cdf((p - high) / error))
    return (
        float(stats.norm.sf((p - low) / math.sqrt(low * (1 - low) / n))),
        float(stats.norm.cdf((p - high) / math.sqrt(high * (1 - high) / n))),
    )


def nuisance_weights(n1: int, n2: int, delta: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Binomial weights of both groups, (grid, n + 1), over p2 with p1 = p2 + delta."""
    low, high = max(0.0, -delta), min(1.0, 1 - delta)
    p2 = np.linspace(low, high, 501)[:, None]
    p1 = np.clip(p2 + delta, 0, 1)
    weights1 = stats.binom.pmf(np.arange(n1 + 1)[None, :], n1, p1)
    weights2 = stats.binom.pmf(np.arange(n2 + 1)[None, :], n2, p2)
    return np.asarray(weights1), np.asarray(weights2)


def refuse_large(n1: int, n2: int) -> None:
    cells = (n1 + 1) * (n2 + 1)
    if cells > EXACT_CELLS:
        raise ValueError(
            f"{cells} possible tables (n1 = {n1}, n2 = {n2}) exceed the exact test's "
            f"{EXACT_CELLS}; use method='score'"
        )


def _chan_p(x1: int, n1: int, x2: int, n2: int, delta: float) -> float:
    """sup over the nuisance of P(Z >= observed z) at p1 - p2 = delta."""
    refuse_large(n1, n2)
    z = score_statistic(
        np.arange(n1 + 1)[:, None], n1, np.arange(n2 + 1)[None, :], n2, delta, corrected=False
    )
    at_least = (z >= z[x1, x2] - 1e-9).astype(float)
    weights1, weights2 = nuisance_weights(n1, n2, delta)
    return min(1.0, float(np.einsum("gi,gi->g", weights1 @ at_least, weights2).max()))
