"""Detecting separation: a direction of the coefficients along which the likelihood never turns.

Albert & Anderson 1984, Biometrika 71, 1-10; the linear programme of Konis 2007.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Floats = NDArray[np.float64]


def signed_rows(successes: Floats, trials: Floats, design: Floats) -> Floats:
    """Distinct rows (k, p) of the design, negated for failures: d separates where all @ d >= 0."""
    with_success = np.unique(design[successes > 0], axis=0)
    with_failure = np.unique(design[trials > successes], axis=0)
    return np.vstack([with_success, -with_failure])


def separated_direction(signed: Floats) -> Floats | None:
    """A direction (p,) with x'd >= 0 on every success and <= 0 on every failure, or None.

    Random effects of finite variance do not bring a maximum back along such a direction, so this
    holds for the mixed model too.
    """
    answer = optimize.linprog(
        -signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1)
    )
    if answer.x is None or answer.fun is None or answer.fun > -1e-7:
        return None
    direction: Floats = np.where(np.abs(answer.x) < 1e-9, 0.0, answer.x)
    return direction


def opens(signed: Floats, contrast: Floats, sign: float) -> bool:
    """Whether a separating direction moves ``contrast`` @ beta towards ``sign`` infinity.

    The profile likelihood never falls on that side: its limit is infinite without a search.
    """
    answer = optimize.linprog(
        -sign * contrast, A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1)
    )
    return answer.fun is not None and float(answer.fun) < -1e-7


def open_ends(signed: Floats) -> tuple[tuple[bool, bool], ...]:
    """For each coefficient whether it may go to minus and to plus infinity."""
    unit = np.eye(signed.shape[1])
    return tuple((opens(signed, one, -1.0), opens(signed, one, 1.0)) for one in unit)


def completely(signed: Floats) -> bool:
    """Whether some direction separates every row strictly: the likelihood's supremum is one."""
    rows, p = signed.shape
    answer = optimize.linprog(
        np.append(np.zeros(p), -1.0),
        A_ub=np.column_stack([-signed, np.ones(rows)]),
        b_ub=np.zeros(rows),
        bounds=[(-1, 1)] * p + [(None, 1)],
    )
    return answer.fun is not None and float(answer.fun) < -1e-7
