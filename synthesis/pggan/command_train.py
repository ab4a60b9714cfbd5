"""``python -m synthesis.pggan train``: films in, a run folder out."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthesis.pggan.config import ConfigError, level_of
from synthesis.pggan.presets import PRESETS, TrainingConfig, preset
from synthesis.pggan.schedule import Schedule

if TYPE_CHECKING:  # torch is loaded by the command that needs it
    from synthesis.pggan.distributed import Workers
    from synthesis.pggan.pyramid import Pyramid


def add(commands: Any) -> None:
    """Add the command's arguments."""
    p = commands.add_parser("train", help="train a generator, or go on with a run")
    p.set_defaults(run=run)
    p.add_argument("--data", required=True, type=Path, help="folder, zip, manifest or pyramid")
    p.add_argument("--out", required=True, type=Path, help="the run's folder; resumed if it exists")
    p.add_argument("--preset", choices=list(PRESETS), help="default: by resolution")
    p.add_argument("--resolution", type=int)
    p.add_argument("--kimg", type=float, help="length of the whole, thousands of images")
    p.add_argument(
        "--kimg-per-size", nargs="+", metavar="SIZE:FADE+STABLE", help="such as 32:5+20 64:10+60"
    )
    p.add_argument("--minibatch", nargs="+", metavar="N or SIZE:N")
    p.add_argument("--lr", type=float)
    p.add_argument("--tick-kimg", type=float)
    p.add_argument("--channels-base", type=int, help="channels at 4 x 4 are about half of this")
    p.add_argument("--channels-max", type=int)
    p.add_argument("--latent-size", type=int)
    p.add_argument("--image-channels", type=int)
    p.add_argument("--seed", type=int)
    p.add_argument("--ema", type=float, help="of the moving average, per step")
    p.add_argument("--critic-steps", type=int, help="discriminator steps per generator step")
    p.add_argument("--mirror", action="store_true", default=None, help="off by default: situs")
    p.add_argument("--precision", choices=["auto", "fp32", "bf16", "fp16"])
    p.add_argument("--accumulate", type=int, help="compute each minibatch in this many parts")
    p.add_argument("--compile", action="store_true", default=None)
    p.add_argument("--device", default=None)
    p.add_argument("--threads", type=int, help="CPU threads")
    p.add_argument("--checkpoint-minutes", type=float)
    p.add_argument("--keep", type=int, help="newest states kept")
    p.add_argument("--keep-every-kimg", type=float, help="states kept for good")
    p.add_argument("--check-ticks", type=int, help="ticks between distance checks; 0 for none")
    p.add_argument("--check-images", type=int, help="samples in a distance check")
    p.add_argument("--no-resume", action="store_true", help="refuse a folder that holds a run")
    data = p.add_argument_group("films")
    data.add_argument("--pyramid", type=Path, help="default: OUT/pyramid")
    data.add_argument("--manifest", type=Path)
    data.add_argument("--where", nargs="+", metavar="COLUMN=VALUE[|VALUE]", default=[])
    data.add_argument("--patient-pattern", help="regular expression over a file's path; group 1")
    data.add_argument("--held-out", type=float, default=0.1, help="share of the patients")
    data.add_argument("--split-seed", type=int, default=0)
    data.add_argument("--bits", type=int, choices=[8, 16], default=8)
    data.add_argument("--workers", type=int, default=2)
    card = p.add_argument_group("model card")
    card.add_argument("--name", default="")
    card.add_argument("--data-description", default="")
    card.add_argument("--licence", default="not stated")
    p.add_argument("--quiet", action="store_true")


def sizes(words: Iterable[str]) -> tuple[int | None, dict[int, int]]:
    """``["16", "64:8"]`` to (16, {64: 8})."""
    every, by_size = None, {}
    for word in words:
        size, colon, value = word.partition(":")
        try:
            if colon:
                by_size[int(size)] = int(value)
            else:
                every = int(size)
        except ValueError:
            raise ConfigError(f"--minibatch {word}: N or SIZE:N expected, as 16 or 64:8") from None
    return every, by_size


def lengths(words: Iterable[str]) -> dict[int, tuple[float, float]]:
    """``["32:5+20"]`` to {32: (5, 20)}: thousands of images of fade and after."""
    found = {}
    for word in words:
        size, _, both = word.partition(":")
        fade, _, stable = both.partition("+")
        try:
            found[int(size)] = (float(fade), float(stable or 0))
        except ValueError:
            raise ConfigError(
                f"--kimg-per-size {word}: SIZE:FADE+STABLE expected, as 32:5+20"
            ) from None
    return found


