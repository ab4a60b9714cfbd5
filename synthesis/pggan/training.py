"""The training loop: one call, resumable at any step, watched and cancellable.

pyramid = build("films/", "films.pyramid", 64)
result = train(preset("demo"), pyramid, "runs/demo", on_progress=print)
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from synthesis.pggan import distributed
from synthesis.pggan.card import model_card
from synthesis.pggan.config import ConfigError, NetworkConfig
from synthesis.pggan.networks import grown
from synthesis.pggan.own_format import save_generator, write_atomically
from synthesis.pggan.presets import TrainingConfig
from synthesis.pggan.progress import Progress, TrainingResult
from synthesis.pggan.pyramid import HELD_OUT, TRAIN, Order, Pyramid
from synthesis.pggan.runlog import RunLog
from synthesis.pggan.schedule import Phase
from synthesis.pggan.state import load_state, retain, save_state, states
from synthesis.pggan.step import MIRROR, Trainer, stream
from synthesis.pggan.ticks import Ticks
from synthesis.pggan.watch import Diverged, check_finite, is_out_of_memory, memory_advice
from synthesis.pggan.weights import CheckpointError


def train(
    config: TrainingConfig,
    pyramid: Pyramid,
    out: str | Path,
    *,
    resume: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    card: dict[str, Any] | None = None,
) -> TrainingResult:
    """Train, or go on with, the run in the folder ``out``.

    Args:
        resume: go on from the newest state in ``out``; False refuses a folder that has one.
        on_progress: called at every tick, and between ticks about once a second.
        should_stop: asked after every step; True saves the state and returns.
        card: what the model card should say of data, licence and name.

    Raises:
        DataError: when the pyramid is smaller than the network, or not the one the run began on.
        CheckpointError: when ``out`` holds a run of other settings.
        TrainingStopped: Diverged, Collapsed or OutOfMemory; the last good state is kept.
    """
    workers, device = distributed.join(config.device)
    run = Run(config, pyramid, Path(out), workers, device, card or {})
    try:
        return run.go(resume, on_progress, should_stop or (lambda: False))
    finally:
        run.close()


class Run:
    """One sitting of a run."""

    def __init__(
        self,
        config: TrainingConfig,
        pyramid: Pyramid,
        folder: Path,
        workers: distributed.Workers,
        device: torch.device,
        card: dict[str, Any],
    ) -> None:
        for stage in config.schedule.stages:
            share = workers.share(stage.minibatch)
            if share % config.accumulate:
                raise ConfigError(
                    f"minibatch {stage.minibatch} at {stage.resolution} x {stage.resolution}: the "
                    f"{share} images of each worker cannot be computed in {config.accumulate} "
                    "equal parts; choose another --accumulate or number of workers"
                )
        if config.precision == "auto":
            precision = distributed.native_precision(device)
            config = dataclasses.replace(config, precision=precision)
        pyramid.array(config.network.resolution)  # raises when the pyramid is too small
        self.config, self.pyramid, self.folder = config, pyramid, folder
        self.workers, self.device, self.card = workers, device, card
        self.order = Order(pyramid.count(TRAIN), config.seed)
        self.ticks: Ticks | None = None  # the chief's
        self.log = RunLog(folder, tensorboard=workers.chief) if workers.chief else None
        self.pool = ThreadPoolExecutor(max_workers=1)
        self.images, self.elapsed = 0, 0.0
        self.pace: dict[int, float] = {}  # seconds per image by size

    @property
    def metrics(self) -> dict[str, float]:
        """Newest measures, where this worker takes them."""
        return {} if self.ticks is None else dict(self.ticks.metrics)

    def close(self) -> None:
        """Release threads, files and the process group."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        if self.log is not None:
            self.log.close()
        self.workers.leave()

    # -- data -------------------------------------------------------------------------------

    def _films(self, phase: Phase, images: int, step: int) -> Tensor:
        """This worker's share of the minibatch at a position, (n, 1, size, size) in [0, 1]."""
        whole = phase.stage.minibatch
        mine = self.trainer.share(whole)
        indices = self.order(images, whole)[mine.numpy()]
        films = torch.from_numpy(self.pyramid.unit(phase.stage.resolution, indices))[:, None]
        if self.config.mirror:
            flip = torch.rand(whole, generator=stream(self.config.seed, step, MIRROR))[mine] < 0.5
            films = torch.where(flip.view(-1, 1, 1, 1), films.flip(3), films)
        return films.pin_memory() if self.device.type == "cuda" else films

    def _ahead(self, images: int, step: int) -> Future[list[Tensor]]:
        """The films of the next step, read while the device works on this one."""
        phase = self.config.schedule.at(images)

        def read() -> list[Tensor]:
            size = phase.stage.minibatch
            return [
                self._films(phase, images + turn * size, step)
                for turn in range(self.config.critic_steps)
            ]

        return self.pool.submit(read)

    # -- the loop ---------------------------------------------------------------------------

    def go(
        self,
        resume: bool,
        on_progress: Callable[[Progress], None] | None,
        should_stop: Callable[[], bool],
    ) -> TrainingResult:
        try:
            self.trainer = Trainer(self.config, self.device, self.workers)
            if self.log is not None:
                self.ticks = Ticks(self.config, self.pyramid, self.log, self.trainer.average)
            self._begin(resume)
            return self._go(on_progress, should_stop)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            stage = self.config.schedule.at(self.images).stage
            raise memory_advice(
                error,
                minibatch=stage.minibatch,
                accumulate=self.config.accumulate,
                resolution=stage.resolution,
                precision=self.config.precision,
            ) from error

    def _go(
        self,
        on_progress: Callable[[Progress], None] | None,
        should_stop: Callable[[], bool],
    ) -> TrainingResult:
        trainer, alone = self.trainer, self.workers.world == 1
        schedule, total = self.config.schedule, self.config.schedule.images
        began, told = time.monotonic(), time.monotonic()
        saved = began
        before = self.elapsed
        since, since_images = began, self.images
        tick_start = self._last_tick
        losses: dict[str, float] = {}
        films = self._ahead(self.images, trainer.step)
        stopped = False
        while self.images < total and not stopped:
            phase = schedule.at(self.images)
            if (phase.level, phase.fading) != trainer.stage:
                if phase.level != trainer.level:
                    since, since_images = time.monotonic(), self.images
                    if self.ticks is not None:
                        self.ticks.grow()
                trainer.begin_stage(phase)
            batches = [b.to(self.device, non_blocking=True) for b in films.result()]
            shown = phase.stage.minibatch * self.config.critic_steps
            films = self._ahead(self.images + shown, trainer.step + 1)
            terms = trainer.train_step(batches, phase)
            self.images += shown
            now = time.monotonic()
            done = self.images >= total
            tick = done or self.images - tick_start >= phase.stage.tick_kimg * 1000
            # Several workers count steps, since their clocks differ and a loss is a joint deed.
            regular = tick or trainer.step % self.config.log_steps == 0
            if regular or (alone and now - told >= 1.0):
                losses = self._losses(terms)
                if trainer.searching:
                    losses = {k: v for k, v in losses.items() if math.isfinite(v)}
                check_finite(losses, self.images)
            self.elapsed = before + now - began
            pace = (now - since) / max(self.images - since_images, 1)
            self.pace[phase.stage.resolution] = pace
            if self.log and regular:
                rate = 1.0 / pace if pace else 0.0
                values = {"resolution": phase.stage.resolution, "fade": phase.fade, **losses}
                self.log.write("step", self.images, values | {"images_per_second": rate})
            grid = None
            if tick:
                tick_start = self.images
                if self.ticks is not None:
                    grid = self.ticks.take(phase, self.images, elapsed=self.elapsed, last=done)
            save = False
            if regular or alone:
                due = now - saved >= self.config.checkpoint_minutes * 60
                stopped, save = self.workers.agree([should_stop(), due], self.device)
            if tick or stopped or save:
                self._save(tick_start)
                saved = time.monotonic()
            if on_progress and (tick or now - told >= 1.0) and self.workers.chief:
                told = now
                on_progress(self._progress("tick" if tick else "step", phase, losses, grid))
            # A tick's own work is no part of the pace.
            if tick:
                since, since_images = time.monotonic(), self.images
        path = self._export()
        return TrainingResult(self.images >= total, self.images, path, self.metrics)

    def _losses(self, terms: dict[str, Tensor]) -> dict[str, float]:
        stacked = self.workers.mean(torch.stack([value.float() for value in terms.values()]))
        return dict(zip(terms, stacked.tolist(), strict=True))

    def _progress(
        self, kind: Literal["step", "tick"], phase: Phase, losses: dict[str, float], grid: Any
    ) -> Progress:
        pace = self.pace[phase.stage.resolution]
        return Progress(
            kind=kind,
            images=self.images,
            total_images=self.config.schedule.images,
            resolution=phase.stage.resolution,
            fade=phase.fade,
            minibatch=phase.stage.minibatch,
            losses=losses,
            images_per_second=1.0 / pace if pace else 0.0,
            seconds_left=self._left(phase, pace),
            elapsed=self.elapsed,
            grid=grid,
            metrics=self.metrics,
        )

    def _left(self, phase: Phase, pace: float) -> float:
        """Seconds left; a size not yet reached is taken to be 3 times slower than the last."""
        left = max(phase.stage_end - self.images, 0) * pace
        for stage in self.config.schedule.stages[phase.index + 1 :]:
            pace = self.pace.get(stage.resolution, pace * 3.0)
            left += stage.images * pace
        return left

    # -- beginnings and endings -------------------------------------------------------------

    def _begin(self, resume: bool) -> None:
        """Open the run's folder, or go on from its newest state."""
        folder, settings = self.folder, self.config.as_json()
        self._last_tick = 0
        existing = folder / "config.json"
        here = states(folder / "states")
        newest = here[-1][0] if here else None
        chiefs = self.workers.broadcast(newest)
        if newest != chiefs:
            raise CheckpointError(
                f"{folder}: worker {self.workers.rank} finds its newest state at {newest} images, "
                f"the first worker at {chiefs}; every host needs the run's folder on a shared disk"
            )
        if here and not resume:
            raise CheckpointError(
                f"{folder}: holds a run already; resume it or name another folder"
            )
        if existing.exists() and here:
            self._check_same(json.loads(existing.read_text()), settings)
        if here:
            self.images, about = load_state(self.trainer, here[-1][1], self.config.schedule.at)
            self.elapsed, self._last_tick = about["elapsed"], about["last_tick"]
            if self.ticks is not None:
                self.ticks.metrics, self.ticks.count = about["metrics"], about["ticks"]
            if about["data"] != self.pyramid.digest:
                from synthesis.pggan.films import DataError

                raise DataError(
                    f"{folder}: the run began on other films or another split (digest "
                    f"{about['data'][:12]}, now {self.pyramid.digest[:12]}); give it its own "
                    "pyramid, or begin a new run"
                )
        self.workers.barrier()
        if self.log is not None:
            write_atomically(existing, json.dumps(settings, indent=1).encode())
            split = {"digest": self.pyramid.digest, "films": self.pyramid.about["films"]}
            write_atomically(folder / "split.json", json.dumps(split, indent=1).encode())
            self.log.begin(self.images)

    @staticmethod
    def _check_same(before: dict[str, Any], now: dict[str, Any]) -> None:
        """What decides the weights may not change within a run; what only costs time may."""
        # Settings that came since have the value that the run was begun with without naming it.
        before = before | {"network": NetworkConfig.from_json(before["network"]).as_json()}
        for key in ("network", "seed", "penalty", "drift", "ema", "critic_steps", "mirror"):
            if before.get(key) != now[key]:
                raise CheckpointError(
                    f"the run was begun with {key} = {before.get(key)}, now {now[key]}; resume "
                    "with the run's own settings, or begin a new run"
                )

    def _save(self, tick_start: int) -> None:
        """Save the state and, beside it, the averaged generator as it is now.

        Not while samples look alike: if the run has collapsed, its newest state is a good one.
        """
        if self.ticks is not None and not self.ticks.suspicious:
            about = {
                "elapsed": self.elapsed,
                "last_tick": tick_start,
                "ticks": self.ticks.count,
                "data": self.pyramid.digest,
                "metrics": self.metrics,
            }
            if self.log is not None:
                self.log.flush()
            try:
                save_state(self.trainer, self.folder / "states", self.images, about)
            except CheckpointError as error:
                raise Diverged(str(error)) from error
            retain(
                self.folder / "states",
                keep=self.config.keep,
                every_images=int(self.config.keep_every_kimg * 1000),
            )
            self._export()
        self.workers.barrier()

    def _export(self) -> Path:
        """The averaged generator, grown as far as training is, with its card."""
        path = self.folder / "generator.safetensors"
        if self.workers.chief:
            phase = self.config.schedule.at(self.images)
            generator = grown(self.trainer.average, phase.level)
            generator.fade = phase.fade
            save_generator(generator, path, self._card(phase))
        return path

    def _card(self, phase: Phase) -> dict[str, Any]:
        about = self.pyramid.about
        data = {
            "films": self.pyramid.count(TRAIN),
            "patients": about["patients"].get(TRAIN, 0),
            "held_out_films": self.pyramid.count(HELD_OUT),
            "held_out_patients": about["patients"].get(HELD_OUT, 0),
            "digest": self.pyramid.digest,
        }
        settings = self.config.as_json()
        given = dict(self.card)
        description = given.pop("data", "")
        return model_card(
            data=data | ({"description": description} if description else {}),
            images_seen=self.images,
            resolution=phase.stage.resolution,
            metrics=self.metrics,
            training={k: v for k, v in settings.items() if k not in ("network", "extra")}
            | {
                "seconds": round(self.elapsed),
                "finished": self.images >= self.config.schedule.images,
            },
            **given,
        )
