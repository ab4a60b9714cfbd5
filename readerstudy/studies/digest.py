"""The digest that a locked study is known by.

SHA-256 over the canonical JSON (sorted keys, no spaces, UTF-8) of everything that was frozen:
title, question, protocol, seed, cases with their truth and pixels, frames, every drawn list, and
what the blinding audit found and who signed for it.
Whoever holds the database and the storage can compute it again and compare; whoever is given the
lock record (:func:`record`) needs neither.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from readerstudy.studies import blinding
from readerstudy.studies.models import Alternative, Presentation, Study

VERSION = 2


def content(study: Study) -> dict[str, Any]:
    """What is frozen, as plain data. Replacements' copies of lists are no part of it."""
    alternatives: dict[int, list[int]] = {}
    for one in (
        Alternative.objects.filter(presentation__session__reader__study=study)
        .select_related("case")
        .order_by("presentation_id", "place")
    ):
        alternatives.setdefault(one.presentation_id, []).append(one.case.number)
    lists: dict[str, list[dict[str, Any]]] = {}
    shown = (
        Presentation.objects.filter(
            session__reader__study=study, session__reader__replaces__isnull=True
        )
        .select_related("session__reader", "case", "repeat_of__session")
        .order_by("session__reader__number", "session__number", "position")
    )
    for presentation in shown:
        session, first = presentation.session, presentation.repeat_of
        key = f"{session.reader.code}/{session.phase}/{session.number}"
        lists.setdefault(key, []).append(
            {
                "position": presentation.position,
                "case": presentation.case.number,
                "alternatives": alternatives.get(presentation.pk, []),
                "repeat_of": [first.session.number, first.position] if first else None,
                "training": presentation.is_training,
            }
        )
    cases = study.cases.select_related("frame").order_by("number")
    return {
        "version": VERSION,
        "study": str(study.public_id),
        "title": study.title,
        "question": study.question,
        "protocol": study.protocol,
        "seed": study.seed,
        "cases": [
            {
                "number": case.number,
                "id": str(case.public_id),
                "stratum": case.stratum,
                "training": case.is_training,
                "truth": case.truth,
                "frame": {"sha256": case.frame.sha256, "pixels_sha256": case.frame.pixels_sha256},
            }
            for case in cases
        ],
        "lists": lists,
        "blinding": blinding.frozen(study),
    }


def record(study: Study) -> bytes:
    """The very bytes that the digest is taken over, to be given to whoever is to check it: their
    SHA-256 (``sha256sum FILE``) is the digest. It tells the truth about every case."""
    text = json.dumps(content(study), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def compute(study: Study) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(record(study)).hexdigest()


def holds(study: Study) -> bool:
    """Whether what lies in the database is still what was locked."""
    return bool(study.lock_digest) and compute(study) == study.lock_digest
