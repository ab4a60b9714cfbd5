"""One array into the archive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models import Q
from numpy.typing import NDArray

from readerstudy.imaging import fingerprints, storage
from readerstudy.imaging.duplicates import find_near_duplicates
from readerstudy.imaging.models import Batch, Label, Scan


def add_scan(
    pixels: NDArray[np.uint16],
    *,
    bits: int,
    origin: str,
    source_format: str,
    labels: Iterable[str] = (),
    patient_key: str = "",
    view: str = "",
    sex: str = "",
    age_years: int | None = None,
    spacing_mm: float | None = None,
    pixel_aspect: float = 1.0,
    window: tuple[float, float] | None = None,
    source_name: str = "",
    split: str = "",
    metadata: dict[str, Any] | None = None,
    generator_name: str = "",
    generator_digest: str = "",
    provenance: dict[str, Any] | None = None,
    batch: Batch | None = None,
) -> tuple[Scan, bool]:
    """Put one array into the archive; the second value says whether it is new.

    ``pixels`` is rows x columns of uint16, 0 .. ``2**bits - 1``, higher is brighter. The same
    pixels are never kept twice: the scan that is already there is returned as it is. A new scan is
    compared with the whole archive for near duplicates (a generated one for memorisation).

    Raises ``ValueError`` for another shape or type, or for pixels beyond ``bits``.
    """
    if pixels.ndim != 2 or pixels.dtype != np.uint16 or not pixels.size:
        raise ValueError(
            f"a scan is rows x columns of uint16, got {pixels.shape} of {pixels.dtype}"
        )
    if not 1 <= bits <= 16 or int(pixels.max()) >= 1 << bits:
        raise ValueError(
            f"{bits}-bit scan expected 0..{(1 << bits) - 1}, found {int(pixels.max())}"
        )
    if origin not in Scan.Origin.values:
        raise ValueError(f"origin is {origin!r}; 'acquired' or 'generated' is expected")
    digest = fingerprints.pixel_hash(pixels, bits)
    existing = Scan.objects.filter(Q(pixel_hash=digest) | Q(source_hash=digest)).first()
    if existing is not None:
        return existing, False
    storage.put_pixels(storage.pixels_key(digest), pixels, bits)
    picture = fingerprints.preview(pixels, bits, window)
    storage.put_bytes(storage.thumbnail_key(digest), fingerprints.thumbnail(picture, pixel_aspect))
    scan = Scan(
        origin=origin,
        batch=batch,
        pixels_key=storage.pixels_key(digest),
        thumbnail_key=storage.thumbnail_key(digest),
        pixel_hash=digest,
        perceptual_hash=fingerprints.perceptual_hash(fingerprints.preview(pixels, bits)),
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        bits=bits,
        window_centre=None if window is None else window[0],
        window_width=None if window is None else window[1],
        spacing_mm=spacing_mm,
        pixel_aspect=pixel_aspect,
        source_format=source_format[:32],
        source_name=source_name[:300],
        patient_key=patient_key,
        sex=sex,
        age_years=age_years,
        view=view,
        split=split,
        metadata=metadata or {},
        generator_name=generator_name,
        generator_digest=generator_digest,
        provenance=provenance or {},
    )
    try:
        with transaction.atomic():
            scan.save()
            scan.labels.set(labels_named(labels).values())
    except IntegrityError:  # another process brought the same pixels meanwhile
        return Scan.objects.get(pixel_hash=digest), False
    find_near_duplicates([scan])
    return scan, True


def labels_named(words: Iterable[str]) -> dict[str, Label]:
    """Label by word, made where it is new."""
    wanted = list(dict.fromkeys(words))
    if not wanted:
        return {}
    Label.objects.bulk_create([Label(name=word) for word in wanted], ignore_conflicts=True)
    return {label.name: label for label in Label.objects.filter(name__in=wanted)}
