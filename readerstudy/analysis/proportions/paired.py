"""Paired proportions: McNemar's exact and mid-p tests, Tango's score interval.

Sources: McNemar 1947; Fagerland, Lydersen & Laake 2013 (BMC Medical Research Methodology 13:91) for
the mid-p test; Tango 1998 (Statistics in Medicine 17, 891-908).
"""

from __future__ import annotations

import math

from scipy import stats

from readerstudy.analysis.proportions.counts import (
    ALTERNATIVES,
    checked_level,
    one_of,
    whole_number,
)
from readerstudy.analysis.proportions.two import _normal_p, _score_limit
from readerstudy.analysis.result import Estimate


def mcnemar(
    both: int,
    only_first: int,
    only_second: int,
    neither: int,
    *,
    method: str = "mid-p",
    alternative: str = "two-sided",
    level: float = 0.95,
) -> Estimate:
    """Difference of two paired proportions (first - second) tested on the discordant pairs.

    ``method``: ``exact`` (conditional binomial), ``mid-p``, ``asymptotic`` or ``corrected``
    (Edwards' continuity correction, R's ``mcnemar.test``). The interval is Tango's.
    """
    one_of(method, ("exact", "mid-p", "asymptotic", "corrected"), "method")
    one_of(alternative, ALTERNATIVES, "alternative")
    b = whole_number(only_first, "only_first")
    c = whole_number(only_second, "only_second")
    score = tango(both, b, c, neither, level=level)
    discordant = b + c
    notes = list(score.notes)
    statistic: float | None = None
    df: float | None = None
    if discordant == 0:
        p_value = 1.0
        notes.append("no discordant pair: p is 1 by definition")
    elif method in ("exact", "mid-p"):
        half = 0.5 * float(stats.binom.pmf(b, discordant, 0.5)) if method == "mid-p" else 0.0
        greater = float(stats.binom.sf(b - 1, discordant, 0.5)) - half
        less = float(stats.binom.cdf(b, discordant, 0.5)) - half
        # As many pairs either way: no outcome is less extreme, and half of the observed one's
        # probability is left out (Fagerland et al. 2013, supplement).
        both_ways = 1 - half if b == c else 2 * min(greater, less)
        tails = {"greater": greater, "less": less, "two-sided": both_ways}
        p_value = min(1.0, tails[alternative])
    elif method == "asymptotic":
        root = (b - c) / math.sqrt(discordant)
        statistic, df = root * root, 1.0
        p_value = _normal_p(root, alternative)
    else:
        if alternative != "two-sided":
            raise ValueError("the continuity-corrected test is two-sided only; use method='mid-p'")
        statistic, df = max(abs(b - c) - 1, 0) ** 2 / discordant, 1.0
        p_value = float(stats.chi2.sf(statistic, 1))
    return Estimate(
        name="paired difference of proportions",
        estimate=score.estimate,
        lower=score.lower,
        upper=score.upper,
        level=level,
        null=0.0,
        statistic=statistic,
        df=df,
        p_value=p_value,
        alternative=alternative,
        method=f"McNemar {method}; Tango score interval",
        n=score.n,
        details=dict(score.details),
        notes=tuple(notes),
    )


def tango(
    both: int,
    only_first: int,
    only_second: int,
    neither: int,
    *,
    null: float = 0.0,
    alternative: str = "two-sided",
    level: float = 0.95,
) -> Estimate:
    """Difference of two paired proportions with Tango's score test and interval.

    ``null`` may be a margin, so the same statistic serves non-inferiority and equivalence.
    """
    a = whole_number(both, "both")
    b = whole_number(only_first, "only_first")
    c = whole_number(only_second, "only_second")
    d = whole_number(neither, "neither")
    checked_level(level)
    one_of(alternative, ALTERNATIVES, "alternative")
    if not -1 < null < 1:
        raise ValueError(f"null must be a difference between -1 and 1, got {null!r}")
    n = a + b + c + d
    if n == 0:
        return Estimate(
            name="paired difference of proportions",
            estimate=math.nan,
            lower=-1.0,
            upper=1.0,
            level=level,
            method="Tango score",
            n=0,
            notes=("no pairs: the difference is not defined",),
        )
    difference = (b - c) / n

    def z_at(delta: float) -> float:
        return _tango_z(b, c, n, delta)

    critical = float(stats.norm.isf((1 - level) / 2))
    statistic = z_at(null)
    return Estimate(
        name="paired difference of proportions",
        estimate=difference,
        lower=_score_limit(z_at, difference, critical, downwards=True),
        upper=_score_limit(z_at, difference, critical, downwards=False),
        level=level,
        null=null,
        statistic=statistic,
        p_value=_normal_p(statistic, alternative),
        alternative=alternative,
        method="Tango score",
        n=n,
        details={"p1": (a + b) / n, "p2": (a + c) / n, "discordant": b + c},
    )


def _tango_z(b: int, c: int, n: int, delta: float) -> float:
    """Tango 1998, equation (10), with the restricted estimate of p21 in closed form."""
    gap = b - c - n * delta
    first = 2 * n
    second = -b - c + (2 * n - b + c) * delta
    third = -c * delta * (1 - delta)
    p21 = (math.sqrt(max(second * second - 4 * first * third, 0)) - second) / (2 * first)
    p21 = max(p21, 0.0, -delta)
    variance = n * (2 * p21 + delta * (1 - delta))
    if abs(gap) < 1e-12:
        return 0.0
    if variance <= 0:
        return math.copysign(math.inf, gap)
    return gap / math.sqrt(variance)
