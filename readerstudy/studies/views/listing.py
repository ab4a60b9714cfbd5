"""All studies, and new ones."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from readerstudy.studies import lifecycle, setup, wording
from readerstudy.studies.forms import NewStudyForm
from readerstudy.studies.models import Study
from readerstudy.studies.permissions import may_create, researcher_view
from readerstudy.studies.protocol import Protocol, Sampling, Stratum

SORTS = {
    "title": "title",
    "status": "status",
    "created": "created_at",
    "cases": "case_count",
    "readers": "reader_count",
}


@login_required
def study_list(request: HttpRequest) -> HttpResponse:
    """The studies in which the person has a role."""
    studies = Study.objects.visible_to(request.user).with_counts()  # type: ignore[arg-type]
    if not may_create(request.user) and not studies.exists():
        raise PermissionDenied("no role in any study")
    status = request.GET.get("status", "")
    if status in Study.Status.values:
        studies = studies.filter(status=status)
    if words := request.GET.get("q", "").strip():
        studies = studies.filter(title__icontains=words)
    sort = request.GET.get("sort", "-created")
    if sort.lstrip("-") in SORTS:
        sign = "-" if sort.startswith("-") else ""
        studies = studies.order_by(sign + SORTS[sort.lstrip("-")], "-created_at")
    page = Paginator(studies, 25).get_page(request.GET.get("page"))
    return render(
        request,
        "studies/list.html",
        {
            "page": page,
            "status": status,
            "q": words,
            "sort": sort,
            "statuses": wording.STATUSES,
            "may_create": may_create(request.user),
        },
    )


@researcher_view
def study_create(request: HttpRequest) -> HttpResponse:
    """A draft from a title, a kind of task and so many scans of each origin."""
    form = NewStudyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        strata = [
            Stratum(name=origin.capitalize(), origin=origin, count=given[origin])
            for origin in ("acquired", "generated")
            if given[origin]
        ]
        study = lifecycle.create(
            title=given["title"],
            question=given["question"],
            protocol=Protocol(
                phases=setup.presets()[given["task"]], sampling=Sampling(strata=strata)
            ),
            by=request.user,
            request=request,
        )
        messages.success(request, "The draft is made. Go through the steps in any order.")
        return redirect("studies:step", study.public_id, "cases")
    return render(request, "studies/create.html", {"form": form})
