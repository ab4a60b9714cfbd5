"""The pages: a reader's studies, and the room."""

from __future__ import annotations

import uuid

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from readerstudy.reading.refusal import Refused
from readerstudy.reading.sitting import Sitting, reader_in
from readerstudy.studies.models import Reader, Study


@login_required
@require_GET
def studies(request: HttpRequest) -> HttpResponse:
    """The studies that the signed-in person is enrolled in as a reader."""
    enrolments = (
        Reader.objects.filter(user=request.user.pk)
        .exclude(state__in=[Reader.State.WITHDRAWN, Reader.State.INVITED])
        .exclude(study__status=Study.Status.DRAFT)
        .select_related("study")
        .order_by("-study__opened_at", "-study__created_at")
    )
    return render(
        request, "reading/list.html", {"sittings": [Sitting(reader) for reader in enrolments]}
    )


@login_required
@require_GET
@ensure_csrf_cookie
def room(request: HttpRequest, study: uuid.UUID) -> HttpResponse:
    """The reading room: an empty page that the script fills from the API."""
    try:
        sitting = Sitting(reader_in(request.user, str(study)))
    except Refused:
        raise Http404 from None
    return render(request, "reading/room.html", {"sitting": sitting})
