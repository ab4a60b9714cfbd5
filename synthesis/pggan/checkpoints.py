"""Our own checkpoint format, and one door for every other.

A generator is one ``.safetensors`` file: tensors, and in the header, as JSON, the network's
settings and its model card. Nothing in it can run. ``load_generator`` also reads the formats of
``synthesis.pggan.formats``, recognised by their keys.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from synthesis.pggan.config import ConfigError, NetworkConfig
from synthesis.pggan.networks import Generator

FORMAT = "synthesis.pggan.generator"
VERSION = 1


class CheckpointError(ValueError):
    """A file that cannot be loaded; the message says what was found and what was expected."""


@dataclass
class LoadReport:
    """What a loader found, tensor by tensor.

    ``missing``: needed by the network and not in the file. ``unexpected``: in the file and of no
    use to the network. ``mismatched``: there, but of another shape. ``ignored``: known and
    deliberately left (a discriminator's weights, counters).
    """

    format: str
    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Every tensor of the network was found in its shape, and none was left over."""
        return not (self.missing or self.unexpected or self.mismatched)

    def describe(self) -> str:
        """The report as lines for a person."""
        lines = [f"{self.format}: {len(self.matched)} tensors fit"]
        for title, names in (
            ("missing", self.missing),
            ("of another shape", self.mismatched),
            ("not used", self.unexpected),
        ):
            if names:
                shown = "; ".join(names[:12]) + (" ..." if len(names) > 12 else "")
                lines.append(f"{len(names)} {title}: {shown}")
        return "\n".join([*lines, *self.notes])


Network = TypeVar("Network", bound=nn.Module)


def build(
    kind: Callable[[NetworkConfig], Network],
    config: NetworkConfig,
    tensors: Mapping[str, Tensor],
    report: LoadReport,
) -> Network:
    """A network of ``tensors``, every name and shape of which is checked before memory is taken.

    Raises:
        CheckpointError: when a tensor is missing, of another shape or not finite.
    """
    try:
        with torch.device("meta"):  # shapes without numbers: a file may claim any size
            network = kind(config)
    except (RuntimeError, OverflowError) as error:
        raise CheckpointError(
            f"no network has {config.channels} channels and {config.latent_size} latents"
        ) from error
    wanted = dict(network.named_parameters())
    for name, parameter in wanted.items():
        if name not in tensors:
            report.missing.append(f"{name} {tuple(parameter.shape)}")
        elif tensors[name].shape != parameter.shape:
            report.mismatched.append(
                f"{name}: {tuple(parameter.shape)} expected, {tuple(tensors[name].shape)} found"
            )
        elif not torch.isfinite(tensors[name]).all():
            report.mismatched.append(f"{name}: holds values that are not finite")
        else:
            report.matched.append(name)
    report.unexpected.extend(sorted(set(tensors) - set(wanted)))
    if report.missing or report.mismatched:
        raise CheckpointError(f"the weights do not fit the network\n{report.describe()}")
    network = network.to_empty(device="cpu")
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(tensors[name])
    return network


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


def ready(generator: Generator) -> Generator:
    """Evaluation mode, no gradients wanted for the weights."""
    return generator.eval().requires_grad_(False)


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
    with open(path, "rb") as file:
        start = file.read(16)
    # A safetensors file opens with the header's length and a brace.
    if len(start) > 8 and start[8:9] == b"{":
        return load_own(path)
    from synthesis.pggan.formats import load_foreign  # which reads this module

    return load_foreign(path)
