"""What the decoders found, into the archive: scans and outcomes of one lot together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from readerstudy.imaging import storage
from readerstudy.imaging.adding import labels_named
from readerstudy.imaging.models import Batch, IntakeItem, Scan
from readerstudy.imaging.pseudonyms import patient_key


@dataclass(slots=True)
class Result:
    """A file of the batch, where its pixels lie for now, and what the decoder said of it."""

    item: IntakeItem
    spool: Path
    answer: dict[str, Any]


def commit(batch: Batch, results: list[Result]) -> None:
    """Write scans and outcomes of one lot in one transaction; their spooled files go."""
    if not results:
        return
    hashes = [result.answer["pixel_hash"] for result in results if "pixel_hash" in result.answer]
    known = dict(Scan.objects.filter(source_hash__in=hashes).values_list("source_hash", "pk"))
    known |= dict(Scan.objects.filter(pixel_hash__in=hashes).values_list("pixel_hash", "pk"))
    new: dict[str, Scan] = {}
    words: dict[str, list[str]] = {}
    for result in results:
        answer, item = result.answer, result.item
        if "pixel_hash" not in answer:
            item.state = IntakeItem.State.REFUSED
            item.code, item.message = answer["code"][:32], answer["message"][:500]
            continue
        digest = answer["pixel_hash"]
        if digest in known or digest in new:
            item.state = IntakeItem.State.DUPLICATE
            continue
        storage.put_file(storage.pixels_key(digest), result.spool.with_suffix(".npy"))
        storage.put_file(storage.thumbnail_key(digest), result.spool.with_suffix(".jpg"))
        scan = _scan(batch, item, answer)
        new[digest], words[digest] = scan, item.row.get("labels", [])
        item.state = IntakeItem.State.IMPORTED
    labels = labels_named(word for some in words.values() for word in some)
    with transaction.atomic():
        # A row that another process wrote meanwhile is kept, ours is passed over.
        Scan.objects.bulk_create(new.values(), ignore_conflicts=True)
        rows = known | dict(
            Scan.objects.filter(pixel_hash__in=list(new)).values_list("pixel_hash", "pk")
        )
        ours = set(
            Scan.objects.filter(
                public_id__in=[scan.public_id for scan in new.values()]
            ).values_list("pixel_hash", flat=True)
        )
        through = Scan.labels.through
        through.objects.bulk_create(
            [
                through(scan_id=rows[digest], label_id=labels[word].pk)
                for digest in ours
                for word in dict.fromkeys(words[digest])
            ],
            ignore_conflicts=True,
        )
        for result in results:
            digest = result.answer.get("pixel_hash")
            if digest:
                result.item.scan_id = rows[digest]
                if result.item.state == IntakeItem.State.IMPORTED and digest not in ours:
                    result.item.state = IntakeItem.State.DUPLICATE
        IntakeItem.objects.bulk_update(
            [result.item for result in results], ["state", "code", "message", "scan"]
        )
    for result in results:
        for suffix in (".npy", ".jpg", ".member"):
            result.spool.with_suffix(suffix).unlink(missing_ok=True)


def _scan(batch: Batch, item: IntakeItem, answer: dict[str, Any]) -> Scan:
    row = item.row
    spacing = answer["spacing_mm"]
    if spacing is None and row.get("spacing_of_width"):
        published, width = row["spacing_of_width"]
        spacing = published * width / answer["columns"]
    metadata = dict(row.get("metadata", {}))
    if answer["notes"]:
        metadata["notes on decoding"] = answer["notes"]
    is_dicom = answer["source_format"].startswith("DICOM")
    return Scan(
        origin=row.get("origin") or batch.options.get("origin", Scan.Origin.ACQUIRED),
        batch=batch,
        pixels_key=storage.pixels_key(answer["pixel_hash"]),
        thumbnail_key=storage.thumbnail_key(answer["pixel_hash"]),
        pixel_hash=answer["pixel_hash"],
        perceptual_hash=answer["perceptual_hash"],
        rows=answer["rows"],
        columns=answer["columns"],
        bits=answer["bits"],
        window_centre=answer["window_centre"],
        window_width=answer["window_width"],
        spacing_mm=spacing,
        pixel_aspect=answer["pixel_aspect"],
        source_format=answer["source_format"],
        source_bytes=answer["source_bytes"],
        # Names of DICOM files often are the patient's: the kept header names those scans.
        source_name="" if is_dicom and not row else item.name[:300],
        # Kept for the time of the import as a pseudonym already: see `prepare`.
        patient_key=row.get("patient") or patient_key(answer["patient_id"]),
        sex=row.get("sex") or answer["sex"],
        age_years=row["age"] if row.get("age") is not None else answer["age_years"],
        view=row.get("view") or answer["view"],
        split=row.get("split", ""),
        metadata=metadata,
        header=answer["header"],
        deidentification=answer["deidentification"],
        source_hash=answer.get("source_hash", ""),
        text_review=_text_review(answer),
        text_boxes=answer.get("text_boxes", []),
        generator_name=row.get("generator", ""),
    )


def _text_review(answer: dict[str, Any]) -> str:
    if answer.get("source_hash"):
        return Scan.TextReview.MASKED
    found = any(box["kind"] == "text" for box in answer.get("text_boxes", ()))
    found = found or answer.get("says_text", False)
    return Scan.TextReview.FOUND if found else Scan.TextReview.NONE
