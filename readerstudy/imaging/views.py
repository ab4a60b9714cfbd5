"""The archive's pages."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from readerstudy.imaging import curation, frames, storage
from readerstudy.imaging.access import researchers_only
from readerstudy.imaging.deidentification import names_of
from readerstudy.imaging.filters import ScanFilter
from readerstudy.imaging.models import NearDuplicate, Scan

PAGE = 60


@researchers_only
@require_safe
def scan_list(request: HttpRequest) -> HttpResponse:
    """The grid."""
    form = ScanFilter(request.GET)
    scans = form.apply(Scan.objects.all())
    page = Paginator(scans.for_grid(), PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "form": form,
        "filtered": bool(form.said()),
        "reviewing": form.said().get("review") == "text",
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=2),
        "query": query.urlencode(),
        "archive_empty": page.paginator.count == 0 and not Scan.objects.exists(),
        "to_review": Scan.objects.filter(text_review=Scan.TextReview.FOUND).count(),
        "memorised": NearDuplicate.objects.filter(across_origins=True).count(),
    }
    return render(request, "archive/list.html", context)


@researchers_only
@require_safe
def scan_page(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """One scan: picture, header as kept, what was removed, its near duplicates."""
    scan = get_object_or_404(Scan.objects.for_grid(), public_id=public_id)
    pairs = NearDuplicate.objects.of(scan).select_related("first", "second")
    context = {
        "scan": scan,
        "short": str(scan.public_id)[:8],
        "facts": _said({**scan.metadata, **scan.provenance}),
        "header": _said(scan.header),
        "removals": list(names_of(scan.deidentification)),
        "uses": curation.uses_of(scan),
        "alike": [
            (pair, pair.second if pair.first_id == scan.pk else pair.first) for pair in pairs
        ],
    }
    return render(request, "archive/scan.html", context)


def _said(values: dict[str, Any]) -> list[tuple[str, str]]:
    """JSON values in words, level by level; what is empty says nothing and is left out."""
    said = []
    for name, value in values.items():
        words = name.replace("_", " ")
        if isinstance(value, dict):
            said += [(f"{words}: {inner}", text) for inner, text in _said(value)]
        elif value not in (None, "", []):
            said.append(
                (words, ", ".join(map(str, value)) if isinstance(value, list) else str(value))
            )
    return said


@researchers_only
@require_safe
def thumbnail(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The scan's thumbnail, made once at intake."""
    scan = get_object_or_404(Scan.objects.only("thumbnail_key", "public_id"), public_id=public_id)
    try:
        content = storage.read_thumbnail(scan)
    except FileNotFoundError:
        return HttpResponse("The thumbnail is missing from the storage.", status=404)
    response = HttpResponse(content, content_type="image/jpeg")
    response["Cache-Control"] = "private, max-age=86400"
    return response


@researchers_only
@require_safe
def scan_pixels(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """All grey levels, for the viewer, in the same container as frames."""
    scan = get_object_or_404(Scan, public_id=public_id)
    container = frames.encode(storage.read_pixels(scan), bits=scan.bits, level=1)
    return HttpResponse(container, content_type=frames.MEDIA_TYPE)


@researchers_only
@require_POST
def review_text(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Mask or accept the burned-in text of one scan."""
    scan = get_object_or_404(Scan, public_id=public_id)
    try:
        if request.POST.get("decision") == "mask":
            marks = curation.marks_of(request.POST.get("marks", ""), scan)
            curation.mask_text(scan, marks=marks, by=request.user)
            messages.success(request, "Text and markers were painted over.")
        else:
            curation.accept_text(scan, by=request.user)
            messages.success(request, "Text and markers are kept as they are.")
    except (curation.InUse, ValueError) as error:
        messages.error(request, str(error))
    return redirect("archive:scan", scan.public_id)


@researchers_only
@require_POST
def review_page(request: HttpRequest) -> HttpResponse:
    """Mask or accept the burned-in text of several scans at once."""
    scans = Scan.objects.filter(
        public_id__in=request.POST.getlist("scan"), text_review=Scan.TextReview.FOUND
    )
    masking, done, kept = request.POST.get("decision") == "mask", 0, 0
    for scan in scans:
        try:
            (curation.mask_text if masking else curation.accept_text)(scan, by=request.user)
            done += 1
        except (curation.InUse, ValueError):
            kept += 1
    deed = "masked" if masking else "accepted"
    rest = f" {kept} left as they are: in use, or with nothing found to mask." if kept else ""
    messages.success(request, f"{done} scan{'' if done == 1 else 's'} {deed}.{rest}")
    return redirect(f"{reverse('archive:list')}?review=text")


@researchers_only
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Say what will be lost, ask for the scan's short name, delete."""
    scan = get_object_or_404(Scan.objects.for_grid(), public_id=public_id)
    short, wrong = str(scan.public_id)[:8], ""
    if request.method == "POST":
        if request.POST.get("name", "").strip().lower() != short:
            wrong = f"Type {short} to delete this scan."
        else:
            try:
                curation.delete_scan(scan, by=request.user)
            except curation.InUse as error:
                wrong = str(error)
            else:
                messages.success(request, f"Scan {short} was deleted.")
                return redirect("archive:list")
    context = {"scan": scan, "short": short, "uses": curation.uses_of(scan), "wrong": wrong}
    return render(request, "archive/delete.html", context, status=422 if wrong else 200)


@researchers_only
@require_safe
def duplicates(request: HttpRequest) -> HttpResponse:
    """Pairs that are nearly the same picture; across origins it is memorisation."""
    across = request.GET.get("across") == "1"
    pairs = NearDuplicate.objects.select_related("first", "second")
    page = Paginator(pairs.filter(across_origins=True) if across else pairs, 30).get_page(
        request.GET.get("page")
    )
    context = {
        "across": across,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=2),
        "query": "across=1" if across else "",
        "memorised": NearDuplicate.objects.filter(across_origins=True).count(),
        "all": NearDuplicate.objects.count(),
        "generated": Scan.objects.filter(origin=Scan.Origin.GENERATED).count(),
    }
    return render(request, "archive/duplicates.html", context)
