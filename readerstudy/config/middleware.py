"""What every request passes through."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

GetResponse = Callable[[HttpRequest], HttpResponse]
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")

# An invitation's link is a key; logs are read by more people than it is for.
_INVITATION = re.compile(r"(/studies/join/)[^/]+")

log = structlog.get_logger("readerstudy.request")


class RequestIdMiddleware:
    """Give each request an id, put it on every log line and on the response.

    A proxy's ``X-Request-ID`` is kept when it is a plain token, so one id follows a request
    through the whole installation.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _ACCEPTABLE_ID.fullmatch(given) else uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.monotonic()
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        if not request.path.startswith("/health/"):
            log.info(
                "request",
                method=request.method,
                path=_INVITATION.sub(r"\1…", request.path),
                status=response.status_code,
                milliseconds=round(1000 * (time.monotonic() - started)),
            )
        return response


class PrivateByDefaultMiddleware:
    """Pages and answers of a signed-in person are never kept by a shared or a disk cache."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = "private, no-store"
        return response
