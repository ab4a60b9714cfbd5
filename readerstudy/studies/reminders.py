"""Mail to readers who have not finished. Monitors send them without learning a name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core.mail import send_mail
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone

from readerstudy.audit import trail
from readerstudy.studies import progress
from readerstudy.studies.errors import StudyError
from readerstudy.studies.models import Reader, Study

# Two reminders closer together than this are a nuisance.
APART = timedelta(hours=20)


@dataclass(slots=True)
class Sent:
    """Whose reminders went out, and which could not."""

    reminded: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def remind(
    study: Study,
    *,
    link: str,
    readers: Collection[str] | None = None,
    by: Any,
    request: HttpRequest | None = None,
) -> Sent:
    """Remind the unfinished active readers (``readers`` names some by code).

    Left alone: the finished, the paused, and, named in ``failed``, those in their washout, without
    an address, or reminded within the last twenty hours.

    Raises ``StudyError`` unless the study is open.
    """
    if study.status != Study.Status.OPEN:
        raise StudyError(f"The study is {study.status}; readers are reminded while it is open.")
    now, sent = timezone.now(), Sent()
    for one in progress.standing(study, now).readers:
        reader = one.reader
        if readers is not None and reader.code not in readers:
            continue
        if reader.state != Reader.State.ACTIVE or one.is_finished or reader.user is None:
            continue
        if one.may_read_from is not None:
            sent.failed.append(f"{reader.code} cannot read yet: {one.resting.lower()}.")
            continue
        if reader.reminded_at is not None and now - reader.reminded_at < APART:
            sent.failed.append(f"{reader.code} was reminded less than a day ago.")
            continue
        if not reader.user.email:
            sent.failed.append(f"{reader.code} has no e-mail address here.")
            continue
        context = {"one": one, "link": link, "due": reader.due_at or study.due_at}
        try:
            send_mail(
                subject="Your reading list",
                message=render_to_string("studies/mail/reminder.txt", context),
                from_email=None,
                recipient_list=[reader.user.email],
            )
        except OSError as error:
            sent.failed.append(f"The mail to {reader.code} could not be sent ({error}).")
            continue
        Reader.objects.filter(pk=reader.pk).update(reminded_at=now)
        sent.reminded.append(reader.code)
    trail.record(
        "readers.reminded",
        actor=by,
        on=study,
        study_id=study.public_id,
        request=request,
        readers=sent.reminded,
    )
    return sent
