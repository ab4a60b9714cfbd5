"""The sample-size planner, alone or for a draft, and power by simulation of the chosen design."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from readerstudy.studies import drafting, planning, power_figure, simulation
from readerstudy.studies.errors import StudyError
from readerstudy.studies.forms import PlannerForm, SimulationForm
from readerstudy.studies.models import Reader, Study
from readerstudy.studies.permissions import researcher_view, study_view
from readerstudy.studies.protocol import Protocol


@researcher_view
def planner(request: HttpRequest) -> HttpResponse:
    """Power curves for assumptions that change as one types."""
    return _page(request, None, planning.Assumptions())


@study_view("edit")
def for_study(request: HttpRequest, study: Study) -> HttpResponse:
    """The planner, starting from a draft's design and plan."""
    protocol = Protocol.model_validate(study.protocol)
    plan, strata = protocol.plan, protocol.sampling.strata
    generated = sum(s.count for s in strata if s.origin == "generated")
    both = sum(s.count for s in strata)
    enrolled = study.readers.exclude(state=Reader.State.WITHDRAWN).count()
    kind = "auc" if plan.primary == "auc" else "realism"
    if kind == "realism" and plan.equivalence_margin is not None:
        kind = "equivalence"
    start = planning.Assumptions(
        kind=kind,
        rate=plan.chance if kind == "equivalence" else 0.6,
        chance=plan.chance,
        margin=plan.equivalence_margin or 0.1,
        alpha=plan.alpha,
        readers=max(2, enrolled or protocol.readers_expected),
        cases=max(2, both if kind == "auc" else generated) if strata else 100,
    )
    return _page(request, study, start)


def _page(request: HttpRequest, study: Study | None, start: planning.Assumptions) -> HttpResponse:
    given = {**asdict(start), **request.GET.dict()}
    form = PlannerForm(given)
    context: dict[str, Any] = {"study": study, "here": "protocol", "form": form}
    if form.is_valid():
        assumed = form.assumptions()
        try:
            found = planning.plan(assumed)
        except ValueError as error:
            context["problem"] = str(error)
        else:
            context |= {
                "assumed": assumed,
                "plan": found,
                "figure": power_figure.draw(
                    found.curves,
                    wanted=assumed.wanted,
                    at=(assumed.cases, found.power),
                    unit="test" if assumed.kind == "binomial" else "readers",
                ),
            }
    else:
        context["problem"] = "Some numbers are out of bounds."
    if request.headers.get("HX-Request"):
        return render(request, "studies/_planned.html", context)
    if study is not None:
        context["simulation_form"] = SimulationForm()
        context["job"] = last_simulation(study)
    return render(
        request, "studies/planner_study.html" if study else "studies/planner.html", context
    )


def last_simulation(study: Study) -> Job | None:
    """The newest simulation of this study's power."""
    return (
        Job.objects.filter(kind=simulation.KIND, parameters__study=str(study.public_id))
        .order_by("-created_at")
        .first()
    )


@require_POST
@study_view("edit")
def state_power(request: HttpRequest, study: Study) -> HttpResponse:
    """Write the planner's sentence into the analysis plan."""
    protocol = Protocol.model_validate(study.protocol)
    protocol.plan.power_statement = request.POST.get("statement", "").strip()[:4000]
    try:
        drafting.edit(study, by=request.user, protocol=protocol, request=request)
    except StudyError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The statement stands in the analysis plan.")
    return redirect("studies:step", study.public_id, "analysis")


@require_POST
@study_view("edit")
def simulate(request: HttpRequest, study: Study) -> HttpResponse:
    """Simulate whole studies of this design, as a job."""
    form = SimulationForm(request.POST)
    protocol = Protocol.model_validate(study.protocol)
    if not form.is_valid():
        messages.error(request, "Some numbers of the simulation are out of bounds.")
    elif protocol.plan.primary == "quality-difference":
        messages.error(request, "Quality ratings are not simulated; use a pilot's variances.")
    elif not protocol.sampling.strata:
        messages.error(request, "Say first how many scans of each origin are drawn.")
    else:
        given = dict(form.cleaned_data)
        count = given.pop("simulations")
        enrolled = study.readers.exclude(state=Reader.State.WITHDRAWN).count()
        queue.submit(
            simulation.KIND,
            title=f"Power of “{study.title}”"[:200],
            parameters={
                "study": str(study.public_id),
                "protocol": protocol.model_dump(mode="json"),
                "readers": max(2, enrolled or protocol.readers_expected),
                "truth": given,
                "simulations": count,
                "seed": study.seed % 2**31,
            },
            by=request.user,
            total=count,
        )
    return redirect("studies:study-planner", study.public_id)


@study_view("edit")
def simulated(request: HttpRequest, study: Study) -> HttpResponse:
    """The state of the newest simulation; polled while it runs."""
    return render(
        request, "studies/_simulated.html", {"study": study, "job": last_simulation(study)}
    )
