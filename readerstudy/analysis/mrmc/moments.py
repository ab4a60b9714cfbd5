"""Second moments of reader-modality cells, for any pattern of missing readings.

A *cell* is one reader under one modality. For the AUC the kernel of a cell is the success s(i, j)
of positive case i against negative case j (1, 1/2 on ties, 0); for a binary endpoint it is the
response x(k) of case k. All estimators of covariance here need, for every two cells, only sums of
products of kernels that share both cases, one, or none.

Source: Gallas, Acad Radiol 13 (2006) 353-362; Gallas, Bandos, Samuelson and Wagner, Commun Stat
Theory Methods 38 (2009) 2586-2603; Gallas and Brown, Neural Networks 21 (2008) 387-397 (arbitrary
designs).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from readerstudy.analysis.delong import placement_matrix

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Positive cases (at least) and numbers compared at a time: blocks stay in the cache, and their sums
# of ones are exact in float32.
ROWS = 8
NUMBERS = 200_000


@dataclass(frozen=True)
class CellMoments:
    """Biased sums for every two of m cells; axis 0 of ``numerators`` tells what is shared.

    AUC: both cases, the positive case, the negative case, none (4 x m x m). Binary: the case, none
    (2 x m x m). ``denominators`` count the terms of each sum; ``sums`` and ``counts`` are the
    cells' own (m).
    """

    numerators: Floats
    denominators: Floats
    sums: Floats
    counts: Floats

    @property
    def means(self) -> Floats:
        """The cells' figures of merit (NaN where a cell has no kernel)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.sums / self.counts)


def auc_moments(ratings: Floats, truth: Bools, centre: Floats | None = None) -> CellMoments:
    """Moments of the Wilcoxon kernel; ``ratings`` is cell x case with NaN where not read.

    ``centre`` (one a cell) is taken off every kernel: covariances keep their expectation, and in
    designs with gaps lose the noise that the kernels' mean makes.
    """
    positive, negative = ratings[:, truth], ratings[:, ~truth]
    read1, read0 = np.isfinite(positive), np.isfinite(negative)
    n1, n0 = read1.sum(axis=1).astype(float), read0.sum(axis=1).astype(float)
    placed = np.nan_to_num(placement_matrix(ratings, truth), nan=0.0)
    off = np.zeros(len(ratings)) if centre is None else np.nan_to_num(centre)
    of_positive = (placed[:, truth] - off[:, None] * read1) * n0[:, None]
    of_negative = (placed[:, ~truth] - off[:, None] * read0) * n1[:, None]
    sums = of_positive.sum(axis=1)
    # Many small products: threads would only wait for one another.
    with threadpool_limits(limits=1, user_api="blas"):
        both = _shared_pairs(positive, negative, read1, read0, None if centre is None else off)
    common1 = read1.astype(float) @ read1.T.astype(float)
    common0 = read0.astype(float) @ read0.T.astype(float)
    numerators = np.stack(
        [both, of_positive @ of_positive.T, of_negative @ of_negative.T, np.outer(sums, sums)]
    )
    denominators = np.stack(
        [
            common1 * common0,
            common1 * np.outer(n0, n0),
            common0 * np.outer(n1, n1),
            np.outer(n1 * n0, n1 * n0),
        ]
    )
    return CellMoments(numerators, denominators, sums, n1 * n0)


def binary_moments(responses: Floats, centre: Floats | None = None) -> CellMoments:
    """Moments of a binary (or any bounded) response; ``responses`` is cell x case, NaN missing.

    ``centre`` as in ``auc_moments``.
    """
    read = np.isfinite(responses)
    off = 0.0 if centre is None else np.nan_to_num(centre)[:, None]
    x = np.where(read, responses - off, 0.0)
    sums, counts = x.sum(axis=1), read.sum(axis=1).astype(float)
    shared = read.astype(float) @ read.T.astype(float)
    return CellMoments(
        np.stack([x @ x.T, np.outer(sums, sums)]),
        np.stack([shared, np.outer(counts, counts)]),
        sums,
        counts,
    )


