"""Proper binormal ROC (PROPROC): the binormal pair read by likelihood ratio, never hooked.

Metz & Pan 1999, J. Mathematical Psychology 43, 1-33; Pesce & Metz 2007, Academic Radiology 14,
814-829. Parameters d_a >= 0 and c in (-1, 1); c = 0 is the equal-variance binormal curve, and
AUC = Phi(d_a / sqrt 2) + 2 F(-d_a / sqrt 2, 0; -(1 - c^2) / (1 + c^2)), F bivariate normal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
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

MOST_CATEGORIES = 12
NEAR_ZERO = 1e-5


def proper_rates(v: ArrayLike, d_a: float, c: float) -> tuple[Floats, Floats]:
    """(FPF, TPF) at criteria ``v`` (Metz & Pan 1999, equations 23 and 24)."""
    value = np.asarray(v, dtype=float)
    shift = d_a / 2 * math.sqrt(1 + c * c)
    if abs(c) < NEAR_ZERO:
        return np.asarray(special.ndtr(-value - d_a / 2)), np.asarray(
            special.ndtr(-value + d_a / 2)
        )
    far, corner = shift / c, float(c > 0)
    fpf = special.ndtr(-(1 - c) * value - shift) + special.ndtr(-(1 - c) * value + far) - corner
    tpf = special.ndtr(-(1 + c) * value + shift) + special.ndtr(-(1 + c) * value + far) - corner
    return np.clip(fpf, 0, 1), np.clip(tpf, 0, 1)


def proper_auc(d_a: float, c: float) -> float:
    """The area under the proper curve."""
    z = -d_a / math.sqrt(2)
    rho = -(1 - c * c) / (1 + c * c)
    return float(special.ndtr(-z) + 2 * _bivariate_normal(z, rho))


def proper_curve(false_positive: ArrayLike, d_a: float, c: float) -> Floats:
    """TPF at given FPF, by inverting the FPF."""
    v = _criteria(np.atleast_1d(np.asarray(false_positive, dtype=float)), d_a, c)
    return proper_rates(v, d_a, c)[1]


def _criteria(target: Floats, d_a: float, c: float) -> Floats:
    """The criteria that give FPF ``target``: bisection, then Newton where the curve is smooth."""
    low, high = _criterion_range(d_a, c)
    lower, upper = np.full(target.shape, low), np.full(target.shape, high)
    for _ in range(26):
        middle = (lower + upper) / 2
        too_many = proper_rates(middle, d_a, c)[0] > target
        lower, upper = np.where(too_many, middle, lower), np.where(too_many, upper, middle)
    v = (lower + upper) / 2
    for _ in range(3):
        slope = _densities(v, d_a, c)[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            step = (proper_rates(v, d_a, c)[0] - target) / slope
        v = np.clip(np.where(np.isfinite(step), v + step, v), lower, upper)
    return np.asarray(v)


def _densities(v: Floats, d_a: float, c: float) -> tuple[Floats, Floats]:
    """-dFPF/dv and -dTPF/dv."""
    shift = d_a / 2 * math.sqrt(1 + c * c)
    if abs(c) < NEAR_ZERO:
        return _phi(v + d_a / 2), _phi(v - d_a / 2)
    far, less, more = shift / c, 1 - c, 1 + c
    noise = less * (_phi(less * v + shift) + _phi(less * v - far))
    signal = more * (_phi(more * v - shift) + _phi(more * v - far))
    return noise, signal


def _phi(z: Floats) -> Floats:
    return np.asarray(np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi))


@dataclass(frozen=True)
class ProperFit:
    """A fitted proper binormal curve."""

    d_a: Estimate
    c: Estimate
    auc: Estimate
    log_likelihood: float
    n: int
    notes: tuple[str, ...] = ()

    def estimates(self) -> Iterator[Estimate]:
        """AUC, d_a, c."""
        yield from (self.auc, self.d_a, self.c)

    def curve(self, false_positive: ArrayLike) -> Floats:
        """TPF at given FPF."""
        return proper_curve(false_positive, self.d_a.estimate, self.c.estimate)

    def to_dict(self) -> dict[str, Any]:
        """Every number, ready for JSON."""
        content = {
            **{e.name: e.to_dict() for e in self.estimates()},
            "log_likelihood": self.log_likelihood,
            "n": self.n,
            "notes": list(self.notes),
        }
        plain: dict[str, Any] = plain_numbers(content)
        return plain

    def summary(self) -> str:
        """One line a parameter."""
        return "\n".join([*(e.summary() for e in self.estimates()), *self.notes])


def proper_fit(
    ratings: ArrayLike, truth: ArrayLike, *, level: float = 0.95, name: str = "AUC"
) -> ProperFit:
    """Maximum likelihood of the proper binormal model; higher ratings mean "signal".

    A proper curve lies on or above the diagonal: ratings that run the wrong way give an AUC of 0.5
    with a note. Raises ``ValueError`` for single-class data.
    """
    checked_level(level)
    scores, labels, missing = checked_ratings(ratings, truth)
    _, noise, signal = counts_by_category(scores, labels, most=MOST_CATEGORIES)
    notes = (f"{missing} missing ratings left out",) if missing else ()
    return fit_proper_counts(noise, signal, level=level, name=name, notes=notes)


def fit_proper_counts(
    noise: ArrayLike,
    signal: ArrayLike,
    *,
    level: float = 0.95,
    name: str = "AUC",
    notes: tuple[str, ...] = (),
) -> ProperFit:
    """The same from counts by category, ascending."""
    # Hundreds of tiny products: threads would only wait for each other.
    with threadpool_limits(1, user_api="blas"):
        return _fit(noise, signal, level, name, notes)


def _fit(
    noise: ArrayLike, signal: ArrayLike, level: float, name: str, notes: tuple[str, ...]
) -> ProperFit:
    x, y = np.asarray(noise, dtype=float), np.asarray(signal, dtype=float)
    used = (x + y) > 0
    x, y = x[used], y[used]
    n = int(x.sum() + y.sum())
    if len(x) == 1:
        return _all_tied(level, name, n, notes)
    above_x = np.cumsum(x[::-1])[::-1][1:]
    smoothed = (above_x + 0.5) / (x.sum() + 1)

    def rates(theta: Floats) -> tuple[float, float, Floats]:
        """(d_a, c, FPF at the cuts) with FPF strictly falling, from unbounded numbers."""
        d_a, c = float(np.exp(np.clip(theta[0], -12, 3))), float(np.tanh(theta[1]))
        weights = special.softmax(np.concatenate([[0.0], theta[2:]]))
        return d_a, c, np.cumsum(weights[::-1])[::-1][1:]

    def objective(theta: Floats) -> tuple[float, Floats]:
        """Minus log-likelihood and gradient: exact in the cuts, central differences in d_a, c."""
        d_a, c, fpf = rates(theta)
        p = np.maximum(-np.diff(np.concatenate([[1.0], fpf, [0.0]])), 1e-12)

        def cells(tpf: Floats) -> Floats:
            return np.maximum(-np.diff(np.concatenate([[1.0], tpf, [0.0]])), 1e-12)

        criteria = _criteria(fpf, d_a, c)
        q = cells(proper_rates(criteria, d_a, c)[1])
        noise, signal = _densities(criteria, d_a, c)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.where(noise > 1e-300, signal / noise, 1.0)  # of the curve: dTPF / dFPF
        # FPF above cut k moves the cells on both sides of the cut, in both classes.
        at_cut = (x[1:] / p[1:] - x[:-1] / p[:-1]) + slope * (y[1:] / q[1:] - y[:-1] / q[:-1])
        weights = np.concatenate([[1 - fpf[0]], -np.diff(np.concatenate([fpf, [0.0]]))])
        to_weight = np.concatenate([[0.0], np.cumsum(at_cut)])
        pulled = weights * (to_weight - float(weights @ to_weight))
        # d_a and c move the TPF at a fixed FPF by their own pull less the slope times the FPF's.
        h = 1e-5
        signal_cut = y[1:] / q[1:] - y[:-1] / q[:-1]
        moved = []
        for k in (0, 1):
            ends = []
            for sign in (1, -1):
                point = theta.copy()
                point[k] += sign * h
                other_d, other_c, _ = rates(point)
                ends.append(proper_rates(criteria, other_d, other_c))
            by_fpf, by_tpf = ((ends[0][j] - ends[1][j]) / (2 * h) for j in (0, 1))
            moved.append(float(signal_cut @ (by_tpf - slope * by_fpf)))
        value = float(x @ np.log(p) + y @ np.log(q))
        return -value, -np.concatenate([moved, pulled[1:]])

    start_p = -np.diff(np.concatenate([[1.0], smoothed, [0.0]]))
    base = np.log(np.maximum(start_p[1:], 1e-4) / max(start_p[0], 1e-4))
    best = None
    for d_start, c_start in ((1.5, 0.0), (1.0, 0.3), (1.0, -0.3)):
        start = np.concatenate([[math.log(d_start), math.atanh(c_start)], base])
        found = optimize.minimize(
            objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 100, "ftol": 1e-11}
        )
        if best is None or found.fun < best.fun - 1e-9:
            best = found
    assert best is not None
    d_a, c, _ = rates(best.x)
    area = proper_auc(d_a, c)
    messages = list(notes)
    if d_a < 1e-3:
        messages.append("the ratings do not rise with the truth: the proper curve is the diagonal")
    if area > 1 - 1e-6:
        messages.append("degenerate: the classes are separated; use the exact bound of the "
                        "empirical AUC")  # fmt: skip
    # On the diagonal, its end, the likelihood is flat in d_a and c alike.
    flat = area < 0.501
    errors = (None, None, None) if flat else _standard_errors(objective, best.x)
    z = float(stats.norm.isf((1 - level) / 2))

    def estimate(label: str, value: float, error: float | None, ends: tuple[float, float]) -> Any:
        usable = error is not None and math.isfinite(error)
        return Estimate(
            name=label,
            estimate=value,
            standard_error=error if usable else None,
            lower=max(ends[0], value - z * error) if usable and error is not None else ends[0],
            upper=min(ends[1], value + z * error) if usable and error is not None else ends[1],
            level=level,
            method="proper binormal maximum likelihood, Wald",
            n=n,
        )

    return ProperFit(
        d_a=estimate("d_a", d_a, errors[0], (0.0, math.inf)),
        c=estimate("c", c, errors[1], (-1.0, 1.0)),
        auc=estimate(name, area, errors[2], (0.5, 1.0)),
        log_likelihood=-float(best.fun),
        n=n,
        notes=tuple(messages),
    )


def _all_tied(level: float, name: str, n: int, notes: tuple[str, ...]) -> ProperFit:
    """One category only: the area is the diagonal's, and nothing is known of d_a and c."""
    why = "degenerate: all ratings are tied and say nothing of the order"

    def unknown(label: str, value: float, lower: float, upper: float) -> Estimate:
        return Estimate(
            label, value, lower=lower, upper=upper, level=level, n=n, notes=(why,),
            method="proper binormal maximum likelihood",
        )  # fmt: skip

    return ProperFit(
        d_a=unknown("d_a", math.nan, 0.0, math.inf),
        c=unknown("c", math.nan, -1.0, 1.0),
        auc=unknown(name, 0.5, 0.5, 1.0),
        log_likelihood=0.0,
        n=n,
        notes=(*notes, why),
    )


