"""Confidence: is it calibrated, does it tell right from wrong, and what does it cost (Brier)?

Sources: Brier, Mon Weather Rev 78 (1950) 1-3; Murphy, J Appl Meteorol 12 (1973) 595-600
(reliability, resolution, uncertainty); Cox, Biometrika 45 (1958) 562-565 (calibration intercept and
slope); Spiegelhalter, Stat Med 5 (1986) 421-433 (test of calibration).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from readerstudy.analysis.delong import delong_covariance, placements
from readerstudy.analysis.proportions.counts import checked_level
from readerstudy.analysis.result import Estimate
from readerstudy.analysis.tidy import binary, name_rows, numeric, refuse_blanks, require_columns

Floats = NDArray[np.float64]


def brier(probability: ArrayLike, outcome: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Brier score with Murphy's decomposition over the distinct stated probabilities.

    ``details``: ``reliability`` - ``resolution`` + ``uncertainty`` is the score exactly; ``skill``
    is one minus score over uncertainty; ``spiegelhalter_z`` and ``spiegelhalter_p`` test that the
    probabilities are calibrated. The interval treats judgments as independent; for several readers
    take ``confidence_by_reader``.
    """
    checked_level(level)
    p, y, left = _pair(probability, outcome)
    n = p.size
    loss = (p - y) ** 2
    score, base = float(loss.mean()), float(y.mean())
    values, place = np.unique(p, return_inverse=True)
    count = np.bincount(place)
    rate = np.bincount(place, y) / count
    details: dict[str, Any] = {
        "reliability": float(np.sum(count * (values - rate) ** 2) / n),
        "resolution": float(np.sum(count * (rate - base) ** 2) / n),
        "uncertainty": base * (1.0 - base),
    }
    details["skill"] = 1.0 - score / details["uncertainty"] if 0 < base < 1 else float("nan")
    top = float(np.sum((y - p) * (1.0 - 2.0 * p)))
    variance = float(np.sum((1.0 - 2.0 * p) ** 2 * p * (1.0 - p)))
    z = top / math.sqrt(variance) if variance > 0 else float("nan")
    details.update(spiegelhalter_z=z, spiegelhalter_p=float(2.0 * stats.norm.sf(abs(z))))
    error = float(loss.std(ddof=1) / math.sqrt(n)) if n > 1 else 0.0
    reach = float(stats.norm.ppf((1 + level) / 2)) * error
    return Estimate(
        name="Brier score", estimate=score, standard_error=error or None,
        lower=max(0.0, score - reach) if error else None,
        upper=min(1.0, score + reach) if error else None, level=level,
        method="mean squared error of stated probabilities, independent judgments", n=n,
        details=details, notes=left if error else (*left, "degenerate: every loss is the same"),
    )  # fmt: skip


def calibration(
    probability: ArrayLike, outcome: ArrayLike, *, level: float = 0.95
) -> dict[str, Estimate]:
    """Calibration in the large, and Cox's intercept and slope on the log-odds scale.

    ``in_the_large``: mean stated probability minus share of outcomes (positive: overconfident).
    ``slope`` below 1: probabilities too extreme. Stated 0 and 1 have no log-odds; they are drawn in
    to 1 / (2 n) with a note. A slope under separation is said, not made up.
    """
    checked_level(level)
    p, y, left = _pair(probability, outcome)
    n = p.size
    difference = p - y
    error = float(difference.std(ddof=1) / math.sqrt(n)) if n > 1 else 0.0
    reach = float(stats.norm.ppf((1 + level) / 2))
    large = float(difference.mean())
    z = large / error if error else float("nan")
    found = {
        "in_the_large": Estimate(
            name="mean confidence minus share right", estimate=large,
            standard_error=error or None, lower=large - reach * error if error else None,
            upper=large + reach * error if error else None, level=level, null=0.0, statistic=z,
            p_value=float(2 * stats.norm.sf(abs(z))) if error else None,
            method="calibration in the large, independent judgments", n=n, notes=left,
        )
    }  # fmt: skip
    drawn = np.clip(p, 0.5 / n, 1 - 0.5 / n)
    notes = (
        (f"{int((drawn != p).sum())} stated certainties drawn in to 1 / (2 n)",)
        if (drawn != p).any()
        else ()
    )
    notes = (*left, *notes)
    logit = special.logit(drawn)
    fit = _logistic(logit, y)
    for name, k, null in (("intercept", 0, 0.0), ("slope", 1, 1.0)):
        if fit is None:
            found[name] = Estimate(
                name=f"calibration {name}", estimate=float("nan"), level=level, n=n,
                method="logistic recalibration (Cox 1958)",
                notes=(*notes, "not defined: confidence separates right from wrong or is constant"),
            )  # fmt: skip
            continue
        beta, se = float(fit[0][k]), math.sqrt(float(fit[1][k, k]))
        statistic = (beta - null) / se
        found[name] = Estimate(
            name=f"calibration {name}", estimate=beta, standard_error=se,
            lower=beta - reach * se, upper=beta + reach * se, level=level, null=null,
            statistic=statistic, p_value=float(2 * stats.norm.sf(abs(statistic))),
            method="logistic recalibration (Cox 1958)", n=n, notes=notes,
        )  # fmt: skip
    return found


