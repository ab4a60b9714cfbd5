"""One realism rate pooled over readers and cases, four ways side by side.

The four treat readers and cases as random and should agree; where they do not, the reader of the
report must see it. The plain binomial is given only with its warning.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from readerstudy.analysis import proportions
from readerstudy.analysis.bootstrap import bootstrap_estimate
from readerstudy.analysis.crossed_mean import u_statistic_difference, u_statistic_rate
from readerstudy.analysis.realism_equivalence import (
    of_replicates,
    on_its_own_scale,
    on_the_logit,
)
from readerstudy.analysis.realism_mixed import (
    bounded_like,
    mixed_difference,
    mixed_rate,
    not_fitted,
)
from readerstudy.analysis.result import Estimate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

WAYS = ("u_statistic", "mixed", "bootstrap", "reader_averaged")
CLUSTERING = "ignores that readings cluster in readers and cases: its interval can be far too short"


@dataclass(frozen=True)
class PooledRate:
    """A realism rate by every way; ``primary`` is the U-statistic."""

    name: str
    n: int
    successes: int
    readers: int
    cases: int
    u_statistic: Estimate
    mixed: Estimate
    bootstrap: Estimate
    reader_averaged: Estimate
    binomial: Estimate
    equivalence: dict[str, Estimate] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def primary(self) -> Estimate:
        """The estimate to quote."""
        return self.u_statistic

    def estimates(self) -> Iterator[tuple[str, Estimate]]:
        """(way, estimate), the four and the binomial, then equivalence."""
        for way in (*WAYS, "binomial"):
            yield way, getattr(self, way)
        for way, estimate in self.equivalence.items():
            yield f"equivalence, {way}", estimate

    def to_dict(self) -> dict[str, Any]:
        """Every number, ready for JSON."""
        return {
            "name": self.name,
            "n": self.n,
            "successes": self.successes,
            "readers": self.readers,
            "cases": self.cases,
            **{way: getattr(self, way).to_dict() for way in (*WAYS, "binomial")},
            "equivalence": {way: e.to_dict() for way, e in self.equivalence.items()},
            "notes": list(self.notes),
        }


def pooled_rate(
    real: Floats,
    replicates: Floats,
    *,
    name: str,
    chance: float | None,
    level: float,
    margin: float | None = None,
    alpha: float = 0.05,
    mixed_model: bool = True,
) -> PooledRate:
    """Pool ``real`` (readers, cases; NaN not read); ``replicates`` are its bootstrap means.

    Without ``mixed_model`` the crossed logistic model, which takes nearly all of the time, is not
    fitted, and its place holds NaN.
    """
    present = np.isfinite(real)
    n, successes = int(present.sum()), int(np.nansum(real))
    u = u_statistic_rate(real, null=chance, level=level, name=name)
    mixed = (
        mixed_rate(real, null=chance, level=level, name=name)
        if mixed_model
        else not_fitted(name, level, n)
    )
    if successes in (0, n) and n and mixed_model:
        mixed = bounded_like(mixed, u)
    boot = bootstrap_estimate(
        replicates,
        successes / n if n else math.nan,
        null=chance,
        level=level,
        name=name,
        n=n,
    )
    averaged = reader_averaged(real, null=chance, level=level, name=name)
    plain = proportions.binomial_test(
        successes, n, 0.5 if chance is None else chance, level=level, name=name
    )
    equivalence = {}
    if margin is not None and chance is not None and n:
        low, high = chance - margin, chance + margin
        if low <= 0 or high >= 1:
            raise ValueError(f"margin {margin:g} around {chance:g} leaves 0 to 1; choose a smaller")
        for way, estimate in (("u_statistic", u), ("reader_averaged", averaged)):
            equivalence[way] = on_its_own_scale(estimate, chance, margin, alpha)
        if mixed_model:
            equivalence["mixed"] = on_the_logit(mixed, chance, margin, alpha)
        equivalence["bootstrap"] = of_replicates(replicates, boot, chance, margin, alpha)
    return PooledRate(
        name=name,
        n=n,
        successes=successes,
        readers=int(present.any(axis=1).sum()),
        cases=int(present.any(axis=0).sum()),
        u_statistic=u,
        mixed=mixed,
        bootstrap=boot,
        reader_averaged=averaged,
        binomial=_with_note(plain, CLUSTERING),
        equivalence=equivalence,
    )


def reader_averaged(
    real: Floats, *, null: float | None, level: float, name: str = "rate"
) -> Estimate:
    """Mean of the readers' own rates with the one-sample t test over readers."""
    method = "mean of the readers' rates, t over readers"
    rates = _reader_rates(real)
    return _t_over_readers(rates, null, level, name, method, int(np.isfinite(real).sum()), (0, 1))


