"""Durations as people say them."""

from __future__ import annotations

from datetime import timedelta

from django import template

register = template.Library()


@register.filter
def briefly(duration: timedelta) -> str:
    """Two units at most: ``40 s``, ``3 min``, ``2 h 10 min``, ``4 d 6 h``."""
    seconds = max(0, round(duration.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
