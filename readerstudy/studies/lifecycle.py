"""Draft -> locked -> open -> closed, and unblinding. Each step is explicit and on the record."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from readerstudy.audit import trail
from readerstudy.studies import digest
from readerstudy.studies.errors import StudyError
from readerstudy.studies.models import Membership, Study
from readerstudy.studies.protocol import Protocol


def create(
    *,
    title: str,
    by: Any,
    question: str = "",
    protocol: Protocol | None = None,
    seed: int | None = None,
    is_demo: bool = False,
    request: HttpRequest | None = None,
) -> Study:
    """A draft, owned by ``by``."""
    if not title.strip():
        raise StudyError("A study needs a title.")
    fields: dict[str, Any] = {} if seed is None else {"seed": seed}
    with transaction.atomic():
        study = Study.objects.create(
            title=title.strip(),
            question=question.strip(),
            protocol=(protocol or Protocol()).model_dump(mode="json"),
            created_by=by,
            is_demo=is_demo,
            **fields,
        )
        if by is not None:
            Membership.objects.create(study=study, user=by, role=Membership.Role.OWNER)
        trail.record(
            "study.created",
            actor=by,
            on=study,
            study_id=study.public_id,
            request=request,
            title=study.title,
        )
    return study


def open_study(study: Study, *, by: Any, request: HttpRequest | None = None) -> Study:
    """Let readers in. Raises ``StudyError`` unless locked and still what was locked."""
    with transaction.atomic():
        study = _held(study, Study.Status.LOCKED, "opened")
        if not digest.holds(study):
            raise StudyError(
                "What lies in the database is no longer what was locked (its digest differs); the "
                "study is not opened. Look at the audit trail and at the database's own logs."
            )
        study.status = Study.Status.OPEN
        study.opened_at = timezone.now()
        study.save(update_fields=["status", "opened_at"])
        _record("study.opened", study, by, request)
    return study


def close_study(study: Study, *, by: Any, request: HttpRequest | None = None) -> Study:
    """End reading, for good. Results become visible to those whose role allows it."""
    with transaction.atomic():
        study = _held(study, Study.Status.OPEN, "closed")
        study.status = Study.Status.CLOSED
        study.closed_at = timezone.now()
        study.save(update_fields=["status", "closed_at"])
        _record("study.closed", study, by, request)
    return study


def unblind(study: Study, *, by: Any, reason: str, request: HttpRequest | None = None) -> Study:
    """Let the owners see results while the study is open. It is recorded and reported, for good."""
    if not reason.strip():
        raise StudyError("Say why results must be seen before the study is closed.")
    with transaction.atomic():
        study = _held(study, Study.Status.OPEN, "unblinded")
        if study.unblinded_at is not None:
            raise StudyError("The study was unblinded already.")
        study.unblinded_at = timezone.now()
        study.save(update_fields=["unblinded_at"])
        _record("study.unblinded", study, by, request, reason=reason.strip())
    return study


def set_due(
    study: Study, due_at: datetime | None, *, by: Any, request: HttpRequest | None = None
) -> Study:
    """When readers should be done; may be moved at any time before close."""
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        if study.status == Study.Status.CLOSED:
            raise StudyError("The study is closed.")
        before, study.due_at = study.due_at, due_at
        study.save(update_fields=["due_at"])
        _record(
            "study.due_changed",
            study,
            by,
            request,
            before=before.isoformat() if before else None,
            after=due_at.isoformat() if due_at else None,
        )
    return study


def _held(study: Study, status: Study.Status, deed: str) -> Study:
    study = Study.objects.select_for_update().get(pk=study.pk)
    if study.status != status:
        raise StudyError(
            f"The study is {study.status}; only one that is {status.value} can be {deed}."
        )
    return study


def _record(
    action: str, study: Study, by: Any, request: HttpRequest | None, **details: Any
) -> None:
    trail.record(action, actor=by, on=study, study_id=study.public_id, request=request, **details)
