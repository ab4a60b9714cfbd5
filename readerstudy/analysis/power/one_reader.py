"""Power of one reader's (or one model's) AUC and d'.

Sources: Obuchowski & McClish 1997 (Statistics in Medicine 16, 1529-1542) for the variance of an AUC
under the binormal model, as R's ``pROC::power.roc.test``; Gourevitch & Galanter 1967 for d'.
"""

from __future__ import annotations

import math

from scipy import special, stats

from readerstudy.analysis.detection_measures import variance_of_z
from readerstudy.analysis.proportions.counts import (
    checked_level,
    one_of,
    whole_number,
)
from readerstudy.analysis.result import Estimate


def roc_power(
    positives: int,
    negatives: int,
    *,
    auc: float,
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> Estimate:
    """Power of the test that an AUC differs from (``greater``: exceeds) one half.

    The far tail of the two-sided test is left out, as R's ``pROC`` does.
    """
    n1 = whole_number(positives, "positives", least=1)
    n0 = whole_number(negatives, "negatives", least=1)
    _check_auc(auc)
    checked_level(1 - alpha)
    ratio = n0 / n1
    z = _quantile(alpha, alternative)
    reach = math.sqrt(n1) * abs(auc - 0.5) - z * math.sqrt(_binormal_variance(0.5, ratio))
    return Estimate(
        name="power",
        estimate=float(stats.norm.cdf(reach / math.sqrt(_binormal_variance(auc, ratio)))),
        null=0.5,
        alternative=alternative,
        method="power of an AUC, binormal variance",
        n=n1 + n0,
        details={"auc": auc, "positives": n1, "negatives": n0, "alpha": alpha},
        notes=("one reader: for readers at random use auc_power",),
    )


def roc_sample_size(
    *,
    auc: float,
    power: float = 0.8,
    alpha: float = 0.05,
    ratio: float = 1.0,
    alternative: str = "two-sided",
) -> Estimate:
    """Positive cases needed, with ``ratio`` negatives to each (pROC's ``kappa``)."""
    _check_auc(auc)
    checked_level(power)
    checked_level(1 - alpha)
    if not ratio > 0:
        raise ValueError(f"ratio {ratio!r} of negatives to positives must be positive")
    reach = _quantile(alpha, alternative) * math.sqrt(_binormal_variance(0.5, ratio))
    reach += float(stats.norm.isf(1 - power)) * math.sqrt(_binormal_variance(auc, ratio))
    exact = (reach / (auc - 0.5)) ** 2
    positives, negatives = math.ceil(exact), math.ceil(exact * ratio)
    return Estimate(
        name="positive cases needed",
        estimate=float(positives),
        null=0.5,
        alternative=alternative,
        method="sample size of an AUC, binormal variance",
        n=positives + negatives,
        details={"unrounded": exact, "negatives": negatives, "auc": auc, "power": power},
        notes=("one reader: for readers at random use auc_power",),
    )


def d_prime_power(
    signals: int, noises: int, *, d_prime: float, criterion: float = 0.0, alpha: float = 0.05
) -> Estimate:
    """Power of the two-sided z test that d' is not zero, at a reader's ``criterion`` c."""
    n1, n0 = whole_number(signals, "signals", least=1), whole_number(noises, "noises", least=1)
    checked_level(1 - alpha)
    if not (math.isfinite(d_prime) and math.isfinite(criterion)):
        raise ValueError(f"d' {d_prime!r} and c {criterion!r} must be finite")
    rates = special.ndtr([d_prime / 2 - criterion, -d_prime / 2 - criterion])
    error = math.sqrt(float(variance_of_z(rates, [n1, n0]).sum()))
    z = float(stats.norm.isf(alpha / 2))
    shift = d_prime / error
    return Estimate(
        name="power",
        estimate=float(stats.norm.sf(z - shift) + stats.norm.cdf(-z - shift)),
        standard_error=error,
        null=0.0,
        method="power of d', Gourevitch-Galanter variance",
        n=n1 + n0,
        details={"d_prime": d_prime, "criterion": criterion, "alpha": alpha},
        notes=("one reader: the readers' spread is not in it",),
    )


def _quantile(alpha: float, alternative: str) -> float:
    one_of(alternative, ("two-sided", "greater"), "alternative")
    return float(stats.norm.isf(alpha / 2 if alternative == "two-sided" else alpha))


def _check_auc(auc: float) -> None:
    if not 0.5 < auc < 1:
        raise ValueError(f"AUC {auc!r} must lie between 0.5 and 1 to be told from chance")


def _binormal_variance(auc: float, ratio: float) -> float:
    """n1 times the variance of an AUC (Obuchowski & McClish 1997, equation 5)."""
    a = float(special.ndtri(auc)) * 1.414
    return 0.0099 * math.exp(-(a**2) / 2) * ((5 * a**2 + 8) + (a**2 + 8) / ratio)
