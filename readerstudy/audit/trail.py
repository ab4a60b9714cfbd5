"""Write to the audit trail, and check that nobody else did."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, models, transaction
from django.http import HttpRequest

from readerstudy.audit.models import Entry

GENESIS = "0" * 64
# One well-known number for PostgreSQL's advisory lock: chain writers queue behind it.
_CHAIN_LOCK = 0x5EAD5EAD


def record(
    action: str,
    *,
    actor: Any = None,
    on: models.Model | None = None,
    study_id: object = "",
    request: HttpRequest | None = None,
    **details: Any,
) -> Entry:
    """Append one entry to the chain.

    ``action`` is ``noun.deed`` (``study.locked``); ``actor`` a user or ``None`` for the system;
    ``on`` the object, named by its ``public_id`` (or primary key). ``details`` must be JSON.
    """
    if actor is None and request is not None and request.user.is_authenticated:
        actor = request.user
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHAIN_LOCK])
        last = Entry.objects.order_by("-sequence").first()
        entry = Entry(
            sequence=last.sequence + 1 if last else 1,
            at=datetime.now(UTC),
            actor_id=str(getattr(actor, "public_id", "") or ""),
            actor_name=str(actor)[:150] if actor is not None else "system",
            address=client_address(request) if request is not None else "",
            request_id=structlog.contextvars.get_contextvars().get("request_id", ""),
            action=action,
            object_type=on._meta.model_name or "" if on is not None else "",
            object_id=str(getattr(on, "public_id", None) or on.pk) if on is not None else "",
            study_id=str(study_id or ""),
            details=json.loads(json.dumps(details, default=str)),
            previous_hash=last.hash if last else GENESIS,
        )
        entry.hash = digest(entry)
        entry.save(force_insert=True)
    return entry


def client_address(request: HttpRequest) -> str:
    """Where the request came from: behind trusted proxies the address that the outermost of them
    saw. What lies further left in the header is the sender's own word."""
    trusted = int(getattr(settings, "ALLAUTH_TRUSTED_PROXY_COUNT", 0))
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
    if trusted and len(hops) >= trusted and hops[-trusted]:
        return hops[-trusted][:45]
    return str(request.META.get("REMOTE_ADDR", ""))[:45]


def digest(entry: Entry) -> str:
    """SHA-256 over the entry's fields and its predecessor's hash, as canonical JSON."""
    text = json.dumps(content(entry), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def content(entry: Entry) -> dict[str, Any]:
    """What an entry's hash is taken over."""
    return {
        "sequence": entry.sequence,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor_id": entry.actor_id,
        "actor_name": entry.actor_name,
        "address": entry.address,
        "request_id": entry.request_id,
        "action": entry.action,
        "object_type": entry.object_type,
        "object_id": entry.object_id,
        "study_id": entry.study_id,
        "details": entry.details,
        "previous_hash": entry.previous_hash,
    }


@dataclass(frozen=True, slots=True)
class Fault:
    """A place where the chain does not hold."""

    sequence: int
    reason: str


def verify() -> Iterator[Fault]:
    """Every edited, removed or reordered entry, in order. Nothing means that the chain holds."""
    previous_hash, expected = GENESIS, 1
    for entry in Entry.objects.order_by("sequence").iterator():
        if entry.sequence != expected:
            yield Fault(entry.sequence, f"entries {expected} to {entry.sequence - 1} are missing")
        elif entry.previous_hash != previous_hash:
            yield Fault(entry.sequence, "does not follow from the entry before it")
        if entry.hash != digest(entry):
            yield Fault(entry.sequence, "was changed after it was written")
        previous_hash, expected = entry.hash, entry.sequence + 1
    if (written := _written_on_sqlite()) >= expected:
        yield Fault(expected, f"entries {expected} to {written} were cut off at the end")


def _written_on_sqlite() -> int:
    """How many entries SQLite ever numbered; its own count stays when rows are removed.

    PostgreSQL's sequence also counts what was rolled back, and so cannot tell: there, and against
    whoever edits SQLite's count too, an end is found cut by a hash noted elsewhere.
    """
    if connection.vendor != "sqlite":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit_entry'")
        row = cursor.fetchone()
    first = Entry.objects.order_by("sequence").first()
    # Ids run with the sequence from wherever they began.
    return int(row[0]) - (first.pk - first.sequence if first else 0) if row else 0
