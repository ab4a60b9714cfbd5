"""The rules of a locked study, one a statement that the database is to refuse.

They are written once, in SQL that SQLite and PostgreSQL both read, and installed as triggers by
:mod:`readerstudy.studies.triggers`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """``event`` (INSERT, UPDATE, DELETE) on ``table`` is refused when ``condition`` holds."""

    name: str
    table: str
    event: str
    condition: str
    refusal: str
    sqlite_only: bool = False


_OF_STUDY = "EXISTS (SELECT 1 FROM studies_study s WHERE s.id = {row} AND s.status <> 'draft')"
_FROZEN = "the study is locked: its {what} cannot be changed; write an amendment"


def _study(row: str) -> str:
    return _OF_STUDY.format(row=row)


def _of_case(row: str) -> str:
    return (
        "EXISTS (SELECT 1 FROM studies_case c JOIN studies_study s ON s.id = c.study_id "
        f"WHERE c.id = {row} AND s.status <> 'draft')"
    )


def _of_reader(row: str) -> str:
    return (
        "EXISTS (SELECT 1 FROM studies_reader r JOIN studies_study s ON s.id = r.study_id "
        f"WHERE r.id = {row} AND s.status <> 'draft')"
    )


def _of_session(row: str) -> str:
    return (
        "EXISTS (SELECT 1 FROM studies_session e JOIN studies_reader r ON r.id = e.reader_id "
        f"JOIN studies_study s ON s.id = r.study_id WHERE e.id = {row} AND s.status <> 'draft')"
    )


def _of_presentation(row: str) -> str:
    return (
        "EXISTS (SELECT 1 FROM studies_presentation p "
        "JOIN studies_session e ON e.id = p.session_id "
        "JOIN studies_reader r ON r.id = e.reader_id "
        f"JOIN studies_study s ON s.id = r.study_id WHERE p.id = {row} AND s.status <> 'draft')"
    )


def _of_scan(row: str) -> str:
    return (
        "EXISTS (SELECT 1 FROM studies_case c JOIN studies_study s ON s.id = c.study_id "
        f"WHERE c.scan_id = {row} AND s.status <> 'draft')"
    )


def _differ(*columns: str) -> str:
    return "(" + " OR ".join(f"NEW.{c} IS DISTINCT FROM OLD.{c}" for c in columns) + ")"


# A replacement's list must be the replaced reader's, place for place.
_COPIED_SESSION = (
    "EXISTS (SELECT 1 FROM studies_reader r JOIN studies_session o ON o.reader_id = r.replaces_id "
    "WHERE r.id = NEW.reader_id AND o.number = NEW.number AND o.phase = NEW.phase)"
)
_COPIED_PRESENTATION = (
    "EXISTS (SELECT 1 FROM studies_session e JOIN studies_reader r ON r.id = e.reader_id "
    "JOIN studies_session oe ON oe.reader_id = r.replaces_id AND oe.number = e.number "
    "JOIN studies_presentation o ON o.session_id = oe.id "
    "WHERE e.id = NEW.session_id AND o.position = NEW.position AND o.case_id = NEW.case_id "
    "AND o.is_training = NEW.is_training "
    "AND (o.repeat_of_id IS NULL) = (NEW.repeat_of_id IS NULL))"
)
_COPIED_ALTERNATIVE = (
    "EXISTS (SELECT 1 FROM studies_presentation p JOIN studies_session e ON e.id = p.session_id "
    "JOIN studies_reader r ON r.id = e.reader_id "
    "JOIN studies_session oe ON oe.reader_id = r.replaces_id AND oe.number = e.number "
    "JOIN studies_presentation o ON o.session_id = oe.id AND o.position = p.position "
    "JOIN studies_alternative oa ON oa.presentation_id = o.id "
    "WHERE p.id = NEW.presentation_id AND oa.place = NEW.place AND oa.case_id = NEW.case_id)"
)

RULES = [
    Rule(
        "study_frozen",
        "studies_study",
        "UPDATE",
        "OLD.status <> 'draft' AND "
        + _differ(
            "id", "public_id", "title", "question", "protocol", "seed", "is_demo", "created_at",
            "locked_at", "lock_digest", "blinding",
        ),
        _FROZEN.format(what="protocol, seed and digest"),
    ),
    Rule(
        "study_begins",
        "studies_study",
        "INSERT",
        "NEW.status <> 'draft'",
        "a study begins as a draft",
    ),
    Rule(
        "study_forward",
        "studies_study",
        "UPDATE",
        "OLD.status <> NEW.status AND NOT ("
        "(OLD.status = 'draft' AND NEW.status = 'locked') OR "
        "(OLD.status = 'locked' AND NEW.status = 'open') OR "
        "(OLD.status = 'open' AND NEW.status = 'closed'))",
        "a study goes from draft to locked to open to closed, one step at a time and never back",
    ),
    Rule(
        "study_history",
        "studies_study",
        "UPDATE",
        "(OLD.opened_at IS NOT NULL AND " + _differ("opened_at") + ") OR "
        "(OLD.closed_at IS NOT NULL AND " + _differ("closed_at") + ") OR "
        "(OLD.unblinded_at IS NOT NULL AND " + _differ("unblinded_at") + ")",
        "when a study was opened, unblinded or closed cannot be rewritten",
    ),
    Rule(
        "study_kept",
        "studies_study",
        "DELETE",
        "OLD.status <> 'draft'",
        "a locked study cannot be deleted",
    ),
    Rule(
        "case_no_insert", "studies_case", "INSERT", _study("NEW.study_id"),
        _FROZEN.format(what="cases"),
    ),
    Rule(
        "case_no_update", "studies_case", "UPDATE",
        f"{_study('OLD.study_id')} OR {_study('NEW.study_id')}", _FROZEN.format(what="cases"),
    ),
    Rule(
        "case_no_delete", "studies_case", "DELETE", _study("OLD.study_id"),
        _FROZEN.format(what="cases"),
    ),
    Rule(
        "frame_no_insert", "studies_frame", "INSERT", _of_case("NEW.case_id"),
        _FROZEN.format(what="frames"),
    ),
    Rule(
        "frame_no_update", "studies_frame", "UPDATE",
        f"{_of_case('OLD.case_id')} OR {_of_case('NEW.case_id')}",
        _FROZEN.format(what="frames"),
    ),
    Rule(
        "frame_no_delete", "studies_frame", "DELETE", _of_case("OLD.case_id"),
        _FROZEN.format(what="frames"),
    ),
    Rule(
        "reader_no_insert", "studies_reader", "INSERT",
        f"{_study('NEW.study_id')} AND NEW.replaces_id IS NULL",
        "reading lists are drawn: a reader can only join as the replacement of another",
    ),
    Rule(
        "reader_no_update", "studies_reader", "UPDATE",
        f"{_study('OLD.study_id')} AND ("
        + _differ("id", "public_id", "study_id", "number", "replaces_id")
        + " OR (OLD.user_id IS NOT NULL AND " + _differ("user_id") + "))",
        "a reader of a locked study stays who they are; replace the reader instead",
    ),
    Rule(
        "reader_no_move", "studies_reader", "UPDATE",
        f"{_differ('study_id')} AND {_study('NEW.study_id')}",
        "reading lists are drawn: a reader can only join as the replacement of another",
    ),
    Rule(
        "reader_no_delete", "studies_reader", "DELETE", _study("OLD.study_id"),
        "a reader of a locked study cannot be removed, only withdrawn",
    ),
    Rule(
        "session_no_insert", "studies_session", "INSERT",
        f"{_of_reader('NEW.reader_id')} AND NOT {_COPIED_SESSION}",
        _FROZEN.format(what="reading lists"),
    ),
    Rule(
        "session_no_update", "studies_session", "UPDATE",
        f"{_of_reader('OLD.reader_id')} AND ("
        + _differ("id", "public_id", "reader_id", "number", "phase")
        + " OR (OLD.started_at IS NOT NULL AND " + _differ("started_at") + ")"
        + " OR (OLD.finished_at IS NOT NULL AND " + _differ("finished_at") + "))",
        _FROZEN.format(what="reading lists"),
    ),
    Rule(
        "session_no_move", "studies_session", "UPDATE",
        f"{_differ('reader_id')} AND {_of_reader('NEW.reader_id')}",
        _FROZEN.format(what="reading lists"),
    ),
    Rule(
        "session_no_delete", "studies_session", "DELETE", _of_reader("OLD.reader_id"),
        _FROZEN.format(what="reading lists"),
    ),
    Rule(
        "presentation_no_insert", "studies_presentation", "INSERT",
        f"{_of_session('NEW.session_id')} AND NOT {_COPIED_PRESENTATION}",
        _FROZEN.format(what="reading lists"),
    ),
    Rule(
        "presentation_no_update", "studies_presentation", "UPDATE",
        f"{_of_session('OLD.session_id')} OR {_of_session('NEW.session_id')}",
        _FROZEN.format(what="reading lists"),
    ),
    Rule(
        "presentation_no_delete", "studies_presentation", "DELETE",
        _of_session("OLD.session_id"), _FROZEN.format(what="reading lists"),
    ),
    Rule(
        "alternative_no_insert", "studies_alternative", "INSERT",
        f"{_of_presentation('NEW.presentation_id')} AND NOT {_COPIED_ALTERNATIVE}",
        _FROZEN.format(what="reading lists"),
    ),
    Rule(
        "alternative_no_update", "studies_alternative", "UPDATE",
        f"{_of_presentation('OLD.presentation_id')} OR {_of_presentation('NEW.presentation_id')}",
        _FROZEN.format(what="reading lists"),
    ),
    Rule(
        "alternative_no_delete", "studies_alternative", "DELETE",
        _of_presentation("OLD.presentation_id"), _FROZEN.format(what="reading lists"),
    ),
    Rule(
        "amendment_after_lock", "studies_amendment", "INSERT",
        f"NOT {_study('NEW.study_id')}",
        "a draft is edited, not amended",
    ),
    Rule(
        "amendment_no_update", "studies_amendment", "UPDATE",
        _differ("id", "study_id", "number", "at", "reason", "changes", "status_then",
                "readings_then", "unblinded_then"),
        "an amendment cannot be changed; write another",
    ),
    Rule(
        "amendment_no_delete", "studies_amendment", "DELETE", "TRUE",
        "an amendment cannot be removed; write another",
    ),
    # The truth that the report reads: what a scan is may not change under a locked study.
    Rule(
        "scan_truth", "imaging_scan", "UPDATE",
        f"{_of_scan('OLD.id')} AND "
        + _differ("id", "origin", "pixel_hash", "generator_name", "generator_digest"),
        "the scan is a case of a locked study: its origin, pixels and generator are frozen",
    ),
    Rule(
        "scan_kept", "imaging_scan", "DELETE", _of_scan("OLD.id"),
        "the scan is a case of a locked study and is kept with it",
    ),
    Rule(
        "scan_label_update", "imaging_scan_labels", "UPDATE",
        f"{_of_scan('OLD.scan_id')} OR {_of_scan('NEW.scan_id')}",
        "the scan is a case of a locked study: its labels are frozen",
    ),
    Rule(
        "scan_label_insert", "imaging_scan_labels", "INSERT", _of_scan("NEW.scan_id"),
        "the scan is a case of a locked study: its labels are frozen",
    ),
    Rule(
        "scan_label_delete", "imaging_scan_labels", "DELETE", _of_scan("OLD.scan_id"),
        "the scan is a case of a locked study: its labels are frozen",
    ),
]  # fmt: skip

# Table -> the keys by which a row can be in another's way, and when that row ``o`` is frozen.
KEYS: dict[str, tuple[list[tuple[str, ...]], str]] = {
    "studies_study": ([("id",), ("public_id",), ("render_job_id",)], "o.status <> 'draft'"),
    "studies_case": (
        [("id",), ("public_id",), ("study_id", "scan_id"), ("study_id", "number")],
        _study("o.study_id"),
    ),
    "studies_frame": ([("id",), ("public_id",), ("case_id",)], _of_case("o.case_id")),
    "studies_reader": (
        [
            ("id",),
            ("public_id",),
            ("study_id", "number"),
            ("study_id", "user_id"),
            ("replaces_id",),
        ],
        _study("o.study_id"),
    ),
    "studies_session": (
        [("id",), ("public_id",), ("reader_id", "number")],
        _of_reader("o.reader_id"),
    ),
    "studies_presentation": (
        [("id",), ("public_id",), ("session_id", "position")],
        _of_session("o.session_id"),
    ),
    "studies_alternative": (
        [("id",), ("presentation_id", "place")],
        _of_presentation("o.presentation_id"),
    ),
    "studies_amendment": ([("id",), ("study_id", "number")], "TRUE"),
    "imaging_scan": ([("id",), ("public_id",), ("pixel_hash",)], _of_scan("o.id")),
    "imaging_scan_labels": ([("id",), ("scan_id", "label_id")], _of_scan("o.scan_id")),
}


def _in_the_way(table: str, event: str) -> Rule:
    keys, frozen = KEYS[table]
    same = " OR ".join(
        "(" + " AND ".join(f"o.{column} = NEW.{column}" for column in key) + ")" for key in keys
    )
    other = " AND o.id <> OLD.id" if event == "UPDATE" else ""
    return Rule(
        f"{table.removeprefix('studies_')}_no_replacing_{event.lower()}",
        table,
        event,
        f"EXISTS (SELECT 1 FROM {table} o WHERE ({same}){other} AND {frozen})",
        "a row of a locked study cannot be replaced",
        sqlite_only=True,
    )


RULES += [_in_the_way(table, event) for table in KEYS for event in ("INSERT", "UPDATE")]
