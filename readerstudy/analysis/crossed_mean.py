"""Mean of a reader x case table with both random: U-statistic variance, any missing pattern.

For a mean over cells the U-statistic of Gallas (Gallas, Bandos, Samuelson & Wagner 2009,
Communications in Statistics A 38, 2586-2603) needs four second moments: of one cell with itself,
of two cases of one reader, of two readers of one case, and of cells that share neither. The
variance is a weighted sum of the differences to the last.

The moments here are those of the deviations from the mean. Where every reader read every case that
changes nothing. With missing readings the raw moments, each an average over other pairs, carry the
square of the mean with different weights: their differences then depend on which answer is called
one, and scatter two to three times as much (simulated: 5 readers, 40 cases, 30 % missing).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from readerstudy.analysis.proportions import limits
from readerstudy.analysis.result import Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CrossedMean:
    """A mean, its variance and the variance components of one cell."""

    mean: float
    variance: float
    df: float
    readers: int
    cases: int
    readings: int
    reader_variance: float
    case_variance: float
    cell_variance: float  # what is left: interaction and chance
    notes: tuple[str, ...]


def crossed_mean(outcome: Floats) -> CrossedMean:
    """Mean of ``outcome`` (readers, cases), NaN where there is no reading.

    Readers and cases are both random. With one reader (or one case) the variation over that side
    cannot be seen: it is held fixed and a note says so. A negative component is set to zero and
    said so; the variance is never negative.
    """
    read = np.isfinite(outcome)
    values = outcome[np.ix_(read.any(axis=1), read.any(axis=0))]
    present = np.isfinite(values)
    readers, cases = values.shape
    n = float(present.sum())
    if n == 0:
        return CrossedMean(math.nan, math.nan, math.nan, 0, 0, 0, 0, 0, 0, ("no readings",))
    mean = float(np.nansum(values) / n)
    y = np.where(present, values - mean, 0.0)
    row, column, total = y.sum(axis=1), y.sum(axis=0), float(y.sum())
    row_n, column_n = present.sum(axis=1), present.sum(axis=0)
    squares = float((y**2).sum())
    pairs_row = float((row_n**2).sum()) - n
    pairs_column = float((column_n**2).sum()) - n
    pairs_other = n * n - n - pairs_row - pairs_column
    same_cell = squares / n
    same_reader = (float((row**2).sum()) - squares) / pairs_row if pairs_row else math.nan
    same_case = (float((column**2).sum()) - squares) / pairs_column if pairs_column else math.nan
    notes: list[str] = []
    share_row, share_column = pairs_row / n**2, pairs_column / n**2
    if readers == 1 or cases == 1 or pairs_other == 0:
        fixed = "reader" if readers == 1 else "case" if cases == 1 else "crossing"
        notes.append(
            f"one {fixed} only: variation between {fixed}s cannot be seen and is left out"
            if fixed != "crossing"
            else "no two readings share neither reader nor case: readings taken as independent"
        )
        v = squares / (n - 1) if n > 1 else math.nan
        return CrossedMean(mean, v / n, n - 1, readers, cases, int(n), 0.0, 0.0, v, tuple(notes))
    both_differ = total**2 - float((row**2).sum()) - float((column**2).sum()) + squares
    other = both_differ / pairs_other
    reader_variance = same_reader - other if pairs_row else 0.0
    case_variance = same_case - other if pairs_column else 0.0
    for name, component in (("reader", reader_variance), ("case", case_variance)):
        if component < -1e-12:
            notes.append(f"the {name} component is negative ({component:.3g}) and set to zero")
    reader_variance, case_variance = max(reader_variance, 0.0), max(case_variance, 0.0)
    cell_total = max(same_cell - other, 0.0)
    cell = max(cell_total - reader_variance - case_variance, 0.0)
    of_reader = reader_variance * (1 / n + share_row)
    of_case = case_variance * (1 / n + share_column)
    of_cell = cell / n
    variance = of_reader + of_case + of_cell
    # Satterthwaite on the mean squares that the three sources correspond to.
    spread = (
        (of_reader + of_cell) ** 2 / (readers - 1)
        + (of_case + of_cell) ** 2 / (cases - 1)
        + of_cell**2 / ((readers - 1) * (cases - 1))
    )
    df = variance**2 / spread if spread > 0 else math.inf
    return CrossedMean(
        mean,
        variance,
        df,
        readers,
        cases,
        int(n),
        reader_variance,
        case_variance,
        cell,
        tuple(notes),
    )


def shared_reader_covariance(first: Floats, second: Floats) -> float:
    """Covariance of two means over different cases read by the same readers, (readers, cases)."""
    n1, n2 = np.isfinite(first).sum(axis=1), np.isfinite(second).sum(axis=1)
    shared = float(n1 @ n2)
    apart = float(n1.sum()) * float(n2.sum()) - shared
    if shared == 0 or apart == 0:
        return 0.0
    # Sums of deviations: they add up to zero, so the moment of different readers is -together.
    together = float(_deviations(first) @ _deviations(second))
    component = together / shared + together / apart
    return component * shared / (float(n1.sum()) * float(n2.sum()))


def _deviations(values: Floats) -> Floats:
    """Each reader's sum of deviations from the mean over all readings, (readers,)."""
    return np.asarray(np.nansum(values - np.nanmean(values), axis=1))


