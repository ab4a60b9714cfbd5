"""Record what a reader said. Revisions are added, never overwritten."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from readerstudy.reading import form
from readerstudy.reading.form import Answer, CueSaid, FindingSaid
from readerstudy.reading.models import Cue, Finding, Reading, SetAside, TechnicalFailure
from readerstudy.reading.refusal import Refused, not_yours
from readerstudy.reading.sitting import Sitting
from readerstudy.studies.models import Presentation, Reader, Session

__all__ = ["Answer", "CueSaid", "FindingSaid", "record_reading", "report_failure"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The stored revision; ``repeated`` when this very request had been taken before."""

    reading: Reading
    repeated: bool


def record_reading(
    *,
    reader: Reader,
    presentation_id: str | uuid.UUID,
    client_id: str | uuid.UUID,
    revision: int,
    answer: Answer,
    submitted: bool = True,
    based_on: str | uuid.UUID | None = None,
    timings: dict[str, Any] | None = None,
    viewer: dict[str, Any] | None = None,
    at: datetime | None = None,
) -> Recorded:
    """Add revision ``revision`` (from 1) of a reader's reading of a presentation.

    ``client_id`` names the request: the same one twice is one reading. ``submitted`` is false for
    a draft. ``based_on`` is the ``client_id`` of the revision that the reader saw when making this
    one: where another stands by now, this one comes too late. ``at`` is when the server received
    it, now unless a simulated reader says otherwise.

    Raises ``Refused``: 404 for whatever is not the reader's to answer now, 422 when the answer
    does not fit the form, 409 with code ``stale`` when this revision exists already (the late one
    is then kept as :class:`SetAside`, and the standing one is in ``more["standing"]``), ``locked``
    when the protocol allows no change, ``paused`` and ``closed``.
    """
    moment = at or timezone.now()
    try:
        with transaction.atomic():
            return _record(
                reader=reader,
                presentation_id=str(presentation_id),
                client_id=uuid.UUID(str(client_id)),
                revision=revision,
                answer=answer,
                submitted=submitted,
                based_on=str(based_on) if based_on else None,
                timings=timings or {},
                viewer=viewer or {},
                moment=moment,
            )
    except _TooLate as late:
        # Outside the rolled-back transaction, so that the late answer is kept.
        SetAside.objects.get_or_create(
            client_id=client_id,
            defaults={
                "presentation": late.presentation,
                "revision": revision,
                "at": moment,
                "content": {
                    "submitted": submitted,
                    "answer": answer.model_dump(mode="json"),
                    "timings": timings or {},
                    "viewer": viewer or {},
                },
            },
        )
        raise


class _TooLate(Refused):
    def __init__(self, presentation: Presentation, standing: Reading | None) -> None:
        super().__init__(
            "stale",
            "This case was answered in another window or on another device. That answer stands; "
            "the one from here was kept aside.",
            standing=as_json(standing) if standing else None,
        )
        self.presentation = presentation


def _record(
    *,
    reader: Reader,
    presentation_id: str,
    client_id: uuid.UUID,
    revision: int,
    answer: Answer,
    submitted: bool,
    based_on: str | None,
    timings: dict[str, Any],
    viewer: dict[str, Any],
    moment: datetime,
) -> Recorded:
    # One writer at a time for each reader: two tabs queue here and the second finds a revision.
    reader = Reader.objects.select_for_update().select_related("study").get(pk=reader.pk)
    before = Reading.objects.filter(client_id=client_id).select_related("presentation").first()
    if before is not None:
        return _same_again(before, reader, presentation_id)

    sitting = Sitting(reader, now=moment)
    sitting.require_reading()
    place = sitting.visible(presentation_id)
    presentation = place.presentation
    standing = _standing(presentation)
    latest = standing.revision if standing else 0
    foreign = standing is not None and based_on is not None and based_on != str(standing.client_id)
    known_late = SetAside.objects.filter(client_id=client_id).exists()
    if known_late or foreign or revision <= latest:
        raise _TooLate(presentation, standing)
    if revision != latest + 1:
        raise Refused(
            "gap",
            f"Revision {revision} was sent but {latest} is the latest here: send those between.",
            latest=latest,
        )
    if place.answered and not sitting.may_revise:
        raise Refused("locked", "This case was submitted and can no longer be changed.")
    form.check(answer, sitting.phase, complete=submitted)
    return Recorded(
        _write(presentation, client_id, revision, answer, submitted, timings, viewer, moment),
        repeated=False,
    )


