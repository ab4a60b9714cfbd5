"""How numbers are written: with their uncertainty, aligned, p to two significant digits."""

from __future__ import annotations

import math

from django import template

from readerstudy.analysis.result import Estimate, format_p

register = template.Library()


@register.filter
def share(value: float | None) -> str:
    """A share as a percentage with one decimal."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.1f} %".replace("-", "−")


@register.filter
def coefficient(value: float | None) -> str:
    """A coefficient with two decimals and a proper minus sign."""
    return "–" if value is None or math.isnan(value) else f"{value:.2f}".replace("-", "−")


@register.filter
def share_interval(estimate: Estimate) -> str:
    """``52.1 to 68.9 %``."""
    if estimate.lower is None or estimate.upper is None or math.isnan(estimate.lower):
        return "–"
    return f"{100 * estimate.lower:.1f} to {100 * estimate.upper:.1f} %".replace("-", "−")


@register.filter
def interval(estimate: Estimate) -> str:
    """``0.08 to 0.21``."""
    if estimate.lower is None or estimate.upper is None or math.isnan(estimate.lower):
        return "–"
    return f"{estimate.lower:.2f} to {estimate.upper:.2f}".replace("-", "−")


@register.filter
def p(estimate: Estimate) -> str:
    """The p-value without its letter, for a column headed p."""
    if estimate.p_value is None or math.isnan(estimate.p_value):
        return "–"
    return format_p(estimate.p_value).removeprefix("p ").removeprefix("= ")


@register.filter
def p_adjusted(estimate: Estimate, method: str) -> str:
    """The p-value adjusted within its family: by Benjamini-Hochberg where the plan controls the
    false discovery rate, by Holm otherwise."""
    value = estimate.details.get("p_bh" if method in ("bh", "by") else "p_holm")
    if value is None or math.isnan(value):
        return "–"
    return format_p(value).removeprefix("p ").removeprefix("= ")


@register.filter
def points(value: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:+.1f}".replace("-", "−")


@register.filter
def points_interval(estimate: Estimate) -> str:
    """``−3.1 to +12.0``, percentage points."""
    if estimate.lower is None or estimate.upper is None or math.isnan(estimate.lower):
        return "–"
    return f"{points(estimate.lower)} to {points(estimate.upper)}"


@register.filter
def spaced(name: str) -> str:
    """A key as words."""
    return name.replace("_", " ").replace("-", " ")


@register.filter
def item(mapping: dict[str, object], key: str) -> object:
    """``mapping[key]``, or None."""
    return mapping.get(key)
