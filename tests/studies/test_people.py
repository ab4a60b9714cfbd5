"""Readers, roles and invitations."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from readerstudy.accounts.models import User
from readerstudy.audit import trail
from readerstudy.audit.models import Entry
from readerstudy.reading.models import Reading, TechnicalFailure
from readerstudy.studies import checks, enrolment, invitations, progress, reminders
from readerstudy.studies.errors import StudyError
from readerstudy.studies.models import Invitation, Presentation, Reader, Session
from tests import factories

pytestmark = pytest.mark.django_db


def test_readers_are_numbered_and_enrolled_once() -> None:
    study, user = factories.make_study(), factories.make_user()

    assert enrolment.enrol(study, user).code == "R01"
    assert enrolment.enrol(study, factories.make_user()).code == "R02"
    with pytest.raises(StudyError, match="enrolled already"):
        enrolment.enrol(study, user)


def test_nobody_both_knows_the_truth_and_reads() -> None:
    study = factories.make_study()
    reader = enrolment.enrol(study, factories.make_user())

    with pytest.raises(StudyError, match="owner"):
        enrolment.enrol(study, study.created_by)
    with pytest.raises(StudyError, match="must not see"):
        enrolment.give_role(study, reader.user, "analyst")


def test_who_ever_knew_the_truth_never_reads() -> None:
    study, colleague, watcher = factories.make_study(), factories.make_user(), factories.make_user()
    for person, role in ((colleague, "editor"), (watcher, "monitor")):
        enrolment.take_role(enrolment.give_role(study, person, role))

    with pytest.raises(StudyError, match="is or was"):
        enrolment.enrol(study, colleague)
    with pytest.raises(StudyError, match="browse the archive"):
        enrolment.enrol(study, factories.make_researcher())
    with pytest.raises(StudyError, match="browse the archive"):
        enrolment.enrol(study, factories.make_user(is_superuser=True))
    assert enrolment.enrol(study, watcher).code == "R01"  # a monitor sees no case


def test_a_reader_who_was_let_into_the_archive_later_holds_up_the_lock() -> None:
    study = factories.make_study()
    reader = enrolment.enrol(study, factories.make_user())
    User.objects.filter(pk=reader.user_id).update(is_researcher=True)

    check = next(one for one in checks.run(study) if one.key == "readers")

    assert check.state == "failed"
    assert "R01 may browse the archive" in check.message


def test_a_study_keeps_an_owner() -> None:
    study = factories.make_study()
    with pytest.raises(StudyError, match="at least one owner"):
        enrolment.take_role(study.memberships.get())
    with pytest.raises(StudyError, match="at least one owner"):
        enrolment.give_role(study, study.created_by, "monitor")


def test_after_lock_nobody_joins_but_by_replacing() -> None:
    study = factories.make_locked_study()
    with pytest.raises(StudyError, match="replacing"):
        enrolment.enrol(study, factories.make_user())
    with pytest.raises(StudyError, match="why"):
        enrolment.replace(study.readers.first(), reason="")


def test_an_invitation_makes_an_account_and_a_reader_once(client: Client) -> None:
    study = factories.make_study()
    owner = Client()
    owner.force_login(study.created_by)
    owner.post(
        reverse("studies:invite", args=[study.public_id]),
        {"email": "new@example.org", "role": "reader", "days": 7},
    )
    page = owner.get(reverse("studies:readers", args=[study.public_id])).content.decode()
    link = re.search(r"http://testserver(/studies/join/[^\"]+/)", page).group(1)

    assert link in mail.outbox[0].body
    assert study.title not in mail.outbox[0].subject + mail.outbox[0].body  # stays purpose-blind
    assert (
        link not in owner.get(reverse("studies:readers", args=[study.public_id])).content.decode()
    )
    assert Invitation.objects.get().token_sha256 not in page
    assert client.get(link).status_code == 200
    person = {
        "username": "newreader", "first_name": "N", "last_name": "R", "email": "new@example.org",
        "password1": "a long enough phrase", "password2": "a long enough phrase",
    }  # fmt: skip
    answer = client.post(link, person)
    assert answer["Location"] == reverse("reading:room", args=[study.public_id])
    assert study.readers.get().user.username == "newreader"
    again = Client().post(link, {**person, "username": "second", "email": "s@example.org"})
    assert again.status_code == 410
    assert not User.objects.filter(username="second").exists()


def test_expired_revoked_and_invented_links_do_not_work(client: Client) -> None:
    study = factories.make_study()
    place = enrolment.open_place(study)
    old, expired = invitations.invite(study, by=None, reader=place, lifetime=timedelta(seconds=-1))
    _, first = invitations.invite(study, by=None, reader=place)
    newer, second = invitations.invite(study, by=None, reader=place)

    for token, says in ((expired, "not valid"), (first, "not valid"), ("x" * 43, "not valid")):
        answer = client.get(reverse("studies:join", args=[token]))
        assert answer.status_code == 410
        assert says in answer.content.decode()
    assert client.get(reverse("studies:join", args=[second])).status_code == 200
    invitations.revoke(newer, by=None)
    assert client.get(reverse("studies:join", args=[second])).status_code == 410
    Invitation.objects.filter(pk=old.pk).update(revoked_at=None)
    with pytest.raises(StudyError, match="expired"):
        invitations.find(expired)


def test_an_invitation_to_a_role_gives_it_to_the_person_signed_in(client: Client) -> None:
    study, user = factories.make_study(), factories.make_user()
    _, token = invitations.invite(study, by=study.created_by, role="monitor")
    client.force_login(user)

    client.post(reverse("studies:join", args=[token]))

    assert study.memberships.get(user=user).role == "monitor"


def test_an_editor_cannot_invite_an_owner(client: Client) -> None:
    study, editor = factories.make_study(), factories.make_user()
    enrolment.give_role(study, editor, "editor")
    client.force_login(editor)

    answer = client.post(
        reverse("studies:invite", args=[study.public_id]), {"role": "owner", "days": 7}
    )

    assert answer.status_code == 403
    assert not Invitation.objects.exists()


def test_names_stand_on_the_people_page_alone(client: Client) -> None:
    person = factories.make_user(first_name="Quirina", last_name="Unmistakable")
    study = factories.make_open_study(readers=[person, factories.make_user()])
    client.force_login(study.created_by)

    reader = study.readers.get(user=person)
    trail.record("session.started", actor=person, on=reader, study_id=study.public_id)

    for name in ("overview", "protocol", "cases", "progress", "audit", "audit-csv"):
        answer = client.get(reverse(f"studies:{name}", args=[study.public_id]))
        page = answer.getvalue().decode()
        assert "Quirina" not in page, name
        assert str(person.public_id) not in page, name
    audit = reverse("studies:audit", args=[study.public_id])
    assert "1 entry" not in client.get(audit, {"q": "quirina"}).content.decode()
    assert "1 entry" in client.get(audit, {"q": reader.code.lower()}).content.decode()
    page = client.get(reverse("studies:readers", args=[study.public_id])).content.decode()
    assert "Quirina Unmistakable" in page


def read(reader: Reader, count: int, *, first_ago: timedelta, every: timedelta) -> None:
    began = timezone.now() - first_ago
    Session.objects.filter(reader=reader, number=1).update(started_at=began)
    shown = Presentation.objects.filter(session__reader=reader).order_by("position")[:count]
    for number, presentation in enumerate(shown):
        Reading.objects.create(
            client_id=uuid.uuid4(),
            presentation=presentation,
            revision=1,
            judgment="real",
            received_at=began + number * every,
        )


def test_progress_counts_paces_and_finds_who_is_stuck() -> None:
    study = factories.make_open_study()
    one, other = study.readers.all()
    read(one, 6, first_ago=timedelta(days=3), every=timedelta(seconds=40))
    read(other, 2, first_ago=timedelta(days=10), every=timedelta(seconds=30))

    standing = progress.standing(study)

    first, second = standing.readers
    assert (first.done, first.total, standing.done, standing.total) == (6, 12, 8, 24)
    assert first.seconds_a_case == pytest.approx(40)
    assert first.per_day == pytest.approx(2, rel=0.01)
    assert (first.expected_end - timezone.now()).days in (2, 3)
    assert first.waiting == ""
    assert second.waiting == "Nothing read for 9 days" or second.waiting.startswith("Nothing read")
    assert standing.expected_end == second.expected_end


def test_a_washout_is_no_reason_to_worry_and_puts_the_end_off() -> None:
    design = {"block_size": 4, "longest_run": 3, "sessions": 2, "washout_days": 14}
    study = factories.make_open_study(protocol=factories.make_protocol(design=design))
    one, other = study.readers.all()
    now = timezone.now()
    read(one, 6, first_ago=timedelta(days=9), every=timedelta(seconds=40))
    Session.objects.filter(reader=one, number=1).update(finished_at=now - timedelta(days=8))
    read(other, 6, first_ago=timedelta(days=24), every=timedelta(seconds=40))
    Session.objects.filter(reader=other, number=1).update(finished_at=now - timedelta(days=23))

    first, second = progress.standing(study, now).readers

    assert first.waiting == ""
    assert first.resting.startswith("Washout until")
    assert first.may_read_from == now + timedelta(days=6)
    # One day of reading, eight of washout: the pace is that of the one day.
    assert first.per_day == pytest.approx(6)
    assert first.expected_end == now + timedelta(days=7)
    assert second.waiting == "Nothing read for 9 days"  # the washout was over by then
    sent = reminders.remind(study, link="http://x/", by=None)
    assert sent.reminded == [other.code]
    assert "cannot read yet: washout" in sent.failed[0]


def test_a_reader_whose_last_frame_could_not_be_shown_is_finished() -> None:
    study = factories.make_open_study()
    one = study.readers.first()
    read(one, 11, first_ago=timedelta(days=20), every=timedelta(seconds=40))
    last = Presentation.objects.filter(session__reader=one).order_by("position").last()
    TechnicalFailure.objects.create(presentation=last, reason="black screen")

    standing = progress.standing(study).readers[0]

    assert standing.is_finished
    assert (standing.done, standing.failed, standing.waiting) == (11, 1, "")


def test_progress_takes_as_many_queries_for_many_readers(django_assert_max_num_queries) -> None:
    study = factories.make_open_study(readers=[factories.make_user() for _ in range(6)])
    with django_assert_max_num_queries(5):
        progress.standing(study)


def test_reminders_go_to_the_unfinished_once_a_day() -> None:
    study = factories.make_open_study()
    one, other = study.readers.all()
    enrolment.set_state(other, "paused")

    sent = reminders.remind(study, link="http://x/", by=None)
    again = reminders.remind(study, link="http://x/", by=None)

    assert sent.reminded == [one.code]
    assert [m.to for m in mail.outbox] == [[one.user.email]]
    assert again.reminded == []
    assert "less than a day" in again.failed[0]
    assert Entry.objects.filter(action="readers.reminded").count() == 2


def test_a_paused_reader_goes_on_and_more_time_is_on_record() -> None:
    study = factories.make_open_study()
    reader = study.readers.first()
    enrolment.set_state(reader, "paused", reason="holiday")
    enrolment.set_state(reader, "active")
    enrolment.extend(reader, timezone.now() + timedelta(days=5))

    with pytest.raises(StudyError, match="cannot become"):
        enrolment.set_state(reader, "invited")
    actions = list(
        Entry.objects.filter(object_id=str(reader.public_id)).values_list("action", flat=True)
    )
    assert actions.count("reader.state_changed") == 2
    assert "reader.extended" in actions


def test_after_the_lock_links_are_offered_for_roles_and_open_places_alone(client: Client) -> None:
    # Given a locked study with an open place
    study = factories.make_locked_study()
    enrolment.replace(study.readers.get(number=1), reason="moved away")
    owner = study.memberships.get(role="owner").user
    client.force_login(owner)
    # When an owner opens the people page
    page = client.get(reverse("studies:readers", args=[study.public_id]))
    # Then no new reader can be asked for, but the place has a link of its own
    assert "reader" not in dict(page.context["invite_form"].fields["role"].choices)
    assert "New link" in page.content.decode()


@pytest.mark.parametrize(
    ("plan", "state"),
    [
        ({"equivalence_margin": 0.1}, "passed"),
        ({"equivalence_margin": 0.4, "chance": 0.3}, "failed"),
        ({"equivalence_margin": 0.1, "primary": "auc"}, "warning"),
    ],
)
def test_a_margin_that_proves_nothing_is_pointed_out(plan: dict, state: str) -> None:
    study = factories.make_study(protocol=factories.make_protocol(plan=plan))

    found = {check.key: check.state for check in checks.run(study)}

    assert found["margin"] == state
