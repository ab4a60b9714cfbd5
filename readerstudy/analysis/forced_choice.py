"""Forced choice among m alternatives: d' from the share correct.

Green & Swets 1966, Signal Detection Theory and Psychophysics; Green & Dai 1991, Perception &
Psychophysics 49, 100-101.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from readerstudy.analysis.proportions import interval as proportion_interval
from readerstudy.analysis.proportions.counts import checked_level, whole_number
from readerstudy.analysis.result import Estimate

NODES, WEIGHTS = hermegauss(120)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def m_afc(
    correct: ArrayLike,
    n: ArrayLike,
    m: ArrayLike = 2,
    *,
    level: float = 0.95,
) -> Estimate:
    """d' of an m-alternative forced choice without bias, from ``correct`` of ``n`` trials.

    Green & Swets 1966: P(correct) = integral of phi(x - d') Phi(x)^(m-1). Arrays of equal length
    give blocks; blocks of unequal m share one d', fitted by maximum likelihood, with a note and a
    test of fit. All correct (or none) has no finite maximum: the 1/(2n) correction is used and
    said. The interval is from the proportion's Wilson interval where there is one m, Wald
    otherwise; p tests d' = 0 (share correct 1/m) exactly where there is one m.
    """
    checked_level(level)
    x, t, k = np.broadcast_arrays(np.atleast_1d(correct), np.atleast_1d(n), np.atleast_1d(m))
    right = np.array([whole_number(v, f"correct in block {i}") for i, v in enumerate(x.tolist())])
    total = np.array([whole_number(v, f"n in block {i}") for i, v in enumerate(t.tolist())])
    ways = np.array([whole_number(v, f"m in block {i}", least=2) for i, v in enumerate(k.tolist())])
    wrong = np.flatnonzero(right > total)
    if len(wrong):
        i = wrong[0]
        raise ValueError(f"block {i}: {right[i]} correct of {total[i]} trials")
    kinds = np.unique(ways)
    successes = np.array([right[ways == kind].sum() for kind in kinds])
    trials = np.array([total[ways == kind].sum() for kind in kinds])
    if trials.sum() == 0:
        raise ValueError("no trials: d' is not defined")
    notes: list[str] = []
    observed = successes.astype(float)
    if successes.sum() in (0, trials.sum()):
        observed = np.clip(observed, 0.5, trials - 0.5)
        notes.append("every trial alike: no finite d'; the 1/(2n) correction decides the value")
    n_all = int(trials.sum())
    if len(kinds) == 1:
        ways_one = int(kinds[0])
        share = float(observed[0] / trials[0])
        value = d_prime_of_share(share, ways_one)
        slope = slope_of_share(value, ways_one)
        error = math.sqrt(share * (1 - share) / trials[0]) / slope
        rate = proportion_interval(int(successes[0]), int(trials[0]), level=level)
        assert rate.lower is not None
        assert rate.upper is not None
        lower, upper = (d_prime_of_share(end, ways_one) for end in (rate.lower, rate.upper))
        p_value = float(stats.binomtest(int(successes[0]), int(trials[0]), 1 / ways_one).pvalue)
        return Estimate(
            name="d'",
            estimate=value,
            standard_error=error,
            lower=lower,
            upper=upper,
            level=level,
            null=0.0,
            p_value=p_value,
            method=f"{ways_one}-AFC; interval from Wilson's for the share correct, exact test",
            n=n_all,
            details={"share_correct": successes[0] / trials[0], "m": ways_one},
            notes=tuple(notes),
        )

    def minus_log_likelihood(d: float) -> float:
        p = np.array([share_of_d_prime(d, int(kind)) for kind in kinds])
        return -float((observed * np.log(p) + (trials - observed) * np.log1p(-p)).sum())

    found = optimize.minimize_scalar(minus_log_likelihood, bounds=(-8, 8), method="bounded",
                                     options={"xatol": 1e-10})  # fmt: skip
    value = float(found.x)
    p = np.array([share_of_d_prime(value, int(kind)) for kind in kinds])
    slopes = np.array([slope_of_share(value, int(kind)) for kind in kinds])
    error = 1 / math.sqrt(float((trials * slopes**2 / (p * (1 - p))).sum()))
    misfit = float(((observed - trials * p) ** 2 / (trials * p * (1 - p))).sum())
    ratio = 2 * (minus_log_likelihood(0.0) - minus_log_likelihood(value))
    z = float(stats.norm.isf((1 - level) / 2))
    notes.append(f"unequal m ({', '.join(map(str, kinds))}): one d' fitted to all blocks")
    return Estimate(
        name="d'",
        estimate=value,
        standard_error=error,
        lower=value - z * error,
        upper=value + z * error,
        level=level,
        null=0.0,
        statistic=ratio,
        df=1.0,
        p_value=float(stats.chi2.sf(max(ratio, 0), 1)),
        method="m-AFC, maximum likelihood over blocks; Wald interval, likelihood-ratio test",
        n=n_all,
        details={
            "m": kinds,
            "fit_chi_square": misfit,
            "fit_df": len(kinds) - 1,
            "fit_p": float(stats.chi2.sf(misfit, len(kinds) - 1)),
        },
        notes=tuple(notes),
    )


def share_of_d_prime(d: float, m: int) -> float:
    if m == 2:
        return float(special.ndtr(d / math.sqrt(2)))
    return float(WEIGHTS @ special.ndtr(NODES + d) ** (m - 1))


def slope_of_share(d: float, m: int) -> float:
    if m == 2:
        return math.exp(-d * d / 4) / math.sqrt(4 * math.pi)
    x = NODES + d
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return float(WEIGHTS @ ((m - 1) * special.ndtr(x) ** (m - 2) * density))


def d_prime_of_share(share: float, m: int) -> float:
    """The d' of a share correct; plus or minus infinity at 1 and 0."""
    if share <= 0:
        return -math.inf
    if share >= 1:
        return math.inf
    if m == 2:
        return float(math.sqrt(2) * special.ndtri(share))
    reach = 40.0
    if share <= share_of_d_prime(-reach, m):
        return -math.inf
    if share >= share_of_d_prime(reach, m):
        return math.inf
    return float(
        optimize.brentq(lambda d: share_of_d_prime(d, m) - share, -reach, reach, xtol=1e-12)
    )
