"""How the studies' pages write values."""

from __future__ import annotations

import json
import re
from typing import Any

from django import template
from django.template import Context
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

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


_DIGEST = re.compile("[0-9a-f]{32,}")


@register.filter
def brief(details: dict[str, Any]) -> str:
    """The first few details in one line."""
    parts = []
    for key, value in details.items():
        if value in (None, "", [], {}):
            continue
        text = str(len(value)) if isinstance(value, list | dict) else str(value)
        longest = 12 if _DIGEST.fullmatch(text) else 40
        text = text if len(text) <= longest else text[:longest].rstrip() + "…"
        parts.append(f"{key.replace('_', ' ')}: {text}")
    return "; ".join(parts[:3]) or "details"


@register.filter
def pretty(details: dict[str, Any]) -> str:
    return json.dumps(details, ensure_ascii=False, indent=2, sort_keys=True)


@register.simple_tag(takes_context=True)
def with_query(context: Context, prefix: str, name: str, value: object) -> str:
    """The page's address with one setting of one table changed; its page is the first again."""
    query = context["request"].GET.copy()
    prefix = prefix or ""
    query.pop(f"{prefix}page", None)
    query[f"{prefix}{name}"] = str(value)
    return f"?{query.urlencode()}"


@register.simple_tag(takes_context=True)
def kept_query(context: Context, prefix: str) -> SafeString:
    """Hidden fields for what a filter form does not ask: this table's order, the other tables."""
    asked = {f"{prefix}{name}" for name in ("q", "show", "page")}
    kept = [(k, v) for k, v in context["request"].GET.items() if k not in asked]
    return format_html_join("", '<input type="hidden" name="{}" value="{}">', kept)
