"""Audit entries as CSV, streamed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.http import StreamingHttpResponse

from readerstudy.audit.models import Entry

COLUMNS = [
    "sequence", "at", "actor_name", "actor_id", "address", "action", "object_type", "object_id",
    "study_id", "details", "request_id", "previous_hash", "hash",
]  # fmt: skip


class _Echo:
    def write(self, value: str) -> str:
        return value


def response(entries: Iterable[Entry]) -> StreamingHttpResponse:
    """``audit.csv`` with one line an entry, in the order given."""
    writer = csv.writer(_Echo(), lineterminator="\r\n")

    def lines() -> Iterator[str]:
        yield writer.writerow(COLUMNS)
        for entry in entries:
            yield writer.writerow([_cell(getattr(entry, name)) for name in COLUMNS])

    answer = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return answer


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    # Text that a spreadsheet would run as a formula is disarmed.
    return "'" + text if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
