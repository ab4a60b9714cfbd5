"""Who sees the archive: researchers. Readers never do; it holds the truth."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

View = Callable[..., HttpResponseBase]


def researchers_only(view: View) -> View:
    """Sign in first; 403 for everybody who is neither researcher nor superuser."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user: Any = request.user
        if not (user.is_researcher or user.is_superuser):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return login_required(guarded)
