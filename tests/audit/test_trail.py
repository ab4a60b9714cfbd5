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
    if connection.vendor == "sqlite":
        assert [f.reason for f in trail.verify()] == [
            f"entries {entries[3].sequence} to {entries[4].sequence} were cut off at the end"
        ]

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


def test_no_entry_is_replaced_forked_or_slipped_in() -> None:
    entries = chain()
    columns = (
        "sequence, at, actor_id, actor_name, address, request_id, action, object_type, object_id, "
        "study_id, details, previous_hash, hash"
    )

    def copy(verb: str, changes: dict[str, str]) -> None:
        values = ", ".join(changes.get(name, name) for name in columns.split(", "))
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"{verb} INTO audit_entry ({columns}) SELECT {values} FROM audit_entry "
                f"WHERE sequence = {entries[1].sequence}"
            )

    verbs = ["INSERT", "REPLACE"] if connection.vendor == "sqlite" else ["INSERT"]
    other = {"hash": f"'{'1' * 64}'"}
    for verb in verbs:
        for changes in (
            {"action": "'forged'"},  # in the place of another
            {**other, "sequence": str(entries[-1].sequence + 1)},  # not from the last one's hash
            {**other, "sequence": "9999"},  # after a gap
        ):
            with pytest.raises(IntegrityError, match=r"end of the chain|UNIQUE|unique"):
                copy(verb, changes)
    assert list(trail.verify()) == []


def test_an_altered_trigger_is_noticed() -> None:
    assert triggers.installed(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER audit_entry_no_update")
            cursor.execute(
                "CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry WHEN 0 "
                "BEGIN SELECT RAISE(ABORT, 'x'); END"
            )
        else:
            cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_no_change")

    assert not triggers.installed(connection)
    triggers.install(connection)
    assert triggers.installed(connection)