def config_of(options: argparse.Namespace) -> TrainingConfig:
    """The preset with the command line's changes."""
    name = options.preset
    if options.resolution is not None:
        level_of(options.resolution)
    if name is None:
        name = {1024: "karras-v2", 32: "64", 16: "64", 8: "64", 4: "64", None: "64"}.get(
            options.resolution, str(options.resolution)
        )
    network = {
        key: value
        for key in ("channels_base", "channels_max", "latent_size", "image_channels")
        if (value := getattr(options, key)) is not None
    }
    base = preset(name, resolution=options.resolution, network=network)
    every, by_size = sizes(options.minibatch or [])
    schedule: Schedule = base.schedule.changed(
        kimg=options.kimg,
        minibatch=every,
        minibatch_per_size=by_size,
        learning_rate=options.lr,
        tick_kimg=options.tick_kimg,
        per_size=lengths(options.kimg_per_size or []),
    )
    wanted = [
        "seed",
        "ema",
        "mirror",
        "precision",
        "accumulate",
        "compile",
        "device",
        "critic_steps",
    ]
    wanted += ["checkpoint_minutes", "keep", "keep_every_kimg", "check_ticks", "check_images"]
    changes = {key: v for key in wanted if (v := getattr(options, key)) is not None}
    return preset(
        name, resolution=options.resolution, network=network, schedule=schedule, **changes
    )


def conditions(words: Iterable[str]) -> dict[str, list[str]]:
    """``["view=PA", "labels=Mass|Nodule"]`` to {column: values}."""
    chosen = {}
    for word in words:
        column, equals, values = word.partition("=")
        if not equals or not column:
            raise ConfigError(f"--where {word}: COLUMN=VALUE or COLUMN=VALUE|VALUE expected")
        chosen[column] = values.split("|")
    return chosen


def films(
    options: argparse.Namespace, config: TrainingConfig, workers: Workers, *, quiet: bool
) -> Pyramid:
    """The pyramid: opened, or built once while the other workers wait."""
    from tqdm import tqdm

    from synthesis.pggan.pyramid import Pyramid, build

    if (options.data / "pyramid.json").is_file():
        return Pyramid.open(options.data)
    folder = options.pyramid or options.out / "pyramid"

    def built() -> Pyramid:
        with tqdm(desc="films", unit="film", disable=quiet) as bar:

            def told(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            return build(
                options.data,
                folder,
                config.network.resolution,
                manifest=options.manifest,
                where=conditions(options.where),
                patient_pattern=options.patient_pattern,
                held_out=options.held_out,
                seed=options.split_seed,
                bits=options.bits,
                workers=options.workers,
                on_progress=told,
            )

    if workers.chief:
        built()
    workers.barrier()
    if workers.local_rank == 0 and not (folder / "pyramid.json").is_file():
        built()  # a host that does not share the chief's disk
    workers.barrier()
    return Pyramid.open(folder)


def run(options: argparse.Namespace) -> int:
    """Build or open the pyramid, train, and say how it ended."""
    import torch
    from tqdm import tqdm

    from synthesis.pggan import distributed
    from synthesis.pggan.progress import Progress
    from synthesis.pggan.training import train

    if options.threads is not None:
        if options.threads < 1:
            raise ConfigError(f"--threads {options.threads}: 1 or more expected")
        torch.set_num_threads(options.threads)
    config = config_of(options)
    workers, _ = distributed.join(config.device)
    quiet = options.quiet or not workers.chief
    pyramid = films(options, config, workers, quiet=quiet)
    if workers.chief:
        sys.stderr.write(pyramid.describe() + "\n")
    stop = False

    def ask_to_stop(_signal: int, _frame: object) -> None:
        nonlocal stop
        stop = True

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, ask_to_stop)
    total = config.schedule.images
    with tqdm(total=total, unit="img", unit_scale=True, disable=quiet) as bar:

        def show(progress: Progress) -> None:
            if not bar.n:  # a resumed run's pace is that of this sitting
                bar.initial = bar.n = bar.last_print_n = progress.images
            bar.set_description(f"{progress.resolution} x {progress.resolution}")
            figures = {"left": f"{progress.seconds_left / 60:.0f} min"}
            figures["img/s"] = f"{progress.images_per_second:.1f}"
            figures |= {k: f"{v:.2f}" for k, v in progress.losses.items() if k != "loss"}
            bar.set_postfix(figures, refresh=False)
            bar.update(progress.images - bar.n)

        result = train(
            config,
            pyramid,
            options.out,
            resume=not options.no_resume,
            on_progress=show,
            should_stop=lambda: stop,
            card={
                "name": options.name,
                "data": options.data_description,
                "licence": options.licence,
            },
        )
    if not workers.chief:
        return 0
    word = "finished" if result.finished else "stopped; the same command goes on from here"
    sys.stderr.write(f"{result.images} of {total} images: {word}\n{result.generator}\n")
    return 0
