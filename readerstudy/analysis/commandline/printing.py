"""Estimates as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterable
from typing import Any

from readerstudy.analysis.result import Estimate, format_p

Row = tuple[str, Estimate]


def as_table(rows: Iterable[Row], *, title: str = "") -> str:
    """Aligned columns; each distinct note once below, by number."""
    listed = list(rows)
    notes: dict[str, int] = {}
    methods: dict[str, str] = {}
    cells = [("", "estimate", "SE", "interval", "statistic", "df", "p", "n", "")]
    for what, e in listed:
        marks = [str(notes.setdefault(note, len(notes) + 1)) for note in e.notes]
        if e.method:
            methods.setdefault(
                e.method, chr(ord("a") + len(methods) % 26) * (len(methods) // 26 + 1)
            )
            marks.insert(0, methods[e.method])
        cells.append(
            (
                what,
                _number(e.estimate),
                _number(e.standard_error),
                _interval(e),
                _number(e.statistic),
                _df(e.df),
                ""
                if e.p_value is None
                else format_p(e.p_value).removeprefix("p ").removeprefix("= "),
                "" if e.n is None else str(e.n),
                f"[{', '.join(marks)}]" if marks else "",
            )
        )
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    lines = [title] if title else []
    for row in cells:
        parts = [row[0].ljust(widths[0])]
        parts += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        lines.append("  ".join([*parts, row[-1]]).rstrip())
    lines += [f"[{letter}] {method}" for method, letter in methods.items()]
    lines += [f"[{number}] {note}" for note, number in notes.items()]
    return "\n".join(lines)


def as_json(content: Any) -> str:
    """Plain JSON at full precision; what is not a finite number is null."""
    return json.dumps(_finite(content), indent=2, allow_nan=False, ensure_ascii=False)


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    if hasattr(content, "tolist"):
        return _finite(content.tolist())
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if math.isnan(value):
        return "not defined"
    if value != 0 and (abs(value) < 0.001 or abs(value) >= 1e6):
        return f"{value:.3g}"
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.1f}"


def _interval(e: Estimate) -> str:
    if e.lower is None or e.upper is None:
        return ""
    text = f"{_number(e.lower)} to {_number(e.upper)}"
    return text if e.level == 0.95 else f"{text} ({100 * e.level:g} %)"


def _df(df: float | tuple[float, float] | None) -> str:
    if df is None:
        return ""
    parts = df if isinstance(df, tuple) else (df,)
    return ", ".join("inf" if math.isinf(p) else f"{p:.4g}" for p in parts)


def pair_name(key: tuple[Hashable, ...]) -> str:
    return " - ".join(map(str, key))
