"""What every template may use."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from readerstudy import __version__


def house(request: HttpRequest) -> dict[str, Any]:
    """The demo flag (pages say plainly what is computed) and the version."""
    return {"demo_instance": settings.DEMO, "readerstudy_version": __version__}
