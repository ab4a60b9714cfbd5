"""Readers and colleagues of a study: the one page with names."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from readerstudy.studies import enrolment, invitations, tables
from readerstudy.studies.errors import StudyError
from readerstudy.studies.forms import DueForm, EnrolForm, InviteForm, RoleForm
from readerstudy.studies.models import Membership, Reader, Study
from readerstudy.studies.permissions import may, study_view

SHOW_LINK = "invitation_link"


@study_view("see_people")
def readers(request: HttpRequest, study: Study) -> HttpResponse:
    """Who reads, who else takes part, and open invitations."""
    return render(
        request,
        "studies/readers.html",
        {
            "study": study,
            "here": "readers",
            "readers": _readers(request, study),
            "reader_states": {"": "Every state", **dict(Reader.State.choices)},
            "memberships": tables.of(
                request,
                list(study.memberships.select_related("user").order_by("role", "pk")),
                sorts={
                    "person": lambda one: str(one.user).casefold(),
                    "role": lambda one: one.role,
                },
                text=lambda one: f"{one.user} {one.user.email} {one.role}",
                prefix="colleagues-",
            ),
            "invitations": tables.of(
                request,
                list(
                    study.invitations.filter(used_at=None, revoked_at=None).select_related("reader")
                ),
                sorts={
                    "for": lambda one: one.reader.code if one.reader else one.role,
                    "address": lambda one: one.email or None,
                    "until": lambda one: one.expires_at,
                },
                text=lambda one: f"{one.reader.code if one.reader else one.role} {one.email}",
                prefix="invitations-",
            ),
            "enrol_form": EnrolForm(),
            "invite_form": InviteForm(places=study.is_editable),
            "role_form": RoleForm(),
            "due_form": DueForm(),
            "may_manage": may(request.user, "manage_people", study),
            "may_roles": may(request.user, "manage_roles", study),
            "can_add": study.is_editable,
            # Shown once, to the person who made it.
            "link": request.session.pop(SHOW_LINK, None),
        },
    )


def _readers(request: HttpRequest, study: Study) -> tables.Table:
    found = study.readers.select_related("user", "replaces", "replaced_by").order_by("number")
    return tables.of(
        request,
        list(found),
        sorts={
            "reader": lambda one: one.number,
            "person": lambda one: str(one.user).casefold() if one.user else None,
            "state": lambda one: one.state,
            "consent": lambda one: one.consented_at,
            "until": lambda one: one.due_at or study.due_at,
        },
        text=lambda one: f"{one.code} {one.user} {one.user.email}" if one.user else one.code,
        shows={state: tables.attribute_is("state", state) for state in Reader.State.values},
        default="reader",
    )


def _do(request: HttpRequest, study: Study, deed: Callable[[], Any], done: str) -> HttpResponse:
    try:
        deed()
    except StudyError as error:
        messages.error(request, str(error))
    else:
        if done:
            messages.success(request, done)
    return redirect("studies:readers", study.public_id)


@require_POST
@study_view("manage_people")
def enrol(request: HttpRequest, study: Study) -> HttpResponse:
    """Existing people, one a line."""
    names = [line.strip() for line in request.POST.get("people", "").splitlines() if line.strip()]
    if not names:
        messages.error(request, "Name at least one person.")
    for name in names:
        try:
            reader = enrolment.enrol(
                study, enrolment.find_user(name), by=request.user, request=request
            )
        except StudyError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"{reader.user} is enrolled as {reader.code}.")
    return redirect("studies:readers", study.public_id)


@require_POST
@study_view("manage_people")
def invite(request: HttpRequest, study: Study) -> HttpResponse:
    """A link for a reader's place (a new one in a draft, an open one later) or for a role."""
    form = InviteForm(request.POST)
    if not form.is_valid():
        messages.error(request, "The invitation was not made: check the address and the days.")
        return redirect("studies:readers", study.public_id)
    given = form.cleaned_data
    role = "" if given["role"] == "reader" else given["role"]
    if role and not may(request.user, "manage_roles", study):
        raise PermissionDenied("only owners give roles")

    def deed() -> None:
        reader = None
        if not role:
            place = request.POST.get("reader", "")
            reader = (
                study.readers.filter(public_id=uuid.UUID(place)).first()
                if _is_uuid(place)
                else enrolment.open_place(study, by=request.user, request=request)
            )
        invitation, token = invitations.invite(
            study,
            by=request.user,
            reader=reader,
            role=role,
            email=given["email"],
            lifetime=timedelta(days=given["days"]),
            request=request,
        )
        link = request.build_absolute_uri(reverse("studies:join", args=[token]))
        request.session[SHOW_LINK] = link
        if given["email"]:
            _mail(request, invitation, link)

    return _do(request, study, deed, "")


