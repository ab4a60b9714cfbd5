"""Linear mixed model with crossed random readers and cases, by profiled (restricted) likelihood.

y = X beta + reader + case + error. With the two relative deviations theta_r and theta_c given,
everything else is in closed form; cases are eliminated first, so the dense factor is only as large
as the number of readers. Equal to lme4's ``lmer``.

Sources: Bates, Maechler, Bolker and Walker, J Stat Softw 67 (2015) i01, sections 3.4-3.6;
Satterthwaite's degrees of freedom as in Kuznetsova, Brockhoff and Christensen, J Stat Softw 82
(2017) i13, section 2.2 (the R package lmerTest).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CrossedFit:
    """Coefficients with covariance, the variances, and twice the negative log-likelihood."""

    beta: Floats
    covariance: Floats
    var_reader: float
    var_case: float
    var_error: float
    deviance: float
    restricted: bool
    n: int
    notes: tuple[str, ...] = ()
    gradients: Floats | None = None
    """Derivatives of ``covariance`` by the variances that are not zero (k x p x p)."""
    spread: Floats | None = None
    """Asymptotic covariance of those variances (k x k)."""

    def df(self, contrast: Floats) -> float:
        """Satterthwaite's degrees of freedom of ``contrast @ beta`` (infinite: not to be had)."""
        if self.gradients is None or self.spread is None:
            return math.inf
        variance = float(contrast @ self.covariance @ contrast)
        slopes = np.einsum("p,kpq,q->k", contrast, self.gradients, contrast)
        own = float(slopes @ self.spread @ slopes)
        return 2.0 * variance**2 / own if own > 0 and variance > 0 else math.inf


def fit_crossed(
    y: Floats,
    x: Floats,
    reader: NDArray[np.intp],
    case: NDArray[np.intp],
    *,
    restricted: bool = True,
) -> CrossedFit:
    """Fit by REML (default) or ML.

    Parameters
    ----------
    y, x
        n responses and the n x p design (with its column of ones).
    reader, case
        Codes 0 .. R-1 and 0 .. C-1 of each response.

    Raises ``ValueError`` when columns of ``x`` are linearly dependent or p >= n.
    """
    n, p = x.shape
    if p >= n:
        raise ValueError(f"{n} responses cannot fit {p} coefficients")
    if np.linalg.matrix_rank(x) < p:
        raise ValueError("columns of the design are linearly dependent: leave one out")
    model = _Model(y, x, reader, case, restricted)
    active = [k for k, count in enumerate((model.readers, model.cases)) if count > 1]
    best_theta, best = np.zeros(2), model.deviance(np.zeros(2))
    # Matrices are as small as the number of readers: threads would only wait for one another.
    with threadpool_limits(limits=1, user_api="blas"):
        for start in ((1.0, 1.0), (0.2, 0.2)) if active else ():
            theta, value = _descend(model, np.array(start)[active], active)
            if value < best:
                best_theta, best = theta, value
    beta, covariance, error = model.solve(best_theta)
    variances = error * best_theta**2
    notes = tuple(
        f"{name} variance estimated zero (boundary)"
        for name, k, value in (("reader", 0, variances[0]), ("case", 1, variances[1]))
        if k in active and value < 1e-8 * error
    )
    notes += tuple(
        f"one {name}: its variance cannot be estimated"
        for name, k in (("reader", 0), ("case", 1))
        if k not in active
    )
    gradients, spread = _sensitivity(model, variances, error) if restricted else (None, None)
    return CrossedFit(
        beta, covariance, float(variances[0]), float(variances[1]), error, best, restricted, n,
        notes, gradients, spread,
    )  # fmt: skip


def _sensitivity(
    model: _Model, variances: Floats, error: float
) -> tuple[Floats | None, Floats | None]:
    """How the coefficients' covariance moves with the variances, and how surely those are known.

    By central differences on the variances that are not at zero; the boundary has no derivative.
    """
    at = np.array([variances[0], variances[1], error])
    free = [k for k in range(3) if at[k] > 1e-8 * error]
    if error <= 0:
        return None, None
    steps = np.zeros(3)
    steps[free] = 1e-4 * at[free]

    def moved(*which: tuple[int, float]) -> Floats:
        point = at.copy()
        for k, sign in which:
            point[k] += sign * steps[k]
        return point

    hessian = np.empty((len(free), len(free)))
    middle = model.deviance_of(at)
    for a, i in enumerate(free):
        ends = model.deviance_of(moved((i, 1.0))) + model.deviance_of(moved((i, -1.0)))
        hessian[a, a] = (ends - 2.0 * middle) / steps[i] ** 2
        for b, j in enumerate(free[:a]):
            same = model.deviance_of(moved((i, 1.0), (j, 1.0))) + model.deviance_of(
                moved((i, -1.0), (j, -1.0))
            )
            cross = model.deviance_of(moved((i, 1.0), (j, -1.0))) + model.deviance_of(
                moved((i, -1.0), (j, 1.0))
            )
            hessian[a, b] = hessian[b, a] = (same - cross) / (4.0 * steps[i] * steps[j])
    gradients = np.array(
        [
            np.subtract(model.covariance_of(moved((i, 1.0))), model.covariance_of(moved((i, -1.0))))
            / (2.0 * steps[i])
            for i in free
        ]
    )
    if not np.isfinite(hessian).all() or np.linalg.eigvalsh(hessian).min() <= 0:
        return None, None
    return np.asarray(gradients, dtype=float), np.asarray(2.0 * np.linalg.inv(hessian), dtype=float)


