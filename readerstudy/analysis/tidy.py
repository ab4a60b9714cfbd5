"""From the tidy table (one row a reading) to arrays, with every fault named by its row.

Rows are named by the table's own index, so a caller that wants lines of a file sets the index to
the line numbers before asking.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Words by which tables from elsewhere say "signal present" / "signal absent".
POSITIVE_WORDS = {"1", "1.0", "true", "t", "yes", "y", "positive", "pos", "+", "abnormal",
                  "diseased", "disease", "present", "malignant", "synthetic", "synth", "generated",
                  "fake", "artificial", "ai", "gan", "computer"}  # fmt: skip
NEGATIVE_WORDS = {"0", "0.0", "false", "f", "no", "n", "negative", "neg", "-", "normal", "healthy",
                  "nondiseased", "non-diseased", "absent", "benign", "real", "acquired", "genuine",
                  "authentic", "original"}  # fmt: skip


@dataclass(frozen=True)
class RatingCube:
    """Ratings as an array: modality x reader x case, NaN where a reading is missing."""

    ratings: Floats
    truth: Bools
    """One per case; all ``False`` where the table has no truth (then ``has_truth`` is False)."""
    modalities: tuple[Hashable, ...]
    readers: tuple[Hashable, ...]
    cases: tuple[Hashable, ...]
    has_truth: bool = True
    notes: tuple[str, ...] = ()


def name_rows(rows: Iterable[Any], limit: int = 8) -> str:
    """``rows 3, 17 and 4 more`` for an error message."""
    listed = list(rows)
    shown = ", ".join(str(row) for row in listed[:limit])
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return f"row{'s' if len(listed) != 1 else ''} {shown}{more}"


def require_columns(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise ``ValueError`` naming every absent column and those that are there."""
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise ValueError(
            f"the table has no column {', '.join(map(repr, absent))}; it has "
            f"{', '.join(map(repr, table.columns))}: rename them or name the right columns"
        )
    if table.empty:
        raise ValueError("the table has no rows: at least one reading is needed")


