"""Files into the archive."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Q

from readerstudy.imaging import storage
from readerstudy.imaging.adding import add_scan
from readerstudy.imaging.committing import Result, commit
from readerstudy.imaging.decoding.limits import Limits
from readerstudy.imaging.decoding.pool import DecodingPool
from readerstudy.imaging.decoding.refusal import Refused
from readerstudy.imaging.duplicates import find_near_duplicates, lots
from readerstudy.imaging.manifest import Manifest, ManifestError, Row, WrongRow, parse
from readerstudy.imaging.models import Batch, IntakeItem, NearDuplicate, Scan
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
    pending: list[Result] = []
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
            pending.append(Result(item, spool, answer))
            done += 1
            if len(pending) >= COMMIT_EVERY:
                commit(batch, pending)
                pending.clear()
                tell(done, total, item.name)
        commit(batch, pending)
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


__all__ = [
    "ManifestError", "Summary", "WrongRows", "add_scan", "open_source", "prepare", "run", "summary",
]  # fmt: skip
