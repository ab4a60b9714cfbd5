"""What the database itself refuses after lock, whoever asks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction

from readerstudy.studies import digest, enrolment, lifecycle, triggers
from readerstudy.studies.models import (
    Alternative,
    Amendment,
    Case,
    Frame,
    Presentation,
    Reader,
    Session,
    Study,
)
from tests import factories

pytestmark = pytest.mark.django_db


def refused(deed: Callable[[], object], message: str = "") -> None:
    with pytest.raises(IntegrityError, match=message or None), transaction.atomic():
        deed()


def test_the_triggers_are_in_place() -> None:
    assert triggers.installed(connection)


def test_nothing_of_a_locked_study_can_be_changed() -> None:
    study = factories.make_locked_study()
    row = Study.objects.filter(pk=study.pk)
    case = study.cases.first()
    shown = Presentation.objects.filter(session__reader__study=study).first()
    spare = factories.make_scan()

    for change in (
        {"protocol": {}},
        {"seed": 5},
        {"title": "Another"},
        {"question": "Another?"},
        {"lock_digest": "1" * 64},
        {"blinding": {"passed": True}},
    ):
        refused(lambda change=change: row.update(**change), "locked")
    refused(lambda: row.update(status="draft"), "never back")
    refused(lambda: row.update(status="closed"), "one step")
    refused(
        lambda: Study.objects.filter(pk=study.pk)._raw_delete(study._state.db), "cannot be deleted"
    )
    refused(lambda: Case.objects.create(study=study, scan=spare, number=99), "cases")
    refused(lambda: Case.objects.filter(pk=case.pk).update(stratum="x"), "cases")
    refused(lambda: Case.objects.filter(pk=case.pk)._raw_delete(study._state.db))
    refused(lambda: Frame.objects.filter(case=case).update(sha256="0" * 64), "frames")
    refused(lambda: Frame.objects.filter(case=case)._raw_delete(study._state.db), "frames")
    refused(lambda: Presentation.objects.filter(pk=shown.pk).update(position=999), "lists")
    refused(lambda: Presentation.objects.filter(pk=shown.pk)._raw_delete(study._state.db), "lists")
    refused(lambda: Presentation.objects.create(session=shown.session, position=99, case=case))
    refused(lambda: Session.objects.create(reader=shown.session.reader, number=9))
    refused(lambda: Session.objects.filter(pk=shown.session_id).update(number=9), "lists")
    refused(lambda: Alternative.objects.create(presentation=shown, case=case, place=1), "lists")
    refused(lambda: Reader.objects.create(study=study, number=9), "replacement")
    refused(lambda: Reader.objects.filter(study=study, number=1).update(number=9))
    refused(
        lambda: Reader.objects.filter(study=study, number=1).update(user=factories.make_user()),
        "stays who they are",
    )


def test_the_truth_of_a_drawn_scan_is_frozen_in_the_archive_too() -> None:
    study = factories.make_locked_study()
    scan = study.cases.first().scan

    refused(lambda: type(scan).objects.filter(pk=scan.pk).update(origin="generated2"), "origin")
    refused(lambda: scan.labels.add(factories.Label.objects.create(name="Hernia")), "labels")
    type(scan).objects.filter(pk=scan.pk).update(source_name="renamed.png")


def test_a_draft_stays_free() -> None:
    study = factories.make_study()

    Study.objects.filter(pk=study.pk).update(seed=9, title="Free")
    refused(lambda: Amendment.objects.create(study=study, number=1, reason="x"), "not amended")
    study.delete()


def test_history_cannot_be_rewritten() -> None:
    study = factories.make_open_study()
    study = lifecycle.unblind(study, by=None, reason="safety board")
    row = Study.objects.filter(pk=study.pk)

    refused(lambda: row.update(unblinded_at=None), "rewritten")
    refused(lambda: row.update(opened_at=None), "rewritten")
    study = lifecycle.close_study(study, by=None)
    refused(lambda: row.update(closed_at=None), "rewritten")
    refused(lambda: row.update(status="open"), "never back")


def test_a_replacement_gets_the_same_list_and_nothing_else_can_be_slipped_in() -> None:
    study = factories.make_open_study(
        protocol=factories.make_protocol(
            design={"block_size": 4, "longest_run": 3, "repeat_share": 0.25, "repeat_spacing": 3}
        )
    )
    reader = study.readers.get(number=1)
    locked = study.lock_digest

    successor = enrolment.replace(reader, factories.make_user(), reason="moved away")

    def listed(one: Reader) -> list[tuple]:
        return [
            (p.session.number, p.position, p.case_id, p.repeat_of and p.repeat_of.position)
            for p in Presentation.objects.filter(session__reader=one).order_by(
                "session__number", "position"
            )
        ]

    assert successor.code == "R03"
    assert listed(successor) == listed(reader)
    assert any(row[3] for row in listed(successor))
    reader.refresh_from_db()
    assert reader.state == Reader.State.WITHDRAWN
    study.refresh_from_db()
    assert digest.compute(study) == locked
    session = successor.sessions.first()
    other = study.cases.last()
    refused(lambda: Presentation.objects.create(session=session, position=99, case=other), "lists")
    refused(lambda: Session.objects.create(reader=successor, number=7), "lists")


def test_a_forced_choice_list_is_copied_with_its_places() -> None:
    study = factories.make_open_study(
        protocol=factories.make_protocol(
            phases=[
                {
                    "task": "forced-choice",
                    "form": {"judgment": False, "findings": {"ask": False}},
                }
            ],
            plan={"primary": "accuracy", "power_statement": "A test."},
        )
    )
    reader = study.readers.get(number=1)
    successor = enrolment.replace(reader, reason="ill")

    def places(one: Reader) -> list[tuple]:
        return list(
            Alternative.objects.filter(presentation__session__reader=one)
            .order_by("presentation__position", "place")
            .values_list("presentation__position", "place", "case_id")
        )

    assert len(places(reader)) == 12
    assert places(successor) == places(reader)
