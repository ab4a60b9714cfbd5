"""Ratings and truth as checked arrays and as an ordered table of counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from readerstudy.analysis.tidy import shown

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def paired_ratings(
    first: ArrayLike, second: ArrayLike, truth: ArrayLike
) -> tuple[Floats, Floats, Bools, int]:
    """Two ratings of the same cases, boolean truth, and how many cases without both were left out.

    Raises ``ValueError`` for unequal lengths and what :func:`checked_ratings` refuses.
    """
    a, b = np.asarray(first, dtype=float).ravel(), np.asarray(second, dtype=float).ravel()
    if len(a) != len(b):
        raise ValueError(f"paired ratings differ in length: {len(a)} and {len(b)}")
    together = np.where(np.isfinite(a) & np.isfinite(b), a, np.nan)
    _, labels, missing = checked_ratings(together, truth)
    kept = np.isfinite(together)
    return a[kept], b[kept], labels, missing


def checked_ratings(ratings: ArrayLike, truth: ArrayLike) -> tuple[Floats, Bools, int]:
    """Finite ratings, boolean truth and how many missing (NaN) ratings were left out.

    Raises ``ValueError`` for unequal lengths, infinite ratings, a truth other than 0 and 1, or a
    missing class, naming what was found.
    """
    scores = np.asarray(ratings, dtype=float).ravel()
    labels = zero_or_one(truth, "truth")
    if len(scores) != len(labels):
        raise ValueError(f"{len(scores)} ratings but {len(labels)} truths")
    infinite = np.flatnonzero(np.isinf(scores))
    if len(infinite):
        raise ValueError(f"rating at position {infinite[0]} is infinite")
    kept = np.isfinite(scores)
    positives, negatives = int(labels[kept].sum()), int((~labels[kept]).sum())
    if not (positives and negatives):
        raise ValueError(
            f"single-class data ({positives} positive, {negatives} negative): an ROC curve needs "
            "both classes; report the proportion instead"
        )
    return scores[kept], np.asarray(labels[kept], dtype=bool), int((~kept).sum())


def zero_or_one(values: ArrayLike, name: str) -> Bools:
    """0 / 1 or booleans as booleans; ``ValueError`` naming the first value that is neither."""
    labels = np.asarray(values).ravel()
    if labels.dtype == bool:
        return labels
    # As numbers, so that 1, 1.0 and True are one; what is no number is neither.
    numbers = pd.to_numeric(pd.Series(labels, dtype=object), errors="coerce").to_numpy(float)
    wrong = np.flatnonzero(~np.isin(numbers, (0.0, 1.0)))
    if len(wrong):
        raise ValueError(
            f"{name} at position {wrong[0]} is {shown(labels[wrong[0]])}; it must be 0 or 1"
        )
    return np.asarray(numbers == 1)


def counts_by_category(
    ratings: Floats, truth: Bools, *, most: int
) -> tuple[Floats, Floats, Floats]:
    """(lowest rating of each category, noise counts, signal counts), ascending.

    Neighbouring values that only one class uses say the same of the curve and are merged (Metz,
    Herman & Shen 1998, Statistics in Medicine 17, 1033-1053); beyond ``most`` categories those are
    merged into quantile groups.
    """
    values, codes = np.unique(ratings, return_inverse=True)
    noise = np.bincount(codes, weights=~truth, minlength=len(values)).astype(float)
    signal = np.bincount(codes, weights=truth, minlength=len(values)).astype(float)
    if len(values) > most:
        kind = np.where(signal == 0, -1, np.where(noise == 0, 1, 0))
        # A run ends where the class changes; mixed values always stand alone.
        starts = np.flatnonzero(np.concatenate([[True], (kind[1:] != kind[:-1]) | (kind[1:] == 0)]))
        values = values[starts]
        noise, signal = np.add.reduceat(noise, starts), np.add.reduceat(signal, starts)
    if len(values) > most:
        share = np.cumsum(noise / noise.sum() + signal / signal.sum()) / 2
        group = np.minimum((share - 1e-12) * most, most - 1).astype(int)
        starts = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
        values = values[starts]
        noise, signal = np.add.reduceat(noise, starts), np.add.reduceat(signal, starts)
    return values, noise, signal
