"""Marks and lesions of a free-response study, as one cell a reader and modality."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from readerstudy.analysis.tidy import (
    levels_of,
    name_rows,
    numeric,
    refuse_blanks,
    require_columns,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CellMarks:
    """One reader under one modality; ratings of -inf mean "not marked"."""

    false_positive: Floats
    """Highest non-lesion rating of each normal case (n0)."""
    false_positive_diseased: Floats
    """Highest non-lesion rating of each diseased case (n1)."""
    lesions: Floats
    """Rating of each lesion (L)."""
    weights: Floats
    """Weight of each lesion; they sum to 1 within a case."""
    owner: NDArray[np.intp]
    """Index of each lesion's case among the diseased (L)."""
    highest: Floats
    """Highest rating of any mark on each diseased case (n1)."""
    non_lesion: Floats
    """Ratings of all non-lesion marks, on any case."""
    non_lesion_case: NDArray[np.intp]


@dataclass(frozen=True)
class FrocData:
    """All cells (modality x reader) over the same cases."""

    cells: dict[tuple[Hashable, Hashable], CellMarks]
    modalities: tuple[Hashable, ...]
    readers: tuple[Hashable, ...]
    normals: tuple[Hashable, ...]
    diseased: tuple[Hashable, ...]
    places: dict[Hashable, int]
    """Each case's place, as ``CellMarks.non_lesion_case`` counts."""


