"""What readers said. Revisions are kept, never overwritten."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from readerstudy.studies.models import Presentation, Session


class Environment(models.Model):
    """The declared and measured reading conditions at the start of a sitting."""

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="environments")
    at = models.DateTimeField(auto_now_add=True)
    record = models.JSONField(default=dict)

    class Meta:
        ordering = ["at"]

    def __str__(self) -> str:
        return f"environment of {self.session}"


class Reading(models.Model):
    """One revision of what a reader said of a presentation. The highest revision stands."""

    class Judgment(models.TextChoices):
        REAL = "real"
        SYNTHETIC = "synthetic"
        NONE = "", "not asked"

    # Made by the browser, so that a request sent twice is one reading.
    client_id = models.UUIDField(unique=True)
    presentation = models.ForeignKey(
        Presentation, on_delete=models.PROTECT, related_name="readings"
    )
    revision = models.PositiveIntegerField()
    submitted = models.BooleanField(default=True)
    judgment = models.CharField(max_length=16, choices=Judgment.choices, blank=True)
    # In the units of the study's confidence scale.
    confidence = models.FloatField(null=True)
    # Forced choice: the place chosen as real.
    choice = models.PositiveSmallIntegerField(null=True)
    quality = models.FloatField(null=True)
    comment = models.TextField(blank=True)
    answers = models.JSONField(default=dict)
    # Milliseconds on the browser's monotonic clock; see docs/reading.md.
    timings = models.JSONField(default=dict)
    viewer = models.JSONField(default=dict)
    # Drawn regions that belong to no finding and no cue (readerstudy.reading.regions).
    regions = models.JSONField(default=list)
    # The server's clock; not ``auto_now_add`` because simulated readers read in the past.
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["presentation_id", "revision"]
        constraints = [
            models.UniqueConstraint(fields=["presentation", "revision"], name="revision_once")
        ]

    def __str__(self) -> str:
        return f"reading of {self.presentation}, revision {self.revision}"


class SetAside(models.Model):
    """A revision that came too late: another window or device had answered before.

    It does not stand, but it is not lost either.
    """

    client_id = models.UUIDField(unique=True)
    presentation = models.ForeignKey(
        Presentation, on_delete=models.PROTECT, related_name="set_aside"
    )
    revision = models.PositiveIntegerField()
    content = models.JSONField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["at"]
        verbose_name_plural = "set aside"

    def __str__(self) -> str:
        return f"revision {self.revision} set aside at {self.presentation}"


class Debriefing(models.Model):
    """What a reader noticed, asked after the last session of a phase."""

    session = models.OneToOneField(Session, on_delete=models.CASCADE, related_name="debriefing")
    noticed = models.BooleanField()
    remark = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"debriefing after {self.session}"


class Finding(models.Model):
    """A pathology that a reader reported, with certainty and, where marked, a region."""

    reading = models.ForeignKey(Reading, on_delete=models.CASCADE, related_name="findings")
    term = models.CharField(max_length=100)
    certainty = models.FloatField(null=True)
    laterality = models.CharField(max_length=16, blank=True)
    region = models.JSONField(null=True)

    def __str__(self) -> str:
        return self.term


class Cue(models.Model):
    """What made a reader think "synthetic", with a region where marked."""

    reading = models.ForeignKey(Reading, on_delete=models.CASCADE, related_name="cues")
    term = models.CharField(max_length=100)
    region = models.JSONField(null=True)

    def __str__(self) -> str:
        return self.term


class TechnicalFailure(models.Model):
    """A frame that a reader could not see, as reported from the reading room."""

    client_id = models.UUIDField(default=uuid.uuid4, unique=True)
    presentation = models.ForeignKey(
        Presentation, on_delete=models.PROTECT, related_name="technical_failures"
    )
    reason = models.TextField()
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"technical failure at {self.presentation}"
