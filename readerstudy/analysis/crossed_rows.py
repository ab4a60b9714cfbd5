"""The rows of a crossed model: labels as codes, and rows that are alike as one."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def codes_of(labels: ArrayLike, name: str, rows: int) -> NDArray[np.int64]:
    """Labels numbered from 0 in order of appearance, (rows,). Raises ``ValueError`` for a gap."""
    series = pd.Series(np.asarray(labels).ravel())
    if len(series) != rows:
        raise ValueError(f"{name} has {len(series)} labels for {rows} outcomes")
    missing = np.flatnonzero(series.isna())
    if len(missing):
        raise ValueError(f"{name} is missing at position {', '.join(map(str, missing[:8]))}")
    return np.asarray(pd.factorize(series)[0], dtype=np.int64)


def aggregate(
    y: Floats, m: Floats, x: Floats, shift: Floats, codes: dict[str, NDArray[np.int64]]
) -> tuple[Floats, Floats, Floats, Floats, dict[str, NDArray[np.int64]]]:
    """Rows alike in everything but the outcome become one; the likelihood is unchanged."""
    key = np.column_stack([*codes.values(), x, shift]) if codes else np.column_stack([x, shift])
    frame = pd.DataFrame(key)
    group = np.asarray(frame.groupby(list(frame.columns), sort=False).ngroup())
    size = int(group.max()) + 1
    if size == len(y):
        return y, m, x, shift, codes
    first = np.full(size, len(y), dtype=np.int64)
    np.minimum.at(first, group, np.arange(len(y)))
    return (
        np.bincount(group, weights=y).astype(float),
        np.bincount(group, weights=m).astype(float),
        x[first],
        shift[first],
        {name: c[first] for name, c in codes.items()},
    )
