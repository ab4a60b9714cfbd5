"""Example pairs of a blinding audit: for each leading cue an acquired and a generated case that are
typical of the difference, pictured as they were audited."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readerstudy.imaging import fingerprints, storage

MOST = 4  # cues that are shown with a pair


def pairs(audit: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[int, int]]]:
    """The leading cues of ``AuditResult.to_dict()`` with the places of their two cases."""
    for cue in audit.get("cues", ())[:MOST]:
        if cue.get("examples"):
            acquired, generated = cue["examples"]
            yield cue, (acquired, generated)


def places(audit: dict[str, Any]) -> list[int]:
    """Every case that some pair shows."""
    return sorted({place for _, both in pairs(audit) for place in both})


def keep(frames: Iterable[tuple[int, NDArray[np.uint16], int]]) -> dict[str, str]:
    """Store a small picture of each (place, pixels, bits); storage keys by place.

    Grey levels are shown over their full range, as they are: a picture that were brightened by
    itself would hide what the audit found.
    """
    keys = {}
    for place, pixels, bits in frames:
        top = float((1 << bits) - 1)
        picture = fingerprints.preview(pixels, bits, (top / 2, top))
        content = fingerprints.thumbnail(picture)
        key = f"audits/{hashlib.sha256(content).hexdigest()[:32]}.jpg"
        storage.put_bytes(key, content)
        keys[str(place)] = key
    return keys


def kept(keys: dict[str, str] | None, place: int) -> bytes | None:
    """The picture that :func:`keep` stored for a place, JPEG; None where there is none."""
    key = (keys or {}).get(str(place))
    try:
        return storage.read_bytes(key) if key else None
    except FileNotFoundError:
        return None
