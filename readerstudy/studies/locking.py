"""Lock a study: draw, render, check, freeze.

Locking takes two steps. :func:`lock` looks at everything that can be looked at at once, draws the
cases and every reader's list, and orders the frames. When all frames are rendered, checked and
audited, :func:`finish` computes the digest and changes the status, from when on the database
itself refuses changes. Where the blinding audit finds a cue over the limit, the lock waits between
the two: an owner either signs for that finding (:func:`sign`) or takes the lock back
(:func:`take_back`).
Whatever goes wrong in between leaves a draft that says why.
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
from readerstudy.studies import blinding, checks, digest, frames_at_lock, lists, sampling
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
    request: HttpRequest | None = None,
) -> Study:
    """Check the draft, draw it, and have its frames rendered; ``wait`` renders here and now.

    Where the blinding audit finds a cue, the study given back ``awaits_signature``.

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
        study.blinding = {}
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
    """The second step, as the render job does it: to the end, or until somebody has to sign."""
    frames_at_lock.render(study, progress)
    frames_at_lock.check(study)
    audit = frames_at_lock.audit(study)
    with transaction.atomic():
        held = _held(study)
        held.blinding = {
            **audit,
            "to_sign": blinding.to_sign(audit),
            "frames_sha256": blinding.frames_sha256(held),
            "fingerprint": blinding.fingerprint(held, audit),
        }
        held.save(update_fields=["blinding"])
        if held.awaits_signature:
            trail.record(
                "study.blinding_found",
                actor=by,
                on=held,
                study_id=held.public_id,
                fingerprint=held.blinding["fingerprint"],
                findings=held.blinding["to_sign"],
            )
            return
    finish(study, by=by)


def sign(
    study: Study, *, by: Any, finding: str, reason: str, request: HttpRequest | None = None
) -> Study:
    """Lock although the blinding audit found a cue, for a reason that is kept and reported.

    ``finding`` is the fingerprint of what was read. Raises ``StudyError`` when the study waits for
    no signature, the reason is empty, or what lies there now is another finding.
    """
    if not reason.strip():
        raise StudyError("Say why the study is sound although the audit tells the arms apart.")
    with transaction.atomic():
        study = _held(study)
        if not study.awaits_signature:
            raise StudyError("The study waits for no signature: its audit is not done.")
        now = blinding.fingerprint(study, study.blinding)
        if finding != now or now != study.blinding["fingerprint"]:
            raise StudyError(
                "What was signed for is not what the audit found in the frames that lie there now. "
                "Read the finding again and sign for that."
            )
        study.blinding = {
            **study.blinding,
            "signature": {
                "reason": reason.strip(),
                "by": str(by) if by is not None else "system",
                "at": timezone.now().isoformat(timespec="seconds"),
                "fingerprint": now,
            },
        }
        study.save(update_fields=["blinding"])
        trail.record(
            "study.blinding_signed",
            actor=by,
            on=study,
            study_id=study.public_id,
            request=request,
            fingerprint=now,
            findings=study.blinding["to_sign"],
            reason=reason.strip(),
        )
        return finish(study, by=by)


def take_back(study: Study, *, by: Any, request: HttpRequest | None = None) -> Study:
    """Back to the draft instead of signing; what the audit found is kept to be read."""
    with transaction.atomic():
        study = _held(study)
        if not study.awaits_signature:
            raise StudyError("Frames are being rendered; stop their job to take the lock back.")
        abandon(
            study,
            f"Taken back after the blinding audit: {study.blinding['summary']}",
            by=by,
            request=request,
        )
    study.refresh_from_db()
    return study


def _held(study: Study) -> Study:
    """The row of a study that is being locked, held until the transaction ends."""
    study = Study.objects.select_for_update().get(pk=study.pk)
    if not study.is_locking:
        raise StudyError(f"The study is a {study.status} one and is not being locked.")
    return study


def finish(study: Study, *, by: Any = None) -> Study:
    """Freeze a drawn, rendered and audited study under its digest.

    Raises ``StudyError`` when an archive entry of a case is no longer what was drawn.
    """
    with transaction.atomic():
        study = _held(study)
        if changed := sampling.changed_cases(study):
            raise StudyError(
                "The archive was edited since the cases were drawn (case "
                f"{', '.join(map(str, changed[:10]))}): take the lock back and lock again."
            )
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
    return study


def abandon(
    study: Study, reason: str, *, by: Any = None, request: HttpRequest | None = None
) -> None:
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
            request=request,
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
