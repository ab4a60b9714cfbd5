"""Dorfman-Berbaum-Metz: analysis of variance of jackknife pseudovalues.

Sources: Dorfman, Berbaum and Metz, Invest Radiol 27 (1992) 723-731; Hillis, Berbaum and Metz, Acad
Radiol 15 (2008) 647-661 (one model for any sign of the components, degrees of freedom). With the
jackknife covariance it gives the same F and p as Obuchowski-Rockette (Hillis, Obuchowski, Schartz
and Berbaum, Stat Med 24 (2005) 1579-1607); that identity is tested.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from readerstudy.analysis.result import Estimate
from readerstudy.analysis.tidy import RatingCube

from .by_function import FigureFunction, figure_name, jackknife_values, values_of
from .figures import cells_of, jackknife_deviations
from .inference import ROUNDING, estimate_from
from .obuchowski_rockette import cube_for

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DbmResult:
    """Mean squares and components of the pseudovalues, and the tests made of them."""

    equality: Estimate
    differences: dict[tuple[Hashable, Hashable], Estimate]
    mean_squares: dict[str, float]
    components: dict[str, float]
    modalities: dict[Hashable, Estimate] = field(default_factory=dict)
    """Each from that modality's pseudovalues alone."""
    readers: str = "random"
    cases: str = "random"

    def to_dict(self) -> dict[str, Any]:
        """Plain types at full precision."""
        return {
            "readers": self.readers,
            "cases": self.cases,
            "modalities": {str(key): e.to_dict() for key, e in self.modalities.items()},
            "equality": self.equality.to_dict(),
            "differences": {f"{a} - {b}": e.to_dict() for (a, b), e in self.differences.items()},
            "mean_squares": dict(self.mean_squares),
            "components": dict(self.components),
        }


def pseudovalues(cube: RatingCube, *, metric: str | FigureFunction = "auc") -> Floats:
    """Modality x reader x case pseudovalues n theta - (n - 1) theta_(-k).

    For sensitivity and specificity only the cases of that class have pseudovalues. Raises
    ``ValueError`` for incomplete designs: the analysis of variance needs every cell.
    """
    if not np.isfinite(cube.ratings).all():
        missing = int((~np.isfinite(cube.ratings)).sum())
        raise ValueError(
            f"{missing} readings are missing: pseudovalues need the complete factorial design; use "
            "obuchowski_rockette or u_statistics"
        )
    cells, truth = cells_of(cube, metric)
    if isinstance(metric, str) or truth is None:
        values, deviations = jackknife_deviations(cells, truth)
    else:
        values = values_of(cells, truth, metric)
        deviations = jackknife_values(cells, truth, metric) - values[:, None]
    n = cells.shape[1]
    pseudo = values[:, None] - (n - 1.0) * deviations
    return np.asarray(pseudo.reshape(*cube.ratings.shape[:2], n))


def dorfman_berbaum_metz(
    table: pd.DataFrame,
    *,
    metric: str | FigureFunction = "auc",
    readers: str = "random",
    cases: str = "random",
    null: float | None = None,
    level: float = 0.95,
    threshold: float | None = None,
    reader: str = "reader",
    case: str = "case",
    modality: str = "modality",
    truth: str | None = "truth",
    rating: str = "rating",
    positive: Hashable | None = None,
    positive_rating: Hashable | None = None,
) -> DbmResult:
    """Complete factorial data of two modalities and two readers or more.

    With readers and cases random the error term is MS(TR) + max(MS(TC) - MS(TRC), 0), the
    truncation standing in the degrees of freedom too; with readers fixed it is MS(TC) on
    (t - 1)(n - 1) degrees of freedom, with cases fixed MS(TR) on (t - 1)(r - 1), as in RJafroc's
    DBM method. Other options as in ``obuchowski_rockette``. Raises ``ValueError`` for incomplete
    data, fewer than two modalities or readers, and both factors fixed.
    """
    for name, factor in (("readers", readers), ("cases", cases)):
        if factor not in {"random", "fixed"}:
            raise ValueError(f"{name} {factor!r}: must be 'random' or 'fixed'")
    if readers == cases == "fixed":
        raise ValueError("readers and cases both fixed leave nothing random to test against")
    if not 0 < level < 1:
        raise ValueError(f"level {level} must lie between 0 and 1")
    cube = cube_for(
        table, metric, threshold, reader=reader, case=case, modality=modality, truth=truth,
        rating=rating, positive=positive, positive_rating=positive_rating,
    )  # fmt: skip
    name = figure_name(metric)
    if null is None and metric == "auc":
        null = 0.5
    y = pseudovalues(cube, metric=metric)
    t, r, n = y.shape
    if t < 2 or r < 2:
        raise ValueError(f"{t} modalities and {r} readers: two of each are needed")
    ms = _mean_squares(y)
    notes: tuple[str, ...] = ()
    if readers == "fixed":
        term, df = ms["TC"], (t - 1.0) * (n - 1.0)
    elif cases == "fixed":
        term, df = ms["TR"], (t - 1.0) * (r - 1.0)
    else:
        term, df, notes = _truncated(ms["TR"], ms["TC"], ms["TRC"], (t - 1) * (r - 1), "TC", "TRC")
    if term <= ROUNDING:
        raise ValueError("degenerate: the pseudovalues do not vary, so there is nothing to test")
    method = f"Dorfman-Berbaum-Metz, readers {readers}, cases {cases}"
    f = ms["T"] / term
    p = float(stats.f.sf(f, t - 1, df)) if math.isfinite(df) else float(
        stats.chi2.sf((t - 1) * f, t - 1)
    )  # fmt: skip
    equality = Estimate(
        name="equality of modalities", estimate=f, statistic=f, df=(t - 1.0, df), p_value=p,
        method=method, details=dict(ms), level=level, notes=notes,
    )  # fmt: skip
    means = y.mean(axis=(1, 2))
    differences = {
        (cube.modalities[a], cube.modalities[b]): estimate_from(
            name=f"{name} of {cube.modalities[a]} - {cube.modalities[b]}",
            estimate=float(means[a] - means[b]), variance=2.0 * term / (r * n), df=df, level=level,
            null=0.0, method=method, details={"error_term": term}, notes=notes,
        )
        for a, b in itertools.combinations(range(t), 2)
    }  # fmt: skip
    bounds = (0.0, 1.0) if isinstance(metric, str) else None
    modalities = {
        label: _modality(f"{name} of {label}", y[a], readers, cases, null, level, method, bounds)
        for a, label in enumerate(cube.modalities)
    }
    components = {
        "reader": (ms["R"] - ms["TR"] - ms["RC"] + ms["TRC"]) / (t * n),
        "case": (ms["C"] - ms["TC"] - ms["RC"] + ms["TRC"]) / (t * r),
        "modality_reader": (ms["TR"] - ms["TRC"]) / n,
        "modality_case": (ms["TC"] - ms["TRC"]) / r,
        "reader_case": (ms["RC"] - ms["TRC"]) / t,
        "error": ms["TRC"],
    }
    return DbmResult(equality, differences, ms, components, modalities, readers, cases)


