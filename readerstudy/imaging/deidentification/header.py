"""The few attributes of a de-identified header that the archive keeps."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from pydicom import Dataset
from pydicom.tag import BaseTag, Tag

from readerstudy.imaging.deidentification.table import KEPT_KEYWORDS


def kept_header(dataset: Dataset) -> dict[str, Any]:
    """The few attributes that the archive keeps of a de-identified dataset, as JSON values."""
    header: dict[str, Any] = {}
    for tag, keyword in _kept_tags():
        if tag not in dataset or (element := dataset[tag].value) is None:
            continue
        if (plain := _plain(element)) not in (None, ""):
            header[keyword] = plain
    return header


@lru_cache(maxsize=1)
def _kept_tags() -> tuple[tuple[BaseTag, str], ...]:
    return tuple((Tag(keyword), keyword) for keyword in KEPT_KEYWORDS)


def _plain(value: Any) -> Any:
    """A JSON value that every database takes: no NaN, no infinity, no NUL."""
    if isinstance(value, (int, float)):
        number = float(value)
        if not math.isfinite(number):
            return None
        return number if not number.is_integer() else int(value)
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value)} bytes"
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        return [_plain(one) for one in value]
    return str(value).replace("\0", "")[:1024]
