"""The one table of long work, and who is there to do it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

if TYPE_CHECKING:
    from readerstudy.accounts.models import User


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, user: User) -> JobQuerySet:
        return self if user.is_superuser else self.filter(created_by=user)

    def unfinished(self) -> JobQuerySet:
        return self.filter(state__in=Job.UNFINISHED)

    def of_kind(self, kind: str, **parameters: Any) -> JobQuerySet:
        """Jobs of a kind whose parameters hold these values."""
        return self.filter(kind=kind, **{f"parameters__{k}": v for k, v in parameters.items()})

    def claimable(self) -> JobQuerySet:
        """Nobody's: waiting, or left by a worker whose lease ran out (by the database's clock,
        so that workers on machines with different clocks agree)."""
        return self.filter(
            models.Q(state=Job.State.QUEUED)
            | models.Q(state=Job.State.RUNNING, lease_until__lt=Now())
        )


class Job(models.Model):
    """A piece of long work. This row is the truth; the broker's message only nudges a worker.

    A worker holds a lease while it works, renewed by a heartbeat and by every report of progress.
    A job whose lease ran out is anybody's again, so a killed worker delays a job but never loses
    it; and a worker that lost its lease can write nothing more to the row.
    """

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    UNFINISHED = (State.QUEUED, State.RUNNING)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=64, db_index=True)
    title = models.CharField(max_length=200)
    queue = models.CharField(max_length=32, default="celery")
    parameters = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True)
    message = models.CharField(max_length=500, blank=True)
    log = models.TextField(blank=True)
    # Pictures made so far, newest last: [{"image": URL, "link": URL, "caption": text}, ...].
    exhibits = models.JSONField(default=list)
    # What came of it. "links": [{"text": ..., "url": ...}] are shown on the job's page.
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    # Times it was claimed since it last got any further: a job that kills its worker again and
    # again is given up, a long one that survives many restarts is not.
    attempts = models.PositiveSmallIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)
    worker = models.CharField(max_length=200, blank=True)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    nudged_at = models.DateTimeField(null=True, editable=False)
    nudges = models.PositiveSmallIntegerField(default=0, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="jobs"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # When, and from how much done, the present or last attempt set out.
    started_at = models.DateTimeField(null=True)
    started_done = models.PositiveIntegerField(default=0, editable=False)
    finished_at = models.DateTimeField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["state", "lease_until"])]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=["queued", "running", "done", "failed", "cancelled"]),
                name="job_state_known",
            ),
            models.CheckConstraint(
                # Whoever runs it can be told from everybody else, and loses it in the end.
                condition=~models.Q(state="running")
                | models.Q(lease_token__isnull=False, lease_until__isnull=False),
                name="running_job_is_leased",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_finished(self) -> bool:
        return self.state not in self.UNFINISHED

    @property
    def is_stopping(self) -> bool:
        return self.cancel_requested and not self.is_finished

    @property
    def may_be_retried(self) -> bool:
        return self.state in (self.State.FAILED, self.State.CANCELLED)

    @property
    def percent(self) -> int | None:
        """0 to 100, or None while the amount of work is not known."""
        return None if not self.total else min(100, round(100 * self.done / self.total))

    @property
    def time_left(self) -> timedelta | None:
        """At the pace of the present attempt; None until there is a pace to judge by."""
        if self.state != self.State.RUNNING or not self.total or not self.started_at:
            return None
        gained = self.done - self.started_done
        if gained <= 0:
            return None
        elapsed = timezone.now() - self.started_at
        return max(timedelta(0), elapsed / gained * (self.total - self.done))


class WorkerQuerySet(models.QuerySet["Worker"]):
    def live(self) -> WorkerQuerySet:
        return self.filter(seen_at__gt=Now() - Worker.SILENCE)


class Worker(models.Model):
    """A worker process that says every few seconds that it is there, and which queues it serves."""

    SILENCE = timedelta(seconds=60)

    name = models.CharField(max_length=200, unique=True)
    queues = models.JSONField(default=list)
    concurrency = models.PositiveSmallIntegerField(default=1)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
