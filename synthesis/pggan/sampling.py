"""Reproducible images from a generator, streamed in flat memory.

Image ``index`` of seed ``seed`` is the same image whatever the batch size, the number of images
asked for, or the order they are asked in: its latent is drawn from a counter-based generator keyed
by (seed, index), and on the CPU every image is computed by the same arithmetic. On a GPU float32
means float32: see ``exact``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synthesis.pggan import conditions
from synthesis.pggan.conditions import Labels, latent
from synthesis.pggan.layers import pixel_norm, upscale, upscale_kernel
from synthesis.pggan.networks import Generator, GeneratorBlock

CENTRE_SEED = 0x9E3779B9  # of the latents that the centre of truncation is estimated from
CENTRE_LATENTS = 1024


def latents(seed: int, indices: Iterable[int], size: int) -> Tensor:
    """Stacked latents, (N, size)."""
    return torch.from_numpy(np.stack([latent(seed, i, size) for i in indices]))


_exact_lock = threading.Lock()
_exact_depth = 0
_tf32_before = (False, False)


@contextmanager
def exact() -> Iterator[None]:
    """Keep float32 products and convolutions of a GPU in float32.

    PyTorch lets cuDNN round a convolution's inputs to TF32's 10 bits, which moves a pixel by about
    a thousandth: a seed would show another image than on a CPU. The settings are the process's,
    not a thread's, so the first to enter notes them and the last to leave puts them back.
    """
    global _exact_depth, _tf32_before
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    with _exact_lock:
        if _exact_depth == 0:
            _tf32_before = cudnn.allow_tf32, matmul.allow_tf32
            cudnn.allow_tf32 = matmul.allow_tf32 = False
        _exact_depth += 1
    try:
        yield
    finally:
        with _exact_lock:
            _exact_depth -= 1
            if _exact_depth == 0:
                cudnn.allow_tf32, matmul.allow_tf32 = _tf32_before


class Sampler(nn.Module):
    """A generator made ready to sample: constants folded into the weights, nothing trainable.

    The convolution after each upscaling is one transposed convolution with a precomputed kernel,
    activations are changed in place, and only the last size's colour layer is kept.
    """

    def __init__(self, generator: Generator, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        config = generator.config
        self.config, self.fade = config, float(generator.fade)
        self.dtype = dtype
        self._centres: dict[tuple[int, ...], Tensor] = {}

        def keep(name: str, weight: Tensor, bias: Tensor) -> None:
            memory = torch.channels_last if weight.dim() == 4 else torch.contiguous_format
            weight = weight.detach().to(dtype).contiguous(memory_format=memory)
            self.register_buffer(f"{name}_w", weight)
            self.register_buffer(f"{name}_b", bias.detach().to(dtype))

        keep("dense", *generator.dense.effective())
        keep("first", *generator.first.effective())
        for i, block in enumerate(generator.blocks):
            assert isinstance(block, GeneratorBlock)
            weight, bias = block.conv0.effective()
            keep(f"up{i}", upscale_kernel(weight), bias)
            keep(f"conv{i}", *block.conv1.effective())
        keep("rgb", *generator.colour(-1).effective())
        if self.fade < 1 and config.levels > 1:
            keep("old_rgb", *generator.colour(-2).effective())
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._of("dense")[0].device

    def _of(self, name: str) -> tuple[Tensor, Tensor]:
        return getattr(self, f"{name}_w"), getattr(self, f"{name}_b")

    def _activate(self, x: Tensor) -> Tensor:
        x = F.leaky_relu_(x, self.config.leak)
        return self._norm(x) if self.config.pixel_norm else x

    def _norm(self, x: Tensor) -> Tensor:
        mean = x.float().square().mean(dim=1, keepdim=True)
        return x.mul_(torch.rsqrt(mean + self.config.norm_epsilon).to(x.dtype))

    @exact()
    @torch.inference_mode()
    def features(self, latents: Tensor) -> Tensor:
        """latents (N, latent_size) -> the features at 4 x 4, (N, channels[0], 4, 4)"""
        config = self.config
        epsilon = config.norm_epsilon
        x = pixel_norm(latents.float(), epsilon) if config.normalise_latents else latents
        weight, bias = self._of("dense")
        x = x.to(weight)
        x = F.leaky_relu_(F.linear(x, weight, bias), config.leak).view(-1, config.channels[0], 4, 4)
        x = x.contiguous(memory_format=torch.channels_last)
        x = self._norm(x) if config.pixel_norm and config.norm_after_dense else x
        return self._activate(F.conv2d(x, *self._of("first"), padding=1))

    def centre(self, labels: tuple[int, ...] = ()) -> Tensor:
        """Mean features at 4 x 4 over the prior, (1, channels[0], 4, 4): where truncation leads.
        A conditional network has one for each combination of labels."""
        if labels not in self._centres:
            parts = [
                self.features(
                    torch.from_numpy(
                        conditions.inputs(
                            self.config, CENTRE_SEED, range(i, i + 64), labels or None
                        )
                    )
                )
                .double()
                .sum(dim=0, keepdim=True)
                for i in range(0, CENTRE_LATENTS, 64)
            ]
            mean = torch.stack(parts).sum(dim=0) / CENTRE_LATENTS
            self._centres[labels] = mean.to(self.dtype)
        return self._centres[labels]

    def _centres_of(self, latents: Tensor) -> Tensor:
        """The centre of each latent's labels, to be broadcast against the features."""
        sizes = self.config.label_sizes
        if not sizes:
            return self.centre()
        groups = latents[:, self.config.noise_size :].cpu().split(list(sizes), dim=1)
        rows = torch.stack([group.argmax(dim=1) for group in groups], dim=1).tolist()
        return torch.cat([self.centre(tuple(row)) for row in rows])

    @exact()
    @torch.inference_mode()
    def forward(self, latents: Tensor, truncation: float | None = None) -> Tensor:
        """latents (N, latent_size) -> raw images (N, image_channels, size, size)"""
        config = self.config
        x = self.features(latents)
        if truncation is not None and truncation != 1.0:
            # A normalised latent has no length to cut, so the features it leads to are drawn
            # towards their mean, as StyleGAN does in w (Karras 2019, section 2.2).
            x = torch.lerp(self._centres_of(latents).expand_as(x), x, truncation)
            x = self._norm(x) if config.pixel_norm else x
        previous = x
        for i in range(config.levels - 1):
            previous = x
            x = F.conv_transpose2d(x, *self._of(f"up{i}"), stride=2, padding=1)
            x = self._activate(x)
            x = self._activate(F.conv2d(x, *self._of(f"conv{i}"), padding=1))
        images = F.conv2d(x, *self._of("rgb"))
        if self.fade < 1 and config.levels > 1:
            images = torch.lerp(
                upscale(F.conv2d(previous, *self._of("old_rgb"))), images, self.fade
            )
        return torch.tanh_(images) if config.output_activation == "tanh" else images


