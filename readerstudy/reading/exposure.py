"""How long a scan is shown: fixed, or by an adaptive staircase.

The staircase is a weighted up-down rule (Kaernbach 1991, Perception & Psychophysics 49:227): 10 ms
shorter after a right answer, 30 ms longer after a wrong one, from 500 ms within 100 to 1000 ms. It
settles where 10 p = 30 (1 - p), at p = 0.75; the bounds and the steps are those of HYPE-time
(Zhou et al. 2019, arXiv 1904.01121).

A staircase tells, by its steps, whether the last answer was right. Readers cannot see 10 ms, but
what the browser is told must not spell it out either: answers under a staircase are final, and the
duration sent is the staircase's level plus a keyed jitter of up to 20 ms either way, which covers a
single step. It is told once: a duration follows from the answers that were in when the case came
into the reader's window, so that it never moves while the reader answers. The duration truly shown
is recorded with each reading.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.crypto import salted_hmac

from readerstudy.reading.feedback import is_right
from readerstudy.reading.models import Reading
from readerstudy.reading.sitting import LOOKAHEAD
from readerstudy.studies.models import Presentation, Session
from readerstudy.studies.protocol import Exposure

START, SHORTEST, LONGEST = 500, 100, 1000
SHORTER, LONGER = 10, 30
JITTER = 20


def level(outcomes: Iterable[bool], start: int = START) -> int:
    """The staircase's level (ms) after these right and wrong answers, oldest first."""
    reached = start
    for right in outcomes:
        reached += -SHORTER if right else LONGER
        reached = min(LONGEST, max(SHORTEST, reached))
    return reached


def milliseconds(presentation: Presentation, session: Session, exposure: Exposure) -> int | None:
    """How long to show this presentation; None for as long as the reader likes."""
    if exposure.mode == "unlimited":
        return None
    if exposure.mode == "fixed":
        return exposure.milliseconds
    key = str(presentation.public_id)
    digest = salted_hmac("readerstudy.reading.exposure", key, algorithm="sha256").digest()
    jitter = int.from_bytes(digest[:4], "big") % (2 * JITTER + 1) - JITTER
    reached = level(_outcomes(session, before=presentation.position - LOOKAHEAD))
    return min(LONGEST, max(SHORTEST, reached + jitter))


def _outcomes(session: Session, before: int) -> Iterable[bool]:
    readings = (
        Reading.objects.filter(
            presentation__session=session,
            presentation__position__lt=before,
            presentation__is_training=False,
            submitted=True,
        )
        .select_related("presentation__case__scan")
        .prefetch_related("presentation__alternative_set__case__scan")
        .order_by("presentation__position", "revision")
    )
    for reading in readings:
        shown = [each.case for each in reading.presentation.alternative_set.all()]
        right = is_right(reading, reading.presentation.case, shown)
        if right is not None:
            yield right
