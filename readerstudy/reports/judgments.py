"""The judgment table: one row a reading, from which every figure of the report is computed."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from typing import Any

import pandas as pd
from django.db.models import Count, Max, OuterRef, QuerySet, Subquery

from readerstudy.imaging.models import Scan
from readerstudy.reading.models import Reading
from readerstudy.studies.models import Case, Study

COLUMNS: dict[str, str] = {
    "reader": "Reader's pseudonym in the study (R01, R02 ...)",
    "case": "Case number in the study (C001 ...)",
    "scan": "Public id of the scan in the archive",
    "origin": "Truth: acquired or generated",
    "generator": "Name of the generator, for generated scans",
    "labels": "Pathologies that the archive held for the scan when drawn, separated by |",
    "view": "Projection of the scan (PA, AP)",
    "sex": "Sex as kept for the scan",
    "stratum": "Stratum that the case was drawn for",
    "phase": "Phase of the study, from 1",
    "session": "Session of the reader, from 1",
    "position": "Position in the session, from 1",
    "presentation": "Public id of the presentation",
    "repeat_of": "Presentation that this one repeats (hidden test-retest), or empty",
    "judgment": "real or synthetic",
    "correct": "1 when the judgment agrees with the origin, else 0",
    "confidence": "In the units of the study's scale, as given",
    "choice": "Forced choice: place chosen as real, from 1",
    "alternatives": "Forced choice: case numbers shown, in order, separated by |",
    "quality": "Image quality, in the units of the study's scale",
    "findings": "Findings reported, separated by |",
    "cues": "Cues for synthetic, separated by |",
    "comment": "Free comment",
    "seconds": "Active seconds from the painted frame to submission",
    "revisions": "How many times the reader saved the reading",
    "judgment_changes": "Changes of the judgment before submission",
    "received_at": "When the server received the standing revision (UTC, ISO 8601)",
}


def standing_readings(study: Study) -> QuerySet[Reading]:
    """The submitted revision that stands for each presentation; training is left out."""
    highest = (
        Reading.objects.filter(presentation=OuterRef("presentation"), submitted=True)
        .order_by()
        .values("presentation")
        .annotate(highest=Max("revision"))
        .values("highest")
    )
    return (
        Reading.objects.filter(
            presentation__session__reader__study=study,
            presentation__is_training=False,
            submitted=True,
            revision=Subquery(highest),
        )
        .select_related(
            "presentation__session__reader",
            "presentation__case__scan",
            "presentation__repeat_of",
        )
        .prefetch_related(
            "findings",
            "cues",
            "presentation__alternative_set__case",
        )
        .annotate(saved=Count("presentation__readings", distinct=True))
        .order_by(
            "presentation__session__reader__number",
            "presentation__session__number",
            "presentation__position",
        )
    )


def rows(study: Study) -> Iterator[dict[str, Any]]:
    """The judgment table's rows, ordered by reader, session and position."""
    for reading in standing_readings(study):
        presentation = reading.presentation
        case, session = presentation.case, presentation.session
        truth = case.truth
        shown = [alternative.case for alternative in presentation.alternative_set.all()]
        yield {
            "reader": session.reader.code,
            "case": case_code(case.number),
            "scan": str(case.scan.public_id),
            "origin": truth["origin"],
            "generator": truth.get("generator", ""),
            "labels": "|".join(truth.get("labels", [])),
            "view": truth.get("view", ""),
            "sex": truth.get("sex", ""),
            "stratum": case.stratum,
            "phase": session.phase + 1,
            "session": session.number,
            "position": presentation.position,
            "presentation": str(presentation.public_id),
            "repeat_of": (str(presentation.repeat_of.public_id) if presentation.repeat_of else ""),
            "judgment": reading.judgment,
            "correct": _correct(reading, truth["origin"], shown),
            "confidence": reading.confidence,
            "choice": reading.choice,
            "alternatives": "|".join(case_code(other.number) for other in shown),
            "quality": reading.quality,
            "findings": "|".join(finding.term for finding in reading.findings.all()),
            "cues": "|".join(cue.term for cue in reading.cues.all()),
            "comment": reading.comment,
            "seconds": _seconds(reading.timings),
            "revisions": reading.saved,  # type: ignore[attr-defined]  # annotated above
            "judgment_changes": reading.timings.get("judgment_changes"),
            "received_at": reading.received_at.isoformat(),
        }


def table(study: Study) -> pd.DataFrame:
    """The judgment table as a data frame with the columns of :data:`COLUMNS`."""
    return pd.DataFrame(list(rows(study)), columns=list(COLUMNS))


def as_csv(study: Study) -> Iterator[str]:
    """The judgment table as lines of CSV (RFC 4180, UTF-8), streamed."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(COLUMNS), lineterminator="\r\n")
    writer.writeheader()
    for row in rows(study):
        writer.writerow({key: _cell(value) for key, value in row.items()})
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def digest(frame: pd.DataFrame) -> str:
    """SHA-256 of the table's CSV: two reports with the same digest speak of the same readings."""
    return hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()


def case_code(number: int) -> str:
    return f"C{number:03d}"


def _correct(reading: Reading, origin: str, shown: list[Case]) -> int | None:
    """Whether the judgment, or the choice of the real one, agrees with the truth."""
    if reading.choice is not None and shown:
        chosen = shown[reading.choice - 1] if 1 <= reading.choice <= len(shown) else None
        return int(chosen is not None and chosen.truth["origin"] == Scan.Origin.ACQUIRED)
    if not reading.judgment:
        return None
    said_real = reading.judgment == Reading.Judgment.REAL
    return int(said_real == (origin == Scan.Origin.ACQUIRED))


def _seconds(timings: dict[str, Any]) -> float | None:
    """Active reading time; where the browser measured none, painted to submitted."""
    if timings.get("active_ms") is not None:
        return round(float(timings["active_ms"]) / 1000, 3)
    painted, submitted = timings.get("painted"), timings.get("submitted")
    if painted is None or submitted is None:
        return None
    return round((float(submitted) - float(painted)) / 1000, 3)


def _cell(value: Any) -> Any:
    """A cell that a spreadsheet shows as it is: text that looks like a formula is disarmed."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return "'" + value
    return value
