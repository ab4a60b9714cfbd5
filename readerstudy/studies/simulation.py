"""Power of the chosen design by simulation, through the code that analyses the real study.

Whole studies are drawn: the cases are allocated as at lock, judgments come from a logistic model
with reader and case effects, readings go missing at random, and each table is analysed by
:func:`readerstudy.analysis.realism.realism_rates`, as the report does. Power is the share of
studies whose declared primary endpoint is reached.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readerstudy.analysis.power import auc_differs, rating_study, simulated_power
from readerstudy.analysis.power.realism import marginal_intercept
from readerstudy.analysis.realism import RealismResult, realism_rates
from readerstudy.analysis.result import Estimate
from readerstudy.studies import allocation
from readerstudy.studies.protocol import AnalysisPlan, Protocol
from readerstudy.studies.randomisation import Item
from readerstudy.studies.seeds import Draw, derive

KIND = "studies.power"


@dataclass(frozen=True, slots=True)
class Truth:
    """The world that is simulated: realism rates of either origin and logit-scale variances."""

    generated: float = 0.6
    acquired: float = 0.8
    var_reader: float = 0.25
    var_case: float = 0.25
    missing: float = 0.0
    auc: float = 0.65


def tables(
    protocol: Protocol, readers: int, truth: Truth, seed: int
) -> Callable[[np.random.Generator], pd.DataFrame]:
    """A generator of judgment tables that this design would give."""
    strata = protocol.sampling.strata
    origins = [s.origin for s in strata for _ in range(s.count)]
    items = [Item(number, origin) for number, origin in enumerate(origins)]
    numbers = range(1, readers + 1)
    drawn = allocation.allocate(items, numbers, protocol.design, Draw(seed, "allocation"))
    pairs = [(reader, item) for reader, own in drawn.items() for item in own]
    reader_of = np.array([reader - 1 for reader, _ in pairs])
    case_of = np.array([item.case for _, item in pairs])
    generated = np.array([item.origin == "generated" for _, item in pairs])
    level = np.where(
        generated,
        marginal_intercept(truth.generated, truth.var_reader, truth.var_case),
        marginal_intercept(truth.acquired, truth.var_reader, truth.var_case),
    )
    frame = pd.DataFrame(
        {
            "reader": [f"R{reader:02d}" for reader, _ in pairs],
            "case": [f"C{item.case:03d}" for _, item in pairs],
            "origin": [item.origin for _, item in pairs],
        }
    )

    def generate(rng: np.random.Generator) -> pd.DataFrame:
        logit = (
            level
            + rng.normal(0.0, math.sqrt(truth.var_reader), readers)[reader_of]
            + rng.normal(0.0, math.sqrt(truth.var_case), len(items))[case_of]
        )
        real = rng.random(len(pairs)) < 1 / (1 + np.exp(-logit))
        table = frame.assign(judgment=np.where(real, "real", "synthetic"))
        if truth.missing > 0:
            table = table[rng.random(len(table)) >= truth.missing]
        return table

    return generate


def reached(plan: AnalysisPlan) -> Callable[[pd.DataFrame], bool]:
    """Whether a table reaches the plan's primary endpoint, by the report's analysis."""

    def goal(table: pd.DataFrame) -> bool:
        found = realism_rates(
            table,
            chance=plan.chance,
            margin=plan.equivalence_margin,
            alpha=plan.alpha,
            level=1 - plan.alpha,
            # Bootstrap and mixed model stand beside the primary estimate and do not enter it.
            replicates=20,
            by_label=False,
            mixed_model=False,
        )
        p = _primary(found, plan).p_value
        return p is not None and p <= plan.alpha

    return goal


def _primary(found: RealismResult, plan: AnalysisPlan) -> Estimate:
    if plan.primary == "realism-generated":
        rate = found.by_origin["generated"]
        if plan.equivalence_margin is not None:
            return rate.equivalence["u_statistic"]
        return rate.primary
    if plan.primary == "realism-difference":
        return found.difference["u_statistic"]
    if plan.primary == "accuracy":
        return found.accuracy.primary
    raise ValueError(f"{plan.primary!r} is not simulated; see the planner's closed forms")


def simulate(
    protocol: Protocol, readers: int, truth: Truth, *, simulations: int = 200, seed: int = 0
) -> dict[str, Any]:
    """Power with its Monte Carlo interval, ready for JSON.

    Raises ``ValueError`` for endpoints that cannot be simulated.
    """
    plan = protocol.plan
    if plan.primary == "auc":
        counts = dict.fromkeys(("acquired", "generated"), 0)
        for stratum in protocol.sampling.strata:
            counts[stratum.origin] += stratum.count
        generate = rating_study(
            auc=truth.auc,
            readers=readers,
            positives=counts["generated"],
            negatives=counts["acquired"],
            missing=truth.missing,
        )
        goal = auc_differs(null=0.5, alpha=plan.alpha)
    else:
        generate, goal = tables(protocol, readers, truth, seed), reached(plan)
    estimate = simulated_power(
        generate, goal, simulations=simulations, seed=derive(seed, "power") % 2**63
    )
    return {
        "power": estimate.estimate,
        "lower": estimate.lower,
        "upper": estimate.upper,
        "simulations": simulations,
        "readers": readers,
        "notes": list(estimate.notes),
        "endpoint": plan.primary,
    }
