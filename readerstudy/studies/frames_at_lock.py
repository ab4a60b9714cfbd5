"""Render the frame of every case, make them equally long, and audit the blinding."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from numpy.typing import NDArray

from readerstudy.imaging import archive_audit, audit_pairs, blinding_audit, case_frames, frames
from readerstudy.imaging.models import Scan
from readerstudy.studies.errors import StudyError
from readerstudy.studies.models import Frame, Study
from readerstudy.studies.protocol import Protocol

Progress = Callable[[int, int, str], None]
# Lengths are rounded up to whole pages, so that the length shared by a study's frames does not
# even say how well its hardest case was compressed.
_PAGE = 4096


def render(study: Study, progress: Progress) -> None:
    """Render, pad and store what is missing. Called again after a killed worker, it goes on.

    Frames are written under random names. Until :func:`pad` has run, their length would tell how
    well each was compressed; no reader can fetch anything of a draft.
    """
    protocol = Protocol.model_validate(study.protocol).rendering
    cases = list(study.cases.select_related("scan", "frame").order_by("number"))
    missing = [case for case in cases if not hasattr(case, "frame")]
    done = len(cases) - len(missing)
    progress(done, len(cases), "Rendering frames")
    acquired = [case.scan for case in cases if case.scan.origin == Scan.Origin.ACQUIRED]
    reference = case_frames.reference_of(acquired, protocol) if missing else None
    rendered = case_frames.packed_frames(
        (case.scan for case in missing), protocol, reference=reference, seed=study.seed
    )
    with contextlib.closing(rendered):  # a job that is stopped stops its processes
        for case, (container, pixels_sha256) in zip(missing, rendered, strict=True):
            frame = Frame(
                case=case,
                sha256=hashlib.sha256(container).hexdigest(),
                pixels_sha256=pixels_sha256,
                byte_length=len(container),
            )
            frame.storage_key = f"frames/{study.public_id}/{frame.public_id}"
            _store(frame.storage_key, container)
            frame.save(force_insert=True)
            done += 1
            progress(done, len(cases), f"Rendered case {case.number}")
    pad(study)
    progress(len(cases), len(cases), "Every frame is rendered")


def pad(study: Study) -> None:
    """Give all frames of the study the same number of bytes."""
    rendered = list(Frame.objects.filter(case__study=study))
    if not rendered:
        return
    longest = max(frame.byte_length for frame in rendered)
    length = -(-longest // _PAGE) * _PAGE
    for frame in rendered:
        if frame.byte_length == length:
            continue
        with default_storage.open(frame.storage_key) as stored:
            container = frames.pad(stored.read(), length)
        _store(frame.storage_key, container)
        frame.sha256 = hashlib.sha256(container).hexdigest()
        frame.byte_length = length
        frame.save(update_fields=["sha256", "byte_length"])


def check(study: Study) -> None:
    """Read every stored frame back. Raises ``StudyError`` naming the first that is not right."""
    lengths = set()
    for case in study.cases.select_related("frame").order_by("number"):
        frame = getattr(case, "frame", None)
        if frame is None:
            raise StudyError(f"Case {case.number} has no frame; lock again to render it.")
        with default_storage.open(frame.storage_key) as stored:
            container = stored.read()
        if hashlib.sha256(container).hexdigest() != frame.sha256:
            raise StudyError(f"The stored frame of case {case.number} is not what was rendered.")
        lengths.add(len(container))
    if len(lengths) > 1:
        raise StudyError(f"Frames differ in length: {sorted(lengths)} bytes.")


def discard(study: Study) -> None:
    """Remove the frames of a draft, rows and files."""
    for frame in Frame.objects.filter(case__study=study):
        default_storage.delete(frame.storage_key)
        frame.delete()


def _store(key: str, content: bytes) -> None:
    # Storages choose another name when one is taken: a frame must lie under the name in its row.
    if default_storage.exists(key):
        default_storage.delete(key)
    stored = default_storage.save(key, ContentFile(content))
    if stored != key:
        raise StudyError(f"The storage kept {key} as {stored}.")


def audit(study: Study) -> dict[str, Any]:
    """The blinding audit of the study's rendered frames, as plain JSON values; beside it, under
    "as_kept", what the same cases would have told before they were rendered."""
    limit = Protocol.model_validate(study.protocol).blinding_limit
    cases = list(study.cases.select_related("scan", "frame").order_by("number"))
    result = blinding_audit.audit_arrays(
        (_pixels(case.frame) for case in cases),
        [case.scan.origin for case in cases],
        groups=[case.scan.patient_key for case in cases],
        limit=limit,
    )
    kept = archive_audit.audit_scans(
        [case.scan for case in cases], limit=limit, permutations=999, classify=False
    )
    found = result.to_dict()
    return {
        **found,
        "cases": [case.number for case in cases],
        "pictures": audit_pairs.keep(
            (place, *_pixels(cases[place].frame)) for place in audit_pairs.places(found)
        ),
        "as_kept": kept.to_dict(),
    }


def _pixels(frame: Frame) -> tuple[NDArray[np.uint16], int]:
    with default_storage.open(frame.storage_key) as stored:
        return frames.decode(stored.read())
