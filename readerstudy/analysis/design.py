"""Fixed-effects design from columns: numbers as they are, words by treatment coding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from readerstudy.analysis.tidy import name_rows, require_columns

Floats = NDArray[np.float64]


def design_matrix(table: pd.DataFrame, columns: Sequence[str]) -> tuple[Floats, list[str]]:
    """(rows, 1 + terms) with an intercept, and the terms' names such as ``origin[generated]``.

    A column of words has its first label in order as the reference. Raises ``ValueError`` naming
    the rows of missing values, or a column with one value only.
    """
    if columns:
        require_columns(table, list(columns))
    parts: list[Floats] = [np.ones(len(table))]
    names = ["intercept"]
    for column in columns:
        values = table[column]
        blank = values.isna()
        if blank.any():
            raise ValueError(f"{name_rows(table.index[blank])}: {column} is missing")
        if values.nunique() < 2:
            raise ValueError(
                f"{column} has the one value {values.iloc[0]!r}: no effect to estimate"
            )
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            parts.append(values.to_numpy(dtype=float))
            names.append(column)
            continue
        words = values.astype(str)
        for label in sorted(words.unique())[1:]:
            parts.append((words == label).to_numpy(dtype=float))
            names.append(f"{column}[{label}]")
    return np.column_stack(parts), names
