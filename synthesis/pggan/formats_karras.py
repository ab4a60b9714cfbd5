"""Karras et al.'s own pickles: ``(G, D, Gs)`` of TensorFlow or, older, Theano networks.

The pickle carries its network's source text; it is never run. TensorFlow keeps kernels as
(height, width, in, out); its fused ``Conv0_up`` as (height, width, OUT, IN), spatially flipped.
Theano flips every kernel and keeps the He constant it measured beside each weight.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synthesis.pggan.config import karras
from synthesis.pggan.foreign import Critic, Foreign, critic_or_none
from synthesis.pggan.unpickling import NetworkStub
from synthesis.pggan.weights import CheckpointError

TENSORFLOW, THEANO = "karras_tensorflow", "karras_theano"
SQRT2 = math.sqrt(2.0)


def _networks(value: Any) -> list[NetworkStub]:
    items = value if isinstance(value, list | tuple) else [value]
    return [item for item in items if isinstance(item, NetworkStub)]


def fits(value: Any) -> bool:
    """Whether a pickle's value has this layout."""
    return bool(_networks(value))


def _function(network: NetworkStub) -> str:
    state = network.state
    name = state.get("build_func_name") or state.get("build_func_spec", {}).get("func", "")
    return str(name).rsplit(".", 1)[-1]


def read(value: Any) -> Foreign:
    """Settings and tensors under our names, from Gs where the file has it.

    Raises:
        CheckpointError: when no generator is found or a variable is missing or left over.
    """
    networks = _networks(value)
    generators = [n for n in networks if _function(n).startswith("G")]
    critics = [n for n in networks if _function(n).startswith("D")]
    if not generators:
        names = ", ".join(_function(n) or "?" for n in networks)
        raise CheckpointError(f"Karras pickle: no generator among its networks ({names})")
    theano = "variables" not in generators[-1].state
    chosen = _Variables(generators[-1])  # (G, D, Gs): the last generator is the average
    judge = _Variables(critics[0]) if critics else None
    top = max((int(k.split("x")[0]) for k in chosen.left if k[:1].isdigit()), default=0)
    if top < 4:
        raise CheckpointError("Karras pickle: the generator has no layer from 4x4 on")
    levels = top.bit_length() - 2
    notes = [
        "the averaged generator (Gs) was taken"
        if len(generators) > 1
        else "the file has one generator; it was taken"
    ]
    labels = int(chosen.options.get("label_size") or 0)
    if labels:
        notes.append(f"conditioned on {labels} labels; one is drawn for each image, or asked for")
    _refuse_unknown(chosen)
    generator: dict[str, Tensor] = {}
    chosen.dense(generator, "dense", "4x4/Dense", gain=SQRT2 / 4)
    # Theirs is added after reshaping to 4 x 4, one number a channel; ours has one a feature.
    generator["dense.bias"] = generator["dense.bias"].repeat_interleave(16)
    chosen.conv(generator, "first", "4x4/Conv")
    for i in range(levels - 1):
        size = 8 * 2**i
        if f"{size}x{size}/Conv0_up/weight" in chosen.left:
            chosen.fused_up(generator, f"blocks.{i}.conv0", f"{size}x{size}/Conv0_up")
        else:
            chosen.conv(generator, f"blocks.{i}.conv0", f"{size}x{size}/Conv0")
        chosen.conv(generator, f"blocks.{i}.conv1", f"{size}x{size}/Conv1")
    for i in range(levels):
        chosen.conv(generator, f"to_rgb.{i}", f"ToRGB_lod{levels - 1 - i}", gain=1.0)
    lod = float(np.asarray(chosen.left.pop("lod", 0.0)))
    unexpected = list(chosen.left)

    ignored: list[str] = []
    leaky = bool(chosen.options.get("use_leakyrelu", True))
    discriminator: dict[str, Tensor] | None = None
    pooled_first = not theano
    if judge is not None:
        pooled_first = any("Conv1_down" in name for name in judge.left)
        discriminator = critic_or_none(lambda: _discriminator(judge, levels, leaky), notes, ignored)
    options = judge.options if judge else {}
    group = int(options.get("mbstd_group_size", 16 if theano else 4))
    channels = [generator["first.weight"].shape[0]]
    channels += [generator[f"blocks.{i}.conv0.weight"].shape[0] for i in range(levels - 1)]
    pixel_norm = bool(chosen.options.get("use_pixelnorm", True))
    config = karras(
        4 * 2 ** (levels - 1),
        image_channels=generator["to_rgb.0.weight"].shape[0],
        latent_size=generator["dense.weight"].shape[1],
        label_sizes=(labels,) if labels else (),
        channels=tuple(channels),
        head_width=discriminator["dense.weight"].shape[0] if discriminator else 0,
        pixel_norm=pixel_norm,
        norm_after_dense=pixel_norm,
        normalise_latents=bool(chosen.options.get("normalize_latents", True)),
        norm_epsilon=float(chosen.options.get("pixelnorm_epsilon") or 1e-8),
        leak=0.2 if leaky else 0.0,
        pool_before_activation=pooled_first,
        stddev_group=group if group > 1 else -1,  # theirs leaves the layer out below 2
    )
    if not 0.0 <= lod <= levels - 1:
        raise CheckpointError(f"Karras pickle: level of detail {lod}; 0 to {levels - 1} expected")
    level = levels - 1 - math.floor(lod)
    fade = 1.0 - (lod - math.floor(lod)) if level else 1.0
    if level < levels - 1 or fade < 1.0:
        config, generator, discriminator = _cut(config, generator, discriminator, level)
        notes.append(f"saved at level of detail {lod:.3f}: grown to {config.resolution} so far")
    return Foreign(
        format=THEANO if theano else TENSORFLOW,
        config=config,
        generator=generator,
        discriminator=discriminator,
        fade=fade,
        unexpected=unexpected,
        ignored=ignored,
        notes=notes,
    )