def _mail(request: HttpRequest, invitation: Any, link: str) -> None:
    try:
        invitations.send(invitation, link)
    except OSError as error:
        messages.error(
            request,
            f"The mail to {invitation.email} could not be sent ({error}); pass the link on by "
            "hand.",
        )
        return
    if settings.EMAIL_BACKEND.endswith("console.EmailBackend"):
        messages.warning(
            request, "No mail server is set up here: pass the link on by hand (EMAIL_URL)."
        )
    else:
        messages.success(request, f"The invitation is on its way to {invitation.email}.")


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


@require_POST
@study_view("manage_people")
def revoke(request: HttpRequest, study: Study, invitation: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(study.invitations, public_id=invitation)
    return _do(
        request,
        study,
        lambda: invitations.revoke(found, by=request.user, request=request),
        "The link no longer works.",
    )


@require_POST
@study_view("manage_people")
def reader_deed(request: HttpRequest, study: Study, reader: uuid.UUID, deed: str) -> HttpResponse:
    """Pause, resume, withdraw, extend, remove or replace one reader."""
    found = get_object_or_404(study.readers, public_id=reader)
    reason, by = request.POST.get("reason", ""), request.user

    def state(new: Reader.State) -> Callable[[], None]:
        return lambda: enrolment.set_state(found, new, reason=reason, by=by, request=request)

    def replace() -> None:
        name = request.POST.get("person", "").strip()
        user = enrolment.find_user(name) if name else None
        enrolment.replace(found, user, reason=reason, by=by, request=request)

    def extend() -> None:
        form = DueForm(request.POST)
        if not form.is_valid() or form.cleaned_data["due_at"] is None:
            raise StudyError("Give a date that lies ahead.")
        enrolment.extend(found, form.cleaned_data["due_at"], by=by, request=request)

    deeds: dict[str, tuple[Callable[[], Any], str]] = {
        "pause": (state(Reader.State.PAUSED), f"{found.code} is paused."),
        "resume": (state(Reader.State.ACTIVE), f"{found.code} may go on."),
        "withdraw": (state(Reader.State.WITHDRAWN), f"{found.code} has withdrawn."),
        "remove": (
            lambda: enrolment.remove(found, by=by, request=request),
            f"{found.code} is removed.",
        ),
        "replace": (replace, f"{found.code} is replaced; the drawn list is passed on as it is."),
        "extend": (extend, f"{found.code} has more time."),
    }
    if deed not in deeds:
        messages.error(request, f"“{deed}” is nothing that can be done to a reader.")
        return redirect("studies:readers", study.public_id)
    return _do(request, study, *deeds[deed])


@require_POST
@study_view("manage_roles")
def give_role(request: HttpRequest, study: Study) -> HttpResponse:
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Name a person and a role.")
        return redirect("studies:readers", study.public_id)
    given = form.cleaned_data
    return _do(
        request,
        study,
        lambda: enrolment.give_role(
            study,
            enrolment.find_user(given["person"]),
            given["role"],
            by=request.user,
            request=request,
        ),
        "The role is given.",
    )


@require_POST
@study_view("manage_roles")
def take_role(request: HttpRequest, study: Study, pk: int) -> HttpResponse:
    membership = get_object_or_404(Membership, study=study, pk=pk)
    return _do(
        request,
        study,
        lambda: enrolment.take_role(membership, by=request.user, request=request),
        "The role is ended.",
    )
