"""People into a study: readers under pseudonyms, colleagues in roles."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Max, Q
from django.http import HttpRequest

from readerstudy.audit import trail
from readerstudy.audit.models import Entry
from readerstudy.studies.errors import StudyError
from readerstudy.studies.models import (
    Alternative,
    Membership,
    Presentation,
    Reader,
    Session,
    Study,
)


def find_user(name: str) -> Any:
    """The active user with this username or e-mail address.

    Raises ``StudyError`` when nobody, or more than one, is found.
    """
    name = name.strip()
    found = list(
        get_user_model()
        .objects.filter(Q(username__iexact=name) | Q(email__iexact=name), is_active=True)
        .exclude(username="")[:2]
    )
    if len(found) != 1:
        why = "nobody here is" if not found else "more than one person is"
        raise StudyError(
            f"“{name}”: {why} known by this name or address. Check the spelling, or send an "
            "invitation link."
        )
    return found[0]


def enrol(study: Study, user: Any, *, by: Any = None, request: HttpRequest | None = None) -> Reader:
    """Enrol a person as the study's next reader (R01, R02 ...).

    Raises ``StudyError`` after lock, when lists are drawn already, and for people whose role lets
    them see the cases' truth.
    """
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        _require_places(study)
        _refuse_double_roles(study, user)
        reader = Reader.objects.create(study=study, user=user, number=next_number(study))
        trail.record(
            "reader.enrolled",
            actor=by,
            on=reader,
            study_id=study.public_id,
            request=request,
            reader=reader.code,
        )
    return reader


def open_place(study: Study, *, by: Any = None, request: HttpRequest | None = None) -> Reader:
    """A reader's place without a person yet; an invitation fills it, before or after lock."""
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        _require_places(study)
        reader = Reader.objects.create(
            study=study, number=next_number(study), state=Reader.State.INVITED
        )
        trail.record(
            "reader.place_opened",
            actor=by,
            on=reader,
            study_id=study.public_id,
            request=request,
            reader=reader.code,
        )
    return reader


def fill_place(
    reader: Reader, user: Any, *, by: Any = None, request: HttpRequest | None = None
) -> Reader:
    """Give an open place to a person. The drawn list stays as it is.

    Raises ``StudyError`` when the place is taken or the person has another role.
    """
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=reader.study_id)
        reader = Reader.objects.select_for_update().get(pk=reader.pk)
        if reader.user_id is not None or reader.state == Reader.State.WITHDRAWN:
            raise StudyError(f"{reader.code} is not an open place.")
        if study.status == Study.Status.CLOSED:
            raise StudyError("The study is closed.")
        _refuse_double_roles(study, user)
        reader.user = user
        reader.state = Reader.State.ACTIVE
        reader.save(update_fields=["user", "state"])
        trail.record(
            "reader.enrolled",
            actor=by or user,
            on=reader,
            study_id=study.public_id,
            request=request,
            reader=reader.code,
        )
    return reader


def remove(reader: Reader, *, by: Any = None, request: HttpRequest | None = None) -> None:
    """Take a reader out of a draft. After lock readers withdraw instead; their list stays."""
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=reader.study_id)
        _require_places(study)
        trail.record(
            "reader.removed",
            actor=by,
            on=reader,
            study_id=study.public_id,
            request=request,
            reader=reader.code,
        )
        reader.delete()


