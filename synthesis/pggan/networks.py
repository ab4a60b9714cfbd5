"""Generator and discriminator of Karras et al. 2018, at every size from 4 x 4.

Both are built whole and told per call how far they have grown: ``level`` (0 is 4 x 4) and
``fade``, the weight of the newest size: 0 is the previous size alone, 1 the newest alone.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synthesis.pggan.config import NetworkConfig
from synthesis.pggan.layers import (
    Equalised,
    conv_downscale,
    downscale,
    minibatch_stddev,
    pixel_norm,
    upscale,
    upscale_conv,
)

GAIN = 2.0**0.5


class GeneratorBlock(nn.Module):
    """Upscaling and two 3 x 3 convolutions. (N, in, H, W) -> (N, out, 2H, 2W)"""

    def __init__(self, inputs: int, outputs: int, config: NetworkConfig) -> None:
        super().__init__()
        self.conv0 = Equalised(inputs, outputs, 3, gain=GAIN, bias_scaled=config.bias_scaled)
        self.conv1 = Equalised(outputs, outputs, 3, gain=GAIN, bias_scaled=config.bias_scaled)
        self.leak, self.norm, self.epsilon = config.leak, config.pixel_norm, config.norm_epsilon

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(upscale_conv(x, *self.conv0.effective()), self.leak)
        x = pixel_norm(x, self.epsilon) if self.norm else x
        x = F.leaky_relu(self.conv1(x), self.leak)
        return pixel_norm(x, self.epsilon) if self.norm else x


class Generator(nn.Module):
    """Latents to images in the config's pixel range.

    Attributes:
        config: the network's settings.
        card: the model card that came with the weights.
        fade: weight of the newest size when a call names none; below 1 only in a checkpoint
            that was saved while its last size was still fading in.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.card: dict[str, Any] = {}
        self.fade = 1.0
        channels, scaled = config.channels, config.bias_scaled
        self.dense = Equalised(
            config.latent_size, 16 * channels[0], gain=config.dense_gain, bias_scaled=scaled
        )
        self.first = Equalised(channels[0], channels[0], 3, gain=GAIN, bias_scaled=scaled)
        self.blocks = nn.ModuleList(GeneratorBlock(a, b, config) for a, b in pairwise(channels))
        self.to_rgb = nn.ModuleList(
            Equalised(c, config.image_channels, 1, gain=config.rgb_gain, bias_scaled=scaled)
            for c in channels
        )

    def colour(self, level: int) -> Equalised:
        """The ToRGB layer of a level."""
        layer = self.to_rgb[level]
        assert isinstance(layer, Equalised)
        return layer

    def forward(
        self, latents: Tensor, *, level: int | None = None, fade: float | Tensor | None = None
    ) -> Tensor:
        """latents: (N, latent_size) -> images (N, image_channels, size, size), size 4 * 2**level"""
        config = self.config
        level = config.levels - 1 if level is None else level
        fade = self.fade if fade is None else fade
        x = latents.flatten(1)  # (N, latent_size)
        x = pixel_norm(x, config.norm_epsilon) if config.normalise_latents else x
        x = F.leaky_relu(self.dense(x), config.leak).view(-1, config.channels[0], 4, 4)
        x = x.contiguous(memory_format=torch.channels_last)
        if config.pixel_norm and config.norm_after_dense:
            x = pixel_norm(x, config.norm_epsilon)
        x = F.leaky_relu(self.first(x), config.leak)  # (N, channels[0], 4, 4)
        x = pixel_norm(x, config.norm_epsilon) if config.pixel_norm else x
        previous = x
        for block in self.blocks[:level]:
            previous, x = x, block(x)  # (N, channels[i], 4 * 2**i, 4 * 2**i)
        # Pixels are summed in float32 under mixed precision too: bf16 has 8 bits, a film more.
        with full_precision(x.device):
            images = self.colour(level)(x.float())
            if level and not _is_one(fade):
                old = upscale(self.colour(level - 1)(previous.float()))
                images = torch.lerp(old, images, _weight(fade, images))
        return torch.tanh(images) if config.output_activation == "tanh" else images


