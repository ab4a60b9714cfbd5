"""What readers learn about the truth: after a practice case, and their own score at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from readerstudy.imaging.models import Scan
from readerstudy.reading.models import Reading
from readerstudy.studies import amendments
from readerstudy.studies.models import Alternative, Case, Presentation, Reader, Study
from readerstudy.studies.protocol import Phase


def origin_of(case: Case) -> str:
    """Origin as it was when the case was drawn; later edits of the archive change nothing."""
    return case.truth.get("origin") or case.scan.origin


def is_right(reading: Reading, case: Case, shown: Sequence[Case] = ()) -> bool | None:
    """Whether the judgment or the choice agrees with the truth; None when neither was asked."""
    if reading.choice is not None and shown:
        if not 1 <= reading.choice <= len(shown):
            return False
        return origin_of(shown[reading.choice - 1]) == Scan.Origin.ACQUIRED
    if not reading.judgment:
        return None
    said_real = reading.judgment == Reading.Judgment.REAL
    return said_real == (origin_of(case) == Scan.Origin.ACQUIRED)


def after_practice(reading: Reading, phase: Phase) -> dict[str, Any] | None:
    """Feedback on a submitted practice case, in the words of the phase's own form.

    None for every counted case and wherever the phase does not ask where scans come from: a
    purpose-blinded practice case gives back its findings only.
    """
    presentation = reading.presentation
    if not (presentation.is_training and reading.submitted):
        return None
    shown = _shown(presentation)
    case = presentation.case
    labels = case.truth.get("labels")
    if labels is None:
        labels = sorted(label.name for label in case.scan.labels.all())
    feedback: dict[str, Any] = {"right": None, "truth": "", "findings": None}
    if phase.form.findings.ask and len(shown) <= 1:
        feedback["findings"] = list(labels)
    if phase.task == "forced-choice" and shown:
        real = [i for i, each in enumerate(shown, 1) if origin_of(each) == Scan.Origin.ACQUIRED]
        feedback["truth"] = ", ".join(f"Number {place}" for place in real)
        feedback["right"] = is_right(reading, case, shown)
    elif phase.task == "single" and phase.form.judgment:
        acquired = origin_of(case) == Scan.Origin.ACQUIRED
        feedback["truth"] = "Real" if acquired else "Synthetic"
        feedback["right"] = is_right(reading, case)
    return feedback


def own_score(reader: Reader) -> dict[str, Any] | None:
    """How many of the reader's counted judgments were right.

    None unless the protocol allows it and every session is finished: until then a score would
    tell about cases still to come.
    """
    study: Study = reader.study
    protocol = amendments.in_force(study)
    if not protocol.show_own_score or reader.sessions.filter(finished_at__isnull=True).exists():
        return None
    right = counted = 0
    presentations = (
        Presentation.objects.filter(session__reader=reader, is_training=False)
        .select_related("case__scan")
        .prefetch_related("readings", "alternative_set__case__scan")
    )
    for presentation in presentations:
        submitted = [each for each in presentation.readings.all() if each.submitted]
        if not submitted:
            continue
        shown = [each.case for each in presentation.alternative_set.all()]
        outcome = is_right(max(submitted, key=_revision), presentation.case, shown)
        if outcome is not None:
            counted += 1
            right += outcome
    return {"right": right, "counted": counted} if counted else None


def _revision(reading: Reading) -> int:
    return reading.revision


def _shown(presentation: Presentation) -> list[Case]:
    return [
        each.case
        for each in Alternative.objects.filter(presentation=presentation).select_related(
            "case__scan"
        )
    ]
