"""Power of a pooled realism rate when readers and cases are both random.

Judgments follow a crossed random-effects logistic model, logit P(real) = mu + reader + case; the
variance of the pooled rate comes from its four moments (Gallas, Pennello and Myers, JOSA A 24
(2007) B70-B80), so the very design effect that a binomial plan ignores is what is planned with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from .equivalence import tost_power

Floats = NDArray[np.float64]
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(61)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


@dataclass(frozen=True)
class RealismPlan:
    """One plan with its power; ``design_effect`` is the variance over that of n independent."""

    readers: int
    cases: int
    power: float
    standard_error: float
    df: float
    design_effect: float
    notes: tuple[str, ...] = ()


def marginal_intercept(rate: float, var_reader: float, var_case: float) -> float:
    """The logit intercept whose population-averaged rate is ``rate``."""
    if not 0 < rate < 1:
        raise ValueError(f"rate {rate} must lie between 0 and 1")
    if var_reader < 0 or var_case < 0:
        raise ValueError(f"variances {var_reader} and {var_case} must not be negative")
    total = math.sqrt(var_reader + var_case)

    def gap(mu: float) -> float:
        return float(WEIGHTS @ special.expit(mu + total * NODES)) - rate

    reach = abs(special.logit(rate)) * (1.0 + total) + 6.0 * total + 1.0
    return float(optimize.brentq(gap, -reach, reach, xtol=1e-12))


def rate_moments(rate: float, var_reader: float, var_case: float) -> Floats:
    """E[x x'] for the same judgment, same reader, same case, and neither (4)."""
    mu = marginal_intercept(rate, var_reader, var_case)
    s_r, s_c = math.sqrt(var_reader), math.sqrt(var_case)
    given = special.expit(mu + s_r * NODES[:, None] + s_c * NODES[None, :])
    of_reader, of_case = given @ WEIGHTS, WEIGHTS @ given
    p = float(WEIGHTS @ of_reader)
    return np.array([p, float(WEIGHTS @ of_reader**2), float(WEIGHTS @ of_case**2), p * p])


def rate_variance(
    rate: float,
    *,
    readers: int,
    cases: int,
    var_reader: float,
    var_case: float,
    loads: tuple[Sequence[int], Sequence[int]] | None = None,
) -> tuple[float, float]:
    """Variance of the pooled rate and its Satterthwaite degrees of freedom.

    Every reader judges every case, unless ``loads`` counts the judgments of each reader and of each
    case: over n judgments the moments of pairs then weigh by the sums of squared shares.
    """
    if readers < 1 or cases < 1:
        raise ValueError(f"{readers} readers and {cases} cases are not a design")
    m = rate_moments(rate, var_reader, var_case)
    n, by_readers, by_cases = float(readers * cases), 1 / readers, 1 / cases
    if loads is not None:
        of_each, of_case = (np.asarray(one, dtype=float) for one in loads)
        n = float(of_each.sum())
        if (of_each.size, of_case.size) != (readers, cases) or n != of_case.sum() or n < 1:
            raise ValueError(
                f"loads of {of_each.size} readers ({n:g} judgments) and {of_case.size} cases "
                f"({of_case.sum():g}) do not belong to {readers} readers and {cases} cases"
            )
        by_readers, by_cases = float(((of_each / n) ** 2).sum()), float(((of_case / n) ** 2).sum())
    rest = m[0] - m[1] - m[2] + m[3]
    variance = (m[1] - m[3]) * by_readers + (m[2] - m[3]) * by_cases + rest / n
    of_readers = (m[1] - m[3]) * by_readers + rest / n
    of_cases = (m[2] - m[3]) * by_cases + rest / n
    denominator = sum(
        part**2 / (count - 1)
        for part, count in ((of_readers, readers), (of_cases, cases))
        if count > 1
    )
    df = variance**2 / denominator if denominator > 0 else math.inf
    return float(variance), float(df)


def realism_power(
    *,
    rate: float,
    readers: int,
    cases: int,
    var_reader: float,
    var_case: float,
    null: float = 0.5,
    margin: float | None = None,
    alpha: float = 0.05,
    loads: tuple[Sequence[int], Sequence[int]] | None = None,
) -> RealismPlan:
    """Power to tell ``rate`` from ``null``, or with ``margin`` to show equivalence to it.

    ``var_reader`` and ``var_case`` are variances on the logit scale (a crossed logistic fit of a
    pilot gives them); every reader judges every case, unless ``loads`` says otherwise (see
    :func:`rate_variance`). Two-sided t test, or two one-sided ones.
    """
    variance, df = rate_variance(
        rate, readers=readers, cases=cases, var_reader=var_reader, var_case=var_case, loads=loads
    )
    error = math.sqrt(variance)
    if margin is None:
        shift = (rate - null) / error
        if math.isfinite(df):
            critical = float(stats.t.isf(alpha / 2, df))
            power = float(stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift))
        else:
            critical = float(stats.norm.isf(alpha / 2))
            power = float(stats.norm.sf(critical - shift) + stats.norm.cdf(-critical - shift))
    else:
        if margin <= 0:
            raise ValueError(f"margin {margin} must be positive")
        power = tost_power(
            rate - null, lower=-margin, upper=margin, error=error, df=df, alpha=alpha
        )
    judgments = readers * cases if loads is None else sum(loads[0])
    effect = variance / (rate * (1 - rate) / judgments)
    notes: tuple[str, ...] = ()
    if readers == 1 and var_reader > 0:
        notes = ("one reader: the study speaks of that reader, his variance cannot be estimated",)
    return RealismPlan(readers, cases, power, error, df, effect, notes)


def realism_cases(
    *,
    rate: float,
    readers: int,
    var_reader: float,
    var_case: float,
    power: float = 0.8,
    null: float = 0.5,
    margin: float | None = None,
    alpha: float = 0.05,
    most: int = 20_000,
) -> RealismPlan:
    """The fewest cases with which ``readers`` readers reach ``power``.

    Raises ``ValueError`` when ``most`` cases do not suffice (the reader variance bounds the power).
    """

    def at(cases: int) -> RealismPlan:
        return realism_power(
            rate=rate, readers=readers, cases=cases, var_reader=var_reader, var_case=var_case,
            null=null, margin=margin, alpha=alpha,
        )  # fmt: skip

    best = at(most)
    if best.power < power:
        raise ValueError(
            f"{readers} readers reach power {best.power:.3f} even with {most} cases; plan more "
            "readers"
        )
    low, high = 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if at(middle).power >= power else (middle, high)
    return at(high)
