"""The jobs room's pages: what runs, how far it is, stop it, start it again."""

from __future__ import annotations

import hashlib
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from readerstudy.jobs import queue
from readerstudy.jobs.models import Job, Worker

A_PAGE = 30
# htmx ends its polling when an answer has this status.
STOP_POLLING = 286


@login_required
@require_GET
def jobs(request: HttpRequest) -> HttpResponse:
    """Everything that this person set going, newest first; unfinished work above the rest."""
    mine = Job.objects.visible_to(request.user).select_related("created_by")  # type: ignore[arg-type]
    unfinished = mine.unfinished()
    state = request.GET.get("state", "")
    finished = mine.exclude(state__in=Job.UNFINISHED)
    if state in Job.State.values:
        finished = finished.filter(state=state)
    page = Paginator(finished.defer("log", "exhibits", "result"), A_PAGE).get_page(
        request.GET.get("page")
    )
    context = {
        "unfinished": unfinished.defer("log", "exhibits", "result"),
        "page": page,
        "state": state,
        "states": [s for s in Job.State if s not in Job.UNFINISHED],
        "workers": Worker.objects.live(),
    }
    if request.headers.get("HX-Request"):
        return render(request, "jobs/_unfinished.html", context)
    return render(request, "jobs/list.html", context)


@login_required
@require_GET
def job(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One job: progress, pictures as they come, what it said, and how to stop or retry it."""
    found = _visible(request, public_id)
    return render(request, "jobs/detail.html", _context(found))


@login_required
@require_GET
def live(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The part of the page that moves."""
    found = _visible(request, public_id)
    status = STOP_POLLING if found.is_finished else 200
    return render(request, "jobs/_live.html", _context(found), status=status)


@login_required
@require_GET
def log(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The log, where it has grown beyond what the page has (``have`` characters)."""
    found = _visible(request, public_id)
    if not found.is_finished and request.GET.get("have") == str(len(found.log)):
        return HttpResponse(status=204)  # htmx leaves the page, and where it is scrolled to, alone
    return render(request, "jobs/_log.html", {"job": found})


@login_required
@require_GET
def state(request: HttpRequest, public_id: UUID) -> JsonResponse:
    """The same for programs."""
    found = _visible(request, public_id)
    return JsonResponse(
        {
            "id": str(found.public_id),
            "kind": found.kind,
            "title": found.title,
            "state": found.state,
            "done": found.done,
            "total": found.total,
            "message": found.message,
            "error": found.error,
            "result": found.result,
        }
    )


@login_required
@require_POST
def stop(request: HttpRequest, public_id: UUID) -> HttpResponse:
    found = _visible(request, public_id)
    if found.is_finished:
        messages.info(request, "It had ended before it could be stopped.")
    else:
        queue.cancel(found)
    return redirect("jobs:detail", found.public_id)


@login_required
@require_POST
def retry(request: HttpRequest, public_id: UUID) -> HttpResponse:
    found = _visible(request, public_id)
    if not queue.retry(found):
        messages.info(request, "There is nothing to retry: it waits, runs or is done.")
    return redirect("jobs:detail", found.public_id)


def _visible(request: HttpRequest, public_id: UUID) -> Job:
    return get_object_or_404(
        Job.objects.visible_to(request.user).select_related("created_by"),  # type: ignore[arg-type]
        public_id=public_id,
    )


def _context(found: Job) -> dict[str, object]:
    unserved = False
    if found.state == Job.State.QUEUED:
        unserved = not any(
            found.queue in queues
            for queues in Worker.objects.live().values_list("queues", flat=True)
        )
    return {"job": found, "unserved": unserved, "exhibits": _numbered(found.exhibits)}


def _numbered(exhibits: list[dict[str, str]]) -> list[dict[str, str]]:
    """Newest first, each with an id of its own by which htmx keeps a picture that is there."""
    return [
        {**exhibit, "id": hashlib.sha256(exhibit["image"].encode()).hexdigest()[:12]}
        for exhibit in reversed(exhibits)
    ]