def replace(
    reader: Reader,
    user: Any = None,
    *,
    reason: str,
    by: Any = None,
    request: HttpRequest | None = None,
) -> Reader:
    """Withdraw a reader and let another read a copy of the same drawn list.

    The lists of a locked study never change: the withdrawn reader's list and readings stay, the
    replacement gets its own readership with the very same cases at the very same positions (the
    database accepts nothing else). Without ``user`` the place is open for an invitation.

    Raises ``StudyError`` in a draft (remove the reader instead), in a closed study, without a
    reason, or where the reader was replaced already.
    """
    if not reason.strip():
        raise StudyError("Say why the reader is replaced; the reason is kept in the audit trail.")
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=reader.study_id)
        if study.status not in (Study.Status.LOCKED, Study.Status.OPEN):
            raise StudyError(
                f"The study is {study.status}: readers are replaced between lock and close."
            )
        if Reader.objects.filter(replaces=reader).exists():
            raise StudyError(f"{reader.code} has a replacement already.")
        if user is not None:
            _refuse_double_roles(study, user)
        Reader.objects.filter(pk=reader.pk).update(state=Reader.State.WITHDRAWN)
        successor = Reader.objects.create(
            study=study,
            user=user,
            number=next_number(study),
            state=Reader.State.ACTIVE if user is not None else Reader.State.INVITED,
            replaces=reader,
        )
        _copy_list(reader, successor)
        trail.record(
            "reader.replaced",
            actor=by,
            on=reader,
            study_id=study.public_id,
            request=request,
            reader=reader.code,
            replaced_by=successor.code,
            reason=reason.strip(),
        )
    return successor


def _copy_list(source: Reader, target: Reader) -> None:
    for session in source.sessions.all():
        copy = Session.objects.create(reader=target, number=session.number, phase=session.phase)
        shown = session.presentations.order_by("position")
        Presentation.objects.bulk_create(
            Presentation(
                session=copy, position=p.position, case_id=p.case_id, is_training=p.is_training
            )
            for p in shown
            if p.repeat_of_id is None
        )
    at = {
        (p.session.number, p.position): p
        for p in Presentation.objects.filter(session__reader=target).select_related("session")
    }
    sessions = {session.number: session for session in target.sessions.all()}
    repeats = Presentation.objects.filter(
        session__reader=source, repeat_of__isnull=False
    ).select_related("session", "repeat_of__session")
    made = Presentation.objects.bulk_create(
        Presentation(
            session=sessions[p.session.number],
            position=p.position,
            case_id=p.case_id,
            repeat_of=at[p.repeat_of.session.number, p.repeat_of.position],
        )
        for p in repeats
        if p.repeat_of is not None
    )
    at.update({(p.session.number, p.position): p for p in made})
    Alternative.objects.bulk_create(
        Alternative(
            presentation=at[a.presentation.session.number, a.presentation.position],
            case_id=a.case_id,
            place=a.place,
        )
        for a in Alternative.objects.filter(presentation__session__reader=source).select_related(
            "presentation__session"
        )
    )


def set_state(
    reader: Reader,
    state: str,
    *,
    reason: str = "",
    by: Any = None,
    request: HttpRequest | None = None,
) -> None:
    """Pause a reader, let them go on, or withdraw them. Raises ``StudyError`` for other moves."""
    allowed = {
        Reader.State.PAUSED: {Reader.State.ACTIVE},
        Reader.State.ACTIVE: {Reader.State.PAUSED, Reader.State.FINISHED},
        Reader.State.WITHDRAWN: {Reader.State.ACTIVE, Reader.State.PAUSED, Reader.State.INVITED},
    }
    with transaction.atomic():
        reader = Reader.objects.select_for_update().select_related("study").get(pk=reader.pk)
        if reader.study.status == Study.Status.CLOSED:
            raise StudyError("The study is closed: its readers stay as they are.")
        if reader.state not in allowed.get(Reader.State(state), set()):
            raise StudyError(f"{reader.code} is {reader.state} and cannot become {state}.")
        before = reader.state
        reader.state = state
        reader.save(update_fields=["state"])
        trail.record(
            "reader.state_changed",
            actor=by,
            on=reader,
            study_id=reader.study.public_id,
            request=request,
            reader=reader.code,
            before=before,
            after=state,
            reason=reason,
        )


