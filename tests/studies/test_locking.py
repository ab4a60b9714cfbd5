"""Locking: two steps, everything checked, everything frozen."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from numpy.typing import NDArray
from PIL import Image

from readerstudy.audit.models import Entry
from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from readerstudy.reports import tasks as reports
from readerstudy.studies import (
    digest,
    drafting,
    enrolment,
    lifecycle,
    locking,
    tasks,  # noqa: F401  registers the kind of job
    triggers,
)
from readerstudy.studies.errors import CannotLock, StudyError
from readerstudy.studies.models import Membership, Presentation, Study
from tests import factories

pytestmark = pytest.mark.django_db


def test_locking_draws_cases_and_lists_and_renders_frames() -> None:
    study = factories.make_locked_study()

    assert study.status == Study.Status.LOCKED
    assert study.cases.count() == 12
    assert all(case.frame.byte_length for case in study.cases.all())
    assert len({case.frame.byte_length for case in study.cases.all()}) == 1
    for reader in study.readers.all():
        shown = Presentation.objects.filter(session__reader=reader)
        assert {p.case_id for p in shown} == {case.pk for case in study.cases.all()}
    assert digest.holds(study)


def test_same_scans_and_seed_give_the_same_lists() -> None:
    factories.make_archive(10, 10)
    drawn = []
    for _ in range(2):
        study = factories.make_locked_study(archive=False, seed=77)
        drawn.append(
            [
                (p.session.reader.code, p.position, p.case.scan.pixel_hash)
                for p in Presentation.objects.filter(session__reader__study=study)
                .select_related("session__reader", "case__scan")
                .order_by("session__reader__number", "position")
            ]
        )

    assert drawn[0] == drawn[1]


def test_an_unfinished_draft_is_not_locked_and_every_reason_is_named() -> None:
    study = factories.make_study(question="")

    with pytest.raises(CannotLock) as refused:
        locking.lock(study, by=None, wait=True)

    said = str(refused.value)
    assert "question" in said
    assert "Stratum “Acquired” asks for 6" in said
    assert "Nobody is enrolled" in said


def test_the_render_job_finishes_the_lock(django_capture_on_commit_callbacks: object) -> None:
    factories.make_archive(6, 6)
    study = factories.make_study()
    enrolment.enrol(study, factories.make_user())
    owner = study.created_by

    study = locking.lock(study, by=owner)
    assert study.status == Study.Status.DRAFT
    assert study.is_locking
    with pytest.raises(StudyError, match="being locked"):
        locking.lock(study, by=owner)
    queue.run(str(study.render_job.public_id))

    study.refresh_from_db()
    assert study.render_job.state == "done"
    assert factories.signed(study).status == Study.Status.LOCKED


def test_a_failed_render_leaves_a_draft_that_says_why() -> None:
    from django.core.files.storage import default_storage

    scans = factories.make_archive(6, 6)
    study = factories.make_study()
    enrolment.enrol(study, factories.make_user())
    study = locking.lock(study, by=study.created_by)
    default_storage.delete(scans[3].pixels_key)
    queue.run(str(study.render_job.public_id))

    study.refresh_from_db()
    assert study.status == Study.Status.DRAFT
    assert not study.is_locking
    assert study.lock_problem
    assert not study.cases.exists()


def test_a_study_whose_content_changed_behind_our_back_is_not_opened() -> None:
    study = factories.make_locked_study()
    connection.check_constraints()  # PostgreSQL drops no trigger while checks are pending
    triggers.remove(connection)
    case = study.cases.get(number=1)
    study.cases.filter(pk=case.pk).update(truth={**case.truth, "origin": "other"})
    triggers.install(connection)
    study.refresh_from_db()

    with pytest.raises(StudyError, match="no longer what was locked"):
        lifecycle.open_study(study, by=None)


def test_a_draft_with_drawn_lists_can_be_thrown_away() -> None:
    factories.make_archive(6, 6)
    study = factories.make_study(
        protocol=factories.make_protocol(
            design={"block_size": 4, "longest_run": 3, "repeat_share": 0.25, "repeat_spacing": 3}
        )
    )
    enrolment.enrol(study, factories.make_user())
    study = locking.lock(study, by=study.created_by)
    assert Presentation.objects.filter(repeat_of__isnull=False).exists()

    study.delete()

    assert not Presentation.objects.exists()


def _marked(number: int) -> NDArray[np.uint16]:
    """A picture with a white corner, as a generator might paint it."""
    pixels = factories.make_pixels(number)
    pixels[:9, :9] = 4095
    return pixels


@pytest.fixture
def waiting() -> Study:
    """A study whose generated scans bear a mark, rendered and audited."""
    for number in range(10):
        factories.make_scan("acquired")
        factories.make_scan("generated", pixels=_marked(number))
    study = factories.make_study(
        protocol=factories.make_protocol(10, 10, rendering={"matrix": 64, "mask_markers": False})
    )
    enrolment.enrol(study, factories.make_user())
    return locking.lock(study, by=study.created_by, wait=True)


def test_a_finding_of_the_audit_waits_for_a_signature_that_names_it(waiting: Study) -> None:
    # Given a study whose frames tell the arms apart
    assert waiting.awaits_signature
    assert waiting.status == Study.Status.DRAFT
    assert not waiting.is_editable
    found = waiting.blinding
    # When an owner signs for something else, for nothing, or without a reason
    for finding, reason in (("0" * 64, "why"), ("", "why"), (found["fingerprint"], "  ")):
        with pytest.raises(StudyError):
            locking.sign(waiting, by=waiting.created_by, finding=finding, reason=reason)
    # Then it stays a draft; and only the fingerprint of what was found locks it
    locked = locking.sign(
        waiting, by=waiting.created_by, finding=found["fingerprint"], reason="Known: a marker."
    )
    assert locked.status == Study.Status.LOCKED
    signature = locked.blinding["signature"]
    assert signature["reason"] == "Known: a marker."
    assert signature["by"] == str(waiting.created_by)
    # The cue values, the frames and the reason are under the digest
    held = digest.content(locked)["blinding"]
    assert held["signature"] == signature
    assert held["findings"][0]["auc"] > 0.65
    entry = Entry.objects.get(action="study.blinding_signed")
    assert entry.details["findings"] == held["findings"]
    assert digest.holds(locked)


def test_a_signature_is_void_once_the_finding_is_another(waiting: Study) -> None:
    owner, read = waiting.created_by, waiting.blinding["fingerprint"]

    # When a frame, or a value, is another than what was read
    frame = waiting.cases.get(number=3).frame
    type(frame).objects.filter(pk=frame.pk).update(pixels_sha256="ab" * 32)
    with pytest.raises(StudyError, match="not what the audit found"):
        locking.sign(waiting, by=owner, finding=read, reason="why")
    # Or the lock is taken back and asked for again with other settings
    back = locking.take_back(waiting, by=owner)
    assert back.is_editable
    assert not back.cases.exists()
    drafting.edit(back, by=owner, seed=99)
    again = locking.lock(back, by=owner, wait=True)
    assert again.awaits_signature
    assert again.blinding["fingerprint"] != read
    with pytest.raises(StudyError, match="not what the audit found"):
        locking.sign(again, by=owner, finding=read, reason="why")
    # Then nothing is locked
    again.refresh_from_db()
    assert again.status == Study.Status.DRAFT
    assert "signature" not in again.blinding


def test_an_archive_edited_while_the_lock_waits_is_noticed(waiting: Study) -> None:
    scan = waiting.cases.get(number=5).scan
    scan.origin = "generated" if scan.origin == "acquired" else "acquired"
    scan.save()

    with pytest.raises(StudyError, match="case 5"):
        locking.sign(
            waiting, by=waiting.created_by, finding=waiting.blinding["fingerprint"], reason="why"
        )


def test_too_few_cases_to_audit_are_no_passed_audit() -> None:
    # Given three scans of each origin, of which nothing can be said
    factories.make_archive(3, 3)
    study = factories.make_study(protocol=factories.make_protocol(3, 3))
    enrolment.enrol(study, factories.make_user())

    study = locking.lock(study, by=study.created_by, wait=True)

    assert study.awaits_signature
    assert "at least 5 of each" in study.blinding["to_sign"][0]["label"]


def test_the_page_shows_what_is_signed_for_and_the_report_prints_it(
    client: Client, waiting: Study
) -> None:
    # Given an owner on the overview of a waiting study
    client.force_login(waiting.created_by)
    overview = reverse("studies:overview", args=[waiting.public_id])
    shown = client.get(overview).content.decode()
    cue = waiting.blinding["to_sign"][0]
    assert cue["label"] in shown
    assert f"{cue['auc']:.2f}" in shown
    # With an acquired and a generated frame that are typical of it, as they were audited
    pictures = re.findall(rf'src="(/studies/{waiting.public_id}/blinding/\d+\.jpg)"', shown)
    assert len(pictures) >= 2
    for picture in pictures:
        answer = client.get(picture)
        assert Image.open(io.BytesIO(answer.content)).size == (64, 64)
    monitor = factories.make_user()
    Membership.objects.create(study=waiting, user=monitor, role="monitor")
    other = Client()
    other.force_login(monitor)
    assert "/blinding/" not in other.get(overview).content.decode()
    assert other.get(pictures[0]).status_code == 403
    assert client.get(reverse("studies:lock-state", args=[waiting.public_id])).status_code == 204
    # When the reason is given on the page
    address = reverse("studies:sign", args=[waiting.public_id])
    client.post(address, {"finding": waiting.blinding["fingerprint"], "reason": "Markers stay."})
    # Then the study is locked, and its report prints cue, values and reason
    waiting.refresh_from_db()
    assert waiting.status == Study.Status.LOCKED
    lifecycle.open_study(waiting, by=waiting.created_by)
    lifecycle.close_study(waiting, by=waiting.created_by)
    address = reverse("reports:report", args=[waiting.public_id])
    client.get(address)
    queue.run(str(Job.objects.get(kind=reports.KIND).public_id))
    report = client.get(address).content.decode()
    assert "Markers stay." in report
    assert f"{cue['lower']:.2f} to {cue['upper']:.2f}" in report
    # And the file for a registry, which readers may find, names no cue
    registered = client.get(reverse("studies:preregister", args=[waiting.public_id]))
    assert cue["label"] not in registered.content.decode()
