"""Dorfman-Berbaum-Metz: analysis of variance of jackknife pseudovalues.

Sources: Dorfman, Berbaum and Metz, Invest Radiol 27 (1992) 723-731; Hillis, Berbaum and Metz, Acad
Radiol 15 (2008) 647-661 (one model for any sign of the components, degrees of freedom). With the
jackknife covariance it gives the same F and p as Obuchowski-Rockette (Hillis, Obuchowski, Schartz
and Berbaum, Stat Med 24 (2005) 1579-1607); that identity is tested.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from readerstudy.analysis.result import Estimate
from readerstudy.analysis.tidy import RatingCube

from .figures import cells_of, jackknife_deviations
from .obuchowski_rockette import cube_for

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DbmResult:
    """Mean squares and components of the pseudovalues, and the test of equal modalities."""

    equality: Estimate
    differences: dict[tuple[Hashable, Hashable], Estimate]
    mean_squares: dict[str, float]
    components: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain types at full precision."""
        return {
            "equality": self.equality.to_dict(),
            "differences": {f"{a} - {b}": e.to_dict() for (a, b), e in self.differences.items()},
            "mean_squares": dict(self.mean_squares),
            "components": dict(self.components),
        }


def pseudovalues(cube: RatingCube, *, metric: str = "auc") -> Floats:
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
    values, deviations = jackknife_deviations(cells, truth)
    n = cells.shape[1]
    pseudo = values[:, None] - (n - 1.0) * deviations
    return np.asarray(pseudo.reshape(*cube.ratings.shape[:2], n))


def dorfman_berbaum_metz(
    table: pd.DataFrame,
    *,
    metric: str = "auc",
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
    """Readers and cases random, complete factorial data of two modalities or more.

    The modality x case component is truncated: the error term is
    MS(TR) + max(MS(TC) - MS(TRC), 0), in the degrees of freedom too.
    """
    cube = cube_for(
        table, metric, threshold, reader=reader, case=case, modality=modality, truth=truth,
        rating=rating, positive=positive, positive_rating=positive_rating,
    )  # fmt: skip
    y = pseudovalues(cube, metric=metric)
    t, r, n = y.shape
    if t < 2 or r < 2:
        raise ValueError(f"{t} modalities and {r} readers: two of each are needed")
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
    ms = {
        "T": r * n * float(np.sum((m_t - grand) ** 2)) / (t - 1),
        "R": t * n * float(np.sum((m_r - grand) ** 2)) / (r - 1),
        "C": t * r * float(np.sum((m_c - grand) ** 2)) / (n - 1),
        "TR": n * float(np.sum(tr**2)) / ((t - 1) * (r - 1)),
        "TC": r * float(np.sum(tc**2)) / ((t - 1) * (n - 1)),
        "RC": t * float(np.sum(rc**2)) / ((r - 1) * (n - 1)),
        "TRC": float(np.sum(rest**2)) / ((t - 1) * (r - 1) * (n - 1)),
    }
    gap = ms["TC"] - ms["TRC"]
    notes = () if gap >= 0 else (f"MS(TC) - MS(TRC) = {gap:.3g}, taken as 0",)
    term = ms["TR"] + max(gap, 0.0)
    df = term**2 / (ms["TR"] ** 2 / ((t - 1) * (r - 1))) if ms["TR"] > 0 else math.inf
    common: dict[str, Any] = {"level": level, "notes": notes}
    if term <= 0:
        raise ValueError("degenerate: the pseudovalues do not vary, so there is nothing to test")
    f = ms["T"] / term
    p = float(stats.f.sf(f, t - 1, df)) if math.isfinite(df) else float(
        stats.chi2.sf((t - 1) * f, t - 1)
    )  # fmt: skip
    equality = Estimate(
        name="equality of modalities", estimate=f, statistic=f, df=(t - 1.0, df), p_value=p,
        method="Dorfman-Berbaum-Metz, Hillis degrees of freedom", details=dict(ms), **common,
    )  # fmt: skip
    error = math.sqrt(2.0 * term / (r * n))
    reach = float(stats.t.ppf((1.0 + level) / 2.0, df)) * error
    differences: dict[tuple[Hashable, Hashable], Estimate] = {}
    for a in range(t):
        for b in range(a + 1, t):
            d = float(m_t[a] - m_t[b])
            differences[cube.modalities[a], cube.modalities[b]] = Estimate(
                name=f"{metric} of {cube.modalities[a]} - {cube.modalities[b]}", estimate=d,
                standard_error=error, lower=d - reach, upper=d + reach, null=0.0,
                statistic=d / error, df=df, p_value=float(2.0 * stats.t.sf(abs(d / error), df)),
                method="Dorfman-Berbaum-Metz, Hillis degrees of freedom", **common,
            )  # fmt: skip
    components = {
        "reader": (ms["R"] - ms["TR"] - ms["RC"] + ms["TRC"]) / (t * n),
        "case": (ms["C"] - ms["TC"] - ms["RC"] + ms["TRC"]) / (t * r),
        "modality_reader": (ms["TR"] - ms["TRC"]) / n,
        "modality_case": (ms["TC"] - ms["TRC"]) / r,
        "reader_case": (ms["RC"] - ms["TRC"]) / t,
        "error": ms["TRC"],
    }
    return DbmResult(equality, differences, ms, components)
