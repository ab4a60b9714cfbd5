"""The study: protocol, people, cases and the drawn reading lists."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

from readerstudy.imaging.models import Scan

if TYPE_CHECKING:
    from readerstudy.accounts.models import User


def draw_seed() -> int:
    """A fresh study seed, 63 bits so that every database stores it."""
    return secrets.randbits(63)


class StudyQuerySet(models.QuerySet["Study"]):
    def visible_to(self, user: User) -> StudyQuerySet:
        """Studies in which the user has a role other than reader."""
        if user.is_superuser:
            return self
        return self.filter(memberships__user=user)

    def with_counts(self) -> StudyQuerySet:
        """Adds ``case_count`` and ``reader_count``, each in one subquery."""
        return self.annotate(
            case_count=_count("cases", models.Q(cases__is_training=False)),
            reader_count=_count("readers", ~models.Q(readers__state="withdrawn")),
        )


def _count(relation: str, condition: models.Q) -> models.Count:
    return models.Count(relation, filter=condition, distinct=True)


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
    # When the readers should be done; may be moved while the study is open.
    due_at = models.DateTimeField(null=True, blank=True)
    # Locking takes two steps: the lists are drawn and the frames ordered, then, when every frame
    # is there and checked, the status changes. In between nothing may be edited.
    lock_requested_at = models.DateTimeField(null=True)
    lock_problem = models.TextField(blank=True)
    render_job = models.OneToOneField(
        "jobs.Job", null=True, on_delete=models.SET_NULL, related_name="study"
    )
    # What the blinding audit found in the rendered frames (readerstudy.studies.blinding), and who
    # signed for it.
    blinding = models.JSONField(default=dict)

    objects = StudyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "studies"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status="draft")
                | (models.Q(locked_at__isnull=False) & ~models.Q(lock_digest="")),
                name="locked_study_has_digest",
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_locking(self) -> bool:
        """Whether frames are being rendered for a lock that somebody asked for."""
        return self.status == self.Status.DRAFT and self.lock_requested_at is not None

    @property
    def awaits_signature(self) -> bool:
        """Whether the lock waits for an owner's word on what the blinding audit found."""
        return self.is_locking and bool(self.blinding.get("to_sign"))

    @property
    def is_editable(self) -> bool:
        return self.status == self.Status.DRAFT and self.lock_requested_at is None


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
    # Of the text that was agreed to, so that a later change of wording shows.
    consent_sha256 = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True)
    # A replacement reads a copy of the drawn list of the reader it stands in for.
    replaces = models.OneToOneField(
        "self", null=True, on_delete=models.PROTECT, related_name="replaced_by"
    )

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


class Invitation(models.Model):
    """A single-use, expiring link into a study. Only the link's digest is kept."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="invitations")
    # Empty for a reader's invitation, which then names the reader's place.
    role = models.CharField(max_length=16, choices=Membership.Role.choices, blank=True)
    reader = models.ForeignKey(
        Reader, null=True, on_delete=models.CASCADE, related_name="invitations"
    )
    email = models.EmailField(blank=True)
    token_sha256 = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(role="", reader__isnull=False)
                | (~models.Q(role="") & models.Q(reader__isnull=True)),
                name="invitation_to_one_place",
            )
        ]

    def __str__(self) -> str:
        return f"invitation {str(self.public_id)[:8]}"


class Amendment(models.Model):
    """A reasoned change after lock. The locked protocol stays; amendments are laid over it."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="amendments")
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    reason = models.TextField()
    # [{"path": "plan.subgroups", "before": ..., "after": ...}, ...]
    changes = models.JSONField(default=list)
    status_then = models.CharField(max_length=16)
    readings_then = models.PositiveIntegerField(default=0)
    unblinded_then = models.BooleanField(default=False)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["study", "number"], name="amendment_number_once")
        ]

    def __str__(self) -> str:
        return f"amendment {self.number}"


class Case(models.Model):
    """A scan enrolled in a study under a random public id. The truth stops here."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="cases")
    scan = models.ForeignKey(Scan, on_delete=models.PROTECT, related_name="cases")
    number = models.PositiveIntegerField()
    stratum = models.CharField(max_length=200, blank=True)
    is_training = models.BooleanField(default=False)
    # Origin, generator, labels, view and sex as they were when the case was drawn: a later edit in
    # the archive does not change what a locked study was about.
    truth = models.JSONField(default=dict)

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
    case = models.ForeignKey(Case, on_delete=models.RESTRICT, related_name="presentations")
    alternatives = models.ManyToManyField(
        Case, through="Alternative", related_name="shown_in", blank=True
    )
    repeat_of = models.ForeignKey(
        "self", null=True, on_delete=models.RESTRICT, related_name="repeats"
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
    case = models.ForeignKey(Case, on_delete=models.RESTRICT)
    place = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["place"]
        constraints = [models.UniqueConstraint(fields=["presentation", "place"], name="place_once")]

    def __str__(self) -> str:
        return f"place {self.place}"
