"""Watching a run for the ways it dies: numbers that are not finite, and samples all alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


class TrainingStopped(RuntimeError):
    """A run that cannot go on. The last good state is kept."""


class Diverged(TrainingStopped):
    """A loss or a weight is no longer a finite number."""


class Collapsed(TrainingStopped):
    """The generator gives nearly the same image for every latent."""


class OutOfMemory(TrainingStopped):
    """The device has too little memory; the message says what to lower."""


def check_finite(losses: Mapping[str, float], images: int) -> None:
    """Raise Diverged when a loss is not finite."""
    bad = [name for name, value in losses.items() if not math.isfinite(value)]
    if bad:
        raise Diverged(
            f"after {images} images {', '.join(f'{n} = {losses[n]}' for n in bad)}: training has "
            "diverged. The last good state is kept. Try a lower learning rate, fp32 or bf16 "
            "instead of fp16, or a larger minibatch, and resume"
        )


def spread(images: np.ndarray) -> float:
    """Mean over pixels of the standard deviation over images. images: (N, H, W)"""
    return float(images.std(axis=0).mean())


@dataclass
class CollapseWatch:
    """Compares the samples' spread with the films', tick by tick."""

    real_spread: float
    ratio: float
    patience: int = 3
    low_ticks: int = 0

    def check(self, samples: np.ndarray, images: int) -> float:
        """The spread of the samples over that of the films.

        Raises:
            Collapsed: when it was below ``ratio`` at ``patience`` ticks in a row.
        """
        relative = spread(samples) / max(self.real_spread, 1e-6)
        self.low_ticks = self.low_ticks + 1 if relative < self.ratio else 0
        if self.low_ticks >= self.patience:
            raise Collapsed(
                f"after {images} images the samples' spread is {relative:.4f} of the films' at "
                f"{self.low_ticks} ticks in a row (limit {self.ratio}): the generator has "
                "collapsed. The last good state is kept. Try a lower learning rate, a larger "
                "minibatch or more films"
            )
        return relative


def memory_advice(
    error: BaseException, *, minibatch: int, accumulate: int, resolution: int, precision: str
) -> OutOfMemory:
    """What to lower, in the order that costs least."""
    steps = [f"--accumulate {accumulate * 2} (the same training, half the memory for images)"]
    if precision == "fp32":
        steps.append("--precision bf16")
    if minibatch > 1:
        steps.append(f"--minibatch {resolution}:{max(minibatch // 2, 1)}")
    steps.append("--channels-max with a smaller number (a new run)")
    first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return OutOfMemory(
        f"out of memory at {resolution} x {resolution}, minibatch {minibatch} in {accumulate} "
        f"part(s): {first}. The last good state is kept; resume with " + ", or ".join(steps)
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or a CPU."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    # The last is cuDNN's and cuBLAS's way of saying it (..._STATUS_ALLOC_FAILED).
    signs = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)
