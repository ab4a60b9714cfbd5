"""Logistic regression with crossed random readers and cases.

``crossed_logistic`` maximises the Laplace likelihood (as lme4's ``glmer``; see
:mod:`readerstudy.analysis.laplace`) and gives Wald, likelihood-ratio and profile answers, the
variance components, and the marginal (population-averaged) probability, which is the one that
compares with a plain proportion: the conditional one belongs to an average reader and case.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, optimize, special, stats
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from readerstudy.analysis.laplace import CrossedLaplace
from readerstudy.analysis.proportions.counts import checked_level, one_of
from readerstudy.analysis.result import Estimate
from readerstudy.analysis.separation import separated_direction

Floats = NDArray[np.float64]

NODES, WEIGHTS = hermegauss(64)
WEIGHTS = WEIGHTS / WEIGHTS.sum()

LARGEST_SIGMA = 25.0
"""Standard deviations on the logit scale are not searched beyond this."""

DIVERGING_SIGMA = 8.0
"""An estimate this large means levels that always answer alike: no finite maximum to speak of."""

SIGMA_SCALE = 5.0
"""Scale of the half-normal penalty that is then put on the components, and said."""

FAR_COEFFICIENT = 40.0
"""Log odds beyond which a probability is 0 or 1 in double precision, near enough."""


@dataclass(frozen=True)
class MixedFit:
    """A fitted crossed logistic model. Coefficients are log odds."""

    coefficients: dict[str, Estimate]
    components: dict[str, Estimate]
    marginal: Estimate | None
    log_likelihood: float
    n: int
    levels: dict[str, int]
    covariance: Floats  # of (coefficients, estimated standard deviations), in that order
    converged: bool
    notes: tuple[str, ...] = ()
    effects: dict[str, Floats] = field(default_factory=dict, repr=False)
    fit: Any = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the random effects themselves, ready for JSON."""
        return {
            "coefficients": {name: e.to_dict() for name, e in self.coefficients.items()},
            "components": {name: e.to_dict() for name, e in self.components.items()},
            "marginal": None if self.marginal is None else self.marginal.to_dict(),
            "log_likelihood": self.log_likelihood,
            "n": self.n,
            "levels": self.levels,
            "converged": self.converged,
            "notes": list(self.notes),
        }

    def summary(self) -> str:
        """One line a quantity."""
        lines = [e.summary() for e in (*self.coefficients.values(), *self.components.values())]
        if self.marginal is not None:
            lines.append(self.marginal.summary())
        lines.append(f"log-likelihood {self.log_likelihood:.3f}, n = {self.n}")
        return "\n".join([*lines, *self.notes])

    def probability(self, row: ArrayLike, *, level: float = 0.95, name: str = "") -> Estimate:
        """Marginal probability at a row of the design, averaged over readers and cases."""
        checked_level(level)
        result: Estimate = self.fit.marginal(np.asarray(row, float), level, name or "probability")
        return result


def crossed_logistic(
    outcome: ArrayLike,
    reader: ArrayLike | None,
    case: ArrayLike | None,
    design: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    trials: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    extra_factors: Mapping[str, ArrayLike] | None = None,
    interval: str = "profile",
    null: float = 0.0,
    level: float = 0.95,
) -> MixedFit:
    """Fit logit P(outcome) = design @ beta + reader + case (+ extra factors).

    ``outcome`` is (rows,) of 0 and 1, or successes with ``trials``; ``reader`` and ``case`` are
    labels, either may be ``None``; ``design`` is (rows, p) and defaults to an intercept;
    ``extra_factors`` are further random intercepts such as reader-by-origin. ``interval`` is
    ``profile`` (likelihood) or ``wald``. ``null`` is the value tested for every coefficient.

    Boundary and separation are answered, not hidden: a variance component whose estimate is zero is
    dropped and said so; a factor with one level, or with as many levels as readings, cannot be
    estimated and is dropped; where the data separate, the affected coefficients get a log-F(1, 1)
    penalty (Greenland & Mansournia 2015, Statistics in Medicine 34, 3133-3143), the interval comes
    from the unpenalised profile likelihood and is open towards infinity.

    Raises ``ValueError`` for missing values (rows named by position), outcomes other than 0 and 1,
    or a design without full column rank.
    """
    checked_level(level)
    one_of(interval, ("profile", "wald"), "interval")
    # Hundreds of tiny matrix products: threads would only wait for each other.
    with threadpool_limits(1, user_api="blas"):
        fit = _Fit(outcome, reader, case, design, names, trials, offset, extra_factors)
        fit.maximise()
        return fit.report(interval, null, level)


