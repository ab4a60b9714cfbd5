"""The reading room's interface."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from readerstudy.reading import delivery, entering, feedback, recording, state
from readerstudy.reading.form import Answer
from readerstudy.reading.refusal import Refused
from readerstudy.reading.sitting import Sitting, reader_in
from readerstudy.studies.models import Reader

router = Router(tags=["reading"])

# Generous for any honest record, small enough that a broken client cannot fill the database.
LARGEST_RECORD = 64 * 1024


class Body(Schema):
    model_config = ConfigDict(extra="forbid")


class ReadingIn(Body):
    """One revision of a reading."""

    revision: Annotated[int, Field(ge=1, le=100_000)]
    submitted: bool
    # The revision that the reader saw when making this one.
    based_on: uuid.UUID | None = None
    answer: Answer
    timings: dict[str, Any] = Field(default_factory=dict)
    viewer: dict[str, Any] = Field(default_factory=dict)


class FailureIn(Body):
    reason: Annotated[str, Field(max_length=2000)]


class ConsentIn(Body):
    version: str


class ProfileIn(Body):
    answers: dict[str, Any]


class EnvironmentIn(Body):
    record: dict[str, Any]


class FinishIn(Body):
    number: int


class DebriefingIn(Body):
    noticed: bool
    remark: Annotated[str, Field(max_length=10_000)] = ""


def _reader(request: HttpRequest, study: uuid.UUID) -> Reader:
    return reader_in(request.user, str(study))


@router.get("/studies/{uuid:study}", url_name="reading-state", response=dict)
def room_state(request: HttpRequest, study: uuid.UUID) -> dict[str, Any]:
    """Where the reader stands, and everything needed to go on from here."""
    return state.room(Sitting(_reader(request, study)))


@router.post("/studies/{uuid:study}/consent", response=dict)
def give_consent(request: HttpRequest, study: uuid.UUID, body: ConsentIn) -> dict[str, Any]:
    """Agree to the study's consent text."""
    reader = _reader(request, study)
    entering.consent(reader, version=body.version, request=request)
    return state.room(Sitting(reader))


@router.post("/studies/{uuid:study}/profile", response=dict)
def give_profile(request: HttpRequest, study: uuid.UUID, body: ProfileIn) -> dict[str, Any]:
    """Answer the study's questions about the reader."""
    reader = _reader(request, study)
    entering.save_profile(reader, body.answers)
    return state.room(Sitting(reader))


@router.post("/studies/{uuid:study}/environment", response=dict)
def give_environment(request: HttpRequest, study: uuid.UUID, body: EnvironmentIn) -> dict[str, Any]:
    """Declare the reading conditions of this sitting, or add what was measured on a new device."""
    _bounded(body.record)
    reader = _reader(request, study)
    entering.note_environment(reader, body.record)
    return state.room(Sitting(reader))


@router.post("/studies/{uuid:study}/begin", response=dict)
def begin_session(request: HttpRequest, study: uuid.UUID) -> dict[str, Any]:
    """Start the current session."""
    reader = _reader(request, study)
    entering.begin(reader, request=request)
    return state.room(Sitting(reader))


@router.post("/studies/{uuid:study}/finish", response=dict)
def finish_session(request: HttpRequest, study: uuid.UUID, body: FinishIn) -> dict[str, Any]:
    """End the current session: its readings stand from now on."""
    reader = _reader(request, study)
    entering.finish(reader, number=body.number, request=request)
    return state.room(Sitting(reader_in(request.user, str(study))))


@router.post("/studies/{uuid:study}/debriefing", response=dict)
def give_debriefing(request: HttpRequest, study: uuid.UUID, body: DebriefingIn) -> dict[str, Any]:
    """Say what was noticed in the phase that has ended."""
    reader = _reader(request, study)
    entering.debrief(reader, noticed=body.noticed, remark=body.remark)
    return state.room(Sitting(reader))


@router.get(
    "/studies/{uuid:study}/presentations/{uuid:presentation}",
    url_name="reading-presentation",
    response=dict,
)
def one_presentation(
    request: HttpRequest, study: uuid.UUID, presentation: uuid.UUID
) -> dict[str, Any]:
    """One case that the reader may see now, with what was last said of it."""
    return state.item(Sitting(_reader(request, study)), str(presentation))


@router.get(
    "/studies/{uuid:study}/presentations/{uuid:presentation}/frames/{int:place}",
    url_name="reading-frame",
)
def frame(
    request: HttpRequest, study: uuid.UUID, presentation: uuid.UUID, place: int
) -> HttpResponse:
    """The pixels of one case, in the container of ``readerstudy.imaging.frames``."""
    sitting = Sitting(_reader(request, study))
    sitting.require_reading()
    return delivery.frame_response(sitting.visible(str(presentation)), place)


@router.put(
    "/studies/{uuid:study}/presentations/{uuid:presentation}/readings/{uuid:client}",
    url_name="reading-record",
    response=dict,
)
def put_reading(
    request: HttpRequest,
    study: uuid.UUID,
    presentation: uuid.UUID,
    client: uuid.UUID,
    body: ReadingIn,
) -> dict[str, Any]:
    """Record one revision. Sent twice it is one revision."""
    _bounded(body.timings)
    _bounded(body.viewer)
    reader = _reader(request, study)
    recorded = recording.record_reading(
        reader=reader,
        presentation_id=presentation,
        client_id=client,
        revision=body.revision,
        answer=body.answer,
        submitted=body.submitted,
        based_on=body.based_on,
        timings=body.timings,
        viewer=body.viewer,
    )
    sitting = Sitting(reader)
    answer: dict[str, Any] = {
        "revision": recorded.reading.revision,
        "received_at": recorded.reading.received_at.isoformat(),
        "feedback": feedback.after_practice(recorded.reading, sitting.phase),
        "stage": sitting.stage,
    }
    if body.submitted and sitting.stage in {"reading", "review"}:
        answer.update(state.listing(sitting))
    return answer


@router.put(
    "/studies/{uuid:study}/presentations/{uuid:presentation}/failures/{uuid:client}",
    url_name="reading-failure",
    response=dict,
)
def put_failure(
    request: HttpRequest,
    study: uuid.UUID,
    presentation: uuid.UUID,
    client: uuid.UUID,
    body: FailureIn,
) -> dict[str, Any]:
    """Report that a case could not be shown."""
    reader = _reader(request, study)
    recording.report_failure(
        reader=reader, presentation_id=presentation, client_id=client, reason=body.reason
    )
    sitting = Sitting(reader)
    answer: dict[str, Any] = {"stage": sitting.stage}
    if sitting.stage in {"reading", "review"}:
        answer.update(state.listing(sitting))
    return answer


def _bounded(record: dict[str, Any]) -> None:
    if len(repr(record)) > LARGEST_RECORD:
        raise Refused("too-large", "The record is larger than 64 KiB.", status=422)
