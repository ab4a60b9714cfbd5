"""What a design implies, in numbers a researcher can weigh before anything is drawn."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass, field

from readerstudy.analysis import power as powers
from readerstudy.studies import allocation
from readerstudy.studies.lists import is_asked_for_origin
from readerstudy.studies.ordering import CannotOrder
from readerstudy.studies.protocol import Design, Phase, Protocol
from readerstudy.studies.randomisation import Item, whole_sets
from readerstudy.studies.seeds import Draw


@dataclass(slots=True)
class Implications:
    """The live summary of the set-up."""

    acquired: int = 0
    generated: int = 0
    training: int = 0
    readers: int = 0
    cases_a_reader: tuple[int, int] = (0, 0)
    readers_a_case: tuple[int, int] = (0, 0)
    repeats_a_reader: int = 0
    readings_a_reader: tuple[int, int] = (0, 0)
    readings_in_all: int = 0
    sittings: int = 0
    minutes_a_sitting: int = 0
    minutes_in_all: int = 0
    shared_by_pair: tuple[int, int] = (0, 0)
    origin_imbalance: int = 0
    power: float | None = None
    power_for: str = ""
    power_note: str = ""  # why no power is shown
    problems: list[str] = field(default_factory=list)

    @property
    def power_percent(self) -> int:
        return round(100 * (self.power or 0.0))

    @property
    def cases(self) -> int:
        return self.acquired + self.generated


# Beyond this the summary would take longer than the wait for it is worth.
_MOST_READINGS = 500_000


@functools.lru_cache(maxsize=32)
def _allocated(acquired: int, generated: int, readers: int, design: str) -> dict[int, list[Item]]:
    """The allocation of cases that stand for the strata's counts; typing on asks for it again."""
    items = [
        Item(number, origin)
        for number, origin in enumerate(["acquired"] * acquired + ["generated"] * generated)
    ]
    return allocation.allocate(
        items, range(1, readers + 1), Design.model_validate_json(design), Draw(0, "plan")
    )


def of(protocol: Protocol, readers: int | None = None) -> Implications:
    """Computed from the protocol alone; ``readers`` defaults to the number expected.

    Uses the same allocation as the lock, with cases that stand for the strata's counts.
    """
    design, strata = protocol.design, protocol.sampling.strata
    result = Implications(
        acquired=sum(s.count for s in strata if s.origin == "acquired"),
        generated=sum(s.count for s in strata if s.origin == "generated"),
        training=protocol.sampling.training_cases,
        readers=protocol.readers_expected if readers is None else readers,
    )
    if not result.cases or not result.readers:
        return result
    if result.cases * result.readers > _MOST_READINGS:
        result.problems.append(
            f"{result.cases} cases for {result.readers} readers are more than any study reads; ask "
            "for fewer."
        )
        return result
    try:
        drawn = _allocated(
            result.acquired, result.generated, result.readers, design.model_dump_json()
        )
    except CannotOrder as error:
        result.problems.append(f"{error}.")
        return result
    balance = allocation.balance(drawn)
    result.cases_a_reader = balance.load_range
    result.readers_a_case = (min(balance.readers_a_case), max(balance.readers_a_case))
    result.shared_by_pair = balance.pair_range
    result.origin_imbalance = max(
        abs(counts["acquired"] * result.generated - counts["generated"] * result.acquired)
        // max(result.acquired, result.generated, 1)
        for counts in balance.by_origin.values()
    )
    _workload(protocol, drawn, result)
    _power(protocol, drawn, result)
    return result


# What the summary assumes until the planner is asked: the logit-scale variances of its own start.
_VARIANCE = 0.25
_EFFECT = 0.1


