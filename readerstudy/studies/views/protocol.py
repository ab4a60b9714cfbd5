"""The protocol's pages: read it, and, in a draft, the guided set-up."""

from __future__ import annotations

import copy
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from readerstudy.imaging import cue_plot
from readerstudy.studies import blinding, checks, drafting, implications, setup, wording
from readerstudy.studies.amendments import in_force
from readerstudy.studies.errors import StudyError
from readerstudy.studies.forms import QuestionForm
from readerstudy.studies.models import Reader, Study
from readerstudy.studies.permissions import may, study_view
from readerstudy.studies.protocol import Phase, Protocol
from readerstudy.studies.reading_out import as_amended, read_out


@study_view("see")
def show(request: HttpRequest, study: Study) -> HttpResponse:
    """The whole protocol in words, for everybody with a role."""
    chapters = read_out(study, _protocol(study))
    if study.amendments.exists():
        chapters = as_amended(chapters, read_out(study, in_force(study)))
    return render(
        request,
        "studies/protocol.html",
        {
            "study": study,
            "here": "protocol",
            "chapters": chapters,
            "may_edit": may(request.user, "edit", study),
            "may_export": may(request.user, "export", study),
            "may_amend": may(request.user, "amend", study),
            "amendments": study.amendments.select_related("by"),
        },
    )


@study_view("edit")
def step(request: HttpRequest, study: Study, key: str) -> HttpResponse:
    """One step of the set-up."""
    if key not in setup.BY_KEY:
        raise Http404
    if key == "question":
        return _question(request, study)
    if key == "task":
        return _phases(request, study)
    if key == "review":
        return _review(request, study)
    return _sheet(request, study, key, setup.SECTIONS[key])


@study_view("edit")
def phase(request: HttpRequest, study: Study, number: int) -> HttpResponse:
    """One phase: task, exposure and reading form."""
    if not 1 <= number <= len(study.protocol["phases"]):
        raise Http404
    return _sheet(
        request, study, "task", setup.phase_sections(number - 1), {"phase_number": number}
    )


@require_POST
@study_view("edit")
def summary(request: HttpRequest, study: Study, key: str, number: int = 0) -> HttpResponse:
    """What the settings on the page, saved or not, would imply."""
    protocol = _complete(study)
    sections = setup.phase_sections(number - 1) if number else setup.SECTIONS.get(key, [])
    if sections and (not number or number <= len(protocol["phases"])):
        posted = setup.Sheet(protocol, sections, request.POST).result()
        if posted is None:
            return render(request, "studies/_summary.html", {"unfinished": True})
        return render(request, "studies/_summary.html", _implied(study, posted))
    return render(request, "studies/_summary.html", _implied(study, _protocol(study)))


def _complete(study: Study) -> dict[str, Any]:
    """The stored protocol with every default spelt out, as the forms expect it."""
    return _protocol(study).model_dump(mode="json")


def _protocol(study: Study) -> Protocol:
    return Protocol.model_validate(study.protocol)


def _implied(study: Study, protocol: Protocol) -> dict[str, Any]:
    enrolled = study.readers.exclude(state=Reader.State.WITHDRAWN).count()
    return {
        "study": study,
        "implied": implications.of(protocol, enrolled or None),
        "enrolled": enrolled,
        "protocol": protocol,
    }


def _frame(study: Study, key: str, **more: Any) -> dict[str, Any]:
    before, after = setup.neighbours(key)
    return {
        "study": study,
        "here": "protocol",
        "steps": setup.STEPS,
        "step": setup.BY_KEY[key],
        "before": before,
        "after": after,
        **_implied(study, _protocol(study)),
        **more,
    }


def _onward(request: HttpRequest, study: Study, key: str) -> HttpResponse:
    _, after = setup.neighbours(key)
    if "stay" in request.POST or after is None:
        return redirect(request.path)
    return redirect("studies:step", study.public_id, after.key)


def _sheet(
    request: HttpRequest,
    study: Study,
    key: str,
    sections: list[setup.Section],
    more: dict[str, Any] | None = None,
) -> HttpResponse:
    posted = request.POST if request.method == "POST" else None
    sheet = setup.Sheet(_complete(study), sections, posted, request.FILES or None)
    if posted is not None:
        protocol = sheet.result()
        if protocol is not None:
            try:
                drafting.edit(study, by=request.user, protocol=protocol, request=request)
            except StudyError as error:
                messages.error(request, str(error))
                return redirect("studies:protocol", study.public_id)
            if more and "phase_number" in more:
                if "stay" in request.POST:
                    return redirect(request.path)
                return redirect("studies:step", study.public_id, "task")
            return _onward(request, study, key)
    return render(
        request,
        "studies/setup/sheet.html",
        _frame(study, key, sheet=sheet, **(more or {})),
        status=422 if sheet.errors else 200,
    )


def _question(request: HttpRequest, study: Study) -> HttpResponse:
    form = QuestionForm(
        request.POST or None, initial={"title": study.title, "question": study.question}
    )
    if request.method == "POST" and form.is_valid():
        drafting.edit(study, by=request.user, request=request, **form.cleaned_data)
        return _onward(request, study, "question")
    return render(request, "studies/setup/question.html", _frame(study, "question", form=form))


def _phases(request: HttpRequest, study: Study) -> HttpResponse:
    if request.method == "POST":
        protocol = _protocol(study)
        phases = _changed_phases(protocol.phases, request.POST)
        if not phases:
            messages.error(request, "A study has at least one phase.")
        elif phases != protocol.phases:
            drafting.edit(
                study,
                by=request.user,
                protocol=protocol.model_copy(update={"phases": phases}),
                request=request,
            )
        return redirect(request.path)
    return render(
        request,
        "studies/setup/phases.html",
        _frame(study, "task", tasks=wording.TASKS, presets=setup.PRESET_TITLES),
    )


def _changed_phases(phases: list[Phase], posted: Any) -> list[Phase]:
    phases = copy.deepcopy(phases)
    if posted.get("preset") in setup.presets():
        return setup.presets()[posted["preset"]]
    if posted.get("add") in wording.TASKS:
        task = posted["add"]
        if task == "diagnosis":
            return [*phases, Phase(task="diagnosis")]
        return [*phases, setup.presets()[task][0].model_copy(update={"title": ""}, deep=True)]
    for deed in ("remove", "up"):
        if posted.get(deed, "").isdigit() and int(posted[deed]) < len(phases):
            number = int(posted[deed])
            if deed == "remove":
                del phases[number]
            elif number:
                phases[number - 1], phases[number] = phases[number], phases[number - 1]
    return phases


def _review(request: HttpRequest, study: Study) -> HttpResponse:
    found = checks.run(study)
    return render(
        request,
        "studies/setup/review.html",
        _frame(
            study,
            "review",
            checks=found,
            ready=not any(check.state == "failed" for check in found),
            may_lock=may(request.user, "lock", study),
            blinding=cue_plot.parts(study.blinding),
            pairs=blinding.pairs(study),
        ),
    )
