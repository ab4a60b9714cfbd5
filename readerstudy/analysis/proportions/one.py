"""One proportion: exact tests, six intervals, power.

Sources: Clopper & Pearson 1934; Wilson 1927; Brown, Cai & DasGupta 2001 (Statistical Science 16,
101-133) for Jeffreys and Agresti-Coull; Blaker 2000 (Canadian J. Statistics 28, 783-798); mid-p as
in Newcombe 1998 (Statistics in Medicine 17, 857-872).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import optimize, stats

from readerstudy.analysis.proportions.counts import (
    ALTERNATIVES,
    checked_level,
    checked_probability,
    one_of,
    successes_of,
    whole_number,
)
from readerstudy.analysis.result import Estimate

INTERVAL_METHODS = (
    "wilson",
    "clopper-pearson",
    "jeffreys",
    "agresti-coull",
    "blaker",
    "mid-p",
    "likelihood",
)


def interval(
    successes: int, n: int, *, method: str = "wilson", level: float = 0.95, name: str = "proportion"
) -> Estimate:
    """A proportion with its confidence interval and no test.

    ``method`` is one of :data:`INTERVAL_METHODS`. With n = 0 the proportion is not defined and the
    interval is the whole of 0 to 1. Raises ``ValueError`` for counts that are not whole numbers
    with 0 <= successes <= n, an unknown method or a level outside (0, 1).
    """
    count, total = successes_of(successes, n)
    lower, upper = limits(count, total, method=method, level=level)
    return Estimate(
        name=name,
        estimate=count / total if total else math.nan,
        lower=lower,
        upper=upper,
        level=level,
        method=f"{method} interval",
        n=total,
        details={"successes": count},
        notes=() if total else ("no observations: the interval is all of 0 to 1",),
    )


def limits(
    successes: int, n: int, *, method: str = "wilson", level: float = 0.95
) -> tuple[float, float]:
    """(lower, upper) of one of :data:`INTERVAL_METHODS`, never outside 0 to 1."""
    count, total = successes_of(successes, n)
    one_of(method, INTERVAL_METHODS, "method")
    alpha = 1 - checked_level(level)
    if total == 0:
        return 0.0, 1.0
    lower = _LOWER[method](count, total, alpha)
    # Every method here is equivariant: the upper limit for x is one minus the lower for n - x.
    upper = 1 - _LOWER[method](total - count, total, alpha)
    return max(0.0, lower), min(1.0, upper)


def binomial_test(
    successes: int,
    n: int,
    null: float = 0.5,
    *,
    alternative: str = "two-sided",
    mid_p: bool = False,
    two_sided: str = "minlike",
    method: str = "clopper-pearson",
    level: float = 0.95,
    name: str = "proportion",
) -> Estimate:
    """Exact binomial test of one proportion against ``null``.

    Two-sided p: ``minlike`` adds all outcomes no more likely than the observed one (R's
    ``binom.test``); ``central`` doubles the smaller tail. With ``mid_p`` half the probability of
    what was observed is left out; the two-sided mid-p doubles the smaller mid-p tail, and
    ``method="mid-p"`` gives the interval that inverts it. The interval is two-sided by ``method``
    whatever the alternative. The observations are taken as independent: for readings clustered in
    readers and cases use :mod:`readerstudy.analysis.realism`.
    """
    count, total = successes_of(successes, n)
    checked_probability(null, "null")
    one_of(alternative, ALTERNATIVES, "alternative")
    one_of(two_sided, ("minlike", "central"), "two_sided")
    lower, upper = limits(count, total, method=method, level=level)
    notes: list[str] = []
    if total == 0:
        p_value = 1.0
        notes.append("no observations: p is 1 and the interval all of 0 to 1")
    elif mid_p:
        p_value = _mid_p(count, total, null, alternative)
    elif alternative == "two-sided" and two_sided == "central":
        tails = (stats.binom.cdf(count, total, null), stats.binom.sf(count - 1, total, null))
        p_value = min(1.0, 2 * float(min(tails)))
    else:
        p_value = _exact_p(count, total, null, alternative)
    test = "mid-p binomial test" if mid_p else "exact binomial test"
    if alternative == "two-sided" and (mid_p or two_sided == "central"):
        test += ", two-sided by doubling"
    return Estimate(
        name=name,
        estimate=count / total if total else math.nan,
        lower=lower,
        upper=upper,
        level=level,
        null=null,
        statistic=float(count),
        p_value=min(1.0, p_value),
        alternative=alternative,
        method=f"{test}; {method} interval",
        n=total,
        details={"successes": count},
        notes=tuple(notes),
    )


def power_binomial_test(
    n: int,
    truth: float,
    *,
    null: float = 0.5,
    alternative: str = "two-sided",
    alpha: float = 0.05,
    mid_p: bool = False,
) -> Estimate:
    """Exact power of :func:`binomial_test` with n independent readings: the probability, under
    ``truth``, of all outcomes whose p is at most ``alpha``; the actual size is in ``details``."""
    total = whole_number(n, "n", least=1)
    checked_probability(truth, "truth")
    outcomes = np.arange(total + 1)
    p_values = np.array(
        [
            binomial_test(int(x), total, null, alternative=alternative, mid_p=mid_p).p_value
            for x in outcomes
        ],
        dtype=float,
    )
    rejects = p_values <= alpha
    power = float(stats.binom.pmf(outcomes, total, truth)[rejects].sum())
    size = float(stats.binom.pmf(outcomes, total, null)[rejects].sum())
    details: dict[str, Any] = {"size": size, "alpha": alpha, "truth": truth}
    return Estimate(
        name="power",
        estimate=power,
        null=null,
        alternative=alternative,
        method="exact power of the mid-p binomial test" if mid_p else "exact power, binomial test",
        n=total,
        details=details,
        notes=("readings are taken as independent: clustering needs more of them",),
    )


def _exact_p(count: int, n: int, null: float, alternative: str) -> float:
    if alternative == "less":
        return float(stats.binom.cdf(count, n, null))
    if alternative == "greater":
        return float(stats.binom.sf(count - 1, n, null))
    return float(stats.binomtest(count, n, null).pvalue)


def _mid_p(count: int, n: int, null: float, alternative: str) -> float:
    half = 0.5 * float(stats.binom.pmf(count, n, null))
    less = float(stats.binom.cdf(count - 1, n, null)) + half
    greater = float(stats.binom.sf(count, n, null)) + half
    if alternative == "less":
        return less
    if alternative == "greater":
        return greater
    return min(1.0, 2 * min(less, greater))


def _wilson_lower(count: int, n: int, alpha: float) -> float:
    if count == 0:
        return 0.0  # the formula gives a rounding error around it
    z = float(stats.norm.isf(alpha / 2))
    p = count / n
    centre = p + z * z / (2 * n)
    return (centre - z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)


def _agresti_coull_lower(count: int, n: int, alpha: float) -> float:
    z = float(stats.norm.isf(alpha / 2))
    n_tilde = n + z * z
    p_tilde = (count + z * z / 2) / n_tilde
    return p_tilde - z * math.sqrt(p_tilde * (1 - p_tilde) / n_tilde)


def _clopper_pearson_lower(count: int, n: int, alpha: float) -> float:
    if count == 0:
        return 0.0
    return float(stats.beta.ppf(alpha / 2, count, n - count + 1))


def _jeffreys_lower(count: int, n: int, alpha: float) -> float:
    # Brown, Cai & DasGupta 2001, section 3.1.3: the limit is 0 at x = 0 (and 1 at x = n), where
    # the equal-tailed quantile would leave the observed proportion outside its own interval.
    if count == 0:
        return 0.0
    return float(stats.beta.ppf(alpha / 2, count + 0.5, n - count + 0.5))


def _mid_p_lower(count: int, n: int, alpha: float) -> float:
    if count == 0:
        return 0.0

    def excess(p: float) -> float:
        tail = stats.binom.sf(count, n, p) + 0.5 * stats.binom.pmf(count, n, p)
        return float(tail) - alpha / 2

    return float(optimize.brentq(excess, 0.0, 1.0, xtol=1e-14, rtol=1e-13))


def _likelihood_lower(count: int, n: int, alpha: float) -> float:
    if count == 0:
        return 0.0
    drop = float(stats.chi2.isf(alpha, 1)) / 2
    best = _log_likelihood(count, n, count / n)

    def excess(p: float) -> float:
        return _log_likelihood(count, n, p) - best + drop

    # The bracket starts at a proportion so small that any data contradict it.
    return float(optimize.brentq(excess, 1e-300, count / n, xtol=1e-15, rtol=1e-13))


def _log_likelihood(count: int, n: int, p: float) -> float:
    failures = n - count
    log_success = count * math.log(p) if count else 0.0
    return log_success + (failures * math.log1p(-p) if failures else 0.0)


def _blaker_lower(count: int, n: int, alpha: float) -> float:
    """Lower end of the hull of {p: acceptability > alpha} (Blaker 2000), without a grid.

    For p below x/n the acceptability is P(X >= x) plus the largest lower tail P(X <= k) that is no
    larger. k steps up at the points where the two tails are equal; between the steps the sum is
    1 - P(k < X < x), which falls and then rises in p. So within a stretch the limit is either its
    left end (a jump) or the one root on the rising part.
    """
    if count == 0:
        return 0.0
    start = _clopper_pearson_lower(count, n, alpha)

    def upper_tail(p: float) -> float:
        return float(stats.binom.sf(count - 1, n, p))

    def acceptability(p: float, k: int) -> float:
        return upper_tail(p) + (float(stats.binom.cdf(k, n, p)) if k >= 0 else 0.0)

    def step(k: int) -> float:
        """The p at which P(X <= k) has come down to P(X >= x)."""
        if k >= count:
            return 1.0
        return float(
            optimize.brentq(
                lambda p: upper_tail(p) - float(stats.binom.cdf(k, n, p)),
                0.0,
                1.0,
                xtol=1e-15,
                rtol=1e-14,
            )
        )

    # The steps rise with k: find by bisection how many lie below the start.
    k, above = -1, count
    while above - k > 1:
        half = (k + above) // 2
        k, above = (half, above) if step(half) <= start else (k, half)
    left = start
    while True:
        right = step(k + 1)
        if acceptability(left, k) > alpha:
            return left
        if acceptability(right, k) > alpha:
            # Falls, then rises: bisect on the sign only, from the right end down.
            low, high = left, right
            for _ in range(200):
                middle = 0.5 * (low + high)
                if acceptability(middle, k) > alpha:
                    high = middle
                else:
                    low = middle
            return high
        left, k = right, k + 1


_LOWER = {
    "wilson": _wilson_lower,
    "clopper-pearson": _clopper_pearson_lower,
    "jeffreys": _jeffreys_lower,
    "agresti-coull": _agresti_coull_lower,
    "blaker": _blaker_lower,
    "mid-p": _mid_p_lower,
    "likelihood": _likelihood_lower,
}
