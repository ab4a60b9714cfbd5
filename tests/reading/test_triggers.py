"""What a reader said is not changed and not removed, whoever speaks to the database."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from readerstudy.reading.form import Answer, CueSaid, FindingSaid
from readerstudy.reading.models import Cue, Finding, Reading
from readerstudy.reading.triggers import REFUSAL
from tests.factories import make_open_study, make_protocol, say

pytestmark = pytest.mark.django_db


@pytest.fixture
def reading() -> Reading:
    """A reading with a finding and a cue, in an open study."""
    study = make_open_study(protocol=make_protocol(profile_questions=[]))
    say(
        study,
        Answer(
            judgment="synthetic",
            confidence=3,
            findings=[FindingSaid(term="Nodule")],
            cues=[CueSaid(term="Ribs")],
        ),
    )
    return Reading.objects.get()


def refused(sql: str, *values: object) -> None:
    with (
        pytest.raises(DatabaseError, match=REFUSAL),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql, values)


def test_no_statement_changes_or_removes_a_reading(reading: Reading) -> None:
    # Given a reading / When a database client edits, moves or removes it or what belongs to it
    refused("UPDATE reading_reading SET judgment = 'real' WHERE id = %s", reading.pk)
    refused("UPDATE reading_finding SET term = 'Mass'")
    refused("DELETE FROM reading_cue")
    refused("DELETE FROM reading_finding")
    # Then it is refused, and what was said stands
    reading.refresh_from_db()
    assert reading.judgment == "synthetic"
    assert Finding.objects.get().term == "Nodule"
    assert Cue.objects.get().term == "Ribs"


def test_the_models_meet_the_same_refusal(reading: Reading) -> None:
    reading.judgment = "real"
    with pytest.raises(DatabaseError, match=REFUSAL), transaction.atomic():
        reading.save()
    with pytest.raises(DatabaseError, match=REFUSAL), transaction.atomic():
        Reading.objects.all().delete()


def test_a_reading_is_not_replaced_either(reading: Reading) -> None:
    if connection.vendor == "sqlite":
        columns = ", ".join(field.column for field in Reading._meta.concrete_fields)
        refused(
            f"INSERT OR REPLACE INTO reading_reading ({columns}) SELECT {columns} "
            "FROM reading_reading WHERE id = %s",
            reading.pk,
        )
    else:
        # Deferred foreign keys would forbid it first, for a reason of their own.
        connection.check_constraints()
        refused("TRUNCATE reading_reading, reading_finding, reading_cue")
