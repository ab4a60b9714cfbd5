"""The report's pages and downloads."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST

from readerstudy.audit import trail
from readerstudy.imaging.cue_plot import cue_plot
from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from readerstudy.reading.models import Debriefing
from readerstudy.reports import judgments, presentation, statistics, tasks
from readerstudy.reports.wording import headline
from readerstudy.studies.blinding import frames_sha256
from readerstudy.studies.models import Presentation, Study
from readerstudy.studies.permissions import may, role_of
from readerstudy.studies.protocol import Protocol

# What is shown of the agreement coefficients; the JSON export has them all.
AGREEMENT_NAMES = (
    ("percent", "Percent agreement"),
    ("fleiss", "Fleiss' kappa"),
    ("krippendorff", "Krippendorff's alpha"),
    ("gwet", "Gwet's AC1"),
)


def _study(request: HttpRequest, study_id: str) -> Study:
    """The study, for people who have a role in it; for anyone else there is no such study."""
    study = get_object_or_404(Study, public_id=study_id)
    if role_of(request.user, study) is None:
        raise Http404
    return study


def _require_results(request: HttpRequest, study_id: str) -> Study:
    study = _study(request, study_id)
    if not may(request.user, "see_results", study):
        raise Http404
    return study


@login_required
@require_GET
def report(request: HttpRequest, study_id: str) -> HttpResponse:
    """The statistical report, or why it is not shown yet."""
    study = _study(request, study_id)
    context: dict[str, Any] = {
        "study": study,
        "here": "report",
        "status": study.status,
        "protocol": Protocol.model_validate(study.protocol),
    }
    if not may(request.user, "see_results", study):
        return render(request, "reports/hidden.html", context)
    table = judgments.table(study)
    found = statistics.remembered(study, table)
    if found is None:
        job = tasks.ask(study, table, by=request.user)
        if job.state != Job.State.DONE:
            return render(request, "reports/underway.html", {**context, "job": job})
        # Done, but no longer remembered, or by a worker whose cache is not ours.
        found = statistics.of_study(study, table)
    context |= {
        "statistics": found,
        "headline": headline(found, context["protocol"].plan),
        "pooled": list(presentation.pooled_rows(found.realism)) if found.realism else [],
        "sizes": presentation.figure_sizes(found.figures),
        "subgroups": presentation.subgroup_parts(found, context["protocol"].plan),
        "generators": presentation.generator_rows(found.realism) if found.realism else [],
        "generator_pairs": presentation.generator_pairs(found.realism) if found.realism else [],
        "readings": len(table),
        "repeats": int((table["repeat_of"] != "").sum()),
        "readers": table["reader"].nunique(),
        "expected": Presentation.objects.filter(
            session__reader__study=study, is_training=False
        ).count(),
        "composition": _composition(study),
        "table_digest": judgments.digest(table),
        "frames_digest": frames_sha256(study),
        "choices": presentation.choice_rows(found),
        "noticed": _noticed(study),
        "amendments": study.amendments.select_related("by"),
        "blinding": _blinding(study),
        "decisions": presentation.decisions(found),
        "adjustment": presentation.ADJUSTMENTS[context["protocol"].plan.multiplicity],
        "detection": presentation.detection_rows(found),
        "agreement": found.section("agreement") or {},
        "agreement_names": AGREEMENT_NAMES,
        "intra": (found.section("intra_reader") or {}).get("readers averaged"),
        "seconds_rows": (found.seconds.to_dict("records") if found.seconds is not None else []),
    }
    trail.record("report.viewed", request=request, on=study, study_id=study.public_id)
    return render(request, "reports/report.html", context)


@login_required
@require_GET
def underway(request: HttpRequest, study_id: str) -> HttpResponse:
    """How far the report is; polled while it is worked out, and reloads the page at the end."""
    study = _require_results(request, study_id)
    job = tasks.ask(study, judgments.table(study), by=request.user)
    if job.state == Job.State.DONE:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, "reports/_underway.html", {"study": study, "job": job})


@login_required
@require_POST
def again(request: HttpRequest, study_id: str) -> HttpResponse:
    """Work the report out again after its job failed or was stopped."""
    study = _require_results(request, study_id)
    queue.retry(tasks.ask(study, judgments.table(study), by=request.user))
    return redirect("reports:report", study.public_id)


@login_required
@require_GET
def figure(request: HttpRequest, study_id: str, name: str) -> HttpResponse:
    """One figure of the report as SVG."""
    study = _require_results(request, study_id)
    drawn = statistics.of_study(study, judgments.table(study)).figures.get(name)
    if drawn is None:
        raise Http404
    return HttpResponse(drawn, content_type="image/svg+xml")


@login_required
@require_GET
def judgment_table(request: HttpRequest, study_id: str) -> StreamingHttpResponse:
    """The judgment table as CSV."""
    study = _require_results(request, study_id)
    trail.record("judgments.exported", request=request, on=study, study_id=study.public_id)
    return StreamingHttpResponse(
        judgments.as_csv(study),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{_name(study)}-judgments.csv"'},
    )


@login_required
@require_GET
def numbers(request: HttpRequest, study_id: str) -> JsonResponse:
    """Every number of the report at full precision."""
    study = _require_results(request, study_id)
    table = judgments.table(study)
    trail.record("numbers.exported", request=request, on=study, study_id=study.public_id)
    return JsonResponse(
        {
            "study": study.title,
            "study_id": str(study.public_id),
            "lock_digest": study.lock_digest,
            "table_digest": judgments.digest(table),
            "plan": Protocol.model_validate(study.protocol).plan.model_dump(),
            **statistics.of_study(study, table).to_dict(),
        },
        headers={"Content-Disposition": f'attachment; filename="{_name(study)}-numbers.json"'},
        json_dumps_params={"indent": 2},
    )


def _name(study: Study) -> str:
    return slugify(study.title)[:60] or "study"


def _composition(study: Study) -> list[dict[str, Any]]:
    """Scans of each origin and pathology among the study's cases, as they were drawn."""
    counts: dict[str, dict[str, int]] = {}
    for truth in study.cases.filter(is_training=False).values_list("truth", flat=True):
        for name in truth.get("labels") or ["(no label)"]:
            row = counts.setdefault(name, {"acquired": 0, "generated": 0})
            row[truth["origin"]] += 1
    return [{"label": name.replace("_", " "), **row} for name, row in sorted(counts.items())]


def _noticed(study: Study) -> dict[str, int] | None:
    """How many readers noticed something in a purpose-blinded phase, of those asked."""
    asked = Debriefing.objects.filter(session__reader__study=study)
    total = asked.count()
    return {"noticed": asked.filter(noticed=True).count(), "asked": total} if total else None


def _blinding(study: Study) -> dict[str, Any]:
    """The blinding audit at lock: what it found, who signed for it why, and its plot."""
    found = study.blinding
    return {"audit": found, "plot": cue_plot(found) if found.get("cues") else None}
