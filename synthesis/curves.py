"""A run's log as curves that a page can show without a script."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 640, 200
LEFT, RIGHT, TOP, BOTTOM = 56, 110, 10, 26
MOST_POINTS = 300
NAMES = {
    "loss": "critic",
    "frechet": "samples",
    "frechet_held_out": "held out",
    "images_per_second": "images/s",
}


@dataclass(frozen=True)
class Line:
    """One curve: its points in the picture, and where its name stands."""

    name: str
    points: str
    last: str
    label_y: float


@dataclass(frozen=True)
class Chart:
    """Curves over images seen."""

    title: str
    note: str
    lines: list[Line]
    ticks_x: list[tuple[float, str]]
    ticks_y: list[tuple[float, str]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    floor: int = HEIGHT - BOTTOM


def parse(log: bytes | None) -> list[dict[str, Any]]:
    """The lines of a ``log.jsonl``; one cut short is left out."""
    found = []
    for line in (log or b"").decode("utf-8", "replace").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def charts(lines: list[dict[str, Any]]) -> list[Chart]:
    """What a run page shows of a log: losses, pace, and distances to the films where measured."""
    steps = [line for line in lines if line.get("kind") == "step"]
    ticks = [line for line in lines if line.get("kind") == "tick"]
    wanted = [
        (steps, ("loss", "generator"),
         "Losses", "Critic and generator; levels mean little, jumps mean trouble."),
        (steps, ("penalty",),
         "Gradient penalty", "Should stay low and calm."),
        (ticks, ("frechet_held_out", "frechet"),  # acquired is blue, generated vermilion
         "Fréchet distance", "To the training films; that of held-out films is the floor."),
        (ticks, ("spread",),
         "Spread of the samples", "Falls to nothing when a generator collapses."),
        (steps, ("images_per_second",), "Images a second", "Falls as the images grow."),
    ]  # fmt: skip
    found = []
    for rows, names, title, note in wanted:
        series = {
            name: [
                (float(row["images"]), float(row[name]))
                for row in rows
                if isinstance(row.get(name), int | float) and math.isfinite(row[name])
            ]
            for name in names
        }
        series = {name: points for name, points in series.items() if len(points) > 1}
        if series:
            found.append(chart(title, note, series))
    return found


def chart(title: str, note: str, series: dict[str, list[tuple[float, float]]]) -> Chart:
    """Curves {name: [(images, value), ...]} scaled into the picture."""
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    low_x, high_x = min(xs), max(max(xs), min(xs) + 1)
    low_y, high_y = min(ys), max(ys)
    if high_y - low_y < 1e-12:
        low_y, high_y = low_y - 0.5, high_y + 0.5

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (x - low_x) / (high_x - low_x) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (y - low_y) / (high_y - low_y) * (HEIGHT - TOP - BOTTOM),
        )

    lines = []
    for name, points in series.items():
        placed = [place(*point) for point in thinned(points)]
        lines.append((name, placed, points[-1][1]))
    labels = _apart([placed[-1][1] for _, placed, _ in lines])
    return Chart(
        title=title,
        note=note,
        lines=[
            Line(NAMES.get(name, name.replace("_", " ")),
                 " ".join(f"{x:.1f},{y:.1f}" for x, y in placed), f"{last:.3g}", round(label, 1))
            for (name, placed, last), label in zip(lines, labels, strict=True)
        ],
        ticks_x=[(round(place(x, low_y)[0], 1), f"{x / 1000:,.4g}k")
                 for x in (low_x, (low_x + high_x) / 2, high_x)],
        ticks_y=[(round(place(low_x, y)[1], 1), f"{y:.3g}") for y in (low_y, high_y)],
    )  # fmt: skip


def thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """At most ``MOST_POINTS``; each is the mean of its stretch, so that noise thins with it."""
    if len(points) <= MOST_POINTS:
        return points
    size = len(points) / MOST_POINTS
    parts = [points[int(i * size) : max(int((i + 1) * size), int(i * size) + 1)]
             for i in range(MOST_POINTS)]  # fmt: skip
    return [
        (sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts
    ]


def _apart(heights: list[float], gap: float = 13.0) -> list[float]:
    """Label heights moved down until none covers another."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    placed = list(heights)
    for before, after in itertools.pairwise(order):
        placed[after] = max(placed[after], placed[before] + gap)
    return placed
