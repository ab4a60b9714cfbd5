"""From the judgment table to a reader x case matrix, with every fault named by its row.

The judgment table has one row a reading: ``reader``, ``case``, ``origin`` (acquired / generated),
``judgment`` (real / synthetic) and optionally ``confidence``, ``generator``, ``labels``,
``position``, ``repeat_of``, ``seconds``. Rows are named by the table's index.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from readerstudy.analysis.tidy import name_rows, require_columns

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ORIGINS = ("acquired", "generated")
JUDGMENTS = ("real", "synthetic")


@dataclass(frozen=True)
class JudgmentMatrix:
    """``real`` is (readers, cases): 1 judged real, 0 judged synthetic, NaN not read."""

    real: Floats
    readers: tuple[Hashable, ...]
    cases: tuple[Hashable, ...]
    generated: Bools  # (cases,)
    generators: tuple[str, ...]  # (cases,), "" where none
    labels: tuple[tuple[str, ...], ...]  # (cases,)
    notes: tuple[str, ...]

    def of(self, mask: Bools) -> Floats:
        """The columns under ``mask``; readers stay aligned."""
        return self.real[:, mask]


def judgment_matrix(table: pd.DataFrame) -> JudgmentMatrix:
    """Check the table and lay it out; repeats and missing judgments are left out and counted.

    Raises ``ValueError`` naming the rows for an unknown origin or judgment, a missing reader or
    case, a case with two origins, and two primary readings of one case by one reader.
    """
    require_columns(table, ["reader", "case", "origin", "judgment"])
    notes: list[str] = []
    primary = table
    if "repeat_of" in table.columns:
        repeats = table["repeat_of"].notna() & table["repeat_of"].astype(str).str.strip().ne("")
        if repeats.any():
            notes.append(f"{int(repeats.sum())} repeat readings left out of the primary rates")
            primary = table[~repeats]
    for column in ("reader", "case"):
        blank = primary[column].isna()
        if blank.any():
            raise ValueError(f"{name_rows(primary.index[blank])}: {column} is missing")
    origin = _known_words(primary, "origin", ORIGINS, required=True)
    judgment = _known_words(primary, "judgment", JUDGMENTS, required=False)
    missing = judgment.isna()
    if missing.any():
        notes.append(f"{int(missing.sum())} readings without a judgment left out")
    kept = primary[~missing]
    if kept.empty:
        raise ValueError("no reading has a judgment: there is nothing to analyse")
    doubled = kept.duplicated(["reader", "case"], keep=False)
    if doubled.any():
        first = kept[doubled].iloc[0]
        hint = "; one modality at a time" if "modality" in kept.columns else ""
        raise ValueError(
            f"{name_rows(kept.index[doubled])}: reader {first['reader']!r} has more than one "
            f"reading of case {first['case']!r}; mark repeats in the column repeat_of or keep one"
            f"{hint}"
        )
    by_case = origin.groupby(primary["case"], sort=False)
    mixed = by_case.transform("nunique") > 1
    if mixed.any():
        case = primary.loc[mixed, "case"].iloc[0]
        raise ValueError(
            f"{name_rows(primary.index[mixed])}: case {case!r} is both acquired and generated"
        )
    reader_codes, readers = pd.factorize(kept["reader"])
    case_codes, cases = pd.factorize(kept["case"])
    real = np.full((len(readers), len(cases)), np.nan)
    real[reader_codes, case_codes] = (judgment[~missing] == "real").to_numpy(dtype=float)
    first_rows = np.unique(case_codes, return_index=True)[1]
    per_case = kept.iloc[first_rows]
    return JudgmentMatrix(
        real=real,
        readers=tuple(readers),
        cases=tuple(cases),
        generated=(origin[~missing].iloc[first_rows] == "generated").to_numpy(dtype=bool),
        generators=_text(per_case, "generator"),
        labels=tuple(split_labels(text) for text in _text(per_case, "labels", join=True)),
        notes=tuple(notes),
    )


def split_labels(text: str) -> tuple[str, ...]:
    """``Effusion|Edema`` (also ``;`` or ``,``) as a tuple without blanks and repeats."""
    parts = text.replace(";", "|").replace(",", "|").split("|")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _known_words(
    table: pd.DataFrame, column: str, words: tuple[str, ...], *, required: bool
) -> pd.Series:
    """The column in lower case; anything but ``words`` (or blank, unless required) is named."""
    text = table[column].astype("string").str.strip().str.lower()
    text = text.mask(text == "")
    wrong = ~text.isin(words) & (text.notna() | required)
    if wrong.any():
        shown = table.loc[wrong, column].iloc[0]
        raise ValueError(
            f"{name_rows(table.index[wrong])}: {column} {shown!r} is unknown; "
            f"allowed are {', '.join(words)}"
        )
    return text


def _text(table: pd.DataFrame, column: str, *, join: bool = False) -> tuple[str, ...]:
    if column not in table.columns:
        return ("",) * len(table)
    out = []
    for value in table[column]:
        if isinstance(value, (list, tuple, set)):
            out.append("|".join(str(item) for item in value) if join else str(value))
        else:
            out.append("" if pd.isna(value) else str(value).strip())
    return tuple(out)
