"""The room's state as the page gets it: built from what the reader may know, and only that."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from readerstudy.reading import exposure, feedback, form
from readerstudy.reading.models import Reading
from readerstudy.reading.recording import as_json
from readerstudy.reading.sitting import Place, Sitting
from readerstudy.studies.models import Alternative


def room(sitting: Sitting) -> dict[str, Any]:
    """Everything the page needs to go on from here."""
    stage = sitting.stage
    state: dict[str, Any] = {
        "stage": stage,
        "title": sitting.title,
        "reader": str(sitting.reader.public_id),
        "server_time": sitting.now.isoformat(),
    }
    if stage == "consent":
        state["consent"] = sitting.protocol.consent.model_dump()
    elif stage == "profile":
        state["questions"] = [each.model_dump() for each in sitting.protocol.profile_questions]
    elif stage == "washout" and sitting.opens_at is not None:
        state["opens_at"] = sitting.opens_at.isoformat()
    elif stage == "finished":
        state["score"] = feedback.own_score(sitting.reader)
    if stage in {"environment", "instructions", "reading", "review"}:
        state["session"] = _session(sitting)
    if stage in {"reading", "review"}:
        state.update(listing(sitting))
    return state


def listing(sitting: Sitting) -> dict[str, Any]:
    """Progress, the presentations that may be fetched now, and those that may be reviewed."""
    listed: dict[str, Any] = {
        "progress": sitting.progress(),
        "items": [_item(sitting, place) for place in sitting.ahead()],
        "review": [],
    }
    if sitting.may_revise:
        listed["review"] = [
            {
                "id": str(place.presentation.public_id),
                "number": _number(sitting, place),
                "practice": place.presentation.is_training,
                "failed": place.failed and not place.answered,
            }
            for place in sitting.places
            if place.settled
        ]
    return listed


def item(sitting: Sitting, public_id: str) -> dict[str, Any]:
    """One presentation that the reader may see now. Raises ``Refused``."""
    return _item(sitting, sitting.visible(public_id))


def _session(sitting: Sitting) -> dict[str, Any]:
    session, phase = sitting.session, sitting.phase
    assert session is not None
    own = [each for each in sitting.sessions if each.phase == session.phase]
    return {
        "id": str(session.public_id),
        "number": session.number,
        "sessions": len(sitting.sessions) if not sitting.purpose_blinded else len(own),
        "title": phase.title,
        "task": phase.task,
        "alternatives": phase.alternatives if phase.task == "forced-choice" else 1,
        "instructions": phase.instructions,
        "form": form.describe(phase),
        "timed": phase.exposure.mode != "unlimited",
        "mask": phase.exposure.mask,
        "between": phase.exposure.between,
        "between_ms": phase.exposure.between_ms,
        "break_every": sitting.protocol.design.break_every,
        "may_revise": sitting.may_revise,
        "seconds_a_case": sitting.protocol.design.seconds_a_case,
        "own_seconds_a_case": sitting.own_seconds_a_case(),
        "progress": sitting.progress(),
    }


def _item(sitting: Sitting, place: Place) -> dict[str, Any]:
    presentation = place.presentation
    latest = (
        Reading.objects.filter(presentation=presentation)
        .prefetch_related("findings", "cues")
        .order_by("-revision")
        .first()
    )
    places = max(1, Alternative.objects.filter(presentation=presentation).count())
    assert sitting.session is not None
    return {
        "id": str(presentation.public_id),
        "number": _number(sitting, place),
        "practice": presentation.is_training,
        "answered": place.answered,
        "failed": place.failed,
        "frames": [
            reverse("api:reading-frame", args=[sitting.study.public_id, presentation.public_id, n])
            for n in range(1, places + 1)
        ],
        "exposure_ms": exposure.milliseconds(presentation, sitting.session, sitting.phase.exposure),
        "standing": as_json(latest) if latest else None,
    }


def _number(sitting: Sitting, place: Place) -> int:
    """Position among the counted (or the practice) cases, from 1, as the reader counts."""
    same = [
        each.presentation.pk
        for each in sitting.places
        if each.presentation.is_training == place.presentation.is_training
    ]
    return same.index(place.presentation.pk) + 1
