"""Sign-ins, failed ones too, on the audit trail."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from readerstudy.audit import trail


@receiver(user_logged_in)
def note_sign_in(request: HttpRequest | None, user: Any, **_: Any) -> None:
    trail.record("person.signed_in", actor=user, on=user, request=request)


@receiver(user_logged_out)
def note_sign_out(request: HttpRequest | None, user: Any, **_: Any) -> None:
    if user is not None:
        trail.record("person.signed_out", actor=user, on=user, request=request)


@receiver(user_login_failed)
def note_failure(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """The name that was tried, cut short: people sometimes type their password into it."""
    tried = str(credentials.get("username") or credentials.get("email") or "")
    trail.record("person.sign_in_failed", request=request, tried=tried[:3] + "…" if tried else "")
