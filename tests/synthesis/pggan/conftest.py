"""Small pyramids and settings that train in seconds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthesis.pggan.presets import TrainingConfig, preset
from synthesis.pggan.pyramid import from_array
from synthesis.pggan.schedule import Schedule, Stage


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def blobs(count, size=16, seed=0):
    """Bright discs on dark ground, each of its own place and radius."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size
    cx, cy, r = rng.uniform(0.3, 0.7, (3, count, 1, 1))
    return (1 / (1 + np.exp(((x - cx) ** 2 + (y - cy) ** 2 - r**2 / 6) * 60))).astype(np.float32)


@pytest.fixture(scope="session")
def pyramid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pggan") / "pyramid"
    patients = [f"patient-{i // 2}" for i in range(80)]
    return from_array(blobs(80), folder, patients=patients, held_out=0.25)


def short_run(resolution=8, *, minibatch=8, images=96, **changes) -> TrainingConfig:
    sizes = [4 * 2**i for i in range(resolution.bit_length() - 2)]
    kimg = images / 1000
    stages = tuple(
        Stage(size, kimg / 2 if i else 0, kimg / (2 if i else 1), minibatch, 1e-3, kimg / 2)
        for i, size in enumerate(sizes)
    )
    settings = {
        "precision": "fp32",
        "check_ticks": 3,
        "check_images": 16,
        "grid": (4, 2),
        "log_steps": 2,
    } | changes
    network = {"channels_max": 8, "latent_size": 8}
    return preset(
        "demo",
        resolution=resolution,
        network=network,
        schedule=Schedule(stages),
        **settings,
    )
