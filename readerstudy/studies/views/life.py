"""Overview of a study, and the steps of its life."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from readerstudy.imaging import audit_pairs, cue_plot
from readerstudy.studies import blinding, drafting, implications, lifecycle, locking, progress
from readerstudy.studies.errors import CannotLock, StudyError
from readerstudy.studies.forms import DueForm, NameForm, ReasonForm
from readerstudy.studies.models import Reader, Study
from readerstudy.studies.permissions import may, role_of, study_view
from readerstudy.studies.protocol import Protocol


@study_view("see")
def overview(request: HttpRequest, study: Study) -> HttpResponse:
    """Where the study stands and what comes next."""
    study = locking.settle(study)
    protocol = Protocol.model_validate(study.protocol)
    enrolled = study.readers.exclude(state=Reader.State.WITHDRAWN).count()
    return render(
        request,
        "studies/overview.html",
        {
            "study": study,
            "here": "overview",
            "role": role_of(request.user, study),
            "protocol": protocol,
            "enrolled": enrolled,
            "implied": implications.of(protocol, enrolled or None),
            "standing": progress.standing(study) if study.status != Study.Status.DRAFT else None,
            "deeds": {
                deed: may(request.user, deed, study)
                for deed in (
                    "edit",
                    "lock",
                    "sign",
                    "open",
                    "close",
                    "unblind",
                    "amend",
                    "delete",
                    "see_results",
                    "export",
                    "manage_people",
                )
            },
            "reason_form": ReasonForm(),
            "due_form": DueForm(initial={"due_at": study.due_at}),
            "name_form": NameForm(study=study),
            "blinding": cue_plot.parts(study.blinding),
            "pairs": blinding.pairs(study) if may(request.user, "see_cases", study) else [],
        },
    )


@study_view("see_cases")
@require_safe
def audit_picture(request: HttpRequest, study: Study, place: int) -> HttpResponse:
    """A case that is typical of a cue, small, as its frame was audited."""
    content = audit_pairs.kept(study.blinding.get("pictures"), place)
    if content is None:
        raise Http404("There is no such picture.")
    response = HttpResponse(content, content_type="image/jpeg")
    response["Cache-Control"] = "private, no-store"
    return response


@study_view("see")
def lock_state(request: HttpRequest, study: Study) -> HttpResponse:
    """The part of the overview that follows the rendering; polled while it goes on."""
    study = locking.settle(study)
    if not study.is_locking or study.awaits_signature:
        response = HttpResponse(status=204)
        response["HX-Refresh"] = "true"
        return response
    return render(request, "studies/_locking.html", {"study": study})


def _deed(request: HttpRequest, study: Study, deed: Callable[[], Any], done: str) -> HttpResponse:
    try:
        deed()
    except CannotLock as error:
        for problem in error.problems:
            messages.error(request, problem)
    except StudyError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect("studies:overview", study.public_id)


@require_POST
@study_view("lock")
def lock(request: HttpRequest, study: Study) -> HttpResponse:
    """Draw and render; the study is locked when the frames are done."""
    form = NameForm(request.POST, study=study)
    if not form.is_valid():
        messages.error(request, "The title did not match; the study was not locked.")
        return redirect("studies:step", study.public_id, "review")
    return _deed(
        request,
        study,
        lambda: locking.lock(
            study,
            by=request.user,
            request=request,
        ),
        "Cases and reading lists are drawn. The study is locked as soon as its frames are ready "
        "and their blinding is audited.",
    )


@require_POST
@study_view("sign")
def sign(request: HttpRequest, study: Study) -> HttpResponse:
    """Lock for a reason, although the blinding audit found the cues that the page showed."""
    return _deed(
        request,
        study,
        lambda: locking.sign(
            study,
            by=request.user,
            finding=request.POST.get("finding", ""),
            reason=request.POST.get("reason", ""),
            request=request,
        ),
        "The study is locked; what was found and your reason go into the report.",
    )


@require_POST
@study_view("sign")
def take_back(request: HttpRequest, study: Study) -> HttpResponse:
    """Back to the draft instead of signing."""
    return _deed(
        request,
        study,
        lambda: locking.take_back(study, by=request.user, request=request),
        "The lock is taken back: the study is a draft again.",
    )


@require_POST
@study_view("open")
def open_(request: HttpRequest, study: Study) -> HttpResponse:
    return _deed(
        request,
        study,
        lambda: lifecycle.open_study(study, by=request.user, request=request),
        "The study is open: readers can begin.",
    )


@require_POST
@study_view("close")
def close(request: HttpRequest, study: Study) -> HttpResponse:
    form = NameForm(request.POST, study=study)
    if not form.is_valid():
        messages.error(request, "The title did not match; the study was not closed.")
        return redirect("studies:overview", study.public_id)
    return _deed(
        request,
        study,
        lambda: lifecycle.close_study(study, by=request.user, request=request),
        "The study is closed. Its report is ready.",
    )


@require_POST
@study_view("unblind")
def unblind(request: HttpRequest, study: Study) -> HttpResponse:
    return _deed(
        request,
        study,
        lambda: lifecycle.unblind(
            study, by=request.user, reason=request.POST.get("reason", ""), request=request
        ),
        "Results are visible to you now; this is recorded and reported.",
    )


@require_POST
@study_view("manage_people")
def due(request: HttpRequest, study: Study) -> HttpResponse:
    form = DueForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form.errors.get("due_at", []))))
        return redirect("studies:overview", study.public_id)
    return _deed(
        request,
        study,
        lambda: lifecycle.set_due(
            study, form.cleaned_data["due_at"], by=request.user, request=request
        ),
        "The date is set.",
    )


@require_POST
@study_view("delete")
def delete(request: HttpRequest, study: Study) -> HttpResponse:
    form = NameForm(request.POST, study=study)
    if not form.is_valid():
        messages.error(request, "The title did not match; nothing was deleted.")
        return redirect("studies:overview", study.public_id)
    drafting.delete(study, by=request.user, request=request)
    messages.success(request, f"The draft “{study.title}” is deleted.")
    return redirect("studies:list")
