"""A whole analysis plan run over a judgment table.

``run_plan(table, plan)`` gives a :class:`StudyReport`: every section that the table allows, the
plan's endpoints with their multiplicity-adjusted decisions, and, by name and reason, whatever could
not be analysed. The command line's ``report`` and the web report both print this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from readerstudy.analysis import mrmc
from readerstudy.analysis.judgments import JudgmentMatrix, judgment_matrix
from readerstudy.analysis.multiplicity import Decision, gatekeeping
from readerstudy.analysis.plan import MEASURES, SECTIONS, checked_plan
from readerstudy.analysis.realism import RealismResult, realism_rates
from readerstudy.analysis.report_sections import (
    agreement_section,
    detection_section,
    diversity_section,
    intra_section,
    judgment_rating,
    mixed_section,
    process_section,
)
from readerstudy.analysis.result import Estimate, plain_numbers

__all__ = ["MEASURES", "SECTIONS", "StudyReport", "checked_plan", "run_plan", "sections_needed"]


@dataclass(frozen=True)
class StudyReport:
    """Sections by name, the endpoints' estimates and decisions, and what failed and why."""

    plan: dict[str, Any]
    sections: dict[str, Any]
    endpoints: dict[str, Estimate]
    decisions: list[Decision]
    failures: dict[str, str]
    notes: tuple[str, ...] = field(default=())
    design: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Every number at full precision, ready for JSON."""
        return {
            "plan": self.plan,
            "design": self.design,
            "endpoints": {name: e.to_dict() for name, e in self.endpoints.items()},
            "decisions": [decision.to_dict() for decision in self.decisions],
            "sections": plain(self.sections),
            "failures": dict(self.failures),
            "notes": list(self.notes),
        }

    def rows(self) -> Iterator[tuple[str, str, Estimate]]:
        """(section, what, estimate) for every estimate of the report."""
        for name, content in self.sections.items():
            for what, estimate in estimates_in(content):
                yield name, what, estimate

    def summary(self) -> str:
        """The endpoints and decisions first, then every section's estimates."""
        lines = [", ".join(f"{count} {what}" for what, count in self.design.items()), ""]
        lines += ["Endpoints"]
        lines += [f"  {name}: {e.summary()}" for name, e in self.endpoints.items()]
        lines += [f"  {decision.summary()}" for decision in self.decisions]
        last = ""
        for section, what, estimate in self.rows():
            if section != last:
                lines += ["", section]
                last = section
            lines.append(f"  {what}: {estimate.summary()}")
        lines += [f"not analysed: {name}: {why}" for name, why in self.failures.items()]
        return "\n".join([*lines, *self.notes])


def run_plan(table: pd.DataFrame, plan: Mapping[str, Any] | None = None) -> StudyReport:
    """Run ``plan`` over a judgment table (columns of :mod:`readerstudy.analysis.judgments`).

    The plan's keys, all optional: ``chance``, ``margin``, ``alpha``, ``level``, ``seed``,
    ``bootstrap`` (resamples), ``fixed`` (columns of the mixed model), ``covariance`` (of the MRMC
    analysis), ``sections`` (of :data:`SECTIONS`), ``endpoints`` (a list of ``name``, ``measure`` of
    :data:`MEASURES`, and optionally ``way`` and ``family``) and ``multiplicity`` (``method``,
    ``gate``). Raises ``ValueError`` for an unknown key, section or measure and for faults of the
    table, by row; a section that the data do not allow is named in ``failures``, not raised.
    """
    chosen = checked_plan(plan)
    matrix = judgment_matrix(table)  # faults of the table stop everything
    makers: dict[str, Callable[[], Any]] = {
        "realism": lambda: realism_rates(
            table,
            chance=chosen["chance"],
            margin=chosen["margin"],
            alpha=chosen["alpha"],
            level=chosen["level"],
            seed=chosen["seed"],
            replicates=chosen["bootstrap"],
        ),
        "detection": lambda: detection_section(matrix, chosen["level"], chosen["seed"]),
        "mrmc": lambda: _mrmc(table, chosen),
        "agreement": lambda: agreement_section(table, chosen["level"], chosen["seed"]),
        "intra_reader": lambda: intra_section(table, chosen["level"]),
        "mixed": lambda: mixed_section(table, chosen["fixed"], chosen["level"]),
        "process": lambda: process_section(table, chosen["level"]),
        "diversity": lambda: diversity_section(table, chosen["level"], chosen["seed"]),
    }
    sections: dict[str, Any] = {}
    failures: dict[str, str] = {}
    for name in chosen["sections"]:
        try:
            sections[name] = makers[name]()
        except (ValueError, ArithmeticError) as fault:
            failures[name] = str(fault)
    endpoints, families = _endpoints(chosen, sections, failures)
    decisions = (
        gatekeeping(
            families,
            alpha=chosen["alpha"],
            method=chosen["multiplicity"]["method"],
            gate=chosen["multiplicity"]["gate"],
        )
        if families
        else []
    )
    return StudyReport(
        chosen, sections, endpoints, decisions, failures, matrix.notes, _design(matrix)
    )


