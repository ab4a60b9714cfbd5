"""Power by simulation through the very code that will analyse the study.

A generator draws a tidy table as the study would produce it, the analysis is the one of the plan,
and the share of simulated studies that reach their goal is the power, with its Monte Carlo
interval. Studies whose analysis fails count as not reaching the goal, and are counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from readerstudy.analysis.mrmc import equivalence, obuchowski_rockette, u_statistics
from readerstudy.analysis.result import Estimate

from .realism import marginal_intercept

Generator = Callable[[np.random.Generator], pd.DataFrame]
Goal = Callable[[pd.DataFrame], bool]


def simulated_power(
    generate: Generator,
    reached: Goal,
    *,
    simulations: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Share of studies from ``generate`` whose goal is ``reached``, Clopper-Pearson interval."""
    if simulations < 1:
        raise ValueError(f"{simulations} simulations: at least one is needed")
    successes = failures = 0
    reasons: dict[str, int] = {}
    for child in np.random.SeedSequence(seed).spawn(simulations):
        table = generate(np.random.default_rng(child))
        try:
            successes += bool(reached(table))
        except ValueError as error:
            failures += 1
            reason = str(error)[:80]
            reasons[reason] = reasons.get(reason, 0) + 1
    tail = (1.0 - level) / 2.0
    lower = stats.beta.ppf(tail, successes, simulations - successes + 1) if successes else 0.0
    upper = (
        stats.beta.ppf(1.0 - tail, successes + 1, simulations - successes)
        if successes < simulations
        else 1.0
    )
    notes = (
        (f"{failures} simulated studies could not be analysed and count as not reaching the goal",)
        if failures
        else ()
    )
    share = successes / simulations
    return Estimate(
        name="power", estimate=share,
        standard_error=math.sqrt(share * (1 - share) / simulations), lower=float(lower),
        upper=float(upper), level=level, method="simulation, Clopper-Pearson interval",
        n=simulations, details={"failed": failures, "reasons": reasons, "seed": seed}, notes=notes,
    )  # fmt: skip


def realism_study(
    *,
    rate: float,
    readers: int,
    cases: int,
    var_reader: float,
    var_case: float,
    missing: float = 0.0,
) -> Generator:
    """Judgments of a crossed study from the logistic model; ``missing`` readings drop at random."""
    mu = marginal_intercept(rate, var_reader, var_case)

    def generate(rng: np.random.Generator) -> pd.DataFrame:
        logit = (
            mu
            + rng.normal(0.0, math.sqrt(var_reader), (readers, 1))
            + rng.normal(0.0, math.sqrt(var_case), (1, cases))
        )
        real = (rng.random((readers, cases)) < special.expit(logit)).astype(int)
        reader, case = np.indices(real.shape)
        table = pd.DataFrame(
            {"reader": reader.ravel(), "case": case.ravel(), "judgment": real.ravel()}
        )
        return table[rng.random(len(table)) >= missing] if missing > 0 else table

    return generate


def judgment_study(
    *,
    fool_rate: float,
    acquired_rate: float,
    readers: int,
    generated: int,
    acquired: int,
    var_reader: float = 0.25,
    var_case: float = 0.5,
    var_reader_origin: float = 0.0,
    missing: float = 0.0,
) -> Generator:
    """Whole judgment tables: both origins judged by the same readers, logistic with random
    readers, cases and reader-by-origin terms (variances on the logit)."""
    total_case = var_case + var_reader_origin
    mu = [marginal_intercept(rate, var_reader, total_case) for rate in (acquired_rate, fool_rate)]
    origin = np.repeat([0, 1], [acquired, generated])
    if readers < 1 or len(origin) < 1:
        raise ValueError(f"{readers} readers and {len(origin)} cases are not a study")

    def generate(rng: np.random.Generator) -> pd.DataFrame:
        logit = (
            np.asarray(mu)[origin]
            + rng.normal(0.0, math.sqrt(var_reader), (readers, 1))
            + rng.normal(0.0, math.sqrt(var_reader_origin), (readers, 2))[:, origin]
            + rng.normal(0.0, math.sqrt(var_case), (1, len(origin)))
        )
        real = rng.random(logit.shape) < special.expit(logit)
        reader, case = np.indices(real.shape)
        table = pd.DataFrame(
            {"reader": reader.ravel(), "case": case.ravel(),
             "origin": np.array(["acquired", "generated"])[origin[case.ravel()]],
             "judgment": np.where(real.ravel(), "real", "synthetic")}
        )  # fmt: skip
        return table[rng.random(len(table)) >= missing] if missing > 0 else table

    return generate


def endpoint_rejected(plan: Mapping[str, Any], endpoint: str) -> Goal:
    """The named endpoint of ``plan`` is rejected after the plan's own gatekeeping.

    The studies go through :func:`readerstudy.analysis.report.run_plan`, with only those sections
    that the endpoints need.
    """
    from readerstudy.analysis.report import run_plan, sections_needed

    needed = sections_needed(plan, endpoint)

    def reached(table: pd.DataFrame) -> bool:
        report = run_plan(table, {**plan, "sections": needed})
        return next(d.rejected for d in report.decisions if d.endpoint == endpoint)

    return reached


