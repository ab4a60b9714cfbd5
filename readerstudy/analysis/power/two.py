"""Power for two independent proportions and for pairs, readings independent.

Sources: Fleiss, Levin & Paik 2003, chapter 4, and R's ``power.prop.test`` for the normal
approximation; the rest enumerates every outcome of the very test that will be made.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from readerstudy.analysis.proportions.counts import (
    ALTERNATIVES,
    checked_level,
    checked_probability,
    one_of,
    whole_number,
)
from readerstudy.analysis.proportions.two import score_statistic
from readerstudy.analysis.result import Estimate

INDEPENDENT = "readings are taken as independent: clustering needs more of them"
MOST_TABLES = 4_000_000


def two_proportions_power(
    n1: int,
    n2: int,
    *,
    p1: float,
    p2: float,
    alpha: float = 0.05,
    alternative: str = "two-sided",
    method: str = "score",
) -> Estimate:
    """Power to tell p1 from p2.

    ``score`` enumerates every table through the Miettinen-Nurminen test; its size over a grid of
    common proportions is in ``details``. ``normal`` is the approximation of R's
    ``power.prop.test``, for unequal groups as in Fleiss, Levin & Paik (4.19).
    """
    m1, m2 = whole_number(n1, "n1", least=1), whole_number(n2, "n2", least=1)
    checked_probability(p1, "p1")
    checked_probability(p2, "p2")
    checked_level(1 - alpha)
    one_of(alternative, ALTERNATIVES, "alternative")
    one_of(method, ("score", "normal"), "method")
    details: dict[str, float] = {"p1": p1, "p2": p2, "alpha": alpha}
    if method == "normal":
        power = _normal_power(m1, m2, p1, p2, alpha, alternative)
    else:
        if (m1 + 1) * (m2 + 1) > MOST_TABLES:
            raise ValueError(
                f"{(m1 + 1) * (m2 + 1)} possible tables are too many to count; use method='normal'"
            )
        z = score_statistic(np.arange(m1 + 1)[:, None], m1, np.arange(m2 + 1)[None, :], m2, 0.0)
        tail = alpha / 2 if alternative == "two-sided" else alpha
        critical = float(stats.norm.isf(tail))
        rejects = {
            "two-sided": np.abs(z) >= critical,
            "greater": z >= critical,
            "less": z <= -critical,
        }[alternative]

        def chance(first: float, second: float) -> float:
            return float(
                stats.binom.pmf(np.arange(m1 + 1), m1, first)
                @ rejects
                @ stats.binom.pmf(np.arange(m2 + 1), m2, second)
            )

        power = chance(p1, p2)
        details["size"] = max(chance(p, p) for p in np.linspace(0.01, 0.99, 99))
    return Estimate(
        name="power",
        estimate=power,
        null=0.0,
        alternative=alternative,
        method=f"power for two proportions, {method}",
        n=m1 + m2,
        details=details,
        notes=(INDEPENDENT,),
    )


def two_proportions_sample_size(
    *, p1: float, p2: float, power: float = 0.8, alpha: float = 0.05, alternative: str = "two-sided"
) -> Estimate:
    """n in each of two equal groups by the normal approximation (R's ``power.prop.test``)."""
    checked_probability(p1, "p1")
    checked_probability(p2, "p2")
    checked_level(power)
    checked_level(1 - alpha)
    one_of(alternative, ALTERNATIVES, "alternative")
    if p1 == p2:
        raise ValueError(f"equal proportions ({p1:g}) cannot be told apart")
    z = float(stats.norm.isf(alpha / 2 if alternative == "two-sided" else alpha))
    pooled = (p1 + p2) * (2 - p1 - p2) / 2
    reach = z * math.sqrt(pooled) + float(stats.norm.isf(1 - power)) * math.sqrt(
        p1 * (1 - p1) + p2 * (1 - p2)
    )
    exact = (reach / (p1 - p2)) ** 2
    return Estimate(
        name="readings needed in each group",
        estimate=float(math.ceil(exact)),
        alternative=alternative,
        method="normal approximation",
        n=2 * math.ceil(exact),
        details={"unrounded": exact, "p1": p1, "p2": p2, "alpha": alpha, "power": power},
        notes=(INDEPENDENT,),
    )


def mcnemar_power(
    n: int,
    *,
    only_first: float,
    only_second: float,
    alpha: float = 0.05,
    method: str = "mid-p",
) -> Estimate:
    """Power of McNemar's two-sided test with ``n`` pairs, by enumeration.

    ``only_first`` and ``only_second`` are the probabilities of the two kinds of discordant pair;
    ``method`` is ``mid-p`` or ``exact``. The number of discordant pairs is random.
    """
    pairs = whole_number(n, "n", least=1)
    checked_probability(only_first, "only_first")
    checked_probability(only_second, "only_second")
    checked_level(1 - alpha)
    one_of(method, ("mid-p", "exact"), "method")
    discordant = only_first + only_second
    if not 0 < discordant <= 1:
        raise ValueError(
            f"only_first + only_second must be more than 0 and at most 1, got {discordant:g}"
        )
    share = only_first / discordant
    power = 0.0
    for count, weight in enumerate(stats.binom.pmf(np.arange(pairs + 1), pairs, discordant)):
        if count == 0 or weight < 1e-15:
            continue
        b = np.arange(count + 1)
        mass = stats.binom.pmf(b, count, 0.5)
        half = 0.5 * mass if method == "mid-p" else 0.0
        less = stats.binom.cdf(b, count, 0.5) - half
        greater = stats.binom.sf(b - 1, count, 0.5) - half
        rejects = 2 * np.minimum(less, greater) <= alpha
        power += float(weight * stats.binom.pmf(b, count, share)[rejects].sum())
    return Estimate(
        name="power",
        estimate=power,
        null=0.0,
        method=f"power of McNemar's {method} test, by enumeration",
        n=pairs,
        details={"only_first": only_first, "only_second": only_second, "alpha": alpha},
        notes=("pairs are taken as independent: clustering needs more of them",),
    )


def _normal_power(n1: int, n2: int, p1: float, p2: float, alpha: float, alternative: str) -> float:
    pooled = (n1 * p1 + n2 * p2) / (n1 + n2)
    under_null = math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    truly = math.sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
    gap = {"two-sided": abs(p1 - p2), "greater": p1 - p2, "less": p2 - p1}[alternative]
    z = float(stats.norm.isf(alpha / 2 if alternative == "two-sided" else alpha))
    if truly == 0:
        return float(gap > z * under_null)
    # One tail only, as R without strict = TRUE: the other is of no interest to a plan.
    return float(stats.norm.cdf((gap - z * under_null) / truly))
