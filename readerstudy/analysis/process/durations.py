"""Reading times: log-normal mixed model, and what position in the sitting does to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from readerstudy.analysis.proportions.counts import checked_level
from readerstudy.analysis.result import Estimate
from readerstudy.analysis.tidy import name_rows, numeric, refuse_blanks, require_columns

from .crossed import CrossedFit, fit_crossed

Floats = NDArray[np.float64]
SHAPES = ("linear", "log", "quadratic")


def duration_model(
    table: pd.DataFrame,
    *,
    duration: str = "duration",
    reader: str = "reader",
    case: str = "case",
    covariates: Sequence[str] = (),
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Log-normal mixed model of reading times, readers and cases random and crossed (REML).

    Returns ``geometric_mean`` (the typical reading's duration, at the covariates' means), and per
    covariate the *ratio* of durations for one unit more (numbers) or against the first level
    (labels), with intervals on the log scale by Satterthwaite's t. ``details`` hold the variances
    of log duration and each covariate's likelihood-ratio p-value (ML).

    Durations that are not positive raise ``ValueError`` with their rows; missing ones are left out
    with a note.
    """
    require_columns(table, [duration, reader, case, *covariates])
    checked_level(level)
    refuse_blanks(table, [reader, case])
    seconds = numeric(table, duration)
    wrong = seconds <= 0
    if wrong.any():
        raise ValueError(
            f"{name_rows(table.index[wrong])}: {duration} must be positive, got "
            f"{seconds[wrong].iloc[0]:g}"
        )
    known = seconds.notna() & table[list(covariates)].notna().all(axis=1)
    used = table[known]
    if len(used) < 3:
        raise ValueError(f"{len(used)} complete readings are too few for a model")
    notes: tuple[str, ...] = ()
    if not known.all():
        notes = (f"{int((~known).sum())} readings with missing values left out",)
    y = np.log(seconds[known].to_numpy())
    if np.ptp(y) <= 1e-12:
        note = "degenerate: every duration is the same, which is not certainty"
        return {
            "geometric_mean": Estimate(
                name="geometric mean duration", estimate=math.exp(float(y.mean())), level=level,
                n=int(y.size), method="log-normal mixed model", notes=(*notes, note),
            )
        }  # fmt: skip
    columns, names, groups = _design(used, covariates)
    design = np.column_stack([np.ones(len(used)), *columns])
    who, what = pd.factorize(used[reader])[0], pd.factorize(used[case])[0]
    return _described(y, design, who, what, names, groups, level, notes, list(covariates))


