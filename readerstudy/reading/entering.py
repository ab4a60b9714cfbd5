"""What a reader does around the readings: consent, profile, conditions, beginning and ending."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from readerstudy.audit import trail
from readerstudy.reading.form import question_problems
from readerstudy.reading.models import Debriefing, Environment
from readerstudy.reading.refusal import Refused
from readerstudy.reading.sitting import Sitting
from readerstudy.studies.models import Reader, Session


def consent(reader: Reader, *, version: str, request: Any = None) -> None:
    """Note that the reader agreed to this version of the text. Raises ``Refused``."""
    sitting = Sitting(reader)
    asked = sitting.protocol.consent
    if version != asked.version:
        raise Refused("changed", "The consent text has changed. Please read it again.")
    reader.consented_at = timezone.now()
    reader.consent_version = version
    reader.consent_sha256 = hashlib.sha256(asked.text.encode()).hexdigest()
    with transaction.atomic():
        reader.save(update_fields=["consented_at", "consent_version", "consent_sha256"])
        trail.record(
            "reader.consented",
            request=request,
            actor=reader.user,
            on=reader,
            study_id=reader.study.public_id,
            version=version,
            sha256=reader.consent_sha256,
        )


def save_profile(reader: Reader, answers: dict[str, Any]) -> None:
    """Store the answers to the study's profile questions. Raises ``Refused`` (422)."""
    questions = Sitting(reader).protocol.profile_questions
    problems = question_problems(answers, questions, complete=True)
    if problems:
        raise Refused("not-valid", "; ".join(problems) + ".", status=422)
    given = {key: value for key, value in answers.items() if value not in (None, "", [])}
    # Never empty, so that an all-optional profile is asked once.
    reader.profile = given or {"answered": True}
    reader.save(update_fields=["profile"])


def note_environment(reader: Reader, record: dict[str, Any]) -> None:
    """Append a record of the reading conditions to the current session. Raises ``Refused``."""
    session = _current(Sitting(reader))
    Environment.objects.create(session=session, record=record)


def begin(reader: Reader, *, at: datetime | None = None, request: Any = None) -> Session:
    """Start the current session; starting it again changes nothing. Raises ``Refused``."""
    sitting = Sitting(reader, now=at)
    session = _current(sitting)
    if sitting.opens_at is not None:
        raise Refused("washout", "The break between sessions is not over yet.")
    with transaction.atomic():
        session = Session.objects.select_for_update().get(pk=session.pk)
        if session.started_at is None:
            session.started_at = sitting.now
            session.save(update_fields=["started_at"])
            _note(session, reader, "session.started", request)
    return session


def finish(
    reader: Reader, *, number: int, at: datetime | None = None, request: Any = None
) -> Session:
    """End session ``number``: from now on its readings stand. Ending it again changes nothing.

    Raises ``Refused`` while presentations are open.
    """
    with transaction.atomic():
        reader = Reader.objects.select_for_update().select_related("study").get(pk=reader.pk)
        done = reader.sessions.filter(number=number, finished_at__isnull=False).first()
        if done is not None:
            return done
        sitting = Sitting(reader, now=at)
        session = sitting.require_reading()
        if session.number != number:
            raise Refused("not-here", "This session is not the current one.", status=404)
        if sitting.first_open is not None:
            left = sum(not place.settled for place in sitting.places)
            raise Refused("unfinished", f"{left} cases are still open.", left=left)
        session.finished_at = sitting.now
        session.save(update_fields=["finished_at"])
        _note(session, reader, "session.finished", request)
        if not reader.sessions.filter(finished_at__isnull=True).exists():
            reader.state = Reader.State.FINISHED
            reader.save(update_fields=["state"])
    return session


def debrief(reader: Reader, *, noticed: bool, remark: str) -> None:
    """Store what the reader noticed in the finished phase. Raises ``Refused``."""
    session = Sitting(reader).debriefing_due
    if session is None:
        raise Refused("not-here", "There is nothing to answer at the moment.", status=404)
    Debriefing.objects.get_or_create(
        session=session, defaults={"noticed": noticed, "remark": remark.strip()[:10_000]}
    )


def _current(sitting: Sitting) -> Session:
    early = {"closed", "not-open", "paused", "consent", "profile", "finished", "debriefing"}
    if sitting.stage in early or sitting.session is None:
        raise Refused("not-here", "No session can be read at the moment.", status=409)
    return sitting.session


def _note(session: Session, reader: Reader, action: str, request: Any) -> None:
    trail.record(
        action,
        request=request,
        actor=reader.user,
        on=session,
        study_id=reader.study.public_id,
        reader=reader.code,
        number=session.number,
    )
