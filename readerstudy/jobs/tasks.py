"""The one Celery task, and what every worker does beside it: say that it is there, and look for
rows whose messages were lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from celery import Task, shared_task
from celery.exceptions import WorkerLostError
from celery.signals import task_failure, worker_ready, worker_shutting_down
from django.db import connections
from django.db.models.functions import Now

from readerstudy.jobs import queue, running
from readerstudy.jobs.models import Job, Worker

LOOK_EVERY_SECONDS = 10
FORGET_WORKERS_AFTER = timedelta(days=7)

log = structlog.get_logger(__name__)


# Acknowledged at once: the row brings a lost job back, and brokers give up on messages that stay
# unacknowledged as long as a training takes (RabbitMQ closes the channel after half an hour).
@shared_task(name="readerstudy.jobs.run", bind=True, acks_late=False, ignore_result=True)
def run(self: Task, public_id: str) -> None:
    """Do the job with this public id, unless it is done or in hand."""
    running.worker_name.set(self.request.hostname or "")
    queue.run(public_id)


_looking: list[Any] = []  # the timer's entry, one for the life of the worker


@worker_ready.connect
def begin_to_look(sender: Any, **_: Any) -> None:
    """From its start, and every few seconds, a worker looks for jobs that nobody works on."""
    name = sender.hostname
    Worker.objects.update_or_create(
        name=name,
        defaults={
            "queues": sorted(sender.app.amqp.queues.consume_from),
            "concurrency": getattr(sender.pool, "limit", None) or 1,
            "started_at": Now(),
            "seen_at": Now(),
        },
    )
    look(name)
    while _looking:  # ready again, after the broker was away
        _looking.pop().cancel()
    _looking.append(sender.timer.call_repeatedly(LOOK_EVERY_SECONDS, look, (name,)))


def look(name: str) -> None:
    """One look. A database that is away is no reason for a worker to stop."""
    try:
        Worker.objects.filter(name=name).update(seen_at=Now())
        Worker.objects.filter(seen_at__lt=Now() - FORGET_WORKERS_AFTER).delete()
        queue.nudge_forgotten()
    except Exception as error:
        log.warning("could not look for forgotten jobs", error=str(error))
    finally:
        # Processes of the pool are forked from this one: they must not inherit a connection.
        connections.close_all()


@worker_shutting_down.connect
def hand_work_back(**_: Any) -> None:
    """A worker that is told to stop does not wait for the end of a training."""
    running.shut_down()


@task_failure.connect
def release_lost(
    sender: Any = None, exception: BaseException | None = None, args: Any = None, **_: Any
) -> None:
    """The process that did the job is dead, as the worker knows: no need to wait for the lease."""
    if getattr(sender, "name", "") != "readerstudy.jobs.run" or not args:
        return
    if isinstance(exception, WorkerLostError):
        Job.objects.filter(public_id=args[0], state=Job.State.RUNNING).update(
            lease_until=Now() - timedelta(seconds=1), nudges=0, nudged_at=None
        )
        connections.close_all()
