"""The model card: what a generator was trained on, how far, by which code, and how it measured."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any


def code_version() -> str:
    """Version of this software as installed; ``unknown`` from a bare checkout."""
    try:
        return metadata.version("readerstudy")
    except metadata.PackageNotFoundError:
        return "unknown"


def model_card(
    *,
    name: str = "",
    data: Mapping[str, Any] | str = "",
    images_seen: int = 0,
    resolution: int = 0,
    metrics: Mapping[str, Any] | None = None,
    licence: str = "not stated",
    source_format: str = "synthesis.pggan.generator",
    training: Mapping[str, Any] | None = None,
    notes: str = "",
) -> dict[str, Any]:
    """A model card as a JSON-ready dictionary.

    Args:
        data: what the films were, how many, of how many patients, held out how.
        images_seen: real images shown in training, repeats counted.
        metrics: name to value; each value with its n where it has one.
        licence: of the weights, which the films' terms may bind.
    """
    return {
        "name": name,
        "data": dict(data) if isinstance(data, Mapping) else data,
        "images_seen": images_seen,
        "resolution": resolution,
        "date": datetime.now(UTC).date().isoformat(),
        "code_version": code_version(),
        "metrics": dict(metrics or {}),
        "licence": licence,
        "source_format": source_format,
        "training": dict(training or {}),
        "notes": notes,
        "intended_use": "reader studies and research; not for clinical use",
    }
