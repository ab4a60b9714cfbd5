"""Change a draft. After lock the only way is an amendment."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest

from readerstudy.audit import trail
from readerstudy.studies.errors import StudyError
from readerstudy.studies.models import Study
from readerstudy.studies.protocol import Protocol


def differences(before: Any, after: Any, path: str = "") -> list[dict[str, Any]]:
    """What changed between two protocols: ``{"path", "before", "after"}``, leaves of mappings.

    >>> differences({"a": {"b": 1}}, {"a": {"b": 2}})
    [{'path': 'a.b', 'before': 1, 'after': 2}]
    """
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in [*before, *(key for key in after if key not in before)]:
            inner = f"{path}.{key}" if path else str(key)
            found += differences(before.get(key), after.get(key), inner)
        return found
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        found = []
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            found += differences(one, other, f"{path}.{number}")
        return found
    if before == after and type(before) is type(after):
        return []
    if before == after and not isinstance(before, bool) and not isinstance(after, bool):
        return []  # 1 and 1.0
    return [{"path": path, "before": before, "after": after}]


def edit(
    study: Study,
    *,
    by: Any,
    title: str | None = None,
    question: str | None = None,
    protocol: Protocol | None = None,
    seed: int | None = None,
    request: HttpRequest | None = None,
) -> Study:
    """Change title, question, protocol or seed of a draft; the audit trail says from what to what.

    Raises ``StudyError`` once the study is locked or being locked.
    """
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        if not study.is_editable:
            raise StudyError(
                "The study is being locked; its protocol cannot change now."
                if study.is_locking
                else f"The study is {study.status}: its protocol is frozen. Write an amendment."
            )
        before = _content(study)
        if title is not None:
            if not title.strip():
                raise StudyError("A study needs a title.")
            study.title = title.strip()
        if question is not None:
            study.question = question.strip()
        if protocol is not None:
            study.protocol = protocol.model_dump(mode="json")
        if seed is not None:
            study.seed = seed
        changes = differences(before, _content(study))
        if changes:
            study.lock_problem = ""
            study.save(update_fields=["title", "question", "protocol", "seed", "lock_problem"])
            trail.record(
                "study.edited",
                actor=by,
                on=study,
                study_id=study.public_id,
                request=request,
                changes=changes,
            )
    return study


def _content(study: Study) -> dict[str, Any]:
    return {
        "title": study.title,
        "question": study.question,
        "seed": study.seed,
        "protocol": study.protocol,
    }


def delete(study: Study, *, by: Any, request: HttpRequest | None = None) -> None:
    """Throw a draft away. A locked study cannot be deleted: readers gave their time to it."""
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        if not study.is_editable:
            raise StudyError(f"The study is {study.status}; only drafts can be deleted.")
        trail.record(
            "study.deleted",
            actor=by,
            on=study,
            study_id=study.public_id,
            request=request,
            title=study.title,
        )
        study.delete()
