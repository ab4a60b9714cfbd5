"""Detecting separation: a direction of the coefficients along which the likelihood never turns.

Albert & Anderson 1984, Biometrika 71, 1-10; the linear programme of Konis 2007.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Floats = NDArray[np.float64]


def separated_direction(successes: Floats, trials: Floats, design: Floats) -> Floats | None:
    """A direction (p,) with x'd >= 0 on every success and <= 0 on every failure, or None.

    Random effects of finite variance do not bring a maximum back along such a direction, so this
    holds for the mixed model too.
    """
    with_success = np.unique(design[successes > 0], axis=0)
    with_failure = np.unique(design[trials > successes], axis=0)
    signed = np.vstack([with_success, -with_failure])
    answer = optimize.linprog(
        -signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1)
    )
    if answer.x is None or answer.fun is None or answer.fun > -1e-7:
        return None
    direction: Floats = np.where(np.abs(answer.x) < 1e-9, 0.0, answer.x)
    return direction
