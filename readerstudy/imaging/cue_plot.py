"""The ranked plot of an audit: positions for ``archive/_cue_plot.html``, no style in the page."""

from __future__ import annotations

from typing import Any

_LEFT, _RIGHT, _ROW, _TOP = 250.0, 690.0, 24, 34
_WIDTH = 900


def cue_plot(result: dict[str, Any], *, most: int = 40) -> dict[str, Any]:
    """Rows with their places in an SVG, from ``AuditResult.to_dict()``: the classifier first, then
    cues from the one that separates best downwards."""
    shown = ([result["classifier"]] if result.get("classifier") else []) + result["cues"][:most]
    rows = []
    for number, cue in enumerate(shown):
        rows.append(
            {
                **cue,
                "y": _TOP + _ROW * number + _ROW / 2,
                "x": _place(cue["auc"]),
                "x_low": _place(cue["lower"]),
                "x_high": _place(cue["upper"]),
            }
        )
    bottom = _TOP + _ROW * len(rows)
    return {
        "rows": rows,
        "width": _WIDTH,
        "height": bottom + 30,
        "bottom": bottom,
        "top": _TOP,
        "ticks": [(value, _place(value)) for value in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)],
        "limit": _place(result["limit"]),
        "chance": _place(0.5),
        "name_x": _LEFT - 12,
        "note_x": _RIGHT + 16,
    }


def parts(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What a page shows of a study's audit: the same cases before and after rendering, each with
    its plot. Empty where nothing was audited."""
    audits = {"As kept, before rendering": found.get("as_kept") or {}, "As readers see them": found}
    return [
        {"title": title, "audit": audit, "plot": cue_plot(audit)}
        for title, audit in audits.items()
        if audit.get("cues")
    ]


def _place(area: float) -> float:
    share = (min(max(area, 0.35), 1.0) - 0.35) / 0.65
    return round(_LEFT + share * (_RIGHT - _LEFT), 1)
