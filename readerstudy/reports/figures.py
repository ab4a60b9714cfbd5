"""The report's figures, each from numbers that stand in the report too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from readerstudy.analysis.result import Estimate
from readerstudy.reports import style


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """One line of an interval plot: a reader, a pathology, or all readers together."""

    label: str
    by_origin: Mapping[str, Estimate]
    pooled: bool = False


def realism_rates(rows: Sequence[IntervalRow], *, chance: float, title: str) -> bytes:
    """Realism rate of acquired and generated scans with intervals, one line a row, as SVG."""
    height = 1.1 + 0.42 * len(rows)
    with style.figure(height=height) as (drawn, axes):
        for place, row in enumerate(reversed(rows)):
            for offset, origin in ((0.14, "acquired"), (-0.14, "generated")):
                estimate = row.by_origin.get(origin)
                if estimate is None or not np.isfinite(estimate.estimate):
                    continue
                colour, y = style.ORIGINS[origin], place + offset
                if estimate.lower is not None and estimate.upper is not None:
                    axes.plot(
                        [estimate.lower, estimate.upper],
                        [y, y],
                        color=colour,
                        linewidth=3.2 if row.pooled else 1.6,
                        alpha=0.9 if row.pooled else 0.7,
                        solid_capstyle="butt",
                        zorder=2,
                    )
                axes.plot(
                    estimate.estimate,
                    y,
                    marker="D" if origin == "generated" else "o",
                    markersize=7 if row.pooled else 5.5,
                    color=colour,
                    markeredgecolor="white",
                    markeredgewidth=0.8,
                    linestyle="none",
                    zorder=3,
                )
            if row.pooled:
                axes.axhspan(place - 0.45, place + 0.45, color="#f3f4f3", zorder=0)
        axes.set_yticks(range(len(rows)), [row.label for row in reversed(rows)])
        for tick, row in zip(axes.get_yticklabels(), reversed(rows), strict=True):
            tick.set_fontweight("bold" if row.pooled else "normal")
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        style.share_axis(axes, label="judged real", chance=chance)
        _name_the_origins(axes, rows)
        axes.set_title(title, pad=22)
        return style.svg(drawn)


def roc(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    mean: tuple[Sequence[float], Sequence[float]] | None,
    title: str,
) -> bytes:
    """Empirical ROC curves for telling generated from acquired, a thin line a reader."""
    with style.figure(width=4.4, height=4.4) as (drawn, axes):
        axes.plot([0, 1], [0, 1], color=style.QUIET, linewidth=1, linestyle=(0, (4, 3)))
        for false_positive, true_positive in curves.values():
            axes.plot(false_positive, true_positive, color=style.QUIET, linewidth=1, alpha=0.7)
        if mean is not None:
            axes.plot(*mean, color=style.GENERATED, linewidth=2.4)
            axes.annotate(
                "mean of readers",
                (mean[0][len(mean[0]) // 2], mean[1][len(mean[1]) // 2]),
                xytext=(16, -24),
                textcoords="offset points",
                color=style.GENERATED,
                fontsize=9,
            )
        axes.set(
            xlim=(-0.01, 1.01),
            ylim=(-0.01, 1.01),
            xlabel="acquired scans called synthetic",
            ylabel="generated scans called synthetic",
            aspect="equal",
        )
        axes.grid(color=style.GRID, linewidth=0.8)
        axes.set_title(title)
        return style.svg(drawn)


def confidence(
    counts: Mapping[str, Mapping[str, Sequence[int]]], *, levels: Sequence[str], title: str
) -> bytes:
    """How sure readers were: share of presentations per confidence level, judgment and origin."""
    with style.figure(height=3.0, ncols=2, sharey=True) as (drawn, pair):
        for axes, origin in zip(pair, ("acquired", "generated"), strict=True):
            said = counts.get(origin, {})
            total = max(1, sum(sum(each) for each in said.values()))
            real = np.array(said.get("real", [0] * len(levels))) / total
            synthetic = np.array(said.get("synthetic", [0] * len(levels))) / total
            # Surest "real" at the left, surest "synthetic" at the right.
            heights = np.concatenate([real[::-1], synthetic])
            places = np.concatenate([np.arange(-len(levels), 0), np.arange(1, len(levels) + 1)])
            axes.bar(places, heights, color=style.ORIGINS[origin], width=0.85)
            axes.axvline(0, color=style.QUIET, linewidth=0.8)
            axes.set_xticks(places, [*reversed(levels), *levels])
            axes.set_title(f"{origin} scans")
            axes.set_xlabel("← judged real · confidence · judged synthetic →")
            axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
            axes.grid(axis="y", color=style.GRID, linewidth=0.8)
            axes.set_axisbelow(True)
        pair[0].set_ylabel("share of presentations")
        drawn.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
        return style.svg(drawn)


def time_by_position(position: Sequence[float], seconds: Sequence[float], *, title: str) -> bytes:
    """Seconds a presentation against its position, with the median of tenths of the list."""
    with style.figure(height=3.0) as (drawn, axes):
        x, y = np.asarray(position, float), np.asarray(seconds, float)
        axes.plot(x, y, ".", color=style.QUIET, alpha=0.35, markersize=5)
        edges = np.unique(np.quantile(x, np.linspace(0, 1, min(10, len(np.unique(x))) + 1)))
        if len(edges) > 2:
            bins = np.clip(np.digitize(x, edges[1:-1]), 0, len(edges) - 2)
            used = np.unique(bins)
            axes.plot(
                [np.median(x[bins == each]) for each in used],
                [np.median(y[bins == each]) for each in used],
                color=style.INK,
                linewidth=2,
            )
            last = used[-1]
            axes.annotate(
                "median",
                (np.median(x[bins == last]), np.median(y[bins == last])),
                xytext=(5, 6),
                textcoords="offset points",
                fontsize=9,
            )
        axes.set(xlabel="position in the session", ylabel="seconds")
        axes.set_ylim(0, float(np.quantile(y, 0.99)) * 1.15 if len(y) else 1)
        axes.grid(axis="y", color=style.GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_title(title)
        return style.svg(drawn)


def _name_the_origins(axes: style.Axes, rows: Sequence[IntervalRow]) -> None:
    """Direct labels beside the topmost row that has both origins, instead of a legend."""
    for origin, x in (("acquired", 0.68), ("generated", 0.84)):
        if any(origin in row.by_origin for row in rows):
            axes.annotate(
                ("● " if origin == "acquired" else "◆ ") + origin,
                (x, 1),
                xycoords="axes fraction",
                xytext=(0, 8),
                textcoords="offset points",
                color=style.ORIGINS[origin],
                fontweight="bold",
                fontsize=9,
            )
