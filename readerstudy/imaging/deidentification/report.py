"""What was done to one file, without any value that was there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from readerstudy.imaging.deidentification.table import EDITION


@dataclass(slots=True)
class Report:
    """What was done to one file, without any value that was there."""

    profile: str = f"DICOM PS3.15 {EDITION}, Basic Application Level Confidentiality Profile"
    options: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    uids: list[str] = field(default_factory=list)
    shifted: list[str] = field(default_factory=list)
    retained: list[str] = field(default_factory=list)
    private_removed: int = 0
    pixels: str = ""
    private_kept: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def names_of(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(attribute, what was done) of a stored report, for its page and its table."""
    if report.get("private_removed"):
        yield f"{report['private_removed']} private attributes", "removed"
    for deed in ("removed", "emptied", "replaced", "uids", "shifted", "retained", "private_kept"):
        for name in report.get(deed, ()):
            yield (
                name,
                {"uids": "UID mapped", "private_kept": "private, safe-listed"}.get(deed, deed),
            )
