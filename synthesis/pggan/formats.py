"""Checkpoints of other implementations, recognised by their keys.

Each reader turns its file into the same thing: the network's settings, and tensors under our names.
What the files differ in (pixel range, bias scaling, layer order, kernels' orientation) is a setting
or is converted here; nothing is left for the caller to remember.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from synthesis.pggan import (
    conditions,
    formats_cxr,
    formats_karras,
    formats_zoo,
    own_format,
    unpickling,
)
from synthesis.pggan.card import model_card
from synthesis.pggan.foreign import Foreign
from synthesis.pggan.networks import Discriminator, Generator, parameter_count
from synthesis.pggan.weights import CheckpointError, LoadReport, build, ready


@dataclass(frozen=True)
class Loaded:
    """Networks from a file, and what fitted."""

    generator: Generator
    discriminator: Discriminator | None
    report: LoadReport


def recognise(path: str | Path) -> str:
    """The format of a file: ``synthesis.pggan.generator``, ``pytorch_gan_zoo``, ``cxr_pggan``,
    ``karras_tensorflow`` or ``karras_theano``.

    Raises:
        CheckpointError: saying what was found, when it is none of them.
    """
    path = Path(path)
    own = own_format.looks_like_own(path)
    return own_format.FORMAT if own else read_foreign(path).format


def read_foreign(path: Path) -> Foreign:
    """Read a file of another implementation.

    Raises:
        CheckpointError: when its layout is not known, saying which keys it has.
    """
    if unpickling.looks_like_torch(path):
        value = unpickling.read_torch(path)
        for reader in (formats_zoo, formats_cxr):
            if reader.fits(value):
                return _read(reader.read, value, path, reader.FORMAT)
        raise CheckpointError(f"{path}: a torch checkpoint of unknown layout; {_found(value)}")
    with open(path, "rb") as file:
        first = file.read(1)
    if first not in (b"\x80", b"("):  # protocol 2 and later; protocol 0 and 1 of a tuple
        raise CheckpointError(
            f"{path}: not a checkpoint; safetensors, torch (.pt, .pth) or Karras's pickle (.pkl) "
            "expected"
        )
    value = unpickling.read_pickle(path)
    if formats_karras.fits(value):
        return _read(formats_karras.read, value, path, "Karras's pickle")
    raise CheckpointError(f"{path}: a pickle of unknown layout; {_found(value)}")


def _read(reader: Callable[[Any], Foreign], value: Any, path: Path, name: str) -> Foreign:
    """A reader's answer. Whatever else goes wrong in it, the file is to blame and is named."""
    try:
        return reader(value)
    except CheckpointError:
        raise
    except Exception as error:  # values of any type may stand where numbers are expected
        raise CheckpointError(
            f"{path}: looks like {name}, but is not laid out as one ({type(error).__name__}: "
            f"{error})"
        ) from error


def _found(value: Any) -> str:
    """What a file of unknown layout holds, for a person to tell us."""
    if isinstance(value, Mapping):
        inner = value.get("state_dict", value)
        held = inner if isinstance(inner, Mapping) else value
        shown = []
        for key, item in list(held.items())[:12]:
            shape = f" {tuple(item.shape)}" if isinstance(item, Tensor) else ""
            shown.append(f"{str(key)[:80]}{shape}")
        words = f"found {len(held)} keys: {', '.join(shown)}{' ...' if len(held) > 12 else ''}"
        if any("fromRGB" in str(key) for key in held):
            words += "; it holds a discriminator, and a generator is needed"
        return words
    return f"found {type(value).__name__}"


def _critic(foreign: Foreign, report: LoadReport) -> Discriminator | None:
    """The file's discriminator; one that does not fit is told of and left out."""
    if foreign.discriminator is None:
        return None
    try:
        network = build(
            Discriminator, foreign.config, foreign.discriminator, LoadReport(format="discriminator")
        )
    except CheckpointError as error:
        report.notes.append(f"the discriminator was left out ({str(error).splitlines()[-1]})")
        report.ignored.append("the discriminator")
        return None
    return network.eval().requires_grad_(False)


def load_networks(path: str | Path) -> Loaded:
    """Generator (EMA weights where the file has them) and, where there is one, discriminator.

    Raises:
        CheckpointError: with the full report, when anything does not fit.
    """
    path = Path(path)
    if own_format.looks_like_own(path):
        generator, report = own_format.load_own(path)
        return Loaded(generator, None, report)
    foreign = read_foreign(path)
    report = LoadReport(format=foreign.format, ignored=foreign.ignored, notes=foreign.notes)
    report.unexpected.extend(foreign.unexpected)
    generator = build(Generator, foreign.config, foreign.generator, report)
    discriminator = _critic(foreign, report)
    if report.unexpected:
        raise CheckpointError(
            f"{path}: weights are left over, so the network is not what it seems\n"
            f"{report.describe()}"
        )
    generator.fade = foreign.fade
    generator.card = model_card(
        name=path.stem,
        images_seen=foreign.images_seen,
        resolution=foreign.config.resolution,
        source_format=foreign.format,
        notes="; ".join(foreign.notes),
    )
    generator.card["parameters"] = parameter_count(generator)
    if foreign.config.label_sizes:
        generator.card["labels"] = conditions.groups(foreign.config, {"labels": foreign.labels})
    return Loaded(ready(generator), discriminator, report)
