"""Our own checkpoint format.

A generator is one ``.safetensors`` file: tensors, and in the header, as JSON, the network's
settings and its model card. Nothing in it can run.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from synthesis.pggan.config import ConfigError, NetworkConfig
from synthesis.pggan.networks import Generator
from synthesis.pggan.weights import CheckpointError, LoadReport, build, ready

FORMAT = "synthesis.pggan.generator"
VERSION = 1


def looks_like_own(path: Path) -> bool:
    """A safetensors file opens with its header's length in eight bytes, and a brace."""
    with open(path, "rb") as file:
        return file.read(9)[8:9] == b"{"


def write_atomically(path: Path, data: bytes) -> None:
    """Write and flush beside ``path``, then rename: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def digest(path: str | Path) -> str:
    """SHA-256 of the file, as hexadecimal: the generator's identity in a scan's provenance."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_generator(
    generator: Generator,
    path: str | Path,
    card: Mapping[str, Any] | None = None,
    *,
    half: bool = False,
) -> Path:
    """Write a generator with its settings and model card, atomically.

    Args:
        card: the model card (``synthesis.pggan.card``); the generator's own by default.
        half: store the weights as float16, for half the size; the images change by about 1e-3
            of their range.

    Raises:
        CheckpointError: when a weight is not finite; the file is not touched.
    """
    path = Path(path)
    tensors = {}
    for name, parameter in generator.named_parameters():
        if not torch.isfinite(parameter).all():
            raise CheckpointError(f"{name} holds values that are not finite; nothing was saved")
        value = parameter.detach().to("cpu", torch.float16 if half else torch.float32)
        tensors[name] = value.contiguous()
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "config": json.dumps(generator.config.as_json()),
        "fade": repr(float(generator.fade)),
        "card": json.dumps(dict(generator.card if card is None else card)),
    }
    write_atomically(path, save(tensors, metadata))
    return path


def read_header(path: str | Path) -> dict[str, str]:
    """The metadata of a safetensors file; empty when it has none.

    Raises:
        CheckpointError: when the file is not in safetensors format.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a safetensors file ({error})") from error


def load_own(path: str | Path) -> tuple[Generator, LoadReport]:
    """Read a generator that ``save_generator`` wrote.

    Raises:
        CheckpointError: when the file is another's, newer than this version, or damaged.
    """
    metadata = read_header(path)
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: a safetensors file, but its header names the format "
            f"{metadata.get('format')!r} where {FORMAT!r} is expected"
        )
    report = LoadReport(format=FORMAT)
    try:
        if int(metadata["version"]) > VERSION:
            raise CheckpointError(
                f"{path}: format version {metadata['version']}, this program reads up to {VERSION}"
            )
        config = NetworkConfig.from_json(dict(json.loads(metadata["config"])))
        card = dict(json.loads(metadata.get("card", "{}")))
        fade = float(metadata.get("fade", "1.0"))
        if not 0.0 <= fade <= 1.0:
            raise ConfigError(f"fade {fade}: 0 to 1 expected")
    except CheckpointError:
        raise
    except (KeyError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise CheckpointError(f"{path}: its header cannot be read: {error!r}") from error
    with safe_open(str(path), framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    generator = build(Generator, config, tensors, report)
    generator.card, generator.fade = card, fade
    return ready(generator), report