def rating_study(
    *,
    auc: float,
    readers: int,
    positives: int,
    negatives: int,
    difference: float | None = None,
    var_reader: float = 0.0055,
    var_interaction: float = 0.0055,
    var_case: float = 0.3,
    var_modality_case: float = 0.3,
    var_reader_case: float = 0.2,
    missing: float = 0.0,
    levels: int | None = None,
) -> Generator:
    """Ratings from Roe and Metz' model (Acad Radiol 4 (1997) 298-303), one or two modalities.

    ``auc`` is the expected AUC of the first modality, ``auc`` + ``difference`` of the second. Case
    variances and error sum to one; ``levels`` rounds ratings to that many categories.
    """
    error = 1.0 - var_case - var_modality_case - var_reader_case
    if error < 0:
        raise ValueError(f"case variances sum to {1 - error:g}: they must not exceed 1")
    targets = [auc] if difference is None else [auc, auc + difference]
    if not all(0 < target < 1 for target in targets):
        raise ValueError(f"AUCs {targets} must lie between 0 and 1")
    spread = math.sqrt(2.0 + 2.0 * (var_reader + var_interaction))
    separation = np.asarray(stats.norm.ppf(targets)) * spread
    t, n = len(targets), positives + negatives
    truth = np.arange(n) >= negatives

    def generate(rng: np.random.Generator) -> pd.DataFrame:
        def effect(variance: float, *shape: int) -> np.ndarray[Any, np.dtype[np.float64]]:
            return rng.normal(0.0, math.sqrt(variance), shape)

        # Reader effects differ between the classes, or they would cancel in the AUC.
        reader = np.where(
            truth, effect(var_reader, 1, readers, 1), effect(var_reader, 1, readers, 1)
        )
        interaction = np.where(
            truth, effect(var_interaction, t, readers, 1), effect(var_interaction, t, readers, 1)
        )
        x = (
            separation[:, None, None] * truth + reader + interaction
            + effect(var_case, 1, 1, n) + effect(var_modality_case, t, 1, n)
            + effect(var_reader_case, 1, readers, n) + effect(error, t, readers, n)
        )  # fmt: skip
        if levels is not None:
            middle = float(separation.mean()) / 2.0
            cuts = middle + stats.norm.ppf(np.arange(1, levels) / levels)
            x = np.searchsorted(cuts, x).astype(float)
        i, j, k = np.indices(x.shape)
        table = pd.DataFrame(
            {"reader": j.ravel(), "case": k.ravel(), "modality": i.ravel(),
             "truth": truth[k.ravel()].astype(int), "rating": x.ravel()}
        )  # fmt: skip
        return table[rng.random(len(table)) >= missing] if missing > 0 else table

    return generate


def rate_differs(*, null: float = 0.5, alpha: float = 0.05) -> Goal:
    """The U-statistic rate differs from ``null``."""
    return lambda table: _below(
        u_statistics(table, metric="proportion", rating="judgment", truth=None, null=null)
        .modalities["all"].p_value, alpha,
    )  # fmt: skip


def rate_equivalent(*, margin: float, null: float = 0.5, alpha: float = 0.05) -> Goal:
    """Two one-sided tests show the U-statistic rate within ``margin`` of ``null``."""

    def reached(table: pd.DataFrame) -> bool:
        found = u_statistics(table, metric="proportion", rating="judgment", truth=None)
        return _below(equivalence(found.modalities["all"], margin=margin, null=null).p_value, alpha)

    return reached


def auc_differs(
    *, null: float = 0.5, alpha: float = 0.05, method: str = "obuchowski-rockette"
) -> Goal:
    """One modality differs from ``null``, or two from each other, by the named analysis."""
    analyse: Any = {"obuchowski-rockette": obuchowski_rockette, "u-statistics": u_statistics}.get(
        method
    )
    if analyse is None:
        raise ValueError(f"method {method!r}: use obuchowski-rockette or u-statistics")

    def reached(table: pd.DataFrame) -> bool:
        found = analyse(table, null=null)
        pairs = list(found.differences.values())
        one = pairs[0] if pairs else next(iter(found.modalities.values()))
        return _below(one.p_value, alpha)

    return reached


def auc_equivalent(*, margin: float, null: float = 0.0, alpha: float = 0.05) -> Goal:
    """Two modalities equivalent within ``margin`` (or one to ``null``), Obuchowski-Rockette."""

    def reached(table: pd.DataFrame) -> bool:
        found = obuchowski_rockette(table)
        pairs = list(found.differences.values())
        one = pairs[0] if pairs else next(iter(found.modalities.values()))
        return _below(equivalence(one, margin=margin, null=null).p_value, alpha)

    return reached


def _below(p: float | None, alpha: float) -> bool:
    return p is not None and p < alpha
