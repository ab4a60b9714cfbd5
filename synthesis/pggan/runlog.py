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
from PIL import Image

from synthesis.pggan.pictures import grid, quantise, write_png


class RunLog:
    """Appends to ``log.jsonl`` and TensorBoard, and saves grids."""

    def __init__(self, folder: Path, *, tensorboard: bool = True) -> None:
        self.folder = folder
        self.path = folder / "log.jsonl"
        (folder / "grids").mkdir(parents=True, exist_ok=True)
        self.board: Any = None
        self.tensorboard = tensorboard

    def begin(self, images: int) -> None:
        """Open the curves at ``images`` and drop what was logged after: a killed run logged past
        its last state, and what it draws there now may differ.

        The curves are drawn again from the last tick but one on: a kill takes what TensorBoard's
        writer still held, and the JSON lines are the record.
        """
        lines = self._rewind(images)
        if not self.tensorboard:
            return
        try:
            from tensorboardX import SummaryWriter
        except ImportError:  # curves are a comfort; the JSON lines are the record
            return
        since = [-1, -1, *(line["images"] for line in lines if line["kind"] == "tick")][-2]
        # TensorBoard reads the files in the order of their names, which tell seconds only.
        number = sum(1 for _ in (self.folder / "tensorboard").glob("*"))
        self.board = SummaryWriter(
            str(self.folder / "tensorboard"), purge_step=since + 1, filename_suffix=f".{number:06d}"
        )
        for line in lines:
            if line["images"] > since:
                self._draw(line)
        for path in sorted((self.folder / "grids").glob("grid-*.png")):
            if (at := int(path.stem.split("-")[1])) > since:
                with Image.open(path) as page:
                    self.board.add_image("samples", np.asarray(page.convert("L"))[None], at)

    def _rewind(self, images: int) -> list[dict[str, Any]]:
        """The lines that stay."""
        if not self.path.exists():
            return []
        kept = []
        for line in self.path.read_text().splitlines():
            try:
                if (values := json.loads(line))["images"] <= images:
                    kept.append(values)
            except (json.JSONDecodeError, KeyError):
                continue  # a line cut short by the kill
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text("".join(json.dumps(values) + "\n" for values in kept))
        os.replace(temporary, self.path)
        for path in (self.folder / "grids").glob("grid-*.png"):
            if int(path.stem.split("-")[1]) > images:
                path.unlink()
        return kept

    def write(self, kind: str, images: int, values: Mapping[str, Any]) -> None:
        """One line: ``{"kind": "step" | "tick" | "check" | "end", "images": ..., ...}``."""
        line = {"kind": kind, "images": images, **values}
        with open(self.path, "a") as file:
            file.write(json.dumps(line) + "\n")
        if self.board is not None:
            self._draw(line)

    def _draw(self, line: Mapping[str, Any]) -> None:
        for name, value in line.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if number and name != "images":
                self.board.add_scalar(f"{line['kind']}/{name}", value, line["images"])

    def picture(self, samples: np.ndarray, columns: int, images: int) -> Path:
        """A grid of samples (N, H, W) in [0, 1] as PNG, named by the images seen."""
        page = grid(samples, columns)
        path = self.folder / "grids" / f"grid-{images:010d}.png"
        write_png(path, page)
        if self.board is not None:
            self.board.add_image("samples", quantise(page)[None], images)
        return path

    def flush(self) -> None:
        """Put the curves on the disk: all but what was drawn this moment, which waits its turn."""
        if self.board is not None:
            self.board.flush()

    def close(self) -> None:
        """Close the curves."""
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