class DiscriminatorBlock(nn.Module):
    """Two 3 x 3 convolutions and downscaling. (N, in, 2H, 2W) -> (N, out, H, W)"""

    def __init__(self, inputs: int, outputs: int, config: NetworkConfig) -> None:
        super().__init__()
        middle = outputs if config.narrow_first else inputs
        self.conv0 = Equalised(inputs, middle, 3, gain=GAIN, bias_scaled=config.bias_scaled)
        self.conv1 = Equalised(middle, outputs, 3, gain=GAIN, bias_scaled=config.bias_scaled)
        self.leak, self.pool_first = config.leak, config.pool_before_activation

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.conv0(x), self.leak)
        if self.pool_first:
            return F.leaky_relu(conv_downscale(x, *self.conv1.effective()), self.leak)
        return downscale(F.leaky_relu(self.conv1(x), self.leak))


class Discriminator(nn.Module):
    """Images to one score each, higher for real."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        channels, scaled = config.channels, config.bias_scaled
        self.from_rgb = nn.ModuleList(
            Equalised(config.image_channels, c, 1, gain=GAIN, bias_scaled=scaled) for c in channels
        )
        # blocks[i] leads from size 8 * 2**i down to 4 * 2**i
        self.blocks = nn.ModuleList(DiscriminatorBlock(b, a, config) for a, b in pairwise(channels))
        extra = 0 if config.stddev_group < 0 else 1
        width = config.head_width
        self.conv = Equalised(channels[0] + extra, channels[0], 3, gain=GAIN, bias_scaled=scaled)
        self.dense = Equalised(16 * channels[0], width, gain=GAIN, bias_scaled=scaled)
        self.score = Equalised(width, 1, gain=config.head_gain, bias_scaled=scaled)

    def _features(self, images: Tensor, level: int) -> Tensor:
        x: Tensor = self.from_rgb[level](images)
        return F.leaky_relu(x, self.config.leak) if self.config.from_rgb_activation else x

    def forward(
        self, images: Tensor, *, level: int | None = None, fade: float | Tensor = 1.0
    ) -> Tensor:
        """images: (N, image_channels, size, size) -> scores (N,)"""
        config = self.config
        level = config.levels - 1 if level is None else level
        x = self._features(images.contiguous(memory_format=torch.channels_last), level)
        if level:
            x = self.blocks[level - 1](x)  # (N, channels[level - 1], size / 2, size / 2)
            if not _is_one(fade):
                previous = self._features(downscale(images), level - 1)
                x = torch.lerp(previous, x, _weight(fade, x))
        for block in reversed(self.blocks[: max(level - 1, 0)]):
            x = block(x)
        if config.stddev_group >= 0:
            x = minibatch_stddev(
                x,
                group=config.stddev_group,
                unbiased=config.stddev_unbiased,
                neighbours=config.stddev_neighbours,
            )
        x = F.leaky_relu(self.conv(x), config.leak)  # (N, channels[0], 4, 4)
        # Flattened in channel, row, column order, whatever the memory format.
        x = F.leaky_relu(self.dense(x.contiguous().flatten(1)), config.leak)  # (N, head_width)
        with full_precision(x.device):  # the loss is a difference of scores
            scores: Tensor = self.score(x.float())
        return scores.squeeze(1)  # (N,)


def full_precision(device: torch.device) -> torch.autocast:
    """Leave mixed precision for a few operations that need all their digits."""
    return torch.autocast(device.type, enabled=False)


def _is_one(fade: float | Tensor) -> bool:
    return not isinstance(fade, Tensor) and fade >= 1.0


def _weight(fade: float | Tensor, like: Tensor) -> float | Tensor:
    return fade.to(like.dtype) if isinstance(fade, Tensor) else fade


def parameter_count(network: nn.Module) -> int:
    """Weights and biases in a network."""
    return sum(p.numel() for p in network.parameters())


def grown(generator: Generator, level: int) -> Generator:
    """A copy of a generator that ends at ``level``."""
    config = generator.config.at_level(level)
    copy = Generator(config)
    wanted = copy.state_dict()
    copy.load_state_dict({k: v.cpu() for k, v in generator.state_dict().items() if k in wanted})
    return copy.eval().requires_grad_(False)
