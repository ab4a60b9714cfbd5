"""The whole installation's audit trail, for its administrators."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_GET

from readerstudy.audit import csv_file, trail, triggers
from readerstudy.audit.models import Entry

_SORTS = {"at": "sequence", "who": "actor_name", "action": "action", "from": "address"}


def administrators_only(view: Callable[..., Any]) -> Callable[..., Any]:
    """For superusers alone: the page names people, readers too."""

    @login_required
    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **rest: Any) -> Any:
        if not request.user.is_superuser:
            raise PermissionDenied("the installation's audit trail is for its administrators")
        return view(request, *args, **rest)

    return checked


def asked_for(request: HttpRequest) -> QuerySet[Entry]:
    """The entries that the address asks for; days are UTC and both included."""
    asked = request.GET
    entries = Entry.objects.all()
    if action := asked.get("action", ""):
        entries = entries.filter(action=action)
    if words := asked.get("q", "").strip():
        columns = ("actor_name", "action", "address", "object_id", "study_id", "request_id")
        found = Q()
        for column in columns:
            found |= Q(**{f"{column}__icontains": words})
        entries = entries.filter(found)
    if since := _day(asked.get("since", "")):
        entries = entries.filter(at__gte=since)
    if until := _day(asked.get("until", "")):
        entries = entries.filter(at__lt=until + datetime.timedelta(days=1))
    sort = asked.get("sort", "")
    by = _SORTS.get(sort.removeprefix("-"))
    if by is None:
        return entries.order_by("-sequence")
    return entries.order_by(f"-{by}" if sort.startswith("-") else by, "-sequence")


def _day(text: str) -> datetime.datetime | None:
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC) if day else None


@require_GET
@administrators_only
def entries(request: HttpRequest) -> HttpResponse:
    """Who did what on this installation, when, from where."""
    page = Paginator(asked_for(request), 50).get_page(request.GET.get("page"))
    actions = Entry.objects.order_by("action").values_list("action", flat=True).distinct()
    given = {name: request.GET.get(name, "") for name in ("q", "action", "since", "until", "sort")}
    return render(request, "audit/entries.html", {"page": page, "actions": actions, **given})


@require_GET
@administrators_only
def verify(request: HttpRequest) -> HttpResponse:
    """Walk the whole chain, and look for the database's own rules."""
    faults = [{"sequence": fault.sequence, "reason": fault.reason} for fault in trail.verify()]
    last = Entry.objects.order_by("-sequence").first()
    return render(
        request,
        "audit/verified.html",
        {
            "faults": faults[:200],
            "count": len(faults),
            "entries": Entry.objects.count(),
            "installed": triggers.installed(connection),
            "head": last.hash if last else trail.GENESIS,
        },
    )


@require_GET
@administrators_only
def as_csv(request: HttpRequest) -> StreamingHttpResponse:
    """The entries asked for."""
    return csv_file.response(asked_for(request).iterator())
