"""Two independent proportions: Newcombe's hybrid and Miettinen-Nurminen's score method.

statsmodels' ``confint_proportions_2indep(method="score")`` solves for the limits by bracketing and
fails or answers wrongly where a cell is empty; the restricted estimate is solved in closed form
here, so that 0/n against n/n is an ordinary case.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from readerstudy.analysis.proportions.counts import (
    ALTERNATIVES,
    checked_level,
    one_of,
    successes_of,
)
from readerstudy.analysis.proportions.one import limits
from readerstudy.analysis.result import Estimate


def newcombe(
    successes1: int, n1: int, successes2: int, n2: int, *, level: float = 0.95
) -> Estimate:
    """p1 - p2 with the square-and-add Wilson interval.

    Newcombe 1998, Statistics in Medicine 17, 873-890, method 10. An interval without a test.
    """
    x1, m1 = successes_of(successes1, n1, group="group 1")
    x2, m2 = successes_of(successes2, n2, group="group 2")
    checked_level(level)
    if not (m1 and m2):
        return _undefined("Newcombe hybrid score", level, m1, m2)
    p1, p2 = x1 / m1, x2 / m2
    l1, u1 = limits(x1, m1, method="wilson", level=level)
    l2, u2 = limits(x2, m2, method="wilson", level=level)
    difference = p1 - p2
    return Estimate(
        name="difference of proportions",
        estimate=difference,
        lower=max(-1.0, difference - math.hypot(p1 - l1, u2 - p2)),
        upper=min(1.0, difference + math.hypot(u1 - p1, p2 - l2)),
        level=level,
        method="Newcombe hybrid score",
        n=m1 + m2,
        details={"p1": p1, "p2": p2, "n1": m1, "n2": m2},
    )


def miettinen_nurminen(
    successes1: int,
    n1: int,
    successes2: int,
    n2: int,
    *,
    null: float = 0.0,
    alternative: str = "two-sided",
    level: float = 0.95,
    corrected: bool = True,
) -> Estimate:
    """p1 - p2 by the score statistic with the restricted estimate, test and interval alike.

    Miettinen & Nurminen 1985, Statistics in Medicine 4, 213-226. ``corrected`` keeps their
    N/(N - 1); without it the statistic is Farrington & Manning's and the interval Mee's.
    """
    x1, m1 = successes_of(successes1, n1, group="group 1")
    x2, m2 = successes_of(successes2, n2, group="group 2")
    checked_level(level)
    one_of(alternative, ALTERNATIVES, "alternative")
    if not -1 < null < 1:
        raise ValueError(f"null must be a difference between -1 and 1, got {null!r}")
    method = "Miettinen-Nurminen score" if corrected else "Farrington-Manning score"
    if not (m1 and m2):
        return _undefined(method, level, m1, m2)
    p1, p2 = x1 / m1, x2 / m2
    difference = p1 - p2

    def z_at(delta: float) -> float:
        return float(score_statistic(x1, m1, x2, m2, delta, corrected=corrected))

    critical = float(stats.norm.isf((1 - level) / 2))
    statistic = z_at(null)
    return Estimate(
        name="difference of proportions",
        estimate=difference,
        lower=_score_limit(z_at, difference, critical, downwards=True),
        upper=_score_limit(z_at, difference, critical, downwards=False),
        level=level,
        null=null,
        statistic=statistic,
        p_value=_normal_p(statistic, alternative),
        alternative=alternative,
        method=method,
        n=m1 + m2,
        details={"p1": p1, "p2": p2, "n1": m1, "n2": m2},
    )


def two_proportions(
    successes1: int,
    n1: int,
    successes2: int,
    n2: int,
    *,
    method: str = "miettinen-nurminen",
    level: float = 0.95,
) -> Estimate:
    """p1 - p2 by ``miettinen-nurminen``, ``farrington-manning`` or ``newcombe``."""
    one_of(method, ("miettinen-nurminen", "farrington-manning", "newcombe"), "method")
    if method == "newcombe":
        return newcombe(successes1, n1, successes2, n2, level=level)
    corrected = method == "miettinen-nurminen"
    return miettinen_nurminen(successes1, n1, successes2, n2, level=level, corrected=corrected)


def score_statistic(
    successes1: ArrayLike,
    n1: int,
    successes2: ArrayLike,
    n2: int,
    delta: float,
    *,
    corrected: bool = True,
) -> NDArray[np.float64]:
    """z of p1 - p2 = ``delta`` with the maximum-likelihood nuisance under it; broadcasts.

    0 where the observed difference equals delta and the restricted variance is nil (an infinite z
    only where they differ).
    """
    x1, x2 = np.asarray(successes1, float), np.asarray(successes2, float)
    p2_tilde = _restricted_p2(x1, n1, x2, n2, delta)
    p1_tilde = np.clip(p2_tilde + delta, 0, 1)
    variance = p1_tilde * (1 - p1_tilde) / n1 + p2_tilde * (1 - p2_tilde) / n2
    if corrected:
        variance = variance * (n1 + n2) / (n1 + n2 - 1)
    gap = x1 / n1 - x2 / n2 - delta
    with np.errstate(divide="ignore", invalid="ignore"):
        z = gap / np.sqrt(np.maximum(variance, 0))
    return np.where(np.abs(gap) < 1e-14, 0.0, z)


def _restricted_p2(
    x1: NDArray[np.float64], n1: int, x2: NDArray[np.float64], n2: int, delta: float
) -> NDArray[np.float64]:
    """p2 that maximises the likelihood subject to p1 = p2 + delta (Farrington & Manning 1990)."""
    if delta == 0:
        return np.broadcast_to((x1 + x2) / (n1 + n2), np.broadcast(x1, x2).shape).copy()
    # Group 1 is the one shifted by delta: the cubic of Farrington & Manning's appendix in p1,
    # so that p2 = p1 - delta.
    theta = n2 / n1
    p1, p2 = x1 / n1, x2 / n2
    a = 1 + theta
    b = -(1 + theta + p1 + theta * p2 + delta * (theta + 2))
    c = delta**2 + delta * (2 * p1 + theta + 1) + p1 + theta * p2
    d = -p1 * delta * (1 + delta)
    v = b**3 / (3 * a) ** 3 - b * c / (6 * a**2) + d / (2 * a)
    u = np.sign(v) * np.sqrt(np.maximum(b**2 / (3 * a) ** 2 - c / (3 * a), 0))
    u = np.where(v == 0, np.sqrt(np.maximum(b**2 / (3 * a) ** 2 - c / (3 * a), 0)), u)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.where(u == 0, 0.0, v / u**3)
    w = (math.pi + np.arccos(np.clip(cosine, -1, 1))) / 3
    root = 2 * u * np.cos(w) - b / (3 * a)
    low, high = max(0.0, delta), min(1.0, 1 + delta)
    return np.clip(root, low, high) - delta


def _score_limit(z_at: Any, estimate: float, critical: float, *, downwards: bool) -> float:
    """The delta where |z| reaches the critical value; the end of the range where it never does."""
    edge = -1 + 1e-12 if downwards else 1 - 1e-12
    target = critical if downwards else -critical
    if abs(estimate - edge) < 1e-11:
        return -1.0 if downwards else 1.0
    at_edge = z_at(edge) - target
    if (at_edge < 0) if downwards else (at_edge > 0):
        return -1.0 if downwards else 1.0
    low, high = (edge, estimate) if downwards else (estimate, edge)
    return float(optimize.brentq(lambda d: z_at(d) - target, low, high, xtol=1e-13))


def _normal_p(z: float, alternative: str) -> float:
    if alternative == "greater":
        return float(stats.norm.sf(z))
    if alternative == "less":
        return float(stats.norm.cdf(z))
    return float(2 * stats.norm.sf(abs(z)))


def _undefined(method: str, level: float, n1: int, n2: int) -> Estimate:
    return Estimate(
        name="difference of proportions",
        estimate=math.nan,
        lower=-1.0,
        upper=1.0,
        level=level,
        method=method,
        n=n1 + n2,
        details={"n1": n1, "n2": n2},
        notes=("a group has no observations: the difference is not defined",),
    )
