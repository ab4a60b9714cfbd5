"""Generators that the archive's synthetic scans come from."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class Generator(models.Model):
    """A trained checkpoint, stored in our own format (see synthesis.pggan.checkpoints)."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=100, unique=True)
    digest = models.CharField(max_length=64, unique=True)
    checkpoint_key = models.CharField(max_length=200)
    source_format = models.CharField(max_length=32)
    resolution = models.PositiveIntegerField()
    channels = models.PositiveSmallIntegerField(default=1)
    latent_size = models.PositiveIntegerField()
    parameters = models.PositiveIntegerField()
    card = models.JSONField(default=dict)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
