"""HYPE: human error in telling generated from acquired images, unlimited and timed.

Zhou, Gordon, Krishna, Narcomey, Fei-Fei & Bernstein 2019, "HYPE: A Benchmark for Human eYe
Perceptual Evaluation of Generative Models", arXiv 1904.01121.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from readerstudy.analysis.result import Estimate
from readerstudy.analysis.tidy import name_rows, numeric, require_columns

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

START_MS, SHORTEST_MS, LONGEST_MS = 500, 100, 1000
DOWN_MS, UP_MS = 10, 30
"""Ten milliseconds less after a right answer, thirty more after a wrong one: the steps balance
where three answers in four are right."""


def hype_infinity(real: Floats, generated: Bools, *, level: float = 0.95) -> Estimate:
    """Error rate without a time limit: readers' errors on both kinds, each weighing one half.

    ``real`` is (readers, cases), 1 judged real, NaN not read. 0.5 is a reader who cannot tell.
    Averaged over readers who read both kinds; t interval over readers.
    """
    wrong = np.where(generated, real, 1 - real)
    with np.errstate(invalid="ignore", divide="ignore"):
        on_generated = np.nansum(wrong[:, generated], axis=1) / np.isfinite(
            wrong[:, generated]
        ).sum(axis=1)
        on_acquired = np.nansum(wrong[:, ~generated], axis=1) / np.isfinite(
            wrong[:, ~generated]
        ).sum(axis=1)
    scores = (on_generated + on_acquired) / 2
    kept = np.isfinite(scores)
    details = {
        "errors_on_generated": float(on_generated[kept].mean()) if kept.any() else math.nan,
        "errors_on_acquired": float(on_acquired[kept].mean()) if kept.any() else math.nan,
        "readers": int(kept.sum()),
    }
    n = int(np.isfinite(real).sum())
    return _over_readers("HYPE-infinity error rate", scores[kept], level, n, details, 1.0)


def hype_time(
    table: pd.DataFrame,
    *,
    reader: str = "reader",
    exposure: str = "exposure_ms",
    staircase: str | None = None,
    level: float = 0.95,
) -> Estimate:
    """Modal exposure in ms over each reader's staircase, averaged over readers.

    One row a trial. With several staircases a reader (column ``staircase``) a reader's score is
    their mean. Where two exposures are equally frequent the mode is their mean. The longer, the
    more realistic. Raises ``ValueError`` naming rows with an exposure that is not positive.
    """
    columns = [reader, exposure] + ([staircase] if staircase else [])
    require_columns(table, columns)
    times = numeric(table, exposure)
    wrong = ~(times > 0)
    if wrong.any():
        raise ValueError(f"{name_rows(table.index[wrong])}: {exposure} must be positive, in ms")
    keys = [table[reader]] + ([table[staircase]] if staircase else [])
    modes = times.groupby(keys).agg(lambda values: float(values.mode().mean()))
    scores = np.asarray(modes.groupby(level=0).mean(), dtype=np.float64)
    details = {"readers": len(scores), "shortest": float(scores.min()), "longest": scores.max()}
    return _over_readers("HYPE-time exposure (ms)", scores, level, len(table), details, math.inf)


def staircase_next(exposure_ms: float, *, correct: bool) -> float:
    """The next trial's exposure: 10 ms less after a right answer, 30 ms more after a wrong one,
    within 100 to 1000 ms (a staircase starts at 500)."""
    following = exposure_ms - DOWN_MS if correct else exposure_ms + UP_MS
    return float(min(LONGEST_MS, max(SHORTEST_MS, following)))


def _over_readers(
    name: str, scores: Floats, level: float, n: int, details: dict[str, float], most: float
) -> Estimate:
    count = len(scores)
    method = "mean over readers, t interval"
    mean = float(scores.mean()) if count else math.nan
    if count < 2:
        return Estimate(
            name,
            mean,
            lower=0.0,
            upper=most,
            level=level,
            method=method,
            n=n,
            details=dict(details),
            notes=("fewer than two readers: no interval over readers",),
        )
    error = float(scores.std(ddof=1)) / math.sqrt(count)
    half = float(stats.t.isf((1 - level) / 2, count - 1)) * error
    return Estimate(
        name=name,
        estimate=mean,
        standard_error=error,
        lower=max(0.0, mean - half),
        upper=min(most, mean + half),
        level=level,
        df=float(count - 1),
        method=method,
        n=n,
        details=dict(details),
        notes=() if error > 0 else ("degenerate: all readers have the same score",),
    )
