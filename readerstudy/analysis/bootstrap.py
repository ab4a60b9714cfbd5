"""Two-way cluster bootstrap: readers and cases both resampled, vectorised by weights.

Owen 2007 (Annals of Applied Statistics 1, 386-411), the pigeonhole bootstrap: a reader and a case
drawn a and b times give their reading weight a x b. It is slightly conservative: the part of the
variance that belongs to single readings is counted up to three times, never too little.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from readerstudy.analysis.proportions.counts import checked_level, one_of
from readerstudy.analysis.result import Estimate

Floats = NDArray[np.float64]

BATCH_CELLS = 1_000_000
"""Replicates are made in batches of about this many case weights, to stay within the cache."""


def crossed_weights(
    readers: int,
    strata: ArrayLike,
    *,
    replicates: int = 10_000,
    seed: int = 0,
    readers_random: bool = True,
    cases_random: bool = True,
) -> Iterator[tuple[Floats, Floats]]:
    """Batches of (reader weights (b, readers), case weights (b, cases)).

    Cases are drawn within their stratum (``strata``: one label a case), so that the numbers of
    acquired and generated scans stay those of the design. A side that is not random has weight 1.
    """
    labels = np.asarray(strata)
    cases = len(labels)
    if replicates < 1:
        raise ValueError(f"replicates must be at least 1, got {replicates}")
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    batch = max(1, min(replicates, BATCH_CELLS // max(cases, readers, 1)))
    for start in range(0, replicates, batch):
        size = min(batch, replicates - start)
        w_readers = _drawn(rng, size, readers) if readers_random else np.ones((size, readers))
        w_cases = np.ones((size, cases))
        if cases_random:
            for members in groups:
                w_cases[:, members] = _drawn(rng, size, len(members))
        yield w_readers, w_cases


def _drawn(rng: np.random.Generator, size: int, units: int) -> Floats:
    """How often each unit is drawn, (size, units): n draws with replacement a row."""
    draws = rng.integers(0, units, size=(size, units), dtype=np.int64)
    draws += np.arange(size)[:, None] * units
    counts = np.bincount(draws.ravel(), minlength=size * units)
    return counts.reshape(size, units).astype(float)


def bootstrap_sums(
    outcome: Floats,
    groups: Mapping[str, NDArray[np.bool_]],
    *,
    strata: ArrayLike | None = None,
    replicates: int = 10_000,
    seed: int = 0,
    readers_random: bool = True,
    cases_random: bool = True,
) -> tuple[Floats, Floats]:
    """Replicates of the sum of ``outcome`` and of the number of readings, group by group.

    ``outcome`` is (readers, cases), NaN missing; ``groups`` maps a name to a mask over cases. Both
    answers are (replicates, groups). One set of weights serves every group.
    """
    present = np.isfinite(outcome)
    y, n = np.where(present, outcome, 0.0), present.astype(float)
    complete = bool(present.all())
    masks = np.column_stack([np.asarray(mask, dtype=float) for mask in groups.values()])
    labels = np.zeros(outcome.shape[1]) if strata is None else strata
    tops, bottoms = [], []
    for w_readers, w_cases in crossed_weights(
        len(y),
        labels,
        replicates=replicates,
        seed=seed,
        readers_random=readers_random,
        cases_random=cases_random,
    ):
        tops.append(((w_readers @ y) * w_cases) @ masks)
        if complete:
            bottoms.append(w_readers.sum(axis=1, keepdims=True) * (w_cases @ masks))
        else:
            bottoms.append(((w_readers @ n) * w_cases) @ masks)
    return np.concatenate(tops), np.concatenate(bottoms)


def bootstrap_rates(
    outcome: Floats,
    groups: Mapping[str, NDArray[np.bool_]],
    *,
    strata: ArrayLike | None = None,
    replicates: int = 10_000,
    seed: int = 0,
    readers_random: bool = True,
    cases_random: bool = True,
) -> dict[str, Floats]:
    """Replicates of the mean of ``outcome`` over groups of cases, see :func:`bootstrap_sums`.

    Replicates of differences are differences of replicates. A replicate without any reading of a
    group is NaN.
    """
    top, bottom = bootstrap_sums(
        outcome,
        groups,
        strata=strata,
        replicates=replicates,
        seed=seed,
        readers_random=readers_random,
        cases_random=cases_random,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = top / bottom
    return {name: rates[:, k] for k, name in enumerate(groups)}


def bootstrap_statistic(
    statistic: Callable[[Floats, Floats], Floats],
    readers: int,
    strata: ArrayLike,
    *,
    replicates: int = 2_000,
    seed: int = 0,
    readers_random: bool = True,
    cases_random: bool = True,
) -> Floats:
    """Replicates of any statistic of the weights: ``statistic(reader weights, case weights)``
    takes (b, readers) and (b, cases) and returns (b,) or (b, k)."""
    batches = crossed_weights(
        readers,
        strata,
        replicates=replicates,
        seed=seed,
        readers_random=readers_random,
        cases_random=cases_random,
    )
    return np.concatenate([np.asarray(statistic(r, c), dtype=float) for r, c in batches])


def interval_from(
    replicates: Floats,
    estimate: float,
    *,
    level: float = 0.95,
    method: str = "percentile",
    units: int | None = None,
) -> tuple[float, float]:
    """An interval from bootstrap replicates.

    ``percentile``; ``basic`` (reflected); ``normal``; ``expanded`` widens the percentiles for the
    fewer of the resampled units (Hesterberg 2015, The American Statistician 69, 371-386: the
    quantile of t with ``units`` - 1 df times sqrt(units / (units - 1)) in place of the normal's).
    """
    one_of(method, ("percentile", "basic", "normal", "expanded"), "method")
    alpha = 1 - checked_level(level)
    kept = replicates[np.isfinite(replicates)]
    if len(kept) == 0:
        return math.nan, math.nan
    if method == "normal":
        half = float(stats.norm.isf(alpha / 2)) * float(kept.std(ddof=1))
        return estimate - half, estimate + half
    tail = alpha / 2
    if method == "expanded":
        if units is None or units < 2:
            raise ValueError("the expanded percentile interval needs units >= 2")
        t = float(stats.t.isf(tail, units - 1)) * math.sqrt(units / (units - 1))
        tail = float(stats.norm.sf(t))
    lower, upper = np.quantile(kept, [tail, 1 - tail])
    if method == "basic":
        return float(2 * estimate - upper), float(2 * estimate - lower)
    return float(lower), float(upper)


def bootstrap_estimate(
    replicates: Floats,
    estimate: float,
    *,
    null: float | None = None,
    level: float = 0.95,
    method: str = "percentile",
    units: int | None = None,
    name: str = "rate",
    n: int | None = None,
) -> Estimate:
    """The replicates as an :class:`Estimate`.

    p is twice the smaller share of replicates on either side of ``null`` (each counted with one
    added, so that it is never 0): the level at which the percentile interval would just reach it.
    """
    kept = replicates[np.isfinite(replicates)]
    notes: list[str] = []
    if len(kept) < len(replicates):
        notes.append(
            f"{len(replicates) - len(kept)} of {len(replicates)} resamples held no reading"
        )
    if len(kept) == 0:
        return Estimate(name, estimate, level=level, method="two-way bootstrap", n=n,
                        notes=("no resample held a reading",))  # fmt: skip
    if float(np.ptp(kept)) == 0:
        # A zero-width interval and a p near zero would be the opposite of what is known.
        notes.append("degenerate: every resample gives the same value, which says nothing of the "
                     "uncertainty; use an exact interval")  # fmt: skip
        return Estimate(
            name, estimate, level=level, null=null, n=n, notes=tuple(notes),
            method=f"two-way cluster bootstrap, {len(replicates)} resamples",
        )  # fmt: skip
    lower, upper = interval_from(kept, estimate, level=level, method=method, units=units)
    p_value = None
    if null is not None:
        ties = float((kept == null).sum()) / 2
        below = (float((kept < null).sum()) + ties + 1) / (len(kept) + 1)
        above = (float((kept > null).sum()) + ties + 1) / (len(kept) + 1)
        p_value = min(1.0, 2 * min(below, above))
    return Estimate(
        name=name,
        estimate=estimate,
        standard_error=float(kept.std(ddof=1)) if len(kept) > 1 else None,
        lower=lower,
        upper=upper,
        level=level,
        null=null,
        p_value=p_value,
        method=f"two-way cluster bootstrap, {method}, {len(replicates)} resamples",
        n=n,
        notes=tuple(notes),
    )