# Options that change the generator's arithmetic in a way no network here has: (name, usual value).
_USUAL = (
    ("use_batchnorm", False),
    ("tanh_at_end", None),
)


def _refuse_unknown(chosen: _Variables) -> None:
    for name, usual in _USUAL:
        value = chosen.options.get(name, usual)
        if value != usual and value not in (None, False):
            raise CheckpointError(
                f"Karras pickle: {chosen.name} was built with {name} = {value}, which is not read"
            )


def _cut(
    config: Any,
    generator: dict[str, Tensor],
    discriminator: dict[str, Tensor] | None,
    level: int,
) -> tuple[Any, dict[str, Tensor], dict[str, Tensor] | None]:
    """Only the sizes that training has reached."""

    def keep(name: str) -> bool:
        part, _, rest = name.partition(".")
        index = rest.partition(".")[0]
        if part == "blocks":
            return int(index) < level
        return part not in ("to_rgb", "from_rgb") or int(index) <= level

    kept = {k: v for k, v in generator.items() if keep(k)}
    judged = None if discriminator is None else {k: v for k, v in discriminator.items() if keep(k)}
    return config.at_level(level), kept, judged


def _discriminator(judge: _Variables, levels: int, leaky: bool) -> Critic:
    if not leaky:
        raise CheckpointError("its activations leak, its generator's do not")
    tensors: dict[str, Tensor] = {}
    for i in range(levels):
        judge.conv(tensors, f"from_rgb.{i}", f"FromRGB_lod{levels - 1 - i}")
    for i in range(levels - 1):
        size = 8 * 2**i
        judge.conv(tensors, f"blocks.{i}.conv0", f"{size}x{size}/Conv0")
        fused = f"{size}x{size}/Conv1_down"
        if f"{fused}/weight" in judge.left:
            judge.conv(tensors, f"blocks.{i}.conv1", fused)
        else:
            judge.conv(tensors, f"blocks.{i}.conv1", f"{size}x{size}/Conv1")
    judge.conv(tensors, "conv", "4x4/Conv")
    judge.dense(tensors, "dense", "4x4/Dense0", gain=SQRT2)
    judge.dense(tensors, "score", "4x4/Dense1", gain=1.0)
    if len(tensors["score.weight"]) != 1:
        raise CheckpointError("it also classifies")
    judge.left.pop("lod", None)
    return tensors, list(judge.left)


