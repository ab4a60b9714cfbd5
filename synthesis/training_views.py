"""Trainings: ask for one, watch its curves and grids, take what it learnt."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.db.models import Count
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from readerstudy.imaging.access import researchers_only
from readerstudy.imaging.models import Scan
from readerstudy.jobs.views import STOP_POLLING
from synthesis import curves, training, uploads
from synthesis.models import TrainingRun
from synthesis.training_form import TrainingForm

GRIDS_SHOWN = 12


@researchers_only
@require_GET
def runs(request: HttpRequest) -> HttpResponse:
    found = TrainingRun.objects.select_related("job", "generator", "created_by")
    return render(request, "synthesis/runs.html", {"runs": found})


@researchers_only
@require_http_methods(["GET", "POST"])
def train(request: HttpRequest) -> HttpResponse:
    """Ask for a training."""
    form = TrainingForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("synthesis:run", form.start(request.user).public_id)
    films = Scan.objects.filter(origin=Scan.Origin.ACQUIRED).aggregate(
        scans=Count("pk"), patients=Count("patient_key", distinct=True)
    )
    context = {"form": form, **films, "fewest": training.FEWEST_FILMS}
    return render(request, "synthesis/train.html", context, status=422 if form.errors else 200)


@researchers_only
@require_GET
def run(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A run: how far, its curves, and what it draws on the same latents as it learns."""
    return render(request, "synthesis/run.html", _context(_run(public_id)))


@researchers_only
@require_GET
def live(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The part of the page that moves."""
    found = _run(public_id)
    finished = found.job is None or found.job.is_finished
    status = STOP_POLLING if finished else 200
    return render(request, "synthesis/_run_live.html", _context(found), status=status)


@researchers_only
@require_POST
def adopt(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Bring what a stopped run had learnt, by the same way as an uploaded checkpoint."""
    found = _run(public_id)
    if not training.may_be_adopted(found):
        raise Http404
    upload = uploads.bring_from_storage(
        found.key("generator.safetensors"), file_name=f"{found.name}.safetensors", by=request.user
    )
    return redirect("synthesis:upload", upload.public_id)


@researchers_only
@require_GET
def grid(request: HttpRequest, public_id: UUID, name: str) -> HttpResponseBase:
    """A sample grid of a run; it never changes."""
    found = _run(public_id)
    if name not in training.grids(found):
        raise Http404
    response = FileResponse(default_storage.open(found.key(name)), content_type="image/png")
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    return response


@researchers_only
@require_GET
def log(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The run's measurements as JSON lines, for who wants to plot them elsewhere."""
    found = _run(public_id)
    content = training.published(found, "log.jsonl")
    if content is None:
        raise Http404
    response = HttpResponse(content, content_type="application/x-ndjson")
    response["Content-Disposition"] = f'attachment; filename="{found.public_id}.jsonl"'
    return response


def _run(public_id: UUID) -> TrainingRun:
    return get_object_or_404(
        TrainingRun.objects.select_related("job", "generator", "created_by"), public_id=public_id
    )


def _context(found: TrainingRun) -> dict[str, Any]:
    lines = curves.parse(training.published(found, "log.jsonl"))
    names = training.grids(found)
    return {
        "run": found,
        "job": found.job,
        "charts": curves.charts(lines),
        "newest": names[-1] if names else None,
        "earlier": [(name, int(name[5:-4])) for name in reversed(names[:-1])][:GRIDS_SHOWN],
        "newest_images": int(names[-1][5:-4]) if names else 0,
        "may_be_adopted": training.may_be_adopted(found),
        "data": training.describe(found.data),
        "has_log": bool(lines),
    }
