"""Hand in long work, claim it, run it.

An app offers a kind of work by decorating a function in its ``tasks.py``::

    @kind("imaging.intake")
    def import_batch(job: Running) -> dict: ...

and anyone starts it with ``submit("imaging.intake", title=..., parameters=..., by=user)``. The
function must be idempotent: after a killed worker it is called again with the same parameters.
"""

from __future__ import annotations

import traceback
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from celery import current_app
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from readerstudy.jobs.models import Job

LEASE = timedelta(seconds=60)
NUDGE_AGAIN = timedelta(seconds=20)
MOST_ATTEMPTS = 5

log = structlog.get_logger(__name__)

_kinds: dict[str, Callable[[Running], dict[str, Any] | None]] = {}


class Cancelled(Exception):
    """Raised inside a job whose owner asked to stop it."""


class LeaseLost(Exception):
    """Raised inside a job that another worker has taken over: stop, write nothing more."""


def kind(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the function that does jobs of this kind."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        _kinds[name] = function
        return function

    return register


def submit(
    kind: str,
    *,
    title: str,
    parameters: dict[str, Any] | None = None,
    by: Any = None,
    total: int | None = None,
    queue: str = "celery",
) -> Job:
    """Write the job's row and, once the transaction is committed, nudge a worker."""
    job = Job.objects.create(
        kind=kind,
        title=title,
        parameters=parameters or {},
        created_by=by,
        total=total,
        queue=queue,
    )
    transaction.on_commit(lambda: nudge(job))
    return job


def nudge(job: Job) -> None:
    """Tell a worker to look at the job. A broker that is down is logged, not raised: the row
    stays queued, and the next look at it nudges again."""
    Job.objects.filter(pk=job.pk).update(nudged_at=timezone.now())
    try:
        current_app.send_task("readerstudy.jobs.run", [str(job.public_id)], queue=job.queue)
    except Exception as error:
        log.warning("broker unreachable", job=str(job.public_id), error=str(error))


def nudge_forgotten() -> int:
    """Nudge again for every job that nobody works on. Returns how many."""
    now = timezone.now()
    forgotten = Job.objects.filter(
        Q(state=Job.State.QUEUED) | Q(state=Job.State.RUNNING, lease_until__lt=now),
        Q(nudged_at__isnull=True) | Q(nudged_at__lt=now - NUDGE_AGAIN),
    )
    count = 0
    for job in forgotten:
        nudge(job)
        count += 1
    return count


def cancel(job: Job) -> None:
    """Stop the job: at once where nobody works on it, at its next report of progress otherwise."""
    Job.objects.filter(pk=job.pk, state__in=Job.UNFINISHED).update(cancel_requested=True)
    now = timezone.now()
    Job.objects.filter(pk=job.pk, cancel_requested=True).filter(
        Q(state=Job.State.QUEUED) | Q(state=Job.State.RUNNING, lease_until__lt=now)
    ).update(state=Job.State.CANCELLED, finished_at=now, lease_token=None)


def retry(job: Job) -> None:
    """Queue a failed or cancelled job again; what it had finished it will not do twice."""
    Job.objects.filter(pk=job.pk, state__in=[Job.State.FAILED, Job.State.CANCELLED]).update(
        state=Job.State.QUEUED,
        cancel_requested=False,
        attempts=0,
        error="",
        message="",
        finished_at=None,
    )
    transaction.on_commit(lambda: nudge(job))


class Running:
    """A claimed job, as its function sees it."""

    def __init__(self, job: Job, token: uuid.UUID) -> None:
        self.row = job
        self._token = token
        self.parameters: dict[str, Any] = job.parameters

    def progress(
        self, done: int, total: int | None = None, message: str | None = None, log: str = ""
    ) -> None:
        """Report how far the work is, and renew the lease.

        Raises ``Cancelled`` when the owner asked to stop and ``LeaseLost`` when the lease ran out
        and another worker took the job.
        """
        changes: dict[str, Any] = {"done": done, "lease_until": timezone.now() + LEASE}
        if total is not None:
            changes["total"] = total
        if message is not None:
            changes["message"] = message[:500]
        if log:
            self.row.log += log.rstrip("\n") + "\n"
            changes["log"] = self.row.log
        if not self._mine().update(**changes):
            raise LeaseLost(f"job {self.row.public_id} was taken over by another worker")
        if Job.objects.filter(pk=self.row.pk, cancel_requested=True).exists():
            raise Cancelled

    def _mine(self) -> Any:
        return Job.objects.filter(pk=self.row.pk, lease_token=self._token, state=Job.State.RUNNING)


def claim(public_id: str) -> Running | None:
    """Take the job if it is nobody's. None: it is done, cancelled, or somebody works on it."""
    token, now = uuid.uuid4(), timezone.now()
    taken = (
        Job.objects.filter(public_id=public_id)
        .filter(Q(state=Job.State.QUEUED) | Q(state=Job.State.RUNNING, lease_until__lt=now))
        .update(
            state=Job.State.RUNNING,
            lease_token=token,
            lease_until=now + LEASE,
            attempts=F("attempts") + 1,
            started_at=now,
        )
    )
    if not taken:
        return None
    return Running(Job.objects.get(public_id=public_id), token)


def run(public_id: str) -> None:
    """Claim the job and do it. The outcome is written to its row; nothing is raised."""
    running = claim(public_id)
    if running is None:
        return
    job = running.row
    structlog.contextvars.bind_contextvars(job=str(job.public_id), kind=job.kind)
    if job.attempts > MOST_ATTEMPTS:
        _finish(running, Job.State.FAILED, error=f"Given up after {MOST_ATTEMPTS} attempts.")
        return
    try:
        function = _kinds[job.kind]
        running.progress(job.done)
        result = function(running)
    except Cancelled:
        _finish(running, Job.State.CANCELLED, message="Stopped on request.")
    except LeaseLost:
        log.warning("lease lost")
    except Exception as error:
        log.exception("job failed")
        reason = str(error) or type(error).__name__
        if isinstance(error, KeyError) and job.kind not in _kinds:
            reason = f"No worker here knows how to do {job.kind!r}."
        _finish(running, Job.State.FAILED, error=reason, log_tail=traceback.format_exc())
    else:
        _finish(running, Job.State.DONE, result=result or {})
    finally:
        structlog.contextvars.unbind_contextvars("job", "kind")


def _finish(
    running: Running,
    state: Job.State,
    *,
    result: dict[str, Any] | None = None,
    error: str = "",
    message: str | None = None,
    log_tail: str = "",
) -> None:
    changes: dict[str, Any] = {
        "state": state,
        "finished_at": timezone.now(),
        "lease_token": None,
        "lease_until": None,
        "error": error,
    }
    if result is not None:
        changes["result"] = result
    if message is not None:
        changes["message"] = message
    if log_tail:
        changes["log"] = running.row.log + log_tail
    running._mine().update(**changes)
