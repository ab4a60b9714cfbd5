"""Who may do what in a study, in which state of the study. The one place that decides it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase

from readerstudy.studies.models import Membership, Study

OWNER, EDITOR, MONITOR, ANALYST = (
    Membership.Role.OWNER.value,
    Membership.Role.EDITOR.value,
    Membership.Role.MONITOR.value,
    Membership.Role.ANALYST.value,
)
EVERY_ROLE = frozenset({OWNER, EDITOR, MONITOR, ANALYST})
BUILDERS = frozenset({OWNER, EDITOR})

# Deed -> the roles that may do it while the study's state allows it (see `_state_allows`).
DEEDS: dict[str, frozenset[str]] = {
    "see": EVERY_ROLE,  # overview and protocol, without cases, people or results
    "edit": BUILDERS,  # the protocol of a draft
    "see_cases": BUILDERS | {ANALYST},  # what was drawn, with its truth
    "see_people": BUILDERS,  # the readers' names behind R01, R02 ...
    "manage_people": BUILDERS,  # invite, enrol, pause, extend, replace
    "manage_roles": frozenset({OWNER}),
    "see_progress": EVERY_ROLE,
    "remind": frozenset({OWNER, EDITOR, MONITOR}),
    "lock": frozenset({OWNER}),
    "sign": frozenset({OWNER}),  # for what the blinding audit found, or take the lock back
    "open": frozenset({OWNER}),
    "close": frozenset({OWNER}),
    "unblind": frozenset({OWNER}),
    "amend": frozenset({OWNER}),
    "see_results": frozenset({OWNER, EDITOR, ANALYST}),
    "export": BUILDERS | {ANALYST},  # protocol and preregistration files
    "see_audit": frozenset({OWNER, MONITOR}),
    "delete": frozenset({OWNER}),
}

STATUS = Study.Status


def role_of(user: Any, study: Study) -> str | None:
    """The user's role in the study; a superuser acts as an owner; ``None`` for everybody else."""
    if not user.is_authenticated or not user.is_active:
        return None
    if user.is_superuser:
        return OWNER
    return study.memberships.filter(user=user).values_list("role", flat=True).first()


def may(user: Any, deed: str, study: Study) -> bool:
    """Whether the user may do this deed to this study now. Raises ``KeyError`` for no such deed."""
    roles = DEEDS[deed]
    role = role_of(user, study)
    return role in roles and _state_allows(deed, str(role), study)


def _state_allows(deed: str, role: str, study: Study) -> bool:
    status = study.status
    if deed in ("edit", "delete"):
        return study.is_editable
    if deed == "lock":
        return study.is_editable
    if deed == "sign":
        return study.awaits_signature
    if deed == "open":
        return status == STATUS.LOCKED
    if deed == "close":
        return status == STATUS.OPEN
    if deed == "amend":
        return status != STATUS.DRAFT
    if deed == "unblind":
        # After closing there is nothing left to unblind: results are shown to all who may see them.
        return status == STATUS.OPEN and study.unblinded_at is None
    if deed == "see_results":
        if status == STATUS.CLOSED:
            return True
        # While readings come in, only an owner who unblinded on the record may look.
        return role == OWNER and status == STATUS.OPEN and study.unblinded_at is not None
    if deed == "see_cases" and role == ANALYST:
        return status == STATUS.CLOSED
    return True


def may_create(user: Any) -> bool:
    """Whether the user may create studies."""
    return bool(user.is_authenticated and (user.is_researcher or user.is_superuser))


def check(user: Any, deed: str, study: Study) -> None:
    """Raise ``Http404`` to who has no role (the study's existence is not disclosed) and
    ``PermissionDenied`` to who has a role that does not allow this now."""
    if role_of(user, study) is None:
        raise Http404
    if not may(user, deed, study):
        raise PermissionDenied(f"{deed} is not open to you in this study now")


View = Callable[..., HttpResponseBase]


def study_view(deed: str) -> Callable[[View], View]:
    """A view of one study, called with the study in place of its public id."""

    def decorate(view: View) -> View:
        @login_required
        @wraps(view)
        def checked(request: HttpRequest, public_id: Any, **rest: Any) -> HttpResponseBase:
            study = Study.objects.filter(public_id=public_id).first()
            if study is None:
                raise Http404
            check(request.user, deed, study)
            return view(request, study, **rest)

        checked.deed = deed  # type: ignore[attr-defined]
        return checked

    return decorate


def researcher_view(view: View) -> View:
    """A view for people who may create studies."""

    @login_required
    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **rest: Any) -> HttpResponseBase:
        if not may_create(request.user):
            raise PermissionDenied("only researchers create studies")
        return view(request, *args, **rest)

    return checked
