"""Power of the exact binomial test of one proportion against chance.

Sources: Fleiss, Levin and Paik (2003), section 2; Chernick and Liu, Am Stat 56 (2002) 149-155 (the
saw-tooth: power can fall as n grows, so "enough" means for every larger n as well).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
ALTERNATIVES = ("two-sided", "greater", "less")


def binomial_power(
    n: int, *, p: float, null: float = 0.5, alpha: float = 0.05, alternative: str = "two-sided"
) -> float:
    """Exact power when the true proportion is ``p``; the two-sided test doubles no tail.

    Two-sided p-values add the points no likelier than the observed one, as R's ``binom.test``.
    Independent judgments only: with several readers or cases read by several, use
    ``realism_power``.
    """
    reject = _rejected(n, null, alpha, alternative)
    return float(stats.binom.pmf(np.arange(n + 1), n, p)[reject].sum())


def binomial_sample_size(
    *,
    p: float,
    null: float = 0.5,
    power: float = 0.8,
    alpha: float = 0.05,
    alternative: str = "two-sided",
    most: int = 20_000,
) -> tuple[int, float]:
    """The n from which on power stays at or above ``power``, and its power.

    Checked up to the n at which the tooth is smaller than the margin; raises ``ValueError`` when
    ``most`` does not suffice.
    """
    _check(p, null, alpha, alternative)
    if p == null:
        raise ValueError(f"a true proportion equal to the null ({p:g}) cannot be detected")
    spread = np.sqrt(null * (1 - null)) * stats.norm.isf(alpha / 2)
    spread += np.sqrt(p * (1 - p)) * stats.norm.isf(1 - power)
    normal = int(np.ceil((spread / (p - null)) ** 2))
    if normal > most:
        raise ValueError(f"about {normal} judgments are needed, more than {most}")
    enough = max(1, normal)
    last_short = 0
    # Teeth shrink like 1 / sqrt(n); half as many again past the approximation leaves none short.
    for n in range(max(1, normal // 2), 2 * normal + 60):
        if binomial_power(n, p=p, null=null, alpha=alpha, alternative=alternative) < power:
            last_short = n
    enough = last_short + 1
    return enough, binomial_power(enough, p=p, null=null, alpha=alpha, alternative=alternative)


def _rejected(n: int, null: float, alpha: float, alternative: str) -> NDArray[np.bool_]:
    if n < 1:
        raise ValueError(f"n {n} must be at least 1")
    _check(0.5, null, alpha, alternative)
    k = np.arange(n + 1)
    if alternative == "greater":
        p_values = stats.binom.sf(k - 1, n, null)
    elif alternative == "less":
        p_values = stats.binom.cdf(k, n, null)
    else:
        mass = stats.binom.pmf(k, n, null)
        order = np.argsort(mass, kind="stable")
        cumulated = np.cumsum(mass[order])
        # R's tolerance, so that points equal but for rounding count as equally likely.
        upto = np.searchsorted(mass[order], mass * (1 + 1e-7), side="right") - 1
        p_values = cumulated[upto]
    return np.asarray(p_values <= alpha)


def _check(p: float, null: float, alpha: float, alternative: str) -> None:
    for name, value in (("p", p), ("null", null), ("alpha", alpha)):
        if not 0 < value < 1:
            raise ValueError(f"{name} {value} must lie between 0 and 1")
    if alternative not in ALTERNATIVES:
        raise ValueError(f"alternative {alternative!r}: use one of {', '.join(ALTERNATIVES)}")
