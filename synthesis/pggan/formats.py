"""Checkpoints of other implementations."""

from __future__ import annotations

from pathlib import Path

from synthesis.pggan.checkpoints import CheckpointError, LoadReport
from synthesis.pggan.networks import Generator


def load_foreign(path: Path) -> tuple[Generator, LoadReport]:
    """Read a checkpoint of another implementation.

    Raises:
        CheckpointError: when its layout is not known.
    """
    raise CheckpointError(f"{path}: no checkpoint format that this program knows")
