"""Power curves as an SVG drawing, small enough to sit in the page and to change as one types."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

# Okabe and Ito's palette without the two colours that mean the origins.
_COLOURS = ("#009E73", "#CC79A7", "#B8860B", "#56B4E9")
_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 96, 14, 40


def draw(
    curves: Mapping[int, Sequence[tuple[int, float]]],
    *,
    wanted: float,
    at: tuple[int, float],
    unit: str = "readers",
) -> SafeString:
    """Power (0 to 1) over cases (logarithmic), one curve a number of readers, the chosen point."""
    sizes = [cases for curve in curves.values() for cases, _ in curve]
    low, high = math.log(min(sizes)), math.log(max(sizes))

    def x(cases: float) -> float:
        span = (math.log(cases) - low) / (high - low or 1)
        return _LEFT + span * (_WIDTH - _LEFT - _RIGHT)

    def y(power: float) -> float:
        return _TOP + (1 - power) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg class="figure power-figure" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="Power over the number of cases; {100 * at[1]:.0f} per cent at {at[0]}">'
    ]
    parts.extend(
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(share):.1f}" '
        f'y2="{y(share):.1f}"/><text class="tick" x="{_LEFT - 8}" y="{y(share) + 4:.1f}" '
        f'text-anchor="end">{100 * share:.0f} %</text>'
        for share in (0, 0.2, 0.4, 0.6, 0.8, 1.0)
    )
    parts.extend(
        f'<text class="tick" x="{x(cases):.1f}" y="{_HEIGHT - 20}" '
        f'text-anchor="middle">{cases}</text>'
        for cases in (10, 20, 50, 100, 200, 500)
        if min(sizes) <= cases <= max(sizes)
    )
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(
        f'<text class="tick" x="{middle:.0f}" y="{_HEIGHT - 4}" text-anchor="middle">Cases</text>'
        f'<line class="wanted" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(wanted):.1f}" '
        f'y2="{y(wanted):.1f}"/>'
    )
    taken: list[float] = []
    for place, (readers, curve) in enumerate(sorted(curves.items())):
        colour = _COLOURS[place % len(_COLOURS)]
        points = " ".join(f"{x(cases):.1f},{y(power):.1f}" for cases, power in curve)
        height = y(curve[-1][1]) + 4
        while any(abs(height - other) < 15 for other in taken):  # labels do not overlap
            height += 15
        taken.append(height)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.2"/>'
            f'<text class="label" x="{_WIDTH - _RIGHT + 6}" y="{height:.1f}" fill="{colour}">'
            f"{readers} {escape(unit if readers != 1 else unit.rstrip('s'))}</text>"
        )
    parts.append(f'<circle class="chosen" cx="{x(at[0]):.1f}" cy="{y(at[1]):.1f}" r="5"/></svg>')
    # Numbers and escaped words alone.
    return mark_safe("".join(parts))
