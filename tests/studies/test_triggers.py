"""What the database itself refuses after lock, whoever asks."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

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


def raw(statement: str, *values: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


def is_refused(statement: str, *values: object) -> None:
    with pytest.raises(IntegrityError):
        raw(statement, *values)


FROZEN = [
    "studies_study", "studies_case", "studies_frame", "studies_reader", "studies_session",
    "studies_presentation", "studies_alternative", "studies_amendment", "imaging_scan",
    "imaging_scan_labels",
]  # fmt: skip


def locked_forced_choice() -> Study:
    """A locked study with a row in every frozen table, and a draft with as much as a draft has."""
    study = factories.make_locked_study(
        protocol=factories.make_protocol(
            phases=[
                {"task": "forced-choice", "form": {"judgment": False, "findings": {"ask": False}}}
            ],
            plan={"primary": "accuracy", "power_statement": "A test."},
        )
    )
    with transaction.atomic():
        triggers.remove(connection)
        study.cases.first().scan.labels.add(factories.Label.objects.create(name="Hernia"))
        triggers.install(connection)
    Amendment.objects.create(study=study, number=1, reason="x", status_then="locked")
    return study


@pytest.mark.parametrize("table", FROZEN)
def test_replace_pushes_no_frozen_row_out(table: str) -> None:
    locked_forced_choice()
    verbs = ["INSERT"]
    if connection.vendor == "sqlite":
        verbs = ["REPLACE", "INSERT OR REPLACE"]
        raw("PRAGMA recursive_triggers = OFF")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id LIMIT 1")
        columns = [column[0] for column in cursor.description]
        row = dict(zip(columns, cursor.fetchone(), strict=True))

    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    forged = [row]  # the very same row, and such as only take its id
    if table == "studies_study":
        forged.append(row | {"status": "draft", "public_id": uuid.uuid4().hex})
    if "study_id" in row:
        forged.append(row | {"study_id": factories.make_study().pk, "number": 77})
    for verb in verbs:
        for one in forged:
            is_refused(f"{verb} INTO {table} ({names}) VALUES ({marks})", *one.values())


def test_a_draft_row_that_moves_into_the_place_of_a_frozen_one_is_refused() -> None:
    study = locked_forced_choice()
    draft = factories.make_study()
    spare = enrolment.enrol(draft, factories.make_user())
    loose = Case.objects.create(study=draft, scan=factories.make_scan(), number=1)
    case, reader = study.cases.first(), study.readers.first()
    update = "UPDATE OR REPLACE" if connection.vendor == "sqlite" else "UPDATE"

    is_refused(f"{update} studies_case SET id = %s WHERE id = %s", case.pk, loose.pk)
    is_refused(
        f"{update} studies_case SET public_id = %s WHERE id = %s", case.public_id.hex, loose.pk
    )
    is_refused(f"{update} studies_study SET id = %s WHERE id = %s", study.pk, draft.pk)
    is_refused(f"{update} studies_reader SET id = %s WHERE id = %s", reader.pk, spare.pk)


def test_a_frozen_row_keeps_its_id_and_nothing_is_moved_into_a_locked_study() -> None:
    study = locked_forced_choice()
    draft = factories.make_study()
    spare = enrolment.enrol(draft, factories.make_user())
    loose = Session.objects.create(reader=spare, number=1)

    is_refused("UPDATE studies_study SET id = 987654 WHERE id = %s", study.pk)
    is_refused("UPDATE studies_reader SET id = 987654 WHERE study_id = %s AND number = 1", study.pk)
    is_refused(
        "UPDATE studies_reader SET study_id = %s, number = 9 WHERE id = %s", study.pk, spare.pk
    )
    is_refused(
        "UPDATE studies_session SET reader_id = %s, number = 9 WHERE id = %s",
        study.readers.first().pk,
        loose.pk,
    )
    is_refused("DELETE FROM imaging_scan WHERE id = %s", study.cases.first().scan_id)
    is_refused(
        "UPDATE imaging_scan_labels SET label_id = label_id WHERE scan_id = %s",
        study.cases.first().scan_id,
    )


def test_a_study_is_not_born_locked() -> None:
    refused(
        lambda: Study.objects.create(
            title="X", status="closed", lock_digest="0" * 64, locked_at=timezone.now()
        ),
        "begins as a draft",
    )


@pytest.mark.parametrize("table", FROZEN)
def test_no_table_of_a_locked_study_can_be_emptied(table: str) -> None:
    locked_forced_choice()
    connection.check_constraints()

    is_refused(f"DELETE FROM {table}")
    if connection.vendor == "postgresql":
        is_refused(f"TRUNCATE {table} CASCADE")


def test_a_rule_that_was_altered_or_dropped_is_noticed() -> None:
    assert triggers.missing(connection) == []
    name = "studies_case_no_update"
    if connection.vendor == "sqlite":
        raw(f"DROP TRIGGER {name}")
        raw(
            f"CREATE TRIGGER {name} BEFORE UPDATE ON studies_case WHEN 0 "
            "BEGIN SELECT RAISE(ABORT, 'x'); END"
        )
    else:
        raw(f"ALTER TABLE studies_case DISABLE TRIGGER {name}")

    assert len(triggers.missing(connection)) == 1
    triggers.install(connection)
    assert triggers.installed(connection)
