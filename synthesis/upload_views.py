"""Bringing a checkpoint on the web: upload, look, accept or discard."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from readerstudy.imaging.access import researchers_only
from synthesis import cards, intake, quota, uploads
from synthesis.forms import AcceptForm, UploadForm
from synthesis.models import Upload
from synthesis.views import stored_picture


@researchers_only
@require_http_methods(["GET", "POST"])
def bring(request: HttpRequest) -> HttpResponse:
    """Upload a checkpoint; a worker then looks at it."""
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            upload = uploads.receive(form.cleaned_data["file"], by=request.user)
        except quota.NoRoom as error:
            form.add_error("file", str(error))
        else:
            return redirect("synthesis:upload", upload.public_id)
    waiting = Upload.objects.filter(
        state__in=[Upload.State.INSPECTING, Upload.State.WAITING], created_by_id=request.user.pk
    )
    context = {"form": form, "waiting": waiting}
    return render(request, "synthesis/bring.html", context, status=422 if form.errors else 200)


@researchers_only
@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """What the worker found, and the decision."""
    found = get_object_or_404(
        Upload.objects.select_related("job", "generator"), public_id=public_id
    )
    suggestion = found.inspection.get("card", {}).get("name") or found.file_name.rsplit(".", 1)[0]
    form = AcceptForm(request.POST or None, initial={"name": suggestion[:100]})
    if request.method == "POST" and form.is_valid():
        try:
            generator = uploads.accept(found, name=form.cleaned_data["name"], by=request.user)
        except (intake.NotAccepted, quota.NoRoom) as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, f"{generator.name} is among the generators.")
            return redirect("synthesis:generator", generator.public_id)
    inspection = found.inspection
    context = {
        "upload": found,
        "form": form,
        "inspection": inspection,
        "came_as": cards.format_name(inspection.get("source_format", "")),
        "trained_on": cards.trained_on(inspection.get("card", {}).get("data")),
    }
    return render(request, "synthesis/upload.html", context, status=422 if form.errors else 200)


@researchers_only
@require_POST
def discard(request: HttpRequest, public_id: UUID) -> HttpResponse:
    found = get_object_or_404(Upload, public_id=public_id)
    uploads.discard(found, by=request.user)
    messages.info(request, f"{found.file_name} was discarded.")
    return redirect("synthesis:list")


@researchers_only
@require_GET
def sample(request: HttpRequest, public_id: UUID, number: int) -> HttpResponseBase:
    """One sample of an upload."""
    return stored_picture(get_object_or_404(Upload, public_id=public_id).sample_keys, number)