def _power(protocol: Protocol, drawn: dict[int, list[Item]], result: Implications) -> None:
    """Power of the declared primary endpoint, by the planner's closed forms.

    Rates: from how often each reader and each case counts in this very allocation. The AUC has no
    closed form where readers read different cases; there the planner simulates.
    """
    plan = protocol.plan
    if plan.primary in ("quality-difference", "realism-difference"):
        return
    judged = _judged(protocol, drawn, plan.primary)
    by_reader = [len(items) for items in judged.values() if items]
    by_case = list(Counter(item.case for items in judged.values() for item in items).values())
    readers, cases = len(by_reader), len(by_case)
    if min(readers, cases) < 2:
        return
    try:
        if plan.primary == "auc":
            if min(result.acquired, result.generated) < 2:
                return
            if len(judged) * cases != sum(by_case):
                result.power_note = "of an AUC, where readers read different cases, by simulation"
                return
            found = powers.auc_power(
                readers=readers,
                positives=result.generated,
                negatives=result.acquired,
                auc=0.65,
                null=0.5,
                alpha=plan.alpha,
            ).power
            said = "an AUC of 0.65"
        else:
            margin = plan.equivalence_margin if plan.primary == "realism-generated" else None
            rate = plan.chance if margin else min(plan.chance + _EFFECT, 0.99)
            found = powers.realism_power(
                rate=rate,
                readers=readers,
                cases=cases,
                loads=(by_reader, by_case),
                var_reader=_VARIANCE,
                var_case=_VARIANCE,
                null=plan.chance,
                margin=margin,
                alpha=plan.alpha,
            ).power
            what = "accuracy" if plan.primary == "accuracy" else "a realism rate"
            said = (
                f"equivalence within {margin:g} of {plan.chance:g}"
                if margin
                else f"{what} of {rate:g} against {plan.chance:g}"
            )
    except ValueError:
        return
    result.power, result.power_for = found, said


def _judged(
    protocol: Protocol, drawn: dict[int, list[Item]], endpoint: str
) -> dict[int, list[Item]]:
    """What each reader judges for the endpoint: in the first phase that asks for the origin, the
    generated scans alone for a realism rate, and in a forced choice one scan for each set."""
    asking = [number for number, phase in enumerate(protocol.phases) if is_asked_for_origin(phase)]
    number = asking[0] if asking else 0
    origins = {"generated"}
    if protocol.phases[number].task == "forced-choice":
        origins = {"acquired"}
    elif endpoint in ("auc", "accuracy"):
        origins = {"acquired", "generated"}
    return {
        reader: [item for item in _phase_shares(items, protocol)[number] if item.origin in origins]
        for reader, items in drawn.items()
    }


def _workload(protocol: Protocol, drawn: dict[int, list[Item]], result: Implications) -> None:
    totals = []
    for items in drawn.values():
        shares = _phase_shares(items, protocol)
        readings = repeats = 0
        for phase, own in zip(protocol.phases, shares, strict=True):
            shown = _showings(phase, own)
            again = round(protocol.design.repeat_share * shown)
            readings += shown + again
            repeats += again
        totals.append((readings, repeats))
    result.readings_a_reader = (min(t for t, _ in totals), max(t for t, _ in totals))
    result.repeats_a_reader = max(r for _, r in totals)
    result.readings_in_all = sum(t for t, _ in totals)
    result.sittings = len(protocol.phases) * protocol.design.sessions
    seconds = protocol.design.seconds_a_case * (result.readings_a_reader[1] + result.training)
    result.minutes_in_all = -(-seconds // 60)
    result.minutes_a_sitting = -(-result.minutes_in_all // result.sittings)
    if result.minutes_a_sitting > 90:
        result.problems.append(
            f"About {result.minutes_a_sitting} minutes a sitting: attention fades after an hour or "
            "so. Split the reading over more sessions."
        )
    largest = max(result.readings_a_reader) // max(1, result.sittings)
    if protocol.design.repeat_share and protocol.design.repeat_spacing > largest * result.sittings:
        result.problems.append("Repeats cannot lie farther apart than the list is long.")


def _phase_shares(items: list[Item], protocol: Protocol) -> list[list[Item]]:
    phases = len(protocol.phases)
    if protocol.design.phase_cases == "same" or phases == 1:
        return [items] * phases
    return [items[n::phases] for n in range(phases)]


def _showings(phase: Phase, items: list[Item]) -> int:
    if phase.task != "forced-choice":
        return len(items)
    return whole_sets(Counter(item.origin for item in items), phase.alternatives)