def _same_again(before: Reading, reader: Reader, presentation_id: str) -> Recorded:
    """A request that was taken before answers as it did then, whatever has happened since."""
    owner = Session.objects.filter(presentations=before.presentation_id, reader=reader).exists()
    if not owner or str(before.presentation.public_id) != presentation_id:
        raise not_yours()
    return Recorded(before, repeated=True)


def _standing(presentation: Presentation) -> Reading | None:
    return presentation.readings.order_by("-revision").first()


def _write(
    presentation: Presentation,
    client_id: uuid.UUID,
    revision: int,
    answer: Answer,
    submitted: bool,
    timings: dict[str, Any],
    viewer: dict[str, Any],
    moment: datetime,
) -> Reading:
    reading = Reading.objects.create(
        client_id=client_id,
        presentation=presentation,
        revision=revision,
        submitted=submitted,
        judgment=answer.judgment,
        confidence=answer.confidence,
        choice=answer.choice,
        quality=answer.quality,
        comment=answer.comment,
        answers=answer.answers,
        regions=[region.model_dump(mode="json") for region in answer.regions],
        timings=timings,
        viewer=viewer,
        received_at=moment,
    )
    Finding.objects.bulk_create(
        Finding(
            reading=reading,
            term=said.term,
            certainty=said.certainty,
            laterality=said.laterality,
            region=said.region.model_dump(mode="json") if said.region else None,
        )
        for said in answer.findings
    )
    Cue.objects.bulk_create(
        Cue(
            reading=reading,
            term=said.term,
            region=said.region.model_dump(mode="json") if said.region else None,
        )
        for said in answer.cues
    )
    return reading


def report_failure(
    *,
    reader: Reader,
    presentation_id: str | uuid.UUID,
    client_id: str | uuid.UUID,
    reason: str,
    at: datetime | None = None,
) -> TechnicalFailure:
    """A reader could not see this presentation: note why, and go on to the next one.

    The same ``client_id`` twice is one report. Raises ``Refused``.
    """
    moment = at or timezone.now()
    with transaction.atomic():
        reader = Reader.objects.select_for_update().select_related("study").get(pk=reader.pk)
        before = (
            TechnicalFailure.objects.filter(client_id=client_id)
            .select_related("presentation__session")
            .first()
        )
        if before is not None:
            own = before.presentation.session.reader_id == reader.pk
            if not own or str(before.presentation.public_id) != str(presentation_id):
                raise not_yours()
            return before
        sitting = Sitting(reader, now=moment)
        sitting.require_reading()
        place = sitting.visible(str(presentation_id))
        return TechnicalFailure.objects.create(
            presentation=place.presentation,
            client_id=client_id,
            reason=reason.strip()[:2000] or "no reason given",
            at=moment,
        )


def as_json(reading: Reading) -> dict[str, Any]:
    """A revision as the page restores it."""
    return {
        "revision": reading.revision,
        "client_id": str(reading.client_id),
        "submitted": reading.submitted,
        "answer": {
            "judgment": reading.judgment,
            "confidence": reading.confidence,
            "choice": reading.choice,
            "quality": reading.quality,
            "findings": [
                {
                    "term": finding.term,
                    "certainty": finding.certainty,
                    "laterality": finding.laterality,
                    "region": finding.region,
                }
                for finding in reading.findings.all()
            ],
            "cues": [{"term": cue.term, "region": cue.region} for cue in reading.cues.all()],
            "comment": reading.comment,
            "answers": reading.answers,
            "regions": reading.regions,
        },
        "timings": reading.timings,
        "viewer": reading.viewer,
    }
