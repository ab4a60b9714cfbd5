"""Profile likelihood of one parameter of a crossed model, and where it leaves the interval.

The profile is followed on the scale of the signed root of its likelihood ratio, which is nearly a
straight line in the parameter (Venzon & Moolgavkar 1988, Applied Statistics 37, 87-94; Bates et al.
2015, section 5.1): with the slope that the criterion's gradient gives at no cost, Newton's steps
land within three or four refits. A bracket holds them where the line bends.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from readerstudy.analysis.crossed_model import FAR_COEFFICIENT, LARGEST_SIGMA, CrossedModel

Floats = NDArray[np.float64]

STEPS = 60
TOLERANCE = 1e-7

FEW_LEVELS = 3
"""Up to so many levels a component's likelihood is looked at far out as well."""


def profile_limits(model: CrossedModel, k: int, peak: float, level: float) -> tuple[float, float]:
    """Ends of {value of parameter k: 2 (peak - profile) <= chi-square(1) quantile of ``level``}.

    ``k`` counts the coefficients, then the active components, then those at the boundary. An end
    that the likelihood never reaches is infinite; a standard deviation's lower end may be 0.
    """
    root = math.sqrt(float(stats.chi2.isf(1 - level, 1)))
    with model.reinstated():
        limits = [_Profile(model, k, peak, root).crossing(sign) for sign in (-1.0, 1.0)]
    model.criterion(model.theta)
    return limits[0], limits[1]


class _Profile:
    """The profile of parameter ``k``, followed from the maximum outwards, to one side."""

    def __init__(self, model: CrossedModel, k: int, peak: float, root: float) -> None:
        self.model, self.k, self.peak, self.root = model, k, peak, root
        self.component = k >= model.p
        self.centre = float(model.theta[k])
        self.far = LARGEST_SIGMA if self.component else FAR_COEFFICIENT
        self.last = model.theta.copy()
        others = np.arange(len(self.last)) != k
        inner = model.curvature[np.ix_(others, others)]
        self.drift = np.zeros(len(self.last))  # how the other parameters move with this one
        self.drift[others] = -np.linalg.solve(inner, model.curvature[others, k])

    def excess(self, value: float) -> tuple[float, float]:
        """(root of the likelihood ratio at ``value`` less that at the interval's end, slope)."""
        change = value - self.last[self.k]
        start = self.last + change * self.drift
        start[self.k] = value
        found, best = self.model.best_with(start, self.k)
        # Penalised fits far out can have a second, higher peak of the Laplace approximation's own
        # making: the profile stays with the one it began at.
        if best < self.peak + 1e-3:
            if abs(change) > 1e-6:
                self.drift = np.clip((found - self.last) / change, -10.0, 10.0)
            self.last = found
        # At the others' maximum the profile's slope is the criterion's own.
        gradient = float(self.model.criterion(found, penalised=False)[1][self.k])
        ratio = math.sqrt(max(2 * (self.peak - best), 0.0))
        return ratio - self.root, gradient / ratio if ratio > 0 else math.nan

    def crossing(self, sign: float) -> float:
        """Where the profile leaves the interval, going from the maximum in direction ``sign``."""
        open_end = self._never_leaves(sign)
        if open_end is not None:
            return open_end
        error = math.sqrt(max(float(self.model.covariance[self.k, self.k]), 1e-4))
        inner, outer, reach = self.centre, math.nan, self.root * error
        value, on_higher = inner + sign * reach, False
        for _ in range(STEPS):
            if self.component and value <= 0:
                if self.excess(0.0)[0] <= 0:
                    return 0.0  # a standard deviation cannot fall below zero
                outer, value = 0.0, inner / 2
            if abs(value) >= self.far:
                return sign * math.inf
            excess, slope = self.excess(value)
            inner, outer = (value, outer) if excess <= 0 else (inner, value)
            step = -excess / slope if slope * sign > 0 else math.nan
            close = TOLERANCE * (1 + abs(value))
            if abs(excess) < TOLERANCE or abs(step) < close or abs(outer - inner) < close:
                if on_higher or not self._higher_branch(value):
                    break
                on_higher, inner, outer = True, value, math.nan
                excess, slope = self.excess(value)
                step = -excess / slope if slope * sign > 0 else math.nan
            if math.isnan(outer):
                # Not further out than the line can be trusted to go on as it does here.
                reach *= 1.6
                value += sign * (min(abs(step), reach) if step * sign > 0 else reach)
            else:
                low, high = min(inner, outer), max(inner, outer)
                value = value + step if low < value + step < high else (low + high) / 2
        return value

    def _higher_branch(self, value: float) -> bool:
        """Whether much larger components explain ``value`` better; the profile then goes on there.

        With two or three levels the likelihood can have two maxima in a component: readers who
        differ as estimated, and readers who differ so much that their answers are nearly given.
        """
        model = self.model
        if self.component or model.direction is not None or model.sigma_penalised:
            return False
        few = [name for name in model.active if model.levels[name] <= FEW_LEVELS]
        start = self.last.copy()
        start[self.k] = value
        slots = [model.p + model.active.index(name) for name in few]
        start[slots] = np.maximum(4 * np.abs(start[slots]), 4.0)
        here = -model.criterion(self.last, penalised=False)[0]
        found, best = model.best_with(start, self.k) if few else (self.last, here)
        if not here + 1e-6 < best < self.peak + 1e-3:
            return False
        self.last, self.drift = found, np.zeros_like(found)
        return True

    def _never_leaves(self, sign: float) -> float | None:
        """The end of an interval that nothing excludes on this side, where that is plain."""
        model, beyond = self.model, sign * math.inf
        separated = model.direction is not None and not self.component
        if separated and model.open_ends[self.k][int(sign > 0)]:
            return beyond
        if model.direction is not None or model.sigma_penalised:
            # A penalised estimate may lie far from the unpenalised peak.
            if self.excess(self.centre)[0] > 0:
                return 0.0 if self.component and sign < 0 else beyond
            self.last = model.theta.copy()
        return None
