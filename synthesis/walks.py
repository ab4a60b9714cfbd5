"""Walks through a generator's latent space: what changes, and how smoothly, between samples."""

from __future__ import annotations

import io
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
SMALLEST_FRAME, LARGEST_FRAME = 256, 512


def walk(job: Running, generator: Generator) -> dict[str, Any]:
    """The worker's part: render the frames of a walk and keep them as an animation."""
    import torch

    from synthesis.pggan import mp4
    from synthesis.pggan.sampling import Sampler, to_grey, to_unit
    from synthesis.pggan.walks import path, stops_of

    wish = job.parameters
    sampler = Sampler(generation.load_network(generator, wish["device"]))
    indices = range(wish["start"], wish["start"] + wish["waypoints"])
    ends = stops_of(sampler.config, wish["seed"], indices)
    steps = path(ends, wish["frames"], kind=wish["method"], closed=wish["closed"])
    pictures: list[NDArray[np.uint8]] = []
    address = reverse("synthesis:walk", args=[generator.public_id, job.row.public_id])
    with torch.no_grad():
        for number, latent in enumerate(steps):
            raw = sampler(torch.from_numpy(latent)[None].to(wish["device"]), wish["truncation"])
            image = to_grey(to_unit(raw, generator_range(sampler)))[0].cpu().numpy()
            pictures.append(shown(np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)))
            job.progress(number + 1, len(steps), "Walking")
    job.progress(len(steps), message="Writing the animations")
    checkpoint_store.put(key(job.row, "walk.gif"), animation(pictures))
    film = mp4.available()
    if film:
        rate = 1000 / MILLISECONDS_A_FRAME
        checkpoint_store.put(key(job.row, "walk.mp4"), mp4.encode(pictures, fps=rate))
    for number in range(wish["waypoints"]):
        frame = min(number * wish["frames"], len(pictures) - 1)
        checkpoint_store.put(
            key(job.row, f"waypoint-{number:02d}.png"), intake.png(pictures[frame])
        )
    job.progress(len(steps), message="The walk is ready.")
    return {
        "waypoints": wish["waypoints"],
        "film": film,
        "links": [{"text": "See the walk", "url": address}],
    }


def shown(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame of 256 to 512 pixels a side: small ones enlarged evenly, large ones reduced."""
    frame = Image.fromarray(picture)
    if max(frame.size) < SMALLEST_FRAME:
        factor = SMALLEST_FRAME // max(frame.size)
        size = (frame.width * factor, frame.height * factor)
        frame = frame.resize(size, Image.Resampling.BICUBIC)
    frame.thumbnail((LARGEST_FRAME, LARGEST_FRAME), Image.Resampling.LANCZOS)
    return np.asarray(frame)


def generator_range(sampler: Any) -> tuple[float, float]:
    low, high = sampler.config.pixel_range
    return float(low), float(high)


def animation(pictures: list[NDArray[np.uint8]]) -> bytes:
    """Frames, (rows, columns) uint8, as an endless GIF."""
    frames = [Image.fromarray(picture) for picture in pictures]
    file = io.BytesIO()
    frames[0].save(
        file, "GIF", save_all=True, append_images=frames[1:], loop=0,
        duration=MILLISECONDS_A_FRAME, disposal=1,
    )  # fmt: skip
    return file.getvalue()


def key(job: Any, name: str) -> str:
    return f"walks/{job.public_id}/{name}"
