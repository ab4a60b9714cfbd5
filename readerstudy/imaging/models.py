"""The scan archive."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class Batch(models.Model):
    """One import: where it came from, who asked, and what became of it."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    source = models.CharField(max_length=500)
    job = models.OneToOneField(
        "jobs.Job", null=True, on_delete=models.SET_NULL, related_name="batch"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    options = models.JSONField(default=dict)

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "batches"

    def __str__(self) -> str:
        return self.source


class Label(models.Model):
    """A pathology or other word that scans are labelled with."""

    name = models.CharField(max_length=100, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ScanQuerySet(models.QuerySet["Scan"]):
    def for_grid(self) -> ScanQuerySet:
        return self.select_related("batch").prefetch_related("labels")

    def of_origin(self, origin: str) -> ScanQuerySet:
        return self.filter(origin=origin)


class Scan(models.Model):
    """One single-frame radiograph. Pixels lie in the storage as lossless 16-bit, MONOCHROME2."""

    class Origin(models.TextChoices):
        ACQUIRED = "acquired"
        GENERATED = "generated"

    class View(models.TextChoices):
        PA = "PA"
        AP = "AP"
        UNKNOWN = "", "unknown"

    class TextReview(models.TextChoices):
        """Burned-in text: found by the detector, then masked or accepted by a person."""

        NONE = "", "none found"
        FOUND = "found", "to review"
        MASKED = "masked", "masked"
        ACCEPTED = "accepted", "accepted"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    origin = models.CharField(max_length=16, choices=Origin.choices)
    batch = models.ForeignKey(Batch, null=True, on_delete=models.SET_NULL, related_name="scans")
    created_at = models.DateTimeField(auto_now_add=True)

    # Pixels: rows x columns uint16, 0 .. 2**bits - 1, higher is brighter on screen.
    pixels_key = models.CharField(max_length=200)
    thumbnail_key = models.CharField(max_length=200, blank=True)
    pixel_hash = models.CharField(max_length=64, unique=True)
    # Hash of the pixels as they came, where masking has changed them since: the same file imported
    # again is still known.
    source_hash = models.CharField(max_length=64, blank=True, db_index=True)
    perceptual_hash = models.CharField(max_length=16, blank=True, db_index=True)
    rows = models.PositiveIntegerField()
    columns = models.PositiveIntegerField()
    bits = models.PositiveSmallIntegerField()
    window_centre = models.FloatField(null=True)
    window_width = models.FloatField(null=True)
    spacing_mm = models.FloatField(null=True, help_text="Width of a pixel, where known.")
    pixel_aspect = models.FloatField(
        default=1.0, help_text="Height of a pixel over its width; frames are rendered square."
    )
    source_format = models.CharField(max_length=32)
    source_bytes = models.PositiveBigIntegerField(null=True, help_text="Of the file as it came.")

    # What is kept about the patient and the picture.
    source_name = models.CharField(max_length=300, blank=True)
    patient_key = models.CharField(max_length=64, blank=True, db_index=True)
    sex = models.CharField(max_length=1, blank=True)
    age_years = models.PositiveSmallIntegerField(null=True)
    view = models.CharField(max_length=2, choices=View.choices, blank=True)
    labels = models.ManyToManyField(Label, related_name="scans", blank=True)
    split = models.CharField(max_length=16, blank=True)
    metadata = models.JSONField(default=dict)
    header = models.JSONField(default=dict)
    deidentification = models.JSONField(default=dict)
    text_review = models.CharField(
        max_length=8, choices=TextReview.choices, blank=True, db_index=True
    )
    # Rows of {"row", "column", "height", "width", "kind"} in the scan's own pixels.
    text_boxes = models.JSONField(default=list)

    # Provenance of generated scans. The generator is named by its digest: the archive does not
    # know the software that made it.
    generator_name = models.CharField(max_length=100, blank=True)
    generator_digest = models.CharField(max_length=64, blank=True, db_index=True)
    provenance = models.JSONField(default=dict)

    objects = ScanQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["origin", "view"]),
            models.Index(fields=["created_at", "id"]),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(rows__gt=0, columns__gt=0, bits__gte=1, bits__lte=16),
                name="scan_has_pixels",
            ),
            models.CheckConstraint(
                condition=models.Q(pixel_aspect__gte=0.1, pixel_aspect__lte=10.0),
                name="scan_pixel_has_shape",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.origin} scan {str(self.public_id)[:8]}"

    @property
    def upright_height(self) -> int:
        """Rows the scan would have if its pixels were square."""
        return round(self.rows * self.pixel_aspect)

    @property
    def window(self) -> tuple[float, float] | None:
        """(centre, width) in canonical grey levels, or None for the full range."""
        if self.window_centre is None or self.window_width is None:
            return None
        return self.window_centre, self.window_width


class IntakeItem(models.Model):
    """One file of an import and what became of it: what a resumed import goes by."""

    class State(models.TextChoices):
        WAITING = "waiting"
        IMPORTED = "imported"
        DUPLICATE = "duplicate"
        REFUSED = "refused"

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="items")
    name = models.CharField(max_length=500)
    row = models.JSONField(default=dict)
    state = models.CharField(max_length=12, choices=State.choices, default=State.WAITING)
    code = models.CharField(max_length=32, blank=True)
    message = models.CharField(max_length=500, blank=True)
    scan = models.ForeignKey(Scan, null=True, on_delete=models.SET_NULL, related_name="items")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["batch", "name"], name="file_once_a_batch")]
        indexes = [models.Index(fields=["batch", "state"])]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"


class NearDuplicateQuerySet(models.QuerySet["NearDuplicate"]):
    def of(self, scan: Scan) -> NearDuplicateQuerySet:
        return self.filter(models.Q(first=scan) | models.Q(second=scan))


class NearDuplicate(models.Model):
    """Two scans that show nearly the same picture."""

    first = models.ForeignKey(Scan, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Scan, on_delete=models.CASCADE, related_name="+")
    distance = models.PositiveSmallIntegerField(help_text="Bits that the two hashes differ in.")
    correlation = models.FloatField(help_text="Of the two pictures at 64 x 64.")
    across_origins = models.BooleanField(
        default=False, help_text="An acquired and a generated scan: memorisation."
    )

    objects = NearDuplicateQuerySet.as_manager()

    class Meta:
        ordering = ["-across_origins", "-correlation"]
        constraints = [models.UniqueConstraint(fields=["first", "second"], name="pair_once")]

    def __str__(self) -> str:
        return f"r = {self.correlation:.3f}"

    @property
    def both(self) -> tuple[Scan, Scan]:
        return self.first, self.second
