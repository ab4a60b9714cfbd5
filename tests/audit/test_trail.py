"""The audit trail is append-only, and verify finds what was done to it all the same."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from readerstudy.audit import trail, triggers
from readerstudy.audit.models import Entry

pytestmark = pytest.mark.django_db


def chain(length: int = 5) -> list[Entry]:
    return [trail.record("test.done", number=number) for number in range(length)]


def test_the_database_refuses_to_edit_or_remove_an_entry() -> None:
    entry = chain()[2]

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Entry.objects.filter(pk=entry.pk).update(actor_name="somebody else")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Entry.objects.filter(pk=entry.pk).delete()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        entry.save()


def test_an_untouched_chain_holds() -> None:
    chain()

    assert list(trail.verify()) == []


@pytest.mark.parametrize(
    ("deed", "finds"),
    [
        ("UPDATE audit_entry SET actor_name = 'x' WHERE sequence = {n}", "changed"),
        ("UPDATE audit_entry SET details = '{{}}' WHERE sequence = {n}", "changed"),
        ("DELETE FROM audit_entry WHERE sequence = {n}", "missing"),
    ],
)
def test_verify_finds_what_was_done_past_the_triggers(deed: str, finds: str) -> None:
    entry = chain()[2]
    triggers.remove(connection)
    with connection.cursor() as cursor:
        cursor.execute(deed.format(n=entry.sequence))
    triggers.install(connection)

    faults = [fault.reason for fault in trail.verify()]

    assert any(finds in reason for reason in faults), faults


def test_verify_finds_reordered_entries() -> None:
    _, one, other, _, _ = chain()
    triggers.remove(connection)
    Entry.objects.filter(pk=one.pk).update(sequence=10**6)
    Entry.objects.filter(pk=other.pk).update(sequence=one.sequence)
    Entry.objects.filter(pk=one.pk).update(sequence=other.sequence)
    triggers.install(connection)

    assert list(trail.verify())


def test_verify_finds_a_cut_end_by_a_noted_head() -> None:
    entries = chain()
    triggers.remove(connection)
    Entry.objects.filter(sequence__gt=entries[2].sequence).delete()
    triggers.install(connection)
    assert list(trail.verify()) == []

    with pytest.raises(SystemExit):
        call_command("audit", "verify", head=entries[-1].hash, stderr=StringIO())


def test_the_command_says_that_the_chain_holds_and_fails_when_it_does_not() -> None:
    entry = chain()[1]
    out, err = StringIO(), StringIO()
    call_command("audit", "verify", stdout=out)
    assert "holds" in out.getvalue()

    triggers.remove(connection)
    Entry.objects.filter(pk=entry.pk).update(action="other.deed")
    triggers.install(connection)
    with pytest.raises(SystemExit):
        call_command("audit", "verify", stderr=err)
    assert f"entry {entry.sequence}: was changed" in err.getvalue()


def test_missing_triggers_are_noticed() -> None:
    chain()
    triggers.remove(connection)

    with pytest.raises(SystemExit):
        call_command("audit", "verify", stderr=StringIO())