def resolution(confidence: ArrayLike, correct: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Type-2 AUC: how well confidence tells right judgments from wrong ones (0.5 not at all)."""
    checked_level(level)
    c, y, left = _pair(confidence, correct, bounded=False)
    right = y == 1
    common: dict[str, Any] = {
        "name": "resolution of confidence (type-2 AUC)", "level": level, "n": int(c.size),
        "method": "empirical AUC of confidence, right against wrong, DeLong", "null": 0.5,
    }  # fmt: skip
    if right.all() or not right.any():
        note = f"not defined: every judgment is {'right' if right.all() else 'wrong'}"
        return Estimate(estimate=float("nan"), notes=(*left, note), **common)
    if min(right.sum(), (~right).sum()) < 2:
        value = float(placements(c[right], c[~right])[0].mean())
        return Estimate(
            estimate=value, notes=(*left, "one judgment of a kind: no interval"), **common
        )
    auc, variance = delong_covariance(c[None, :], right)
    value, error = float(auc[0]), math.sqrt(max(0.0, float(variance[0, 0])))
    if error == 0.0:
        note = "degenerate: DeLong's variance is zero, which is not certainty"
        return Estimate(estimate=value, standard_error=0.0, notes=(*left, note), **common)
    reach = float(stats.norm.ppf((1 + level) / 2)) * error
    z = (value - 0.5) / error
    return Estimate(
        estimate=value, standard_error=error, lower=max(0.0, value - reach),
        upper=min(1.0, value + reach), statistic=z, p_value=float(2 * stats.norm.sf(abs(z))),
        notes=left, **common,
    )  # fmt: skip


def reliability_curve(
    probability: ArrayLike, outcome: ArrayLike, *, bins: int | Sequence[float] = 10
) -> pd.DataFrame:
    """Mean stated probability, share of outcomes and number per bin (empty bins left out).

    ``bins`` is a number of equal widths or the edges from 0 to 1. ``attrs["ece"]`` is the expected
    calibration error.
    """
    p, y, _ = _pair(probability, outcome)
    edges = np.linspace(0, 1, bins + 1) if isinstance(bins, int) else np.asarray(bins, dtype=float)
    if edges[0] > 0 or edges[-1] < 1 or np.any(np.diff(edges) <= 0):
        raise ValueError("bin edges must rise from 0 to 1")
    place = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, edges.size - 2)
    count = np.bincount(place, minlength=edges.size - 1)
    used = count > 0
    mean = np.bincount(place, p, edges.size - 1)[used] / count[used]
    share = np.bincount(place, y, edges.size - 1)[used] / count[used]
    curve = pd.DataFrame(
        {"low": edges[:-1][used], "high": edges[1:][used], "mean_probability": mean,
         "share": share, "n": count[used]}
    )  # fmt: skip
    curve.attrs["ece"] = float(np.sum(count[used] * np.abs(mean - share)) / p.size)
    return curve


def confidence_by_reader(
    table: pd.DataFrame,
    *,
    confidence: str = "confidence",
    correct: str = "correct",
    reader: str = "reader",
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Readers' mean Brier score, over-confidence and resolution, t over readers (readers random).

    ``confidence`` is the stated probability (0 to 1) that the judgment is right. Rows with a
    missing value are left out; values outside 0 to 1 raise with their rows.
    """
    require_columns(table, [confidence, correct, reader])
    checked_level(level)
    refuse_blanks(table, [reader])
    p, y = numeric(table, confidence), binary(table, correct)
    outside = (p < 0) | (p > 1)
    if outside.any():
        raise ValueError(
            f"{name_rows(table.index[outside])}: {confidence} must lie between 0 and 1"
        )
    known = p.notna() & y.notna()
    per: dict[str, list[float]] = {"brier": [], "overconfidence": [], "resolution": []}
    lost = 0
    values = pd.DataFrame({"p": p.to_numpy(), "y": y.to_numpy(), "r": table[reader].to_numpy()})
    for _, rows in values[known.to_numpy()].groupby("r", sort=True):
        own_p, own_y = rows["p"].to_numpy(), rows["y"].to_numpy()
        per["brier"].append(float(np.mean((own_p - own_y) ** 2)))
        per["overconfidence"].append(float(np.mean(own_p - own_y)))
        right = own_y == 1
        if right.any() and not right.all():
            per["resolution"].append(float(placements(own_p[right], own_p[~right])[0].mean()))
        else:
            lost += 1
    nulls = {"brier": None, "overconfidence": 0.0, "resolution": 0.5}
    return {
        name: _over_readers(
            name, np.array(values), nulls[name], level,
            (f"{lost} readers with only right or only wrong judgments left out",)
            if name == "resolution" and lost else (),
        )
        for name, values in per.items()
    }  # fmt: skip


def _over_readers(
    name: str, values: Floats, null: float | None, level: float, notes: tuple[str, ...]
) -> Estimate:
    common: dict[str, Any] = {
        "name": f"{name}, mean of readers", "level": level, "n": int(values.size), "null": null,
        "method": "mean over readers, t over readers (readers random)",
        "details": {"per_reader": values},
    }  # fmt: skip
    if values.size == 0:
        return Estimate(estimate=float("nan"), notes=(*notes, "no reader has a value"), **common)
    mean = float(values.mean())
    if values.size < 2 or values.std(ddof=1) == 0:
        note = "no interval: one reader, or all readers alike"
        return Estimate(estimate=mean, notes=(*notes, note), **common)
    df = values.size - 1.0
    error = float(values.std(ddof=1) / math.sqrt(values.size))
    reach = float(stats.t.ppf((1 + level) / 2, df)) * error
    t = (mean - null) / error if null is not None else None
    return Estimate(
        estimate=mean, standard_error=error, lower=mean - reach, upper=mean + reach, statistic=t,
        df=df, p_value=None if t is None else float(2 * stats.t.sf(abs(t), df)), notes=notes,
        **common,
    )  # fmt: skip


def _logistic(x: Floats, y: Floats) -> tuple[Floats, Floats] | None:
    """Newton's fit of y on (1, x); ``None`` under separation or constant data."""
    if np.ptp(x) == 0 or y.min() == y.max():
        return None
    low, high = x[y == 0], x[y == 1]
    if low.max() <= high.min() or high.max() <= low.min():
        return None
    design = np.column_stack([np.ones(x.size), x])
    beta = np.zeros(2)
    for _ in range(100):
        mu = special.expit(design @ beta)
        information = design.T @ (design * (mu * (1 - mu))[:, None])
        step = np.linalg.solve(information, design.T @ (y - mu))
        # Halve steps that overshoot into saturation.
        while np.abs(step).max() > 10:
            step = step / 2
        beta = beta + step
        if np.abs(step).max() < 1e-12:
            break
    return beta, np.asarray(np.linalg.inv(information), dtype=float)


def _pair(
    probability: ArrayLike, outcome: ArrayLike, *, bounded: bool = True
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """The complete pairs, and a note on those left out."""
    p, y = np.asarray(probability, dtype=float).ravel(), np.asarray(outcome, dtype=float).ravel()
    if p.size != y.size:
        raise ValueError(f"{p.size} confidences against {y.size} outcomes")
    known = np.isfinite(p) & np.isfinite(y)
    p, y = p[known], y[known]
    if p.size == 0:
        raise ValueError("no judgment has both a confidence and an outcome")
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError(f"outcomes must be 0 or 1, found {y[~np.isin(y, (0.0, 1.0))][0]:g}")
    if bounded and (p.min() < 0 or p.max() > 1):
        bad = p[(p < 0) | (p > 1)][0]
        raise ValueError(f"confidence {bad:g} is not a probability: rescale it to 0 to 1")
    lost = int((~known).sum())
    return p, y, (f"{lost} judgments without a confidence or an outcome left out",) if lost else ()
