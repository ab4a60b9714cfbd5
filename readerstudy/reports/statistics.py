"""Everything the report says of a study, computed from its judgment table alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from django.core.cache import cache

from readerstudy import __version__
from readerstudy.analysis.multiplicity import Decision, gatekeeping
from readerstudy.analysis.realism import PooledRate, RealismResult, realism_rates
from readerstudy.analysis.report import StudyReport, run_plan
from readerstudy.analysis.result import Estimate
from readerstudy.reports import choice_and_quality, figures, judgments
from readerstudy.studies.models import Study
from readerstudy.studies.protocol import AnalysisPlan, Protocol

CONFIDENCE_LEVELS = {"4-point": 4, "5-point": 5, "6-point": 6}


# The plan's primary endpoint, in the words of the analysis.
ENDPOINTS = {
    "realism-generated": "fool rate",
    "realism-difference": "difference",
    "accuracy": "accuracy",
    "auc": "auc",
}
QUALITY = "quality-difference"
EQUIVALENCE = "equivalence to chance"

# Columns that a plan may declare as subgroups and that are no label or generator: what a case is.
SUBGROUP_COLUMNS = ("view", "sex")
SUBGROUP_RESAMPLES = 2000


@dataclass(frozen=True)
class Statistics:
    """The declared plan run over the table, and what the page adds to it."""

    report: StudyReport | None
    choices: dict[int, PooledRate] = field(default_factory=dict)
    quality: dict[str, Estimate] = field(default_factory=dict)
    subgroups: dict[str, RealismResult] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()
    seconds: pd.DataFrame | None = None
    figures: dict[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def realism(self) -> RealismResult | None:
        found: RealismResult | None = self.section("realism")
        return found

    def section(self, name: str) -> Any:
        """A section of the analysis, or None where the data do not allow it."""
        return self.report.sections.get(name) if self.report else None

    def to_dict(self) -> dict[str, Any]:
        """Every number at full precision, for the JSON export."""
        return {
            "analysis": self.report.to_dict() if self.report else None,
            "forced_choice": {str(m): rate.to_dict() for m, rate in self.choices.items()},
            "quality": {name: one.to_dict() for name, one in self.quality.items()},
            "subgroups": {
                name: {
                    "rates": {
                        level: {origin: rate.to_dict() for origin, rate in rates.items()}
                        for level, rates in one.by_label.items()
                    },
                    "differences": {
                        level: {way: estimate.to_dict() for way, estimate in ways.items()}
                        for level, ways in one.label_difference.items()
                    },
                }
                for name, one in self.subgroups.items()
            },
            "decisions": [decision.to_dict() for decision in self.decisions],
            "notes": list(self.notes),
        }


def recipe(study: Study, table: pd.DataFrame) -> str:
    """What the statistics depend on, as a SHA-256: equal recipes give equal reports."""
    protocol = Protocol.model_validate(study.protocol)
    parts = f"{judgments.digest(table)} {protocol.model_dump_json()} {study.seed} {__version__}"
    return hashlib.sha256(parts.encode()).hexdigest()


def remembered(study: Study, table: pd.DataFrame) -> Statistics | None:
    """The statistics of this very table where they were worked out before, otherwise None."""
    known: Statistics | None = cache.get(f"report-{recipe(study, table)}")
    return known


def of_study(study: Study, table: pd.DataFrame) -> Statistics:
    """The statistics of a study's table; the same table is analysed once and remembered."""
    known = remembered(study, table)
    if known is None:
        protocol = Protocol.model_validate(study.protocol)
        known = analyse(table, protocol, seed=study.seed % 2**32)
        cache.set(f"report-{recipe(study, table)}", known, timeout=30 * 24 * 3600)
    return known


def analyse(table: pd.DataFrame, protocol: Protocol, *, seed: int = 0) -> Statistics:
    """Run the declared plan, and the exploratory analyses beside it, over a judgment table."""
    level = 1 - protocol.plan.alpha
    judged = table[table["judgment"].isin(["real", "synthetic"])]
    found = Statistics(
        None,
        choices=choice_and_quality.forced_choice(table, level=level, seed=seed),
        quality=choice_and_quality.quality(table, level=level),
        seconds=_seconds(table[table["repeat_of"] == ""]),
    )
    if judged.empty:
        return replace(found, decisions=decide(found, protocol.plan))
    report = run_plan(judged, plan_for(protocol.plan, seed))
    notes = [*report.notes]
    notes += [f"{name.replace('_', ' ')}: {why}" for name, why in report.failures.items()]
    found = replace(found, report=report, notes=tuple(dict.fromkeys(notes)))
    # The plan's endpoints are decided together, those of image quality among them.
    decisions = decide(found, protocol.plan)
    report = replace(report, decisions=list(decisions))
    found = replace(found, report=report, decisions=decisions)
    if found.realism is not None:
        primary = judged[judged["repeat_of"] == ""]
        found = replace(
            found,
            figures=_figures(found.realism, primary, protocol),
            subgroups=_subgroups(judged, protocol.plan, seed),
        )
    return found


