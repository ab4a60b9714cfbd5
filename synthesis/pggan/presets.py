"""What to train: networks and schedules that go together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from synthesis.pggan import schedule as schedules
from synthesis.pggan.config import ConfigError, NetworkConfig, cxr_pggan, karras
from synthesis.pggan.schedule import Schedule

Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides the weights a run ends with, given the pyramid and the machine."""

    network: NetworkConfig
    schedule: Schedule
    seed: int = 0
    preset: str = ""

    penalty: float = 10.0  # lambda of the gradient penalty
    drift: float = 1e-3
    ema: float = 0.999  # per generator step
    beta1: float = 0.0
    beta2: float = 0.99
    adam_epsilon: float = 1e-8
    critic_steps: int = 1  # discriminator steps per generator step
    mirror: bool = False  # a mirrored chest has its heart on the wrong side

    precision: Precision = "fp32"  # auto: bf16 where the device multiplies it natively
    accumulate: int = 1  # parts that a minibatch is computed in
    compile: bool = False
    device: str = "auto"

    checkpoint_minutes: float = 10.0  # besides one at every tick
    keep: int = 3  # newest states kept
    keep_every_kimg: float = 0.0  # states kept for good; 0 for none
    grid: tuple[int, int] = (8, 4)  # columns, rows
    check_ticks: int = 5  # ticks between two distance checks; 0 for none
    check_images: int = 512
    collapse_ratio: float = 0.02  # spread of samples to spread of films, below which a run stops
    log_steps: int = 20  # steps between two lines of the log
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", tuple(self.grid))
        if self.network.resolution != self.schedule.resolution:
            raise ConfigError(
                f"the network ends at {self.network.resolution}, the schedule at "
                f"{self.schedule.resolution}; they must agree"
            )
        if self.network.label_sizes:
            raise ConfigError("label_sizes: conditional networks are sampled here, not trained")
        if self.precision not in ("auto", "fp32", "bf16", "fp16"):
            raise ConfigError(f"precision {self.precision!r}: auto, fp32, bf16 or fp16 expected")
        if self.accumulate < 1 or self.critic_steps < 1 or self.keep < 1:
            raise ConfigError("accumulate, critic_steps and keep: at least 1 expected")
        if not 0.0 <= self.ema < 1.0:
            raise ConfigError(f"ema {self.ema}: 0 up to, not including, 1 expected")
        for stage in self.schedule.stages:
            if stage.minibatch % self.accumulate:
                raise ConfigError(
                    f"minibatch {stage.minibatch} at {stage.resolution} x {stage.resolution} is no "
                    f"multiple of accumulate {self.accumulate}"
                )

    def as_json(self) -> dict[str, Any]:
        """JSON-ready; ``from_json`` reads it back exactly."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return values | {
            "network": self.network.as_json(),
            "schedule": self.schedule.as_json(),
            "grid": list(self.grid),
            "extra": dict(self.extra),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainingConfig:
        """Read what ``as_json`` wrote."""
        return cls(
            **values
            | {
                "network": NetworkConfig.from_json(values["network"]),
                "schedule": Schedule.from_json(values["schedule"]),
            }
        )


def _paper(**network: Any) -> TrainingConfig:
    settings = {"image_channels": 1} | network
    return TrainingConfig(
        network=cxr_pggan(1024, **settings), schedule=schedules.paper(), adam_epsilon=1e-7
    )


def _karras(resolution: int) -> Callable[..., TrainingConfig]:
    def build(**network: Any) -> TrainingConfig:
        return TrainingConfig(
            network=karras(resolution, **network), schedule=schedules.karras_v2(resolution)
        )

    return build


def _karras_v1(**network: Any) -> TrainingConfig:
    # Statistics over the whole minibatch, which was 16 or less; pooling after the activation.
    settings = {"stddev_group": 16, "pool_before_activation": False} | network
    return TrainingConfig(network=karras(1024, **settings), schedule=schedules.karras_v1())


def _karras_eight(**network: Any) -> TrainingConfig:
    return TrainingConfig(
        network=karras(1024, **network), schedule=schedules.karras_v2(1024, gpus=8)
    )


def _cpu(resolution: int, kimg: float, base: int, maximum: int) -> Callable[..., TrainingConfig]:
    def build(**network: Any) -> TrainingConfig:
        settings = {"channels_base": base, "channels_max": maximum, "latent_size": maximum}
        return TrainingConfig(
            network=karras(resolution, **(settings | network)),
            schedule=schedules.small(resolution, kimg),
            # Short runs: an average over 1,000 steps would still hold the first samples.
            ema=0.998,
            precision="auto",
            check_images=256,
        )

    return build


PRESETS: dict[str, Callable[..., TrainingConfig]] = {
    "paper": _paper,
    "karras-v1": _karras_v1,
    "karras-v2": _karras(1024),
    "karras-v2-8gpu": _karras_eight,
    "512": _karras(512),
    "256": _karras(256),
    "128": _karras(128),
    "64": _cpu(64, 400.0, 1024, 96),
    "demo": _cpu(64, 120.0, 512, 64),
}


def preset(
    name: str,
    *,
    resolution: int | None = None,
    schedule: Schedule | None = None,
    network: Mapping[str, Any] | None = None,
    **changes: Any,
) -> TrainingConfig:
    """A preset with the named things replaced.

    Args:
        resolution: grow only (or further) to this size.
        network: settings for ``NetworkConfig``, and ``channels_base`` and ``channels_max``.
        changes: fields of ``TrainingConfig``.

    Raises:
        ConfigError: for a preset or a setting that does not exist.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r}: one of {', '.join(PRESETS)} expected")
    try:
        config = PRESETS[name](**(network or {}))
        if resolution is not None and resolution != config.network.resolution:
            config = _resized(name, config, resolution, dict(network or {}))
        if schedule is not None:
            config = dataclasses.replace(config, schedule=schedule)
        return dataclasses.replace(config, preset=name, **changes)
    except TypeError as error:
        raise ConfigError(f"preset {name}: {error}") from error


def _resized(
    name: str, config: TrainingConfig, resolution: int, network: dict[str, Any]
) -> TrainingConfig:
    if name in ("64", "demo"):
        base, maximum, kimg = (1024, 96, 400.0) if name == "64" else (512, 64, 120.0)
        return _cpu(resolution, kimg * resolution / 64, base, maximum)(**network)
    if name in ("paper", "karras-v1", "karras-v2-8gpu"):  # the same path, ended earlier
        stages = tuple(s for s in config.schedule.stages if s.resolution <= resolution)
        if not stages or stages[-1].resolution != resolution:
            raise ConfigError(f"preset {name} ends at 1024; {resolution} was asked for")
        network_there = config.network.at_level(len(stages) - 1)
        return dataclasses.replace(config, network=network_there, schedule=Schedule(stages))
    return _karras(resolution)(**network)
