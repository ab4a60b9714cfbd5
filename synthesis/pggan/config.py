"""What a network is: every setting that changes an image, in one frozen dataclass.

The checkpoints that users of this field have come from three implementations that differ in pixel
range, bias scaling, activation and layer order. They are settings of one network here
(``karras``, ``pytorch_gan_zoo``, ``cxr_pggan``), not three networks.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from dataclasses import dataclass
from typing import Any, Literal

REFERENCE_CHANNELS_BASE = 8192
REFERENCE_CHANNELS_MAX = 512
LARGEST_RESOLUTION = 4096
_NUMBERS = ("dense_gain", "rgb_gain", "head_gain", "leak", "norm_epsilon")


class ConfigError(ValueError):
    """A network setting that no network can have; the message says which and what is allowed."""


def reference_channels(
    resolution: int,
    *,
    base: int = REFERENCE_CHANNELS_BASE,
    maximum: int = REFERENCE_CHANNELS_MAX,
) -> tuple[int, ...]:
    """Channels at 4 x 4, 8 x 8, ... ``resolution`` (Karras 2018, table 2).

    ``min(base / 2^(log2(size) - 1), maximum)``: 512 512 512 512 256 128 64 32 16 at 1024.

    Raises:
        ConfigError: when the resolution is no power of two of at least 4, or a number is below 1.
    """
    levels = level_of(resolution)
    if base < 1 or maximum < 1:
        raise ConfigError(
            f"channels: base {base}, maximum {maximum}; 1 or more expected, "
            f"{REFERENCE_CHANNELS_BASE} and {REFERENCE_CHANNELS_MAX} in the reference"
        )
    return tuple(max(1, min(base // 2 ** (level + 1), maximum)) for level in range(levels + 1))


def level_of(resolution: int) -> int:
    """0 for 4 x 4, 1 for 8 x 8, ... 8 for 1024 x 1024."""
    if (
        not isinstance(resolution, int)
        or isinstance(resolution, bool)
        or resolution < 4
        or resolution > LARGEST_RESOLUTION
        or resolution & (resolution - 1)
    ):
        raise ConfigError(
            f"resolution {resolution!r}: a power of two from 4 to {LARGEST_RESOLUTION} is "
            "expected; a progressively grown network doubles from 4 x 4"
        )
    return resolution.bit_length() - 3


@dataclass(frozen=True)
class NetworkConfig:
    """The settings of a generator and its discriminator. Defaults are the reference's."""

    resolution: int = 1024  # of the whole network; growth passes through every size below
    image_channels: int = 1
    latent_size: int = 512  # labels counted
    label_sizes: tuple[int, ...] = ()  # of a conditional network: one-hot groups behind the noise
    channels: tuple[int, ...] = ()  # at 4 x 4, 8 x 8, ...; empty means reference_channels()
    head_width: int = 0  # of the discriminator's dense layer; 0 means channels[0]

    variant: str = "karras"  # a name for people; the settings below are what counts
    pixel_range: tuple[float, float] = (-1.0, 1.0)  # that the generator was trained to give
    bias_scaled: bool = False  # bias multiplied by the layer's He constant
    dense_gain: float = math.sqrt(2.0) / 4.0  # of the generator's first, dense layer
    rgb_gain: float = 1.0  # of ToRGB
    head_gain: float = 1.0  # of the discriminator's last layer
    leak: float = 0.2
    normalise_latents: bool = True
    pixel_norm: bool = True
    norm_epsilon: float = 1e-8  # of the pixel norms
    norm_after_dense: bool = True
    output_activation: Literal["none", "tanh"] = "none"

    from_rgb_activation: bool = True
    narrow_first: bool = False  # discriminator block n -> n_prev, n_prev -> n_prev
    pool_before_activation: bool = True  # the reference's fused convolution and downscaling
    stddev_group: int = 4  # of minibatch stddev; 0 is the whole batch, -1 leaves the layer out
    stddev_unbiased: bool = False
    stddev_neighbours: bool = False  # a group is consecutive samples, not every M-th

    def __post_init__(self) -> None:
        levels = level_of(self.resolution) + 1
        if not self.channels:
            object.__setattr__(self, "channels", reference_channels(self.resolution))
        try:
            object.__setattr__(self, "channels", tuple(operator.index(c) for c in self.channels))
            sizes = tuple(operator.index(size) for size in self.label_sizes)
            object.__setattr__(self, "label_sizes", sizes)
            object.__setattr__(self, "pixel_range", tuple(float(v) for v in self.pixel_range))
            for name in ("image_channels", "latent_size", "head_width", "stddev_group"):
                object.__setattr__(self, name, operator.index(getattr(self, name)))
            for name in _NUMBERS:
                object.__setattr__(self, name, float(getattr(self, name)))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"network settings: numbers are expected ({error})") from error
        for name in _NUMBERS:
            if not math.isfinite(getattr(self, name)):
                raise ConfigError(f"{name} {getattr(self, name)}: a finite number is expected")
        if len(self.channels) != levels:
            raise ConfigError(
                f"channels {self.channels}: {levels} numbers are expected at resolution "
                f"{self.resolution}, one for each size from 4 x 4"
            )
        if not self.head_width:
            object.__setattr__(self, "head_width", self.channels[0])
        for name in ("image_channels", "latent_size", "head_width"):
            if int(getattr(self, name)) < 1:
                raise ConfigError(f"{name} {getattr(self, name)}: at least 1 is expected")
        if min(self.label_sizes, default=1) < 1 or self.noise_size < 1:
            raise ConfigError(
                f"label_sizes {self.label_sizes}: groups of at least 1 expected, that leave noise "
                f"of a latent of {self.latent_size}"
            )
        if min(self.channels) < 1:
            raise ConfigError(f"channels {self.channels}: each is at least 1")
        low, high = self.pixel_range if len(self.pixel_range) == 2 else (0.0, 0.0)
        if not low < high or math.isinf(high - low):
            raise ConfigError(f"pixel_range {self.pixel_range}: (lowest, highest) is expected")
        if self.output_activation not in ("none", "tanh"):
            raise ConfigError(f"output_activation {self.output_activation!r}: none or tanh")
        if self.stddev_group < -1:
            raise ConfigError(
                f"stddev_group {self.stddev_group}: a group size, 0 for the whole batch or -1 "
                "for no minibatch stddev"
            )

    @property
    def noise_size(self) -> int:
        """The part of a latent that is noise."""
        return self.latent_size - sum(self.label_sizes)

    @property
    def levels(self) -> int:
        """Number of sizes, 4 x 4 counted."""
        return len(self.channels)

    def at_level(self, level: int) -> NetworkConfig:
        """The same network, grown only to ``4 * 2**level``."""
        if not 0 <= level < self.levels:
            raise ConfigError(f"level {level}: 0 to {self.levels - 1} exist")
        return dataclasses.replace(
            self, resolution=4 * 2**level, channels=self.channels[: level + 1]
        )

    def as_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary that ``from_json`` reads back exactly."""
        values = dataclasses.asdict(self)
        values["channels"] = list(self.channels)
        values["pixel_range"] = list(self.pixel_range)
        values["label_sizes"] = list(self.label_sizes)
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> NetworkConfig:
        """Read what ``as_json`` wrote.

        Raises:
            ConfigError: on a setting this version does not know, or a value no network can have.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(
                f"network settings {', '.join(unknown)} are not known to this version; a newer "
                "version wrote the file"
            )
        try:
            return cls(**values)
        except TypeError as error:
            raise ConfigError(f"network settings cannot be read: {error}") from error


