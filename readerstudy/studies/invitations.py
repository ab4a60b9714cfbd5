"""Single-use, expiring links into a study. The database keeps only their digests."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.core.mail import send_mail
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone

from readerstudy.audit import trail
from readerstudy.studies import enrolment
from readerstudy.studies.errors import StudyError
from readerstudy.studies.models import Invitation, Reader, Study

LIFETIME = timedelta(days=14)


def invite(
    study: Study,
    *,
    by: Any,
    reader: Reader | None = None,
    role: str = "",
    email: str = "",
    lifetime: timedelta = LIFETIME,
    request: HttpRequest | None = None,
) -> tuple[Invitation, str]:
    """A new invitation and its token, which is shown once and kept nowhere.

    For a reader's open place, or, with ``role``, for a colleague. Earlier links to the same place
    stop working. Raises ``StudyError`` for a taken place or a closed study.
    """
    if study.status == Study.Status.CLOSED:
        raise StudyError("The study is closed: nobody can be invited any more.")
    if reader is not None and reader.user_id is not None:
        raise StudyError(f"{reader.code} is taken; open another place.")
    if (reader is None) == (role == ""):
        raise StudyError("An invitation is for a reader's place or for a role.")
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        _hold(study)  # of two links made at once for one place only the later works
        if reader is not None:
            Invitation.objects.filter(reader=reader, used_at=None, revoked_at=None).update(
                revoked_at=timezone.now()
            )
        invitation = Invitation.objects.create(
            study=study,
            reader=reader,
            role=role,
            email=email,
            token_sha256=_digest(token),
            created_by=by,
            expires_at=timezone.now() + lifetime,
        )
        trail.record(
            "invitation.made",
            actor=by,
            on=invitation,
            study_id=study.public_id,
            request=request,
            reader=reader.code if reader else None,
            role=role,
        )
    return invitation, token


def send(invitation: Invitation, link: str) -> None:
    """Mail the link to the invitation's address, through the configured backend."""
    context = {"invitation": invitation, "study": invitation.study, "link": link}
    send_mail(
        subject=" ".join(render_to_string("studies/mail/invitation_subject.txt", context).split()),
        message=render_to_string("studies/mail/invitation.txt", context),
        from_email=None,
        recipient_list=[invitation.email],
    )


def find(token: str) -> Invitation:
    """The invitation behind a link. Raises ``StudyError`` when it is used, expired or unknown."""
    invitation = (
        Invitation.objects.select_related("study", "reader")
        .filter(token_sha256=_digest(token))
        .first()
    )
    if invitation is None or invitation.revoked_at is not None:
        raise StudyError("This invitation is not valid. Ask for a new link.")
    if invitation.used_at is not None:
        raise StudyError("This invitation was used already. Sign in to go on.")
    if invitation.expires_at <= timezone.now():
        raise StudyError("This invitation has expired. Ask for a new link.")
    if invitation.study.status == Study.Status.CLOSED:
        raise StudyError("The study is closed.")
    return invitation


def accept(invitation: Invitation, user: Any, *, request: HttpRequest | None = None) -> None:
    """Use the invitation up. Raises ``StudyError`` when another request was faster."""
    with transaction.atomic():
        _hold(invitation.study)
        now = timezone.now()
        taken = Invitation.objects.filter(
            pk=invitation.pk, used_at=None, revoked_at=None, expires_at__gt=now
        ).update(used_at=now)
        if not taken:
            raise StudyError("This invitation was used already. Sign in to go on.")
        if invitation.reader is not None:
            enrolment.fill_place(invitation.reader, user, request=request)
        else:
            enrolment.give_role(invitation.study, user, invitation.role, by=user, request=request)
        trail.record(
            "invitation.used",
            actor=user,
            on=invitation,
            study_id=invitation.study.public_id,
            request=request,
        )


def revoke(invitation: Invitation, *, by: Any, request: HttpRequest | None = None) -> None:
    """Stop an unused link from working."""
    with transaction.atomic():
        if not Invitation.objects.filter(pk=invitation.pk, used_at=None, revoked_at=None).update(
            revoked_at=timezone.now()
        ):
            raise StudyError("This invitation was used or revoked already.")
        trail.record(
            "invitation.revoked",
            actor=by,
            on=invitation,
            study_id=invitation.study.public_id,
            request=request,
        )


def _hold(study: Study) -> None:
    """Wait for whoever is at the study's people. Always the study's row first, then an invitation's
    and a reader's: who takes them in one order cannot block each other for good."""
    Study.objects.select_for_update().get(pk=study.pk)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
