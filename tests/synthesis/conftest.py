"""A small generator with drawn weights: real networks and real files, no training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthesis.models import Generator


def write_checkpoint(
    path: Path, *, resolution: int = 16, seed: int = 0, name: str = "", **network: Any
) -> Path:
    import torch

    from synthesis.pggan.card import model_card
    from synthesis.pggan.checkpoints import save_generator
    from synthesis.pggan.config import karras
    from synthesis.pggan.networks import Generator as Network

    torch.set_num_threads(1)  # these networks are too small to share out
    torch.manual_seed(seed)
    config = karras(
        resolution, channels_base=128, channels_max=8, latent_size=8, image_channels=1, **network
    )
    return save_generator(
        Network(config), path, model_card(name=name, data="drawn weights", resolution=resolution)
    )


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "drawn.safetensors", name="Drawn 16")


@pytest.fixture
def make_generator(db: None, tmp_path: Path) -> Callable[..., Generator]:
    """Import a drawn generator as the command does."""

    def make(
        name: str = "Drawn 16", *, resolution: int = 16, seed: int = 0, **network: Any
    ) -> Generator:
        from synthesis import intake

        path = write_checkpoint(
            tmp_path / f"{resolution}-{seed}.safetensors",
            resolution=resolution,
            seed=seed,
            **network,
        )
        brought = intake.inspect_file(path, tmp_path)
        generator, _ = intake.accept(
            brought.inspection,
            brought.converted,
            name=name,
            samples=brought.samples,
            source_name=path.name,
        )
        return generator

    return make


@pytest.fixture
def generator(make_generator: Callable[..., Generator]) -> Generator:
    return make_generator()


@pytest.fixture
def researcher(db: None, django_user_model: Any) -> Any:
    return django_user_model.objects.create_user(
        "researcher", email="researcher@example.org", is_researcher=True
    )


@pytest.fixture
def signed_in(client: Any, researcher: Any) -> Any:
    client.force_login(researcher)
    return client
