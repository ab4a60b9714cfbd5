"""Hand in long work, nudge workers, stop it, start it again.

An app offers a kind of work by decorating a function in its ``tasks.py``::

    @kind("imaging.intake")
    def import_batch(job: Running) -> dict: ...

and anyone starts it with ``submit("imaging.intake", title=..., parameters=..., by=user)``. The
function must be idempotent: after a killed worker it is called again with the same parameters.
How a worker claims and does a job is in :mod:`readerstudy.jobs.running`.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import structlog
from celery import current_app
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from readerstudy.jobs.models import Job
from readerstudy.jobs.running import (
    MOST_ATTEMPTS,
    Cancelled,
    HandedBack,
    LeaseLost,
    Running,
    claim,
    kind,
    run,
)

__all__ = [
    "MOST_ATTEMPTS",
    "Cancelled",
    "HandedBack",
    "LeaseLost",
    "Running",
    "cancel",
    "claim",
    "kind",
    "nudge",
    "nudge_forgotten",
    "retry",
    "run",
    "submit",
]

NUDGE_AGAIN = timedelta(seconds=20)
MOST_DOUBLINGS = 4  # 20 s, 40 s, ... then every 320 s

log = structlog.get_logger(__name__)


def submit(
    kind: str,
    *,
    title: str,
    parameters: dict[str, Any] | None = None,
    by: Any = None,
    total: int | None = None,
    queue: str = "celery",
    public_id: uuid.UUID | None = None,
) -> Job:
    """Write the job's row and, once the transaction is committed, nudge a worker.

    With ``public_id`` (drawn when the form was shown) a form sent twice is one job: the second
    submission returns the first one's row.
    """
    public_id = public_id or uuid.uuid4()
    try:
        with transaction.atomic():
            job = Job.objects.create(
                public_id=public_id,
                kind=kind,
                title=title[:200],
                parameters=parameters or {},
                created_by=by,
                total=total,
                queue=queue,
            )
    except IntegrityError:
        standing = Job.objects.filter(public_id=public_id, kind=kind, created_by=by).first()
        if standing is None:
            raise
        return standing
    transaction.on_commit(lambda: nudge(job))
    return job


def nudge(job: Job) -> None:
    """Tell a worker to look at the job. A broker that is down is logged, not raised: the row
    stays queued, and every worker looks for forgotten rows by itself."""
    Job.objects.filter(pk=job.pk).update(nudged_at=Now(), nudges=F("nudges") + 1)
    _send(job)


def nudge_forgotten() -> int:
    """Nudge again for every job that nobody works on. Returns how many.

    Jobs that only wait for their turn are nudged ever more rarely, so that a queue behind a long
    training does not fill the broker with messages.
    """
    forgotten = Job.objects.claimable().filter(_due())
    count = 0
    for job in forgotten:
        # Several workers look at the same time: one of them finds the row still due.
        mine = (
            Job.objects.claimable()
            .filter(_due(), pk=job.pk)
            .update(nudged_at=Now(), nudges=F("nudges") + 1)
        )
        if mine:
            _send(job)
            count += 1
    return count


def _due() -> Q:
    """Never nudged, or not since the pause that doubles with every nudge."""
    due = Q(nudged_at__isnull=True) | Q(nudges=0)
    for nudges in range(1, MOST_DOUBLINGS + 1):
        due |= Q(nudges=nudges, nudged_at__lt=Now() - NUDGE_AGAIN * 2 ** (nudges - 1))
    longest = NUDGE_AGAIN * 2**MOST_DOUBLINGS
    return due | Q(nudges__gt=MOST_DOUBLINGS, nudged_at__lt=Now() - longest)


def _send(job: Job) -> None:
    if current_app.conf.task_always_eager:
        # send_task knows nothing of eager mode. The kinds are registered by the tasks modules.
        current_app.loader.import_default_modules()
        run(str(job.public_id))
        return
    try:
        current_app.send_task(
            "readerstudy.jobs.run",
            [str(job.public_id)],
            queue=job.queue,
            ignore_result=True,
            retry_policy={"max_retries": 1, "interval_start": 0.1, "interval_max": 0.1},
        )
    except Exception as error:
        log.warning("broker unreachable", job=str(job.public_id), error=str(error))


def cancel(job: Job) -> None:
    """Stop the job: at once where nobody works on it, at its next report of progress otherwise."""
    Job.objects.filter(pk=job.pk).unfinished().update(cancel_requested=True)
    # A worker may claim it between the two statements: it then finds the request by itself.
    Job.objects.claimable().filter(pk=job.pk, cancel_requested=True).update(
        state=Job.State.CANCELLED,
        message="Stopped on request.",
        finished_at=Now(),
        lease_token=None,
        lease_until=None,
    )


def retry(job: Job) -> bool:
    """Queue a failed or cancelled job again; what it had finished it will not do twice.

    False where there is nothing to retry: it runs, waits or is done.
    """
    queued = Job.objects.filter(
        pk=job.pk, state__in=[Job.State.FAILED, Job.State.CANCELLED]
    ).update(
        state=Job.State.QUEUED,
        cancel_requested=False,
        attempts=0,
        nudges=0,
        error="",
        message="",
        finished_at=None,
        lease_token=None,
        lease_until=None,
    )
    if queued:
        transaction.on_commit(lambda: nudge(job))
    return bool(queued)
