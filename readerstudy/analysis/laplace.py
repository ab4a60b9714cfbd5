"""Laplace likelihood of a logistic model with crossed random intercepts, and its exact gradient.

The model is the one of lme4's ``glmer(nAGQ = 1)``: logit P(y = 1) = x'beta + sum_f sigma_f
u_f[level], u standard normal. Readers, cases and reader-by-condition terms are crossed, so the
Hessian in u is not block diagonal; but within the factor with the most levels (cases) it is, and
eliminating that factor leaves a dense matrix as small as the other factors together. One
evaluation costs O(rows + q_small^2 * q_large): no sparse Cholesky is needed.

The gradient in (beta, sigma) includes the dependence of the mode and of the log-determinant on
the parameters (implicit differentiation), so a quasi-Newton search needs some fifteen evaluations
where lme4's derivative-free search needs hundreds. Bates et al. 2015, J. Statistical Software
67(1), section 3, and Breslow & Clayton 1993, JASA 88, 9-25, equation (3), give the criterion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, lapack

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MODE_STEPS = 100
MODE_TOLERANCE = 1e-18
"""Of the Newton decrement. The log-determinant errs by its square root, and a criterion that is not
smooth to ten digits costs the line search more evaluations than the steps saved here."""


@dataclass(frozen=True)
class Curvature:
    """The factorised Hessian I + Lambda Z'WZ Lambda at one point."""

    d: Floats  # (q_large,), diagonal block of the eliminated factor
    b: Floats  # (q_small, q_large), cross block divided by d
    s: Floats  # (q_small, q_small), Cholesky factor of the Schur complement, lower
    log_determinant: float


