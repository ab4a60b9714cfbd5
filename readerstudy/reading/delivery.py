"""Frames over the wire: the same headers and the same number of bytes for every case."""

from __future__ import annotations

import hashlib

import structlog
from django.core.files.storage import default_storage
from django.http import HttpResponse

from readerstudy.imaging.frames import MEDIA_TYPE
from readerstudy.reading.refusal import Refused
from readerstudy.reading.sitting import Place
from readerstudy.studies.models import Alternative, Case, Frame

log = structlog.get_logger("readerstudy.reading")


def cases_shown(place: Place) -> list[Case]:
    """The cases of a presentation in the order of their places on the screen."""
    shown = [
        each.case
        for each in Alternative.objects.filter(presentation=place.presentation)
        .select_related("case")
        .order_by("place")
    ]
    return shown or [place.presentation.case]


def frame_response(place: Place, number: int) -> HttpResponse:
    """The frame at place ``number`` (from 1) of a presentation.

    Addressed by presentation, never by case or frame: a repeat must not be known by its address.
    No validator, no date, no name: nothing here may differ from one frame to the next but pixels.

    Raises ``Refused``: 404 for a place that is not there, 503 when the frame cannot be read or is
    not the one that was locked.
    """
    cases = cases_shown(place)
    if not 1 <= number <= len(cases):
        raise Refused("not-here", "This case is not on your list at the moment.", status=404)
    try:
        frame = Frame.objects.get(case=cases[number - 1])
        with default_storage.open(frame.storage_key, "rb") as stored:
            content = stored.read()
    except (Frame.DoesNotExist, OSError):
        raise _not_shown() from None
    if hashlib.sha256(content).hexdigest() != frame.sha256:
        # Cut short, damaged or exchanged in the storage: no reading may be made of it.
        log.error("frame-damaged", frame=str(frame.public_id), length=len(content))
        raise _not_shown()
    response = HttpResponse(content, content_type=MEDIA_TYPE)
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _not_shown() -> Refused:
    return Refused("no-frame", "Frame could not be shown.", status=503)
