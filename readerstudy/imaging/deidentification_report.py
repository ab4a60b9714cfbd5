"""What was removed from each file of an import, as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from readerstudy.imaging.deidentification import names_of
from readerstudy.imaging.models import Batch

COLUMNS = ("file", "scan", "attribute", "done")


def deidentification_rows(batch: Batch) -> Iterator[str]:
    """CSV, a line at a time: file, scan, attribute, what was done. Values are in no report."""
    yield _line(COLUMNS)
    items = batch.items.filter(scan__isnull=False).select_related("scan").order_by("id")
    for item in items.iterator(chunk_size=200):
        scan = item.scan
        assert scan is not None
        short, report = str(scan.public_id)[:8], scan.deidentification
        yield _line((item.name, short, "profile", report.get("profile", "")))
        for option in report.get("options", ()):
            yield _line((item.name, short, "option", option))
        for attribute, done in names_of(report):
            yield _line((item.name, short, attribute, done))
        if report.get("pixels"):
            yield _line((item.name, short, "pixels", report["pixels"]))


def _line(cells: tuple[str, ...]) -> str:
    # A cell that a spreadsheet would take for a formula is made plain text.
    plain = [f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell for cell in cells]
    line = io.StringIO()
    csv.writer(line).writerow(plain)
    return line.getvalue()
