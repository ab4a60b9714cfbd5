"""One door for checkpoint files: our own format written and read, every other one read.

Formats are recognised by what a file holds, never by its name (``synthesis.pggan.formats``).
"""

from __future__ import annotations

from pathlib import Path

from synthesis.pggan import formats
from synthesis.pggan.networks import Generator
from synthesis.pggan.own_format import FORMAT, digest, read_header, save_generator
from synthesis.pggan.weights import CheckpointError, LoadReport

__all__ = [
    "FORMAT",
    "CheckpointError",
    "LoadReport",
    "digest",
    "load_generator",
    "load_with_report",
    "read_header",
    "save_generator",
]


def load_generator(path: str | Path) -> Generator:
    """A generator from any format that is known: EMA weights, evaluation mode.

    Raises:
        CheckpointError: with the full report, when the file is unknown or does not fit.
    """
    return load_with_report(path)[0]


def load_with_report(path: str | Path) -> tuple[Generator, LoadReport]:
    """As ``load_generator``, with what fitted and what did not."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    loaded = formats.load_networks(path)
    return loaded.generator, loaded.report
