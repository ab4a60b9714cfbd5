"""Exact power of one-sided and two one-sided t tests."""

from __future__ import annotations

import math

import numpy as np
from scipy import integrate, stats


def tost_power(
    effect: float, *, lower: float, upper: float, error: float, df: float, alpha: float = 0.05
) -> float:
    """Probability that both one-sided t tests reject, for a true ``effect``.

    The estimate is normal with standard error ``error``, the estimated error independent with
    ``df`` degrees of freedom (infinite: known). An infinite ``upper`` or ``lower`` leaves one
    test: non-inferiority. Owen's integral over the chi distribution of the estimated error; equal
    to R's PowerTOST and TOSTER.
    """
    if error <= 0:
        raise ValueError(f"standard error {error:g} must be positive")
    if not lower < upper:
        raise ValueError(f"margins {lower:g} and {upper:g} are not in order")
    if not math.isfinite(df):
        return _between(effect, lower, upper, error, float(stats.norm.isf(alpha)), 1.0)
    critical = float(stats.t.isf(alpha, df))
    # s is the estimated over the true error; the margins meet at the largest useful s.
    chi = stats.chi(df, scale=1.0 / math.sqrt(df))
    most = (upper - lower) / (2.0 * critical * error) if math.isfinite(upper - lower) else math.inf
    low, high = float(chi.ppf(1e-13)), min(most, float(chi.isf(1e-13)))
    if high <= low:
        return 0.0
    value, _ = integrate.quad(
        lambda s: _between(effect, lower, upper, error, critical, s) * chi.pdf(s),
        low, high, epsabs=1e-11, epsrel=1e-10, limit=400, points=_inside(chi.mean(), low, high),
    )  # fmt: skip
    return float(min(1.0, max(0.0, value)))


def _inside(point: float, low: float, high: float) -> list[float] | None:
    return [float(point)] if low < point < high else None


def _between(
    effect: float, lower: float, upper: float, error: float, critical: float, s: float
) -> float:
    """P(lower + critical s error < estimate < upper - critical s error) given s."""
    top = (upper - effect) / error - critical * s if math.isfinite(upper) else math.inf
    bottom = (lower - effect) / error + critical * s if math.isfinite(lower) else -math.inf
    return float(np.maximum(0.0, stats.norm.cdf(top) - stats.norm.cdf(bottom)))
