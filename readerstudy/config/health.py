"""For load balancers and the people who host this."""

from __future__ import annotations

from celery import current_app
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.http import HttpRequest, JsonResponse


def live(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "live"})


def ready(request: HttpRequest) -> JsonResponse:
    """Database, storage and broker answer. 503 names what does not, without details."""
    checks = {"database": _database, "storage": _storage, "broker": _broker}
    outcome = {}
    for name, check in checks.items():
        try:
            check()
            outcome[name] = "ok"
        except Exception:
            outcome[name] = "unreachable"
    healthy = set(outcome.values()) == {"ok"}
    return JsonResponse(
        {"status": "ready" if healthy else "not ready", **outcome}, status=200 if healthy else 503
    )


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _storage() -> None:
    name = default_storage.save("health/probe", ContentFile(b"ok"))
    default_storage.delete(name)


def _broker() -> None:
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=2)
