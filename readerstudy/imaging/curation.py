"""What researchers do to scans of the archive: review burned-in text, delete."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from readerstudy.audit import trail
from readerstudy.imaging import fingerprints, storage
from readerstudy.imaging.deidentification import CLEAN_PIXELS
from readerstudy.imaging.models import Batch, Scan
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


def in_studies(scans: QuerySet[Scan]) -> QuerySet[Scan]:
    """Those of ``scans`` that some study holds."""
    return scans.filter(cases__isnull=False).distinct()


MOST_MARKS = 100


def marks_of(text: str, scan: Scan) -> list[TextBox]:
    """Rectangles that a person drew on the scan, from the page's JSON.

    Raises ``ValueError`` for anything but at most 100 of them within the picture.
    """
    try:
        said = json.loads(text or "[]")
        boxes = [
            TextBox(
                int(one["row"]), int(one["column"]), int(one["height"]), int(one["width"]), "text"
            )
            for one in said
        ]
    except (ValueError, TypeError, KeyError):
        raise ValueError("the marked rectangles could not be read: mark them again") from None
    if len(boxes) > MOST_MARKS:
        raise ValueError(f"{len(boxes)} rectangles; at most {MOST_MARKS} are taken at a time")
    for box in boxes:
        inside = box.row >= 0 and box.column >= 0 and box.height > 0 and box.width > 0
        if not (
            inside and box.row + box.height <= scan.rows and box.column + box.width <= scan.columns
        ):
            raise ValueError(
                f"a rectangle at row {box.row}, column {box.column} leaves the picture of "
                f"{scan.columns} x {scan.rows} pixels"
            )
    return boxes


def mask_text(scan: Scan, *, marks: Sequence[TextBox] = (), by: Any = None) -> None:
    """Paint over the scan's text boxes and what a person marked beside them, for good.

    Raises ``InUse`` when a study that is locked or beyond holds the scan: its frames are drawn from
    these pixels. Raises ``ValueError`` when there is nothing to mask.
    """
    found = [TextBox(**box) for box in scan.text_boxes]
    # What is painted over already stays as it is.
    boxes = [*([] if scan.text_review == Scan.TextReview.MASKED else found), *marks]
    if not boxes:
        raise ValueError(
            f"{scan}: no burned-in text was found or marked, so there is nothing to mask"
        )
    held = [use.title for use in uses_of(scan) if use.status != "draft"]
    if held:
        raise InUse(f"{scan} is part of {', '.join(held)}: its pixels stay as they are")
    before = Scan.objects.get(pk=scan.pk)
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
    scan.text_boxes = [*scan.text_boxes, *(box.to_dict() for box in marks)]
    scan.text_review = Scan.TextReview.MASKED
    count = len(scan.text_boxes)
    places = "1 place" if count == 1 else f"{count} places"
    _note(scan, f"{places} painted over after review.")
    if scan.header:
        scan.header["BurnedInAnnotation"] = "NO"
    with transaction.atomic():
        scan.save(
            update_fields=[
                "source_hash", "pixel_hash", "pixels_key", "thumbnail_key", "text_review",
                "text_boxes", "deidentification", "header",
            ]
        )  # fmt: skip
        trail.record("scan.text_masked", actor=by, on=scan, boxes=len(boxes))
    if before.pixels_key != scan.pixels_key:
        storage.remove(before)


def accept_text(scan: Scan, *, by: Any = None) -> None:
    """Keep what was found: it tells nothing about the patient or the origin."""
    _note(scan, "Seen by a person, and kept: it names nobody.")
    with transaction.atomic():
        scan.text_review = Scan.TextReview.ACCEPTED
        scan.save(update_fields=["text_review", "deidentification"])
        trail.record("scan.text_accepted", actor=by, on=scan, boxes=len(scan.text_boxes))


def _note(scan: Scan, said: str) -> None:
    """Write into the de-identification report what became of the pixels: clean, from now on."""
    report = {**scan.deidentification, "pixels": said}
    options = list(report.get("options", []))
    if CLEAN_PIXELS not in options:
        report["options"] = [CLEAN_PIXELS, *options]
    scan.deidentification = report


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


def take_back(
    batch: Batch, *, by: Any = None, progress: Callable[[int, int], None] | None = None
) -> tuple[int, int]:
    """Delete every scan that an import brought and no study holds: how many went, how many stayed.

    Stopped and called again, it goes on. The import's own record stays, with what became of its
    files.
    """
    scans = list(batch.scans.order_by("pk"))
    gone = kept = 0
    for number, scan in enumerate(scans, start=1):
        try:
            delete_scan(scan, by=by)
            gone += 1
        except InUse:
            kept += 1
        if progress is not None:
            progress(number, len(scans))
    trail.record("archive.import_taken_back", actor=by, on=batch, deleted=gone, kept_in_use=kept)
    return gone, kept
