"""``python -m synthesis.pggan sample``: a generator in, images out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's arguments."""
    p = commands.add_parser("sample", help="draw images from a generator")
    p.set_defaults(run=run)
    p.add_argument("generator", type=Path, help="a checkpoint in any format that is known")
    p.add_argument("--out", required=True, type=Path, help="folder for the images")
    p.add_argument("-n", "--number", type=int, default=16)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--start", type=int, default=0, help="index of the first image")
    p.add_argument("--truncation", type=float, help="below 1: less varied; default none")
    p.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="[GROUP=]LABEL",
        help="of a conditional generator (inspect lists them); drawn for each image by default",
    )
    p.add_argument("--size", type=int, help="side in pixels; default the generator's")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--bits", type=int, choices=[8, 16], default=8)
    p.add_argument("--format", choices=["png", "npy"], default="png")
    p.add_argument("--grid", type=int, metavar="COLUMNS", help="one picture of all instead")
    p.add_argument("--device", default="auto")
    p.add_argument("--threads", type=int)
    p.add_argument("--quiet", action="store_true")


def labels_of(generator: Any, options: argparse.Namespace, labels: Any) -> dict[str, Any]:
    """For ``samples.json``: every image's labels; nothing where the generator knows none."""
    from synthesis.pggan import conditions

    groups = conditions.groups(generator.config, generator.card)
    if not groups:
        return {}
    indices = range(options.start, options.start + options.number)
    found = [conditions.of_image(generator.config, options.seed, i, labels) for i in indices]
    return {
        "labels": [
            {g["name"]: g["values"][k] for g, k in zip(groups, one, strict=True)} for one in found
        ]
    }


def run(options: argparse.Namespace) -> int:
    """Sample to disk."""
    import numpy as np
    import torch
    from tqdm import tqdm

    from synthesis.pggan import checkpoints, conditions, distributed, pictures, sampling

    if options.threads:
        torch.set_num_threads(options.threads)
    _, device = distributed.join(options.device)
    generator = checkpoints.load_generator(options.generator).to(device)
    labels = conditions.named(generator.config, generator.card, options.label)
    images = sampling.sample(
        generator,
        options.number,
        seed=options.seed,
        truncation=options.truncation,
        batch_size=options.batch,
        start=options.start,
        labels=labels,
    )
    shown = tqdm(images, total=options.number, unit="img", disable=options.quiet)
    if options.grid:
        pages = np.stack([pictures.resize(i, options.size or i.shape[0]) for _, i in shown])
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"grid-seed{options.seed}.png"
        pictures.write_png(path, pictures.grid(pages, options.grid), options.bits)
        return 0
    pictures.write_stream(
        shown,
        options.out,
        bits=options.bits,
        size=options.size,
        kind=options.format,
        about={
            "generator": str(options.generator.name),
            "digest": checkpoints.digest(options.generator),
            "seed": options.seed,
            "truncation": options.truncation,
            **labels_of(generator, options, labels),
        },
    )
    return 0
