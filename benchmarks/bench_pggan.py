"""PGGAN speed beside pytorch_GAN_zoo's arithmetic, on this machine in this run.

The peer is its arithmetic written plainly in torch (no code of it is used): activations multiplied
by He's constant, nearest upscaling and 3 x 3 convolution apart, pooling after the activation, the
generator carried through the discriminator's backward pass, a finite check of every gradient. Both
sides have the same channels, minibatch, precision, threads and optimiser settings, and are timed in
turns, so that a busy machine slows both; the fastest of the turns counts.

On one thread the clock is the processor's, which other programmes cannot slow; on more, the wall's.

    python -m benchmarks.bench_pggan [--sizes 32 64 128] [--channels-max 64] [--seconds 20]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from synthesis.pggan.distributed import Workers
from synthesis.pggan.networks import grown
from synthesis.pggan.presets import preset
from synthesis.pggan.sampling import Sampler
from synthesis.pggan.schedule import Schedule, Stage
from synthesis.pggan.step import Trainer

TRAIN_BOUND, SAMPLE_BOUND = 1.3, 1.2  # on a CPU


class Peer(nn.Module):
    """A layer: weights from N(0, 1), the output multiplied by He's constant."""

    def __init__(self, inner: nn.Conv2d | nn.Linear) -> None:
        super().__init__()
        self.inner = inner
        nn.init.normal_(inner.weight)
        nn.init.zeros_(inner.bias)
        self.constant = math.sqrt(2.0 / math.prod(inner.weight.shape[1:]))

    def forward(self, x: Tensor) -> Tensor:
        x = self.inner(x)
        x *= self.constant
        return x