def _design(matrix: JudgmentMatrix) -> dict[str, int]:
    """What was read: the numbers that a report of the study begins with."""
    generated = int(matrix.generated.sum())
    return {
        "readers": len(matrix.readers),
        "acquired": len(matrix.cases) - generated,
        "generated": generated,
        "readings": int(np.isfinite(matrix.real).sum()),
        "not read": int(np.isnan(matrix.real).sum()),
    }


def sections_needed(plan: Mapping[str, Any], endpoint: str) -> list[str]:
    """The sections that the endpoints of ``plan`` are read from; ``endpoint`` must be one."""
    chosen = checked_plan(plan)
    names = [one["name"] for one in chosen["endpoints"]]
    if endpoint not in names:
        raise ValueError(f"the plan has no endpoint {endpoint!r}; it has {', '.join(names)}")
    homes = {"auc": "mrmc", "d-prime": "detection"}
    return list(dict.fromkeys(homes.get(one["measure"], "realism") for one in chosen["endpoints"]))


def _mrmc(table: pd.DataFrame, plan: Mapping[str, Any]) -> dict[str, Any]:
    rated = judgment_rating(table)
    options = {"modality": None, "null": 0.5, "level": plan["level"]}
    return {
        "obuchowski_rockette": mrmc.obuchowski_rockette(
            rated, covariance=plan["covariance"], **options
        ),
        "u_statistics": mrmc.u_statistics(rated, **options),
    }


def _endpoints(
    plan: Mapping[str, Any], sections: Mapping[str, Any], failures: dict[str, str]
) -> tuple[dict[str, Estimate], list[dict[str, float]]]:
    """The endpoints' estimates and their p-values by family, in the order of the plan."""
    found: dict[str, Estimate] = {}
    families: dict[int, dict[str, float]] = {}
    for endpoint in plan["endpoints"]:
        name = endpoint["name"]
        try:
            estimate = _endpoint(endpoint, sections)
        except (KeyError, AttributeError) as fault:
            failures[f"endpoint {name}"] = f"its section is missing or failed ({fault})"
            estimate = None
        if estimate is not None:
            found[name] = estimate
        p = float("nan") if estimate is None or estimate.p_value is None else estimate.p_value
        families.setdefault(endpoint["family"], {})[name] = p
    return found, [families[number] for number in sorted(families)]


def _endpoint(endpoint: Mapping[str, Any], sections: Mapping[str, Any]) -> Estimate:
    measure, way = endpoint["measure"], endpoint["way"]
    if measure == "auc":
        result: mrmc.MrmcResult = sections["mrmc"]["obuchowski_rockette"]
        return next(iter(result.modalities.values()))
    if measure == "d-prime":
        pooled: Estimate = sections["detection"]["readers averaged"].d_prime
        return pooled
    realism: RealismResult = sections["realism"]
    if measure == "difference":
        return realism.difference[way]
    if measure == "equivalence":
        return realism.by_origin["generated"].equivalence[way]
    rate = {
        "fool rate": lambda: realism.by_origin["generated"],
        "acquired rate": lambda: realism.by_origin["acquired"],
        "accuracy": lambda: realism.accuracy,
    }[measure]()
    answer: Estimate = getattr(rate, way)
    return answer


def estimates_in(content: Any, path: str = "") -> Iterator[tuple[str, Estimate]]:
    """Every estimate within nested results, with a readable path."""
    if isinstance(content, Estimate):
        yield path or content.name, content
    elif isinstance(content, RealismResult):
        for what, way, estimate in content.rows():
            yield f"{what} ({way})", estimate
    elif isinstance(content, mrmc.MrmcResult):
        for kind in ("modalities", "differences", "reader_values"):
            for key, estimate in getattr(content, kind).items():
                label = " - ".join(map(str, key)) if isinstance(key, tuple) else str(key)
                yield f"{path} {label}".strip(), estimate
    elif isinstance(content, Mapping):
        for key, item in content.items():
            yield from estimates_in(item, f"{path}, {key}" if path else str(key))
    elif isinstance(content, Sequence) and not isinstance(content, str):
        for number, item in enumerate(content, start=1):
            yield from estimates_in(item, f"{path} {number}".strip())
    elif hasattr(content, "__dataclass_fields__"):
        for slot in content.__dataclass_fields__:
            value = getattr(content, slot)
            if isinstance(value, (Estimate, Mapping, list, tuple)):
                yield from estimates_in(value, f"{path}, {slot}" if path else slot)


def plain(content: Any) -> Any:
    """Nested results as nested dicts, ready for JSON."""
    if hasattr(content, "to_dict"):
        return content.to_dict()
    if isinstance(content, Mapping):
        return {
            " - ".join(map(str, key)) if isinstance(key, tuple) else str(key): plain(item)
            for key, item in content.items()
        }
    if isinstance(content, (list, tuple)):
        return [plain(item) for item in content]
    if hasattr(content, "tolist"):
        return plain(content.tolist())
    return plain_numbers(content)
