"""The protocol as a file: fetch it, edit it, make a study from it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import slugify

from readerstudy.studies import drafting, lifecycle, protocol_file
from readerstudy.studies.errors import StudyError
from readerstudy.studies.models import Study
from readerstudy.studies.permissions import researcher_view, study_view
from readerstudy.studies.protocol_file import FileFault, FileNotValid


@study_view("export")
def export(request: HttpRequest, study: Study) -> HttpResponse:
    """The protocol as YAML."""
    response = HttpResponse(
        protocol_file.export(study), content_type="application/yaml; charset=utf-8"
    )
    name = slugify(study.title) or "study"
    response["Content-Disposition"] = f'attachment; filename="{name}.yaml"'
    return response


@study_view("edit")
def edit(request: HttpRequest, study: Study) -> HttpResponse:
    """The protocol as text; saving reads it back like any file."""
    text, faults = protocol_file.export(study), []
    if request.method == "POST":
        try:
            text = _posted(request)
            given = protocol_file.parse(text)
            drafting.edit(
                study,
                by=request.user,
                title=given.title,
                question=given.question,
                protocol=given.protocol(),
                seed=given.seed,
                request=request,
            )
        except FileNotValid as error:
            faults = error.faults
        except StudyError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "The protocol is saved.")
            return redirect("studies:protocol", study.public_id)
    return _page(request, text, faults, study)


@researcher_view
def create(request: HttpRequest) -> HttpResponse:
    """A draft from a file."""
    text, faults = "", []
    if request.method == "POST":
        try:
            text = _posted(request)
            given = protocol_file.parse(text)
        except FileNotValid as error:
            faults = error.faults
        else:
            study = lifecycle.create(
                title=given.title,
                question=given.question,
                protocol=given.protocol(),
                seed=given.seed,
                by=request.user,
                request=request,
            )
            messages.success(request, "The draft is made from the file.")
            return redirect("studies:overview", study.public_id)
    return _page(request, text, faults, None)


def schema(request: HttpRequest) -> HttpResponse:
    """The JSON Schema that editors check protocol files with."""
    return HttpResponse(protocol_file.schema(), content_type="application/schema+json")


def _posted(request: HttpRequest) -> str:
    upload = request.FILES.get("file")
    if upload is not None:
        return protocol_file.decoded(upload.read(2_000_001))
    # Browsers send CRLF; the file is written with LF.
    return request.POST.get("text", "").replace("\r\n", "\n")


def _page(
    request: HttpRequest, text: str, faults: list[FileFault], study: Study | None
) -> HttpResponse:
    lines = text.split("\n")
    shown = [(fault, lines[fault.line - 1] if fault.line <= len(lines) else "") for fault in faults]
    return render(
        request,
        "studies/file.html" if study else "studies/file_new.html",
        {"study": study, "here": "protocol", "text": text, "faults": shown},
        status=422 if faults else 200,
    )