def decide(found: Statistics, plan: AnalysisPlan) -> tuple[Decision, ...]:
    """The declared endpoints after the plan's multiplicity adjustment: the primary one is tested
    first, and only if its null hypothesis is rejected do the others count (serial gate)."""
    known = dict(found.report.endpoints) if found.report else {}
    if "difference" in found.quality:
        known[QUALITY] = found.quality["difference"]
    families: list[dict[str, float]] = [{}, {}]
    for name in dict.fromkeys([plan.primary, *plan.secondary]):
        families[name != plan.primary][name] = _p_of(known.get(name))
    if plan.equivalence_margin is not None:
        families[1][EQUIVALENCE] = _p_of(known.get(EQUIVALENCE))
    if not known:
        return ()  # nothing was recorded that an endpoint could be read from
    return tuple(
        gatekeeping(
            [family for family in families if family],
            alpha=plan.alpha,
            method=plan.multiplicity,
            gate="serial",
        )
    )


def _p_of(estimate: Estimate | None) -> float:
    return float("nan") if estimate is None or estimate.p_value is None else estimate.p_value


def _subgroups(table: pd.DataFrame, plan: AnalysisPlan, seed: int) -> dict[str, RealismResult]:
    """Rates by the declared subgroups that are columns of the table; their levels stand as the
    labels of the result. Labels and generators are in the main analysis already."""
    found: dict[str, RealismResult] = {}
    for name in SUBGROUP_COLUMNS:
        if name in plan.subgroups and table[name].astype(bool).any():
            levels = table[name].where(table[name].astype(bool), "not stated")
            found[name] = realism_rates(
                table.assign(labels=levels),
                chance=plan.chance,
                level=1 - plan.alpha,
                seed=seed,
                replicates=SUBGROUP_RESAMPLES,
            )
    return found


def plan_for(plan: AnalysisPlan, seed: int) -> dict[str, Any]:
    """The study's plan in the form that :func:`readerstudy.analysis.report.run_plan` takes."""
    endpoints = [
        {"name": name, "measure": ENDPOINTS[name], "family": 1 if name == plan.primary else 2}
        for name in dict.fromkeys([plan.primary, *plan.secondary])
        if name in ENDPOINTS
    ]
    if plan.equivalence_margin is not None:
        endpoints.append({"name": EQUIVALENCE, "measure": "equivalence", "family": 2})
    return {
        "chance": plan.chance,
        "margin": plan.equivalence_margin,
        "alpha": plan.alpha,
        "level": 1 - plan.alpha,
        "seed": seed,
        "endpoints": endpoints,
        "multiplicity": {"method": plan.multiplicity, "gate": "serial"},
    }


def _seconds(table: pd.DataFrame) -> pd.DataFrame | None:
    """Median and quartiles of reading time, per reader."""
    timed = table.dropna(subset=["seconds"])
    if timed.empty:
        return None
    return (
        timed.groupby("reader")["seconds"]
        .quantile(np.array([0.25, 0.5, 0.75]))
        .unstack()
        .set_axis(["lower_quartile", "median", "upper_quartile"], axis=1)
        .reset_index()
    )


def _figures(realism: RealismResult, table: pd.DataFrame, protocol: Protocol) -> dict[str, bytes]:
    rows = [
        figures.IntervalRow(str(reader), dict(estimates))
        for reader, estimates in realism.by_reader.items()
    ]
    pooled = {origin: rate.primary for origin, rate in realism.by_origin.items()}
    rows.append(figures.IntervalRow("All readers", pooled, pooled=True))
    drawn = {
        "realism-by-reader": figures.realism_rates(
            rows, chance=protocol.plan.chance, title="Judged real, by reader"
        )
    }
    labels = [
        figures.IntervalRow(
            label.replace("_", " "), {origin: rate.primary for origin, rate in rates.items()}
        )
        for label, rates in realism.by_label.items()
    ]
    if len(labels) > 1:
        drawn["realism-by-label"] = figures.realism_rates(
            labels, chance=protocol.plan.chance, title="Judged real, by pathology in the archive"
        )
    if (levels := CONFIDENCE_LEVELS.get(protocol.phases[0].form.confidence)) is not None:
        counts = _confidence_counts(table, levels)
        if counts:
            drawn["confidence"] = figures.confidence(
                counts,
                levels=[str(level) for level in range(1, levels + 1)],
                title="How sure the readers were",
            )
    timed = table.dropna(subset=["seconds"])
    if len(timed) > 1:
        drawn["time"] = figures.time_by_position(
            timed["position"].tolist(), timed["seconds"].tolist(), title="Reading time"
        )
    return drawn


def _confidence_counts(table: pd.DataFrame, levels: int) -> dict[str, dict[str, list[int]]]:
    sure = table.dropna(subset=["confidence"])
    counts: dict[str, dict[str, list[int]]] = {}
    for (origin, judgment), rows in sure.groupby(["origin", "judgment"]):
        tally = rows["confidence"].round().astype(int).value_counts()
        counts.setdefault(str(origin), {})[str(judgment)] = [
            int(tally.get(level, 0)) for level in range(1, levels + 1)
        ]
    return counts