def _descend(model: _Model, start: Floats, active: list[int]) -> tuple[Floats, float]:
    """The deviance's minimum over the active relative deviations, from one start."""

    def deviance(theta: Floats) -> float:
        return model.deviance(_spread(theta, active))

    found = optimize.minimize(
        deviance, start, method="Nelder-Mead", bounds=[(0.0, 1e4)] * len(active),
        options={"xatol": 1e-7, "fatol": 1e-9, "maxiter": 2000},
    )  # fmt: skip
    return _spread(found.x, active), float(found.fun)


def _spread(theta: Floats, active: list[int]) -> Floats:
    full = np.zeros(2)
    full[active] = np.abs(theta)
    return full


class _Model:
    def __init__(
        self,
        y: Floats,
        x: Floats,
        reader: NDArray[np.intp],
        case: NDArray[np.intp],
        restricted: bool,
    ) -> None:
        self.n, self.p = x.shape
        self.restricted = restricted
        self.readers, self.cases = int(reader.max()) + 1, int(case.max()) + 1
        self.count_r = np.bincount(reader, minlength=self.readers).astype(float)
        self.count_c = np.bincount(case, minlength=self.cases).astype(float)
        cells = reader * self.cases + case
        self.cross = np.bincount(cells, minlength=self.readers * self.cases).reshape(
            self.readers, self.cases
        ).astype(float)  # fmt: skip
        xy = np.column_stack([x, y])
        self.gram = xy.T @ xy
        self.of_r = np.stack([np.bincount(reader, c, self.readers) for c in xy.T], axis=1)
        self.of_c = np.stack([np.bincount(case, c, self.cases) for c in xy.T], axis=1)

    def _reduced(self, theta: Floats) -> tuple[float, Floats]:
        """log |L|^2 and the Gram matrix of (X, y) with the random effects projected out."""
        r, c = theta
        diagonal = 1.0 + c * c * self.count_c
        between = r * c * self.cross
        schur = np.diag(1.0 + r * r * self.count_r) - (between / diagonal) @ between.T
        factor = np.linalg.cholesky(schur)
        case_part = c * self.of_c
        reader_part = r * self.of_r - between @ (case_part / diagonal[:, None])
        half = np.linalg.solve(factor, reader_part)
        gram = self.gram - case_part.T @ (case_part / diagonal[:, None]) - half.T @ half
        logdet = float(np.log(diagonal).sum() + 2.0 * np.log(np.diag(factor)).sum())
        return logdet, gram

    def deviance(self, theta: Floats) -> float:
        logdet, gram = self._reduced(theta)
        p = self.p
        factor = np.linalg.cholesky(gram[:p, :p])
        half = np.linalg.solve(factor, gram[:p, p])
        rest = max(float(gram[p, p] - half @ half), 1e-300)
        m = self.n - p if self.restricted else self.n
        extra = 2.0 * float(np.log(np.diag(factor)).sum()) if self.restricted else 0.0
        return logdet + extra + m * (1.0 + math.log(2.0 * math.pi * rest / m))

    def deviance_of(self, variances: Floats) -> float:
        """The deviance at reader, case and error variances, the coefficients profiled out."""
        error = float(variances[2])
        logdet, gram = self._reduced(np.sqrt(variances[:2] / error))
        p = self.p
        factor = np.linalg.cholesky(gram[:p, :p])
        half = np.linalg.solve(factor, gram[:p, p])
        m = self.n - p if self.restricted else self.n
        extra = 2.0 * float(np.log(np.diag(factor)).sum()) if self.restricted else 0.0
        rest = float(gram[p, p] - half @ half)
        return logdet + extra + m * math.log(2.0 * math.pi * error) + rest / error

    def covariance_of(self, variances: Floats) -> Floats:
        """Covariance of the coefficients at reader, case and error variances."""
        error = float(variances[2])
        _, gram = self._reduced(np.sqrt(variances[:2] / error))
        return np.asarray(error * np.linalg.inv(gram[: self.p, : self.p]))

    def solve(self, theta: Floats) -> tuple[Floats, Floats, float]:
        _, gram = self._reduced(theta)
        p = self.p
        inverse = np.linalg.inv(gram[:p, :p])
        beta = inverse @ gram[:p, p]
        rest = max(float(gram[p, p] - gram[:p, p] @ beta), 0.0)
        error = rest / (self.n - p if self.restricted else self.n)
        return beta, error * inverse, error
