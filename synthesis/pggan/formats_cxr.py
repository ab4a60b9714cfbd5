"""CXR_PGGAN, the paper's own code (Segal et al. 2020): ``.pth`` with ``state_dict``, ``settings``.

Pixels in [0, 1]; He constant on the bias too; no pixel norm after the dense layer; FromRGB without
activation; narrow-first discriminator blocks; a 4 x 4 valid convolution where the reference has a
dense layer (the same arithmetic in another shape).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from synthesis.pggan.config import cxr_pggan
from synthesis.pggan.foreign import (
    NOT_EQUALISED,
    Critic,
    Foreign,
    Keys,
    critic_or_none,
    undo_equalisation,
)
from synthesis.pggan.weights import CheckpointError

FORMAT = "cxr_pggan"
_BUFFERS = {"current_size", "current_depth", "alpha"}
_COUNTERS = {
    "img_size", "scale", "alpha", "alpha_jumps", "total_iter", "current_iter", "num_images_seen",
    "iter_images_seen", "g_current_iter", "d_current_iter", "fixed_z", "epoch_counter",
    "batch_count",
}  # fmt: skip


def _state(value: Any) -> dict[str, Tensor]:
    state = value.get("state_dict", value) if isinstance(value, Mapping) else {}
    if not isinstance(state, Mapping):
        return {}
    tensors = {str(k): v for k, v in state.items() if isinstance(v, Tensor)}
    if tensors and all(k.startswith("module.") for k in tensors):  # of a DataParallel wrapper
        tensors = {k.removeprefix("module."): v for k, v in tensors.items()}
    return tensors


def fits(value: Any) -> bool:
    """Whether a file's value has this layout."""
    return any(k.endswith("latent_linear.0.module.weight") for k in _state(value))


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def read(value: Any) -> Foreign:
    """Settings and tensors under our names.

    Raises:
        CheckpointError: when a layer is missing.
    """
    state = _state(value)
    settings = value.get("settings") or {} if isinstance(value, Mapping) else {}
    notes = []
    for prefix in ("gen_shadow.", "generator.", ""):
        found = _part(state, prefix)
        if "latent_linear.0.module.weight" in found:
            break
    if prefix == "gen_shadow.":
        notes.append("the averaged generator (gen_shadow) was taken")
    else:
        notes.append("the file has no averaged generator (gen_shadow); the trained one was taken")
    keys = Keys(found, FORMAT)
    buffers = {name: keys.left.pop(name) for name in _BUFFERS if name in keys}

    generator: dict[str, Tensor] = {}
    keys.layer(generator, "dense", "latent_linear.0.module")
    # Without equalised learning rate all but the dense layers are plain, and lack the "module".
    equalised = "init_conv.0.module.weight" in keys
    inner = ".module" if equalised else ""
    keys.layer(generator, "first", f"init_conv.0{inner}")
    channels = [generator["first.weight"].shape[0]]
    # With pixel norm a block is convolution, activation, norm, twice; without, the second
    # convolution is the third layer.
    normed = bool(settings.get("norm_layers", True))  # all there is to go by at 4 x 4
    if f"ScaleBlocks.0.convolv.0{inner}.weight" in keys:
        normed = f"ScaleBlocks.0.convolv.2{inner}.weight" not in keys
    second = 3 if normed else 2
    while f"ScaleBlocks.{len(channels) - 1}.convolv.0{inner}.weight" in keys:
        i = len(channels) - 1
        keys.layer(generator, f"blocks.{i}.conv0", f"ScaleBlocks.{i}.convolv.0{inner}")
        keys.layer(generator, f"blocks.{i}.conv1", f"ScaleBlocks.{i}.convolv.{second}{inner}")
        channels.append(generator[f"blocks.{i}.conv0.weight"].shape[0])
    for i in range(len(channels)):
        keys.layer(generator, f"to_rgb.{i}", f"toRGB.{i}{inner}")

    extra: list[str] = []
    ignored: list[str] = []
    if prefix:
        known = ("gen_shadow.", "generator.", "discriminator.")
        rest = [k for k in state if not k.startswith(known)]
        extra = [k for k in rest if k not in _COUNTERS]
        ignored = [k for k in rest if k in _COUNTERS]
        if prefix == "gen_shadow.":
            ignored += [k for k in state if k.startswith("generator.")]

    config = cxr_pggan(
        4 * 2 ** (len(channels) - 1),
        image_channels=generator["to_rgb.0.weight"].shape[0],
        latent_size=generator["dense.weight"].shape[1],
        channels=tuple(channels),
        pixel_norm=normed,
        normalise_latents=normed,
        leak=float(settings.get("leakiness", 0.2)),
        bias_scaled=equalised,
    )
    alpha = buffers.get("alpha", settings.get("g_alpha", settings.get("alpha", 0.0)))
    if not 0.0 <= float(alpha) <= 1.0:
        raise CheckpointError(f"{FORMAT}: alpha {float(alpha)}; 0 to 1 expected")
    fade = 1.0 - float(alpha) if len(channels) > 1 else 1.0
    if fade < 1.0:
        notes.append(f"saved while the last size was fading in (weight {fade:.3f})")
    discriminator = None
    if judged := _part(state, "discriminator."):
        discriminator = critic_or_none(
            lambda: _discriminator(judged, len(channels), inner), notes, ignored
        )
    if not equalised:
        for tensors in (generator, discriminator or {}):
            undo_equalisation(tensors)
        notes.append(NOT_EQUALISED)
    return Foreign(
        format=FORMAT,
        config=config,
        generator=generator,
        discriminator=discriminator,
        fade=fade,
        images_seen=int(state.get("num_images_seen", settings.get("num_images_seen", 0))),
        unexpected=[f"{prefix}{name}" for name in keys.left] + extra,
        ignored=ignored,
        notes=notes,
    )


def _discriminator(state: dict[str, Tensor], levels: int, inner: str) -> Critic:
    keys = Keys(state, f"{FORMAT} discriminator")
    for name in _BUFFERS:
        keys.left.pop(name, None)
    tensors: dict[str, Tensor] = {}
    for i in range(levels):
        keys.layer(tensors, f"from_rgb.{i}", f"fromRGB.{i}{inner}")
    for i in range(levels - 1):
        theirs = levels - 2 - i  # theirs count down from the highest size
        keys.layer(tensors, f"blocks.{i}.conv0", f"ScaleBlocks.{theirs}.convolv.0{inner}")
        keys.layer(tensors, f"blocks.{i}.conv1", f"ScaleBlocks.{theirs}.convolv.2{inner}")
    keys.layer(tensors, "conv", f"DecisionBlock.0{inner}")
    keys.layer(tensors, "dense", f"DecisionBlock.2{inner}")
    tensors["dense.weight"] = tensors["dense.weight"].flatten(1)  # (out, in, 4, 4) -> (out, in*16)
    keys.layer(tensors, "score", "DecisionLinear.module")
    if tensors["score.weight"].shape[0] != 1:
        raise CheckpointError(f"it gives {tensors['score.weight'].shape[0]} numbers an image")
    return tensors, sorted(keys.left)
