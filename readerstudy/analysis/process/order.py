"""Does the share of right answers (or of any judgment) drift along the sitting?

Source: Mantel, JASA 58 (1963) 690-700 (trend over strata; here each reader is a stratum, so that
readers' different levels cannot pass for a trend).
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import stats

from readerstudy.analysis.proportions.counts import checked_level
from readerstudy.analysis.result import Estimate
from readerstudy.analysis.tidy import binary, numeric, refuse_blanks, require_columns


def trend_by_position(
    table: pd.DataFrame,
    *,
    outcome: str = "correct",
    reader: str = "reader",
    position: str = "position",
    per: float = 10.0,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Mantel's trend of a 0/1 outcome over position within readers, and last against first third.

    ``trend``: the reader-stratified change of the outcome's share per ``per`` positions (weighted
    least squares slope common to readers) with Mantel's test; ``last_minus_first``: mean over
    readers of the difference between their last and first third, t over readers.
    """
    require_columns(table, [outcome, reader, position])
    checked_level(level)
    refuse_blanks(table, [reader])
    if not per > 0:
        raise ValueError(f"per {per} positions: must be positive")
    y, x = binary(table, outcome), numeric(table, position)
    known = y.notna() & x.notna()
    frame = pd.DataFrame({"y": y[known], "x": x[known], "r": table.loc[known, reader]})
    if frame.empty:
        raise ValueError(f"no reading has both {outcome} and {position}")
    top = spread = variance = 0.0
    differences: list[float] = []
    for _, own in frame.groupby("r", sort=True):
        a, b = own["x"].to_numpy(), own["y"].to_numpy()
        n = a.size
        sxx = float(np.sum((a - a.mean()) ** 2))
        if n > 1:
            top += float(np.sum((a - a.mean()) * b))
            spread += sxx
            variance += sxx * float(b.mean() * (1 - b.mean())) * n / (n - 1)
        third = n // 3
        if third:
            order = np.argsort(a, kind="stable")
            differences.append(float(b[order[-third:]].mean() - b[order[:third]].mean()))
    slope = top / spread if spread > 0 else float("nan")
    error = math.sqrt(variance) / spread if spread > 0 and variance > 0 else None
    z = slope / error if error else float("nan")
    reach = float(stats.norm.ppf((1 + level) / 2)) * error if error else 0.0
    found = {
        "trend": Estimate(
            name=f"change of {outcome} per {per:g} positions", estimate=slope * per,
            standard_error=error * per if error else None,
            lower=(slope - reach) * per if error else None,
            upper=(slope + reach) * per if error else None, level=level, null=0.0,
            statistic=z, p_value=float(2 * stats.norm.sf(abs(z))) if error else None,
            method="Mantel's trend, readers as strata (variance under no trend)", n=len(frame),
            notes=() if error else (f"degenerate: {outcome} or {position} does not vary",),
        )
    }  # fmt: skip
    d = np.array(differences)
    if d.size >= 2 and d.std(ddof=1) > 0:
        se = float(d.std(ddof=1) / math.sqrt(d.size))
        t = float(d.mean()) / se
        width = float(stats.t.ppf((1 + level) / 2, d.size - 1)) * se
        found["last_minus_first"] = Estimate(
            name=f"{outcome}, last minus first third", estimate=float(d.mean()),
            standard_error=se, lower=float(d.mean()) - width, upper=float(d.mean()) + width,
            level=level, null=0.0, statistic=t, df=d.size - 1.0,
            p_value=float(2 * stats.t.sf(abs(t), d.size - 1)),
            method="mean of readers' differences, t over readers", n=d.size,
        )  # fmt: skip
    elif d.size:
        found["last_minus_first"] = Estimate(
            name=f"{outcome}, last minus first third", estimate=float(d.mean()), level=level,
            method="mean of readers' differences", n=d.size,
            notes=("no interval: one reader, or all readers alike",),
        )  # fmt: skip
    return found
