"""Files and arrays into the archive."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models import Q
from numpy.typing import NDArray

from readerstudy.imaging import fingerprints, storage
from readerstudy.imaging.decoding.limits import Limits
from readerstudy.imaging.decoding.pool import DecodingPool
from readerstudy.imaging.decoding.refusal import Refused
from readerstudy.imaging.duplicates import find_near_duplicates, lots
from readerstudy.imaging.manifest import Manifest, ManifestError, Row, WrongRow, parse
from readerstudy.imaging.models import Batch, IntakeItem, Label, NearDuplicate, Scan
from readerstudy.imaging.pseudonyms import patient_key, secret
from readerstudy.imaging.sources import Source, open_source, spool_folder

COMMIT_EVERY = 50

Progress = Callable[[int, int, str], None]


class WrongRows(Exception):
    """A manifest with wrong rows: nothing was imported."""

    def __init__(self, wrong: list[WrongRow]) -> None:
        super().__init__(
            f"{len(wrong)} wrong row{'s' if len(wrong) != 1 else ''} in the manifest; nothing was "
            "imported. Correct them, or pass them over with --skip-bad."
        )
        self.wrong = wrong


@dataclass(slots=True)
class Summary:
    """What became of a batch."""

    imported: int = 0
    duplicates: int = 0
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    near_duplicates: int = 0
    memorised: int = 0
    text_found: int = 0

    @property
    def files(self) -> int:
        return self.imported + self.duplicates + self.refused

    def to_dict(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "imported": self.imported,
            "duplicates": self.duplicates,
            "refused": self.refused,
            "reasons": dict(self.reasons),
            "near_duplicates": self.near_duplicates,
            "memorised": self.memorised,
            "text_found": self.text_found,
        }


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
            scan.labels.set(_labels(labels).values())
    except IntegrityError:  # another process brought the same pixels meanwhile
        return Scan.objects.get(pixel_hash=digest), False
    find_near_duplicates([scan])
    return scan, True


def prepare(
    source: Source,
    *,
    manifest: bytes | None = None,
    origin: str = Scan.Origin.ACQUIRED,
    skip_bad: bool = False,
    by: Any = None,
    options: dict[str, Any] | None = None,
) -> tuple[Batch, list[WrongRow]]:
    """Write down what is to be imported: a batch with one item a file, nothing decoded yet.

    Without ``manifest`` the one that lies with the files is taken. Raises ``ManifestError`` for a
    manifest that cannot be read and ``WrongRows`` when rows are wrong and ``skip_bad`` is not set.
    """
    names = source.names()
    content = manifest
    if content is None and (beside := source.manifest()) is not None:
        content = beside[1]
    table: Manifest | None = None
    matched: dict[str, Row] = {}
    if content is not None:
        table = parse(content)
        matched = table.match(names)
        if table.wrong and not skip_bad:
            raise WrongRows(table.wrong)
    wrong = table.wrong if table is not None else []
    # A file whose only row is wrong is not imported as if nothing had been said of it.
    told_wrongly = table.told_wrongly(names) if table is not None else set()
    with transaction.atomic():
        batch = Batch.objects.create(
            source=source.title[:500],
            created_by=by,
            options={
                "origin": str(origin),
                "manifest": table is not None,
                "layout": table.layout if table else "",
                "wrong_rows": [str(row) for row in wrong][:1000],
                "without_row": len(names) - len(matched) if table else 0,
                **(options or {}),
            },
        )
        IntakeItem.objects.bulk_create(
            [
                IntakeItem(
                    batch=batch,
                    name=name,
                    row=_row(matched[name]) if name in matched else {},
                )
                for name in names
                if name in matched or name not in told_wrongly
            ],
            batch_size=500,
        )
    return batch, wrong


def _row(row: Row) -> dict[str, Any]:
    """What an item remembers of its row. The patient's identifier is not written down anywhere,
    only its keyed pseudonym."""
    return {**row.to_dict(), "patient": patient_key(row.patient)}


def list_items(batch: Batch, names: Iterable[str]) -> None:
    """Write down files of a source that could not be listed before; known names are kept. All or
    none: a worker that is killed meanwhile must not leave half a list behind."""
    with transaction.atomic():
        IntakeItem.objects.bulk_create(
            [IntakeItem(batch=batch, name=name) for name in names],
            batch_size=500,
            ignore_conflicts=True,
        )


def run(
    batch: Batch,
    source: Source,
    *,
    processes: int | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Import every file of ``batch`` that still waits. Stops and starts again without doubling:
    each file's outcome is written with its scan in one transaction."""
    limits = limits or Limits()
    total = batch.items.count()
    done = total - batch.items.filter(state=IntakeItem.State.WAITING).count()
    tell = progress or (lambda done, total, message: None)
    tell(done, total, "")
    pending: list[_Result] = []
    with (
        spool_folder(storage.spool_directory()) as folder,
        DecodingPool(
            processes=processes or os.cpu_count() or 1,
            limits=limits,
            key=secret().hex(),
            options=batch.options,
        ) as pool,
    ):
        for (item, spool), answer in pool.examine_all(_requests(batch, source, folder)):
            pending.append(_Result(item, spool, answer))
            done += 1
            if len(pending) >= COMMIT_EVERY:
                _commit(batch, pending)
                pending.clear()
                tell(done, total, item.name)
        _commit(batch, pending)
        tell(done, total, "looking for near duplicates")
    for lot in lots(list(batch.scans.values_list("pk", flat=True))):
        find_near_duplicates(lot)
    tell(done, total, "")
    return summary(batch)


