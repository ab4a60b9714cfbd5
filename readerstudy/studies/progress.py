"""How far the readers are, without a word on what they answered.

Readings belong to :mod:`readerstudy.reading`, which stands above this room; only their number and
times are asked for here, through the relation's name.
"""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min, Q
from django.utils import timezone

from readerstudy.studies.amendments import in_force
from readerstudy.studies.models import Presentation, Reader, Session, Study

# Longer than this between two readings is a pause, not reading.
_PAUSE = timedelta(minutes=20)
# Nothing read for so long, with the list unfinished: worth a question.
STUCK_AFTER = timedelta(days=7)


@dataclass(slots=True)
class ReaderProgress:
    """One reader's progress."""

    reader: Reader
    done: int = 0
    total: int = 0
    last_at: datetime | None = None
    per_day: float | None = None
    seconds_a_case: float | None = None
    expected_end: datetime | None = None
    # Readings that cannot be made: the frame could not be shown, and the reader went on.
    failed: int = 0
    # Why nothing is to be expected now; no reason to worry.
    resting: str = ""
    # What may need a word with the reader.
    waiting: str = ""
    may_read_from: datetime | None = None
    could_read_from: datetime | None = None
    times: list[datetime] = field(default_factory=list)

    @property
    def percent(self) -> int:
        return round(100 * self.done / self.total) if self.total else 0

    @property
    def is_finished(self) -> bool:
        return self.reader.state == Reader.State.FINISHED or (
            self.total > 0 and self.done + self.failed >= self.total
        )


@dataclass(slots=True)
class Standing:
    """The whole study's progress."""

    readers: list[ReaderProgress]
    expected_end: datetime | None = None

    @property
    def done(self) -> int:
        return sum(one.done for one in self.readers)

    @property
    def total(self) -> int:
        return sum(one.total for one in self.readers)

    @property
    def percent(self) -> int:
        return round(100 * self.done / self.total) if self.total else 0

    @property
    def stuck(self) -> list[ReaderProgress]:
        return [one for one in self.readers if one.waiting]


def standing(study: Study, now: datetime | None = None) -> Standing:
    """Readings done, pace, time a case, expected end and who is stuck, in four queries."""
    now = now or timezone.now()
    readers = {
        reader.pk: ReaderProgress(reader)
        for reader in study.readers.select_related("user", "replaces")
        if reader.state != Reader.State.WITHDRAWN
    }
    shown = (
        Presentation.objects.filter(session__reader__study=study, is_training=False)
        .annotate(
            first=Min("readings__received_at", filter=Q(readings__submitted=True)),
            last=Max("readings__received_at", filter=Q(readings__submitted=True)),
            failures=Count("technical_failures", distinct=True),
        )
        .values_list("session__reader_id", "first", "last", "failures")
    )
    for reader_id, first, last, failures in shown:
        one = readers.get(reader_id)
        if one is None:
            continue
        one.total += 1
        if first is not None:
            one.done += 1
            one.times.append(first)
            one.last_at = max(one.last_at or last, last)
        elif failures:
            one.failed += 1
    washout = timedelta(days=in_force(study).design.washout_days)
    sessions = _sessions(study)
    for one in readers.values():
        _pace(one, sessions.get(one.reader.pk, []), washout, study, now)
    result = Standing(list(readers.values()))
    ends = [one.expected_end for one in result.readers if not one.is_finished]
    if ends and all(end is not None for end in ends):
        result.expected_end = max(end for end in ends if end is not None)
    return result


def _sessions(study: Study) -> dict[int, list[Session]]:
    by_reader: dict[int, list[Session]] = defaultdict(list)
    for session in Session.objects.filter(reader__study=study).order_by("number"):
        by_reader[session.reader_id].append(session)
    return by_reader


def _pace(
    one: ReaderProgress, sessions: list[Session], washout: timedelta, study: Study, now: datetime
) -> None:
    times = sorted(one.times)
    gaps = [
        (later - earlier).total_seconds()
        for earlier, later in itertools.pairwise(times)
        if later - earlier < _PAUSE
    ]
    if gaps:
        one.seconds_a_case = statistics.median(gaps)
    starts = [session.started_at for session in sessions if session.started_at]
    ends = [session.finished_at for session in sessions if session.finished_at]
    to_come = [session for session in sessions if session.started_at is None]
    if ends and to_come and len(ends) == len(starts):
        one.could_read_from = max(ends) + washout
        one.may_read_from = one.could_read_from if one.could_read_from > now else None
    began = min(starts) if starts else (times[0] if times else None)
    if began is not None and one.done and not one.is_finished:
        # Readers come back every few days: the pace is over all days since they began, but for
        # those on which the washout kept them from reading.
        rests = washout * sum(1 for start in starts if any(end < start for end in ends))
        if one.may_read_from is not None:
            rests += washout - (one.may_read_from - now)
        days = max((now - began - rests).total_seconds() / 86400, 1.0)
        one.per_day = one.done / days
        left = timedelta(days=(one.total - one.done - one.failed) / one.per_day)
        # Every washout still ahead puts the end off.
        ahead = len(to_come) - (1 if one.may_read_from is not None or not ends else 0)
        one.expected_end = (one.may_read_from or now) + left + washout * max(0, ahead)
    elif began is not None and one.done:
        one.per_day = one.done / max((max(times) - began).total_seconds() / 86400, 1.0)
    if study.status == Study.Status.OPEN and not one.is_finished:
        if one.reader.state == Reader.State.PAUSED:
            one.resting = "Paused"
        elif one.may_read_from is not None:
            one.resting = f"Washout until {one.may_read_from:%-d %B}"
        one.waiting = "" if one.resting else _waiting(one, study, now)


def _waiting(one: ReaderProgress, study: Study, now: datetime) -> str:
    reader = one.reader
    if reader.user_id is None:
        return "The invitation is not accepted yet"
    due = reader.due_at or study.due_at
    if due is not None and due < now:
        return "Past the agreed date"
    if one.last_at is None:
        if study.opened_at is not None and now - study.opened_at > STUCK_AFTER:
            return f"Has not begun in {(now - study.opened_at).days} days"
        return ""
    # After a washout the clock begins when reading was possible again.
    since = max(one.last_at, one.could_read_from or one.last_at)
    if now - since > STUCK_AFTER:
        return f"Nothing read for {(now - since).days} days"
    return ""
