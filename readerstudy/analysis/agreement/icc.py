"""Intraclass correlation: the six forms with F tests and exact or approximate intervals.

Sources: Shrout and Fleiss, Psychological Bulletin 86 (1979) 420-428; McGraw and Wong,
Psychological Methods 1 (1996) 30-46 (interval of ICC(2,k) by Satterthwaite's degrees of freedom).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from readerstudy.analysis.proportions.counts import checked_level
from readerstudy.analysis.result import Estimate

from .ratings import scores

Floats = NDArray[np.float64]
FORMS = ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)")


def icc(
    ratings: ArrayLike, *, level: float = 0.95, bootstrap: int = 0, seed: int | None = 0
) -> dict[str, Estimate]:
    """All six intraclass correlations of a subject x rater matrix.

    Subjects with a missing rating are left out with a note (the mean squares need complete
    blocks). Forms 1: each subject by other raters; 2: the same random raters; 3: the same fixed
    raters; k: the mean of the k raters. The test is of a correlation of zero. ``bootstrap``
    resamples of subjects give percentile intervals and standard errors in ``details``.

    Raises ``ValueError`` with fewer than two complete subjects or two raters.
    """
    checked_level(level)
    array = scores(ratings, "rating")
    if array.ndim != 2 or array.shape[1] < 2:
        raise ValueError(f"ICC needs subjects x two raters or more, got shape {array.shape}")
    complete = np.isfinite(array).all(axis=1)
    x: Floats = array[complete]
    n, k = x.shape
    if n < 2:
        raise ValueError(f"ICC needs two subjects rated by all {k} raters, got {n}")
    notes: list[str] = []
    if not complete.all():
        notes.append(f"{int((~complete).sum())} subjects with missing ratings left out")
    grand = x.mean()
    between = k * float(np.sum((x.mean(axis=1) - grand) ** 2))
    raters = n * float(np.sum((x.mean(axis=0) - grand) ** 2))
    total = float(np.sum((x - grand) ** 2))
    bms = between / (n - 1)
    wms = (total - between) / (n * (k - 1))
    jms = raters / (k - 1)
    ems = max(0.0, total - between - raters) / ((n - 1) * (k - 1))
    if total <= 1e-300 or max(bms, wms) <= 1e-14 * max(1.0, grand * grand):
        note = "not defined: every rating is the same"
        return {form: _plain(form, float("nan"), level, n, k, (*notes, note)) for form in FORMS}
    df_b, df_w, df_e = n - 1.0, n * (k - 1.0), (n - 1.0) * (k - 1.0)
    mean_squares = {"between": bms, "within": wms, "raters": jms, "error": ems}

    at = [np.array([square]) for square in (bms, wms, jms, ems)]
    values = {form: float(v[0]) for form, v in _forms(at[0], at[1], at[2], at[3], n, k).items()}
    draws = _bootstrapped(x, bootstrap, seed) if bootstrap else {}
    tail = (1.0 + level) / 2.0
    bounds: dict[str, tuple[float, float]] = {}
    # Subjects that do not differ at all put both ends of every interval on the estimate.
    alike = bms <= 1e-12 * max(wms, jms, ems)
    for form, error, df in (("1", wms, df_w), ("3", ems, df_e)):
        if error <= 0 or alike:
            bounds[f"ICC({form},1)"] = bounds[f"ICC({form},k)"] = (float("nan"), 1.0)
            continue
        low = bms / error / stats.f.ppf(tail, df_b, df)
        high = bms / error * stats.f.ppf(tail, df, df_b)
        bounds[f"ICC({form},1)"] = ((low - 1) / (low + k - 1), (high - 1) / (high + k - 1))
        bounds[f"ICC({form},k)"] = (_stepped(low), _stepped(high))
    bounds["ICC(2,1)"] = bounds["ICC(2,k)"] = (float("nan"), 1.0)
    if not alike:
        low, high = _two_way_bounds(values["ICC(2,1)"], bms, jms, ems, n, k, tail)
        bounds["ICC(2,1)"] = low, high
        bounds["ICC(2,k)"] = (_spearman_brown(low, k), _spearman_brown(high, k))

    found: dict[str, Estimate] = {}
    for form in FORMS:
        error, df = (wms, df_w) if "(1" in form else (ems, df_e)
        f = bms / error if error > 0 else float("inf")
        lower, upper = bounds[form]
        own = list(notes)
        if np.isnan(values[form]):
            note = "not defined: the estimated total variance is not positive"
            found[form] = _plain(form, float("nan"), level, n, k, (*own, note))
            continue
        if alike:
            own.append("degenerate: the subjects' means are all the same, which is not certainty")
        elif np.isneginf(lower):
            own.append(
                f"unbounded below: the lower limit of a single rating is at or beyond -1/{k - 1}, "
                "where the mean of the ratings has no reliability at all"
            )
        elif not (np.isfinite(lower) and np.isfinite(upper)):
            own.append("degenerate: no variance within subjects; the interval is not defined")
        if values[form] < 0:
            own.append("negative: subjects differ less than ratings of one subject do")
        found[form] = Estimate(
            name=form, estimate=float(values[form]),
            lower=float(lower) if np.isfinite(lower) else None,
            upper=float(upper) if np.isfinite(upper) and not np.isnan(lower) else None,
            level=level, null=0.0, statistic=float(f), df=(df_b, df),
            p_value=float(stats.f.sf(f, df_b, df)), alternative="greater",
            method=_METHODS[form], n=n,
            details={"raters": k, "mean_squares": mean_squares,
                     **_percentiles(draws.get(form), level)},
            notes=tuple(own),
        )  # fmt: skip
    return found


def _stepped(f: float) -> float:
    """1 - 1 / F, minus infinity at F = 0."""
    return 1.0 - 1.0 / float(f) if f > 0 else -np.inf


def _forms(bms: Floats, wms: Floats, jms: Floats, ems: Floats, n: int, k: int) -> dict[str, Floats]:
    """The six correlations from mean squares (Shrout and Fleiss 1979, table 3), one per sample.

    NaN where the estimated variance that they share out is not positive.
    """
    parts = {
        "ICC(1,1)": (bms - wms, bms + (k - 1) * wms),
        "ICC(2,1)": (bms - ems, bms + (k - 1) * ems + k * (jms - ems) / n),
        "ICC(3,1)": (bms - ems, bms + (k - 1) * ems),
        "ICC(1,k)": (bms - wms, bms),
        "ICC(2,k)": (bms - ems, bms + (jms - ems) / n),
        "ICC(3,k)": (bms - ems, bms),
    }
    least = 1e-12 * np.maximum(np.maximum(bms, wms), np.maximum(jms, ems))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            form: np.asarray(np.where(whole > least, part / whole, np.nan))
            for form, (part, whole) in parts.items()
        }


def _bootstrapped(x: Floats, replicates: int, seed: int | None) -> dict[str, Floats]:
    """The forms over resampled subjects; mean squares are sums over subjects, so products do."""
    n, k = x.shape
    centred = x - x.mean()
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(n, np.full(n, 1.0 / n), size=replicates).astype(float)
    means = centred.mean(axis=1)
    grand = draws @ means / n
    between = k * (draws @ means**2 - n * grand**2)
    raters = n * np.sum((draws @ centred / n) ** 2, axis=1) - n * k * grand**2
    total = draws @ (centred**2).sum(axis=1) - n * k * grand**2
    rest = np.maximum(total - between - raters, 0.0)
    return _forms(
        between / (n - 1), (total - between) / (n * (k - 1)), raters / (k - 1),
        rest / ((n - 1) * (k - 1)), n, k,
    )  # fmt: skip


def _percentiles(draws: Floats | None, level: float) -> dict[str, float]:
    if draws is None or np.isfinite(draws).sum() < 2:
        return {}
    kept = draws[np.isfinite(draws)]
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(kept, [tail, 1.0 - tail])
    return {
        "bootstrap_lower": float(low), "bootstrap_upper": float(high),
        "bootstrap_standard_error": float(kept.std(ddof=1)), "bootstrap_replicates": kept.size,
    }  # fmt: skip


def _two_way_bounds(
    two: float, bms: float, jms: float, ems: float, n: int, k: int, tail: float
) -> tuple[float, float]:
    """Shrout and Fleiss' interval of ICC(2,1) with Satterthwaite's df for the raters' mix."""
    if ems <= 0 and jms <= 0:
        return float("nan"), 1.0
    ratio = jms / ems if ems > 0 else float("inf")
    if np.isinf(ratio):
        v = float(k - 1)
    else:
        mix = n * (1 + (k - 1) * two) - k * two
        v = ((k - 1) * (n - 1) * (k * two * ratio + mix) ** 2) / (
            (n - 1) * k**2 * two**2 * ratio**2 + mix**2
        )
    upper_f = stats.f.ppf(tail, n - 1, v)
    lower_f = stats.f.ppf(tail, v, n - 1)
    noise = k * jms + (k * n - k - n) * ems
    low = n * (bms - upper_f * ems) / (upper_f * noise + n * bms)
    high = n * (lower_f * bms - ems) / (noise + n * lower_f * bms)
    return float(low), float(high)


def _spearman_brown(single: float, k: int) -> float:
    """Reliability of the mean of ``k`` ratings; minus infinity at and beyond the pole."""
    scale = 1 + single * (k - 1)
    return float("-inf") if scale <= 1e-12 else k * single / scale


_METHODS = {
    "ICC(1,1)": "one-way random, single rating (Shrout and Fleiss 1979)",
    "ICC(2,1)": "two-way random, absolute agreement, single rating (Shrout and Fleiss 1979)",
    "ICC(3,1)": "two-way mixed, consistency, single rating (Shrout and Fleiss 1979)",
    "ICC(1,k)": "one-way random, mean of k ratings (Shrout and Fleiss 1979)",
    "ICC(2,k)": "two-way random, absolute agreement, mean of k ratings (Shrout and Fleiss 1979)",
    "ICC(3,k)": "two-way mixed, consistency, mean of k ratings (Shrout and Fleiss 1979)",
}


def _plain(
    form: str, value: float, level: float, n: int, k: int, notes: tuple[str, ...]
) -> Estimate:
    details: dict[str, Any] = {"raters": k}
    return Estimate(
        name=form, estimate=value, level=level, n=n, method=_METHODS[form], details=details,
        notes=notes,
    )  # fmt: skip
