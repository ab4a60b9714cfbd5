"""The generators' pages: which there are, what each makes, and asking it for scans."""

from __future__ import annotations

import io
from uuid import UUID

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from readerstudy.audit import trail
from readerstudy.imaging.access import researchers_only
from readerstudy.imaging.models import Scan
from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from synthesis import cards, dicom
from synthesis.forms import QUEUE_OF_DEVICE, SampleForm
from synthesis.models import Generator, Upload

LATEST_SCANS = 18
LATEST_JOBS = 5


@researchers_only
@require_GET
def generators(request: HttpRequest) -> HttpResponse:
    """Every generator with a few of its samples."""
    found = list(Generator.objects.with_scan_counts())
    return render(
        request,
        "synthesis/list.html",
        {
            "generators": found,
            "scans": sum(g.scan_count for g in found),
            "waiting": Upload.objects.filter(
                created_by_id=request.user.pk,
                state__in=[Upload.State.INSPECTING, Upload.State.WAITING],
            ),
        },
    )


@researchers_only
@require_http_methods(["GET", "POST"])
def generator(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One generator: its card, its samples, and the form that asks it for scans."""
    found = get_object_or_404(Generator.objects.with_scan_counts(), public_id=public_id)
    form = SampleForm(request.POST or None, generator=found)
    if request.method == "POST" and form.is_valid():
        job = ask_for_scans(found, form, request)
        return redirect("jobs:detail", job.public_id)
    return render(
        request,
        "synthesis/generator.html",
        {
            "generator": found,
            "here": "generator",
            "form": form,
            "card": cards.lines(found.card),
            "came_as": cards.format_name(found.source_format),
            "scans": Scan.objects.filter(generator_digest=found.digest)[:LATEST_SCANS],
            "jobs": Job.objects.visible_to(request.user)  # type: ignore[arg-type]
            .of_kind("synthesis.sample", generator=str(found.public_id))
            .defer("log", "exhibits")[:LATEST_JOBS],
        },
        status=422 if form.errors else 200,
    )


def ask_for_scans(found: Generator, form: SampleForm, request: HttpRequest) -> Job:
    wish = form.wish
    job = queue.submit(
        "synthesis.sample",
        title=f"{wish['count']:,} scans from {found.name}",
        parameters={"generator": str(found.public_id), **wish},
        by=request.user,
        total=wish["count"],
        queue=QUEUE_OF_DEVICE[wish["device"]],
        public_id=form.cleaned_data["token"],
    )
    trail.record("generator.sampled", request=request, on=found, job=str(job.public_id), **wish)
    return job


@researchers_only
@require_GET
def sample(request: HttpRequest, public_id: UUID, number: int) -> HttpResponseBase:
    """One of the pictures by which a generator is shown."""
    found = get_object_or_404(Generator, public_id=public_id)
    return stored_picture(found.sample_keys, number)


@researchers_only
@require_GET
def scan_dicom(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A generated scan as a DICOM file that says so."""
    scan = get_object_or_404(Scan, public_id=public_id, origin=Scan.Origin.GENERATED)
    file = io.BytesIO()
    dicom.write(scan, file)
    response = HttpResponse(file.getvalue(), content_type="application/dicom")
    response["Content-Disposition"] = f'attachment; filename="{dicom.file_name(scan)}"'
    trail.record("scan.exported", request=request, on=scan, format="DICOM")
    return response


def stored_picture(keys: list[str], number: int) -> FileResponse:
    """The picture under ``keys[number]``; it never changes, so the browser may keep it."""
    if number >= len(keys) or not default_storage.exists(keys[number]):
        raise Http404
    response = FileResponse(default_storage.open(keys[number]), content_type="image/png")
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    return response