class _Variables:
    """A network's variables under TensorFlow's names, taken one by one."""

    def __init__(self, network: NetworkStub) -> None:
        state = network.state
        self.name = _function(network)
        if "variables" in state:
            self.options: Mapping[str, Any] = state.get("static_kwargs", {})
            self.left = {str(k).split(":")[0]: np.asarray(v) for k, v in state["variables"]}
        else:
            self.options = {k: v for k, v in state["build_func_spec"].items() if k != "func"}
            self.left = dict(_theano(state, self.name))
        self.scaled = bool(self.options.get("use_wscale", True))

    def _take(self, name: str) -> np.ndarray:
        if name not in self.left:
            raise CheckpointError(f"Karras pickle: {self.name} has no {name}")
        return np.asarray(self.left.pop(name), dtype=np.float32)

    def _layer(
        self, into: dict[str, Tensor], ours: str, theirs: str, weight: np.ndarray, gain: float
    ) -> None:
        if not self.scaled:  # theirs are used as they are; ours are multiplied by the He constant
            weight = weight / (gain / math.sqrt(math.prod(weight.shape[1:])))
        into[f"{ours}.weight"] = torch.from_numpy(np.array(weight, dtype=np.float32))
        into[f"{ours}.bias"] = torch.from_numpy(np.array(self._take(f"{theirs}/bias")))

    def conv(self, into: dict[str, Tensor], ours: str, theirs: str, *, gain: float = SQRT2) -> None:
        """(height, width, in, out) -> (out, in, height, width)"""
        weight = self._take(f"{theirs}/weight").transpose(3, 2, 0, 1)
        self._layer(into, ours, theirs, weight, gain)

    def fused_up(self, into: dict[str, Tensor], ours: str, theirs: str) -> None:
        """(height, width, out, in), flipped -> (out, in, height, width)"""
        weight = self._take(f"{theirs}/weight").transpose(2, 3, 0, 1)[:, :, ::-1, ::-1]
        self._layer(into, ours, theirs, weight, SQRT2)

    def dense(self, into: dict[str, Tensor], ours: str, theirs: str, *, gain: float) -> None:
        """(in, out) -> (out, in)"""
        self._layer(into, ours, theirs, self._take(f"{theirs}/weight").T, gain)


def _theano(state: Mapping[str, Any], function: str) -> Iterator[tuple[str, np.ndarray]]:
    """A Theano network's parameter list, under TensorFlow's names and scaling.

    The list goes weight, measured He constant (where equalised), bias, layer by layer.
    """
    spec = state["build_func_spec"]
    values = iter([np.asarray(v, dtype=np.float32) for v in state["param_values"]])
    scaled = bool(spec.get("use_wscale", True))

    def layer(name: str, kind: str, gain: float) -> Iterator[tuple[str, np.ndarray]]:
        weight = next(values)
        if kind == "conv":  # (out, in, h, w), flipped by Theano's convolution
            weight = weight.transpose(2, 3, 1, 0)[::-1, ::-1]
        elif kind == "colour":  # (in, out)
            weight = weight[None, None]
        elif kind == "first":  # (out, in, 4, 4): a full convolution of one pixel
            weight = weight.transpose(1, 0, 2, 3).reshape(weight.shape[1], -1)
        elif kind == "last":  # (out, in, 4, 4): a valid convolution, flipped
            weight = weight[:, :, ::-1, ::-1].reshape(weight.shape[0], -1).T
        if scaled:
            he = gain / math.sqrt(math.prod(weight.shape[:-1]))
            weight = weight * float(next(values)) / he
        yield f"{name}/weight", weight
        yield f"{name}/bias", next(values)

    try:
        if function.startswith("G"):
            yield from layer("4x4/Dense", "first", SQRT2 / 4)
            yield from layer("4x4/Conv", "conv", SQRT2)
            top = int(spec.get("resolution", 32))
            size = 8
            while size <= top:
                yield from layer(f"{size}x{size}/Conv0", "conv", SQRT2)
                yield from layer(f"{size}x{size}/Conv1", "conv", SQRT2)
                size *= 2
            for lod in range(top.bit_length() - 2):
                yield from layer(f"ToRGB_lod{lod}", "colour", 1.0)
        else:
            size = top = int(spec.get("resolution", 32))
            yield from layer("FromRGB_lod0", "colour", SQRT2)
            while size > 4:
                yield from layer(f"{size}x{size}/Conv0", "conv", SQRT2)
                yield from layer(f"{size}x{size}/Conv1", "conv", SQRT2)
                size //= 2
                lod = top.bit_length() - size.bit_length()
                yield from layer(f"FromRGB_lod{lod}", "colour", SQRT2)
            yield from layer("4x4/Conv", "conv", SQRT2)
            yield from layer("4x4/Dense0", "last", SQRT2)
            yield from layer("4x4/Dense1", "dense", 1.0)
    except StopIteration as error:
        raise CheckpointError(f"Karras pickle: {function} has too few parameters") from error
    left = sum(1 for _ in values)
    if left:
        raise CheckpointError(f"Karras pickle: {function} has {left} parameters too many")
    yield "lod", np.asarray(state.get("toplevel_params", {}).get("cur_lod", 0.0))
