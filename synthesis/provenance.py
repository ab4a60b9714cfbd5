"""What is kept of every generated scan, enough to make it again to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from readerstudy import __version__
from synthesis.models import Generator

SCHEMA = 1


def of_sample(
    generator: Generator,
    *,
    seed: int,
    index: int,
    truncation: float | None,
    bits: int,
    device: str = "cpu",
    condition: dict[str, Any] | None = None,
    wanted_labels: Sequence[str] = (),
    obtained_labels: dict[str, float] | None = None,
    job: str = "",
    torch_version: str = "",
) -> dict[str, Any]:
    """The provenance of image ``index`` of ``seed``.

    ``wanted_labels`` are what a guided sampling asked for, ``obtained_labels`` what a classifier
    saw in the image (label -> probability). An unguided sample wants nothing and was not
    classified: both are then empty, and are still written, so that nobody has to guess.
    ``condition`` is what a conditional generator was told (see ``condition()``).
    """
    return {
        "schema": SCHEMA,
        "method": "pggan.sample",
        "generator": {
            "name": generator.name,
            "digest": generator.digest,
            "format": generator.source_format,
            "source_digest": generator.source_digest,
            "resolution": generator.resolution,
            "latent_size": generator.latent_size,
        },
        "seed": seed,
        "index": index,
        "truncation": truncation,
        "latent": "standard normal, Philox keyed by (seed, index)",
        **({"condition": condition} if condition else {}),
        "wanted_labels": list(wanted_labels),
        "obtained_labels": obtained_labels or {},
        "bits": bits,
        "device": device,
        "software": {"readerstudy": __version__, "torch": torch_version},
        "job": job,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def condition(
    groups: Sequence[dict[str, Any]],
    told: Sequence[int],
    asked: Sequence[int | None] | None,
) -> dict[str, Any] | None:
    """What a conditional generator was told: each group's label, and which of them was asked for;
    the others were drawn by the image's seed and index. ``None`` where there are no labels."""
    if not groups:
        return None
    return {
        "labels": {
            group["name"]: group["values"][place] for group, place in zip(groups, told, strict=True)
        },
        "asked": list(asked) if asked is not None else None,
    }
