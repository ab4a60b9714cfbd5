"""Power of kappa: Cohen's of two readers, Fleiss' of any number of them.

Sources: Cantor 1996 (Psychological Methods 1, 150-153) for two readers with shares of "yes" of
their own, with the variance of Fleiss, Cohen & Everitt 1969. For more readers, with one share: the
common correlation model, in which Fleiss' kappa has the variance of Zou & Donner 2004 (Biometrics
60, 807-811); and the goodness-of-fit of Altaye, Donner & Klar 2001 (Biometrics 57, 584-588) and
Donner & Rotondi 2010 (International Journal of Biostatistics 6, article 31), as in the R package
kappaSize.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from readerstudy.analysis.proportions.counts import (
    checked_level,
    checked_probability,
    one_of,
    whole_number,
)
from readerstudy.analysis.result import Estimate

Floats = NDArray[np.float64]

METHODS = ("fleiss", "goodness-of-fit")
ONLY_THESE = "the readers are these and no others: only cases are a sample"
BEYOND = (
    "the goodness-of-fit promises more than a test of Fleiss' kappa itself reaches with more than "
    "two readers"
)


def kappa_power(
    n: int,
    *,
    kappa: float,
    null: float,
    rate1: float,
    rate2: float,
    alpha: float = 0.05,
) -> Estimate:
    """Power of the one-sided test of Cohen's kappa of two readers' yes/no against ``null``.

    ``rate1`` and ``rate2`` are the readers' shares of "yes".
    """
    subjects = whole_number(n, "n", least=2)
    checked_level(1 - alpha)
    q0, q1 = (_kappa_spread(value, rate1, rate2) for value in (null, kappa))
    z = float(stats.norm.isf(alpha))
    reach = math.sqrt(subjects) * abs(kappa - null) - z * math.sqrt(q0)
    return Estimate(
        name="power",
        estimate=float(stats.norm.cdf(reach / math.sqrt(q1))) if q1 > 0 else float(reach > 0),
        null=null,
        alternative="greater" if kappa > null else "less",
        method="power of Cohen's kappa (Cantor 1996)",
        n=subjects,
        details={"kappa": kappa, "rate1": rate1, "rate2": rate2, "alpha": alpha},
    )


def kappa_sample_size(
    *,
    kappa: float,
    null: float,
    rate1: float,
    rate2: float,
    power: float = 0.8,
    alpha: float = 0.05,
) -> Estimate:
    """Subjects needed for :func:`kappa_power`."""
    checked_level(power)
    checked_level(1 - alpha)
    if kappa == null:
        raise ValueError(f"a kappa equal to the null ({null:g}) cannot be told from it")
    q0, q1 = (_kappa_spread(value, rate1, rate2) for value in (null, kappa))
    reach = float(stats.norm.isf(alpha)) * math.sqrt(q0)
    reach += float(stats.norm.isf(1 - power)) * math.sqrt(q1)
    exact = (reach / (kappa - null)) ** 2
    return Estimate(
        name="subjects needed",
        estimate=float(math.ceil(exact)),
        null=null,
        method="sample size of Cohen's kappa (Cantor 1996)",
        n=math.ceil(exact),
        details={"unrounded": exact, "kappa": kappa, "power": power, "alpha": alpha},
    )


def fleiss_kappa_power(
    n: int,
    *,
    raters: int,
    kappa: float,
    null: float = 0.0,
    prevalence: float,
    alpha: float = 0.05,
    method: str = "fleiss",
) -> Estimate:
    """Power of the two-sided test of ``raters`` readers' common kappa of yes/no against ``null``.

    Each reader says "yes" to a share ``prevalence`` of the ``n`` cases. ``fleiss`` is the test of
    Fleiss' kappa with its error under the null (for a null of 0 the one of Fleiss, Nee & Landis
    1979, as :func:`readerstudy.analysis.agreement.fleiss_kappa`); ``goodness-of-fit`` is
    kappaSize's chi-square(1) of the counts of "yes" a case.
    """
    subjects = whole_number(n, "n", least=2)
    checked_level(1 - alpha)
    one_of(method, METHODS, "method")
    if method == "fleiss":
        reach, null_error, error = _reach(kappa, null, raters, prevalence)
        z, root = float(stats.norm.isf(alpha / 2)), math.sqrt(subjects)
        power = sum(
            float(stats.norm.cdf((way * root * reach - z * null_error) / error))
            if error > 0
            else float(way * root * reach > z * null_error)
            for way in (1, -1)
        )
    else:
        shift = subjects * _misfit(kappa, null, raters, prevalence)
        critical = float(stats.chi2.isf(alpha, 1))
        power = float(stats.ncx2.sf(critical, 1, shift)) if shift else alpha
    return Estimate(
        name="power",
        estimate=power,
        null=null,
        method=f"power of Fleiss' kappa, {_called(method)}",
        n=subjects,
        details={
            **_assumed(kappa, raters, prevalence, alpha),
            "expected_interval": _expected_interval(subjects, kappa, raters, prevalence, alpha),
        },
        notes=_notes(method, raters),
    )


def fleiss_kappa_sample_size(
    *,
    raters: int,
    kappa: float,
    null: float = 0.0,
    prevalence: float,
    power: float = 0.8,
    alpha: float = 0.05,
    method: str = "fleiss",
) -> Estimate:
    """Subjects needed for :func:`fleiss_kappa_power`."""
    checked_level(power)
    checked_level(1 - alpha)
    one_of(method, METHODS, "method")
    if power <= alpha:
        raise ValueError(f"power {power:g} must exceed alpha {alpha:g}")
    if kappa == null:
        raise ValueError(f"a kappa equal to the null ({null:g}) cannot be told from it")
    if method == "fleiss":
        reach, null_error, error = _reach(kappa, null, raters, prevalence)
        z = float(stats.norm.isf(alpha / 2)) * null_error + float(stats.norm.isf(1 - power)) * error
        exact = max((z / reach) ** 2, 2.0) if z > 0 else 2.0
    else:
        critical = float(stats.chi2.isf(alpha, 1))
        far = (math.sqrt(critical) + float(stats.norm.isf((1 - power) / 2)) + 1) ** 2
        shift = optimize.brentq(lambda d: stats.ncx2.sf(critical, 1, d) - power, 1e-9, far)
        exact = float(shift) / _misfit(kappa, null, raters, prevalence)
    return Estimate(
        name="subjects needed",
        estimate=float(math.ceil(exact)),
        null=null,
        method=f"sample size of Fleiss' kappa, {_called(method)}",
        n=math.ceil(exact),
        details={
            "unrounded": exact,
            "power": power,
            **_assumed(kappa, raters, prevalence, alpha),
            "expected_interval": _expected_interval(
                math.ceil(exact), kappa, raters, prevalence, alpha
            ),
        },
        notes=_notes(method, raters),
    )


def fleiss_kappa_variance(kappa: float, *, raters: int, prevalence: float) -> float:
    """n times the variance of Fleiss' kappa of yes/no in the common correlation model.

    The linearised kappa's variance over the cases' counts of "yes"; equal to Zou & Donner's
    polynomial for equal numbers of readers a case.
    """
    weights = _shares_of_counts(kappa, raters, prevalence, "kappa")
    yes = np.arange(raters + 1)
    alike = (yes * (yes - 1) + (raters - yes) * (raters - yes - 1)) / (raters * (raters - 1))
    observed, expected = float(weights @ alike), prevalence**2 + (1 - prevalence) ** 2
    slope = (4 * prevalence - 2) * (1 - observed) / (1 - expected) ** 2
    influence = (alike - observed) / (1 - expected) - slope * (yes / raters - prevalence)
    return float(weights @ influence**2)


def _called(method: str) -> str:
    return "Zou & Donner's variance" if method == "fleiss" else "goodness-of-fit (kappaSize)"


def _notes(method: str, raters: int) -> tuple[str, ...]:
    return (ONLY_THESE, BEYOND) if method == "goodness-of-fit" and raters > 2 else (ONLY_THESE,)


def _assumed(kappa: float, raters: int, prevalence: float, alpha: float) -> dict[str, float]:
    return {"kappa": kappa, "raters": raters, "prevalence": prevalence, "alpha": alpha}


def _reach(kappa: float, null: float, raters: int, prevalence: float) -> tuple[float, float, float]:
    """(distance of the kappas, sqrt(n) x standard error under the null, and under ``kappa``)."""
    null_error, error = (
        math.sqrt(fleiss_kappa_variance(value, raters=raters, prevalence=prevalence))
        for value in (null, kappa)
    )
    return abs(kappa - null), null_error, error


def _expected_interval(
    n: int, kappa: float, raters: int, prevalence: float, alpha: float
) -> tuple[float, float]:
    """The 1 - alpha interval of kappa to expect of ``n`` cases."""
    variance = fleiss_kappa_variance(kappa, raters=raters, prevalence=prevalence) / n
    half = float(stats.norm.isf(alpha / 2)) * math.sqrt(variance)
    return kappa - half, min(kappa + half, 1.0)


def _misfit(kappa: float, null: float, raters: int, prevalence: float) -> float:
    """Chi-square a case between the counts of "yes" under ``kappa`` and under ``null``."""
    expected = _shares_of_counts(null, raters, prevalence, "null")
    true = _shares_of_counts(kappa, raters, prevalence, "kappa")
    if null == 1 and kappa != 1:
        raise ValueError("a null kappa of 1 is excluded by any disagreement: choose a smaller")
    some = expected > 0
    return float(((true - expected)[some] ** 2 / expected[some]).sum())


def _shares_of_counts(kappa: float, raters: int, prevalence: float, name: str) -> Floats:
    """P(j of the readers say "yes"), j = 0 .. raters: with weight kappa all alike, else apart."""
    readers = whole_number(raters, "raters", least=2)
    checked_probability(prevalence, "prevalence")
    if prevalence in (0.0, 1.0):
        raise ValueError(
            f"prevalence {prevalence!r}: readers who always answer alike have no kappa"
        )
    least = _least_kappa(readers, prevalence)
    if not least - 1e-12 <= kappa <= 1:
        raise ValueError(
            f"{name} {kappa:g} is not possible for {readers} readers with a share of "
            f"{prevalence:g}: from {least:.3f} to 1"
        )
    apart = stats.binom.pmf(np.arange(readers + 1), readers, prevalence)
    alike = np.zeros(readers + 1)
    alike[0], alike[-1] = 1 - prevalence, prevalence
    return np.asarray(np.maximum((1 - kappa) * apart + kappa * alike, 0.0))


def _least_kappa(readers: int, prevalence: float) -> float:
    """The most negative kappa that leaves every share of the model positive."""
    ends = []
    for share in (prevalence, 1 - prevalence):
        apart = share**readers
        ends.append(-apart / (share - apart))
    return max(ends)


def _kappa_spread(kappa: float, rate1: float, rate2: float) -> float:
    """n times the variance of kappa for a 2 x 2 table with these margins."""
    for name, value in (("rate1", rate1), ("rate2", rate2)):
        checked_probability(value, name)
        if value in (0.0, 1.0):
            raise ValueError(f"{name} {value!r}: a reader who always answers alike has no kappa")
    row, column = np.array([rate1, 1 - rate1]), np.array([rate2, 1 - rate2])
    expected = float(row @ column)
    observed = kappa * (1 - expected) + expected
    both = (observed - 1 + rate1 + rate2) / 2
    table = np.array([[both, rate1 - both], [rate2 - both, 1 - rate1 - rate2 + both]])
    if table.min() < -1e-12:
        raise ValueError(f"kappa {kappa:g} is not possible with shares of {rate1:g} and {rate2:g}")
    diagonal = np.diag(table) @ ((1 - expected) - (row + column) * (1 - observed)) ** 2
    sums = column[:, None] + row[None, :]  # p.i + pj.
    off = (table * sums**2)[~np.eye(2, dtype=bool)].sum() * (1 - observed) ** 2
    return float(
        (diagonal + off - (observed * expected - 2 * expected + observed) ** 2)
        / (1 - expected) ** 4
    )
