"""Binormal ROC by maximum likelihood from ratings (Dorfman & Alf 1969).

Noise is N(0, 1), signal N(a/b, 1/b^2): TPF = Phi(a + b Phi^-1(FPF)); A_z = Phi(a / sqrt(1 + b^2)).
Continuous ratings are categorised as in LABROC (Metz, Herman & Shen 1998).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from readerstudy.analysis.proportions.counts import checked_level
from readerstudy.analysis.rating_counts import checked_ratings, counts_by_category
from readerstudy.analysis.result import Estimate, plain_numbers

Floats = NDArray[np.float64]

MOST_CATEGORIES = 40


@dataclass(frozen=True)
class BinormalFit:
    """A fitted binormal model and the detection measures it gives."""

    a: Estimate
    b: Estimate
    auc: Estimate
    d_a: Estimate
    d_e: Estimate
    delta_m: Estimate
    criteria: Floats  # in units of the noise's standard deviation, ascending
    criteria_standard_errors: Floats
    covariance: Floats  # of (a, b, criteria)
    log_likelihood: float
    chi_square: float
    chi_square_df: int
    n: int
    notes: tuple[str, ...] = ()

    def estimates(self) -> Iterator[Estimate]:
        """a, b, A_z, d_a, d_e, delta m."""
        yield from (self.a, self.b, self.auc, self.d_a, self.d_e, self.delta_m)

    def curve(self, false_positive: ArrayLike) -> Floats:
        """TPF at given FPF."""
        z = special.ndtri(np.asarray(false_positive, dtype=float))
        return np.asarray(special.ndtr(self.a.estimate + self.b.estimate * z))

    def band(
        self, false_positive: ArrayLike, *, level: float = 0.95, simultaneous: bool = False
    ) -> tuple[Floats, Floats]:
        """(lower, upper) TPF at given FPF: pointwise, or Working-Hotelling for the whole curve
        (Ma & Hall 1993, Medical Decision Making 13, 191-197)."""
        checked_level(level)
        z = special.ndtri(np.asarray(false_positive, dtype=float))
        v = self.covariance
        error = np.sqrt(np.maximum(v[0, 0] + 2 * z * v[0, 1] + z**2 * v[1, 1], 0))
        width = (
            math.sqrt(float(stats.chi2.isf(1 - level, 2)))
            if simultaneous
            else float(stats.norm.isf((1 - level) / 2))
        )
        centre = self.a.estimate + self.b.estimate * z
        lower, upper = special.ndtr(centre - width * error), special.ndtr(centre + width * error)
        return np.asarray(lower), np.asarray(upper)

    def to_dict(self) -> dict[str, Any]:
        """Every number, ready for JSON."""
        content = {
            **{e.name: e.to_dict() for e in self.estimates()},
            "criteria": self.criteria.tolist(),
            "criteria_standard_errors": self.criteria_standard_errors.tolist(),
            "log_likelihood": self.log_likelihood,
            "chi_square": self.chi_square,
            "chi_square_df": self.chi_square_df,
            "n": self.n,
            "notes": list(self.notes),
        }
        plain: dict[str, Any] = plain_numbers(content)
        return plain

    def summary(self) -> str:
        """One line a parameter."""
        fit = f"fit chi-square {self.chi_square:.3f} on {self.chi_square_df} df"
        return "\n".join([*(e.summary() for e in self.estimates()), fit, *self.notes])


def binormal_fit(
    ratings: ArrayLike, truth: ArrayLike, *, level: float = 0.95, name: str = "AUC"
) -> BinormalFit:
    """Fit the unequal-variance (binormal) model to ratings, higher meaning "signal".

    At least two operating points off the corners, one of them off the border, are needed for a
    and b; with one (a yes/no task), or where b has no maximum, b is held at 1 and said so.
    Separated classes have no finite fit: the result is marked degenerate with A_z at its end and
    the interval from the exact bound. Raises ``ValueError`` for single-class data.
    """
    checked_level(level)
    scores, labels, missing = checked_ratings(ratings, truth)
    _, noise, signal = counts_by_category(scores, labels, most=MOST_CATEGORIES)
    notes = [f"{missing} missing ratings left out"] if missing else []
    return fit_counts(noise, signal, level=level, name=name, notes=notes)


def fit_counts(
    noise: ArrayLike,
    signal: ArrayLike,
    *,
    level: float = 0.95,
    name: str = "AUC",
    notes: list[str] | None = None,
) -> BinormalFit:
    """The same from counts by category, ascending: ``noise`` and ``signal`` are (categories,)."""
    notes = list(notes or [])
    x, y = np.asarray(noise, dtype=float), np.asarray(signal, dtype=float)
    used = (x + y) > 0
    x, y = x[used], y[used]
    below_x, below_y = np.cumsum(x)[:-1], np.cumsum(y)[:-1]
    inside = (below_x > 0) & (below_x < x.sum()) & (below_y > 0) & (below_y < y.sum())
    points = int(inside.sum())
    n = int(x.sum() + y.sum())
    if points == 0:
        return _degenerate(x, y, level, name, n, notes)
    # Points on the border bend the curve too: with one inside, they can still settle b.
    equal_variance = points == 1 and len(x) == 2
    theta, covariance, value = _maximise(x, y, equal_variance)
    degenerate = _is_degenerate(theta, covariance)
    if degenerate and points == 1:
        equal_variance = True
        theta, covariance, value = _maximise(x, y, equal_variance)
        degenerate = _is_degenerate(theta, covariance)
    if equal_variance:
        notes.append("one operating point off the border: equal variances (b = 1) assumed")
    a, b = float(theta[0]), float(theta[1])
    cuts = theta[2:]
    if degenerate:
        notes.append(
            "degenerate binormal fit (the curve is made of straight pieces): no standard errors; "
            "use the empirical AUC"
        )
        covariance = np.full_like(covariance, np.nan)
    root = math.sqrt(1 + b * b)
    standard = a / root
    density = math.exp(-(standard**2) / 2) / math.sqrt(2 * math.pi)
    gradients = {
        "auc": density * np.array([1 / root, -a * b / root**3]),
        "d_a": math.sqrt(2) * np.array([1 / root, -a * b / root**3]),
        "d_e": 2 * np.array([1 / (1 + b), -a / (1 + b) ** 2]),
        "delta_m": np.array([1 / b, -a / b**2]),
    }
    inner = covariance[:2, :2]
    z = float(stats.norm.isf((1 - level) / 2))

    def estimate(label: str, value: float, error: float, null: float | None) -> Estimate:
        known = math.isfinite(error) and error > 0
        statistic = (value - null) / error if known and null is not None else None
        return Estimate(
            name=label,
            estimate=value,
            standard_error=error if math.isfinite(error) else None,
            lower=value - z * error if math.isfinite(error) else None,
            upper=value + z * error if math.isfinite(error) else None,
            level=level,
            null=null if statistic is not None else None,
            statistic=statistic,
            p_value=None if statistic is None else float(2 * stats.norm.sf(abs(statistic))),
            method="binormal maximum likelihood, Wald",
            n=n,
        )

    def spread_of(gradient: Floats) -> float:
        """A standard error by the delta method; NaN where the fit is degenerate."""
        variance = float(gradient @ inner @ gradient)
        return math.sqrt(variance) if variance >= 0 else math.nan

    errors = {key: spread_of(gradient) for key, gradient in gradients.items()}
    area = float(special.ndtr(standard))
    spread = errors["d_a"] / math.sqrt(2)  # of a / sqrt(1 + b^2)
    tested = spread > 0
    auc = Estimate(
        name=name,
        estimate=area,
        standard_error=None if degenerate else errors["auc"],
        # On the probit scale, where the estimate is near normal and the ends stay within 0 to 1.
        lower=0.0 if degenerate else float(special.ndtr(standard - z * spread)),
        upper=1.0 if degenerate else float(special.ndtr(standard + z * spread)),
        level=level,
        null=0.5 if tested else None,
        statistic=standard / spread if tested else None,
        p_value=float(2 * stats.norm.sf(abs(standard) / spread)) if tested else None,
        method="binormal maximum likelihood, probit interval",
        n=n,
        details={"wald_interval": (area - z * errors["auc"], area + z * errors["auc"])},
    )
    expected_x, expected_y = _cell_probabilities(theta)
    chi_square, df = _fit_chi_square(x, y, expected_x, expected_y, equal_variance)
    return BinormalFit(
        a=estimate("a", a, _root(covariance[0, 0]), 0.0),
        b=estimate("b", b, _root(covariance[1, 1]), None if equal_variance else 1.0),
        auc=auc,
        d_a=estimate("d_a", math.sqrt(2) * standard, errors["d_a"], 0.0),
        d_e=estimate("d_e", 2 * a / (1 + b), errors["d_e"], 0.0),
        delta_m=estimate("delta m", a / b, errors["delta_m"], 0.0),
        criteria=cuts,
        criteria_standard_errors=np.sqrt(np.maximum(np.diag(covariance)[2:], 0)),
        covariance=covariance,
        log_likelihood=value,
        chi_square=chi_square,
        chi_square_df=df,
        n=n,
        notes=tuple(notes),
    )


def _is_degenerate(theta: Floats, covariance: Floats) -> bool:
    """A curve of straight pieces, or parameters that the data leave without a variance."""
    proper = bool(np.isfinite(covariance).all()) and float(np.diag(covariance).min()) >= 0
    return not proper or not 0.02 <= theta[1] <= 50 or bool(covariance[0, 0] > 100**2)


def _root(variance: float) -> float:
    return math.sqrt(variance) if variance >= 0 else math.nan


def _maximise(x: Floats, y: Floats, equal_variance: bool) -> tuple[Floats, Floats, float]:
    """((a, b, cuts), covariance, log-likelihood) from counts with no empty category."""
    below_x = np.clip((np.cumsum(x)[:-1] + 0.25) / (x.sum() + 0.5), 1e-4, 1 - 1e-4)
    below_y = np.clip((np.cumsum(y)[:-1] + 0.25) / (y.sum() + 0.5), 1e-4, 1 - 1e-4)
    zx, zy = special.ndtri(below_x), special.ndtri(below_y)
    # zy = b zx - a: the line through the zROC points starts the search.
    b = 1.0 if equal_variance or np.ptp(zx) == 0 else float(np.polyfit(zx, zy, 1)[0])
    b = min(max(b, 0.3), 3.0)
    a = float(b * zx.mean() - zy.mean())
    cuts = (zx + (zy + a) / b) / 2
    gaps = np.log(np.maximum(np.diff(cuts), 1e-3))
    start = np.concatenate([[a, math.log(b), cuts[0]], gaps])
    free = np.ones(len(start), dtype=bool)
    free[1] = not equal_variance

    def unpack(values: Floats) -> Floats:
        steps = np.concatenate([[values[2]], np.exp(np.minimum(values[3:], 50))])
        return np.concatenate([[values[0], math.exp(values[1])], np.cumsum(steps)])

    def objective(some: Floats) -> tuple[float, Floats]:
        values = start.copy()
        values[free] = some
        theta = unpack(values)
        value, gradient = _log_likelihood(theta, x, y)
        tail = np.cumsum(gradient[2:][::-1])[::-1]  # a cut's step moves all cuts above it
        out = np.concatenate(
            [[gradient[0], gradient[1] * theta[1], tail[0]], tail[1:] * np.exp(values[3:])]
        )
        return -value, -out[free]

    with threadpool_limits(1, user_api="blas"), np.errstate(over="ignore", invalid="ignore"):
        answer = optimize.minimize(
            objective, start[free], jac=True, method="BFGS", options={"gtol": 1e-8, "maxiter": 1000}
        )
    values = start.copy()
    values[free] = answer.x
    theta = unpack(values)
    keep = np.ones(len(theta), dtype=bool)
    keep[1] = not equal_variance
    slots = np.flatnonzero(keep)
    hessian = np.empty((len(slots), len(slots)))
    for row, j in enumerate(slots):
        step = 1e-5 * max(1.0, abs(theta[j]))
        up, down = theta.copy(), theta.copy()
        up[j] += step
        down[j] -= step
        with np.errstate(all="ignore"):  # degenerate fits overflow here and are found below
            difference = _log_likelihood(up, x, y)[1] - _log_likelihood(down, x, y)[1]
            hessian[row] = -difference[slots] / (2 * step)
    covariance = np.zeros((len(theta), len(theta)))
    if not np.isfinite(hessian).all():
        return theta, np.full_like(covariance, np.nan), -float(answer.fun)
    covariance[np.ix_(slots, slots)] = np.linalg.pinv((hessian + hessian.T) / 2)
    return theta, covariance, -float(answer.fun)


def _cell_probabilities(theta: Floats) -> tuple[Floats, Floats]:
    a, b, cuts = theta[0], theta[1], theta[2:]
    noise = np.diff(np.concatenate([[0.0], special.ndtr(cuts), [1.0]]))
    signal = np.diff(np.concatenate([[0.0], special.ndtr(b * cuts - a), [1.0]]))
    return noise, signal


def _log_likelihood(theta: Floats, x: Floats, y: Floats) -> tuple[float, Floats]:
    """Multinomial log-likelihood (no coefficients) and its gradient in (a, b, cuts)."""
    a, b, cuts = theta[0], theta[1], theta[2:]
    noise, signal = (np.maximum(p, 1e-300) for p in _cell_probabilities(theta))
    value = float(x @ np.log(noise) + y @ np.log(signal))
    ratio_x, ratio_y = x / noise, y / signal
    density_x = np.exp(-(cuts**2) / 2) / math.sqrt(2 * math.pi)
    density_y = np.exp(-((b * cuts - a) ** 2) / 2) / math.sqrt(2 * math.pi)
    pull_x = (ratio_x[:-1] - ratio_x[1:]) * density_x
    pull_y = (ratio_y[:-1] - ratio_y[1:]) * density_y
    gradient = np.concatenate([[-pull_y.sum(), pull_y @ cuts], pull_x + b * pull_y])
    return value, gradient


def _fit_chi_square(
    x: Floats, y: Floats, noise: Floats, signal: Floats, equal_variance: bool
) -> tuple[float, int]:
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.concatenate(
            [
                (x - x.sum() * noise) ** 2 / (x.sum() * noise),
                (y - y.sum() * signal) ** 2 / (y.sum() * signal),
            ]
        )
    df = 2 * (len(x) - 1) - (len(x) - 1) - (1 if equal_variance else 2)
    return float(np.nansum(parts)), max(df, 0)


def _degenerate(
    x: Floats, y: Floats, level: float, name: str, n: int, notes: list[str]
) -> BinormalFit:
    """No operating point off the corners: nothing to fit but which side the classes lie."""
    from readerstudy.analysis.delong import separation_bound

    below = np.concatenate([[0.0], np.cumsum(x)[:-1]])
    area = float((y * (below + x / 2)).sum() / (x.sum() * y.sum()))
    bound = separation_bound(int(x.sum()), int(y.sum()), level=level)
    if area == 1.0:
        lower, upper = bound, 1.0
    elif area == 0.0:
        lower, upper = 0.0, 1 - bound
    else:
        lower, upper = 0.0, 1.0
    notes.append("degenerate: no operating point off the corners, the binormal model has no fit")

    def undefined(label: str) -> Estimate:
        return Estimate(
            label, math.nan, level=level, method="binormal maximum likelihood", n=n,
            notes=("degenerate: not defined",),
        )  # fmt: skip

    auc = Estimate(
        name=name,
        estimate=area,
        lower=lower,
        upper=upper,
        level=level,
        method="empirical AUC, exact bound for separated classes",
        n=n,
        notes=("degenerate",),
    )
    return BinormalFit(
        a=undefined("a"),
        b=undefined("b"),
        auc=auc,
        d_a=undefined("d_a"),
        d_e=undefined("d_e"),
        delta_m=undefined("delta m"),
        criteria=np.empty(0),
        criteria_standard_errors=np.empty(0),
        covariance=np.full((2, 2), np.nan),
        log_likelihood=math.nan,
        chi_square=math.nan,
        chi_square_df=0,
        n=n,
        notes=tuple(notes),
    )
