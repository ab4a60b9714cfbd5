"""Logistic regression with crossed random readers and cases.

``crossed_logistic`` maximises the Laplace likelihood (as lme4's ``glmer``; see
:mod:`readerstudy.analysis.laplace`) and gives Wald, likelihood-ratio and profile answers, the
variance components, and the marginal (population-averaged) probability, which is the one that
compares with a plain proportion: the conditional one belongs to an average reader and case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from readerstudy.analysis.crossed_model import CrossedModel
from readerstudy.analysis.likelihood_profile import profile_limits
from readerstudy.analysis.proportions.counts import checked_level, one_of
from readerstudy.analysis.result import Estimate, plain_numbers
from readerstudy.analysis.small_sample import METHOD, small_sample

Floats = NDArray[np.float64]

NODES, WEIGHTS = hermegauss(64)
WEIGHTS = WEIGHTS / WEIGHTS.sum()

INTERVALS = ("t", "profile", "wald")

OPEN = "the interval is open: the likelihood never turns"

FEW_LEVELS = 10
"""Of a factor, below which likelihood and Wald intervals are short by a hundredth or more."""


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
        content = {
            "coefficients": {name: e.to_dict() for name, e in self.coefficients.items()},
            "components": {name: e.to_dict() for name, e in self.components.items()},
            "marginal": None if self.marginal is None else self.marginal.to_dict(),
            "log_likelihood": self.log_likelihood,
            "n": self.n,
            "levels": self.levels,
            "converged": self.converged,
            "notes": list(self.notes),
        }
        plain: dict[str, Any] = plain_numbers(content)
        return plain

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
    interval: str = "t",
    null: float = 0.0,
    level: float = 0.95,
) -> MixedFit:
    """Fit logit P(outcome) = design @ beta + reader + case (+ extra factors).

    ``outcome`` is (rows,) of 0 and 1, or successes with ``trials``; ``reader`` and ``case`` are
    labels, either may be ``None``; ``design`` is (rows, p) and defaults to an intercept;
    ``extra_factors`` are further random intercepts such as reader-by-origin. ``null`` is the value
    tested for every coefficient. ``interval`` is ``t``, which the marginal probabilities always
    have: it allows for few readers (:mod:`readerstudy.analysis.small_sample`); or ``profile``
    (likelihood) or ``wald``, as lme4's, which are too short with few. A coefficient's ``details``
    hold t, Wald and the likelihood ratio whichever is asked for. Components have profile intervals,
    none with ``wald``.

    Boundary and separation are answered, not hidden: a variance component whose estimate is zero is
    dropped and said so; a factor with one level, or with as many levels as readings, cannot be
    estimated and is dropped; where the data separate, the affected coefficients get a log-F(1, 1)
    penalty (Greenland & Mansournia 2015, Statistics in Medicine 34, 3133-3143), the interval comes
    from the unpenalised profile likelihood and is open towards infinity.

    Raises ``ValueError`` for missing values (rows named by position), outcomes other than 0 and 1,
    or a design without full column rank.
    """
    checked_level(level)
    one_of(interval, INTERVALS, "interval")
    # Hundreds of tiny matrix products: threads would only wait for each other.
    with threadpool_limits(1, user_api="blas"):
        fit = _Fit(outcome, reader, case, design, names, trials, offset, extra_factors)
        fit.maximise()
        return fit.report(interval, null, level)


class _Fit(CrossedModel):
    """What is said of the maximum: tests, intervals, components, marginal probabilities."""

    def report(self, interval: str, null: float, level: float) -> MixedFit:
        coefficients = {
            name: self._coefficient(j, name, interval, null, level)
            for j, name in enumerate(self.names)
        }
        components = {name: self._component(name, interval, level) for name in self.factors}
        averaged = None
        if self.names[0] == "intercept" and self.p == 1:
            averaged = self.marginal(np.ones(1), level, "marginal probability")
        modes = self.model.modes(self.theta[: self.p], self.sigma_of_factors(self.theta[self.p :]))
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
        added, df = small_sample(self, np.eye(self.p)[j])
        wide = math.sqrt(error**2 + added)
        t = (estimate - null) / wide if wide > 0 else math.nan
        tail = (1 - level) / 2
        z, quantile = float(stats.norm.isf(tail)), float(stats.t.isf(tail, df))
        separated = any(self.open_ends[j])
        details: dict[str, Any] = {
            "open": separated,
            "wald_z": wald,
            "wald_p": float(2 * stats.norm.sf(abs(wald))),
            "wald_interval": (estimate - z * error, estimate + z * error),
            "likelihood_ratio": ratio,
            "likelihood_ratio_p": ratio_p,
            "t_standard_error": wide,
            "t_df": df,
            "t_p": float(2 * stats.t.sf(abs(t), df)),
            "t_interval": (estimate - quantile * wide, estimate + quantile * wide),
        }
        notes: tuple[str, ...] = ()
        if separated:
            interval = "profile"
            notes = (OPEN,)
        elif interval != "t" and (few := self._few_levels()):
            notes = (f"few levels ({few}): this interval is too short; see the t interval",)
        answers: dict[str, tuple[float, float | None, float, str]] = {
            "t": (t, df, details["t_p"], f"{METHOD}, on the log odds"),
            "wald": (wald, None, details["wald_p"], "Wald"),
            "profile": (ratio, 1.0, ratio_p, "likelihood ratio; profile interval"),
        }
        statistic, statistic_df, p_value, method = answers[interval]
        limits = (
            self._profile(j, level) if interval == "profile" else details[f"{interval}_interval"]
        )
        return Estimate(
            name=name,
            estimate=estimate,
            standard_error=wide if interval == "t" else error,
            lower=limits[0],
            upper=limits[1],
            level=level,
            null=null,
            statistic=statistic,
            df=statistic_df,
            p_value=p_value,
            method=method,
            n=self.n,
            details=details,
            notes=notes,
        )

    def _few_levels(self) -> str:
        counts = [(name, self.levels[name]) for name in self.factors]
        return ", ".join(f"{n} of {name}" for name, n in counts if n < FEW_LEVELS)

    def _likelihood_ratio(self, j: int, null: float) -> tuple[float, float]:
        """2 (max - max with coefficient j at ``null``), unpenalised, and its chi-square(1) p."""
        peak = self._unpenalised_peak()
        with self.reinstated():
            start = self.theta.copy()
            start[j] = null
            _, value = self.best_with(start, j)
        ratio = max(0.0, 2 * (peak - value))
        return ratio, float(stats.chi2.sf(ratio, 1))

    def _unpenalised_peak(self) -> float:
        """The supremum of the log-likelihood (approached far out where the data separate)."""
        if self.direction is None:
            return self.value
        if self.complete:
            return 0.0
        if self._peak is None:
            # Start well along the separating direction: from near zero the slope dies away slowly.
            start = self.theta.copy()
            start[: self.p] += 12 * self.direction / np.abs(self.direction).max()
            free = np.ones(len(start), dtype=bool)
            _, self._peak, _ = self._search(start, free, penalised=False)
        return max(self._peak, self.value)

    def _profile(self, k: int, level: float) -> tuple[float, float]:
        """Ends of {value of parameter k: 2 (max - profile) <= chi-square quantile}."""
        if (k, level) not in self._profiles:
            self._profiles[k, level] = self._profile_limits(k, level)
        return self._profiles[k, level]

    def _profile_limits(self, k: int, level: float) -> tuple[float, float]:
        if self.complete and k >= self.p:
            # Far enough along the separating direction every deviation fits all readings.
            return 0.0, math.inf
        return profile_limits(self, k, self._unpenalised_peak(), level)

    def _component(self, name: str, interval: str, level: float) -> Estimate:
        """A random effect's standard deviation with the profile interval."""
        if name not in self.active:
            k = self.p + len(self.active) + self.at_boundary.index(name)
            upper = self._profile(k, level)[1] if interval != "wald" else None
            return Estimate(
                name=f"{name} standard deviation",
                estimate=0.0,
                lower=None if upper is None else 0.0,
                upper=upper,
                level=level,
                method="Laplace; profile interval" if interval != "wald" else "Laplace",
                n=self.levels[name],
                notes=("at the boundary: no variation between levels beyond chance",),
            )
        k = self.p + self.active.index(name)
        error = math.sqrt(max(float(self.covariance[k, k]), 0))
        lower, upper = self._profile(k, level) if interval != "wald" else (None, None)
        return Estimate(
            name=f"{name} standard deviation",
            estimate=float(self.theta[k]),
            standard_error=error,
            lower=lower,
            upper=upper,
            level=level,
            method="Laplace; profile interval" if interval != "wald" else "Laplace",
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
        added, df = small_sample(self, row)
        variance = max(float(direction @ self.covariance @ direction), 0) + d_centre**2 * added
        error = math.sqrt(variance)
        logit, scale = float(special.logit(p)), error / (p * (1 - p))
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
            method=f"crossed logistic (Laplace), averaged over readers and cases; {METHOD}, logit",
            n=self.n,
            details={
                "conditional_probability": float(special.expit(centre)),
                "logit": logit,
                "logit_standard_error": scale,
            },
            notes=notes,
        )

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
