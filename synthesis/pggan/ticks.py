"""What a run looks at now and then: a sample grid, the spread of samples, the distance to films."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from synthesis.pggan import frechet
from synthesis.pggan.networks import Generator
from synthesis.pggan.presets import TrainingConfig
from synthesis.pggan.pyramid import HELD_OUT, TRAIN, Pyramid
from synthesis.pggan.runlog import RunLog
from synthesis.pggan.sampling import latents, to_grey, to_unit
from synthesis.pggan.schedule import Phase
from synthesis.pggan.watch import CollapseWatch, spread

GRID_SEED = 7  # of the latents that every grid of every run shows
FEWEST_HELD_OUT = 32  # films that a distance is worth computing for


class Ticks:
    """The chief's looks at the averaged generator.

    Attributes:
        metrics: newest value of each measure at the present size.
        count: ticks so far.
    """

    def __init__(
        self, config: TrainingConfig, pyramid: Pyramid, log: RunLog, average: Generator
    ) -> None:
        self.config, self.pyramid, self.log, self.average = config, pyramid, log, average
        self.metrics: dict[str, float] = {}
        self.count = 0
        self.watch: CollapseWatch | None = None
        columns, rows = config.grid
        self.latents = latents(GRID_SEED, range(columns * rows), config.network.latent_size)

    @property
    def suspicious(self) -> bool:
        """The last samples were too much alike."""
        return self.watch is not None and self.watch.low_ticks > 0

    def grow(self) -> None:
        """Another size: other films to compare with, and measures of the last do not apply."""
        self.watch, self.metrics = None, {}

    def take(self, phase: Phase, images: int, *, elapsed: float, last: bool) -> Path:
        """Save the grid, watch for collapse, log; the grid's file.

        Raises:
            Collapsed: when samples were alike at several ticks in a row.
        """
        samples = self._samples(self.latents, phase)
        path = self.log.picture(samples, self.config.grid[0], images)
        self.count += 1
        values: dict[str, float] = {}
        if len(samples) > 1:
            values["spread"] = self._watch(phase).check(samples, images)
        every = self.config.check_ticks
        if every and (self.count % every == 0 or last):
            values |= self._distance(phase)
        self.metrics |= values
        self.log.write("tick", images, {"elapsed": round(elapsed, 1), **values})
        return path

    @torch.no_grad()
    def _samples(self, z: Tensor, phase: Phase) -> np.ndarray:
        """Averaged generator on latents, (N, size, size) in [0, 1]."""
        device = self.average.dense.weight.device
        parts = []
        for part in z.split(16):
            raw = self.average(part.to(device), level=phase.level, fade=phase.fade)
            parts.append(to_grey(to_unit(raw, self.config.network.pixel_range)).cpu().numpy())
        return np.concatenate(parts)

    def _watch(self, phase: Phase) -> CollapseWatch:
        if self.watch is None:
            count = min(self.pyramid.count(TRAIN), 256)
            films = self.pyramid.unit(phase.stage.resolution, range(count))
            self.watch = CollapseWatch(spread(films), self.config.collapse_ratio)
        return self.watch

    def _distance(self, phase: Phase) -> dict[str, float]:
        """Fréchet distance of samples to training films, beside that of held-out films to them.

        The distance grows as the number of images falls, so as many samples are taken as there
        are held-out films.
        """
        size, count = phase.stage.resolution, self.config.check_images
        if self.pyramid.count(TRAIN) < 2:  # one film has no covariance to compare
            return {}
        real = self.pyramid.unit(size, range(min(count, self.pyramid.count(TRAIN))))
        values = {}
        held = min(count, self.pyramid.count(HELD_OUT))
        if held >= FEWEST_HELD_OUT:
            count = held
            floor = self.pyramid.unit(size, range(held), HELD_OUT)
            values["frechet_held_out"] = frechet.distance(floor, real)
        z = latents(GRID_SEED + 1, range(count), self.config.network.latent_size)
        values["frechet"] = frechet.distance(self._samples(z, phase), real)
        return values | {"frechet_images": float(count)}
