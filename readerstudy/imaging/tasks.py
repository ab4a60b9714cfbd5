"""The imaging room's long work."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from django.urls import reverse

from readerstudy.audit import trail
from readerstudy.imaging import curation, intake, uploads
from readerstudy.imaging.dicomweb import DicomWebSource
from readerstudy.imaging.models import Batch
from readerstudy.imaging.pseudonyms import unseal
from readerstudy.imaging.sources import FolderSource, Source, open_source
from readerstudy.jobs.queue import Running, kind


def source_of(options: dict[str, Any]) -> Source:
    """The source that a batch's options name. Raises ``SourceError``."""
    match options["kind"]:
        case "upload":
            return FolderSource(uploads.folder_of(UUID(options["upload"])))
        case "dicomweb":
            token = unseal(options["token"]) if options.get("token") else ""
            return DicomWebSource(options["url"], filters=options.get("filters"), token=token)
        case _:
            return open_source(Path(options["path"]))


@kind("imaging.intake")
def import_batch(job: Running) -> dict[str, Any]:
    """Import what still waits of a batch. Called again after a killed worker, it goes on."""
    batch = Batch.objects.get(public_id=job.parameters["batch"])
    options = job.parameters["source"]
    source = source_of(options)
    if options["kind"] == "dicomweb" and not batch.items.exists():
        job.progress(0, None, "asking the server what it holds")
        intake.list_items(batch, source.names())
    shown = 0

    def progress(done: int, total: int, message: str) -> None:
        nonlocal shown
        fresh = list(batch.scans.order_by("id")[shown : shown + 8]) if done else []
        shown += len(fresh)
        job.progress(
            done,
            total,
            message,
            exhibits=[
                {
                    "image": reverse("archive:thumbnail", args=[scan.public_id]),
                    "link": reverse("archive:scan", args=[scan.public_id]),
                    "caption": scan.source_name[-40:] or str(scan.public_id)[:8],
                }
                for scan in fresh
            ],
        )

    summary = intake.run(batch, source, progress=progress).to_dict()
    trail.record(
        "archive.imported", actor=batch.created_by, on=batch, source=batch.source, **summary
    )
    if options["kind"] == "upload":
        uploads.discard(UUID(options["upload"]))
    uploads.discard_forgotten()
    return {
        **summary,
        "links": [
            {"url": reverse("archive:batch", args=[batch.public_id]), "text": "What was imported"},
            {"url": f"{reverse('archive:list')}?batch={batch.public_id}", "text": "The scans"},
        ],
    }


@kind("imaging.take-back")
def take_back(job: Running) -> dict[str, Any]:
    """Delete what an import brought, but for scans that a study holds."""
    batch = Batch.objects.get(public_id=job.parameters["batch"])
    total = batch.scans.count()
    gone, kept = curation.take_back(batch, by=job.row.created_by, progress=job.progress)
    stay = f"{kept} stay, as a study holds them" if kept else "none stay"
    job.progress(total, total, f"{gone} scan{'' if gone == 1 else 's'} deleted; {stay}.")
    return {
        "deleted": gone,
        "kept": kept,
        "links": [{"url": reverse("archive:batch", args=[batch.public_id]), "text": "The import"}],
    }


@kind("imaging.blinding-audit")
def audit_archive(job: Running) -> dict[str, Any]:
    """Look for cues to the origin among scans of the archive."""
    from readerstudy.imaging import archive_audit

    return archive_audit.run(job.parameters, job.progress)