def position_effect(
    table: pd.DataFrame,
    *,
    duration: str = "duration",
    reader: str = "reader",
    case: str = "case",
    position: str = "position",
    shape: str = "linear",
    per: float = 10.0,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Learning and fatigue: how duration changes along the sitting.

    ``linear``: ratio per ``per`` positions (below 1: readers get faster); ``log``: ratio per
    doubling of the position (practice law); ``quadratic``: both terms of a parabola centred on the
    middle, whose curvature above 1 means faster first and slower later.
    """
    if not per > 0:
        raise ValueError(f"per {per} positions: must be positive")
    if shape not in SHAPES:
        raise ValueError(f"unknown shape {shape!r}: use one of {', '.join(SHAPES)}")
    require_columns(table, [duration, reader, case, position])
    place = numeric(table, position)
    if shape == "log" and (place < 1).any():
        raise ValueError(f"{name_rows(table.index[place < 1])}: {position} must count from 1")
    work = table.copy()
    if shape == "linear":
        work["position trend"] = place / per
        terms = ["position trend"]
    elif shape == "log":
        work["position doubling"] = np.log2(place)
        terms = ["position doubling"]
    else:
        centred = (place - place.mean()) / per
        work["position trend"], work["position curvature"] = centred, centred**2
        terms = ["position trend", "position curvature"]
    return duration_model(
        work, duration=duration, reader=reader, case=case, covariates=terms, level=level
    )


def _design(
    table: pd.DataFrame, covariates: Sequence[str]
) -> tuple[list[Floats], list[str], list[str]]:
    columns: list[Floats] = []
    names: list[str] = []
    groups: list[str] = []
    for covariate in covariates:
        values = table[covariate]
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            columns.append(values.to_numpy(dtype=float))
            names.append(covariate)
            groups.append(covariate)
            continue
        levels = sorted(values.unique(), key=str)
        for label in levels[1:]:
            columns.append((values == label).to_numpy(dtype=float))
            names.append(f"{covariate} {label} / {levels[0]}")
            groups.append(covariate)
    return columns, names, groups


def _described(
    y: Floats,
    design: Floats,
    who: NDArray[np.intp],
    what: NDArray[np.intp],
    names: list[str],
    groups: list[str],
    level: float,
    notes: tuple[str, ...],
    covariates: list[str],
) -> dict[str, Estimate]:
    fit = fit_crossed(y, design, who, what)
    whole = fit_crossed(y, design, who, what, restricted=False) if names else None
    total = fit.var_reader + fit.var_case + fit.var_error
    components: dict[str, Any] = {
        "var_reader": fit.var_reader, "var_case": fit.var_case, "var_error": fit.var_error,
        "share_reader": fit.var_reader / total, "share_case": fit.var_case / total,
        "reml_deviance": fit.deviance, "log_likelihood": -fit.deviance / 2.0,
    }  # fmt: skip
    common: dict[str, Any] = {
        "level": level, "n": fit.n, "notes": (*notes, *fit.notes),
        "method": "log-normal mixed model, readers and cases crossed, REML, Satterthwaite's t",
    }  # fmt: skip
    at = design.mean(axis=0)
    centre = float(at @ fit.beta)
    error = math.sqrt(float(at @ fit.covariance @ at))
    df = fit.df(at)
    reach = float(stats.t.ppf((1.0 + level) / 2.0, df))
    found = {
        "geometric_mean": Estimate(
            name="geometric mean duration", estimate=math.exp(centre),
            standard_error=math.exp(centre) * error, lower=math.exp(centre - reach * error),
            upper=math.exp(centre + reach * error), df=df if math.isfinite(df) else None,
            details={**components, "log_estimate": centre, "log_standard_error": error,
                     "intercept": float(fit.beta[0])},
            **common,
        )
    }  # fmt: skip
    likelihood = _likelihood_ratio(y, design, who, what, groups, covariates, whole)
    for k, name in enumerate(names, start=1):
        beta, se = float(fit.beta[k]), math.sqrt(float(fit.covariance[k, k]))
        t = beta / se if se > 0 else float("nan")
        df = fit.df(np.eye(len(fit.beta))[k])
        reach = float(stats.t.ppf((1.0 + level) / 2.0, df))
        found[name] = Estimate(
            name=f"ratio of durations, {name}", estimate=math.exp(beta),
            standard_error=math.exp(beta) * se, lower=math.exp(beta - reach * se),
            upper=math.exp(beta + reach * se), null=1.0, statistic=t,
            df=df if math.isfinite(df) else None, p_value=float(2.0 * stats.t.sf(abs(t), df)),
            details={**components, "log_estimate": beta, "log_standard_error": se,
                     "likelihood_ratio_p": likelihood[groups[k - 1]]},
            **common,
        )  # fmt: skip
    return found


def _likelihood_ratio(
    y: Floats,
    design: Floats,
    who: NDArray[np.intp],
    what: NDArray[np.intp],
    groups: list[str],
    covariates: list[str],
    whole: CrossedFit | None,
) -> dict[str, float]:
    found: dict[str, float] = {}
    for covariate in covariates:
        kept = [0, *(k for k, group in enumerate(groups, start=1) if group != covariate)]
        dropped = len(groups) + 1 - len(kept)
        if whole is None or dropped == 0:
            continue
        smaller = fit_crossed(y, design[:, kept], who, what, restricted=False)
        statistic = max(0.0, smaller.deviance - whole.deviance)
        found[covariate] = float(stats.chi2.sf(statistic, dropped))
    return found