def froc_data(
    marks: pd.DataFrame,
    lesions: pd.DataFrame,
    cases: Sequence[Hashable],
    *,
    readers: Sequence[Hashable] | None = None,
    modalities: Sequence[Hashable] | None = None,
    reader: str = "reader",
    case: str = "case",
    modality: str = "modality",
    rating: str = "rating",
    lesion: str = "lesion",
    weight: str = "weight",
) -> FrocData:
    """Tidy marks and lesions as cells; every reader read every case under every modality.

    Parameters
    ----------
    marks
        One row a mark; ``lesion`` empty for a non-lesion mark. Of several marks on one lesion the
        highest counts. No ``modality`` column means one modality.
    lesions
        One row a lesion (``case``, ``lesion``, optionally ``weight``, equal within a case else).
    cases
        All cases read; those without lesions are the normals.
    readers, modalities
        All of them, so that one who marked nothing is not lost; from the marks otherwise.

    Raises ``ValueError`` with the rows for marks on unknown cases or lesions, ratings that are not
    finite, duplicate lesions, weights that do not sum to one, or no diseased case. Without a normal
    case only AFROC1, wAFROC1 and the sensitivity are defined.
    """
    require_columns(lesions, [case, lesion])
    refuse_blanks(lesions, [case, lesion])
    _refuse_bad_names("case", cases, twice=True)
    if marks.empty and (readers is None or modalities is None):
        raise ValueError("there are no marks: name the readers and modalities")
    several = modality in marks.columns
    refuse_blanks(marks, [reader, case, *([modality] if several else [])] if len(marks) else [])
    columns = [reader, case, rating, lesion, *([modality] if several else [])]
    if not marks.empty:
        require_columns(marks, columns)
    index = {name: place for place, name in enumerate(dict.fromkeys(cases))}
    doubled = lesions.duplicated([case, lesion], keep=False)
    if doubled.any():
        raise ValueError(f"{name_rows(lesions.index[doubled])}: one lesion listed twice")
    for table in (lesions, marks):
        unknown = ~table[case].isin(list(index)) if len(table) else pd.Series(dtype=bool)
        if unknown.any():
            raise ValueError(f"{name_rows(table.index[unknown])}: case not among the cases read")
    diseased = tuple(name for name in index if (lesions[case] == name).any())
    normals = tuple(name for name in index if name not in set(diseased))
    if not diseased:
        raise ValueError(f"none of the {len(normals)} cases has a lesion: nothing can be found")
    weights = _weights(lesions, case, weight)
    key = {
        (c, number): place
        for place, (c, number) in enumerate(zip(lesions[case], lesions[lesion], strict=True))
    }
    of_diseased = {name: place for place, name in enumerate(diseased)}
    owner = np.array([of_diseased[c] for c in lesions[case]], dtype=np.intp)
    values = numeric(marks, rating) if len(marks) else pd.Series(dtype=float)
    if values.isna().any():
        raise ValueError(f"{name_rows(marks.index[values.isna()])}: a mark without a {rating}")
    who = tuple(readers) if readers is not None else levels_of(marks[reader])[0]
    what = (
        tuple(modalities) if modalities is not None
        else levels_of(marks[modality])[0] if several else ("all",)
    )  # fmt: skip
    _refuse_bad_names("reader", who)
    _refuse_bad_names("modality", what)
    place_of_normal = {name: place for place, name in enumerate(normals)}
    store: dict[
        tuple[Hashable, Hashable],
        tuple[Floats, Floats, Floats, Floats, list[float], list[int]],
    ] = {
        (m, r): (
            np.full(len(normals), -np.inf), np.full(len(lesions), -np.inf),
            np.full(len(diseased), -np.inf), np.full(len(diseased), -np.inf), [], [],
        )
        for m in what for r in who
    }  # fmt: skip
    for row in marks[columns].assign(**{rating: values}).itertuples() if len(marks) else ():
        cell = store.get((row[5] if several else what[0], row[1]))
        if cell is None:
            raise ValueError(f"row {row[0]}: reader or modality is not among those named")
        false_positive, found, highest, false_diseased, loose, loose_case = cell
        name, value, number = row[2], float(row[3]), row[4]
        if name in of_diseased:
            highest[of_diseased[name]] = max(highest[of_diseased[name]], value)
        if pd.isna(number) or (isinstance(number, str) and not number.strip()):
            loose.append(value)
            loose_case.append(index[name])
            if name in place_of_normal:
                place = place_of_normal[name]
                false_positive[place] = max(false_positive[place], value)
            else:
                place = of_diseased[name]
                false_diseased[place] = max(false_diseased[place], value)
        elif (name, number) not in key:
            raise ValueError(f"row {row[0]}: case {name!r} has no lesion {number!r}")
        else:
            found[key[name, number]] = max(found[key[name, number]], value)
    cells = {
        which: CellMarks(fp, fp_diseased, ll, weights, owner, high, np.array(loose, dtype=float),
                         np.array(loose_case, dtype=np.intp))
        for which, (fp, ll, high, fp_diseased, loose, loose_case) in store.items()
    }  # fmt: skip
    return FrocData(cells, what, who, normals, diseased, index)


def _refuse_bad_names(kind: str, names: Sequence[Hashable], *, twice: bool = False) -> None:
    """A blank name, or (unless ``twice`` is fine) one given twice, would count as one more."""
    listed: list[Any] = list(names)
    if any(pd.isna(name) for name in listed):
        raise ValueError(f"a {kind} without a name is among those listed")
    doubled = [name for name in listed if listed.count(name) > 1] if not twice else []
    if doubled:
        raise ValueError(f"{kind} {doubled[0]!r} is named twice")


def _weights(lesions: pd.DataFrame, case: str, weight: str) -> Floats:
    sizes = lesions.groupby(case)[case].transform("size").to_numpy(dtype=float)
    if weight not in lesions.columns:
        return 1.0 / sizes
    values = numeric(lesions, weight)
    bad = values.isna() | (values < 0)
    if bad.any():
        raise ValueError(f"{name_rows(lesions.index[bad])}: weights must be numbers >= 0")
    sums = values.groupby(lesions[case]).transform("sum")
    off = (sums - 1.0).abs() > 1e-6
    if off.any():
        raise ValueError(
            f"{name_rows(lesions.index[off])}: the weights of a case's lesions must sum to 1, got "
            f"{sums[off].iloc[0]:g}"
        )
    return values.to_numpy()
