"""The tasks beside real-or-synthetic: forced choice and image quality."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from readerstudy.analysis.bootstrap import bootstrap_rates
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
    """Mean image quality of each origin, and generated minus acquired, with readers random.

    A reader's mean is one observation; intervals are t over readers (undefined for one reader).
    """
    rated = table[table["quality"].notna() & (table["repeat_of"] == "")]
    if rated.empty:
        return {}
    means = rated.pivot_table(index="reader", columns="origin", values="quality", aggfunc="mean")
    counts = rated["origin"].value_counts()
    found = {
        f"{origin} scans": _over_readers(
            means[origin].dropna().to_numpy(), f"mean quality of {origin} scans",
            int(counts[origin]), level,
        )
        for origin in means.columns
    }  # fmt: skip
    if {"acquired", "generated"} <= set(means.columns):
        difference = (means["generated"] - means["acquired"]).dropna().to_numpy()
        found["difference"] = _over_readers(
            difference, "generated minus acquired", int(counts.sum()), level, null=0.0
        )
    return found


def _over_readers(
    values: np.ndarray, name: str, n: int, level: float, null: float | None = None
) -> Estimate:
    mean = float(values.mean()) if len(values) else float("nan")
    method = "mean of the readers' means, t over readers"
    if len(values) < 2:
        return Estimate(name, mean, level=level, n=n, method=method,
                        notes=("one reader: no interval",))  # fmt: skip
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    df = len(values) - 1
    half = float(stats.t.ppf((1 + level) / 2, df)) * error
    statistic = p_value = None
    if null is not None and error > 0:
        statistic = (mean - null) / error
        p_value = float(2 * stats.t.sf(abs(statistic), df))
    return Estimate(
        name, mean, error, mean - half, mean + half, level,
        null=null, statistic=statistic, df=df, p_value=p_value, method=method, n=n,
    )  # fmt: skip