def u_statistic_rate(
    outcome: Floats,
    *,
    null: float | None = None,
    level: float = 0.95,
    name: str = "rate",
) -> Estimate:
    """A 0/1 outcome's rate with readers and cases random, tested against ``null``.

    The interval is a t interval on the logit scale, so that it stays within 0 to 1; the symmetric
    one is in ``details``. A rate of exactly 0 or 1 has no variance to estimate: the result says
    "degenerate" and the interval is Clopper-Pearson's as if the fewer of readers and cases had
    given one answer each, which is conservative.
    """
    mean = crossed_mean(outcome)
    base = {
        "readers": mean.readers,
        "cases": mean.cases,
        "reader_variance": mean.reader_variance,
        "case_variance": mean.case_variance,
        "cell_variance": mean.cell_variance,
    }
    p, method = mean.mean, "MRMC U-statistic, readers and cases random"
    if mean.readings == 0:
        return Estimate(name, math.nan, level=level, method=method, n=0, notes=mean.notes)
    if p in (0.0, 1.0) or not mean.variance > 0:
        units = min(mean.readers, mean.cases) if mean.readers > 1 else mean.cases
        count = round(p * units)
        lower, upper = limits(count, units, method="clopper-pearson", level=level)
        return Estimate(
            name=name,
            estimate=p,
            standard_error=None,
            lower=lower if p in (0.0, 1.0) else 0.0,
            upper=upper if p in (0.0, 1.0) else 1.0,
            level=level,
            null=null,
            p_value=None if null is None or p not in (0.0, 1.0) else _exact(count, units, null),
            method=method,
            n=mean.readings,
            details=base,
            notes=(
                *mean.notes,
                f"degenerate: no variance to estimate; exact interval on {units} "
                f"{'reader' if units == mean.readers and mean.readers > 1 else 'case'}"
                f"{'s' if units != 1 else ''}",
            ),
        )
    error = math.sqrt(mean.variance)
    quantile = float(stats.t.isf((1 - level) / 2, mean.df))
    scale = error / (p * (1 - p))
    lower, upper = special.expit(special.logit(p) + np.array([-1, 1]) * quantile * scale)
    statistic = None if null is None else (p - null) / error
    return Estimate(
        name=name,
        estimate=p,
        standard_error=error,
        lower=float(lower),
        upper=float(upper),
        level=level,
        null=null,
        statistic=statistic,
        df=mean.df,
        p_value=None if statistic is None else float(2 * stats.t.sf(abs(statistic), mean.df)),
        method=method,
        n=mean.readings,
        details={
            **base,
            "symmetric_interval": (p - quantile * error, p + quantile * error),
        },
        notes=mean.notes,
    )