def conv(a: int, b: int, kernel: int = 3) -> Peer:
    return Peer(nn.Conv2d(a, b, kernel, padding=kernel // 2))


def norm(x: Tensor) -> Tensor:
    return x * (((x**2).mean(dim=1, keepdim=True) + 1e-8).rsqrt())


def upscale(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    x = x.view(n, c, h, 1, w, 1).expand(n, c, h, 2, w, 2)
    return x.contiguous().view(n, c, 2 * h, 2 * w)


class PeerGenerator(nn.Module):
    def __init__(self, channels: tuple[int, ...], latent: int) -> None:
        super().__init__()
        self.dense = Peer(nn.Linear(latent, 16 * channels[0]))
        self.first = conv(channels[0], channels[0])
        pairs = list(pairwise(channels))
        self.blocks = nn.ModuleList(nn.ModuleList([conv(a, b), conv(b, b)]) for a, b in pairs)
        self.colour = conv(channels[-1], 1, 1)
        self.act = nn.LeakyReLU(0.2)

    def forward(self, z: Tensor) -> Tensor:
        x = norm(self.act(self.dense(norm(z))).view(len(z), -1, 4, 4))
        x = norm(self.act(self.first(x)))
        for block in self.blocks:
            x = upscale(x)
            for layer in block:
                x = norm(self.act(layer(x)))
        return self.colour(x)


class PeerDiscriminator(nn.Module):
    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.colour = conv(1, channels[-1], 1)
        pairs = list(pairwise(channels))
        self.blocks = nn.ModuleList(
            nn.ModuleList([conv(b, b), conv(b, a)]) for a, b in reversed(pairs)
        )
        self.last = conv(channels[0] + 1, channels[0])
        self.dense = Peer(nn.Linear(16 * channels[0], channels[0]))
        self.score = Peer(nn.Linear(channels[0], 1))
        self.act = nn.LeakyReLU(0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.colour(x))
        for block in self.blocks:
            for layer in block:
                x = self.act(layer(x))
            x = F.avg_pool2d(x, (2, 2))
        n, c = x.shape[:2]
        group = 4 if n % 4 == 0 else n
        y = torch.sqrt(torch.var(x.view(group, -1, c, 4, 4), 0) + 1e-8)
        y = y.view(n // group, -1).mean(1).view(-1, 1, 1, 1).repeat(group, 1, 4, 4)
        x = self.act(self.last(torch.cat([x, y], dim=1)))
        return self.score(self.act(self.dense(x.flatten(1))))


class PeerTrainer:
    def __init__(self, channels: tuple[int, ...], latent: int) -> None:
        self.latent = latent
        self.g, self.average = PeerGenerator(channels, latent), PeerGenerator(channels, latent)
        self.d = PeerDiscriminator(channels)
        self.adam_g = torch.optim.Adam(self.g.parameters(), lr=1e-3, betas=(0.0, 0.99))
        self.adam_d = torch.optim.Adam(self.d.parameters(), lr=1e-3, betas=(0.0, 0.99))

    @staticmethod
    def _finite(network: nn.Module) -> None:
        for parameter in network.parameters():
            if parameter.grad is not None:
                infinite = parameter.grad.abs() == float("inf")
                parameter.grad[infinite] = 0
                parameter.grad[parameter.grad != parameter.grad] = 0

    def step(self, real: Tensor) -> None:
        self.adam_d.zero_grad()
        real_scores = self.d(real)[:, 0]
        loss = -real_scores.sum()
        fake = self.g(torch.randn(len(real), self.latent))  # its graph is kept, as in the peer
        loss = loss + self.d(fake)[:, 0].sum()
        mix = torch.rand(len(real), 1, 1, 1)
        points = (mix * real + (1 - mix) * fake).detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(self.d(points)[:, 0].sum(), points, create_graph=True)
        norms = (slope.view(len(real), -1) ** 2).sum(dim=1).sqrt()
        loss = loss + 10 * ((norms - 1.0) ** 2).mean()
        loss = loss + 1e-3 * (real_scores**2).sum()
        loss.backward()
        self._finite(self.d)
        self.adam_d.step()
        self.adam_g.zero_grad()
        self.adam_d.zero_grad()
        (-self.d(self.g(torch.randn(len(real), self.latent)))[:, 0].sum()).backward()
        self._finite(self.g)
        self.adam_g.step()
        for p, mean in zip(self.g.parameters(), self.average.parameters(), strict=True):
            mean.data.mul_(0.999).add_(p.data, alpha=0.001)


def clock() -> float:
    """Seconds of this process on one thread, of the wall on more."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def turns(ours: Callable[[], object], theirs: Callable[[], object], seconds: float) -> list[float]:
    """The fastest of alternating calls, (ours, theirs), in seconds."""
    best = [math.inf, math.inf]
    ours(), theirs()
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or math.inf in best:
        for i, deed in enumerate((ours, theirs)):
            start = clock()
            deed()
            best[i] = min(best[i], clock() - start)
    return best


def measure(size: int, options: argparse.Namespace) -> dict[str, float]:
    """One size: training and sampling, ours and the peer's."""
    stage = Stage(size, 0, 1, options.minibatch, 1e-3)
    network = {"channels_max": options.channels_max, "channels_base": options.channels_base}
    config = preset("128", resolution=size, network=network, schedule=Schedule((stage,)))
    config = dataclasses.replace(config, precision="fp32")
    phase = config.schedule.at(0)
    trainer = Trainer(config, torch.device("cpu"), Workers())
    trainer.begin_stage(phase)
    channels, latent = config.network.channels, config.network.latent_size
    peer = PeerTrainer(channels, latent)
    real = torch.rand(options.minibatch, 1, size, size)
    ours, theirs = turns(
        lambda: trainer.train_step([real], phase), lambda: peer.step(real * 2 - 1), options.seconds
    )
    sampler = Sampler(grown(trainer.average, phase.level))
    z = torch.randn(1, latent)

    @torch.no_grad()
    def peer_sample() -> Tensor:
        return peer.average(z)

    sample_ours, sample_theirs = turns(lambda: sampler(z), peer_sample, options.seconds / 2)
    return {
        "size": size,
        "train_ours": options.minibatch / ours,
        "train_peer": options.minibatch / theirs,
        "train_ratio": theirs / ours,
        "sample_ours": 1 / sample_ours,
        "sample_peer": 1 / sample_theirs,
        "sample_ratio": sample_theirs / sample_ours,
    }


def memory(size: int, options: argparse.Namespace) -> float:
    """MiB that training at a size adds to a fresh process, for its peak."""
    command = [sys.executable, __file__, "--memory-of", str(size), "--threads", "1"]
    for name in ("channels_max", "channels_base", "minibatch"):
        command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def peak_mib() -> float:
    """Peak resident memory of this process; a child's rusage would start at its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory_here(options: argparse.Namespace) -> float:
    before = peak_mib()
    stage = Stage(options.memory_of, 0, 1, options.minibatch, 1e-3)
    network = {"channels_max": options.channels_max, "channels_base": options.channels_base}
    config = preset(
        "128", resolution=options.memory_of, network=network, schedule=Schedule((stage,))
    )
    trainer = Trainer(config, torch.device("cpu"), Workers())
    trainer.begin_stage(config.schedule.at(0))
    films = [torch.rand(options.minibatch, 1, options.memory_of, options.memory_of)]
    for _ in range(2):
        trainer.train_step(films, config.schedule.at(0))
    return peak_mib() - before


def start_up() -> dict[str, float]:
    """Seconds from nothing to the help text, and to the first sample of a generator in hand."""
    root = str(Path(__file__).resolve().parents[1])

    def seconds(code: list[str]) -> float:
        best = math.inf
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run([sys.executable, *code], cwd=root, capture_output=True, check=True)
            best = min(best, time.perf_counter() - start)
        return best

    first = (
        "from synthesis.pggan.config import karras\n"
        "from synthesis.pggan.networks import Generator\n"
        "from synthesis.pggan.sampling import sample\n"
        "next(sample(Generator(karras(64, channels_max=64)), 1, seed=0))\n"
    )
    return {
        "help": seconds(["-m", "synthesis.pggan", "--help"]),
        "import torch": seconds(["-c", "import torch"]),
        "first sample": seconds(["-c", first]),
    }


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--sizes", type=int, nargs="+", default=[16, 32, 64, 128])
    p.add_argument("--channels-base", type=int, default=4096)
    p.add_argument("--channels-max", type=int, default=64)
    p.add_argument("--minibatch", type=int, default=8)
    p.add_argument("--seconds", type=float, default=15.0)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--json", type=Path)
    p.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    options = p.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.memory_of:
        print(memory_here(options))
        return 0
    print(
        f"fp32, {options.threads} thread(s), minibatch {options.minibatch}, up to "
        f"{options.channels_max} channels, torch {torch.__version__}"
    )
    print("size   train img/s: ours  peer  ratio   sample img/s: ours  peer  ratio   MiB")
    lines = []
    for size in options.sizes:
        line = measure(size, options) | {"memory_mib": memory(size, options)}
        lines.append(line)
        print(
            f"{size:4}   {line['train_ours']:17.1f} {line['train_peer']:5.1f} "
            f"{line['train_ratio']:5.2f}x  {line['sample_ours']:18.1f} "
            f"{line['sample_peer']:5.1f} {line['sample_ratio']:5.2f}x {line['memory_mib']:6.0f}",
            flush=True,
        )
    begin = start_up()
    print("start-up: " + ", ".join(f"{k} {v:.2f} s" for k, v in begin.items()))
    if options.json:
        options.json.write_text(json.dumps({"sizes": lines, "start_up": begin}, indent=1))
    slow = [x["size"] for x in lines if x["train_ratio"] < TRAIN_BOUND]
    slow += [x["size"] for x in lines if x["sample_ratio"] < SAMPLE_BOUND]
    if slow:
        print(f"below {TRAIN_BOUND}x training or {SAMPLE_BOUND}x sampling at {sorted(set(slow))}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
