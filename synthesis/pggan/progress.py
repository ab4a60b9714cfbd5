"""Where a training stands, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """Where a run stands, as handed to ``on_progress``."""

    kind: Literal["step", "tick"]
    images: int
    total_images: int
    resolution: int
    fade: float
    minibatch: int
    losses: dict[str, float]
    images_per_second: float
    seconds_left: float  # at the present pace by size, an estimate
    elapsed: float  # seconds, earlier sittings counted
    grid: Path | None = None  # newest sample grid, at ticks
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def fraction(self) -> float:
        """Share of the images shown, 0 to 1."""
        return self.images / self.total_images


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended."""

    finished: bool  # False when it was asked to stop; it can be resumed
    images: int
    generator: Path
    metrics: dict[str, float]
