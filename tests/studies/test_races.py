"""Two people at once: what the database's locks must settle. On PostgreSQL, where writers really
run beside each other; SQLite lets one writer in at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections, transaction

from readerstudy.audit import trail
from readerstudy.audit.models import Entry
from readerstudy.studies import (
    digest,
    drafting,
    enrolment,
    invitations,
    lifecycle,
    locking,
)
from readerstudy.studies.errors import StudyError
from readerstudy.studies.models import Presentation, Reader, Study
from readerstudy.studies.protocol import Protocol
from tests import factories

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs concurrent writers"),
]


def at_once(*deeds: Callable[[], Any]) -> list[Any]:
    """Every deed in a thread and database connection of its own, started together: what each gave
    back, or the ``StudyError`` that refused it. Anything else that a deed raises is raised here."""
    start = threading.Barrier(len(deeds))
    outcome: list[Any] = [None] * len(deeds)

    def run(number: int, deed: Callable[[], Any]) -> None:
        try:
            start.wait(timeout=30)
            outcome[number] = deed()
        except BaseException as error:
            outcome[number] = error
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=run, args=(number, deed)) for number, deed in enumerate(deeds)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive(), "two deeds wait for each other"
    for one in outcome:
        if isinstance(one, BaseException) and not isinstance(one, StudyError):
            raise one
    return outcome


def refused(outcome: list[Any]) -> list[StudyError]:
    return [one for one in outcome if isinstance(one, StudyError)]


def test_many_writers_leave_one_unbroken_audit_chain() -> None:
    # Given six writers, two of which roll half of their entries back
    def write(writer: int) -> None:
        for number in range(12):
            try:
                with transaction.atomic():
                    trail.record("test.deed", writer=writer, number=number)
                    if writer < 2 and number % 2:
                        raise StudyError("rolled back")
            except StudyError:
                pass

    # When they write at once
    at_once(*(lambda writer=writer: write(writer) for writer in range(6)))
    # Then every entry that was kept follows from the one before it
    assert list(trail.verify()) == []
    assert Entry.objects.count() == 4 * 12 + 2 * 6
    assert list(Entry.objects.values_list("sequence", flat=True)) == list(range(1, 61))


def test_one_invitation_link_lets_one_person_in() -> None:
    # Given one link in the hands of three people
    study = factories.make_study()
    for _ in range(4):
        place = enrolment.open_place(study)
        _, token = invitations.invite(study, by=study.created_by, reader=place)
        people = [factories.make_user() for _ in range(3)]
        found = [invitations.find(token) for _ in people]
        # When all open it at the same moment
        outcome = at_once(
            *(
                lambda person=person, one=one: invitations.accept(one, person)
                for person, one in zip(people, found, strict=True)
            )
        )
        # Then one joins and the others are told that it is used
        place.refresh_from_db()
        assert place.user in people
        assert ["used already" in str(error) for error in refused(outcome)] == [True, True]
        assert Reader.objects.filter(study=study, user__in=people).count() == 1


def test_one_person_with_two_links_gets_one_place() -> None:
    study = factories.make_study()
    person = factories.make_user()
    links = []
    for _ in range(2):
        place = enrolment.open_place(study)
        _, token = invitations.invite(study, by=study.created_by, reader=place)
        links.append(invitations.find(token))

    outcome = at_once(*(lambda one=one: invitations.accept(one, person) for one in links))

    assert len(refused(outcome)) == 1
    assert study.readers.filter(user=person).count() == 1


def test_of_two_links_made_at_once_for_one_place_one_works() -> None:
    study = factories.make_study()
    place = enrolment.open_place(study)

    outcome = at_once(*[lambda: invitations.invite(study, by=study.created_by, reader=place)] * 4)

    assert not refused(outcome)
    assert study.invitations.filter(used_at=None, revoked_at=None).count() == 1


def test_a_role_and_a_place_for_one_person_at_once() -> None:
    # Whoever has a role must not read: given to one person at once, one of the two is refused.
    study = factories.make_study()
    person = factories.make_user()

    outcome = at_once(
        lambda: enrolment.enrol(study, person),
        lambda: enrolment.give_role(study, person, "editor"),
    )

    assert len(refused(outcome)) == 1
    reads = study.readers.filter(user=person).exists()
    assert reads != study.memberships.filter(user=person).exists()


def test_two_owners_cannot_both_leave() -> None:
    study = factories.make_study()
    other = factories.make_researcher()
    enrolment.give_role(study, other, "owner")
    owners = list(study.memberships.filter(role="owner"))

    outcome = at_once(*(lambda one=one: enrolment.take_role(one) for one in owners))

    assert len(refused(outcome)) == 1
    assert study.memberships.filter(role="owner").count() == 1


def _ready() -> Study:
    factories.make_archive(6, 6)
    study = factories.make_study()
    enrolment.enrol(study, factories.make_user())
    return study


def test_two_clicks_on_lock_lock_once() -> None:
    study = _ready()

    outcome = at_once(*[lambda: locking.lock(study, by=study.created_by, wait=True)] * 2)

    assert len(refused(outcome)) == 1
    study.refresh_from_db()
    study = factories.signed(study)
    assert study.status == Study.Status.LOCKED
    assert digest.holds(study)
    assert Presentation.objects.filter(session__reader__study=study).count() == 12
    assert Entry.objects.filter(action="study.lock_requested").count() == 1


def test_signing_and_taking_back_at_once_do_one_of_the_two() -> None:
    # Given a lock that waits for a signature (too few cases to audit)
    factories.make_archive(3, 3)
    study = factories.make_study(protocol=factories.make_protocol(3, 3))
    enrolment.enrol(study, factories.make_user())
    owner = study.created_by
    study = locking.lock(study, by=owner, wait=True)
    found = study.blinding["fingerprint"]
    # When it is signed for twice and taken back at the same moment
    sign = lambda: locking.sign(study, by=owner, finding=found, reason="why")  # noqa: E731
    outcome = at_once(sign, lambda: locking.take_back(study, by=owner), sign)
    # Then it is either locked with its frames, or a draft without any
    assert len(refused(outcome)) == 2
    study.refresh_from_db()
    locked = study.status == Study.Status.LOCKED
    assert study.cases.count() == (6 if locked else 0)
    assert locked == digest.holds(study)
    assert Entry.objects.filter(action="study.locked").count() == locked


def test_an_edit_beside_a_lock_is_frozen_with_it_or_refused() -> None:
    study = _ready()
    edited = Protocol.model_validate(study.protocol)
    edited.design.longest_run = 2
    before = Protocol.model_validate(study.protocol).design.longest_run
    assert before != 2

    _, edit, joined = (
        outcome := at_once(
            lambda: locking.lock(study, by=study.created_by, wait=True),
            lambda: drafting.edit(study, by=study.created_by, protocol=edited),
            lambda: enrolment.enrol(study, factories.make_user()),
        )
    )

    assert not isinstance(outcome[0], StudyError)
    study.refresh_from_db()
    study = factories.signed(study)
    assert study.protocol["design"]["longest_run"] == (before if refused([edit]) else 2)
    # Whoever joined in time has a list, whoever came too late was told.
    assert study.readers.count() == (1 if refused([joined]) else 2)
    for reader in study.readers.all():
        assert Presentation.objects.filter(session__reader=reader).count() == 12
    assert digest.holds(study)


def test_two_clicks_on_open_and_close_count_once() -> None:
    study = factories.make_locked_study()
    owner = study.created_by

    opened = at_once(*[lambda: lifecycle.open_study(study, by=owner)] * 2)
    closed = at_once(*[lambda: lifecycle.close_study(study, by=owner)] * 2)

    assert (len(refused(opened)), len(refused(closed))) == (1, 1)
    assert Entry.objects.filter(action__in=["study.opened", "study.closed"]).count() == 2
    assert list(trail.verify()) == []
