"""The study: protocol, people, cases and the drawn reading lists."""

from __future__ import annotations

import secrets
import uuid

from django.conf import settings
from django.db import models

from readerstudy.imaging.models import Scan


def draw_seed() -> int:
    """A fresh study seed, 63 bits so that every database stores it."""
    return secrets.randbits(63)


class Study(models.Model):
    """One protocol: question, cases, design, reading form, analysis plan."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        LOCKED = "locked"
        OPEN = "open"
        CLOSED = "closed"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    title = models.CharField(max_length=200)
    question = models.TextField(blank=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.DRAFT)
    # Validated by readerstudy.studies.protocol.Protocol: task, sampling, design, rendering, form
    # and analysis plan.
    protocol = models.JSONField(default=dict)
    seed = models.BigIntegerField(default=draw_seed)
    is_demo = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    locked_at = models.DateTimeField(null=True)
    lock_digest = models.CharField(max_length=64, blank=True)
    opened_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    unblinded_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "studies"

    def __str__(self) -> str:
        return self.title


class Membership(models.Model):
    """What a person may do in a study. Readers are :class:`Reader` rows, not memberships."""

    class Role(models.TextChoices):
        OWNER = "owner"
        EDITOR = "editor"
        MONITOR = "monitor"
        ANALYST = "analyst"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=16, choices=Role.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "user"], name="one_role_a_person")]

    def __str__(self) -> str:
        return f"{self.user} {self.role}"


class Reader(models.Model):
    """A person enrolled to read, known everywhere but on the people page as R01, R02 ..."""

    class State(models.TextChoices):
        INVITED = "invited"
        ACTIVE = "active"
        PAUSED = "paused"
        FINISHED = "finished"
        WITHDRAWN = "withdrawn"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="readers")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="readerships"
    )
    number = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=16, choices=State.choices, default=State.ACTIVE)
    profile = models.JSONField(default=dict)
    consented_at = models.DateTimeField(null=True)
    consent_version = models.CharField(max_length=32, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["study", "number"], name="reader_number_once"),
            models.UniqueConstraint(fields=["study", "user"], name="one_readership_a_person"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"R{self.number:02d}"


class Case(models.Model):
    """A scan enrolled in a study under a random public id. The truth stops here."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="cases")
    scan = models.ForeignKey(Scan, on_delete=models.PROTECT, related_name="cases")
    number = models.PositiveIntegerField()
    stratum = models.CharField(max_length=200, blank=True)
    is_training = models.BooleanField(default=False)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["study", "scan"], name="scan_once_a_study"),
            models.UniqueConstraint(fields=["study", "number"], name="case_number_once"),
        ]

    def __str__(self) -> str:
        return f"case {self.number}"


class Frame(models.Model):
    """The blinded pixels of a case, as every reader's browser gets them."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    case = models.OneToOneField(Case, on_delete=models.CASCADE, related_name="frame")
    storage_key = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    pixels_sha256 = models.CharField(max_length=64)
    byte_length = models.PositiveIntegerField()
    rendered_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"frame {str(self.public_id)[:8]}"


class Session(models.Model):
    """One reader's sitting, from the drawn list. A study may have several, with a washout."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    reader = models.ForeignKey(Reader, on_delete=models.CASCADE, related_name="sessions")
    number = models.PositiveSmallIntegerField()
    phase = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["reader", "number"], name="session_number_once")
        ]

    def __str__(self) -> str:
        return f"session {self.number}"


class Presentation(models.Model):
    """One position of one session. ``repeat_of`` marks a hidden test-retest repeat.

    Forced-choice presentations show several cases side by side: ``case`` is the first and
    ``alternatives`` names them all, in the order shown.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="presentations")
    position = models.PositiveIntegerField()
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="presentations")
    alternatives = models.ManyToManyField(
        Case, through="Alternative", related_name="shown_in", blank=True
    )
    repeat_of = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="repeats"
    )
    is_training = models.BooleanField(default=False)

    class Meta:
        ordering = ["session__number", "position"]
        constraints = [
            models.UniqueConstraint(fields=["session", "position"], name="position_once")
        ]

    def __str__(self) -> str:
        return f"position {self.position}"


class Alternative(models.Model):
    """One of the scans of a forced-choice presentation, at its place on the screen."""

    presentation = models.ForeignKey(Presentation, on_delete=models.CASCADE)
    case = models.ForeignKey(Case, on_delete=models.PROTECT)
    place = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["place"]
        constraints = [models.UniqueConstraint(fields=["presentation", "place"], name="place_once")]

    def __str__(self) -> str:
        return f"place {self.place}"
