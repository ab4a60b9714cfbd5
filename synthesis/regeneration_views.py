"""Regenerate: from what readers said of a closed study to the next draft."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from readerstudy.imaging.access import researchers_only
from readerstudy.studies.models import Study
from readerstudy.studies.permissions import check, may
from synthesis import regeneration
from synthesis.forms import QUEUE_OF_DEVICE
from synthesis.models import Generator
from synthesis.regeneration_form import RegenerationForm

SHOWN = 24


@researchers_only
@require_GET
def closed_studies(request: HttpRequest) -> HttpResponse:
    """Closed studies whose generated scans this person may replace."""
    found = [
        study
        for study in Study.objects.filter(status=Study.Status.CLOSED).order_by("-closed_at")
        if may(request.user, "see_results", study) and may(request.user, "see_cases", study)
    ]
    return render(request, "synthesis/closed_studies.html", {"studies": found})


@researchers_only
@require_http_methods(["GET", "POST"])
def regenerate(request: HttpRequest, public_id: str) -> HttpResponse:
    """The generated scans of a closed study, least convincing first, and the form."""
    study = Study.objects.filter(public_id=public_id).first()
    if study is None:
        return redirect("synthesis:closed-studies")
    check(request.user, "see_results", study)
    check(request.user, "see_cases", study)
    form = RegenerationForm(request.POST or None, study=study)
    if request.method == "POST" and form.is_valid():
        cleaned = form.cleaned_data
        job = regeneration.ask(
            study, form.replaced, cleaned["generator"],
            title=cleaned["title"], seed=cleaned["seed"], truncation=cleaned["truncation"],
            device=cleaned["device"], by=request.user,
            queue_name=QUEUE_OF_DEVICE[cleaned["device"]], token=cleaned["token"],
        )  # fmt: skip
        return redirect("jobs:detail", job.public_id)
    ranked = regeneration.ranking(study)
    context = {
        "study": study,
        "form": form,
        "ranked": ranked[:SHOWN],
        "generated": len(ranked),
        "read": sum(one.readings > 0 for one in ranked),
        "has_generators": Generator.objects.exists(),
    }
    return render(request, "synthesis/regenerate.html", context, status=422 if form.errors else 200)