def unbiased_covariance(moments: CellMoments) -> Floats:
    """Unbiased covariance of the cells' figures of merit over cases, readers held fixed (m x m).

    Every moment is the mean over terms whose unshared cases are distinct; where a design leaves a
    moment without terms (one case, no overlap) its coefficient is zero too.
    """
    numerators = distinct(moments.numerators)
    denominators = distinct(moments.denominators)
    total = moments.denominators[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        moment = np.where(denominators > 0, numerators / denominators, 0.0)
        covariance = np.where(total > 0, (denominators * moment).sum(axis=0) / total, np.nan)
    # The unshared moment estimates the squared mean that is to be taken off.
    return np.asarray(covariance - np.where(total > 0, moment[-1], np.nan))


def distinct(sums: Floats) -> Floats:
    """From sums over all terms to sums over terms whose unshared cases are distinct."""
    if sums.shape[0] == 2:
        return np.stack([sums[0], sums[1] - sums[0]])
    both, positive, negative, none = sums
    return np.stack([both, positive - both, negative - both, none - positive - negative + both])


def _shared_pairs(
    positive: Floats, negative: Floats, read1: Bools, read0: Bools, centre: Floats | None
) -> Floats:
    """Sum over positive-negative pairs of s_a s_b (centred) for every two cells (m x m).

    The only sum that does not factor over cases; done as matrix products of blocks, each holding
    only the cells and negatives that its positives were read by, so that nested and split-plot
    designs cost no more than the readings they have.
    """
    m = positive.shape[0]
    total = np.zeros((m, m))
    ranks1, ranks0 = _common_ranks(positive, negative)
    for run in _runs(read1):
        cells = np.flatnonzero(read1[:, run].any(axis=1))
        columns = np.flatnonzero(read0[cells].any(axis=0))
        if cells.size == 0 or columns.size == 0:
            continue
        low = ranks0[np.ix_(cells, columns)][:, None, :]
        block = max(ROWS, NUMBERS // (cells.size * columns.size))
        for start in range(0, run.size, block):
            rows = run[start : start + block]
            high = ranks1[np.ix_(cells, rows)][:, :, None]
            off = None if centre is None else (
                centre[cells], read1[np.ix_(cells, rows)], read0[np.ix_(cells, columns)]
            )  # fmt: skip
            total[np.ix_(cells, cells)] += _products(high, low, off)
    return total


def _products(
    high: NDArray[np.float32],
    low: NDArray[np.float32],
    centre: tuple[Floats, Bools, Bools] | None,
) -> Floats:
    """Sums of products over one block of ranks (cell x row x 1 and cell x 1 x column)."""
    cells, rows, columns = high.shape[0], high.shape[1], low.shape[2]
    width = max(1, NUMBERS // (cells * rows))
    product = np.zeros((cells, cells))
    single = np.zeros(cells)
    buffer = np.empty((cells, rows, min(width, columns)), dtype=np.float32)
    for start in range(0, columns, width):
        part = low[:, :, start : start + width]
        # d = 2 s - 1 is the sign of a difference of ranks.
        d = np.subtract(high, part, out=buffer[:, :, : part.shape[2]])
        np.clip(d, -1.0, 1.0, out=d)
        if centre is not None:
            value, read1, read0 = centre
            d += (1.0 - 2.0 * value)[:, None, None].astype(np.float32)
            d *= read1[:, :, None]
            d *= read0[:, None, start : start + width]
        flat = d.reshape(cells, -1)
        product += flat @ flat.T
        single += flat.sum(axis=1)
    if centre is not None:
        return product / 4.0
    return (product + single[:, None] + single + rows * columns) / 4.0


def _runs(read: Bools) -> Iterator[NDArray[np.intp]]:
    """Cases in runs of alike reading patterns."""
    order = np.lexsort(read[::-1])
    patterns = read[:, order]
    breaks = np.flatnonzero((patterns[:, 1:] != patterns[:, :-1]).any(axis=0)) + 1
    if breaks.size > read.shape[1] // 8:
        breaks = breaks[:0]  # Scattered gaps: patterns of single cases would only make blocks tiny.
    yield from np.split(order, breaks)


def _common_ranks(
    positive: Floats, negative: Floats
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Dense ranks within each cell, exact in float32 (differences of doubles may not be).

    A missing positive ranks below everything and a missing negative above, so that any comparison
    with either is a failure and adds nothing.
    """
    scores = np.concatenate([positive, negative], axis=1)
    order = np.argsort(scores, axis=1, kind="stable")
    rows = np.arange(scores.shape[0])[:, None]
    ordered = scores[rows, order]
    new = np.zeros(scores.shape, dtype=np.float32)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    ranks = np.empty(scores.shape, dtype=np.float32)
    ranks[rows, order] = np.cumsum(new, axis=1, dtype=np.float32)
    split = positive.shape[1]
    high, low = ranks[:, :split], ranks[:, split:]
    high[np.isnan(positive)] = -np.inf
    low[np.isnan(negative)] = np.inf
    return high, low