def to_unit(images: Tensor, pixel_range: tuple[float, float]) -> Tensor:
    """Raw images to [0, 1], clipped. (N, C, H, W) float32"""
    low, high = pixel_range
    return images.float().sub(low).div(high - low).clamp_(0.0, 1.0)


def to_grey(images: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H, W): a radiograph has one channel; three are averaged."""
    return images.mean(dim=1)


def check_truncation(truncation: float | None) -> None:
    """Raise ValueError unless truncation is None or from 0 to 1."""
    if truncation is not None and not 0.0 <= truncation <= 1.0:
        raise ValueError(
            f"truncation {truncation}: None or 0 to 1 expected; 1 leaves the latents as drawn, 0 "
            "gives every image the same"
        )


def sample(
    generator: Generator | Sampler,
    n: int,
    *,
    seed: int,
    truncation: float | None = None,
    batch_size: int = 8,
    start: int = 0,
    labels: Labels | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Images ``start`` to ``start + n - 1`` of ``seed``, one at a time.

    Args:
        truncation: None or 1.0 for the latents as drawn; below 1 less varied, nearer the mean.
        labels: of a conditional generator (see ``conditions``); drawn for each image by default.
        batch_size: images computed at once; memory grows with it, the images do not change.

    Yields:
        (latent index, image (H, W) float32 in [0, 1]); ``latent(seed, index, size)`` gives the
        latent.
    """
    if n < 0 or batch_size < 1:
        raise ValueError(f"n {n}, batch_size {batch_size}: at least 0 and 1 expected")
    check_truncation(truncation)
    sampler = generator if isinstance(generator, Sampler) else Sampler(generator)
    conditions.check(sampler.config, labels)
    device = sampler.device
    for first in range(start, start + n, batch_size):
        indices = range(first, min(first + batch_size, start + n))
        z = torch.from_numpy(conditions.inputs(sampler.config, seed, indices, labels)).to(device)
        # On the CPU one by one: a batch of another size takes other kernels, which differ in the
        # last bit, and a batch is no faster there.
        size = 1 if device.type == "cpu" else batch_size
        for row, part in zip(range(0, len(indices), size), z.split(size), strict=True):
            images = to_grey(to_unit(sampler(part, truncation), sampler.config.pixel_range))
            yield from zip(indices[row : row + size], images.cpu().numpy(), strict=True)