def _mean_squares(y: Floats) -> dict[str, float]:
    """The three-way analysis of variance, one observation a cell."""
    t, r, n = y.shape
    grand = y.mean()
    m_t, m_r, m_c = y.mean(axis=(1, 2)), y.mean(axis=(0, 2)), y.mean(axis=(0, 1))
    m_tr, m_tc, m_rc = y.mean(axis=2), y.mean(axis=1), y.mean(axis=0)
    tr = m_tr - m_t[:, None] - m_r[None, :] + grand
    tc = m_tc - m_t[:, None] - m_c[None, :] + grand
    rc = m_rc - m_r[:, None] - m_c[None, :] + grand
    rest = (
        y - m_tr[:, :, None] - m_tc[:, None, :] - m_rc[None, :, :]
        + m_t[:, None, None] + m_r[None, :, None] + m_c[None, None, :] - grand
    )  # fmt: skip
    return {
        "T": r * n * float(np.sum((m_t - grand) ** 2)) / (t - 1),
        "R": t * n * float(np.sum((m_r - grand) ** 2)) / (r - 1),
        "C": t * r * float(np.sum((m_c - grand) ** 2)) / (n - 1),
        "TR": n * float(np.sum(tr**2)) / ((t - 1) * (r - 1)),
        "TC": r * float(np.sum(tc**2)) / ((t - 1) * (n - 1)),
        "RC": t * float(np.sum(rc**2)) / ((r - 1) * (n - 1)),
        "TRC": float(np.sum(rest**2)) / ((t - 1) * (r - 1) * (n - 1)),
    }


def _truncated(
    reader: float, case: float, rest: float, df: float, case_name: str, rest_name: str
) -> tuple[float, float, tuple[str, ...]]:
    """Error term reader + max(case - rest, 0), Hillis' degrees of freedom, and a note."""
    gap = case - rest
    term = reader + max(gap, 0.0)
    notes = () if gap >= 0 else (f"MS({case_name}) - MS({rest_name}) = {gap:.3g}, taken as 0",)
    return term, term**2 / (reader**2 / df) if reader > 0 else math.inf, notes


def _modality(
    name: str,
    y: Floats,
    readers: str,
    cases: str,
    null: float | None,
    level: float,
    method: str,
    bounds: tuple[float, float] | None,
) -> Estimate:
    """One modality's mean from its own reader x case pseudovalues."""
    r, n = y.shape
    grand, m_r, m_c = float(y.mean()), y.mean(axis=1), y.mean(axis=0)
    ms_r = n * float(np.sum((m_r - grand) ** 2)) / (r - 1)
    ms_c = r * float(np.sum((m_c - grand) ** 2)) / (n - 1)
    rest = y - m_r[:, None] - m_c[None, :] + grand
    ms_rc = float(np.sum(rest**2)) / ((r - 1) * (n - 1))
    notes: tuple[str, ...] = ()
    if readers == "fixed":
        term, df = ms_c, n - 1.0
    elif cases == "fixed":
        term, df = ms_r, r - 1.0
    else:
        term, df, notes = _truncated(ms_r, ms_c, ms_rc, r - 1, "C", "RC")
    return estimate_from(
        name=name, estimate=grand, variance=term / (r * n), df=df, level=level, null=null,
        method=method, details={"ms_reader": ms_r, "ms_case": ms_c, "ms_reader_case": ms_rc},
        notes=notes, bounds=bounds, n=r,
    )  # fmt: skip
