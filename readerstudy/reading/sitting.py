"""Where a reader stands in a study: what comes next, and what may be seen now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from statistics import median
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from readerstudy.reading.models import Debriefing, Reading, TechnicalFailure
from readerstudy.reading.refusal import Refused, not_yours
from readerstudy.studies import amendments
from readerstudy.studies.models import Presentation, Reader, Session, Study
from readerstudy.studies.protocol import Phase, Protocol

FEWEST_FOR_A_PACE = 5
# Presentations after the first unread one whose frames may be fetched.
LOOKAHEAD = 3


@dataclass(frozen=True)
class Place:
    """One presentation of a session, as far as the list needs it."""

    presentation: Presentation
    answered: bool
    failed: bool

    @property
    def settled(self) -> bool:
        return self.answered or self.failed


class Sitting:
    """A reader in a study at a moment. Everything is read once and lazily."""

    def __init__(self, reader: Reader, now: datetime | None = None) -> None:
        self.reader = reader
        self.study: Study = reader.study
        self.now = now or timezone.now()

    @cached_property
    def protocol(self) -> Protocol:
        return amendments.in_force(self.study)

    @cached_property
    def sessions(self) -> list[Session]:
        return list(self.reader.sessions.order_by("number"))

    @cached_property
    def session(self) -> Session | None:
        """The first unfinished session, whether or not it may begin yet."""
        return next((each for each in self.sessions if each.finished_at is None), None)

    @cached_property
    def phase_index(self) -> int:
        """Of the current session (of the last one when all are finished), from 0.

        Until the debriefing is done the reader is still in the phase that it is about.
        """
        session = (
            self.debriefing_due or self.session or (self.sessions[-1] if self.sessions else None)
        )
        return session.phase if session else 0

    @property
    def phase(self) -> Phase:
        return self.protocol.phases[self.phase_index]

    @property
    def purpose_blinded(self) -> bool:
        """Whether nothing may speak of what the study is about: another phase is still to come
        and this one does not ask where scans come from."""
        more_to_come = self.phase_index + 1 < len(self.protocol.phases)
        return self.phase.task in {"diagnosis", "quality"} and (
            more_to_come or self.phase.ask_whether_noticed
        )

    @property
    def title(self) -> str:
        """What the reader may know the study as. A study's own title often tells its purpose."""
        if self.purpose_blinded:
            return self.phase.title or "Chest radiographs"
        return self.study.title

    @property
    def may_revise(self) -> bool:
        """Timed exposures are answered once: the scan is no longer there to think again about."""
        return (
            self.protocol.design.revision == "until-session-end"
            and self.phase.exposure.mode == "unlimited"
        )

    @cached_property
    def opens_at(self) -> datetime | None:
        """When the washout before the current session is over; None when nothing is waited for."""
        if self.session is None or self.session.started_at is not None:
            return None
        finished = [each.finished_at for each in self.sessions if each.finished_at is not None]
        if not finished:
            return None
        opens = max(finished) + timedelta(days=self.protocol.design.washout_days)
        return opens if opens > self.now else None

    @cached_property
    def debriefing_due(self) -> Session | None:
        """The last session of a finished phase that asks what was noticed and was not answered."""
        for index, phase in enumerate(self.protocol.phases):
            own = [each for each in self.sessions if each.phase == index]
            if not phase.ask_whether_noticed or not own:
                continue
            finished = all(each.finished_at for each in own)
            if finished and not Debriefing.objects.filter(session=own[-1]).exists():
                return own[-1]
        return None

    @cached_property
    def stage(self) -> str:
        """The one thing that the reader can do now."""
        if self.study.status != Study.Status.OPEN:
            return "closed" if self.study.status == Study.Status.CLOSED else "not-open"
        if self.reader.state == Reader.State.PAUSED:
            return "paused"
        if (
            self.reader.consented_at is None
            or self.reader.consent_version != self.protocol.consent.version
        ):
            return "consent"
        if self.protocol.profile_questions and not self.reader.profile:
            return "profile"
        if self.debriefing_due is not None:
            return "debriefing"
        if self.session is None:
            return "finished"
        if self.opens_at is not None:
            return "washout"
        if not self.session.environments.exists():
            return "environment"
        if self.session.started_at is None:
            return "instructions"
        return "reading" if self.first_open is not None else "review"

    @cached_property
    def places(self) -> list[Place]:
        """The current session's presentations in order, with what became of them."""
        if self.session is None:
            return []
        return [
            Place(each, each.answered, each.failed)
            for each in with_outcome(self.session.presentations.order_by("position"))
        ]

    @cached_property
    def first_open(self) -> int | None:
        """Index of the first presentation that is neither answered nor reported."""
        return next((i for i, place in enumerate(self.places) if not place.settled), None)

    def ahead(self) -> list[Place]:
        """The unread presentations that may be fetched now, in order."""
        if self.first_open is None:
            return []
        window = self.places[self.first_open : self.first_open + 1 + LOOKAHEAD]
        return [place for place in window if not place.settled]

    def visible(self, public_id: str) -> Place:
        """The presentation when the reader may see or answer it now.

        Raises ``Refused``: the same one for whatever is not the reader's to see.
        """
        last = -1 if self.first_open is None else self.first_open + LOOKAHEAD
        for index, place in enumerate(self.places):
            if str(place.presentation.public_id) != str(public_id):
                continue
            if not place.settled:
                if index <= last:
                    return place
            elif self.may_revise or place.failed or index >= (self.first_open or index) - 1:
                # The last answered one stays, so that a request sent again finds it.
                return place
            break
        raise not_yours()

    def require_reading(self) -> Session:
        """The current session, when readings are taken now. Raises ``Refused``."""
        if self.stage == "closed":
            raise Refused("closed", "The study has been closed. Nothing more can be saved.")
        if self.stage in {"not-open", "paused"}:
            raise Refused("paused", "Reading is paused at the moment.")
        if self.stage not in {"reading", "review"} or self.session is None:
            raise not_yours()
        return self.session

    def progress(self) -> dict[str, int]:
        """How many of this session's presentations are done, practice cases apart."""
        practice = [place for place in self.places if place.presentation.is_training]
        counted = [place for place in self.places if not place.presentation.is_training]
        return {
            "done": sum(place.settled for place in counted),
            "total": len(counted),
            "practice_done": sum(place.settled for place in practice),
            "practice_total": len(practice),
        }

    def own_seconds_a_case(self) -> float | None:
        """The reader's median active time at this session's counted cases, in seconds.

        None until there are enough of them to say.
        """
        latest: dict[int, float] = {}
        readings = Reading.objects.filter(
            presentation__session=self.session, presentation__is_training=False, submitted=True
        ).order_by("revision")
        for presentation, timings in readings.values_list("presentation_id", "timings"):
            active = timings.get("active_ms")
            if isinstance(active, int | float) and active > 0:
                latest[presentation] = float(active)
        if len(latest) < FEWEST_FOR_A_PACE:
            return None
        return round(median(latest.values()) / 1000, 1)


def with_outcome(presentations: QuerySet[Presentation]) -> QuerySet[Any]:
    """Adds ``answered`` and ``failed``."""
    own = {"presentation": OuterRef("pk")}
    return presentations.annotate(
        answered=Exists(Reading.objects.filter(**own, submitted=True)),
        failed=Exists(TechnicalFailure.objects.filter(**own)),
    )


def reader_in(user: Any, study_id: str) -> Reader:
    """The user's enrolment in the study. Raises ``Refused`` (404)."""
    reader = (
        Reader.objects.filter(user=user, study__public_id=study_id)
        .exclude(state__in=[Reader.State.WITHDRAWN, Reader.State.INVITED])
        .select_related("study")
        .first()
    )
    if reader is None:
        raise Refused("no-study", "You are not enrolled in this study.", status=404)
    return reader