def karras(resolution: int = 1024, **changes: Any) -> NetworkConfig:
    """The reference (TensorFlow v2, fused scaling), grey by default."""
    channels = reference_channels(
        resolution,
        base=changes.pop("channels_base", REFERENCE_CHANNELS_BASE),
        maximum=changes.pop("channels_max", REFERENCE_CHANNELS_MAX),
    )
    changes.setdefault("channels", channels)
    return NetworkConfig(resolution=resolution, **changes)


_SQRT2 = math.sqrt(2.0)


def pytorch_gan_zoo(resolution: int = 1024, **changes: Any) -> NetworkConfig:
    """facebookresearch/pytorch_GAN_zoo: He constant on the bias too, gain sqrt(2) everywhere."""
    settings: dict[str, Any] = {
        "variant": "pytorch_gan_zoo",
        "image_channels": 3,
        "bias_scaled": True,
        "dense_gain": _SQRT2,
        "rgb_gain": _SQRT2,
        "head_gain": _SQRT2,
        "pool_before_activation": False,
        "stddev_unbiased": True,
        "stddev_neighbours": True,
    }
    return karras(resolution, **(settings | changes))


def cxr_pggan(resolution: int = 1024, **changes: Any) -> NetworkConfig:
    """Segal et al. 2020, the paper's own code: pixels in [0, 1], no norm after the dense layer."""
    settings: dict[str, Any] = {
        "variant": "cxr_pggan",
        "image_channels": 3,
        "pixel_range": (0.0, 1.0),
        "bias_scaled": True,
        "dense_gain": _SQRT2,
        "rgb_gain": _SQRT2,
        "head_gain": _SQRT2,
        "norm_after_dense": False,
        "from_rgb_activation": False,
        "narrow_first": True,
        "pool_before_activation": False,
        "stddev_group": 0,
    }
    return karras(resolution, **(settings | changes))


VARIANTS = {"karras": karras, "pytorch_gan_zoo": pytorch_gan_zoo, "cxr_pggan": cxr_pggan}
