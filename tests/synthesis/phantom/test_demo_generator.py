"""The generator that ships with the demo."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from synthesis.phantom import draw, render
from synthesis.phantom.dataset import shrink

pytest.importorskip("torch")
from synthesis.pggan import checkpoints, sampling

SHIPPED = Path(__file__).resolve().parents[3] / "synthesis/checkpoints/phantom-pggan-64.safetensors"


def test_card_says_what_it_was_trained_on() -> None:
    # given the shipped file, a few megabytes at most
    assert SHIPPED.stat().st_size < 4_000_000
    # then its card tells data, length, size, date, code, metrics and licence
    card = json.loads(checkpoints.read_header(SHIPPED)["card"])
    assert "phantoms" in card["data"]["description"]
    assert "no patient data" in card["data"]["description"]
    assert card["images_seen"] >= 50_000
    assert card["resolution"] == 64
    assert card["licence"] == "Apache-2.0"
    assert card["training"]["finished"] is True
    assert {"date", "code_version", "metrics"} <= set(card)


def test_samples_are_chests_and_differ() -> None:
    # given 24 samples and 24 phantoms that it never saw
    generator = checkpoints.load_generator(SHIPPED)
    images = [image for _, image in sampling.sample(generator, 24, seed=5, batch_size=8)]
    samples = np.stack(images).astype(float).reshape(24, 64, 64)
    phantoms = np.stack([shrink(render(draw(s), 128), 2).pixels for s in range(24)]).astype(float)
    # then their mean is the mean phantom: dark lungs, bright mediastinum, heart on the left
    likeness = np.corrcoef(samples.mean(axis=0).ravel(), phantoms.mean(axis=0).ravel())[0, 1]
    assert likeness > 0.9
    # and they vary among themselves as phantoms do, within a factor of two
    spread = [(part.std(axis=0) / (part.max() - part.min())).mean() for part in (samples, phantoms)]
    assert 0.5 < spread[0] / spread[1] < 2
    # and none has the heart on the right: more lung (dark) on the left half of the picture
    rows = samples[:, 34:44]
    assert (rows[:, :, 8:30].mean(axis=(1, 2)) < rows[:, :, 34:56].mean(axis=(1, 2))).mean() > 0.9
