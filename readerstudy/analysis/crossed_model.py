"""The maximum of a crossed logistic model: which parameters the data can speak of, and where.

The likelihood is :mod:`readerstudy.analysis.laplace`'s; here are the boundary, separation and
divergence, each answered by dropping or penalising and each said in ``notes``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, optimize, special

from readerstudy.analysis.crossed_rows import aggregate, codes_of
from readerstudy.analysis.laplace import CrossedLaplace
from readerstudy.analysis.separation import (
    completely,
    open_ends,
    separated_direction,
    signed_rows,
)

Floats = NDArray[np.float64]

LARGEST_SIGMA = 25.0
"""Standard deviations on the logit scale are not searched beyond this."""

DIVERGING_SIGMA = 8.0
"""An estimate this large means levels that always answer alike: no finite maximum to speak of."""

SIGMA_SCALE = 5.0
"""Scale of the half-normal penalty that is then put on the components, and said."""

AT_ZERO = 0.02
"""A component this small is at zero, but has a slope that tells where its maximum lies."""

MOST_CELLS = 100_000_000
"""Cells of the dense block of the smaller factors by the largest: 0.8 GB a copy."""

FAR_COEFFICIENT = 40.0
"""Log odds beyond which a probability is 0 or 1 in double precision, near enough."""


class CrossedModel:
    """The data, the free parameters and the maximum of one model."""

    def __init__(
        self,
        outcome: ArrayLike,
        reader: ArrayLike | None,
        case: ArrayLike | None,
        design: ArrayLike | None,
        names: Sequence[str] | None,
        trials: ArrayLike | None,
        offset: ArrayLike | None,
        extra_factors: Mapping[str, ArrayLike] | None,
    ) -> None:
        y = np.asarray(outcome, dtype=float).ravel()
        if len(y) == 0:
            raise ValueError("no readings: the model needs at least one row")
        m = np.ones_like(y) if trials is None else np.asarray(trials, dtype=float).ravel()
        wrong = np.flatnonzero(~((y >= 0) & (y <= m) & (y == np.floor(y))))
        if len(wrong):
            raise ValueError(
                f"outcome must be 0 or 1 (or successes up to trials); position "
                f"{', '.join(map(str, wrong[:8]))}: {y[wrong[0]]!r}"
            )
        x = np.ones((len(y), 1)) if design is None else np.asarray(design, dtype=float)
        if x.ndim == 1:
            x = x[:, None]
        if not np.isfinite(x).all():
            bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
            raise ValueError(
                f"design has missing values at position {', '.join(map(str, bad[:8]))}"
            )
        default = ["intercept", *(f"x{j}" for j in range(1, x.shape[1]))]
        self.names = list(names) if names is not None else default
        if len(self.names) != x.shape[1] or len(x) != len(y):
            raise ValueError(
                f"design is {x.shape}, outcome has {len(y)} rows, names {len(self.names)}"
            )
        if np.linalg.matrix_rank(x) < x.shape[1]:
            raise ValueError(
                f"the columns {', '.join(self.names)} are linearly dependent: drop one of them"
            )
        shift = np.zeros(len(y)) if offset is None else np.asarray(offset, dtype=float).ravel()
        self.n = int(m.sum())
        self.notes: list[str] = []
        labelled: dict[str, ArrayLike | None] = {"reader": reader, "case": case}
        labelled.update(extra_factors or {})
        codes = {name: codes_of(v, name, len(y)) for name, v in labelled.items() if v is not None}
        self.levels = {name: int(c.max()) + 1 for name, c in codes.items()}
        y, m, x, shift, codes = aggregate(y, m, x, shift, codes)
        self.factors = self._usable(codes)
        arrays = [codes[name] for name in self.factors] or [np.zeros(len(y), dtype=np.int64)]
        sizes = sorted(int(c.max()) + 1 for c in arrays)
        if sum(sizes[:-1]) * sizes[-1] > MOST_CELLS:
            raise ValueError(
                f"{sum(sizes[:-1])} x {sizes[-1]} levels of crossed factors are more than this fit "
                "holds in memory; drop a factor or use the U-statistic or the bootstrap"
            )
        self.model = CrossedLaplace(y, m, x, arrays, shift)
        self.active = list(self.factors)  # factors with a variance component to estimate
        self.at_boundary: list[str] = []  # those whose estimate is zero, no longer active
        self.penalty = np.zeros(x.shape[1])
        self.signed = signed_rows(y, m, x)
        self.direction = separated_direction(self.signed)
        self.complete = self.direction is not None and completely(self.signed)
        self.open_ends = ((False, False),) * x.shape[1]
        if self.direction is not None:
            # Not the direction's own entries: another may move further coefficients.
            self.open_ends = open_ends(self.signed)
            touched = [n for n, ends in zip(self.names, self.open_ends, strict=True) if any(ends)]
            self.penalty = np.array([float(any(ends)) for ends in self.open_ends])
            self.notes.append(
                f"separation: the outcome is constant along {', '.join(touched)}; the estimate has "
                "a log-F(1,1) penalty, the interval is open and comes from the unpenalised profile"
            )
        self.p = x.shape[1]
        self.theta = np.zeros(self.p)
        self.value = -math.inf
        self.converged = True
        self.covariance = np.zeros((0, 0))
        self.curvature = np.zeros((0, 0))
        self._peak: float | None = None
        self._profiles: dict[tuple[int, float], tuple[float, float]] = {}
        self._learnt: dict[tuple[object, ...], Floats] = {}
        self.sigma_penalised = False

    def _usable(self, codes: dict[str, NDArray[np.int64]]) -> list[str]:
        """Factors whose variance the data can speak of."""
        usable = []
        for name in codes:
            if self.levels[name] < 2:
                self.notes.append(f"one {name} only: its variance cannot be estimated, dropped")
            elif self.levels[name] >= self.n:
                self.notes.append(
                    f"one reading for every {name}: its variance is not identified, dropped"
                )
            else:
                usable.append(name)
        return usable

    # -- the criterion -------------------------------------------------------------------------

    def sigma_of_factors(self, active_sigma: Floats) -> Floats:
        """Standard deviations of all factors, zero where a component is not active."""
        sigma = np.zeros(max(1, len(self.factors)))
        for name, value in zip(self.active, active_sigma, strict=True):
            sigma[self.factors.index(name)] = value
        return sigma

    def criterion(self, theta: Floats, *, penalised: bool = True) -> tuple[float, Floats]:
        """Minus the (penalised) log-likelihood and its gradient at (beta, active sigma)."""
        beta = theta[: self.p]
        value, gradient = self.model.evaluate(beta, self.sigma_of_factors(theta[self.p :]))
        slots = [self.p + self.factors.index(name) for name in self.active]
        gradient = np.concatenate([gradient[: self.p], gradient[slots]])
        if self.sigma_penalised:
            sigma = theta[self.p :]
            value -= 0.5 * float(sigma @ sigma) / SIGMA_SCALE**2
            gradient[self.p :] -= sigma / SIGMA_SCALE**2
        if penalised and self.penalty.any():
            value += float(self.penalty @ (0.5 * beta - np.logaddexp(0, beta)))
            gradient[: self.p] += self.penalty * (0.5 - special.expit(beta))
        return -value, -gradient

    def _search(
        self, start: Floats, free: NDArray[np.bool_], *, penalised: bool = True
    ) -> tuple[Floats, float, bool]:
        """Maximise over the free parameters from ``start``; (theta, log-likelihood, converged)."""
        theta = start.copy()
        if not free.any():
            return theta, -self.criterion(theta, penalised=penalised)[0], True

        # Quasi-Newton in coordinates in which the curvature is about one: a handful of steps.
        # Neighbouring searches (points of a profile) start with the curvature that the last one
        # learnt. Not where the likelihood has no maximum: it may have several peaks far out there,
        # and long first steps would jump to another.
        slots = np.flatnonzero(free)
        key = (tuple(self.active), tuple(slots), penalised)
        scaling = self._learnt.get(key)
        if scaling is None:
            scaling = self._scaling(slots)
        origin = theta[free]
        far = np.where(slots < self.p, FAR_COEFFICIENT, LARGEST_SIGMA)

        def objective(steps: Floats) -> tuple[float, Floats]:
            values = origin + scaling @ steps
            # A wall far out, so that a likelihood without a maximum is left in good order: beyond
            # it the tangent and a parabola, without a kink that would stop the line search.
            held = np.clip(values, -far, far)
            theta[free] = held
            value, gradient = self.criterion(theta, penalised=penalised)
            excess = values - held
            slope = gradient[free] + excess
            return value + float(excess @ slope), scaling.T @ (slope + excess)

        answer = optimize.minimize(
            objective,
            np.zeros(len(slots)),
            jac=True,
            method="BFGS",
            options={"gtol": 1e-5, "maxiter": 200},
        )
        reached = origin + scaling @ answer.x
        theta[free] = np.clip(reached, -far, far)
        value = float(answer.fun)
        if (np.abs(reached) > far).any():
            value = self.criterion(theta, penalised=penalised)[0]
        if self.direction is None and not self.sigma_penalised:
            learnt = np.asarray(answer.hess_inv)
            with suppress(linalg.LinAlgError):
                self._learnt[key] = scaling @ np.asarray(
                    linalg.cholesky((learnt + learnt.T) / 2, lower=True)
                )
        return theta, -value, float(np.abs(answer.jac).max()) < 1e-2

    def _scaling(self, slots: NDArray[np.int64]) -> Floats:
        """Lower triangle L with L L' about the inverse curvature of the chosen parameters."""
        inverse = linalg.inv(self.curvature[np.ix_(slots, slots)])
        return np.asarray(linalg.cholesky((inverse + inverse.T) / 2, lower=True))

    def _guess_curvature(self) -> Floats:
        """A positive definite stand-in for the Hessian until there is a maximum to take it at."""
        sigma = self.theta[self.p :]
        inner = self.model.fixed_information(self.theta[: self.p], self.sigma_of_factors(sigma))
        inner = (inner + inner.T) / 2 + np.diag(0.25 * self.penalty + 1e-6)
        spread = [1.0 + 0.5 * self.levels[name] for name in self.active]
        return np.asarray(linalg.block_diag(inner, np.diag(spread)) if spread else inner)

    @contextmanager
    def reinstated(self) -> Iterator[NDArray[np.int64]]:
        """The components at the boundary as free parameters (at zero); yields their slots.

        Zero is their estimate at the maximum. Where a coefficient is held away from its estimate
        they may well leave zero, and a likelihood ratio that forbade it would be too large.
        """
        kept = (self.active, self.theta, self.covariance, self.curvature)
        extra = len(self.at_boundary)
        spread = [1.0 + 0.5 * self.levels[name] for name in self.at_boundary]
        if extra:
            self.active = [*self.active, *self.at_boundary]
            self.theta = np.concatenate([self.theta, np.zeros(extra)])
            self.covariance = linalg.block_diag(self.covariance, 0.1 * np.eye(extra))
            self.curvature = linalg.block_diag(self.curvature, np.diag(spread))
        try:
            yield np.arange(len(self.theta) - extra, len(self.theta))
        finally:
            self.active, self.theta, self.covariance, self.curvature = kept

    def best_with(self, start: Floats, k: int) -> tuple[Floats, float]:
        """The unpenalised likelihood's maximum with parameter ``k`` held at its value in ``start``.

        Within :meth:`reinstated`. A component at zero has no slope there, so where the likelihood
        is seen to rise from zero, or to be higher further out, the search starts away from zero
        too; where the fit is degenerate it always does.
        """
        free = np.arange(len(start)) != k
        slots = [self.p + self.active.index(n) for n in self.at_boundary if n in self.active]
        slots = [slot for slot in slots if slot != k]
        begin, loose = start.copy(), free.copy()
        begin[slots], loose[slots] = 0.0, False
        best = self._search(begin, loose, penalised=False)[:2]
        # Where the data separate, large components explain them as well as a far coefficient does.
        aways = (0.4, 4.0) if self.direction is not None else (0.4,)
        degenerate = self.direction is not None or self.sigma_penalised
        for away in aways if slots else ():
            if degenerate or self._rises(best[0], best[1], slots, away):
                begin = start.copy()
                begin[slots] = np.where(np.abs(start[slots]) < 0.05, away, start[slots])
                found = self._search(begin, free, penalised=False)[:2]
                best = found if found[1] > best[1] else best
        return best

    def _rises(self, theta: Floats, value: float, slots: Sequence[int], away: float) -> bool:
        """Whether the likelihood rises from zero in a component, or is higher ``away`` from it."""
        for slot in slots:
            for size in (AT_ZERO, away):
                trial = theta.copy()
                trial[slot] = max(abs(trial[slot]), size)
                minus, slope = self.criterion(trial, penalised=False)
                if -minus > value or slope[slot] < 0:
                    return True
        return False

    # -- the maximum ---------------------------------------------------------------------------

    def maximise(self) -> None:
        start = np.concatenate([self._plain_logistic(), np.full(len(self.active), 0.7)])
        self.theta = start
        self.curvature = self._guess_curvature()
        theta, value, converged = self._search(start, np.ones(len(start), dtype=bool))
        theta[self.p :] = np.abs(theta[self.p :])
        # Small components: is the maximum on the boundary? Compare with the component left out.
        for name in sorted(self.active, key=lambda a: theta[self.p + self.active.index(a)]):
            k = self.p + self.active.index(name)
            if theta[k] > 0.15:
                continue
            free = np.arange(len(theta)) != k
            without = theta.copy()
            without[k] = 0.0
            without, value_without, _ = self._search(without, free)
            if value_without >= value - 1e-6:
                self.active.remove(name)
                self.at_boundary.append(name)
                theta, value = without[free], value_without
                self.curvature = self.curvature[np.ix_(free, free)]
        if not self.sigma_penalised and (theta[self.p :] > DIVERGING_SIGMA).any():
            names = [n for n, v in zip(self.active, theta[self.p :], strict=True) if v > 5]
            self.sigma_penalised = True
            self._learnt.clear()
            self.notes.append(
                f"the {' and '.join(names)} variance has no finite estimate (levels answer alike): "
                f"the components got a half-normal({SIGMA_SCALE:g}) penalty, here and in every "
                "test and interval of this fit"
            )
            self.maximise()
            return
        self.notes += [
            f"the {name} variance component is estimated at its boundary, zero, and dropped"
            for name in sorted(self.at_boundary)
        ]
        self.theta, self.value, self.converged = theta, value, converged
        if not converged:
            self.notes.append("the search did not converge: do not trust these numbers")
        self.covariance = self._inverse_information()

    def _plain_logistic(self) -> Floats:
        """Coefficients of the model without random effects, by a few Newton steps (penalised)."""
        beta = np.zeros(self.p)
        m = self.model
        for _ in range(25):
            mu = special.expit(m.x @ beta + m.offset)
            w = m.m * mu * (1 - mu)
            prior = special.expit(beta)
            gradient = m.x.T @ (m.y - m.m * mu) + self.penalty * (0.5 - prior)
            hessian = m.x.T @ (w[:, None] * m.x) + np.diag(self.penalty * prior * (1 - prior))
            step = np.linalg.solve(hessian + 1e-9 * np.eye(self.p), gradient)
            beta = beta + np.clip(step, -3, 3)
            if np.abs(step).max() < 1e-8:
                break
        return np.clip(beta, -30, 30)

    def _inverse_information(self) -> Floats:
        """Inverse of the negative Hessian in (beta, sigma), from differences of the gradient."""
        size = len(self.theta)
        hessian = np.empty((size, size))
        for j in range(size):
            step = 1e-4 * max(1.0, abs(self.theta[j]))
            up, down = self.theta.copy(), self.theta.copy()
            up[j] += step
            down[j] -= step
            rise = self.criterion(up)[1] - self.criterion(down)[1]
            hessian[j] = rise / (2 * step)
        hessian = (hessian + hessian.T) / 2
        self.criterion(self.theta)
        if np.linalg.eigvalsh(hessian).min() > 1e-6:
            self.curvature = hessian
        try:
            return np.asarray(linalg.cho_solve(linalg.cho_factor(hessian), np.eye(size)))
        except linalg.LinAlgError:
            self.notes.append(
                "the likelihood is flat in a variance component: standard errors hold it fixed"
            )
            inner = self.model.fixed_information(
                self.theta[: self.p], self.sigma_of_factors(self.theta[self.p :])
            )
            answer = np.zeros((size, size))
            answer[: self.p, : self.p] = np.linalg.pinv(inner)
            return answer
