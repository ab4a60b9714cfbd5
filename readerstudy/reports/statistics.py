"""Everything the report says of a study, computed from its judgment table alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from django.core.cache import cache

from readerstudy import __version__
from readerstudy.analysis import agreement as agree
from readerstudy.analysis.realism import RealismResult, realism_rates
from readerstudy.analysis.result import Estimate
from readerstudy.reports import figures, judgments
from readerstudy.studies.models import Study
from readerstudy.studies.protocol import AnalysisPlan, Protocol

ORIGINS = ("acquired", "generated")
WAYS = {
    "u_statistic": "Multi-reader multi-case U-statistic",
    "mixed": "Crossed random-effects logistic",
    "bootstrap": "Two-way cluster bootstrap",
    "reader_averaged": "Reader-averaged t",
}
CONFIDENCE_LEVELS = {"4-point": 4, "5-point": 5, "6-point": 6}


@dataclass(frozen=True)
class Statistics:
    """What was computed, and the notes that a reader of the numbers must see."""

    realism: RealismResult | None
    agreement: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    intra: Estimate | None = None
    intra_by_reader: dict[Any, dict[str, Estimate]] = field(default_factory=dict)
    seconds: pd.DataFrame | None = None
    figures: dict[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Every number at full precision, for the JSON export."""
        return {
            "realism": self.realism.to_dict() if self.realism else None,
            "agreement": {
                scope: {name: one.to_dict() for name, one in each.items()}
                for scope, each in self.agreement.items()
            },
            "intra_reader": self.intra.to_dict() if self.intra else None,
            "intra_reader_by_reader": {
                str(reader): {name: one.to_dict() for name, one in each.items()}
                for reader, each in self.intra_by_reader.items()
            },
            "notes": list(self.notes),
        }


def of_study(study: Study, table: pd.DataFrame) -> Statistics:
    """The statistics of a study's table; the same table is analysed once and remembered."""
    protocol = Protocol.model_validate(study.protocol)
    recipe = f"{judgments.digest(table)} {protocol.model_dump_json()} {study.seed} {__version__}"
    key = "report-" + hashlib.sha256(recipe.encode()).hexdigest()
    known: Statistics | None = cache.get(key)
    if known is None:
        known = analyse(table, protocol, seed=study.seed % 2**32)
        cache.set(key, known, timeout=30 * 24 * 3600)
    return known


def analyse(table: pd.DataFrame, protocol: Protocol, *, seed: int = 0) -> Statistics:
    """Run the declared plan, and the exploratory analyses beside it, over a judgment table."""
    plan = protocol.plan
    judged = table[table["judgment"].isin(["real", "synthetic"])]
    if judged.empty:
        return Statistics(None, notes=("No judgments were recorded.",))
    realism = realism_rates(
        judged,
        chance=plan.chance,
        margin=plan.equivalence_margin,
        alpha=plan.alpha,
        level=1 - plan.alpha,
        seed=seed,
    )
    notes = list(realism.notes)
    primary = judged[judged["repeat_of"] == ""]
    agreement: dict[str, dict[str, Estimate]] = {}
    if primary["reader"].nunique() > 1:
        for scope in ("all scans", *ORIGINS):
            rows = primary if scope == "all scans" else primary[primary["origin"] == scope]
            if not rows.empty:
                agreement[scope] = agree.agreement(
                    rows, categories=["real", "synthetic"], level=1 - plan.alpha, seed=seed
                )
    else:
        notes.append("One reader: agreement between readers is not defined.")
    intra, intra_by_reader = None, {}
    if (judged["repeat_of"] != "").any():
        try:
            intra, intra_by_reader = agree.intra_reader(judged, level=1 - plan.alpha)
        except ValueError as error:
            notes.append(f"Test-retest agreement: {error}.")
    return Statistics(
        realism,
        agreement,
        intra,
        intra_by_reader,
        _seconds(primary),
        _figures(realism, primary, protocol, plan),
        tuple(dict.fromkeys(notes)),
    )


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


def _figures(
    realism: RealismResult, table: pd.DataFrame, protocol: Protocol, plan: AnalysisPlan
) -> dict[str, bytes]:
    rows = [
        figures.IntervalRow(str(reader), dict(estimates))
        for reader, estimates in realism.by_reader.items()
    ]
    pooled = {origin: rate.primary for origin, rate in realism.by_origin.items()}
    rows.append(figures.IntervalRow("All readers", pooled, pooled=True))
    drawn = {
        "realism-by-reader": figures.realism_rates(
            rows, chance=plan.chance, title="Judged real, by reader"
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
            labels, chance=plan.chance, title="Judged real, by pathology in the archive"
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
            timed["position"].to_numpy(), timed["seconds"].to_numpy(), title="Reading time"
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


def pooled_rows(realism: RealismResult) -> Iterator[dict[str, Any]]:
    """Rows of the pooled table: each quantity by each of the four ways."""
    for origin, rate in realism.by_origin.items():
        yield {
            "what": f"{origin.capitalize()} scans judged real",
            "origin": origin,
            "n": rate.n,
            "ways": [(WAYS[way], getattr(rate, way)) for way in WAYS],
            "binomial": rate.binomial,
            "equivalence": [(WAYS[way], each) for way, each in rate.equivalence.items()],
        }
    if realism.difference:
        yield {
            "what": "Difference, generated minus acquired",
            "origin": "",
            "n": None,
            "ways": [
                (WAYS[way], realism.difference[way]) for way in WAYS if way in realism.difference
            ],
            "binomial": None,
            "equivalence": [],
        }