def summary(batch: Batch) -> Summary:
    """Counts of what became of the batch's files."""
    result = Summary()
    for state, code in batch.items.values_list("state", "code"):
        if state == IntakeItem.State.IMPORTED:
            result.imported += 1
        elif state == IntakeItem.State.DUPLICATE:
            result.duplicates += 1
        elif state == IntakeItem.State.REFUSED:
            result.refused += 1
            result.reasons[code] += 1
    pairs = NearDuplicate.objects.filter(
        Q(first__batch=batch) | Q(second__batch=batch)
    ).values_list("across_origins", flat=True)
    result.near_duplicates, result.memorised = len(pairs), sum(pairs)
    result.text_found = batch.scans.filter(text_review=Scan.TextReview.FOUND).count()
    return result


@dataclass(slots=True)
class _Result:
    item: IntakeItem
    spool: Path
    answer: dict[str, Any]


def _requests(
    batch: Batch, source: Source, folder: Path
) -> Iterator[tuple[tuple[IntakeItem, Path], Path, Path, dict[str, Any]]]:
    waiting = batch.items.filter(state=IntakeItem.State.WAITING).order_by("id")
    for number, item in enumerate(waiting.iterator(chunk_size=200)):
        spool = folder / f"{number}"
        request: dict[str, Any] = {}
        path = folder / "nothing"
        if item.row.get("view") == "LATERAL":
            request = {"refuse": ["lateral", "the manifest says that this is a lateral view"]}
        else:
            try:
                path = source.fetch(item.name, spool)
            except Refused as refusal:
                request = {"refuse": [refusal.code, refusal.message]}
        yield (item, spool), path, spool, request


def _commit(batch: Batch, results: list[_Result]) -> None:
    """Write scans and outcomes of one lot together."""
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
    labels = _labels(word for some in words.values() for word in some)
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


def _labels(words: Iterable[str]) -> dict[str, Label]:
    wanted = list(dict.fromkeys(words))
    if not wanted:
        return {}
    Label.objects.bulk_create([Label(name=word) for word in wanted], ignore_conflicts=True)
    return {label.name: label for label in Label.objects.filter(name__in=wanted)}


__all__ = [
    "ManifestError", "Summary", "WrongRows", "add_scan", "open_source", "prepare", "run", "summary",
]  # fmt: skip
