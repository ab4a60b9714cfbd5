"""Claim a job, keep hold of it, do it, write what became of it."""

from __future__ import annotations

import contextvars
import mmap
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.db.models import F
from django.db.models.functions import Now

from readerstudy.jobs.models import Job

LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 5
LONGEST_LOG = 100_000
MOST_EXHIBITS = 48

log = structlog.get_logger(__name__)

T = TypeVar("T")
_kinds: dict[str, Callable[[Running], dict[str, Any] | None]] = {}

# One byte shared with the pool's processes, which are forked from this one: the main process
# learns that the worker shuts down, the processes that do the work must know.
_shutting_down = mmap.mmap(-1, 1)

# Name of the worker, put on the rows it claims.
worker_name: contextvars.ContextVar[str] = contextvars.ContextVar("worker_name", default="")


class Cancelled(Exception):
    """Raised inside a job whose owner asked to stop it."""


class LeaseLost(Exception):
    """Raised inside a job that another worker has taken over: stop, write nothing more."""


class HandedBack(Exception):
    """Raised inside a job whose worker is being shut down: another one will go on with it."""


def kind(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the function that does jobs of this kind."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        _kinds[name] = function
        return function

    return register


def shut_down() -> None:
    """Let every job of this worker hand itself back at its next report of progress."""
    _shutting_down[0] = 1


class Running:
    """A claimed job, as its function sees it."""

    def __init__(self, job: Job, token: uuid.UUID) -> None:
        self.row = job
        self._token = token
        self.parameters: dict[str, Any] = job.parameters

    def progress(
        self,
        done: int,
        total: int | None = None,
        message: str | None = None,
        log: str = "",
        *,
        exhibits: list[dict[str, str]] | None = None,
    ) -> None:
        """Report how far the work is, and renew the lease.

        ``exhibits`` (``image``, ``link``, ``caption``) are added to those shown on the page.

        Raises ``Cancelled`` when the owner asked to stop, ``LeaseLost`` when the lease ran out
        and another worker took the job, ``HandedBack`` when this worker is shutting down.
        """
        changes: dict[str, Any] = {"done": done, "lease_until": Now() + LEASE}
        if total is not None:
            changes["total"] = total
        if message is not None:
            changes["message"] = message[:500]
        if log:
            changes["log"] = self.row.log = tail(self.row.log + log.rstrip("\n") + "\n")
        if exhibits:
            changes["exhibits"] = self.row.exhibits = (self.row.exhibits + exhibits)[
                -MOST_EXHIBITS:
            ]
        if done > self.row.started_done:
            changes["attempts"] = 1
        if not patiently(lambda: self._mine().update(**changes)):
            raise LeaseLost(f"job {self.row.public_id} was taken over by another worker")
        if patiently(Job.objects.filter(pk=self.row.pk, cancel_requested=True).exists):
            raise Cancelled
        if _shutting_down[0]:
            raise HandedBack

    def beat(self) -> bool:
        """Renew the lease alone. False when it is somebody else's by now."""
        return bool(self._mine().update(lease_until=Now() + LEASE))

    def finish(
        self,
        state: Job.State,
        *,
        result: dict[str, Any] | None = None,
        error: str = "",
        message: str | None = None,
        log_tail: str = "",
    ) -> bool:
        """Write the outcome. False, and nothing written, when the lease was lost."""
        changes: dict[str, Any] = {
            "state": state,
            "finished_at": None if state == Job.State.QUEUED else Now(),
            "lease_token": None,
            "lease_until": None,
            "error": error,
        }
        if result is not None:
            changes["result"] = result
        if message is not None:
            changes["message"] = message
        if log_tail:
            changes["log"] = tail(self.row.log + log_tail)
        return bool(patiently(lambda: self._mine().update(**changes)))

    def hand_back(self) -> None:
        """Queue it again: nothing was wrong with it, so the attempt does not count."""
        if self.finish(Job.State.QUEUED, message="Waits for a worker: the last one was stopped."):
            Job.objects.filter(pk=self.row.pk, state=Job.State.QUEUED, attempts__gt=0).update(
                attempts=F("attempts") - 1, nudges=0, nudged_at=None
            )

    def _mine(self) -> Any:
        return Job.objects.filter(pk=self.row.pk, lease_token=self._token, state=Job.State.RUNNING)


def tail(text: str) -> str:
    """The last of a long log, cut at a line."""
    if len(text) <= LONGEST_LOG:
        return text
    kept = text[-LONGEST_LOG:]
    return "[earlier lines left out]\n" + kept[kept.find("\n") + 1 :]


def patiently(query: Callable[[], T]) -> T:
    """The query's answer; a database that is away for less than a lease does not end a job.

    Inside a transaction an error is raised at once: what came before it is lost with it.
    """
    until = time.monotonic() + LEASE.total_seconds()
    while True:
        try:
            return query()
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or time.monotonic() > until:
                raise
            log.warning("database unreachable, trying again")
            connection.close()
            time.sleep(1)


class Heartbeat:
    """Renews the lease from a thread of its own, so that a slow step does not lose the job.

    It stops with its process: a killed or frozen worker's lease still runs out.
    """

    def __init__(self, running: Running) -> None:
        self._running = running
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="job-heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(LEASE.total_seconds() / 4):
            try:
                close_old_connections()
                if not self._running.beat():
                    return
            except Exception as error:
                log.warning("heartbeat missed", error=str(error))
            finally:
                connection.close()


def claim(public_id: str) -> Running | None:
    """Take the job if it is nobody's. None: it is done, cancelled, or somebody works on it."""
    token = uuid.uuid4()
    # One statement: of any number of workers, the database lets one through.
    taken = (
        Job.objects.claimable()
        .filter(public_id=public_id)
        .update(
            state=Job.State.RUNNING,
            lease_token=token,
            lease_until=Now() + LEASE,
            attempts=F("attempts") + 1,
            worker=worker_name.get(),
            started_at=Now(),
            started_done=F("done"),
            nudges=0,
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
    try:
        with Heartbeat(running):
            _do(running)
    finally:
        structlog.contextvars.unbind_contextvars("job", "kind")


def _do(running: Running) -> None:
    job = running.row
    if job.attempts > MOST_ATTEMPTS:
        running.finish(
            Job.State.FAILED,
            error=f"Given up: {MOST_ATTEMPTS} workers stopped while they did this, and none got "
            "further than the one before. See the workers' logs (out of memory?), then retry.",
        )
        return
    function = _kinds.get(job.kind)
    if function is None:
        running.finish(Job.State.FAILED, error=f"No worker here knows how to do {job.kind!r}.")
        return
    try:
        running.progress(job.done)
        result = function(running)
    except Cancelled:
        running.finish(Job.State.CANCELLED, message="Stopped on request.")
    except HandedBack:
        log.info("handed back")
        running.hand_back()
    except LeaseLost:
        log.warning("lease lost")
    except Exception as error:
        log.exception("job failed")
        running.finish(
            Job.State.FAILED,
            error=str(error) or type(error).__name__,
            log_tail=traceback.format_exc(),
        )
    else:
        running.finish(Job.State.DONE, result=result or {})