def refuse_blanks(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise ``ValueError`` naming the rows in which one of ``columns`` is empty."""
    for column in columns:
        blank = table[column].isna()
        if blank.any():
            raise ValueError(f"{name_rows(table.index[blank])}: {column} is empty")


def refuse_duplicates(table: pd.DataFrame, keys: Sequence[str]) -> None:
    """Raise ``ValueError`` when one reader read one case twice under the same keys."""
    doubled = table.duplicated(list(keys), keep=False)
    if doubled.any():
        first = table.loc[doubled, list(keys)].iloc[0].to_dict()
        raise ValueError(
            f"{name_rows(table.index[doubled])}: more than one reading for the same "
            f"{' / '.join(keys)} (first: {first}); keep one, or use intra_reader for repeats"
        )


def numeric(table: pd.DataFrame, column: str) -> pd.Series:
    """The column as floats; text that is no number raises ``ValueError`` naming its rows."""
    values = pd.to_numeric(table[column], errors="coerce")
    wrong = values.isna() & table[column].notna()
    if wrong.any():
        raise ValueError(
            f"{name_rows(table.index[wrong])}: {column} "
            f"{shown(table.loc[wrong, column].iloc[0])} is not a number"
        )
    infinite = np.isinf(values.to_numpy(dtype=float))
    if infinite.any():
        raise ValueError(
            f"{name_rows(table.index[infinite])}: {column} is infinite; ratings must be finite"
        )
    return values.astype(float)


def binary(table: pd.DataFrame, column: str, *, positive: Hashable | None = None) -> pd.Series:
    """The column as 1.0 / 0.0 / NaN.

    ``positive`` names the label that counts as 1; without it 0/1, booleans and the usual words
    (``positive``, ``synthetic``, ``generated`` ... against ``normal``, ``real``, ``acquired`` ...)
    are understood. Anything else raises ``ValueError`` naming its rows.
    """
    raw = table[column]
    known = raw.notna()
    if positive is not None:
        codes, labels = pd.factorize(raw)
        words = [_word(label) for label in labels]
        others = [label for label, w in zip(labels, words, strict=True) if w != _word(positive)]
        if len(others) > 1:
            wrong = known & (codes == words.index(_word(others[1])))
            raise ValueError(
                f"{name_rows(table.index[wrong])}: {column} has more than two labels "
                f"({', '.join(shown(label) for label in [positive, *others])})"
            )
        chosen = np.array([float(w == _word(positive)) for w in words] + [np.nan])
        return pd.Series(chosen[codes], index=table.index, dtype=float)
    # Each label is read once, however many rows have it.
    codes, labels = pd.factorize(raw)
    words = [str(label).strip().lower() for label in labels]
    meaning = np.array(
        [1.0 if w in POSITIVE_WORDS else 0.0 if w in NEGATIVE_WORDS else np.nan for w in words]
        + [np.nan]
    )[codes]
    wrong = known & np.isnan(meaning)
    if wrong.any():
        raise ValueError(
            f"{name_rows(table.index[wrong])}: {column} {shown(raw[wrong].iloc[0])} is neither a "
            "positive nor a negative label; use 0 and 1, or name the positive label"
        )
    return pd.Series(np.where(known, meaning, np.nan), index=table.index, dtype=float)


def shown(value: Any) -> str:
    """A value as its writer knows it: 3, not np.int64(3)."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def _word(label: Any) -> str:
    """A label as text: 1, 1.0 and "1" are one label."""
    if isinstance(label, (float, np.floating)) and float(label).is_integer():
        return str(int(label))
    return str(label)


def rating_cube(
    table: pd.DataFrame,
    *,
    reader: str = "reader",
    case: str = "case",
    modality: str | None = "modality",
    truth: str | None = "truth",
    rating: str = "rating",
    positive: Hashable | None = None,
    binary_rating: bool = False,
    positive_rating: Hashable | None = None,
) -> RatingCube:
    """The tidy table as a modality x reader x case cube.

    Parameters
    ----------
    modality
        Column of the modality; absent from the table or ``None`` means one modality only.
    truth
        Column of the truth, one value a case; ``None`` for endpoints without truth.
    positive, positive_rating
        The labels of truth and rating that count as 1 (see ``binary``).

    Raises
    ------
    ValueError
        Missing columns, duplicate readings, a case of two truths, truth missing, ratings that are
        no numbers: each with the rows.
    """
    one_modality = modality is None or modality not in table.columns
    keys = [reader, case] if one_modality else [reader, case, str(modality)]
    require_columns(table, [*keys, rating, *([truth] if truth else [])])
    notes: list[str] = []
    refuse_blanks(table, keys)
    refuse_duplicates(table, keys)
    if binary_rating:
        values = binary(table, rating, positive=positive_rating)
    else:
        values = numeric(table, rating)
    missing = values.isna()
    if missing.any():
        notes.append(f"{int(missing.sum())} readings without a {rating} left out")
    kept = table[~missing]
    if kept.empty:
        raise ValueError(f"every {rating} is missing: nothing to analyse")
    values = values[~missing]

    readers, reader_index = levels_of(kept[reader])
    cases, case_index = levels_of(kept[case])
    if one_modality:
        modalities: tuple[Hashable, ...] = ("all",)
        modality_index = np.zeros(len(kept), dtype=np.intp)
    else:
        modalities, modality_index = levels_of(kept[str(modality)])
    shape = (len(modalities), len(readers), len(cases))
    if np.prod(shape, dtype=float) > 2e9:
        raise ValueError(
            f"{shape[0]} modalities x {shape[1]} readers x {shape[2]} cases is too large an array"
        )
    ratings = np.full(shape, np.nan)
    ratings[modality_index, reader_index, case_index] = values.to_numpy()

    truths = np.zeros(len(cases), dtype=bool)
    if truth is not None:
        known = binary(kept, truth, positive=positive)
        if known.isna().any():
            raise ValueError(f"{name_rows(kept.index[known.isna()])}: {truth} is missing")
        first = np.full(len(cases), np.nan)
        first[case_index[::-1]] = known.to_numpy()[::-1]
        clash = first[case_index] != known.to_numpy()
        if clash.any():
            raise ValueError(
                f"{name_rows(kept.index[clash])}: case {cases[case_index[clash][0]]!r} has two "
                "different truths; a case has one"
            )
        truths = first.astype(bool)
    return RatingCube(ratings, truths, modalities, readers, cases, truth is not None, tuple(notes))


def levels_of(column: pd.Series) -> tuple[tuple[Hashable, ...], NDArray[np.intp]]:
    """Sorted levels (by order of appearance where labels of mixed kinds cannot be sorted)."""
    try:
        codes, levels = pd.factorize(column, sort=True)
    except TypeError:
        codes, levels = pd.factorize(column)
    return tuple(levels.tolist()), codes.astype(np.intp)