def _standard_errors(
    objective: Callable[[Floats], tuple[float, Floats]], theta: Floats
) -> tuple[float | None, float | None, float | None]:
    """Of d_a, c and AUC by the delta method; None where the likelihood is flat."""
    size = len(theta)
    hessian = np.empty((size, size))
    for j in range(size):
        step = np.zeros(size)
        step[j] = 1e-4
        hessian[j] = (objective(theta + step)[1] - objective(theta - step)[1]) / 2e-4
    hessian = (hessian + hessian.T) / 2
    # Near its end, zero, d_a itself is flat; what is known of c and the area is not lost for it.
    at_end = float(np.exp(theta[0])) < 0.05
    kept = np.arange(1 if at_end else 0, size)
    chosen = hessian[np.ix_(kept, kept)]
    if not np.isfinite(chosen).all() or np.linalg.eigvalsh(chosen).min() < 1e-3:
        return None, None, None
    inner = np.zeros((2, 2))
    block = np.linalg.inv(chosen)
    if at_end:
        inner[1, 1] = block[0, 0]
    else:
        inner[:] = block[:2, :2]
    d_a, c = float(np.exp(theta[0])), float(np.tanh(theta[1]))
    slope_d, slope_c = d_a, 1 - c * c
    h = 1e-4
    by_d = (proper_auc(d_a * math.exp(h), c) - proper_auc(d_a * math.exp(-h), c)) / (2 * h)
    by_c = (proper_auc(d_a, math.tanh(theta[1] + h)) - proper_auc(d_a, math.tanh(theta[1] - h))) / (
        2 * h
    )
    gradient = np.array([by_d, by_c])
    return (
        None if at_end else slope_d * math.sqrt(inner[0, 0]),
        slope_c * math.sqrt(inner[1, 1]),
        math.sqrt(max(float(gradient @ inner @ gradient), 0)),
    )


def _criterion_range(d_a: float, c: float) -> tuple[float, float]:
    """Criteria that mean something: beyond d_a sqrt(1 + c^2) / (4c) the likelihood ratio turns."""
    turn = d_a * math.sqrt(1 + c * c) / (4 * c) if abs(c) >= NEAR_ZERO else math.inf
    reach = 12.0 / max(1 - abs(c), 1e-3) + d_a
    if c >= NEAR_ZERO:
        return -reach, min(turn, reach)
    if c <= -NEAR_ZERO:
        return max(turn, -reach), reach
    return -reach, reach


def _bivariate_normal(z: float, rho: float) -> float:
    """P(X < z, Y < 0) with correlation ``rho`` (Owen's T; exact for the second limit zero)."""
    if rho <= -1 + 1e-15:
        return max(0.0, float(special.ndtr(z)) - 0.5)
    # Owen 1956 with the second limit at zero: F(h, 0; rho) = Phi(h) / 2 - T(h, a).
    slope = -rho / math.sqrt(1 - rho * rho)
    return float(special.ndtr(z) / 2 - special.owens_t(z, slope))
