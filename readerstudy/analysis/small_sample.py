"""What few readers do to a crossed model's interval, and its remedy.

Maximum likelihood makes a variance component of L levels too small by about (L - r) / L, where r of
the fixed effects vary between its levels only, and the normal quantile forgets that the component
is an estimate. Here the part of a variance that a component answers for is scaled by L / (L - r),
and the quantile is t's with Satterthwaite's degrees of freedom from L - r a component: what
restricted likelihood and containment degrees of freedom do for linear models (Pinheiro & Bates
2000, Mixed-Effects Models in S and S-PLUS, sections 2.2.5 and 2.4.2; Satterthwaite 1946, Biometrics
Bulletin 2, 110-114).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from readerstudy.analysis.crossed_model import CrossedModel

Floats = NDArray[np.float64]

STEP = 1e-3
"""Relative step in a variance component for the share of a variance that it answers for."""


def between_level_effects(design: Floats, codes: NDArray[np.int64]) -> int:
    """How many columns of ``design`` (rows, p) are constant within every level of ``codes``."""
    order = np.argsort(codes, kind="stable")
    same_level = codes[order][1:] == codes[order][:-1]
    changed = design[order][1:] != design[order][:-1]
    return int((~(changed & same_level[:, None]).any(axis=0)).sum())


def small_sample(model: CrossedModel, row: Floats) -> tuple[float, float]:
    """(what to add to the variance of row'beta, degrees of freedom of its t)."""
    beta, sigma = model.theta[: model.p], model.theta[model.p :]
    full = model.sigma_of_factors(sigma)

    def variance(values: Floats) -> float:
        return float(row @ np.linalg.pinv(model.model.fixed_information(beta, values)) @ row)

    total = variance(full)
    added, spread, left = 0.0, 0.0, total
    for name in model.active:
        slot = model.factors.index(name)
        bumped = full.copy()
        bumped[slot] *= math.sqrt(1 + STEP)
        share = min(max((variance(bumped) - total) / STEP, 0.0), left)
        levels = model.levels[name]
        lost = between_level_effects(model.model.x, model.model.factors[slot])
        df = max(levels - lost, 1)
        corrected = share * levels / df
        left -= share
        added += corrected - share
        spread += corrected**2 / df
    spread += left**2 / max(model.n - model.p, 1)
    return added, (total + added) ** 2 / spread if spread > 0 else math.inf