class _Fit:
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
        codes = {name: _codes(v, name, len(y)) for name, v in labelled.items() if v is not None}
        self.levels = {name: int(c.max()) + 1 for name, c in codes.items()}
        y, m, x, shift, codes = _aggregate(y, m, x, shift, codes)
        self.factors = self._usable(codes)
        arrays = [codes[name] for name in self.factors] or [np.zeros(len(y), dtype=np.int64)]
        self.model = CrossedLaplace(y, m, x, arrays, shift)
        self.active = list(self.factors)  # factors with a variance component to estimate
        self.penalty = np.zeros(x.shape[1])
        self.direction = separated_direction(y, m, x)
        if self.direction is not None:
            touched = [n for n, d in zip(self.names, self.direction, strict=True) if d]
            self.penalty = (self.direction != 0).astype(float)
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

    def _sigma(self, active_sigma: Floats) -> Floats:
        sigma = np.zeros(max(1, len(self.factors)))
        for name, value in zip(self.active, active_sigma, strict=True):
            sigma[self.factors.index(name)] = value
        return sigma

    def criterion(self, theta: Floats, *, penalised: bool = True) -> tuple[float, Floats]:
        """Minus the (penalised) log-likelihood and its gradient at (beta, active sigma)."""
        beta = theta[: self.p]
        value, gradient = self.model.evaluate(beta, self._sigma(theta[self.p :]))
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
        slots = np.flatnonzero(free)
        scaling = self._scaling(slots)
        origin = theta[free]
        far = np.where(slots < self.p, FAR_COEFFICIENT, LARGEST_SIGMA)

        def objective(steps: Floats) -> tuple[float, Floats]:
            values = origin + scaling @ steps
            # A wall far out, so that a likelihood without a maximum is left in good order.
            held = np.clip(values, -far, far)
            theta[free] = held
            value, gradient = self.criterion(theta, penalised=penalised)
            excess = values - held
            return value + float(excess @ excess), scaling.T @ (gradient[free] + 2 * excess)

        answer = optimize.minimize(
            objective,
            np.zeros(len(slots)),
            jac=True,
            method="BFGS",
            options={"gtol": 1e-5, "maxiter": 200},
        )
        theta[free] = np.clip(origin + scaling @ answer.x, -far, far)
        return theta, -float(answer.fun), float(np.abs(answer.jac).max()) < 1e-2

    def _scaling(self, slots: NDArray[np.int64]) -> Floats:
        """Lower triangle L with L L' about the inverse curvature of the chosen parameters."""
        inverse = linalg.inv(self.curvature[np.ix_(slots, slots)])
        return np.asarray(linalg.cholesky((inverse + inverse.T) / 2, lower=True))

    def _guess_curvature(self) -> Floats:
        """A positive definite stand-in for the Hessian until there is a maximum to take it at."""
        sigma = self.theta[self.p :]
        inner = self.model.fixed_information(self.theta[: self.p], self._sigma(sigma))
        inner = (inner + inner.T) / 2 + np.diag(0.25 * self.penalty + 1e-6)
        spread = [1.0 + 0.5 * self.levels[name] for name in self.active]
        return np.asarray(linalg.block_diag(inner, np.diag(spread)) if spread else inner)

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
                theta, value = without[free], value_without
                self.curvature = self.curvature[np.ix_(free, free)]
                self.notes.append(
                    f"the {name} variance component is estimated at its boundary, zero, and dropped"
                )
        if not self.sigma_penalised and (theta[self.p :] > DIVERGING_SIGMA).any():
            names = [n for n, v in zip(self.active, theta[self.p :], strict=True) if v > 5]
            self.sigma_penalised = True
            self.notes.append(
                f"the {' and '.join(names)} variance has no finite estimate (levels answer alike): "
                f"the components got a half-normal({SIGMA_SCALE:g}) penalty, here and in every "
                "test and interval of this fit"
            )
            self.maximise()
            return
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
                self.theta[: self.p], self._sigma(self.theta[self.p :])
            )
            answer = np.zeros((size, size))
            answer[: self.p, : self.p] = np.linalg.pinv(inner)
            return answer

    # -- what is said of it --------------------------------------------------------------------

    def report(self, interval: str, null: float, level: float) -> MixedFit:
        coefficients = {
            name: self._coefficient(j, name, interval, null, level)
            for j, name in enumerate(self.names)
        }
        components = {name: self._component(name, interval, level) for name in self.factors}
        averaged = None
        if self.names[0] == "intercept" and self.p == 1:
            averaged = self.marginal(np.ones(1), level, "marginal probability")
        modes = self.model.modes(self.theta[: self.p], self._sigma(self.theta[self.p :]))
        return MixedFit(
            coefficients=coefficients,
            components=components,
            marginal=averaged,
            log_likelihood=self.value,
            n=self.n,
            levels=self.levels,
            covariance=self.covariance,
            converged=self.converged,
            notes=tuple(self.notes),
            effects=dict(zip(self.factors, modes, strict=False)),
            fit=self,
        )

    def _coefficient(self, j: int, name: str, interval: str, null: float, level: float) -> Estimate:
        estimate = float(self.theta[j])
        error = math.sqrt(max(float(self.covariance[j, j]), 0))
        wald = (estimate - null) / error if error > 0 else math.nan
        ratio, ratio_p = self._likelihood_ratio(j, null)
        z = float(stats.norm.isf((1 - level) / 2))
        lower, upper = estimate - z * error, estimate + z * error
        details: dict[str, Any] = {
            "wald_z": wald,
            "wald_p": float(2 * stats.norm.sf(abs(wald))),
            "wald_interval": (lower, upper),
            "likelihood_ratio": ratio,
            "likelihood_ratio_p": ratio_p,
        }
        separated = self.direction is not None and self.direction[j] != 0
        notes: tuple[str, ...] = ()
        if interval == "profile" or separated:
            lower, upper = self._profile(j, level)
            notes = ("the interval is open: the likelihood never turns",) * bool(separated)
        return Estimate(
            name=name,
            estimate=estimate,
            standard_error=error,
            lower=lower,
            upper=upper,
            level=level,
            null=null,
            statistic=ratio if interval == "profile" else wald,
            df=1.0 if interval == "profile" else None,
            p_value=ratio_p if interval == "profile" else details["wald_p"],
            method="likelihood ratio; profile interval" if interval == "profile" else "Wald",
            n=self.n,
            details=details,
            notes=notes,
        )

    def _likelihood_ratio(self, j: int, null: float) -> tuple[float, float]:
        """2 (max - max with coefficient j at ``null``), unpenalised, and its chi-square(1) p."""
        peak = self._unpenalised_peak()
        free = np.arange(len(self.theta)) != j
        start = self.theta.copy()
        start[j] = null
        _, value, _ = self._search(start, free, penalised=False)
        ratio = max(0.0, 2 * (peak - value))
        return ratio, float(stats.chi2.sf(ratio, 1))

    def _unpenalised_peak(self) -> float:
        """The supremum of the log-likelihood (approached far out where the data separate)."""
        if self.direction is None:
            return self.value
        if self._peak is None:
            # Start well along the separating direction: from near zero the slope dies away slowly.
            start = self.theta.copy()
            start[: self.p] += 12 * self.direction / np.abs(self.direction).max()
            free = np.ones(len(start), dtype=bool)
            _, self._peak, _ = self._search(start, free, penalised=False)
        return max(self._peak, self.value)

    def _profile(self, k: int, level: float) -> tuple[float, float]:
        """Ends of {value of parameter k: 2 (max - profile) <= chi-square quantile}."""
        peak = self._unpenalised_peak()
        drop = float(stats.chi2.isf(1 - level, 1)) / 2
        error = math.sqrt(max(float(self.covariance[k, k]), 1e-4))
        limits = []
        for sign in (-1.0, 1.0):
            warm = self.theta.copy()

            def below(value: float, warm: Floats = warm) -> float:
                free = np.arange(len(self.theta)) != k
                warm[k] = value
                found, best, _ = self._search(warm, free, penalised=False)
                warm[:] = found
                return best - peak + drop

            limits.append(self._cross(below, float(self.theta[k]), sign, error, k))
        self.criterion(self.theta)
        return limits[0], limits[1]

    def _cross(
        self, below: Callable[[float], float], centre: float, sign: float, error: float, k: int
    ) -> float:
        """Where ``below`` turns negative going from the maximum in direction ``sign``."""
        z = float(stats.norm.isf(0.025))
        far = LARGEST_SIGMA if k >= self.p else FAR_COEFFICIENT
        inner, step = centre, z * error
        for _ in range(30):
            outer = inner + sign * step
            if k >= self.p and outer <= 0:
                # A standard deviation cannot fall below zero.
                return 0.0 if below(0.0) > 0 else self._root(below, 0.0, inner)
            if abs(outer) >= far:
                return sign * math.inf
            if below(outer) < 0:
                return self._root(below, inner, outer)
            inner, step = outer, 1.6 * step
        return sign * math.inf

    @staticmethod
    def _root(below: Callable[[float], float], inner: float, outer: float) -> float:
        return float(optimize.brentq(below, inner, outer, xtol=1e-5, rtol=1e-5))

    def _component(self, name: str, interval: str, level: float) -> Estimate:
        """A random effect's standard deviation with the profile interval."""
        if name not in self.active:
            return Estimate(
                name=f"{name} standard deviation",
                estimate=0.0,
                level=level,
                method="Laplace",
                n=self.levels[name],
                notes=("at the boundary: no variation between levels beyond chance",),
            )
        k = self.p + self.active.index(name)
        error = math.sqrt(max(float(self.covariance[k, k]), 0))
        lower, upper = self._profile(k, level) if interval == "profile" else (None, None)
        return Estimate(
            name=f"{name} standard deviation",
            estimate=float(self.theta[k]),
            standard_error=error,
            lower=lower,
            upper=upper,
            level=level,
            method="Laplace; profile interval" if interval == "profile" else "Laplace",
            n=self.levels[name],
            details={"variance": float(self.theta[k]) ** 2},
        )

    def marginal(self, row: Floats, level: float, name: str) -> Estimate:
        """E over the random effects of the probability at ``row``; delta method on its logit."""
        beta, sigma = self.theta[: self.p], self.theta[self.p :]
        spread = math.sqrt(float(sigma @ sigma))
        centre = float(row @ beta)
        values = special.expit(centre + spread * NODES)
        p = float(WEIGHTS @ values)
        slopes = WEIGHTS * values * (1 - values)
        d_centre, d_spread = float(slopes.sum()), float(slopes @ NODES)
        direction = np.concatenate(
            [d_centre * row, d_spread * sigma / spread if spread > 0 else np.zeros(len(sigma))]
        )
        error = math.sqrt(max(float(direction @ self.covariance @ direction), 0))
        logit, scale = float(special.logit(p)), error / (p * (1 - p))
        df = self._effective_df(row)
        t = float(stats.t.isf((1 - level) / 2, df))
        lower, upper = special.expit([logit - t * scale, logit + t * scale])
        notes: tuple[str, ...] = ()
        if self.sigma_penalised:
            notes = (
                "the Laplace approximation is poor with components this large: prefer the "
                "U-statistic or the bootstrap",
            )
        if self.direction is not None and float(row @ self.direction) != 0:
            # The probability is at its end; what the data exclude comes from the profile.
            lower, upper = self._separated_limits(row, level)
            notes = ("every outcome alike: penalised estimate, one end of the interval is open",)
        return Estimate(
            name=name,
            estimate=p,
            standard_error=error,
            lower=float(lower),
            upper=float(upper),
            level=level,
            df=df,
            method="crossed logistic (Laplace), averaged over readers and cases; t on the logit",
            n=self.n,
            details={
                "conditional_probability": float(special.expit(centre)),
                "logit": logit,
                "logit_standard_error": scale,
            },
            notes=notes,
        )

    def _effective_df(self, row: Floats) -> float:
        """Satterthwaite's df of a linear predictor, from the shares of its variance.

        A component known from few levels makes the normal quantile too small: with five readers
        the interval would cover 87 % instead of 95 %.
        """
        inner = self.covariance[: self.p, : self.p]
        total = float(row @ inner @ row)
        if total <= 0:
            return math.inf
        spread, left = 0.0, total
        for name, value in zip(self.active, self.theta[self.p :], strict=True):
            levels = self.levels[name]
            share = min(float(value) ** 2 / levels, left)
            left -= share
            spread += share**2 / max(levels - 1, 1)
        spread += left**2 / max(self.n - self.p, 1)
        return total**2 / spread if spread > 0 else math.inf

    def _separated_limits(self, row: Floats, level: float) -> tuple[float, float]:
        single = np.flatnonzero(row)
        if len(single) != 1 or self.p != 1:
            return 0.0, 1.0
        spread = math.sqrt(float(self.theta[self.p :] @ self.theta[self.p :]))
        ends = [
            float(WEIGHTS @ special.expit(limit * row[single[0]] + spread * NODES))
            if math.isfinite(limit)
            else (0.0 if limit < 0 else 1.0)
            for limit in self._profile(0, level)
        ]
        return min(ends), max(ends)


