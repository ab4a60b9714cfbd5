"""The growth schedule: how long each size fades in and settles, at which minibatch and rate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from synthesis.pggan.config import ConfigError, level_of


@dataclass(frozen=True)
class Stage:
    """One size of the schedule. Lengths are in thousands of real images shown (kimg)."""

    resolution: int
    fade_kimg: float  # 0 at the first size
    stable_kimg: float
    minibatch: int  # of all devices together
    learning_rate: float
    tick_kimg: float = 10.0  # between two reports with a sample grid

    @property
    def images(self) -> int:
        """Real images shown at this size."""
        return round((self.fade_kimg + self.stable_kimg) * 1000)


@dataclass(frozen=True)
class Phase:
    """Where training stands after ``images`` real images."""

    stage: Stage
    index: int
    level: int
    fade: float  # weight of the newest size, 1 once it is fully in
    stage_start: int  # images shown when the stage began
    stage_end: int

    @property
    def fading(self) -> bool:
        """The newest size is not yet fully in."""
        return self.fade < 1.0


@dataclass(frozen=True)
class Schedule:
    """Stages in growing order, each twice the size of the one before."""

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        if not self.stages:
            raise ConfigError("schedule: at least one stage is expected")
        for before, after in pairwise(self.stages):
            if after.resolution != 2 * before.resolution:
                raise ConfigError(
                    f"schedule: {after.resolution} follows {before.resolution}; each size is twice "
                    "the one before"
                )
        for stage in self.stages:
            level_of(stage.resolution)
            for what, value in (
                ("minibatch", stage.minibatch),
                ("learning rate", stage.learning_rate),
                ("tick", stage.tick_kimg),
            ):
                if not (math.isfinite(value) and value > 0):
                    raise ConfigError(
                        f"schedule, {stage.resolution} x {stage.resolution}: {what} {value}; a "
                        "number above 0 expected"
                    )
            if stage.fade_kimg < 0 or stage.stable_kimg < 0 or not stage.images:
                raise ConfigError(
                    f"schedule: {stage.resolution} x {stage.resolution} lasts no image; give it "
                    "kimg, or start at a larger size"
                )

    @property
    def resolution(self) -> int:
        """The last size."""
        return self.stages[-1].resolution

    @property
    def images(self) -> int:
        """Real images shown in all."""
        return sum(stage.images for stage in self.stages)

    def at(self, images: int) -> Phase:
        """The phase after ``images`` real images. Past the end it stays at the last stage."""
        start = 0
        for index, stage in enumerate(self.stages):
            end = start + stage.images
            if images < end or index == len(self.stages) - 1:
                # The first stage has nothing to fade from.
                length = stage.fade_kimg * 1000 if index else 0.0
                fade = 1.0 if length == 0 else min((images - start) / length, 1.0)
                return Phase(stage, index, level_of(stage.resolution), fade, start, end)
            start = end
        raise AssertionError("a schedule has a stage")

    def as_json(self) -> list[dict[str, Any]]:
        """JSON-ready; ``from_json`` reads it back exactly."""
        return [dataclasses.asdict(stage) for stage in self.stages]

    @classmethod
    def from_json(cls, values: list[dict[str, Any]]) -> Schedule:
        """Read what ``as_json`` wrote."""
        return cls(tuple(Stage(**value) for value in values))

    def changed(
        self,
        *,
        kimg: float | None = None,
        minibatch: int | None = None,
        learning_rate: float | None = None,
        tick_kimg: float | None = None,
        fade_kimg: float | None = None,
        stable_kimg: float | None = None,
        per_size: Mapping[int, tuple[float, float]] | None = None,
        minibatch_per_size: Mapping[int, int] | None = None,
    ) -> Schedule:
        """The same schedule with the named things replaced.

        Args:
            kimg: length of the whole; every stage is stretched alike.
            per_size: {resolution: (fade kimg, stable kimg)}.

        Raises:
            ConfigError: for a size that the schedule does not pass, or a length or rate below 0.
        """
        sizes = {stage.resolution for stage in self.stages}
        for size in {*(per_size or {}), *(minibatch_per_size or {})} - sizes:
            raise ConfigError(
                f"schedule: {size} x {size} is no size of it; there are "
                f"{', '.join(str(s) for s in sorted(sizes))}"
            )
        if kimg is not None and kimg <= 0:
            raise ConfigError(f"schedule: a length of {kimg:g} kimg; above 0 expected")
        factor = 1.0 if kimg is None else kimg * 1000 / self.images
        stages = []
        for index, stage in enumerate(self.stages):
            fade = stage.fade_kimg * factor if fade_kimg is None else fade_kimg
            stable = stage.stable_kimg * factor if stable_kimg is None else stable_kimg
            fade, stable = (per_size or {}).get(stage.resolution, (fade, stable))
            every = stage.minibatch if minibatch is None else minibatch
            batch = (minibatch_per_size or {}).get(stage.resolution, every)
            stages.append(
                dataclasses.replace(
                    stage,
                    fade_kimg=fade if index else 0.0,
                    stable_kimg=stable,
                    minibatch=batch,
                    learning_rate=stage.learning_rate if learning_rate is None else learning_rate,
                    tick_kimg=stage.tick_kimg if tick_kimg is None else tick_kimg,
                )
            )
        return Schedule(tuple(stages))


_SIZES = (4, 8, 16, 32, 64, 128, 256, 512, 1024)
_TICKS = dict(zip(_SIZES, (160, 140, 120, 100, 80, 60, 40, 20, 10), strict=True))
# Minibatch and rate by size, as in the configurations that came with the reference.
_ONE_GPU = dict(zip(_SIZES, (128, 128, 128, 64, 32, 16, 8, 4, 4), strict=True))
_EIGHT_GPUS = dict(zip(_SIZES, (512, 256, 128, 64, 32, 32, 32, 32, 32), strict=True))
_EIGHT_RATES = {128: 1.5e-3, 256: 2e-3, 512: 3e-3, 1024: 3e-3}
_THEANO = dict(zip(_SIZES, (16, 16, 16, 16, 16, 16, 14, 6, 3), strict=True))


def karras_v1() -> Schedule:
    """The paper's own, in Theano: 800 fade and 800 stable per doubling; 19,000 kimg at 1024."""
    return Schedule(
        tuple(
            Stage(
                resolution=size,
                fade_kimg=0.0 if size == 4 else 800.0,
                # 800 at 4 x 4, 1,600 at each of 7 sizes and 800 of fade come before.
                stable_kimg=19_000.0 - 12_800.0 if size == 1024 else 800.0,
                minibatch=_THEANO[size],
                learning_rate=1e-3,
                tick_kimg=_TICKS[size],
            )
            for size in _SIZES
        )
    )


