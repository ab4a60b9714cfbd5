"""An invitation link: make an account or sign in, and join."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from readerstudy.accounts.adapter import note_invitation
from readerstudy.accounts.forms import NewPersonForm
from readerstudy.studies import invitations
from readerstudy.studies.errors import StudyError


@never_cache
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Show the invitation; a POST uses it up."""
    try:
        invitation = invitations.find(token)
    except StudyError as error:
        return render(request, "studies/join_not_valid.html", {"reason": str(error)}, status=410)
    is_reader = invitation.reader is not None
    person = request.user
    signed_in = person.is_authenticated
    if not signed_in:
        note_invitation(request)
    form = (
        None
        if signed_in
        else NewPersonForm(
            request.POST if request.method == "POST" else None, initial={"email": invitation.email}
        )
    )
    if request.method == "POST" and (form is None or form.is_valid()):
        try:
            with transaction.atomic():  # no account without a used invitation
                user: Any = person if form is None else form.save()
                invitations.accept(invitation, user, request=request)
        except StudyError as error:
            return render(
                request, "studies/join_not_valid.html", {"reason": str(error)}, status=410
            )
        if form is not None:
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        messages.success(request, "You have joined the study.")
        if is_reader:
            return redirect("reading:room", invitation.study.public_id)
        return redirect("studies:overview", invitation.study.public_id)
    return render(
        request,
        "studies/join.html",
        {"invitation": invitation, "is_reader": is_reader, "form": form, "signed_in": signed_in},
    )
