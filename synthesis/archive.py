"""Generated scans into the scan archive, each with its provenance, none twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.urls import reverse
from numpy.typing import NDArray

from readerstudy.imaging.models import Batch, Scan
from synthesis.models import Generator


def to_pixels(image: NDArray[Any], bits: int) -> NDArray[np.uint16]:
    """[0, 1] to 0 .. 2**bits - 1, rounded, (rows, columns); what lies outside is clipped.

    Raises ``ValueError`` for an image that is not two-dimensional or not finite.
    """
    if image.ndim != 2:
        raise ValueError(f"expected rows x columns, got an image of shape {image.shape}")
    if not np.isfinite(image).all():
        raise ValueError("the image holds values that are not finite: the checkpoint is damaged")
    return np.rint(np.clip(image, 0.0, 1.0) * ((1 << bits) - 1)).astype(np.uint16)


def add_generated(
    image: NDArray[Any],
    *,
    generator: Generator,
    provenance: dict[str, Any],
    batch: Batch | None,
    labels: tuple[str, ...] = (),
) -> tuple[Scan, bool]:
    """Put one image, (rows, columns) in [0, 1], into the archive.

    Gives the scan and whether it is new: the archive knows a picture by its pixels, so the same
    latent sampled again after a killed worker gives the scan that is there.
    """
    from readerstudy.imaging.intake import add_scan

    bits = int(provenance["bits"])
    scan, created = add_scan(
        to_pixels(image, bits),
        bits=bits,
        origin=Scan.Origin.GENERATED,
        source_format="pggan",
        labels=labels,
        generator_name=generator.name,
        generator_digest=generator.digest,
        provenance=provenance,
        batch=batch,
    )
    return scan, created


def archived_indices(
    generator: Generator,
    *,
    seed: int,
    truncation: float | None,
    labels: Sequence[int | None] | None = None,
) -> set[int]:
    """Latent indices of this seed, truncation and labels that the archive holds already."""
    scans = Scan.objects.filter(generator_digest=generator.digest, provenance__seed=seed)
    if truncation is None:
        scans = scans.filter(provenance__truncation=None)
    else:
        scans = scans.filter(provenance__truncation=truncation)
    if generator.config.get("label_sizes"):
        wanted = None if labels is None else list(labels)
        found = scans.values_list("provenance__index", "provenance__condition__asked")
        return {index for index, asked in found if asked == wanted}
    return set(scans.values_list("provenance__index", flat=True))


def exhibit(scan: Scan) -> dict[str, str]:
    """The scan as a picture on a job's page."""
    index = scan.provenance.get("index")
    told = scan.provenance.get("condition", {}).get("labels", {})
    caption = "Generated scan" if index is None else ", ".join([f"Latent {index}", *told.values()])
    return {
        "image": reverse("archive:thumbnail", args=[scan.public_id]),
        "link": reverse("archive:scan", args=[scan.public_id]),
        "caption": caption,
    }
