"""Sample size: power of a planned study, over readers and cases, and the sentence to declare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from readerstudy.analysis import power as powers

KINDS = {
    "realism": "Realism rate against chance, readers and cases random",
    "equivalence": "Realism rate equivalent to chance within a margin",
    "binomial": "One rate against chance, every judgment independent",
    "auc": "AUC of confidence-weighted judgments against chance (MRMC)",
}
_GRID = (10, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500)


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What a plan takes for granted. ``cases`` are those that the endpoint is computed from: the
    generated scans for a realism rate, both arms together for an AUC."""

    kind: str = "realism"
    rate: float = 0.6
    auc: float = 0.65
    chance: float = 0.5
    margin: float = 0.1
    alpha: float = 0.05
    wanted: float = 0.8
    readers: int = 6
    cases: int = 100
    var_reader: float = 0.25
    var_case: float = 0.25


@dataclass(slots=True)
class Plan:
    """Power at the assumed size, curves around it, and the smallest sufficient numbers."""

    power: float
    standard_error: float | None = None
    design_effect: float | None = None
    curves: dict[int, list[tuple[int, float]]] = field(default_factory=dict)
    needed: dict[int, int | None] = field(default_factory=dict)
    statement: str = ""
    notes: list[str] = field(default_factory=list)


def plan(given: Assumptions) -> Plan:
    """Closed-form power from :mod:`readerstudy.analysis.power`.

    Raises ``ValueError`` for assumptions that make no study.
    """
    if given.kind not in KINDS:
        raise ValueError(f"{given.kind!r} is no kind of plan: {', '.join(KINDS)}")
    at = _power_of(given)
    found = at(given.readers, given.cases)
    result = Plan(found["power"], found.get("standard_error"), found.get("design_effect"))
    result.notes += list(found.get("notes", ()))
    counts = [1] if given.kind == "binomial" else _reader_counts(given.readers)
    grid = sorted({*_GRID, given.cases})
    for readers in counts:
        curve = [(cases, at(readers, cases)["power"]) for cases in grid]
        result.curves[readers] = curve
        result.needed[readers] = _smallest(_over_cases(at, readers), given.wanted)
    result.statement = _statement(given, result)
    return result


def _power_of(given: Assumptions) -> Callable[[int, int], dict[str, Any]]:
    def at(readers: int, cases: int) -> dict[str, Any]:
        if given.kind == "binomial":
            value = powers.binomial_power(cases, p=given.rate, null=given.chance, alpha=given.alpha)
            return {"power": value}
        if given.kind == "auc":
            found = powers.auc_power(
                readers=readers,
                positives=cases // 2,
                negatives=cases - cases // 2,
                auc=given.auc,
                null=0.5,
                alpha=given.alpha,
            )
            return {
                "power": found.power,
                "standard_error": found.standard_error,
                "notes": found.notes,
            }
        plan = powers.realism_power(
            rate=given.rate,
            readers=readers,
            cases=cases,
            var_reader=given.var_reader,
            var_case=given.var_case,
            null=given.chance,
            margin=given.margin if given.kind == "equivalence" else None,
            alpha=given.alpha,
        )
        return {
            "power": plan.power,
            "standard_error": plan.standard_error,
            "design_effect": plan.design_effect,
            "notes": plan.notes,
        }

    return at


def _over_cases(at: Callable[[int, int], dict[str, Any]], readers: int) -> Callable[[int], float]:
    return lambda cases: float(at(readers, cases)["power"])


def _reader_counts(readers: int) -> list[int]:
    return sorted({max(2, readers // 2), readers, readers + max(2, readers // 2)})


def _smallest(power_at: Callable[[int], float], wanted: float, most: int = 4000) -> int | None:
    """The least number of cases that reaches the power; None where ``most`` do not.

    Exact binomial power saws up and down a little, so after the bisection the last steps are
    walked; the others grow steadily.
    """
    if power_at(most) < wanted:
        return None
    low, high = 4, most
    while low < high:
        middle = (low + high) // 2
        if power_at(middle) >= wanted:
            high = middle
        else:
            low = middle + 1
    while high < most and any(power_at(high + step) < wanted for step in range(12)):
        high += 1
    return high


def _statement(given: Assumptions, found: Plan) -> str:
    percent = f"{100 * found.power:.0f} %"
    sides = f"two-sided alpha {given.alpha:g}"
    if given.kind == "binomial":
        return (
            f"{given.cases} independent judgments give {percent} power to tell a rate of "
            f"{given.rate:g} from {given.chance:g} ({sides}, exact binomial test)."
        )
    size = f"{given.readers} readers, each reading all of {given.cases} cases"
    if given.kind == "auc":
        return (
            f"{size} (both origins, equal arms), give {percent} power to tell an AUC of "
            f"{given.auc:g} from chance ({sides}, multi-reader multi-case analysis; best and worst "
            "reader assumed 0.1 apart)."
        )
    spread = (
        f"logit-scale variances of {given.var_reader:g} between readers and {given.var_case:g} "
        "between cases"
    )
    if given.kind == "equivalence":
        return (
            f"{size} (generated scans), give {percent} power to show that the realism rate lies "
            f"within {given.margin:g} of {given.chance:g} if it truly is {given.rate:g} (two "
            f"one-sided tests, alpha {given.alpha:g} each; {spread})."
        )
    return (
        f"{size} (generated scans), give {percent} power to tell a realism rate of {given.rate:g} "
        f"from {given.chance:g} ({sides}; {spread})."
    )
