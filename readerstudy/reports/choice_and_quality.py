"""The tasks beside real-or-synthetic: forced choice and image quality."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from readerstudy.analysis.bootstrap import bootstrap_rates
from readerstudy.analysis.crossed_mean import u_statistic_contrast
from readerstudy.analysis.realism_pooled import PooledRate, pooled_rate
from readerstudy.analysis.result import Estimate


def forced_choice(table: pd.DataFrame, *, level: float, seed: int) -> dict[int, PooledRate]:
    """Share of choices that fell on an acquired scan, by number of alternatives m.

    Chance is 1/m. Readers and sets of scans are random; a set is the scans shown together, in
    whatever order. Empty where nobody chose.
    """
    chosen = table[table["choice"].notna() & (table["repeat_of"] == "")].copy()
    if chosen.empty:
        return {}
    chosen["set"] = ["|".join(sorted(shown.split("|"))) for shown in chosen["alternatives"]]
    chosen["m"] = chosen["alternatives"].str.count(r"\|") + 1
    found = {}
    for size, rows in chosen.groupby("m"):
        m = int(str(size))
        right = rows.pivot_table(index="reader", columns="set", values="correct", aggfunc="mean")
        matrix = right.to_numpy(dtype=float)
        everything = {"all": np.ones(matrix.shape[1], dtype=bool)}
        draws = bootstrap_rates(matrix, everything, seed=seed)["all"]
        found[m] = pooled_rate(
            matrix, draws, name=f"correct choices of {m}", chance=1 / m, level=level
        )
    return found


def quality(table: pd.DataFrame, *, level: float) -> dict[str, Estimate]:
    """Mean image quality of each origin, and generated minus acquired.

    Readers and scans are both random: other readers would rate otherwise, and so would these
    readers with other scans. Variance by U-statistic, t with Satterthwaite's degrees of freedom;
    the readers' covariance of the two origins is kept. A grade is taken as a number.
    """
    rated = table[table["quality"].notna() & (table["repeat_of"] == "")]
    if rated.empty:
        return {}
    grades = rated.pivot_table(index="reader", columns=["origin", "case"], values="quality")
    of_origin = {str(o): grades[o].to_numpy(float) for o in grades.columns.unique("origin")}
    found = {
        f"{origin} scans": _unbounded(
            u_statistic_contrast(
                [(1.0, matrix)], level=level, name=f"mean quality of {origin} scans",
                labels=[origin],
            )
        )
        for origin, matrix in of_origin.items()
    }  # fmt: skip
    if {"acquired", "generated"} <= set(of_origin):
        parts = [(1.0, of_origin["generated"]), (-1.0, of_origin["acquired"])]
        found["difference"] = _unbounded(
            u_statistic_contrast(
                parts, null=0.0, level=level, name="generated minus acquired",
                labels=["generated", "acquired"],
            )
        )  # fmt: skip
    return found


def _unbounded(estimate: Estimate) -> Estimate:
    """Grades that never vary say nothing of their uncertainty: no interval."""
    if estimate.standard_error is not None:
        return estimate
    return dataclasses.replace(estimate, lower=None, upper=None)
