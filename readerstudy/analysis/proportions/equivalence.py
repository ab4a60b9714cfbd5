"""Equivalence by two one-sided tests (Schuirmann 1987), one and two samples, with power.

Exact one-sample: the two binomial tails. Score: null variance at the margin (one sample),
Farrington & Manning 1990 (two samples). Exact two-sample: the unconditional test of Chan 1998,
ordered by the score statistic and maximised over the nuisance proportion.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from readerstudy.analysis.proportions.counts import (
    checked_level,
    checked_probability,
    one_of,
    successes_of,
    whole_number,
)
from readerstudy.analysis.proportions.one import limits
from readerstudy.analysis.proportions.two import miettinen_nurminen, score_statistic
from readerstudy.analysis.result import Estimate

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
    exactly when p < alpha (Clopper-Pearson for ``exact``, Wilson for ``score``). ``details`` holds
    both one-sided p values and the decision ``equivalent``.
    """
    count, total = successes_of(successes, n)
    one_of(method, ("exact", "score"), "method")
    low, high = _margins(null, margin)
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, got {alpha!r}")
    level = 1 - 2 * alpha
    kind = "clopper-pearson" if method == "exact" else "wilson"
    lower, upper = limits(count, total, method=kind, level=level)
    p_lower, p_upper = (
        (1.0, 1.0) if total == 0 else _one_sample_tails(count, total, low, high, method)
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
        notes=() if total else ("no observations: nothing can be concluded",),
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
    """Is |p1 - p2| below ``margin``? ``score`` (Farrington-Manning) or ``exact`` (Chan 1998).

    The interval (level 1 - 2 alpha) is the score interval of the same statistic. ``exact`` raises
    ``ValueError`` above :data:`EXACT_CELLS` possible tables.
    """
    x1, m1 = successes_of(successes1, n1, group="group 1")
    x2, m2 = successes_of(successes2, n2, group="group 2")
    one_of(method, ("exact", "score"), "method")
    _margins(0.5, margin / 2)
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, got {alpha!r}")
    score = miettinen_nurminen(x1, m1, x2, m2, level=1 - 2 * alpha, corrected=False)
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
    one_of(method, ("exact", "score"), "method")
    low, high = _margins(null, margin)
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
    low, high = _margins(null, margin)
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
    one_of(method, ("exact", "score"), "method")
    _margins(0.5, margin / 2)
    x1, x2 = np.arange(m1 + 1)[:, None], np.arange(m2 + 1)[None, :]
    z_low = score_statistic(x1, m1, x2, m2, -margin, corrected=False)
    z_high = score_statistic(x1, m1, x2, m2, margin, corrected=False)
    if method == "score":
        critical = float(stats.norm.isf(alpha))
        accepts = (z_low > critical) & (z_high < -critical)
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


def _margins(null: float, margin: float) -> tuple[float, float]:
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


def _one_sample_tails(
    count: int, n: int, low: float, high: float, method: str
) -> tuple[float, float]:
    if method == "exact":
        return (
            float(stats.binom.sf(count - 1, n, low)),
            float(stats.binom.cdf(count, n, high)),
        )
    p = count / n
    return (
        float(stats.norm.sf((p - low) / math.sqrt(low * (1 - low) / n))),
        float(stats.norm.cdf((p - high) / math.sqrt(high * (1 - high) / n))),
    )


def _accepts(
    outcomes: NDArray[np.int64], n: int, low: float, high: float, method: str, alpha: float
) -> NDArray[np.bool_]:
    if method == "exact":
        p_lower = stats.binom.sf(outcomes - 1, n, low)
        p_upper = stats.binom.cdf(outcomes, n, high)
    else:
        p = outcomes / n
        p_lower = stats.norm.sf((p - low) / math.sqrt(low * (1 - low) / n))
        p_upper = stats.norm.cdf((p - high) / math.sqrt(high * (1 - high) / n))
    accepted: NDArray[np.bool_] = np.maximum(p_lower, p_upper) < alpha
    return accepted


def _nuisance(n1: int, n2: int, delta: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Binomial weights of both groups, (grid, n + 1), over p2 with p1 = p2 + delta."""
    low, high = max(0.0, -delta), min(1.0, 1 - delta)
    p2 = np.linspace(low, high, 501)[:, None]
    p1 = np.clip(p2 + delta, 0, 1)
    weights1 = stats.binom.pmf(np.arange(n1 + 1)[None, :], n1, p1)
    weights2 = stats.binom.pmf(np.arange(n2 + 1)[None, :], n2, p2)
    return np.asarray(weights1), np.asarray(weights2)


def _refuse_large(n1: int, n2: int) -> None:
    cells = (n1 + 1) * (n2 + 1)
    if cells > EXACT_CELLS:
        raise ValueError(
            f"{cells} possible tables (n1 = {n1}, n2 = {n2}) exceed the exact test's "
            f"{EXACT_CELLS}; use method='score'"
        )


def _chan_p(x1: int, n1: int, x2: int, n2: int, delta: float) -> float:
    """sup over the nuisance of P(Z >= observed z) at p1 - p2 = delta."""
    _refuse_large(n1, n2)
    z = score_statistic(
        np.arange(n1 + 1)[:, None], n1, np.arange(n2 + 1)[None, :], n2, delta, corrected=False
    )
    at_least = (z >= z[x1, x2] - 1e-9).astype(float)
    weights1, weights2 = _nuisance(n1, n2, delta)
    return min(1.0, float(np.einsum("gi,gi->g", weights1 @ at_least, weights2).max()))


def _chan_critical(z: NDArray[np.float64], n1: int, n2: int, delta: float, alpha: float) -> float:
    """The smallest z whose unconditional p is below ``alpha`` (infinite where none is)."""
    _refuse_large(n1, n2)
    weights1, weights2 = _nuisance(n1, n2, delta)
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
