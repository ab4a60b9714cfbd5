"""Intra-reader agreement: how far a reader repeats himself on hidden repeats."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from readerstudy.analysis.proportions.counts import checked_level
from readerstudy.analysis.result import Estimate
from readerstudy.analysis.tidy import name_rows, refuse_blanks, require_columns

from .coefficients import UNORDERED
from .cohen import cohen_kappa
from .ratings import ratings_matrix


def intra_reader(
    table: pd.DataFrame,
    *,
    reader: str = "reader",
    case: str = "case",
    judgment: str = "judgment",
    order: str | None = None,
    weights: str = "unweighted",
    level: float = 0.95,
) -> tuple[Estimate, dict[Hashable, dict[str, Estimate]]]:
    """Test-retest agreement from a tidy table in which some reader-case pairs appear twice.

    Parameters
    ----------
    order
        Column that sorts a pair's readings into first and second; the table's order otherwise.
    weights
        Weighting of kappa for ordered judgments.

    Returns
    -------
    The readers' mean percent agreement with a t interval over readers (readers random), and per
    reader ``percent`` (Wilson-like exact Clopper-Pearson interval) and ``kappa``.

    Raises ``ValueError`` when no pair is repeated, or one is repeated more than once (named).
    """
    require_columns(table, [reader, case, judgment, *([order] if order else [])])
    checked_level(level)
    refuse_blanks(table, [reader, case])
    known = table[table[judgment].notna()]
    known = known.sort_values(order, kind="stable") if order else known
    sizes = known.groupby([reader, case], sort=True)[judgment].transform("size")
    if (sizes > 2).any():
        raise ValueError(
            f"{name_rows(known.index[sizes > 2])}: a case read more than twice by one reader; "
            "choose two readings or use repeatability"
        )
    twice = known[sizes == 2]
    if twice.empty:
        raise ValueError("no reader read any case twice: there are no repeats to compare")
    pairs = twice.groupby([reader, case], sort=True)[judgment].agg(["first", "last"])
    whole = ratings_matrix(pairs.reset_index(drop=True))
    labels = whole.categories
    per_reader: dict[Hashable, dict[str, Estimate]] = {}
    shares: list[float] = []
    for name, group in pairs.groupby(level=0, sort=True):
        coded = ratings_matrix(group.reset_index(drop=True), categories=labels)
        same = int((coded.codes[:, 0] == coded.codes[:, 1]).sum())
        n = len(group)
        shares.append(same / n)
        estimates = {"percent": _clopper_pearson(same, n, level)}
        if len(labels) > 1:
            counts = np.zeros((len(labels), len(labels)))
            np.add.at(counts, (coded.codes[:, 0], coded.codes[:, 1]), 1)
            kappa = cohen_kappa(counts, weights=weights, categories=labels, level=level)
            said = whole.order_note(weights not in UNORDERED)
            estimates["kappa"] = replace(kappa, notes=(*kappa.notes, *said))
        per_reader[name] = estimates
    return _pooled(np.array(shares), len(pairs), level), per_reader


def _pooled(shares: np.ndarray[Any, Any], pairs: int, level: float) -> Estimate:
    readers = shares.size
    mean = float(shares.mean())
    common: dict[str, Any] = {
        "name": "intra-reader agreement", "level": level, "n": pairs,
        "details": {"readers": readers, "per_reader": shares},
    }  # fmt: skip
    if readers < 2:
        return Estimate(
            estimate=mean, method="one reader's share of equal repeats",
            notes=("one reader: the interval of the readers' mean is not defined",), **common,
        )  # fmt: skip
    error = float(shares.std(ddof=1)) / np.sqrt(readers)
    if error == 0:
        return Estimate(
            estimate=mean, standard_error=0.0, method="mean over readers",
            notes=("degenerate: all readers have one share; see each reader's exact interval",),
            **common,
        )  # fmt: skip
    reach = float(stats.t.ppf((1 + level) / 2, readers - 1)) * error
    return Estimate(
        estimate=mean, standard_error=float(error), lower=max(0.0, mean - reach),
        upper=min(1.0, mean + reach), df=readers - 1.0,
        method="mean over readers, t over readers (readers random)", **common,
    )  # fmt: skip


def _clopper_pearson(successes: int, n: int, level: float) -> Estimate:
    tail = (1.0 - level) / 2.0
    lower = stats.beta.ppf(tail, successes, n - successes + 1) if successes else 0.0
    upper = stats.beta.ppf(1 - tail, successes + 1, n - successes) if successes < n else 1.0
    return Estimate(
        name="share of equal repeats", estimate=successes / n, lower=float(lower),
        upper=float(upper), level=level, method="Clopper-Pearson", n=n,
    )  # fmt: skip
