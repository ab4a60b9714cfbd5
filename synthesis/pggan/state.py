"""The whole state of a run in one file, so that a resumed run is the run it would have been.

A state is safetensors: the networks, the average and Adam's moments as tensors, the counters as
JSON in the header. States are written beside and renamed, and only when every number is finite,
so the newest state is always a good one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from synthesis.pggan.own_format import read_header, write_atomically
from synthesis.pggan.schedule import Phase
from synthesis.pggan.step import Trainer, active
from synthesis.pggan.weights import CheckpointError

FORMAT = "synthesis.pggan.state"
VERSION = 1
_NAME = re.compile(r"state-(\d{10})\.safetensors")


def state_path(folder: Path, images: int) -> Path:
    """Where the state after ``images`` images lies."""
    return folder / f"state-{images:010d}.safetensors"


def states(folder: Path) -> list[tuple[int, Path]]:
    """(images, file) of every state, oldest first."""
    found = [(_NAME.fullmatch(p.name), p) for p in folder.glob("state-*.safetensors")]
    return sorted((int(m.group(1)), p) for m, p in found if m)


def _networks(trainer: Trainer) -> dict[str, nn.Module]:
    return {
        "generator": trainer.generator,
        "discriminator": trainer.discriminator,
        "average": trainer.average,
    }


def _optimisers(trainer: Trainer) -> dict[str, tuple[torch.optim.Adam, nn.Module]]:
    return {
        "adam_generator": (trainer.adam_g, trainer.generator),
        "adam_discriminator": (trainer.adam_d, trainer.discriminator),
    }


def save_state(trainer: Trainer, folder: Path, images: int, about: Mapping[str, Any]) -> Path:
    """Write the state after ``images`` images.

    Raises:
        CheckpointError: when a number is not finite; the states before it stay as they are.
    """
    tensors: dict[str, Tensor] = {}
    for prefix, network in _networks(trainer).items():
        for name, parameter in network.named_parameters():
            if not torch.isfinite(parameter).all():
                raise CheckpointError(
                    f"{prefix}.{name} is not finite after {images} images; nothing was saved"
                )
            tensors[f"{prefix}.{name}"] = parameter.detach().cpu().contiguous()
    for prefix, (adam, network) in _optimisers(trainer).items():
        for name, parameter in active(network, trainer.level).items():
            for key, value in adam.state.get(parameter, {}).items():
                tensors[f"{prefix}.{name}|{key}"] = value.detach().cpu().contiguous()
    header = {
        "format": FORMAT,
        "version": str(VERSION),
        "images": str(images),
        "step": str(trainer.step),
        "stage": json.dumps(trainer.stage),
        "scaler": json.dumps(trainer.scaler.state_dict()),
        "about": json.dumps(dict(about)),
    }
    path = state_path(folder, images)
    write_atomically(path, save(tensors, header))
    return path


def load_state(trainer: Trainer, path: Path, phase_of: Any) -> tuple[int, dict[str, Any]]:
    """Put a trainer where ``save_state`` left it.

    Args:
        phase_of: images to ``Phase``, the schedule's ``at``.

    Returns:
        (images, about).

    Raises:
        CheckpointError: when the file is no state, or of another network.
    """
    header = read_header(path)
    if header.get("format") != FORMAT or int(header.get("version", 0)) > VERSION:
        raise CheckpointError(f"{path}: no training state that this version reads")
    images, stage = int(header["images"]), tuple(json.loads(header["stage"]))
    phase: Phase = phase_of(images)
    with safe_open(str(path), framework="pt") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for prefix, network in _networks(trainer).items():
        for name, parameter in network.named_parameters():
            value = stored.get(f"{prefix}.{name}")
            if value is None or value.shape != parameter.shape:
                raise CheckpointError(f"{path}: {prefix}.{name} is missing or of another shape")
            with torch.no_grad():
                parameter.copy_(value)
    trainer.step = int(header["step"])
    trainer.scaler.load_state_dict(json.loads(header["scaler"]))
    trainer.stage = (stage[0], stage[1])
    if trainer.stage == (
        phase.level,
        phase.fading,
    ):  # else the next step begins with fresh optimisers
        trainer.begin_stage(phase)
        for prefix, (adam, network) in _optimisers(trainer).items():
            for name, parameter in active(network, phase.level).items():
                keys = ("step", "exp_avg", "exp_avg_sq")
                moments = {key: stored.get(f"{prefix}.{name}|{key}") for key in keys}
                if all(value is not None for value in moments.values()):
                    device = parameter.device
                    adam.state[parameter] = {
                        # fused Adam counts on the device
                        key: value.to(device)  # type: ignore[union-attr]
                        for key, value in moments.items()
                    }
    return images, json.loads(header["about"])


def retain(folder: Path, *, keep: int, every_images: int = 0) -> list[Path]:
    """Delete all but the newest ``keep`` states, and the first of every ``every_images``.

    Returns what was deleted.
    """
    every = states(folder)
    kept: set[Path] = {path for _, path in every[-keep:]}
    if every_images > 0:
        seen: set[int] = set()
        for images, path in every:
            if images // every_images not in seen:
                seen.add(images // every_images)
                kept.add(path)
    gone = [path for _, path in every if path not in kept]
    for path in gone:
        path.unlink()
    for leftover in folder.glob(".state-*"):  # of a write that was killed
        leftover.unlink()
    return gone
