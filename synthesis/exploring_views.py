"""Looking into a generator: latent walks, and the training scans nearest to its samples."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from readerstudy.imaging.access import researchers_only
from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from synthesis import neighbours as nearest
from synthesis import walks as walking
from synthesis.forms import QUEUE_OF_DEVICE, LatentForm, NeighboursForm, WalkForm
from synthesis.models import Generator


@researchers_only
@require_http_methods(["GET", "POST"])
def walks(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Walks that were made of a generator, and the form for another."""
    return _ask(
        request, public_id, WalkForm, kind="synthesis.walk", title="Walk through {}",
        template="synthesis/walks.html", here="walks",
    )  # fmt: skip


@researchers_only
@require_http_methods(["GET", "POST"])
def comparisons(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Searches for nearest training scans, and the form for another."""
    return _ask(
        request, public_id, NeighboursForm, kind="synthesis.neighbours",
        title="Nearest training scans of {}", template="synthesis/comparisons.html",
        here="neighbours",
    )  # fmt: skip


def _ask(
    request: HttpRequest,
    public_id: UUID,
    form_class: type[LatentForm],
    *,
    kind: str,
    title: str,
    template: str,
    here: str,
) -> HttpResponse:
    generator = get_object_or_404(Generator, public_id=public_id)
    form = form_class(request.POST or None)
    if request.method == "POST" and form.is_valid():
        wish = form.parameters()
        job = queue.submit(
            kind,
            title=title.format(generator.name),
            parameters={"generator": str(generator.public_id), **wish},
            by=request.user,
            queue=QUEUE_OF_DEVICE[wish["device"]],
            public_id=form.cleaned_data["token"],
        )
        return redirect("jobs:detail", job.public_id)
    jobs = _jobs(request, generator, kind).defer("log", "exhibits", "result")[:20]
    context = {"generator": generator, "form": form, "jobs": jobs, "here": here}
    return render(request, template, context, status=422 if form.errors else 200)


def _jobs(request: HttpRequest, generator: Generator, kind: str) -> Any:
    return Job.objects.visible_to(request.user).of_kind(  # type: ignore[arg-type]
        kind, generator=str(generator.public_id)
    )


def _done(request: HttpRequest, generator: Generator, kind: str, job_id: UUID) -> Job:
    return get_object_or_404(
        _jobs(request, generator, kind), public_id=job_id, state=Job.State.DONE
    )


@researchers_only
@require_GET
def walk(request: HttpRequest, public_id: UUID, job_id: UUID) -> HttpResponse:
    """One walk, playing."""
    generator = get_object_or_404(Generator, public_id=public_id)
    job = _done(request, generator, "synthesis.walk", job_id)
    context = {
        "generator": generator,
        "job": job,
        "wish": job.parameters,
        "waypoints": [
            f"waypoint-{number:02d}.png" for number in range(job.parameters["waypoints"])
        ],
        "here": "walks",
    }
    return render(request, "synthesis/walk.html", context)


@researchers_only
@require_GET
def walk_file(request: HttpRequest, public_id: UUID, job_id: UUID, name: str) -> HttpResponseBase:
    """The animation, or one of its waypoints."""
    generator = get_object_or_404(Generator, public_id=public_id)
    job = _done(request, generator, "synthesis.walk", job_id)
    kinds = {"gif": "image/gif", "mp4": "video/mp4"}
    return _stored(walking.key(job, name), kinds.get(name.rpartition(".")[2], "image/png"))


@researchers_only
@require_GET
def neighbours(request: HttpRequest, public_id: UUID, job_id: UUID) -> HttpResponse:
    """Samples with their nearest training scans, nearest first, and the distance test."""
    generator = get_object_or_404(Generator, public_id=public_id)
    job = _done(request, generator, "synthesis.neighbours", job_id)
    test = job.result.get("test")
    context = {
        "generator": generator,
        "job": job,
        "found": job.result,
        "p_value": f"{test['p_value']:.2g}" if test else "",
        "here": "neighbours",
    }
    return render(request, "synthesis/neighbours.html", context)


@researchers_only
@require_GET
def neighbour_sample(
    request: HttpRequest, public_id: UUID, job_id: UUID, number: int
) -> HttpResponseBase:
    """The sample that a row of neighbours belongs to."""
    generator = get_object_or_404(Generator, public_id=public_id)
    job = _done(request, generator, "synthesis.neighbours", job_id)
    return _stored(nearest.sample_key(job, number), "image/png")


def _stored(key: str, content_type: str) -> FileResponse:
    if not default_storage.exists(key):
        raise Http404
    response = FileResponse(default_storage.open(key), content_type=content_type)
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    return response
