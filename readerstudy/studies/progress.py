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

from django.db.models import Max, Min, Q
from django.utils import timezone

from readerstudy.studies.models import Presentation, Reader, Study

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
    waiting: str = ""
    times: list[datetime] = field(default_factory=list)

    @property
    def percent(self) -> int:
        return round(100 * self.done / self.total) if self.total else 0

    @property
    def is_finished(self) -> bool:
        return self.total > 0 and self.done >= self.total


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
        )
        .values_list("session__reader_id", "first", "last")
    )
    for reader_id, first, last in shown:
        one = readers.get(reader_id)
        if one is None:
            continue
        one.total += 1
        if first is not None:
            one.done += 1
            one.times.append(first)
            one.last_at = max(one.last_at or last, last)
    starts = _starts(study)
    for one in readers.values():
        _pace(one, starts.get(one.reader.pk, []), study, now)
    result = Standing(list(readers.values()))
    ends = [one.expected_end for one in result.readers if not one.is_finished]
    if ends and all(end is not None for end in ends):
        result.expected_end = max(end for end in ends if end is not None)
    return result


def _starts(study: Study) -> dict[int, list[datetime]]:
    starts: dict[int, list[datetime]] = defaultdict(list)
    for reader in study.readers.prefetch_related("sessions"):
        starts[reader.pk] = [s.started_at for s in reader.sessions.all() if s.started_at]
    return starts


def _pace(one: ReaderProgress, session_starts: list[datetime], study: Study, now: datetime) -> None:
    times = sorted(one.times)
    gaps = [
        (later - earlier).total_seconds()
        for earlier, later in itertools.pairwise(times)
        if later - earlier < _PAUSE
    ]
    if gaps:
        one.seconds_a_case = statistics.median(gaps)
    began = min(session_starts) if session_starts else (times[0] if times else None)
    if began is not None and one.done:
        # Readers come back every few days: the pace is over all days since they began.
        days = max((now - began).total_seconds() / 86400, 1.0)
        one.per_day = one.done / days
        if not one.is_finished:
            one.expected_end = now + timedelta(days=(one.total - one.done) / one.per_day)
    if study.status == Study.Status.OPEN and not one.is_finished:
        one.waiting = _waiting(one, study, now)


def _waiting(one: ReaderProgress, study: Study, now: datetime) -> str:
    reader = one.reader
    if reader.state == Reader.State.PAUSED:
        return "Paused"
    if reader.user_id is None:
        return "The invitation is not accepted yet"
    due = reader.due_at or study.due_at
    if due is not None and due < now:
        return "Past the agreed date"
    if one.last_at is None:
        if study.opened_at is not None and now - study.opened_at > STUCK_AFTER:
            return f"Has not begun in {(now - study.opened_at).days} days"
        return ""
    if now - one.last_at > STUCK_AFTER:
        return f"Nothing read for {(now - one.last_at).days} days"
    return ""
