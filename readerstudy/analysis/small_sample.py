"""What few readers do to a crossed model's interval, and its remedy.

Maximum likelihood makes a variance component of few levels too small, and most so where it puts it
at zero; the normal quantile forgets that it is an estimate. Here the variance of an estimate is
taken apart into what lies between the levels of each factor (the mean square of an analysis of
variance: the component's own part and the residual's) and the rest. A factor whose levels leave
``df`` contrasts beside the fixed effects that vary between them only has its part scaled by
(df + those effects) / df, also where its component is at zero, and the quantile is t's with
Satterthwaite's degrees of freedom: V^2 / sum of part^2 / df. In a balanced linear model the scaled
parts are the restricted likelihood's.

Sources: Pinheiro & Bates 2000, Mixed-Effects Models in S and S-PLUS, sections 2.2.5 and 2.4.2
(restricted likelihood, containment); Satterthwaite 1946, Biometrics Bulletin 2, 110-114; the same
sum of mean squares with Satterthwaite's degrees of freedom serves the linear model of readers and
cases in Hillis 2007, Statistics in Medicine 26, 596-619.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from readerstudy.analysis.crossed_model import CrossedModel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

METHOD = "t on mean squares (Satterthwaite)"

STEP = 1e-3
"""Relative step in a variance component for the share of a variance that it answers for."""


@dataclass
class _Stratum:
    """What lies between the levels of one factor, beyond what lies between those of a coarser."""

    codes: Ints
    size: int  # contrasts between its levels, the fixed effects' among them
    df: int  # those that the fixed effects leave
    coarser: str | None
    share: float = 0.0  # the component's part of the variance


def small_sample(model: CrossedModel, row: Floats) -> tuple[float, float]:
    """(what to add to the variance of row'beta, degrees of freedom of its t)."""
    strata = _strata(model)
    total = _shares(model, row, strata)
    left = max(total - sum(stratum.share for stratum in strata.values()), 0.0)
    weight = model.model.weights(model.theta[: model.p], _sigma(model))
    x = model.model.x
    pull = weight * (x @ (np.linalg.pinv(x.T @ (weight[:, None] * x)) @ row))
    noise = float((pull**2 / weight).sum())

    def residual_between(codes: Ints) -> float:
        """The residual's share that the sums over levels of ``codes`` carry, 0 to 1."""
        sums, known = np.bincount(codes, pull), np.bincount(codes, weight)
        return float((sums**2 / known).sum()) / noise if noise > 0 else 0.0

    carried = {name: residual_between(stratum.codes) for name, stratum in strata.items()}
    parts = {name: stratum.share + carried[name] * left for name, stratum in strata.items()}
    rest = left
    for name, stratum in strata.items():
        # Levels within levels: what the coarser factor's sums carry is its part, not this one's.
        moved = carried[name] * left
        if stratum.coarser is not None:
            upwards = _carried_upwards(pull, stratum.codes, strata[stratum.coarser].codes)
            moved -= carried[stratum.coarser] * left
            parts[stratum.coarser] += upwards * stratum.share
            parts[name] = (1 - upwards) * stratum.share + max(moved, 0.0)
        rest -= moved
    corrected = {name: part * strata[name].size / strata[name].df for name, part in parts.items()}
    variance = sum(corrected.values()) + rest
    spread = sum(value**2 / strata[name].df for name, value in corrected.items())
    free = model.n - model.p - sum(stratum.df for stratum in strata.values())
    spread += rest**2 / max(free, 1)
    if not variance > 0 or not spread > 0:
        return 0.0, math.inf
    return max(variance - total, 0.0), variance**2 / spread


def _sigma(model: CrossedModel) -> Floats:
    return model.sigma_of_factors(model.theta[model.p :])


def _strata(model: CrossedModel) -> dict[str, _Stratum]:
    """One for every factor whose component was estimated, at zero or not."""
    codes = dict(zip(model.factors, model.model.factors, strict=False))
    found = {}
    for name, own in codes.items():
        levels = model.levels[name]
        outer = [
            other for other, theirs in codes.items()
            if model.levels[other] < levels and _within(own, theirs)
        ]  # fmt: skip
        coarser = max(outer, key=lambda other: model.levels[other]) if outer else None
        size = levels - (model.levels[coarser] if coarser else 0)
        effects = between_level_effects(
            model.model.x, own, codes[coarser] if coarser is not None else None
        )
        found[name] = _Stratum(own, size, max(size - effects, 1), coarser)
    return found


def between_level_effects(design: Floats, codes: Ints, coarser: Ints | None = None) -> int:
    """Rank of the columns of ``design`` (rows, p) that are constant within every level of
    ``codes``, beyond what is constant within the levels of ``coarser``."""
    order = np.argsort(codes, kind="stable")
    same_level = codes[order][1:] == codes[order][:-1]
    changed = design[order][1:] != design[order][:-1]
    constant = ~(changed & same_level[:, None]).any(axis=0)
    _, first = np.unique(codes, return_index=True)
    of_level = design[first][:, constant]
    if coarser is not None:
        outer = coarser[first]
        counts = np.bincount(outer)
        for column in of_level.T:
            column -= (np.bincount(outer, column) / counts)[outer]
    return int(np.linalg.matrix_rank(of_level)) if of_level.size else 0


def _within(finer: Ints, coarser: Ints) -> bool:
    """Whether every level of ``finer`` lies within one level of ``coarser``."""
    pairs = finer.astype(np.int64) * (int(coarser.max()) + 1) + coarser
    return len(np.unique(pairs)) == len(np.unique(finer))


def _shares(model: CrossedModel, row: Floats, strata: dict[str, _Stratum]) -> float:
    """The variance of row'beta; each active component's part is noted in its stratum."""
    beta, sigma = model.theta[: model.p], _sigma(model)

    def variance(values: Floats) -> float:
        return float(row @ np.linalg.pinv(model.model.fixed_information(beta, values)) @ row)

    total = left = variance(sigma)
    for name in model.active:
        slot = model.factors.index(name)
        bumped = sigma.copy()
        bumped[slot] *= math.sqrt(1 + STEP)
        strata[name].share = min(max((variance(bumped) - total) / STEP, 0.0), left)
        left -= strata[name].share
    return total


def _carried_upwards(pull: Floats, finer: Ints, coarser: Ints) -> float:
    """Of a finer component's variance, what the sums over the coarser levels carry."""
    own = float((np.bincount(finer, pull) ** 2).sum())
    _, first = np.unique(finer, return_index=True)
    inner = np.bincount(coarser[first], minlength=int(coarser.max()) + 1)
    above = float((np.bincount(coarser, pull) ** 2 / np.maximum(inner, 1)).sum())
    return min(above / own, 1.0) if own > 0 else 0.0
