"""Placement values of the empirical AUC and DeLong's covariance from midranks.

Shared by the ROC estimators (``roc``) and the multi-reader ones (``mrmc``).

Sources: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837-845; Sun and Xu, IEEE Signal
Processing Letters 21 (2014) 1389-1393 (midranks, O(n log n)).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def placements(positive: Floats, negative: Floats) -> tuple[Floats, Floats]:
    """Structural components V10 (one per positive) and V01 (one per negative case).

    V10[i] is the share of negatives rated below positive i, ties counting one half; V01[j] the
    share of positives rated above negative j. Their means are both the AUC. Found by binary
    search in the sorted other class, which is the midrank difference of Sun and Xu.
    """
    sorted_negative, sorted_positive = np.sort(negative), np.sort(positive)
    below = np.searchsorted(sorted_negative, positive, side="left")
    up_to = np.searchsorted(sorted_negative, positive, side="right")
    v10 = (below + up_to) / (2.0 * negative.size)
    under = np.searchsorted(sorted_positive, negative, side="left")
    through = np.searchsorted(sorted_positive, negative, side="right")
    v01 = 1.0 - (under + through) / (2.0 * positive.size)
    return v10, v01


def placement_matrix(ratings: Floats, truth: NDArray[np.bool_]) -> Floats:
    """Placements of every case under each of m ratings at once (m x n, NaN where not rated).

    V10 at positive cases, V01 at negative ones, from one sort a row. Rows without a rated case of
    either class are NaN throughout.
    """
    scores = np.asarray(ratings, dtype=float)
    placed = np.full(scores.shape, np.nan)
    for values, into in zip(scores, placed, strict=True):
        rated = ~np.isnan(values)
        complete = bool(rated.all())
        known, label = (values, truth) if complete else (values[rated], truth[rated])
        negatives = int(known.size - label.sum())
        if negatives in (0, known.size):
            continue
        order = np.argsort(known)
        answer = np.empty(known.size)
        answer[order] = _sorted_placements(known[order], label[order], negatives)
        if complete:
            into[:] = answer
        else:
            into[rated] = answer
    return placed


def _sorted_placements(ordered: Floats, label: NDArray[np.bool_], negatives: int) -> Floats:
    """Placements of ratings in ascending order: counts at both ends of each run of equal ones."""
    n = ordered.size
    count = np.zeros(n + 1)  # negatives among the first k
    np.cumsum(~label, out=count[1:])
    place = np.arange(n + 1, dtype=float)
    new = ordered[1:] != ordered[:-1]
    if new.all():
        negative_rank, rank = count[:-1] + count[1:], place[:-1] + place[1:]
    else:
        edges = np.concatenate([[0], np.flatnonzero(new) + 1, [n]])
        run = np.concatenate([[0], np.cumsum(new)])
        negative_rank = (count[edges[:-1]] + count[edges[1:]])[run]
        rank = (edges[:-1] + edges[1:]).astype(float)[run]
    share_below = negative_rank / (2.0 * negatives)
    share_above = 1.0 - (rank - negative_rank) / (2.0 * (n - negatives))
    return np.where(label, share_below, share_above)


def delong_covariance(ratings: Floats, truth: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """AUCs (m,) and their DeLong covariance (m, m) of m ratings of the same cases.

    Parameters
    ----------
    ratings
        m x n, finite, higher meaning "more likely positive".
    truth
        n booleans.

    Raises
    ------
    ValueError
        Fewer than two cases in a class (the sample covariance of placements is not defined), or
        a rating that is not finite.
    """
    scores = np.atleast_2d(np.asarray(ratings, dtype=float))
    labels = np.asarray(truth, dtype=bool)
    if scores.shape[1] != labels.size:
        raise ValueError(f"{scores.shape[1]} ratings a row but {labels.size} truths")
    if not np.isfinite(scores).all():
        row, column = np.argwhere(~np.isfinite(scores))[0]
        raise ValueError(f"rating {column} of row {row} is not finite: drop or impute it first")
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if min(positives, negatives) < 2:
        raise ValueError(
            f"DeLong's covariance needs two cases of each class, got {positives} positive and "
            f"{negatives} negative"
        )
    placed = placement_matrix(scores, labels)
    v10, v01 = placed[:, labels], placed[:, ~labels]
    auc = v10.mean(axis=1)
    d10, d01 = v10 - auc[:, None], v01 - auc[:, None]
    covariance = d10 @ d10.T / (positives * (positives - 1)) + d01 @ d01.T / (
        negatives * (negatives - 1)
    )
    return auc, covariance


def separation_bound(positives: int, negatives: int, *, level: float = 0.95) -> float:
    """Exact lower confidence bound of the AUC when the two classes are perfectly separated.

    An observed AUC of 1 implies that all m = min(n1, n0) disjoint positive-negative pairs are in
    order; they are independent, so P(observed AUC = 1) <= AUC^m and AUC >= (alpha / 2)^(1 / m) at
    two-sided ``level`` (the Clopper-Pearson bound of m out of m). By symmetry an AUC of 0 has the
    upper bound one minus this.
    """
    pairs = min(positives, negatives)
    if pairs < 1:
        return 0.0
    return math.exp(math.log((1.0 - level) / 2.0) / pairs)
