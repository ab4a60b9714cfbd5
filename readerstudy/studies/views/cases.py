"""The cases: what the draw gives (draft) or gave (locked)."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from readerstudy.imaging.models import Scan
from readerstudy.studies import drafting, sampling, tables
from readerstudy.studies.errors import StudyError
from readerstudy.studies.models import Study, draw_seed
from readerstudy.studies.permissions import may, study_view
from readerstudy.studies.protocol import Protocol
from readerstudy.studies.sampling import NO_LABEL

ASPECTS = {
    "stratum": "Stratum",
    "labels": "Pathology",
    "generator": "Generator",
    "view": "View",
    "sex": "Sex",
}


@study_view("see_cases")
def cases(request: HttpRequest, study: Study) -> HttpResponse:
    """Composition, and every case with its truth."""
    sample = None
    if study.status == Study.Status.DRAFT and not study.is_locking:
        protocol = Protocol.model_validate(study.protocol)
        sample = sampling.draw(protocol.sampling, study.seed)
        rows = _preview_rows(sample)
    else:
        rows = _case_rows(study)
    composition = {title: _cross(rows, aspect) for aspect, title in ASPECTS.items()}
    table = tables.of(
        request,
        rows,
        sorts={
            key: itemgetter(key)
            for key in ("number", "origin", "stratum", "view", "sex", "age", "generator", "labels")
        },
        text=lambda row: " ".join([row["stratum"], row["generator"], row["scan"], *row["labels"]]),
        shows={origin: tables.item_is("origin", origin) for origin in Scan.Origin.values},
        size=60,
    )
    return render(
        request,
        "studies/cases.html",
        {
            "study": study,
            "here": "cases",
            "sample": sample,
            "table": table,
            "origins": {"": "Both origins", **dict(Scan.Origin.choices)},
            "composition": {title: table for title, table in composition.items() if table},
            "may_edit": may(request.user, "edit", study),
        },
    )


def _preview_rows(sample: sampling.Sample) -> list[dict[str, Any]]:
    return [
        {
            "number": None,
            "scan": one.candidate.public_id,
            "origin": one.candidate.origin,
            "stratum": one.stratum,
            "labels": list(one.candidate.labels),
            "generator": one.candidate.generator,
            "view": one.candidate.view,
            "sex": one.candidate.sex,
            "age": one.candidate.age,
            "training": one.is_training,
        }
        for one in sample.drawn
    ]


def _case_rows(study: Study) -> list[dict[str, Any]]:
    return [
        {
            "number": case.number,
            "scan": str(case.scan.public_id),
            "origin": case.truth.get("origin", case.scan.origin),
            "stratum": case.stratum,
            "labels": case.truth.get("labels", []),
            "generator": case.truth.get("generator", ""),
            "view": case.truth.get("view", ""),
            "sex": case.truth.get("sex", ""),
            "age": case.truth.get("age_years"),
            "training": case.is_training,
        }
        for case in study.cases.select_related("scan")
    ]


def _cross(rows: list[dict[str, Any]], aspect: str) -> list[tuple[str, int, int, int]]:
    """(value, acquired, generated, both), training left out; empty where there is one value."""
    counts: Counter = Counter()
    for row in rows:
        if row["training"]:
            continue
        values = row[aspect] if isinstance(row[aspect], list) else [row[aspect]]
        for value in values or [NO_LABEL]:
            counts[str(value) or "unknown", row["origin"]] += 1
    names = sorted({value for value, _ in counts})
    if aspect != "stratum" and len(names) < 2:
        return []
    return [
        (
            name,
            counts[name, "acquired"],
            counts[name, "generated"],
            counts[name, "acquired"] + counts[name, "generated"],
        )
        for name in names
    ]


@require_POST
@study_view("edit")
def exclude(request: HttpRequest, study: Study) -> HttpResponse:
    """Put a scan on, or take it off, the draft's exclusion list."""
    scan = request.POST.get("scan", "")
    protocol = Protocol.model_validate(study.protocol)
    excluded = list(protocol.sampling.exclude)
    if scan in excluded:
        excluded.remove(scan)
    elif Scan.objects.filter(public_id=scan).exists():
        excluded.append(scan)
    protocol.sampling.exclude = excluded
    try:
        drafting.edit(study, by=request.user, protocol=protocol, request=request)
    except StudyError as error:
        messages.error(request, str(error))
    return redirect("studies:cases", study.public_id)


@require_POST
@study_view("edit")
def redraw(request: HttpRequest, study: Study) -> HttpResponse:
    """A new seed, and with it other cases and other lists."""
    drafting.edit(study, by=request.user, seed=draw_seed(), request=request)
    messages.success(request, "Drawn anew with another seed; the change is on record.")
    return redirect("studies:cases", study.public_id)