def karras_v2(resolution: int = 1024, *, gpus: Literal[1, 8] = 1) -> Schedule:
    """600 kimg stable, then 600 fade and 600 stable per doubling; 12,000 kimg at 1024."""
    batches = _ONE_GPU if gpus == 1 else _EIGHT_GPUS
    rates = {1024: 1.5e-3} if gpus == 1 else _EIGHT_RATES
    sizes = [size for size in _SIZES if size <= resolution]
    stages = []
    for size in sizes:
        stable = 600.0
        if size == resolution == 1024:
            stable = 2400.0  # to 12,000 kimg in all
        elif size == resolution:
            stable = 1800.0  # the last size settles longer
        stages.append(
            Stage(
                resolution=size,
                fade_kimg=0.0 if size == 4 else 600.0,
                stable_kimg=stable,
                minibatch=batches[size],
                learning_rate=rates.get(size, 1e-3),
                tick_kimg=_TICKS[size],
            )
        )
    return Schedule(tuple(stages))


def paper() -> Schedule:
    """Segal et al. 2020: 14.0 M images; 0.8 M at 4 x 4, 1.6 M to 512, 2.0 M at 1024."""
    batches = dict(zip(_SIZES, (64, 64, 64, 64, 64, 64, 56, 32, 12), strict=True))
    return Schedule(
        tuple(
            Stage(
                resolution=size,
                fade_kimg=0.0 if size == 4 else 800.0,
                stable_kimg=1200.0 if size == 1024 else 800.0,
                minibatch=batches[size],
                learning_rate=1e-3,
                tick_kimg=_TICKS[size],
            )
            for size in _SIZES
        )
    )


def small(resolution: int, kimg: float, *, minibatch: int = 16, rate: float = 1e-3) -> Schedule:
    """A short schedule for a CPU: small sizes pass quickly, most images go to the last size."""
    sizes = [size for size in _SIZES if size <= resolution]
    weights = {size: 2.0 ** (i / 1.2) for i, size in enumerate(sizes)}
    unit = kimg / sum(weights.values())
    stages = []
    for size in sizes:
        share = weights[size] * unit
        fade = 0.0 if size == 4 else share * (0.25 if size == resolution else 0.5)
        stages.append(
            Stage(
                resolution=size,
                fade_kimg=fade,
                stable_kimg=share - fade,
                minibatch=minibatch,
                learning_rate=rate,
                tick_kimg=max(kimg / 40, 0.1),
            )
        )
    return Schedule(tuple(stages))
