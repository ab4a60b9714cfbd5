"""How the studies' pages write values."""

from __future__ import annotations

import json
from typing import Any

from django import template

register = template.Library()


@register.filter
def seconds(value: float | None) -> str:
    """``38 s``, ``2 min 5 s`` or a dash."""
    if value is None:
        return "–"
    whole = round(value)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


@register.filter
def deed(action: str) -> str:
    """``study.lock_requested`` as “study: lock requested”."""
    noun, _, verb = action.partition(".")
    return f"{noun}: {verb.replace('_', ' ')}" if verb else noun


@register.filter
def brief(details: dict[str, Any]) -> str:
    """The first few details in one line."""
    parts = []
    for key, value in details.items():
        if value in (None, "", [], {}):
            continue
        text = f"{len(value)} of them" if isinstance(value, list | dict) else str(value)
        parts.append(f"{key.replace('_', ' ')} {text if len(text) <= 40 else text[:37] + '…'}")
    return ", ".join(parts[:3]) or "details"


@register.filter
def pretty(details: dict[str, Any]) -> str:
    return json.dumps(details, ensure_ascii=False, indent=2, sort_keys=True)
