"""Amendments after lock, and the file for preregistration."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import slugify

from readerstudy.studies import amendments, preregistration, setup, wording
from readerstudy.studies import protocol as schema
from readerstudy.studies.errors import StudyError
from readerstudy.studies.forms import ReasonForm
from readerstudy.studies.models import Study
from readerstudy.studies.part_forms import form_for
from readerstudy.studies.permissions import study_view
from readerstudy.studies.setup import Section, Sheet

_DESIGN = {name: wording.DESIGN[name] for name in ("washout_days", "break_every")}
_PHASE = {name: wording.PHASE[name] for name in ("title", "instructions")}


def sections(study: Study) -> list[Section]:
    """What can be amended, as the set-up's forms."""
    phases = [
        Section(
            f"phase{number}",
            f"Phase {number + 1}",
            ("phases", number),
            form_for(schema.Phase, _PHASE),
        )
        for number in range(len(study.protocol["phases"]))
    ]
    return [
        *setup.SECTIONS["analysis"],
        Section("design", "Running", ("design",), form_for(schema.Design, _DESIGN)),
        *phases,
        Section("consent", "Consent", ("consent",), form_for(schema.Consent, wording.CONSENT)),
        Section(
            "own",
            "Afterwards",
            (),
            form_for(schema.Protocol, {"show_own_score": wording.PROTOCOL["show_own_score"]}),
        ),
    ]


@study_view("amend")
def amend(request: HttpRequest, study: Study) -> HttpResponse:
    """Write a numbered, reasoned amendment."""
    posted = request.POST if request.method == "POST" else None
    in_force = amendments.in_force(study).model_dump(mode="json")
    sheet = Sheet(in_force, sections(study), posted)
    reason = ReasonForm(posted)
    if posted is not None:
        protocol = sheet.result()
        if reason.is_valid() and protocol is not None:
            try:
                written = amendments.amend(
                    study,
                    protocol,
                    reason=reason.cleaned_data["reason"],
                    by=request.user,
                    request=request,
                )
            except StudyError as error:
                sheet.errors.append(str(error))
            else:
                messages.success(request, f"Amendment {written.number} is in force.")
                return redirect("studies:protocol", study.public_id)
    return render(
        request,
        "studies/amend.html",
        {
            "study": study,
            "here": "protocol",
            "sheet": sheet,
            "reason": reason,
            "readings": amendments.readings_so_far(study),
        },
        status=422 if posted is not None else 200,
    )


@study_view("export")
def preregister(request: HttpRequest, study: Study) -> HttpResponse:
    """The signed, dated document of a locked study."""
    try:
        signed: dict[str, Any] = preregistration.document(study)
    except StudyError as error:
        messages.error(request, str(error))
        return redirect("studies:overview", study.public_id)
    response = HttpResponse(
        json.dumps(signed, indent=2, ensure_ascii=False) + "\n", content_type="application/json"
    )
    name = slugify(study.title) or "study"
    response["Content-Disposition"] = f'attachment; filename="{name}-preregistration.json"'
    return response
