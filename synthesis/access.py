"""Who may see the generators: researchers. A reader must not learn what could have made a scan."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

View = Callable[..., HttpResponseBase]


def researcher_only(view: View) -> View:
    """A view for researchers; everybody else who signed in gets 403."""

    @login_required
    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **rest: Any) -> HttpResponseBase:
        user: Any = request.user
        if not (user.is_researcher or user.is_superuser):
            raise PermissionDenied("generators are open to researchers")
        return view(request, *args, **rest)

    return checked
