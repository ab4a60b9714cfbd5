"""Curves of a training: ``python docs/demo-generator/plot_curves.py [LOG OUT FILMS]``.

Without arguments those of the demo's generator; FILMS names what it was trained on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

HERE = Path(__file__).resolve().parent
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"  # Okabe-Ito


def smooth(values: np.ndarray, over: int = 9) -> np.ndarray:
    """Running median: single steps of a GAN swing widely."""
    padded = np.pad(values, over // 2, mode="edge")
    return np.array([np.median(padded[i : i + over]) for i in range(len(values))])


def main(log: Path, out: Path, films: str) -> None:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [line for line in lines if line["kind"] == "step"]
    ticks = [line for line in lines if line["kind"] == "tick"]
    shown = np.array([line["images"] for line in steps]) / 1000
    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 6), sharex=True, layout="constrained")
    gap = np.array([line["real"] - line["fake"] for line in steps])
    above.plot(shown, gap, color=BLUE, alpha=0.2, linewidth=0.7)
    above.plot(shown, smooth(gap), color=BLUE, label=f"critic: score of {films} less samples")
    penalty = np.array([line["penalty"] for line in steps])
    above.plot(shown, smooth(10 * penalty), color=GREEN, label="gradient penalty, times 10")
    above.set_ylabel("loss")
    above.legend(frameon=False)
    checked = [line for line in ticks if "frechet" in line]
    at = [line["images"] / 1000 for line in checked]
    below.semilogy(at, [line["frechet"] for line in checked], "o-", color=VERMILION,
                   label=f"samples to training {films}")  # fmt: skip
    below.semilogy(at, [line["frechet_held_out"] for line in checked], "--", color=BLUE,
                   label=f"held-out to training {films}")  # fmt: skip
    below.set_ylabel("Fréchet distance")
    below.set_xlabel(f"thousand {films} shown")
    below.legend(frameon=False)
    seen = 0
    for line in steps:
        if line["resolution"] != seen:
            seen = line["resolution"]
            for axis in (above, below):
                axis.axvline(line["images"] / 1000, color="0.8", linewidth=0.8, zorder=0)
            above.text(line["images"] / 1000, above.get_ylim()[1], f" {seen}", va="top", fontsize=8)
    for axis in (above, below):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    given = sys.argv[1:] or [str(HERE / "log.jsonl"), str(HERE / "curves.png"), "phantoms"]
    main(Path(given[0]), Path(given[1]), given[2])
