"""facebookresearch/pytorch_GAN_zoo: a ``.pt`` with ``config``, ``netG``, ``avgG``, ``netD``.

Pixels in about [-1, 1]; He constant on the bias too, gain sqrt(2) in every layer. Older files name
a layer's weight ``X.weight`` where newer ones say ``X.module.weight``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from synthesis.pggan.config import pytorch_gan_zoo
from synthesis.pggan.foreign import (
    NOT_EQUALISED,
    Critic,
    Foreign,
    Keys,
    critic_or_none,
    undo_equalisation,
)
from synthesis.pggan.weights import CheckpointError

FORMAT = "pytorch_gan_zoo"


def _state(value: Any) -> dict[str, Tensor]:
    if not isinstance(value, Mapping):
        return {}
    tensors = {str(k): v for k, v in value.items() if isinstance(v, Tensor)}
    if tensors and all(k.startswith("module.") for k in tensors):  # of a DataParallel wrapper
        tensors = {k.removeprefix("module."): v for k, v in tensors.items()}
    return {k.replace(".module.", "."): v for k, v in tensors.items()}


def _generator_of(value: Any) -> tuple[str, dict[str, Tensor]]:
    if isinstance(value, Mapping):
        # Some files hold nothing but the generator's own weights.
        for name, found in (
            ("avgG", value.get("avgG")),
            ("netG", value.get("netG")),
            ("state_dict", value.get("state_dict")),
            ("the file", value),
        ):
            state = _state(found)
            if "formatLayer.weight" in state:
                return name, state
    return "", {}


def fits(value: Any) -> bool:
    """Whether a file's value has this layout."""
    return bool(_generator_of(value)[0])


def _settings(config: Any) -> dict[str, Any]:
    if isinstance(config, Mapping):
        return dict(config)
    return dict(vars(config)) if hasattr(config, "__dict__") else {}


def read(value: Any) -> Foreign:
    """Settings and tensors under our names.

    Raises:
        CheckpointError: when a layer is missing.
    """
    name, state = _generator_of(value)
    settings = _settings(value.get("config"))
    notes = [
        "the averaged generator (avgG) was taken"
        if name == "avgG"
        else "the file does not say whether its generator is the averaged one; it was taken"
        if name != "netG"
        else "the file has no averaged generator (avgG); the trained one was taken"
    ]
    keys = Keys(state, FORMAT)
    generator: dict[str, Tensor] = {}
    keys.layer(generator, "dense", "formatLayer")
    keys.layer(generator, "first", "groupScale0.0")
    channels = [generator["first.weight"].shape[0]]
    while f"scaleLayers.{len(channels) - 1}.0.weight" in keys:
        i = len(channels) - 1
        keys.layer(generator, f"blocks.{i}.conv0", f"scaleLayers.{i}.0")
        keys.layer(generator, f"blocks.{i}.conv1", f"scaleLayers.{i}.1")
        channels.append(generator[f"blocks.{i}.conv0.weight"].shape[0])
    for i in range(len(channels)):
        keys.layer(generator, f"to_rgb.{i}", f"toRGBLayers.{i}")
    unexpected = [f"{name}.{k}" for k in keys.left]

    ignored = [k for k in ("netG", "tmp") if k in value and k != name]
    discriminator = None
    if critic := _state(value.get("netD")):
        discriminator = critic_or_none(
            lambda: _discriminator(critic, len(channels)), notes, ignored
        )
    labels = _labels(settings.get("attribKeysOrder"))
    if labels:
        words = "; ".join(f"{one['name']}: {', '.join(one['values'])}" for one in labels)
        notes.append(f"conditional ({words}); labels are drawn for each image, or asked for")
    equalised = bool(settings.get("equalizedlR", True))
    norm = bool(settings.get("perChannelNormalization", True))
    stddev = bool(settings.get("miniBatchStdDev", True))
    if discriminator is not None:
        stddev = discriminator["conv.weight"].shape[1] == channels[0] + 1
    config = pytorch_gan_zoo(
        4 * 2 ** (len(channels) - 1),
        image_channels=generator["to_rgb.0.weight"].shape[0],
        latent_size=generator["dense.weight"].shape[1],
        label_sizes=tuple(len(one["values"]) for one in labels),
        channels=tuple(channels),
        leak=float(settings.get("leakyReluLeak", 0.2)),
        pixel_norm=norm,
        normalise_latents=norm,
        norm_after_dense=norm,
        bias_scaled=equalised,
        stddev_group=4 if stddev else -1,
        # Two of its losses put a tanh at the generator's end; WGAN-GP and Logistic do not.
        output_activation="tanh" if settings.get("lossCriterion") in ("MSE", "DCGAN") else "none",
    )
    if not equalised:
        for tensors in (generator, discriminator or {}):
            undo_equalisation(tensors)
        notes.append(NOT_EQUALISED)
    alpha = float(settings.get("alpha") or 0.0)
    fade = 1.0 - alpha if len(channels) > 1 else 1.0
    if not 0.0 <= fade <= 1.0:
        raise CheckpointError(f"{FORMAT}: alpha {alpha}; 0 to 1 expected")
    if fade < 1.0:
        notes.append(f"saved while the last size was fading in (weight {fade:.3f})")
    return Foreign(
        format=FORMAT,
        config=config,
        generator=generator,
        discriminator=discriminator,
        fade=fade,
        unexpected=unexpected,
        ignored=ignored,
        notes=notes,
        labels=labels,
    )


def _labels(order: Any) -> list[dict[str, Any]]:
    """AC-GAN's attributes, {name: {"order": place, "values": [...]}}, as the latent has them."""
    if not isinstance(order, Mapping):
        return []
    return [
        {"name": str(name), "values": [str(value) for value in about["values"]]}
        for name, about in sorted(order.items(), key=lambda item: int(item[1]["order"]))
    ]


def _discriminator(state: dict[str, Tensor], levels: int) -> Critic:
    keys = Keys(state, f"{FORMAT} netD")
    tensors: dict[str, Tensor] = {}
    for i in range(levels):
        keys.layer(tensors, f"from_rgb.{i}", f"fromRGBLayers.{i}")
    for i in range(levels - 1):
        keys.layer(tensors, f"blocks.{i}.conv0", f"scaleLayers.{i}.0")
        keys.layer(tensors, f"blocks.{i}.conv1", f"scaleLayers.{i}.1")
    keys.layer(tensors, "conv", "groupScaleZero.0")
    keys.layer(tensors, "dense", "groupScaleZero.1")
    keys.layer(tensors, "score", "decisionLayer")
    if len(tensors["score.weight"]) != 1:
        raise CheckpointError("it also classifies")
    return tensors, sorted(keys.left)
