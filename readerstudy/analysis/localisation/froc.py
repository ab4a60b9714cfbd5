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
from collections.abc import Hashable
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from readerstudy.analysis.delong import separation_bound
from readerstudy.analysis.mrmc import MrmcResult, analyse_figures
from readerstudy.analysis.proportions.counts import checked_level
from readerstudy.analysis.result import Estimate

from .marks import CellMarks, FrocData

Floats = NDArray[np.float64]
FIGURES = ("wafroc", "afroc", "wafroc1", "afroc1", "highest_rating_auc", "sensitivity")
NEED_NORMALS = ("wafroc", "afroc", "highest_rating_auc")


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
    cell = _cell(data, modality, reader)
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
    value, left = _sensitivities(data, _cell(data, modality, reader), false_positives)
    error = math.sqrt((n - 1) / n * float(np.sum((left - left.mean()) ** 2)))
    reach = float(stats.norm.ppf((1 + level) / 2)) * error
    return Estimate(
        name=f"lesions found at {false_positives:g} false marks a case", estimate=value,
        standard_error=error, lower=max(0.0, value - reach) if error else None,
        upper=min(1.0, value + reach) if error else None, level=level,
        method="free response, jackknife over cases", n=n,
        notes=() if error else ("degenerate: the jackknife does not vary",),
    )  # fmt: skip


def _cell(data: FrocData, modality: Hashable, reader: Hashable) -> CellMarks:
    if (modality, reader) not in data.cells:
        raise ValueError(
            f"no reader {reader!r} under modality {modality!r}: there are readers "
            f"{', '.join(map(str, data.readers))} and modalities "
            f"{', '.join(map(str, data.modalities))}"
        )
    return data.cells[modality, reader]


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
