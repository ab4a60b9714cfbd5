"""Walks through a generator's latent space: what changes, and how smoothly, between samples."""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
from django.urls import reverse
from numpy.typing import NDArray
from PIL import Image

from readerstudy.jobs.queue import Running
from synthesis import checkpoint_store, generation, intake
from synthesis.models import Generator

METHODS = {"spherical": "spherical", "linear": "linear"}
MILLISECONDS_A_FRAME = 60


def spherical(
    one: NDArray[np.float32], other: NDArray[np.float32], share: float
) -> NDArray[np.float32]:
    """Along the great circle between the directions, the length interpolated too (White 2016,
    arXiv 1609.04468): every point is as likely a latent as the ends are."""
    lengths = np.linalg.norm(one), np.linalg.norm(other)
    cosine = float(np.clip(one @ other / (lengths[0] * lengths[1]), -1.0, 1.0))
    angle = np.arccos(cosine)
    if np.sin(angle) < 1e-6:  # the same or the opposite direction: no one great circle
        return linear(one, other, share)
    length = (1 - share) * lengths[0] + share * lengths[1]
    weights = np.sin((1 - share) * angle) / np.sin(angle), np.sin(share * angle) / np.sin(angle)
    direction = weights[0] * one / lengths[0] + weights[1] * other / lengths[1]
    return np.asarray(length * direction, dtype=np.float32)


def linear(
    one: NDArray[np.float32], other: NDArray[np.float32], share: float
) -> NDArray[np.float32]:
    """Along the chord. Half-way latents are shorter than any that training saw; a generator that
    normalises its latents does not notice."""
    return np.asarray((1 - share) * one + share * other, dtype=np.float32)


def path(
    waypoints: NDArray[np.float32], *, frames: int, method: str, closed: bool
) -> NDArray[np.float32]:
    """Latents of a walk, (legs * frames [+ 1 if open], size), from (N, size) waypoints."""
    between = {"spherical": spherical, "linear": linear}[method]
    ends = np.vstack([waypoints, waypoints[:1]]) if closed else waypoints
    steps = [
        between(one, other, frame / frames)
        for one, other in itertools.pairwise(ends)
        for frame in range(frames)
    ]
    if not closed:
        steps.append(ends[-1])
    return np.stack(steps)


def walk(job: Running, generator: Generator) -> dict[str, Any]:
    """The worker's part: render the frames of a walk and keep them as an animation."""
    import torch

    from synthesis.pggan.sampling import Sampler, latents, to_grey, to_unit

    wish = job.parameters
    sampler = Sampler(generation.load_network(generator, wish["device"]))
    indices = range(wish["start"], wish["start"] + wish["waypoints"])
    ends = latents(wish["seed"], indices, generator.latent_size).numpy()
    steps = path(ends, frames=wish["frames"], method=wish["method"], closed=wish["closed"])
    pictures: list[NDArray[np.uint8]] = []
    address = reverse("synthesis:walk", args=[generator.public_id, job.row.public_id])
    with torch.no_grad():
        for number, latent in enumerate(steps):
            raw = sampler(torch.from_numpy(latent)[None].to(wish["device"]), wish["truncation"])
            image = to_grey(to_unit(raw, generator_range(sampler)))[0].cpu().numpy()
            pictures.append(np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8))
            job.progress(number + 1, len(steps), "Walking")
    checkpoint_store.put(key(job.row, "walk.gif"), animation(pictures))
    for number in range(wish["waypoints"]):
        frame = min(number * wish["frames"], len(pictures) - 1)
        checkpoint_store.put(
            key(job.row, f"waypoint-{number:02d}.png"), intake.png(pictures[frame])
        )
    job.progress(len(steps), message="The walk is ready.")
    return {
        "waypoints": wish["waypoints"],
        "links": [{"text": "See the walk", "url": address}],
    }


def generator_range(sampler: Any) -> tuple[float, float]:
    low, high = sampler.config.pixel_range
    return float(low), float(high)


def animation(pictures: list[NDArray[np.uint8]]) -> bytes:
    """Frames, (rows, columns) uint8, as an endless GIF of at most 512 pixels a side."""
    frames = []
    for picture in pictures:
        frame = Image.fromarray(picture)
        small = max(frame.size) < 128  # enlarged whole-numbered, so that it can be seen
        if small:
            factor = 128 // max(frame.size)
            frame = frame.resize(
                (frame.width * factor, frame.height * factor), Image.Resampling.NEAREST
            )
        frame.thumbnail((512, 512), Image.Resampling.LANCZOS)
        frames.append(frame)
    file = io.BytesIO()
    frames[0].save(
        file, "GIF", save_all=True, append_images=frames[1:], loop=0,
        duration=MILLISECONDS_A_FRAME, disposal=1,
    )  # fmt: skip
    return file.getvalue()


def key(job: Any, name: str) -> str:
    return f"walks/{job.public_id}/{name}"
