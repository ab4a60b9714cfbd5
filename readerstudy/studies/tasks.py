"""Work of the studies that takes longer than a page may."""

from __future__ import annotations

from typing import Any

from readerstudy.jobs.queue import Cancelled, LeaseLost, Running, kind
from readerstudy.studies import locking
from readerstudy.studies.models import Study


@kind(locking.KIND)
def render_frames(job: Running) -> dict[str, Any]:
    """Render the frames of a study that is being locked, and lock it."""
    study = Study.objects.get(public_id=job.parameters["study"])
    if study.status != Study.Status.DRAFT:
        return {"study": str(study.public_id), "digest": study.lock_digest}
    if study.lock_requested_at is None:
        return {"study": str(study.public_id), "note": "the lock was taken back"}

    def progress(done: int, total: int, message: str) -> None:
        job.progress(done, total, message)

    by = job.row.created_by
    try:
        locking.render_and_finish(study, progress, by=by)
    except LeaseLost:
        raise
    except Cancelled:
        locking.abandon(study, "Rendering was stopped on request.", by=by)
        raise
    except Exception as error:
        locking.abandon(study, str(error) or type(error).__name__, by=by)
        raise
    study.refresh_from_db()
    return {"study": str(study.public_id), "digest": study.lock_digest}
