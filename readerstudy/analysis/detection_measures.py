"""Closed forms of signal detection theory, for single numbers and arrays alike.

Macmillan & Creelman 2005, Detection Theory: A User's Guide; Stanislaw & Todorov 1999, Behavior
Research Methods, Instruments & Computers 31, 137-149.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from readerstudy.analysis.proportions.counts import one_of

Floats = NDArray[np.float64]

CORRECTIONS = ("log-linear", "1/(2n)", "none")


def corrected_rate(count: ArrayLike, n: ArrayLike, correction: str = "log-linear") -> Floats:
    """A rate kept off 0 and 1: ``log-linear`` (count + 1/2)/(n + 1) always (Hautus 1995);
    ``1/(2n)`` puts 1/(2n) for 0 and 1 - 1/(2n) for 1 (Macmillan & Kaplan 1985); ``none``."""
    one_of(correction, CORRECTIONS, "correction")
    x, total = np.asarray(count, dtype=float), np.asarray(n, dtype=float)
    if correction == "log-linear":
        return np.asarray((x + 0.5) / (total + 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = x / total
        if correction == "1/(2n)":
            rate = np.clip(rate, 0.5 / total, 1 - 0.5 / total)
    return np.asarray(rate)


def z_score(rate: ArrayLike) -> Floats:
    """The standard normal quantile; infinite at 0 and 1."""
    return np.asarray(special.ndtri(np.asarray(rate, dtype=float)), dtype=np.float64)


def d_prime(hit_rate: ArrayLike, false_alarm_rate: ArrayLike) -> Floats:
    """z(H) - z(F)."""
    with np.errstate(invalid="ignore"):
        return z_score(hit_rate) - z_score(false_alarm_rate)


def criterion(hit_rate: ArrayLike, false_alarm_rate: ArrayLike) -> Floats:
    """c = -(z(H) + z(F)) / 2; positive where the reader is slow to say "signal"."""
    with np.errstate(invalid="ignore"):
        return -(z_score(hit_rate) + z_score(false_alarm_rate)) / 2


def log_beta(hit_rate: ArrayLike, false_alarm_rate: ArrayLike) -> Floats:
    """ln beta = (z(F)^2 - z(H)^2) / 2 = d' c."""
    with np.errstate(invalid="ignore"):
        return np.asarray((z_score(false_alarm_rate) ** 2 - z_score(hit_rate) ** 2) / 2)


def a_prime(hit_rate: ArrayLike, false_alarm_rate: ArrayLike) -> Floats:
    """Pollack & Norman's A' with Aaronson & Watts' branch below chance; 1/2 where H = F."""
    h, f = np.asarray(hit_rate, dtype=float), np.asarray(false_alarm_rate, dtype=float)
    high, low = np.maximum(h, f), np.minimum(h, f)
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = (high - low) * (1 + high - low) / (4 * high * (1 - low))
    return np.asarray(0.5 + np.where(h == f, 0.0, np.sign(h - f) * excess))


def proportion_correct_max(sensitivity: ArrayLike) -> Floats:
    """Best share correct at this d' with as many signals as noises: Phi(d'/2)."""
    return np.asarray(special.ndtr(np.asarray(sensitivity, dtype=float) / 2))


def variance_of_z(rate: ArrayLike, n: ArrayLike) -> Floats:
    """Gourevitch & Galanter 1967 (Psychometrika 32, 25-33): p(1-p) / (n phi(z)^2)."""
    p = np.asarray(rate, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        density = np.exp(-(special.ndtri(p) ** 2) / 2) / np.sqrt(2 * np.pi)
        return np.asarray(p * (1 - p) / (np.asarray(n, dtype=float) * density**2))
