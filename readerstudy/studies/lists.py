"""Draw every reader's reading list and write it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction

from readerstudy.studies import allocation, randomisation
from readerstudy.studies.errors import CannotDraw
from readerstudy.studies.models import Alternative, Case, Presentation, Reader, Session, Study
from readerstudy.studies.ordering import CannotOrder
from readerstudy.studies.protocol import Phase, Protocol
from readerstudy.studies.randomisation import Item, Showing
from readerstudy.studies.sampling import NO_LABEL
from readerstudy.studies.seeds import Draw


@dataclass(frozen=True, slots=True)
class DrawnList:
    """One reader's showings in one phase."""

    reader: int
    phase: int
    showings: list[Showing]


def items_of(cases: Iterable[Case], protocol: Protocol) -> list[Item]:
    """The cases as the randomisation sees them."""
    return [
        Item(
            case.number,
            case.truth["origin"],
            tuple(_stratum_value(case, name) for name in protocol.design.block_strata),
        )
        for case in cases
    ]


def _stratum_value(case: Case, name: str) -> str:
    if name == "stratum":
        return case.stratum
    if name == "label":
        return "+".join(case.truth["labels"]) or NO_LABEL
    return str(case.truth[name])


def is_asked_for_origin(phase: Phase) -> bool:
    """Whether the phase tells readers that some scans are synthetic."""
    return phase.task == "forced-choice" or (phase.task == "single" and phase.form.judgment)


def draw_lists(
    items: list[Item], training: list[Item], readers: list[int], protocol: Protocol, seed: int
) -> list[DrawnList]:
    """Every reader's list in every phase: a pure function of its arguments.

    Training cases come before the first phase that asks for the origin: feedback any earlier would
    give a purpose-blinded phase away.

    Raises ``CannotOrder`` when the design's rules exclude each other.
    """
    design, phases = protocol.design, protocol.phases
    by_reader = allocation.allocate(items, readers, design, Draw(seed, "allocation"))
    shares: list[set[int] | None] = [None] * len(phases)
    if design.phase_cases == "disjoint" and len(phases) > 1:
        parts = randomisation.split_over_phases(items, len(phases), Draw(seed, "phase-cases"))
        shares = [{item.case for item in part} for part in parts]
    trained_in = next((n for n, phase in enumerate(phases) if is_asked_for_origin(phase)), 0)
    result = []
    for reader in sorted(readers):
        for number, phase in enumerate(phases):
            share = shares[number]
            own = [i for i in by_reader[reader] if share is None or i.case in share]
            stream = Draw(seed, "list", reader, number)
            m = phase.alternatives if phase.task == "forced-choice" else 0
            showings = (
                randomisation.draw_choices(own, m, design, stream)
                if m
                else randomisation.draw_list(own, design, stream)
            )
            if training and number == trained_in:
                stream = Draw(seed, "training-order", reader)
                showings = randomisation.with_training(showings, training, stream, m)
            result.append(DrawnList(reader, number, showings))
    return result


def write_lists(study: Study) -> int:
    """Draw and write the list of every enrolled reader. Returns the number of presentations.

    Raises ``CannotDraw`` with the rule that cannot be kept.
    """
    protocol = Protocol.model_validate(study.protocol)
    cases = list(study.cases.all())
    by_number = {case.number: case for case in cases}
    readers = {
        reader.number: reader
        for reader in study.readers.exclude(state=Reader.State.WITHDRAWN).filter(replaces=None)
    }
    try:
        drawn = draw_lists(
            items_of((case for case in cases if not case.is_training), protocol),
            items_of((case for case in cases if case.is_training), protocol),
            list(readers),
            protocol,
            study.seed,
        )
    except CannotOrder as error:
        raise CannotDraw(f"No reading list can be drawn: {error}.") from error
    with transaction.atomic():
        return sum(
            _write(one, readers[one.reader], by_number, protocol.design.sessions) for one in drawn
        )


def _write(one: DrawnList, reader: Reader, cases: dict[int, Case], sittings: int) -> int:
    # Drawn afresh each time, so that a session's id says nothing about its content.
    sessions = Session.objects.bulk_create(
        Session(reader=reader, number=one.phase * sittings + sitting + 1, phase=one.phase)
        for sitting in range(sittings)
        if any(showing.sitting == sitting for showing in one.showings)
    )
    by_sitting = {session.number - one.phase * sittings - 1: session for session in sessions}
    written: dict[tuple[int, int], Presentation] = {}
    for again in (False, True):  # a repeat refers to its first showing, which must exist
        batch = [
            (
                (showing.sitting, showing.position),
                Presentation(
                    session=by_sitting[showing.sitting],
                    position=showing.position,
                    case=cases[showing.case],
                    is_training=showing.is_training,
                    repeat_of=written[showing.repeat_of] if showing.repeat_of else None,
                ),
            )
            for showing in one.showings
            if (showing.repeat_of is not None) == again
        ]
        Presentation.objects.bulk_create([presentation for _, presentation in batch])
        written.update(batch)
    Alternative.objects.bulk_create(
        Alternative(
            presentation=written[showing.sitting, showing.position], case=cases[number], place=place
        )
        for showing in one.showings
        for place, number in enumerate(showing.alternatives, 1)
    )
    return len(written)
