"""The one Celery task: it looks at a job's row and does what the row says."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import beat_init, worker_ready

from readerstudy.jobs import queue


@shared_task(name="readerstudy.jobs.run")
def run(public_id: str) -> None:
    """Do the job with this public id, unless it is done or in hand."""
    queue.run(public_id)


@worker_ready.connect
@beat_init.connect
def pick_up_forgotten(**_: Any) -> None:
    """A worker that starts looks for jobs whose messages were lost while none was running."""
    queue.nudge_forgotten()