def extend(
    reader: Reader, due_at: datetime, *, by: Any = None, request: HttpRequest | None = None
) -> None:
    """Give a reader until ``due_at``, whatever the study's own date."""
    with transaction.atomic():
        reader = Reader.objects.select_for_update().select_related("study").get(pk=reader.pk)
        if reader.study.status == Study.Status.CLOSED:
            raise StudyError("The study is closed: there is nothing left to extend.")
        before = reader.due_at
        reader.due_at = due_at
        reader.save(update_fields=["due_at"])
        trail.record(
            "reader.extended",
            actor=by,
            on=reader,
            study_id=reader.study.public_id,
            request=request,
            reader=reader.code,
            before=before.isoformat() if before else None,
            after=due_at.isoformat(),
        )


def give_role(
    study: Study, user: Any, role: str, *, by: Any = None, request: HttpRequest | None = None
) -> Membership:
    """Make the user owner, editor, monitor or analyst. Readers are refused: they must stay blind.

    Raises ``StudyError`` also when the last owner would lose that role.
    """
    if role not in Membership.Role.values:
        raise StudyError(f"“{role}” is no role; choose one of {', '.join(Membership.Role.values)}.")
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        if study.readers.filter(user=user).exists():
            raise StudyError(f"{user} reads in this study and must not see more of it.")
        if role != Membership.Role.OWNER:
            _require_another_owner(study, user)
        membership, _ = Membership.objects.update_or_create(
            study=study, user=user, defaults={"role": role}
        )
        trail.record(
            "membership.given",
            actor=by,
            on=user,
            study_id=study.public_id,
            request=request,
            role=role,
        )
    return membership


def take_role(
    membership: Membership, *, by: Any = None, request: HttpRequest | None = None
) -> None:
    """End a membership. Raises ``StudyError`` for the last owner."""
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=membership.study_id)
        _require_another_owner(study, membership.user)
        trail.record(
            "membership.ended",
            actor=by,
            on=membership.user,
            study_id=study.public_id,
            request=request,
            role=membership.role,
        )
        membership.delete()


def next_number(study: Study) -> int:
    return (study.readers.aggregate(last=Max("number"))["last"] or 0) + 1


def _require_places(study: Study) -> None:
    if not study.is_editable:
        raise StudyError(
            "Reading lists are drawn at lock: readers join before it, or afterwards by replacing "
            "one who withdraws."
        )


def _refuse_double_roles(study: Study, user: Any) -> None:
    if study.readers.filter(user=user).exists():
        raise StudyError(f"{user} is enrolled already.")
    role = study.memberships.filter(user=user).values_list("role", flat=True).first()
    if role == Membership.Role.MONITOR:
        raise StudyError(f"{user} is monitor of this study; end that role first.")
    if role is not None or _knew_the_truth(study, user):
        raise StudyError(
            f"{user} is or was {role or 'owner or editor'} of this study and knows more than a "
            "blinded reader may; enrol somebody else."
        )
    if sees_the_archive(user):
        raise StudyError(
            f"{user} may browse the archive, where the origin of every scan stands, and cannot "
            "read blinded. Take that right away, or enrol an account without it."
        )


def sees_the_archive(user: Any) -> bool:
    """Whether the account is shown the truth outside any study."""
    return bool(user.is_superuser or user.is_researcher)


def _knew_the_truth(study: Study, user: Any) -> bool:
    """Whether the person ever had a role that shows the cases; the audit trail never forgets."""
    return study.created_by_id == user.pk or any(
        entry.details.get("role") in (Membership.Role.OWNER, Membership.Role.EDITOR)
        for entry in Entry.objects.filter(
            study_id=str(study.public_id),
            action="membership.given",
            object_id=str(user.public_id),
        )
    )


def _require_another_owner(study: Study, user: Any) -> None:
    owners = study.memberships.filter(role=Membership.Role.OWNER)
    if owners.filter(user=user).exists() and owners.count() == 1:
        raise StudyError("A study keeps at least one owner: name another first.")
