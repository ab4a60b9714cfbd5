"""What a run leaves for people: JSON lines, TensorBoard curves and sample grids.

A run folder holds ``config.json``, ``split.json``, ``log.jsonl``, ``grids/``, ``tensorboard/``,
``states/`` and ``generator.safetensors``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from synthesis.pggan.pictures import grid, quantise, write_png


class RunLog:
    """Appends to ``log.jsonl`` and TensorBoard, and saves grids."""

    def __init__(self, folder: Path, *, tensorboard: bool = True) -> None:
        self.folder = folder
        self.path = folder / "log.jsonl"
        (folder / "grids").mkdir(parents=True, exist_ok=True)
        self.board: Any = None
        if tensorboard:
            try:
                from tensorboardX import SummaryWriter
            except ImportError:  # curves are a comfort; the JSON lines are the record
                return
            self.board = SummaryWriter(str(folder / "tensorboard"))

    def rewind(self, images: int) -> None:
        """Drop the lines written after ``images``: a killed run logged past its last state."""
        if not self.path.exists():
            return
        kept = []
        for line in self.path.read_text().splitlines():
            try:
                if json.loads(line)["images"] <= images:
                    kept.append(line)
            except (json.JSONDecodeError, KeyError):
                continue  # a line cut short by the kill
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text("".join(line + "\n" for line in kept))
        os.replace(temporary, self.path)
        for path in (self.folder / "grids").glob("grid-*.png"):
            if int(path.stem.split("-")[1]) > images:
                path.unlink()

    def write(self, kind: str, images: int, values: Mapping[str, Any]) -> None:
        """One line: ``{"kind": "step" | "tick" | "check" | "end", "images": ..., ...}``."""
        with open(self.path, "a") as file:
            file.write(json.dumps({"kind": kind, "images": images, **values}) + "\n")
        if self.board is not None:
            for name, value in values.items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    self.board.add_scalar(f"{kind}/{name}", value, images)

    def picture(self, samples: np.ndarray, columns: int, images: int) -> Path:
        """A grid of samples (N, H, W) in [0, 1] as PNG, named by the images seen."""
        page = grid(samples, columns)
        path = self.folder / "grids" / f"grid-{images:010d}.png"
        write_png(path, page)
        if self.board is not None:
            self.board.add_image("samples", quantise(page)[None], images)
        return path

    def close(self) -> None:
        """Flush the curves."""
        if self.board is not None:
            self.board.close()


def read_log(folder: str | Path, kind: str | None = None) -> list[dict[str, Any]]:
    """The lines of a run's log, for a run page or a plot; a line cut short is left out."""
    lines = []
    path = Path(folder) / "log.jsonl"
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            continue
        if kind is None or value.get("kind") == kind:
            lines.append(value)
    return lines
