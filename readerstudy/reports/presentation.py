"""The statistics laid out as the rows of the report's tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.utils.safestring import mark_safe

from readerstudy.analysis.realism import RealismResult
from readerstudy.analysis.result import Estimate, format_p
from readerstudy.reports.statistics import Statistics
from readerstudy.studies.protocol import AnalysisPlan

WAYS = {
    "u_statistic": "Multi-reader multi-case U-statistic",
    "mixed": "Crossed random-effects logistic",
    "bootstrap": "Two-way cluster bootstrap",
    "reader_averaged": "Reader-averaged t",
}

ADJUSTMENTS = {
    "none": "none", "bonferroni": "Bonferroni", "holm": "Holm", "hochberg": "Hochberg",
    "bh": "Benjamini-Hochberg", "by": "Benjamini-Yekutieli",
}  # fmt: skip
SUBGROUPS = {"label": "Pathology", "view": "Projection", "sex": "Sex"}


def pooled_rows(realism: RealismResult) -> Iterator[dict[str, Any]]:
    """Rows of the pooled table: each quantity by each of the four ways."""
    for origin, rate in realism.by_origin.items():
        yield {
            "what": f"{origin.capitalize()} scans judged real",
            "origin": origin,
            "n": rate.n,
            "ways": [(WAYS[way], getattr(rate, way), True) for way in WAYS],
            "binomial": rate.binomial,
            "equivalence": [(WAYS[way], each) for way, each in rate.equivalence.items()],
        }
    if realism.difference:
        yield {
            "what": "Difference, generated minus acquired",
            "origin": "",
            "n": None,
            "ways": [
                # The logistic model speaks in log odds, the others in shares.
                (
                    WAYS[way] + (" (log odds ratio)" if way == "mixed" else ""),
                    realism.difference[way],
                    way != "mixed",
                )
                for way in WAYS
                if way in realism.difference
            ],
            "binomial": None,
            "equivalence": [],
        }


def choice_rows(statistics: Statistics) -> list[dict[str, Any]]:
    """Each number of alternatives by each of the four ways."""
    return [
        {"m": m, "chance": 1 / m, "n": rate.n,
         "ways": [(WAYS[way], getattr(rate, way)) for way in WAYS]}
        for m, rate in statistics.choices.items()
    ]  # fmt: skip


def decisions(statistics: Statistics) -> list[dict[str, str]]:
    """The declared endpoints after multiplicity adjustment, in plain words."""
    return [
        {
            "name": decision.endpoint,
            "p": _bare(decision.p_value),
            "adjusted": _bare(decision.adjusted),
            "verdict": ("null hypothesis rejected" if decision.rejected else "not rejected")
            + (f" ({decision.note})" if decision.note else ""),
        }
        for decision in statistics.decisions
    ]


def figure_sizes(figures: dict[str, bytes]) -> dict[str, str]:
    """Width and height of each drawing as HTML attributes, so that the page keeps their places
    while they come."""
    sizes: dict[str, str] = {}
    for name, drawn in figures.items():
        found = re.search(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn)
        if found is not None:
            wide, high = (round(float(side)) for side in found.groups())
            sizes[name] = mark_safe(f'width="{wide}" height="{high}"')
    return sizes


def subgroup_parts(statistics: Statistics, plan: AnalysisPlan) -> list[dict[str, Any]]:
    """For each grouping of cases its levels: rate by origin, and generated minus acquired with p
    adjusted over the levels."""
    if statistics.realism is None:
        return []
    groupings = {"label": statistics.realism, **statistics.subgroups}
    return [
        {
            "name": name,
            "title": SUBGROUPS[name],
            "declared": name in plan.subgroups,
            "compared": bool(result.label_difference),
            "rows": [
                {
                    "level": level,
                    "acquired": rates.get("acquired"),
                    "generated": rates.get("generated"),
                    "difference": result.label_difference.get(level, {}).get("u_statistic"),
                }
                for level, rates in result.by_label.items()
            ],
        }
        for name, result in groupings.items()
        if result.by_label
    ]


def generator_rows(realism: RealismResult) -> list[dict[str, Any]]:
    """Each generator's rate, and its difference to the acquired scans."""
    return [
        {
            "name": name,
            "rate": rate,
            "difference": realism.generator_difference.get(name, {}).get("u_statistic"),
        }
        for name, rate in realism.by_generator.items()
    ]


def generator_pairs(realism: RealismResult) -> list[tuple[str, Estimate]]:
    """Every two generators, the first minus the second."""
    return [
        (pair.replace(" - ", " minus "), ways["u_statistic"])
        for pair, ways in realism.generator_comparison.items()
    ]


def detection_rows(statistics: Statistics) -> list[tuple[str, Any, Any]]:
    """(reader, detection measures, AUC) for each reader, then for all readers together."""
    detection = statistics.section("detection") or {}
    mrmc = (statistics.section("mrmc") or {}).get("obuchowski_rockette")
    areas = {str(key[-1]): area for key, area in mrmc.reader_values.items()} if mrmc else {}
    rows = []
    for name, measures in detection.items():
        if not name.startswith("reader "):
            continue
        reader = name.removeprefix("reader ")
        rows.append((reader, measures, areas.get(reader)))
    if "readers averaged" in detection:
        pooled = next(iter(mrmc.modalities.values()), None) if mrmc else None
        rows.append(("All readers", detection["readers averaged"], pooled))
    return rows


def _bare(p: float) -> str:
    return format_p(p).removeprefix("p ").removeprefix("= ")
