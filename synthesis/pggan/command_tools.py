"""``python -m synthesis.pggan bench | walk | nearest | inspect | convert``"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the commands' arguments."""
    p = commands.add_parser("bench", help="images/s for training and sampling per size")
    p.set_defaults(run=run_bench)
    p.add_argument("--preset", default="128")
    p.add_argument("--resolution", type=int, help="the largest size; default the preset's")
    p.add_argument("--channels-max", type=int)
    p.add_argument("--channels-base", type=int)
    p.add_argument("--minibatch", type=int, help="default the preset's by size")
    p.add_argument("--precision", choices=["auto", "fp32", "bf16", "fp16"], default="fp32")
    p.add_argument("--seconds", type=float, default=3.0, help="for each line")
    p.add_argument("--device", default="auto")
    p.add_argument("--threads", type=int)
    p.add_argument("--json", type=Path, help="write the lines here as well")

    p = commands.add_parser("walk", help="a walk through latent space as .gif, .mp4 or frames")
    p.set_defaults(run=run_walk)
    p.add_argument("generator", type=Path)
    p.add_argument("--out", required=True, type=Path)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--indices", type=int, nargs="+", default=[0, 1, 2, 3])
    p.add_argument("--steps", type=int, default=24, help="frames from one image to the next")
    p.add_argument("--kind", choices=["spherical", "linear"], default="spherical")
    p.add_argument("--open", action="store_true", help="do not return to the first image")
    p.add_argument("--truncation", type=float)
    p.add_argument("--fps", type=float, default=12.0)
    p.add_argument("--size", type=int)

    p = commands.add_parser("nearest", help="nearest training films of samples; copying test")
    p.set_defaults(run=run_nearest)
    p.add_argument("generator", type=Path)
    p.add_argument("--pyramid", required=True, type=Path)
    p.add_argument("-n", "--number", type=int, default=200)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", type=Path, help="a picture: each closest sample beside its films")
    p.add_argument("--show", type=int, default=8, help="closest samples in the picture")

    p = commands.add_parser("inspect", help="what a checkpoint is, and whether all of it fits")
    p.set_defaults(run=run_inspect)
    p.add_argument("generator", type=Path)

    p = commands.add_parser("convert", help="any known checkpoint to our own format")
    p.set_defaults(run=run_convert)
    p.add_argument("generator", type=Path)
    p.add_argument("out", type=Path)
    p.add_argument("--half", action="store_true", help="weights as float16, half the size")
    p.add_argument("--licence", help="for the model card")
    p.add_argument("--name", help="for the model card")


def say(text: str) -> None:
    """A line to standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run_bench(options: argparse.Namespace) -> int:
    """Time every size."""
    import dataclasses

    import torch

    from synthesis.pggan import benchmarking, distributed
    from synthesis.pggan.presets import preset

    if options.threads:
        torch.set_num_threads(options.threads)
    _, device = distributed.join(options.device)
    precision = options.precision
    if precision == "auto":
        precision = distributed.native_precision(device)
    network = {
        key: value
        for key in ("channels_base", "channels_max")
        if (value := getattr(options, key)) is not None
    }
    config = preset(
        options.preset, resolution=options.resolution, network=network, precision=precision
    )
    if options.minibatch:
        config = dataclasses.replace(
            config, schedule=config.schedule.changed(minibatch=options.minibatch)
        )
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    threads = torch.get_num_threads()
    time = "processor" if device.type == "cpu" and threads == 1 else "wall"
    say(f"{name}, {precision}, {threads} threads, torch {torch.__version__}, {time} time")
    say(f"{'':8}{'size':>6}{'batch':>7}{'img/s':>10}{'GFLOP/img':>11}{'of peak':>9}{'MiB':>8}")
    lines = []
    for t in benchmarking.bench(config, device, seconds=options.seconds):
        say(
            f"{t.what:8}{t.resolution:>6}{t.minibatch:>7}{t.images_per_second:>10.2f}"
            f"{t.flops_per_image / 1e9:>11.3g}{t.peak_share:>8.0%} {t.memory_mib:>8.0f}"
        )
        lines.append(dataclasses.asdict(t))
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1))
    return 0


def run_walk(options: argparse.Namespace) -> int:
    """Write a walk."""
    from synthesis.pggan import checkpoints, walks

    frames = walks.walk(
        checkpoints.load_generator(options.generator),
        seed=options.seed,
        indices=options.indices,
        steps=options.steps,
        kind=options.kind,
        closed=not options.open,
        truncation=options.truncation,
    )
    say(str(walks.write_walk(frames, options.out, fps=options.fps, size=options.size)))
    return 0


def run_nearest(options: argparse.Namespace) -> int:
    """Compare samples with the training films."""
    import numpy as np

    from synthesis.pggan import checkpoints, pictures, sampling
    from synthesis.pggan.neighbours import NeighbourIndex
    from synthesis.pggan.pyramid import Pyramid

    generator = checkpoints.load_generator(options.generator)
    index = NeighbourIndex(Pyramid.open(options.pyramid))
    drawn = sampling.sample(generator, options.number, seed=options.seed)
    samples = np.stack([image for _, image in drawn])
    test = index.copying_test(samples)
    say(test.describe())
    side = min(samples.shape[1], index.pyramid.resolution)
    rows = []
    for sample, distance in test.closest[: options.show]:
        near = index.nearest(samples[sample], 5)
        say(f"sample {sample} ({distance:.3f}): " + ", ".join(n.name for n in near))
        films = index.pyramid.unit(side, [n.index for n in near])
        rows.append(np.concatenate([pictures.resize(samples[sample], side)[None], films]))
    if options.out:
        page = pictures.grid(np.concatenate(rows), rows[0].shape[0])
        pictures.write_png(options.out, page)
    return 0


def run_inspect(options: argparse.Namespace) -> int:
    """Describe a checkpoint."""
    from synthesis.pggan import checkpoints
    from synthesis.pggan.networks import parameter_count

    generator, report = checkpoints.load_with_report(options.generator)
    say(report.describe())
    say(f"generator: {parameter_count(generator):,} parameters, fade {generator.fade:g}")
    say(json.dumps({"config": generator.config.as_json(), "card": generator.card}, indent=1))
    return 0


def run_convert(options: argparse.Namespace) -> int:
    """Write a checkpoint in our own format."""
    from synthesis.pggan import checkpoints

    generator, report = checkpoints.load_with_report(options.generator)
    say(report.describe())
    given = {"licence": options.licence, "name": options.name}
    card = generator.card | {k: v for k, v in given.items() if v}
    say(str(checkpoints.save_generator(generator, options.out, card, half=options.half)))
    return 0