def _exact(count: int, units: int, null: float) -> float:
    return float(stats.binomtest(count, units, null).pvalue)


def u_statistic_difference(
    first: Floats,
    second: Floats,
    *,
    level: float = 0.95,
    name: str = "difference",
    labels: Sequence[str] | None = None,
) -> Estimate:
    """Mean of ``first`` minus mean of ``second``: other cases, the same readers (rows aligned)."""
    parts = ((1.0, first), (-1.0, second))
    return u_statistic_contrast(
        parts, null=0.0, level=level, name=name, ends=(-1.0, 1.0), labels=labels
    )


def u_statistic_contrast(
    parts: Sequence[tuple[float, Floats]],
    *,
    null: float | None = None,
    level: float = 0.95,
    name: str = "contrast",
    ends: tuple[float, float] = (-math.inf, math.inf),
    labels: Sequence[str] | None = None,
) -> Estimate:
    """sum of weight x mean over strata of different cases read by the same readers.

    ``parts`` are (weight, (readers, cases)) with the readers' rows aligned, ``labels`` their names
    in the notes. The strata are fixed,
    readers and cases within them random: the variance adds the strata's and twice the covariances
    that the shared readers bring. Interval and test by t with Satterthwaite's df.
    """
    means = [crossed_mean(values) for _, values in parts]
    weights = [weight for weight, _ in parts]
    n = sum(mean.readings for mean in means)
    method = "MRMC U-statistic, readers and cases random"
    if any(mean.readings == 0 for mean in means):
        note = "one side has no readings: the difference is not defined"
        return Estimate(name, math.nan, level=level, method=method, n=n, notes=(note,))
    estimate = sum(w * mean.mean for w, mean in zip(weights, means, strict=True))
    named = labels or [f"part {k + 1}" for k in range(len(parts))]
    notes = [f"{label}: {note}" for label, mean in zip(named, means, strict=True)
             for note in mean.notes]  # fmt: skip
    own = [w * w * mean.variance for w, mean in zip(weights, means, strict=True)]
    shared = sum(
        2 * weights[a] * weights[b] * shared_reader_covariance(parts[a][1], parts[b][1])
        for a, b in itertools.combinations(range(len(parts)), 2)
    )
    variance = sum(own) + shared
    if variance < max(own) * 1e-6 and sum(own) > 0:
        variance = sum(own)
        notes.append("the shared-reader covariance exceeds the variances and is left out")
    details: dict[str, Any] = {
        "means": [mean.mean for mean in means],
        "shared_reader_covariance": shared,
    }
    if not variance > 0:
        notes.append("degenerate: no variance on any side; use an exact test on readers or cases")
        return Estimate(
            name=name,
            estimate=estimate,
            lower=ends[0],
            upper=ends[1],
            level=level,
            null=null,
            method=method,
            n=n,
            details=details,
            notes=tuple(notes),
        )
    error = math.sqrt(variance)
    spread = sum(v * v / m.df for v, m in zip(own, means, strict=True) if v > 0 and m.df > 0)
    df = max(variance**2 / spread if spread > 0 else math.inf, 1.0)
    quantile = float(stats.t.isf((1 - level) / 2, df))
    statistic = None if null is None else (estimate - null) / error
    return Estimate(
        name=name,
        estimate=estimate,
        standard_error=error,
        lower=max(ends[0], estimate - quantile * error),
        upper=min(ends[1], estimate + quantile * error),
        level=level,
        null=null,
        statistic=statistic,
        df=df,
        p_value=None if statistic is None else float(2 * stats.t.sf(abs(statistic), df)),
        method=method,
        n=n,
        details=details,
        notes=tuple(notes),
    )
