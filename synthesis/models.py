"""Generators that the archive's synthetic scans come from, and how they came here."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce

from readerstudy.imaging.models import Scan


class GeneratorQuerySet(models.QuerySet["Generator"]):
    def with_scan_counts(self) -> GeneratorQuerySet:
        """Each with ``scan_count``: its scans in the archive, in one query for the page."""
        made = (
            Scan.objects.filter(generator_digest=models.OuterRef("digest"))
            .order_by()
            .values("generator_digest")
            .annotate(count=models.Count("pk"))
            .values("count")
        )
        return self.annotate(
            scan_count=Coalesce(models.Subquery(made, output_field=models.IntegerField()), 0)
        )


class Generator(models.Model):
    """A trained checkpoint, stored in our own format (see synthesis.pggan.checkpoints)."""

    scan_count: int  # from with_scan_counts()

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=100, unique=True)
    # Of the stored file: what a scan's provenance names.
    digest = models.CharField(max_length=64, unique=True)
    checkpoint_key = models.CharField(max_length=200)
    source_format = models.CharField(max_length=32)
    source_name = models.CharField(max_length=300, blank=True)
    # Of the file as it was brought, in whatever format.
    source_digest = models.CharField(max_length=64, blank=True, db_index=True)
    resolution = models.PositiveIntegerField()
    channels = models.PositiveSmallIntegerField(default=1)
    latent_size = models.PositiveIntegerField()
    parameters = models.PositiveIntegerField()
    config = models.JSONField(default=dict)
    card = models.JSONField(default=dict)
    sample_keys = models.JSONField(default=list)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = GeneratorQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def pixels_a_scan(self) -> int:
        return self.resolution * self.resolution


class Upload(models.Model):
    """A checkpoint that somebody brought: looked at by a worker, then accepted by a person."""

    class State(models.TextChoices):
        INSPECTING = "inspecting"
        WAITING = "waiting"
        REFUSED = "refused"
        ACCEPTED = "accepted"
        DISCARDED = "discarded"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    state = models.CharField(max_length=16, choices=State.choices, default=State.INSPECTING)
    file_name = models.CharField(max_length=300)
    byte_length = models.BigIntegerField()
    key = models.CharField(max_length=200)
    job = models.OneToOneField("jobs.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    # What the worker found: an Inspection (synthesis.intake) as JSON, and why it was refused.
    inspection = models.JSONField(default=dict)
    sample_keys = models.JSONField(default=list)
    refusal = models.TextField(blank=True)
    generator = models.ForeignKey(
        Generator, null=True, on_delete=models.SET_NULL, related_name="uploads"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.file_name


class TrainingRun(models.Model):
    """A training that somebody asked for. Its job's row says how far it is; its folder in the
    storage holds the measurements and the sample grids that the page shows."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=100)
    plan = models.JSONField(default=dict)
    # Filters over the archive, and the patients kept out of the training, by key.
    data = models.JSONField(default=dict)
    job = models.OneToOneField(
        "jobs.Job", null=True, on_delete=models.SET_NULL, related_name="training_run"
    )
    generator = models.ForeignKey(
        Generator, null=True, on_delete=models.SET_NULL, related_name="training_runs"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    def key(self, name: str) -> str:
        """Storage key of one of the run's files."""
        return f"training/{self.public_id}/{name}"
