"""One look for every figure, on the page and in print."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito 2008: told apart with every kind of colour vision.
ACQUIRED = "#0072B2"
GENERATED = "#D55E00"
INK = "#2b3236"
QUIET = "#7a858b"
GRID = "#e4e7e6"
ORIGINS = {"acquired": ACQUIRED, "generated": GENERATED}

# The keys are matplotlib's own; its stubs would have them spelt as literals.
_SETTINGS: Any = {
    "font.size": 9.5,
    "font.family": "DejaVu Sans",
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "figure.facecolor": "white",
    "svg.fonttype": "path",
    # The same figure is the same bytes on every machine.
    "svg.hashsalt": "readerstudy",
}


@contextmanager
def figure(
    width: float = 7.2, height: float = 4.0, **subplots: Any
) -> Iterator[tuple[Figure, Any]]:
    """A figure in the house's style, closed when done. Inches; 7.2 fits an A4 page's text width."""
    with plt.rc_context(_SETTINGS):
        drawn, axes = plt.subplots(figsize=(width, height), layout="constrained", **subplots)
        try:
            yield drawn, axes
        finally:
            plt.close(drawn)


def svg(drawn: Figure) -> bytes:
    """The figure as a stand-alone SVG without a date."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "Reader Study"})
    return buffer.getvalue()


def share_axis(axes: Axes, *, label: str, chance: float | None = None) -> None:
    """Horizontal axis of a share, 0 to 100 %, with the chance level where there is one."""
    axes.set_xlim(-0.01, 1.01)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(label)
    if chance is not None:
        axes.axvline(chance, color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            f"chance {100 * chance:g} %",
            (chance, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, 2),
            textcoords="offset points",
            fontsize=8,
            color=QUIET,
            ha="left",
            va="bottom",
        )
