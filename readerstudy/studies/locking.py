"""Lock a study: draw, render, check, freeze.

Locking takes two steps. :func:`lock` looks at everything that can be looked at at once, draws the
cases and every reader's list, and orders the frames. When all frames are rendered and checked,
:func:`finish` computes the digest and changes the status, from when on the database itself refuses
changes. Whatever goes wrong in between leaves a draft that says why.
"""

from __future__ import annotations

from typing import Any

import structlog
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from readerstudy.audit import trail
from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from readerstudy.studies import checks, digest, frames_at_lock, lists, sampling
from readerstudy.studies.errors import CannotLock, StudyError
from readerstudy.studies.models import Study
from readerstudy.studies.protocol import Protocol

KIND = "studies.render"
log = structlog.get_logger(__name__)


def lock(
    study: Study,
    *,
    by: Any,
    wait: bool = False,
    sign_blinding: str = "",
    request: HttpRequest | None = None,
) -> Study:
    """Check the draft, draw it, and have its frames rendered; ``wait`` renders here and now.

    ``sign_blinding`` is the reason why the study is locked although the blinding audit may find
    that a nuisance cue tells the origins apart; the finding and the reason are kept and reported.

    Raises ``CannotLock`` with everything that is missing, ``CannotDraw`` when cases or lists cannot
    be drawn, and with ``wait`` also what rendering raises.
    """
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        if study.status != Study.Status.DRAFT:
            raise StudyError(f"The study is {study.status} already.")
        if study.lock_requested_at is not None:
            raise StudyError("The study is being locked already; its frames are rendered.")
        failed = [check for check in checks.run(study) if check.state == "failed"]
        if failed:
            raise CannotLock([f"{check.title}: {check.message}" for check in failed])
        # The protocol as it is understood today, every default spelt out: what is frozen must not
        # change its meaning with a later version's defaults.
        study.protocol = Protocol.model_validate(study.protocol).model_dump(mode="json")
        study.lock_requested_at = timezone.now()
        study.lock_problem = ""
        study.blinding = {"signed_reason": sign_blinding.strip()} if sign_blinding.strip() else {}
        study.save(update_fields=["protocol", "lock_requested_at", "lock_problem", "blinding"])
        frames_at_lock.discard(study)
        cases = sampling.draw_cases(study)
        presentations = lists.write_lists(study)
        trail.record(
            "study.lock_requested",
            actor=by,
            on=study,
            study_id=study.public_id,
            request=request,
            cases=len(cases),
            presentations=presentations,
            blinding_signed=study.blinding.get("signed_reason", ""),
        )
        if not wait:
            study.render_job = queue.submit(
                KIND,
                title=f"Frames of “{study.title}”"[:200],
                parameters={"study": str(study.public_id)},
                by=by,
                total=len(cases),
            )
            study.save(update_fields=["render_job"])
    if wait:
        try:
            render_and_finish(study, lambda done, total, message: None, by=by)
        except Exception as error:
            abandon(study, str(error) or type(error).__name__, by=by)
            raise
        study.refresh_from_db()
    return study


def render_and_finish(study: Study, progress: frames_at_lock.Progress, *, by: Any = None) -> None:
    """The second step, as the render job does it.

    Raises ``CannotLock`` when the blinding audit fails and nobody signed for it.
    """
    frames_at_lock.render(study, progress)
    frames_at_lock.check(study)
    finding = frames_at_lock.audit(study)
    study.blinding = {**study.blinding, **finding}
    study.save(update_fields=["blinding"])
    if not finding["passed"] and not study.blinding.get("signed_reason"):
        raise CannotLock(
            [
                f"Blinding audit: {finding['summary']} Change the rendering protocol so that the "
                "arms look alike, or lock again and sign for it with a reason."
            ]
        )
    finish(study, by=by)


def finish(study: Study, *, by: Any = None) -> None:
    """Freeze a drawn and rendered study under its digest."""
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        if study.status != Study.Status.DRAFT:
            return
        study.lock_digest = digest.compute(study)
        study.locked_at = timezone.now()
        study.status = Study.Status.LOCKED
        study.save(update_fields=["lock_digest", "locked_at", "status"])
        trail.record(
            "study.locked",
            actor=by,
            on=study,
            study_id=study.public_id,
            digest=study.lock_digest,
        )


def abandon(study: Study, reason: str, *, by: Any = None) -> None:
    """Back to an editable draft that says why it could not be locked."""
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        if study.status != Study.Status.DRAFT or study.lock_requested_at is None:
            return
        frames_at_lock.discard(study)
        sampling.clear_draw(study)
        study.lock_requested_at = None
        study.lock_problem = reason
        study.save(update_fields=["lock_requested_at", "lock_problem"])
        trail.record(
            "study.lock_failed",
            actor=by,
            on=study,
            study_id=study.public_id,
            reason=reason,
        )


def settle(study: Study) -> Study:
    """Notice a render job that ended without finishing (stopped by its owner, given up)."""
    job = study.render_job
    if (
        study.is_locking
        and job is not None
        and job.state in (Job.State.FAILED, Job.State.CANCELLED)
    ):
        abandon(study, job.error or "Rendering was stopped.")
        study.refresh_from_db()
    return study
