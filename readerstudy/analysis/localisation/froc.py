"""Free-response figures of merit: FROC, AFROC, weighted AFROC, with the case jackknife.

Every lesion and every non-lesion mark has a rating; what was not marked is rated below everything.
AFROC: a lesion's rating against the highest non-lesion rating of every normal case, all lesions
alike. wAFROC: lesions weighted within their case, so that every diseased case counts the same.
AFROC1 and wAFROC1 take the highest non-lesion rating of all cases, for studies with few normal
cases or none; FROC's own figure is the share of lesions found at a rate of false marks.

Sources: Chakraborty and Berbaum, Med Phys 31 (2004) 2313-2330; Chakraborty and Zhai, Med Phys 43
(2016) 2548-2557 (weights); Chakraborty, Observer Performance Methods (2017), chapters 12-14. Equal
to RJafroc's ``UtilFigureOfMerit``; the reader analysis is Obuchowski-Rockette's.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from readerstudy.analysis.delong import separation_bound
from readerstudy.analysis.mrmc import MrmcResult, analyse_figures
from readerstudy.analysis.proportions.counts import checked_level
from readerstudy.analysis.result import Estimate
from readerstudy.analysis.tidy import name_rows, numeric, refuse_blanks, require_columns

Floats = NDArray[np.float64]
FIGURES = ("wafroc", "afroc", "wafroc1", "afroc1", "highest_rating_auc", "sensitivity")
NEED_NORMALS = ("wafroc", "afroc", "highest_rating_auc")


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
    who = tuple(readers) if readers is not None else tuple(sorted(marks[reader].unique()))
    what = (
        tuple(modalities) if modalities is not None
        else tuple(sorted(marks[modality].unique())) if several else ("all",)
    )  # fmt: skip
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
    for row in marks[columns].assign(**{rating: values}).itertuples():
        cell = store.get((row[5] if several else what[0], row[1]))
        if cell is None:
            raise ValueError(f"row {row[0]}: reader or modality is not among those named")
        false_positive, found, highest, false_diseased, loose, loose_case = cell
        name, value, number = row[2], float(row[3]), row[4]
        if name in of_diseased:
            highest[of_diseased[name]] = max(highest[of_diseased[name]], value)
        if pd.isna(number):
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


def figure_of_merit(cell: CellMarks, figure: str = "wafroc") -> float:
    """The figure of merit of one reader under one modality (see ``sensitivity_at`` for FROC's)."""
    return _figure(cell, figure)[0]


def _figure(cell: CellMarks, figure: str) -> tuple[float, Floats, Floats]:
    """The figure, and its value with each normal and with each diseased case left out."""
    if figure not in FIGURES or figure == "sensitivity":
        names = ", ".join(name for name in FIGURES if name != "sensitivity")
        raise ValueError(f"unknown figure of merit {figure!r}: use one of {names}")
    n0, n1 = cell.false_positive.size, cell.highest.size
    if n0 == 0 and figure in NEED_NORMALS:
        raise ValueError(
            f"{figure} compares with normal cases and there is none: use wafroc1, afroc1 or the "
            "sensitivity"
        )
    if figure == "highest_rating_auc":
        ratings, weights, owner = cell.highest, np.ones(n1), np.arange(n1)
    else:
        ratings, owner = cell.lesions, cell.owner
        weights = cell.weights if figure.startswith("w") else np.ones(ratings.size)
    everywhere = figure.endswith("1")
    false = (
        np.concatenate([cell.false_positive, cell.false_positive_diseased])
        if everywhere else cell.false_positive
    )  # fmt: skip
    # psi of every lesion against every case's highest false mark; -inf against -inf is a tie.
    fp, z = false[None, :], ratings[:, None]
    psi = (z > fp) + 0.5 * (z == fp)
    of_case = np.zeros((n1, false.size))
    np.add.at(of_case, owner, weights[:, None] * psi)
    share = np.bincount(owner, weights=weights, minlength=n1)
    by_case, by_false = of_case.sum(axis=1), of_case.sum(axis=0)
    total, mass = float(of_case.sum()), float(share.sum())
    value = total / (false.size * mass)
    with np.errstate(divide="ignore", invalid="ignore"):
        without_normal = (total - by_false[:n0]) / ((false.size - 1) * mass)
        if everywhere:  # A diseased case takes its own false marks with it.
            gone = by_case + by_false[n0:] - np.diagonal(of_case[:, n0:])
            without_diseased = (total - gone) / ((false.size - 1) * (mass - share))
        else:
            without_diseased = (total - by_case) / (false.size * (mass - share))
    return value, without_normal, without_diseased


def froc_analysis(
    data: FrocData,
    *,
    figure: str = "wafroc",
    false_positives: float | None = None,
    readers: str = "random",
    cases: str = "random",
    null: float | None = None,
    level: float = 0.95,
) -> MrmcResult:
    """Obuchowski-Rockette analysis of a free-response figure, covariances by the jackknife.

    ``figure="sensitivity"`` is the share of lesions found at ``false_positives`` false marks a
    case. There is no chance value of free-response figures, so nothing is tested against a constant
    unless ``null`` is given. Raises ``ValueError`` with fewer than two diseased cases, or two
    normal ones where the figure needs them.
    """
    n0, n1 = len(data.normals), len(data.diseased)
    if n1 < 2 or (n0 < 2 and figure in NEED_NORMALS):
        raise ValueError(f"the jackknife needs two cases of each class, got {n0} and {n1}")
    if (figure == "sensitivity") != (false_positives is not None):
        raise ValueError("false_positives goes with the figure sensitivity, and only with it")
    n = n0 + n1
    shape = (len(data.modalities), len(data.readers))
    values = np.empty(shape)
    left_out = np.empty((shape[0] * shape[1], n))
    for i, m in enumerate(data.modalities):
        for j, r in enumerate(data.readers):
            if false_positives is not None:
                values[i, j], left = _sensitivities(data, data.cells[m, r], false_positives)
            else:
                values[i, j], normal, diseased = _figure(data.cells[m, r], figure)
                left = np.concatenate([normal, diseased])
            left_out[i * shape[1] + j] = left
    centred = left_out - left_out.mean(axis=1, keepdims=True)
    covariance = (n - 1.0) / n * centred @ centred.T
    found = analyse_figures(
        values, covariance, modalities=data.modalities, readers=data.readers, metric=figure,
        covariance_method="jackknife", reader_factor=readers, case_factor=cases, null=null,
        level=level,
    )  # fmt: skip
    if figure != "sensitivity":
        found = replace(
            found,
            modalities={
                m: _at_bound(e, values[i], n0, n1, figure, level)
                for i, (m, e) in enumerate(found.modalities.items())
            },
            reader_values={
                (m, r): _at_bound(e, np.array([e.estimate]), n0, n1, figure, level)
                for (m, r), e in found.reader_values.items()
            },
        )
    return replace(found, counts={**found.counts, "cases": n, "normals": n0, "diseased": n1})


def _at_bound(
    found: Estimate, values: Floats, n0: int, n1: int, figure: str, level: float
) -> Estimate:
    """An exact interval where every reader's figure is 0 or 1.

    Disjoint pairs of a diseased and another case all have a kernel of 1 with at most figure^pairs.
    """
    if found.standard_error != 0.0 or not ((values == 1.0).all() or (values == 0.0).all()):
        return found
    pairs = min(n0, n1) if figure in NEED_NORMALS else min(n1, (n0 + n1) // 2)
    bound = separation_bound(pairs, pairs, level=level)
    lower, upper = (bound, 1.0) if values[0] == 1.0 else (0.0, 1.0 - bound)
    note = "exact interval for these readers from the bound of a figure of merit of 0 or 1"
    return replace(found, lower=lower, upper=upper, notes=(*found.notes, note))


def froc_curve(data: FrocData, *, modality: Hashable, reader: Hashable) -> pd.DataFrame:
    """Operating points from the strictest threshold on: ``threshold``, ``nlf``, ``llf``, ``wllf``,
    ``fpf``.

    nlf: non-lesion marks per case (all cases); llf: share of lesions found, wllf weighted; fpf:
    share of normal cases with a mark. The first row is the origin.
    """
    cell = data.cells[modality, reader]
    n = len(data.normals) + len(data.diseased)
    thresholds = np.unique(np.concatenate([cell.non_lesion, cell.lesions]))
    thresholds = thresholds[np.isfinite(thresholds)][::-1]
    rows = [(math.inf, 0.0, 0.0, 0.0, 0.0)]
    for t in thresholds:
        found = cell.lesions >= t
        rows.append(
            (
                float(t), float((cell.non_lesion >= t).sum() / n), float(found.mean()),
                float(cell.weights[found].sum() / len(data.diseased)),
                float((cell.false_positive >= t).mean()) if data.normals else math.nan,
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=["threshold", "nlf", "llf", "wllf", "fpf"])


def sensitivity_at(
    data: FrocData,
    *,
    modality: Hashable,
    reader: Hashable,
    false_positives: float,
    level: float = 0.95,
) -> Estimate:
    """Share of lesions found at no more than so many non-lesion marks a case, case jackknife."""
    checked_level(level)
    n = len(data.places)
    value, left = _sensitivities(data, data.cells[modality, reader], false_positives)
    error = math.sqrt((n - 1) / n * float(np.sum((left - left.mean()) ** 2)))
    reach = float(stats.norm.ppf((1 + level) / 2)) * error
    return Estimate(
        name=f"lesions found at {false_positives:g} false marks a case", estimate=value,
        standard_error=error, lower=max(0.0, value - reach) if error else None,
        upper=min(1.0, value + reach) if error else None, level=level,
        method="free response, jackknife over cases", n=n,
        notes=() if error else ("degenerate: the jackknife does not vary",),
    )  # fmt: skip


def _sensitivities(data: FrocData, cell: CellMarks, most: float) -> tuple[float, Floats]:
    """Share of lesions found at a false mark rate, and with each case left out."""
    if not most >= 0:
        raise ValueError(f"false marks a case must be 0 or more, got {most}")
    n = len(data.places)
    value = _sensitivity(cell.lesions, cell.non_lesion, n, most)
    left = np.full(n, _sensitivity(cell.lesions, cell.non_lesion, n - 1, most))
    for place in np.unique(cell.non_lesion_case):
        kept = cell.non_lesion[cell.non_lesion_case != place]
        left[place] = _sensitivity(cell.lesions, kept, n - 1, most)
    for k, name in enumerate(data.diseased):
        place = data.places[name]
        rest = cell.lesions[cell.owner != k]
        loose = cell.non_lesion[cell.non_lesion_case != place]
        left[place] = _sensitivity(rest, loose, n - 1, most) if rest.size else value
    return value, left


def _sensitivity(lesions: Floats, non_lesion: Floats, n: int, most: float) -> float:
    allowed = math.floor(most * n + 1e-9)
    if non_lesion.size <= allowed:
        threshold = -np.inf
    else:  # Only thresholds above the first mark too many are within the allowance.
        threshold = np.sort(non_lesion)[::-1][allowed]
    found = (lesions > threshold) & np.isfinite(lesions)
    return float(found.mean())


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
