"""Progress and the audit trail of one study."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from readerstudy.audit import csv_file
from readerstudy.audit.models import Entry
from readerstudy.studies import progress as progress_of
from readerstudy.studies import reminders, tables
from readerstudy.studies.errors import StudyError
from readerstudy.studies.models import Study
from readerstudy.studies.permissions import may, study_view

SHOWS = {
    "": "Every reader",
    "unfinished": "Not finished",
    "stuck": "May need a word",
    "finished": "Finished",
}


@study_view("see_progress")
def progress(request: HttpRequest, study: Study) -> HttpResponse:
    """Readings a reader, pace, expected end, who is stuck; no results, no names."""
    standing = progress_of.standing(study)
    table = tables.of(
        request,
        standing.readers,
        sorts={
            "reader": lambda one: one.reader.number,
            "state": lambda one: one.reader.state,
            "done": lambda one: one.percent,
            "last": lambda one: one.last_at,
            "pace": lambda one: one.per_day,
            "time": lambda one: one.seconds_a_case,
            "end": lambda one: one.expected_end,
        },
        shows={
            "unfinished": lambda one: not one.is_finished,
            "stuck": lambda one: bool(one.waiting),
            "finished": lambda one: one.is_finished,
        },
        default="reader",
    )
    return render(
        request,
        "studies/_progress_table.html"
        if request.headers.get("HX-Request")
        else "studies/progress.html",
        {
            "study": study,
            "here": "progress",
            "standing": standing,
            "table": table,
            "shows": SHOWS,
            "may_remind": may(request.user, "remind", study) and study.status == Study.Status.OPEN,
        },
    )


@require_POST
@study_view("remind")
def remind(request: HttpRequest, study: Study) -> HttpResponse:
    """Mail the readers who have not finished; all of them, or the one that was named."""
    codes = request.POST.getlist("reader")
    try:
        sent = reminders.remind(
            study,
            readers=codes or None,
            link=request.build_absolute_uri(reverse("reading:room", args=[study.public_id])),
            by=request.user,
            request=request,
        )
    except StudyError as error:
        messages.error(request, str(error))
    else:
        for failure in sent.failed:
            messages.error(request, failure)
        messages.success(
            request,
            f"{len(sent.reminded)} reader{'s' if len(sent.reminded) != 1 else ''} reminded"
            + (f": {', '.join(sent.reminded)}." if sent.reminded else "."),
        )
    return redirect("studies:progress", study.public_id)


def _entries(request: HttpRequest, study: Study) -> QuerySet[Entry]:
    entries = Entry.objects.filter(study_id=str(study.public_id))
    if action := request.GET.get("action", ""):
        entries = entries.filter(action=action)
    if words := request.GET.get("q", "").strip():
        codes = _codes(study)
        # A search by name must not find what the page calls R01.
        named = Q(actor_name__icontains=words) & ~Q(actor_id__in=codes)
        coded = [key for key, code in codes.items() if code.casefold() == words.casefold()]
        entries = entries.filter(
            named
            | Q(actor_id__in=coded)
            | Q(action__icontains=words)
            | Q(address__icontains=words)
            | Q(object_id__icontains=words)
        )
    return entries.order_by("sequence" if request.GET.get("sort") == "at" else "-sequence")


def _codes(study: Study) -> dict[str, str]:
    """The readers' pseudonyms by the ids that the trail knows the people by."""
    return {
        str(reader.user.public_id): reader.code
        for reader in study.readers.select_related("user")
        if reader.user is not None
    }


def _pseudonymous(entry: Entry, codes: dict[str, str]) -> Entry:
    """The entry (not to be saved) with a reader's code in place of name and id: who a reader is
    stands on the people page alone."""
    if entry.actor_id in codes:
        entry.actor_name, entry.actor_id = codes[entry.actor_id], ""
    if entry.object_id in codes:
        entry.object_id = codes[entry.object_id]
    return entry


@study_view("see_audit")
def audit(request: HttpRequest, study: Study) -> HttpResponse:
    """Who did what to this study, when, from where."""
    page = Paginator(_entries(request, study), 50).get_page(request.GET.get("page"))
    codes = _codes(study)
    page.object_list = [_pseudonymous(entry, codes) for entry in page.object_list]
    actions = (
        Entry.objects.filter(study_id=str(study.public_id))
        .order_by("action")
        .values_list("action", flat=True)
        .distinct()
    )
    return render(
        request,
        "studies/audit.html",
        {
            "study": study,
            "here": "audit",
            "page": page,
            "actions": actions,
            "action": request.GET.get("action", ""),
            "q": request.GET.get("q", ""),
            "sort": request.GET.get("sort", ""),
        },
    )


@study_view("see_audit")
def audit_csv(request: HttpRequest, study: Study) -> StreamingHttpResponse:
    """The same entries as CSV, streamed."""
    codes = _codes(study)
    return csv_file.response(
        _pseudonymous(entry, codes) for entry in _entries(request, study).iterator()
    )