class CrossedLaplace:
    """The criterion for given data: ``successes`` of ``trials`` on each row.

    ``design`` is (rows, p); ``factors`` are integer level codes, each (rows,), at least one.
    """

    def __init__(
        self,
        successes: Floats,
        trials: Floats,
        design: Floats,
        factors: Sequence[Ints],
        offset: Floats | None = None,
    ) -> None:
        self.y = successes
        self.m = trials
        self.x = design
        self.offset = np.zeros(len(successes)) if offset is None else offset
        self.levels = [int(codes.max()) + 1 for codes in factors]
        self.factors = list(factors)
        self.large = int(np.argmax(self.levels))
        self.small = [f for f in range(len(factors)) if f != self.large]
        # Offsets of the small factors in their common block.
        starts = np.concatenate([[0], np.cumsum([self.levels[f] for f in self.small])])
        self.start = {f: int(starts[k]) for k, f in enumerate(self.small)}
        self.q_small = int(starts[-1])
        self.q_large = self.levels[self.large]
        self._cell_of_row: dict[tuple[int, int], Ints] = {}
        self._mode: list[Floats] = [np.zeros(q) for q in self.levels]

    def evaluate(self, beta: Floats, sigma: Floats) -> tuple[float, Floats]:
        """(log-likelihood, its gradient in (beta, sigma)); binomial coefficients left out."""
        fixed = self.x @ beta + self.offset
        u, eta, mu, peak, curvature = self._find_mode(fixed, sigma)
        g = self.y - self.m * mu
        w = self.m * mu * (1 - mu)
        value = peak - 0.5 * curvature.log_determinant
        k = self._leverage_terms(curvature, sigma)
        h = sum((sigma[f] * k[f] for f in range(len(k))), np.zeros_like(eta))
        t = h * w * (1 - 2 * mu)
        q = self._solve(curvature, self._scatter(t, sigma))
        pull = self._gather(q, sigma)
        d_beta = self.x.T @ (g - 0.5 * (t - w * pull))
        d_sigma = np.empty(len(sigma))
        for f, codes in enumerate(self.factors):
            u_rows, q_rows = u[f][codes], q[f][codes]
            explicit = g @ u_rows
            determinant = t @ u_rows + g @ q_rows - (w * pull) @ u_rows + 2 * (w @ k[f])
            d_sigma[f] = explicit - 0.5 * determinant
        return value, np.concatenate([d_beta, d_sigma])

    def modes(self, beta: Floats, sigma: Floats) -> list[Floats]:
        """Conditional modes sigma_f * u_f of the random effects, one array a factor."""
        u = self._find_mode(self.x @ beta + self.offset, sigma)[0]
        return [sigma[f] * u[f] for f in range(len(u))]

    def weights(self, beta: Floats, sigma: Floats) -> Floats:
        """Binomial weights trials x mu x (1 - mu) of the rows at the conditional modes."""
        mu = self._find_mode(self.x @ beta + self.offset, sigma)[2]
        return np.asarray(np.maximum(self.m * mu * (1 - mu), 1e-300))

    def fixed_information(self, beta: Floats, sigma: Floats) -> Floats:
        """Information on beta with the variance components held, (p, p): lme4's RX'RX."""
        fixed = self.x @ beta + self.offset
        _, _, mu, _, curvature = self._find_mode(fixed, sigma)
        w = self.m * mu * (1 - mu)
        information = self.x.T @ (w[:, None] * self.x)
        for j in range(self.x.shape[1]):
            column = self._solve(curvature, self._scatter(w * self.x[:, j], sigma))
            information[:, j] -= self.x.T @ (w * self._gather(column, sigma))
        return information

    def _find_mode(
        self, fixed: Floats, sigma: Floats
    ) -> tuple[list[Floats], Floats, Floats, float, Curvature]:
        """(u, eta, mu, log p(y | u) - u'u / 2, curvature) at the mode, from the last mode.

        Penalised iteratively reweighted least squares with step halving.
        """
        u = self._mode
        eta = fixed + self._gather(u, sigma)
        mu, value = self._conditional(eta, u)
        restarted = False
        for _ in range(MODE_STEPS):
            gradient = self._scatter(self.y - self.m * mu, sigma)
            gradient = [gradient[f] - u[f] for f in range(len(u))]
            curvature = self._factorise(self.m * mu * (1 - mu), sigma)
            step = self._solve(curvature, gradient)
            decrement = sum(float(a @ b) for a, b in zip(step, gradient, strict=True))
            if decrement < MODE_TOLERANCE:
                break
            scale = 1.0
            while scale > 1e-8:
                trial = [u[f] + scale * step[f] for f in range(len(u))]
                trial_eta = fixed + self._gather(trial, sigma)
                trial_mu, trial_value = self._conditional(trial_eta, trial)
                if trial_value >= value - 1e-10 * abs(value):
                    u, eta, mu, value = trial, trial_eta, trial_mu, trial_value
                    break
                scale /= 2
            else:
                if restarted:
                    break
                # A mode carried over from a far point can be a bad start: begin again at zero.
                restarted = True
                u = [np.zeros(q) for q in self.levels]
                eta = fixed + self._gather(u, sigma)
                mu, value = self._conditional(eta, u)
        self._mode = u
        return u, eta, mu, value, curvature

    def _conditional(self, eta: Floats, u: list[Floats]) -> tuple[Floats, float]:
        """(mu, log p(y | u) - u'u / 2); one exponential serves both."""
        small = np.exp(-np.abs(eta))
        positive = eta > 0
        mu = np.where(positive, 1.0, small) / (1 + small)
        softplus = np.where(positive, eta, 0.0) + np.log1p(small)
        likelihood = self.y @ eta - self.m @ softplus
        return mu, float(likelihood - 0.5 * sum(float(v @ v) for v in u))

    def _gather(self, u: list[Floats], sigma: Floats) -> Floats:
        """Z Lambda u, (rows,)."""
        total = np.zeros(len(self.y))
        for f, codes in enumerate(self.factors):
            if sigma[f] != 0:
                total += sigma[f] * u[f][codes]
        return total

    def _scatter(self, rows: Floats, sigma: Floats) -> list[Floats]:
        """Lambda Z' rows, one array a factor."""
        return [
            sigma[f] * np.bincount(codes, weights=rows, minlength=self.levels[f])
            for f, codes in enumerate(self.factors)
        ]

    def _factorise(self, w: Floats, sigma: Floats) -> Curvature:
        large, codes = self.large, self.factors[self.large]
        d = 1 + sigma[large] ** 2 * np.bincount(codes, weights=w, minlength=self.q_large)
        cross = np.zeros((self.q_small, self.q_large))
        block = np.eye(self.q_small)
        active = [f for f in self.small if sigma[f] != 0]
        for f in active:
            rows = slice(self.start[f], self.start[f] + self.levels[f])
            if sigma[large] != 0:
                cells = self._cells(f, large, w)
                cross[rows] = sigma[f] * sigma[large] * cells
            for other in active:
                if other < f:
                    continue
                columns = slice(self.start[other], self.start[other] + self.levels[other])
                cells = sigma[f] * sigma[other] * self._cells(f, other, w)
                block[rows, columns] += cells
                if other != f:
                    block[columns, rows] += cells.T
        b = cross / d
        s = _cholesky(block - b @ cross.T) if self.q_small else block
        log_determinant = float(np.log(d).sum() + 2 * np.log(np.diag(s)).sum())
        return Curvature(d, b, s, log_determinant)

    def _cells(self, first: int, second: int, w: Floats) -> Floats:
        """Weights summed over the cells of two factors, (levels of first, levels of second)."""
        shape = (self.levels[first], self.levels[second])
        if (first, second) not in self._cell_of_row:
            cell = self.factors[first] * shape[1] + self.factors[second]
            self._cell_of_row[first, second] = cell
        counts = np.bincount(
            self._cell_of_row[first, second], weights=w, minlength=shape[0] * shape[1]
        )
        return np.asarray(counts, dtype=np.float64).reshape(shape)

    def _solve(self, curvature: Curvature, right: list[Floats]) -> list[Floats]:
        answer = [np.empty(0)] * len(right)
        r_large = right[self.large]
        if self.q_small:
            r_small = np.concatenate([right[f] for f in self.small])
            x_small = _cholesky_solve(curvature.s, r_small - curvature.b @ r_large)
            for f in self.small:
                answer[f] = x_small[self.start[f] : self.start[f] + self.levels[f]]
            answer[self.large] = r_large / curvature.d - curvature.b.T @ x_small
        else:
            answer[self.large] = r_large / curvature.d
        return answer

    def _leverage_terms(self, curvature: Curvature, sigma: Floats) -> list[Floats]:
        """k_f = row by row, the component of H^-1 Lambda z_i that belongs to factor f."""
        codes = self.factors[self.large]
        rows = len(self.y)
        terms = [np.zeros(rows) for _ in self.factors]
        diagonal = 1 / curvature.d
        if self.q_small:
            p = _cholesky_solve(curvature.s, np.eye(self.q_small))
            m = p @ curvature.b
            diagonal = diagonal + np.einsum("sc,sc->c", curvature.b, m)
            for f in self.small:
                index = self.start[f] + self.factors[f]
                cross = -m[index, codes]
                terms[f] += sigma[self.large] * cross
                terms[self.large] += sigma[f] * cross
                for other in self.small:
                    if sigma[other] != 0:
                        other_index = self.start[other] + self.factors[other]
                        terms[f] += sigma[other] * p[index, other_index]
        terms[self.large] += sigma[self.large] * diagonal[codes]
        return terms


# LAPACK itself: scipy.linalg's checks cost several times the work on matrices of a few readers,
# and a fit with its profile intervals factorises some thousands of them.


def _cholesky(matrix: Floats) -> Floats:
    factor, failed = lapack.dpotrf(matrix, lower=1)
    if failed:
        raise LinAlgError("the Hessian of the random effects is not positive definite")
    return np.asarray(factor)


def _cholesky_solve(factor: Floats, right: Floats) -> Floats:
    return np.asarray(lapack.dpotrs(factor, right, lower=1)[0])
