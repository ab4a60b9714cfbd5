"""Power and sample size of the equivalence tests, by enumerating every outcome."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from readerstudy.analysis.proportions.counts import (
    checked_level,
    checked_probability,
    one_of,
    whole_number,
)
from readerstudy.analysis.proportions.equivalence import (
    EQUIVALENCE_METHODS,
    margins_around,
    nuisance_weights,
    one_sample_tails,
    refuse_large,
)
from readerstudy.analysis.proportions.two import score_statistic
from readerstudy.analysis.result import Estimate


def power_equivalence_to_constant(
    n: int,
    truth: float,
    *,
    null: float = 0.5,
    margin: float,
    alpha: float = 0.05,
    method: str = "exact",
) -> Estimate:
    """Exact power of :func:`equivalence_to_constant`: every outcome is enumerated."""
    total = whole_number(n, "n", least=1)
    checked_probability(truth, "truth")
    one_of(method, EQUIVALENCE_METHODS, "method")
    low, high = margins_around(null, margin)
    outcomes = np.arange(total + 1)
    accepts = _accepts(outcomes, total, low, high, method, alpha)
    power = float(stats.binom.pmf(outcomes, total, truth)[accepts].sum())
    sizes = [float(stats.binom.pmf(outcomes, total, edge)[accepts].sum()) for edge in (low, high)]
    notes = ["readings are taken as independent: clustering needs more of them"]
    if not accepts.any():
        notes.append(f"with n = {total} no outcome can show equivalence within {margin:g}")
    return Estimate(
        name="power",
        estimate=power,
        null=null,
        alternative="equivalence",
        method=f"power of the TOST, {method}, by enumeration",
        n=total,
        details={"truth": truth, "margin": margin, "alpha": alpha, "size": max(sizes)},
        notes=tuple(notes),
    )


def sample_size_equivalence_to_constant(
    power: float,
    *,
    truth: float = 0.5,
    null: float = 0.5,
    margin: float,
    alpha: float = 0.05,
    method: str = "exact",
    largest: int = 1_000_000,
) -> Estimate:
    """The smallest n from which on the power stays at least ``power``.

    Exact power is saw-toothed in n: the answer is the first n after the last dip below ``power``
    within one period of the search, not the first lucky tooth.
    """
    checked_level(power)
    low, high = margins_around(null, margin)
    if not low < truth < high:
        raise ValueError(
            f"truth {truth!r} lies outside the margins {low:g} to {high:g}: no n will do"
        )

    def reached(n: int) -> float:
        result = power_equivalence_to_constant(
            n, truth, null=null, margin=margin, alpha=alpha, method=method
        )
        return result.estimate

    n = 8
    while reached(n) < power:
        n *= 2
        if n > largest:
            raise ValueError(f"more than {largest} readings would be needed; widen the margin")
    floor = n // 2
    # The teeth lie within about 1/margin of each other; look back from safely above the crossing.
    while n - floor > 1:
        middle = (n + floor) // 2
        if reached(middle) >= power:
            n = middle
        else:
            floor = middle
    period = max(8, math.ceil(2 / margin))
    window = range(max(1, n - period), n + 2 * period)
    below = [m for m in window if reached(m) < power]
    answer = (max(below) + 1) if below else n
    return Estimate(
        name="readings needed",
        estimate=float(answer),
        null=null,
        alternative="equivalence",
        method=f"TOST, {method}, by enumeration",
        n=answer,
        details={
            "power": reached(answer),
            "truth": truth,
            "margin": margin,
            "alpha": alpha,
        },
        notes=("readings are taken as independent: clustering needs more of them",),
    )


def power_equivalence_two_proportions(
    n1: int,
    n2: int,
    truth1: float,
    truth2: float,
    *,
    margin: float,
    alpha: float = 0.05,
    method: str = "score",
) -> Estimate:
    """Power of :func:`equivalence_two_proportions` by enumerating both groups' outcomes.

    ``exact`` counts the tables that the unconditional test accepts at both margins.
    """
    m1, m2 = whole_number(n1, "n1", least=1), whole_number(n2, "n2", least=1)
    checked_probability(truth1, "truth1")
    checked_probability(truth2, "truth2")
    one_of(method, EQUIVALENCE_METHODS, "method")
    margins_around(0.5, margin / 2)
    x1, x2 = np.arange(m1 + 1)[:, None], np.arange(m2 + 1)[None, :]
    z_low = score_statistic(x1, m1, x2, m2, -margin, corrected=False)
    z_high = score_statistic(x1, m1, x2, m2, margin, corrected=False)
    if method == "score":
        critical = float(stats.norm.isf(alpha))
        accepts = (z_low > critical) & (z_high < -critical)
    elif method == "wald":
        p1, p2 = x1 / m1, x2 / m2
        reach = float(stats.norm.isf(alpha)) * np.sqrt(p1 * (1 - p1) / m1 + p2 * (1 - p2) / m2)
        accepts = (np.abs(p1 - p2) + reach < margin) & (reach > 0)
    else:
        accepts = (z_low >= _chan_critical(z_low, m1, m2, -margin, alpha)) & (
            -z_high >= _chan_critical((-z_high).T, m2, m1, -margin, alpha)
        )
    weights1 = stats.binom.pmf(np.arange(m1 + 1), m1, truth1)
    weights2 = stats.binom.pmf(np.arange(m2 + 1), m2, truth2)
    return Estimate(
        name="power",
        estimate=float(weights1 @ accepts @ weights2),
        alternative="equivalence",
        method=f"power of the two-sample TOST, {method}, by enumeration",
        n=m1 + m2,
        details={"truth1": truth1, "truth2": truth2, "margin": margin, "alpha": alpha},
        notes=("readings are taken as independent: clustering needs more of them",),
    )


def _accepts(
    outcomes: NDArray[np.int64], n: int, low: float, high: float, method: str, alpha: float
) -> NDArray[np.bool_]:
    if method == "exact":
        p_lower = stats.binom.sf(outcomes - 1, n, low)
        p_upper = stats.binom.cdf(outcomes, n, high)
    elif method == "wald":
        tails = [one_sample_tails(int(x), n, low, high, method) for x in outcomes]
        p_lower, p_upper = np.array(tails).T
    else:
        p = outcomes / n
        p_lower = stats.norm.sf((p - low) / math.sqrt(low * (1 - low) / n))
        p_upper = stats.norm.cdf((p - high) / math.sqrt(high * (1 - high) / n))
    accepted: NDArray[np.bool_] = np.maximum(p_lower, p_upper) < alpha
    return accepted


def _chan_critical(z: NDArray[np.float64], n1: int, n2: int, delta: float, alpha: float) -> float:
    """The smallest z whose unconditional p is below ``alpha`` (infinite where none is)."""
    refuse_large(n1, n2)
    weights1, weights2 = nuisance_weights(n1, n2, delta)
    candidates = np.unique(np.round(z, 9))
    low, high = 0, len(candidates)  # the answer's index; len means none
    while low < high:
        middle = (low + high) // 2
        at_least = (z >= candidates[middle] - 2e-9).astype(float)
        p = float(np.einsum("gi,gi->g", weights1 @ at_least, weights2).max())
        if p < alpha:
            high = middle
        else:
            low = middle + 1
    return float(candidates[low]) - 2e-9 if low < len(candidates) else math.inf