def difference_four_ways(
    generated: Floats,
    acquired: Floats,
    replicates: Floats,
    *,
    level: float,
    name: str = "generated minus acquired",
    labels: tuple[str, str] = ("generated", "acquired"),
    mixed_model: bool = True,
) -> dict[str, Estimate]:
    """Generated minus acquired realism rate by the four ways and the warned plain score.

    Any two sets of different cases read by the same readers will do, two generators for one;
    ``labels`` name them in the notes.
    """
    n = int(np.isfinite(generated).sum() + np.isfinite(acquired).sum())
    estimate = _mean(generated) - _mean(acquired)
    paired = _reader_rates(generated) - _reader_rates(acquired)
    table = (
        int(np.nansum(generated)),
        int(np.isfinite(generated).sum()),
        int(np.nansum(acquired)),
        int(np.isfinite(acquired).sum()),
    )
    plain = proportions.miettinen_nurminen(*table, level=level)
    return {
        "u_statistic": u_statistic_difference(
            generated, acquired, level=level, name=name, labels=labels
        ),
        "mixed": mixed_difference(generated, acquired, level, name)
        if mixed_model
        else not_fitted(name, level, n),
        "bootstrap": bootstrap_estimate(
            replicates, estimate, null=0.0, level=level, name=name, n=n
        ),
        "reader_averaged": _t_over_readers(
            paired, 0.0, level, name, "mean of the readers' differences, t over readers", n, (-1, 1)
        ),
        "independent": _with_note(plain, CLUSTERING),
    }


def _mean(values: Floats) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan


def _reader_rates(real: Floats) -> Floats:
    """(readers,), NaN for a reader without a reading."""
    counts = np.isfinite(real).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nansum(real, axis=1) / counts)


def _t_over_readers(
    rates: Floats,
    null: float | None,
    level: float,
    name: str,
    method: str,
    n: int,
    ends: tuple[float, float],
) -> Estimate:
    rates = rates[np.isfinite(rates)]
    count = len(rates)
    if count < 2:
        return Estimate(
            name=name,
            estimate=float(rates[0]) if count else math.nan,
            lower=float(ends[0]),
            upper=float(ends[1]),
            level=level,
            null=null,
            method=method,
            n=n,
            notes=(f"{count or 'no'} reader: variation between readers cannot be seen",),
        )
    mean, error = float(rates.mean()), float(rates.std(ddof=1)) / math.sqrt(count)
    if error < 1e-15:
        return Estimate(
            name=name,
            estimate=mean,
            lower=float(ends[0]),
            upper=float(ends[1]),
            level=level,
            null=null,
            method=method,
            n=n,
            details={"reader_rates": rates},
            notes=("degenerate: all readers have the same rate, t is not defined",),
        )
    half = float(stats.t.isf((1 - level) / 2, count - 1)) * error
    statistic = None if null is None else (mean - null) / error
    return Estimate(
        name=name,
        estimate=mean,
        standard_error=error,
        lower=max(ends[0], mean - half),
        upper=min(ends[1], mean + half),
        level=level,
        null=null,
        statistic=statistic,
        df=float(count - 1),
        p_value=None if statistic is None else float(2 * stats.t.sf(abs(statistic), count - 1)),
        method=method,
        n=n,
        details={"reader_rates": rates},
    )


def _with_note(estimate: Estimate, note: str) -> Estimate:
    return dataclasses.replace(estimate, notes=(*estimate.notes, note))
