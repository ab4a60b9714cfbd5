"""One optimisation step: discriminator, then generator, then the moving average."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn

from synthesis.pggan.config import NetworkConfig
from synthesis.pggan.distributed import Workers
from synthesis.pggan.layers import downscale, group_size, upscale
from synthesis.pggan.losses import discriminator_terms, generator_loss
from synthesis.pggan.networks import Discriminator, Generator
from synthesis.pggan.presets import TrainingConfig
from synthesis.pggan.schedule import Phase

LATENTS_D, LATENTS_G, MIX, MIRROR = range(4)  # streams of random numbers within a step


def stream(seed: int, step: int, purpose: int) -> torch.Generator:
    """Random numbers as a function of where training stands, so that nothing needs to be kept.

    A run that resumes at step 1,000 draws what the unbroken run would have drawn, and every worker
    draws for the whole minibatch, so that their number changes nothing but who computes what.
    """
    # SplitMix64's finaliser over the packed numbers: near seeds give far streams.
    x = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9) % 2**64
    x = (x + purpose * 0xD6E8FEB86659FD93) % 2**64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) % 2**64
    return torch.Generator().manual_seed((x ^ (x >> 31)) % 2**63)


def shares(count: int, parts: int, network: NetworkConfig) -> Tensor:
    """Positions of a minibatch that go into each of ``parts``, (parts, count // parts).

    Groups of minibatch stddev stay whole where their number allows it, so that a minibatch
    computed in parts, or on several devices, is the same minibatch but for rounding.
    """
    positions = torch.arange(count)
    size = group_size(count, max(network.stddev_group, 0))
    if network.stddev_group > 0 and not network.stddev_neighbours and count // size % parts == 0:
        # The reference groups i with i + M, i + 2M, ...: whole columns of (size, M) stay together.
        columns = positions.view(size, parts, count // size // parts)
        return columns.transpose(0, 1).reshape(parts, -1)
    return positions.view(parts, -1)


def active(network: nn.Module, level: int) -> dict[str, nn.Parameter]:
    """The parameters that take part at a level, by name."""
    chosen = {}
    for name, parameter in network.named_parameters():
        part, _, rest = name.partition(".")
        index = int(rest.partition(".")[0]) if part in ("blocks", "to_rgb", "from_rgb") else -1
        if part == "blocks" and index >= level:
            continue
        if part in ("to_rgb", "from_rgb") and index not in (level, level - 1):
            continue
        chosen[name] = parameter
    return chosen


def fade_films(films: Tensor, fade: float) -> Tensor:
    """Films as sharp as the network can draw them yet: mixed with their half-size copies."""
    if fade >= 1.0 or films.shape[-1] <= 4:
        return films
    return torch.lerp(upscale(downscale(films)), films, fade)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """No gradients for a network's weights, only through it."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


class Trainer:
    """Networks and optimisers, and the step that moves them."""

    def __init__(self, config: TrainingConfig, device: torch.device, workers: Workers) -> None:
        self.config, self.device, self.workers = config, device, workers
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            generator = Generator(config.network)
            discriminator = Discriminator(config.network)
            average = Generator(config.network)
        average.load_state_dict(generator.state_dict())
        self.generator = generator.to(device)
        self.discriminator = discriminator.to(device)
        self.average = average.to(device).requires_grad_(False).eval()
        # Modest at first: the penalty's inner gradient is scaled within half precision too.
        self.scaler = torch.amp.GradScaler(
            device.type, init_scale=2.0**8, enabled=config.precision == "fp16"
        )
        self.step = 0
        self.stage = (-1, False)  # level, and whether it is fading in
        self.generate: nn.Module = self.generator
        self.judge: nn.Module = self.discriminator
        if config.compile:
            self.generate = torch.compile(self.generator)  # type: ignore[assignment]
            self.judge = torch.compile(self.discriminator)  # type: ignore[assignment]

    @property
    def searching(self) -> bool:
        """Whether a loss that is not finite may be the scaler's doing: it skips the step, takes a
        smaller scale, and no weight has moved."""
        return self.scaler.is_enabled() and self.scaler.get_scale() >= 1.0

    @property
    def level(self) -> int:
        """How far the networks have grown."""
        return self.stage[0]

    def begin_stage(self, phase: Phase) -> None:
        """Fresh optimisers over what takes part at the level.

        The reference resets Adam when a size begins to fade in, and again once it is in.
        """
        self.stage = (phase.level, phase.fading)
        if self.config.compile:
            # A stage compiles five graphs. The compiler keeps eight of a function and runs the rest
            # uncompiled, which would be the largest sizes; those of the last stage are done with.
            torch.compiler.reset()
        self.adam_g = self._adam(self.generator, phase)
        self.adam_d = self._adam(self.discriminator, phase)

    def _adam(self, network: nn.Module, phase: Phase) -> torch.optim.Adam:
        return torch.optim.Adam(
            list(active(network, phase.level).values()),
            lr=phase.stage.learning_rate,
            betas=(self.config.beta1, self.config.beta2),
            eps=self.config.adam_epsilon,
            fused=True,
        )

    def _autocast(self) -> AbstractContextManager[None]:
        kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.config.precision)
        return torch.autocast(self.device.type, dtype=kind, enabled=kind is not None)

    def share(self, minibatch: int) -> Tensor:
        """Positions of a minibatch that this worker computes."""
        self.workers.share(minibatch)
        return shares(minibatch, self.workers.world, self.config.network)[self.workers.rank]

    def _latents(self, count: int, purpose: int, extra: int = 0) -> Tensor:
        """This worker's latents of a minibatch of which it has ``count`` samples."""
        source = stream(self.config.seed, self.step, purpose + 16 * extra)
        whole = count * self.workers.world
        drawn = torch.randn(whole, self.config.network.latent_size, generator=source)
        return drawn[self.share(whole)].to(self.device, non_blocking=True)

    def _mixes(self, count: int, turn: int) -> Tensor:
        """Where between film and sample the penalty is taken, (count,) in [0, 1]."""
        source = stream(self.config.seed, self.step, MIX + 16 * turn)
        whole = count * self.workers.world
        drawn = torch.rand(whole, generator=source)
        return drawn[self.share(whole)].to(self.device)

    def train_step(self, films: list[Tensor], phase: Phase) -> dict[str, Tensor]:
        """One step on ``critic_steps`` minibatches of this worker's films, (n, 1, size, size).

        films are in [0, 1]. Returns the losses as scalars on the device (no synchronisation).
        """
        low, high = self.config.network.pixel_range
        level = phase.level
        fade: float | Tensor = phase.fade
        if self.config.compile and phase.fading:  # a tensor, so that no value is compiled in
            fade = torch.tensor(phase.fade, device=self.device)
        terms: dict[str, Tensor] = {}
        for turn, batch in enumerate(films):
            real = fade_films(batch * (high - low) + low, phase.fade)
            real = real.expand(-1, self.config.network.image_channels, -1, -1)
            terms = self._discriminator_step(real, level, fade, turn)
        terms["generator"] = self._generator_step(len(films[-1]), level, fade)
        self._average(level)
        self.step += 1
        return terms

    def _parts(self, count: int) -> Tensor:
        """Positions of each part of this worker's share."""
        if count % self.config.accumulate:
            raise ValueError(
                f"a worker's share of {count} images cannot be computed in "
                f"{self.config.accumulate} equal parts; lower --accumulate, or the number of "
                "workers"
            )
        return shares(count, self.config.accumulate, self.config.network).to(self.device)

    def _discriminator_step(
        self, real: Tensor, level: int, fade: float | Tensor, turn: int
    ) -> dict[str, Tensor]:
        config, parts = self.config, self._parts(len(real))
        self.adam_d.zero_grad(set_to_none=True)
        z, mix = self._latents(len(real), LATENTS_D, turn), self._mixes(len(real), turn)

        def score(images: Tensor) -> Tensor:
            scores: Tensor = self.judge(images, level=level, fade=fade)
            return scores

        def plain(images: Tensor) -> Tensor:
            scores: Tensor = self.discriminator(images, level=level, fade=fade)
            return scores

        sums: dict[str, Tensor] = {}
        for part in parts:
            with self._autocast():
                with torch.no_grad():
                    fake = self.generate(z[part], level=level, fade=fade).float()
                terms = discriminator_terms(
                    score,
                    real[part],
                    fake,
                    mix[part],
                    penalty=config.penalty,
                    drift=config.drift,
                    penalised=plain,
                    loss_scale=self.scaler.get_scale() if self.scaler.is_enabled() else 1.0,
                )
            self.scaler.scale(terms["loss"] / len(parts)).backward()
            for name, value in terms.items():
                sums[name] = sums.get(name, 0) + value.detach() / len(parts)
        self._apply(self.adam_d)
        return sums

    def _generator_step(self, count: int, level: int, fade: float | Tensor) -> Tensor:
        parts = self._parts(count)
        self.adam_g.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        with frozen(self.discriminator):
            z = self._latents(count, LATENTS_G)
            for part in parts:
                with self._autocast():
                    fake = self.generate(z[part], level=level, fade=fade)
                    loss = generator_loss(
                        lambda images: self.judge(images, level=level, fade=fade), fake
                    )
                self.scaler.scale(loss / len(parts)).backward()
                total += loss.detach() / len(parts)
        self._apply(self.adam_g)
        return total

    def _apply(self, adam: torch.optim.Adam) -> None:
        parameters = [p for group in adam.param_groups for p in group["params"]]
        self.workers.average_gradients(parameters)
        self.scaler.step(adam)
        self.scaler.update()  # after each: an optimiser may step once between two updates

    @torch.no_grad()
    def _average(self, level: int) -> None:
        source = active(self.generator, level)
        target = dict(self.average.named_parameters())
        torch._foreach_lerp_(
            [target[name] for name in source], list(source.values()), 1.0 - self.config.ema
        )
