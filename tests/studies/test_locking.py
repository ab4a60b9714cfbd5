"""Locking: two steps, everything checked, everything frozen."""

from __future__ import annotations

import pytest
from django.db import connection

from readerstudy.jobs import queue
from readerstudy.studies import (
    digest,
    enrolment,
    lifecycle,
    locking,
    tasks,  # noqa: F401  registers the kind of job
    triggers,
)
from readerstudy.studies.errors import CannotLock, StudyError
from readerstudy.studies.models import Presentation, Study
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

    study = locking.lock(study, by=owner, sign_blinding="test pictures")
    assert study.status == Study.Status.DRAFT
    assert study.is_locking
    with pytest.raises(StudyError, match="being locked"):
        locking.lock(study, by=owner)
    queue.run(str(study.render_job.public_id))

    study.refresh_from_db()
    assert study.status == Study.Status.LOCKED
    assert study.render_job.state == "done"


def test_a_failed_render_leaves_a_draft_that_says_why() -> None:
    from django.core.files.storage import default_storage

    scans = factories.make_archive(6, 6)
    study = factories.make_study()
    enrolment.enrol(study, factories.make_user())
    study = locking.lock(study, by=study.created_by, sign_blinding="test pictures")
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
