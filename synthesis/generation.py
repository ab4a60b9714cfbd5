"""Sample a generator into the archive: the one path of the job and of the command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from readerstudy.imaging.models import Batch, Scan
from synthesis import archive, checkpoint_store, provenance
from synthesis.models import Generator

DEVICES = ("cpu", "cuda")
MOST_AT_ONCE = 20_000
LARGEST_SEED = 2**53 - 1  # whole numbers that JSON, and so every database, keeps exactly


class DeviceMissing(RuntimeError):
    """The job was queued for a device that this worker does not have."""


@dataclass(frozen=True)
class Wish:
    """Images ``start`` to ``start + count - 1`` of ``seed``."""

    count: int
    seed: int
    start: int = 0
    truncation: float | None = None
    bits: int = 12
    device: str = "cpu"
    # Of a conditional generator: a label of each group, None where it is drawn for each image.
    labels: tuple[int | None, ...] | None = None

    def __post_init__(self) -> None:
        if self.labels is not None:  # all drawn is the same as nothing asked
            asked = tuple(self.labels)
            object.__setattr__(self, "labels", asked if any(k is not None for k in asked) else None)
        if self.truncation == 1.0:  # the same latents, so the same scans
            object.__setattr__(self, "truncation", None)
        if not 1 <= self.count <= MOST_AT_ONCE:
            raise ValueError(f"count {self.count}: 1 to {MOST_AT_ONCE:,} scans at once")
        if not 0 <= self.seed <= LARGEST_SEED or not 0 <= self.start <= LARGEST_SEED - self.count:
            raise ValueError(
                f"seed {self.seed}, start {self.start}: whole numbers from 0 to {LARGEST_SEED}"
            )
        if self.truncation is not None and not 0.0 < self.truncation <= 1.0:
            raise ValueError(f"truncation {self.truncation}: above 0, up to 1 (no truncation)")
        if self.bits not in (8, 10, 12, 14, 16):
            raise ValueError(f"bits {self.bits}: 8, 10, 12, 14 or 16")
        if self.device not in DEVICES:
            raise ValueError(f"device {self.device!r}: one of {', '.join(DEVICES)}")

    @property
    def indices(self) -> range:
        return range(self.start, self.start + self.count)


@dataclass(frozen=True)
class Made:
    """One latent index that is in the archive now."""

    index: int
    scan: Scan | None  # None: it was there before this run began
    created: bool


def generate(
    generator: Generator, wish: Wish, *, batch: Batch | None = None, job: str = ""
) -> Iterator[Made]:
    """Every image of the wish, in order of its latent index, as it reaches the archive.

    What the archive holds already is not computed again, so an interrupted run goes on where it
    was. Raises ``DeviceMissing`` and ``checkpoint_store.CheckpointMissing``.
    """
    there = archive.archived_indices(
        generator, seed=wish.seed, truncation=wish.truncation, labels=wish.labels
    )
    missing = [index for index in wish.indices if index not in there]
    for index in wish.indices:
        if index in there:
            yield Made(index, None, False)
    if missing:
        yield from _sample(generator, wish, missing, batch=batch, job=job)


def _sample(
    generator: Generator, wish: Wish, missing: list[int], *, batch: Batch | None, job: str
) -> Iterator[Made]:
    import torch

    from synthesis.pggan import conditions
    from synthesis.pggan.sampling import Sampler, sample

    groups = conditions.groups(generator.config, generator.card)
    sampler = Sampler(load_network(generator, wish.device))
    size = 4 if wish.device == "cuda" and generator.resolution >= 512 else 16
    for first, count in runs(missing):
        for index, image in sample(
            sampler,
            count,
            seed=wish.seed,
            truncation=wish.truncation,
            batch_size=size if wish.device == "cuda" else 1,
            start=first,
            labels=wish.labels,
        ):
            told = conditions.of_image(sampler.config, wish.seed, index, wish.labels)
            origin: dict[str, Any] = provenance.of_sample(
                generator,
                seed=wish.seed,
                index=index,
                truncation=wish.truncation,
                bits=wish.bits,
                device=wish.device,
                condition=provenance.condition(groups, told, wish.labels),
                job=job,
                torch_version=str(torch.__version__),
            )
            scan, created = archive.add_generated(
                image, generator=generator, provenance=origin, batch=batch
            )
            yield Made(index, scan, created)


def load_network(generator: Generator, device: str) -> Any:
    """The generator's network on the device; torch is loaded here and not before."""
    import torch

    from synthesis.pggan.checkpoints import load_generator

    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceMissing(
            "This job waits for a GPU, and the worker that took it has none: start the worker of "
            "the queue 'gpu' on a machine with one, or ask again on the CPU."
        )
    with checkpoint_store.checkpoint(generator) as path:
        return load_generator(path).to(device)


def runs(indices: list[int]) -> Iterator[tuple[int, int]]:
    """Ascending indices as (first, count) of their unbroken runs."""
    first = previous = indices[0]
    for index in indices[1:]:
        if index != previous + 1:
            yield first, previous - first + 1
            first = index
        previous = index
    yield first, previous - first + 1
