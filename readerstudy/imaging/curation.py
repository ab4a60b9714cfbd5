"""What researchers do to scans of the archive: review burned-in text, delete."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from readerstudy.audit import trail
from readerstudy.imaging import fingerprints, storage
from readerstudy.imaging.models import Scan
from readerstudy.imaging.pixel_text import TextBox, paint_over


class InUse(Exception):
    """A scan that a study needs."""


@dataclass(frozen=True, slots=True)
class Use:
    """A study that a scan is enrolled in."""

    title: str
    status: str


def uses_of(scan: Scan) -> list[Use]:
    """Studies that hold the scan as a case, whatever their state.

    The studies' tables point here and not the other way round, so the question goes through the
    relation they bring.
    """
    cases: Any = getattr(scan, "cases", None)
    if cases is None:
        return []
    return [Use(case.study.title, case.study.status) for case in cases.select_related("study")]


def mask_text(scan: Scan, *, by: Any = None) -> None:
    """Paint over the scan's text boxes, for good.

    Raises ``InUse`` when a study that is locked or beyond holds the scan: its frames are drawn from
    these pixels. Raises ``ValueError`` when there is nothing to mask.
    """
    if not scan.text_boxes:
        raise ValueError(f"{scan}: no burned-in text was found, so there is nothing to mask")
    held = [use.title for use in uses_of(scan) if use.status != "draft"]
    if held:
        raise InUse(f"{scan} is part of {', '.join(held)}: its pixels stay as they are")
    before = Scan.objects.get(pk=scan.pk)
    boxes = [TextBox(**box) for box in scan.text_boxes]
    pixels = paint_over(storage.read_pixels(scan), boxes)
    digest = fingerprints.pixel_hash(pixels, scan.bits)
    storage.put_pixels(storage.pixels_key(digest), pixels, scan.bits)
    picture = fingerprints.preview(pixels, scan.bits, scan.window)
    storage.put_bytes(
        storage.thumbnail_key(digest), fingerprints.thumbnail(picture, scan.pixel_aspect)
    )
    scan.source_hash = scan.source_hash or scan.pixel_hash
    scan.pixel_hash = digest
    scan.pixels_key, scan.thumbnail_key = storage.pixels_key(digest), storage.thumbnail_key(digest)
    scan.text_review = Scan.TextReview.MASKED
    with transaction.atomic():
        scan.save(
            update_fields=[
                "source_hash", "pixel_hash", "pixels_key", "thumbnail_key", "text_review"
            ]
        )  # fmt: skip
        trail.record("scan.text_masked", actor=by, on=scan, boxes=len(boxes))
    if before.pixels_key != scan.pixels_key:
        storage.remove(before)


def accept_text(scan: Scan, *, by: Any = None) -> None:
    """Keep what was found: it tells nothing about the patient or the origin."""
    with transaction.atomic():
        scan.text_review = Scan.TextReview.ACCEPTED
        scan.save(update_fields=["text_review"])
        trail.record("scan.text_accepted", actor=by, on=scan, boxes=len(scan.text_boxes))


def delete_scan(scan: Scan, *, by: Any = None) -> None:
    """Delete a scan with its pixels. Raises ``InUse`` when a study holds it."""
    uses = uses_of(scan)
    if uses:
        titles = ", ".join(use.title for use in uses)
        raise InUse(f"{scan} is a case of {titles}: take it out of the study first")
    with transaction.atomic():
        trail.record(
            "scan.deleted", actor=by, on=scan, origin=scan.origin, pixel_hash=scan.pixel_hash
        )
        scan.delete()
    storage.remove(scan)


def delete_scans(scans: Iterable[Scan], *, by: Any = None) -> tuple[int, int]:
    """Delete what no study holds. Returns how many went and how many stayed."""
    gone = kept = 0
    for scan in scans:
        try:
            delete_scan(scan, by=by)
            gone += 1
        except InUse:
            kept += 1
    return gone, kept
