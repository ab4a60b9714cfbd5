"""Walks through latent space: how images change along a path, as GIF, MP4 or frames.

Two points of a normal prior lie near a sphere. A straight line between them cuts through its
inside, where the prior has hardly any mass; the great circle does not (White 2016, arXiv
1609.04468). PGGAN normalises its latents, so a line ends up on the sphere as well, but at an uneven
pace: slow at the ends, fast in the middle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image

from synthesis.pggan import conditions, mp4
from synthesis.pggan.conditions import Labels
from synthesis.pggan.config import ConfigError, NetworkConfig
from synthesis.pggan.networks import Generator
from synthesis.pggan.pictures import quantise, resize
from synthesis.pggan.sampling import Sampler, check_truncation, to_grey, to_unit

WalkKind = Literal["spherical", "linear"]


def between(a: np.ndarray, b: np.ndarray, t: float, kind: WalkKind = "spherical") -> np.ndarray:
    """The point at ``t`` in [0, 1] on the way from ``a`` to ``b``, latents (size,).

    ``spherical``: along the great circle, the length going evenly from one's to the other's.
    """
    if kind == "linear":
        return ((1.0 - t) * a + t * b).astype(np.float32)
    if kind != "spherical":
        raise ConfigError(f"walk {kind!r}: spherical or linear expected")
    lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    unit_a, unit_b = a / lengths[0], b / lengths[1]
    angle = float(np.arccos(np.clip(unit_a @ unit_b, -1.0, 1.0)))
    if np.sin(angle) < 1e-6:  # the same or opposite directions: the circle is not defined
        direction = (1.0 - t) * unit_a + t * unit_b
        direction = direction / max(float(np.linalg.norm(direction)), 1e-12)
    else:
        direction = (np.sin((1.0 - t) * angle) * unit_a + np.sin(t * angle) * unit_b) / np.sin(
            angle
        )
    return (direction * ((1.0 - t) * lengths[0] + t * lengths[1])).astype(np.float32)


def path(
    points: Sequence[np.ndarray], steps: int, *, kind: WalkKind = "spherical", closed: bool = False
) -> np.ndarray:
    """``steps`` latents a leg through ``points``, (legs * steps + 1, size); closed drops the last.

    The points themselves are on the path.
    """
    if len(points) < 2 or steps < 1:
        raise ConfigError(f"{len(points)} points, {steps} steps: at least 2 and 1 expected")
    stops = [*points, points[0]] if closed else list(points)
    legs = [between(a, b, i / steps, kind) for a, b in pairwise(stops) for i in range(steps)]
    return np.stack(legs if closed else [*legs, stops[-1].astype(np.float32)])


def stops_of(
    config: NetworkConfig, seed: int, indices: Sequence[int], labels: Labels | None = None
) -> list[np.ndarray]:
    """What the network is given at each stop. A walk keeps its labels, those of the first stop
    where none are asked for: what changes on the way is the patient, not the class."""
    kept = conditions.of_image(config, seed, indices[0], labels)
    return list(conditions.inputs(config, seed, indices, kept or None))


def walk(
    generator: Generator | Sampler,
    *,
    seed: int,
    indices: Sequence[int],
    steps: int = 24,
    kind: WalkKind = "spherical",
    closed: bool = True,
    truncation: float | None = None,
    labels: Labels | None = None,
) -> Iterator[np.ndarray]:
    """Frames (H, W) in [0, 1] of a walk through images ``indices`` of ``seed``, one at a time."""
    check_truncation(truncation)
    sampler = generator if isinstance(generator, Sampler) else Sampler(generator)
    stops = stops_of(sampler.config, seed, indices, labels)
    for z in path(stops, steps, kind=kind, closed=closed):
        raw = sampler(torch.from_numpy(z)[None].to(sampler.device), truncation)
        yield to_grey(to_unit(raw, sampler.config.pixel_range))[0].cpu().numpy()


def write_gif(
    frames: Iterator[np.ndarray], file: str | Path, *, fps: float = 12.0, size: int | None = None
) -> Path:
    """An endlessly looping grey GIF. GIF times are whole hundredths of a second."""
    file = Path(file)
    shown = (quantise(f if size is None else resize(f, size)) for f in frames)
    pictures = (Image.fromarray(f) for f in shown)
    first = next(pictures, None)
    if first is None:
        raise ConfigError("a walk without a frame")
    file.parent.mkdir(parents=True, exist_ok=True)
    first.save(
        file,
        format="GIF",
        save_all=True,
        append_images=pictures,
        duration=max(round(100 / fps), 2) * 10,
        loop=0,
        disposal=1,
        optimize=False,
    )
    return file


def write_mp4(
    frames: Iterator[np.ndarray], file: str | Path, *, fps: float = 12.0, size: int | None = None
) -> Path:
    """An MP4 with an AV1 track (see ``mp4``), which browsers and players show.

    Raises:
        ConfigError: when the installed Pillow cannot encode AV1; a GIF can be had without.
    """
    file = Path(file)
    shown = (quantise(f if size is None else resize(f, size)) for f in frames)
    data = mp4.encode(shown, fps=fps)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def write_walk(
    frames: Iterator[np.ndarray], file: str | Path, *, fps: float = 12.0, size: int | None = None
) -> Path:
    """GIF, MP4 or, for a name without suffix, a folder of PNG frames; by the file's name."""
    file = Path(file)
    if file.suffix.lower() == ".gif":
        return write_gif(frames, file, fps=fps, size=size)
    if file.suffix.lower() == ".mp4":
        return write_mp4(frames, file, fps=fps, size=size)
    if file.suffix:
        raise ConfigError(f"{file.name}: .gif, .mp4 or a folder's name expected")
    file.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        picture = Image.fromarray(quantise(frame if size is None else resize(frame, size)))
        target = file / f"frame-{number:05d}.png"
        picture.save(target)
    return file