def _codes(labels: ArrayLike, name: str, rows: int) -> NDArray[np.int64]:
    series = pd.Series(np.asarray(labels).ravel())
    if len(series) != rows:
        raise ValueError(f"{name} has {len(series)} labels for {rows} outcomes")
    missing = np.flatnonzero(series.isna())
    if len(missing):
        raise ValueError(f"{name} is missing at position {', '.join(map(str, missing[:8]))}")
    return np.asarray(pd.factorize(series)[0], dtype=np.int64)


def _aggregate(
    y: Floats, m: Floats, x: Floats, shift: Floats, codes: dict[str, NDArray[np.int64]]
) -> tuple[Floats, Floats, Floats, Floats, dict[str, NDArray[np.int64]]]:
    """Rows alike in everything but the outcome become one; the likelihood is unchanged."""
    key = np.column_stack([*codes.values(), x, shift]) if codes else np.column_stack([x, shift])
    frame = pd.DataFrame(key)
    group = np.asarray(frame.groupby(list(frame.columns), sort=False).ngroup())
    size = int(group.max()) + 1
    if size == len(y):
        return y, m, x, shift, codes
    first = np.full(size, len(y), dtype=np.int64)
    np.minimum.at(first, group, np.arange(len(y)))
    return (
        np.bincount(group, weights=y).astype(float),
        np.bincount(group, weights=m).astype(float),
        x[first],
        shift[first],
        {name: c[first] for name, c in codes.items()},
    )
