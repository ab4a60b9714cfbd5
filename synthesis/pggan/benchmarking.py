"""Images per second per size, beside what the device can do at best."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from synthesis.pggan.distributed import Workers
from synthesis.pggan.networks import Generator
from synthesis.pggan.presets import TrainingConfig
from synthesis.pggan.sampling import Sampler, exact, latents
from synthesis.pggan.step import Trainer


@dataclass(frozen=True)
class Timing:
    """One line of the bench."""

    what: str  # train or sample
    resolution: int
    minibatch: int
    images_per_second: float
    flops_per_image: float  # floating-point operations, two per multiply-add
    peak_share: float  # of the device's measured matrix-product rate
    memory_mib: float  # peak on a GPU; of the process on a CPU


class Operations(TorchDispatchMode):
    """Counts the operations of convolutions and matrix products.

    torch's own counter tracks modules by hooks, which a gradient within a gradient breaks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        count = flop_registry.get(function._overloadpacket)
        if count is None:  # in inference mode a convolution arrives whole; look inside
            with self:
                result = function.decompose(*args, **(kwargs or {}))
            if result is not NotImplemented:
                return result
        result = function(*args, **(kwargs or {}))
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=result)
        return result


def measured_peak(device: torch.device, dtype: torch.dtype, *, seconds: float = 1.0) -> float:
    """Operations per second of a large matrix product: the most a convolution can hope for."""
    side = 8192 if device.type == "cuda" else 1536
    a = torch.randn(side, side, device=device, dtype=dtype)
    best = 0.0
    before = torch.backends.cuda.matmul.allow_tf32
    # Convolutions in float32 may use TF32 by default and matrix products may not: the same
    # arithmetic for both, or a share of the peak could pass 100 %.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    try:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until or not best:
            spent = timed(lambda: a @ a, device)
            best = max(best, 2.0 * side**3 / spent)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return best


def clock(device: torch.device) -> Callable[[], float]:
    """The wall's clock; on one thread of a CPU the processor's, which others cannot slow."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    return time.process_time if alone else time.perf_counter


def timed(deed: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, the device's work included."""
    now = clock(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = now()
    deed()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return now() - start


def fastest(deed: Callable[[], object], device: torch.device, *, seconds: float) -> float:
    """The fastest of repeated calls within about ``seconds``, after one to warm up.

    The fastest, since whatever else the machine does can only add time.
    """
    deed()
    best, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until or best == float("inf"):
        best = min(best, timed(deed, device))
    return best


def memory_mib(device: torch.device) -> float:
    """Peak memory so far, MiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bench(
    config: TrainingConfig, device: torch.device, *, seconds: float = 3.0
) -> Iterator[Timing]:
    """Training and sampling at every size of a schedule, smallest first."""
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.precision, torch.float32)
    peak = peak_fp32 = 0.0
    trainer = Trainer(config, device, Workers())
    shown = 0
    for stage in config.schedule.stages:
        shown += stage.images
        phase = config.schedule.at(shown - 1)
        phase = dataclasses.replace(phase, fade=1.0)
        trainer.begin_stage(phase)
        films = [torch.rand(stage.minibatch, 1, stage.resolution, stage.resolution, device=device)]
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        with Operations() as counter:
            trainer.train_step(films, phase)
        flops = counter.total / stage.minibatch
        spent = fastest(lambda f=films, p=phase: trainer.train_step(f, p), device, seconds=seconds)  # type: ignore[misc]
        rate = stage.minibatch / spent
        # Measured anew at each size and the best kept: a shared machine's pace wanders.
        peak = max(peak, measured_peak(device, dtype, seconds=0.3))
        with exact():  # as sampling computes
            peak_fp32 = max(peak_fp32, measured_peak(device, torch.float32, seconds=0.3))
        yield Timing(
            "train", stage.resolution, stage.minibatch, rate, flops, rate * flops / peak,
            memory_mib(device),
        )  # fmt: skip
        yield bench_sampling(trainer.average, phase.level, device, peak_fp32, seconds)


def bench_sampling(
    generator: Generator, level: int, device: torch.device, peak: float, seconds: float
) -> Timing:
    """Sampling as ``sampling.sample`` does it: one image at a time on a CPU."""
    from synthesis.pggan.networks import grown

    sampler = Sampler(grown(generator, level).to(device))
    count = 1 if device.type == "cpu" else 16
    z = latents(0, range(count), sampler.config.latent_size).to(device)
    with Operations() as counter:
        sampler(z)
    flops = counter.total / count
    rate = count / fastest(lambda: sampler(z), device, seconds=seconds)
    return Timing(
        "sample", 4 * 2**level, count, rate, flops, rate * flops / peak, memory_mib(device)
    )
