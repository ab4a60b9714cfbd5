"""Values that tell nothing in the place of values that would."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

from pydicom import DataElement, Dataset, Sequence

from readerstudy.imaging.deidentification.pseudonymiser import Pseudonymiser

OLDEST_AGE = 90  # ages above 89 can single a person out (45 CFR 164.514(b)(2)(i)(C))

_TEXT = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
_DUMMY: dict[str, Any] = {
    "DA": "19000101", "DT": "19000101000000", "TM": "000000", "AS": "000Y", "DS": "0", "IS": "0",
    "PN": "ANONYMOUS", "CS": "ANONYMIZED", "AE": "ANONYMIZED", "UR": "about:blank",
    "FD": 0.0, "FL": 0.0, "SL": 0, "SS": 0, "UL": 0, "US": 0, "SV": 0, "UV": 0, "AT": 0,
    "OB": b"\0\0", "OW": b"\0\0", "OD": b"\0" * 8, "OF": b"\0" * 4, "OL": b"\0" * 4,
    "OV": b"\0" * 8, "UN": b"\0\0",
}  # fmt: skip


def replace(dataset: Dataset, element: DataElement) -> None:
    if element.VR == "SQ":
        # An empty item keeps the sequence's presence and tells nothing.
        element.value = Sequence([Dataset()])
    elif element.VR == "UI":
        element.value = "2.25.0"
    else:
        dummy = _DUMMY.get(element.VR, "ANONYMIZED" if element.VR in _TEXT else None)
        element.value = dummy


def replace_uids(element: DataElement, names: Pseudonymiser) -> None:
    several = not isinstance(element.value, str) and hasattr(element.value, "__iter__")
    if several:
        element.value = [names.uid(str(uid)) for uid in element.value]
    elif element.VR == "UI":
        element.value = names.uid(str(element.value))
    else:
        element.value = None


def shift(element: DataElement, days: int) -> Any:
    """The value with every date moved back, or None where one is no date."""
    several = not isinstance(element.value, str) and hasattr(element.value, "__iter__")
    values = [str(value) for value in (element.value if several else [element.value])]
    moved = []
    for value in values:
        if not value or value == "None":
            moved.append("")
            continue
        match = re.match(r"(\d{4})[.]?(\d{2})[.]?(\d{2})", value)
        if not match:
            return None
        try:
            day = date(int(match[1]), int(match[2]), int(match[3])) - timedelta(days=days)
        except (ValueError, OverflowError):
            return None
        # Times of day stay in no option that is offered here.
        moved.append(day.strftime("%Y%m%d") if day.year >= 1000 else "")
    return moved if several else moved[0]


def coarsen(element: DataElement) -> None:
    """Old people are few: their ages are one group, however they are written."""
    if element.keyword == "PatientAge":
        match = re.fullmatch(r"\s*(\d+)\s*([DWMY]?)\s*", str(element.value or "").upper())
        if match is None:
            element.value = None
        elif int(match[1]) / {"D": 365.25, "W": 52.18, "M": 12.0}.get(match[2], 1.0) >= OLDEST_AGE:
            element.value = f"{OLDEST_AGE:03d}Y"
