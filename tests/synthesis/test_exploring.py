"""Latent walks, and the search for training scans that a generator repeats."""

from __future__ import annotations

import io
import uuid
from typing import Any

import numpy as np
import pytest
from django.urls import reverse
from PIL import Image

from readerstudy.imaging import storage
from readerstudy.imaging.intake import add_scan
from readerstudy.imaging.models import Scan
from readerstudy.jobs.models import Job
from synthesis import neighbours


def test_the_same_picture_is_at_distance_zero_whatever_its_brightness() -> None:
    picture = np.random.default_rng(0).integers(0, 120, (64, 64)).astype(np.uint8)
    found = neighbours.features([picture, (picture * 2).astype(np.uint8), 255 - picture])
    table = neighbours.distances(found[:1], found)
    assert table[0, 0] == pytest.approx(0, abs=1e-3)
    assert table[0, 1] == pytest.approx(0, abs=2e-2)
    assert table[0, 2] == pytest.approx(2, abs=1e-3)  # r = -1


def test_unrelated_pictures_are_at_the_square_root_of_two() -> None:
    noise = np.random.default_rng(0).standard_normal((40, 1024)).astype(np.float32)
    noise = (noise - noise.mean(1, keepdims=True)) / noise.std(1, keepdims=True)
    table = neighbours.distances(noise[:20], noise[20:])
    assert table.mean() == pytest.approx(np.sqrt(2), abs=0.01)


def test_copies_are_found_out_and_new_patients_are_not() -> None:
    rng = np.random.default_rng(0)
    held = rng.uniform(0.8, 1.2, 60)
    copies = neighbours.distance_test(rng.uniform(0.0, 0.2, 40), held, 500)
    assert copies.p_value < 1e-6
    assert copies.nearer == 1.0
    honest = neighbours.distance_test(rng.uniform(0.8, 1.2, 40), held, 500)
    assert honest.p_value > 0.01
    assert 0.3 < honest.nearer < 0.7


@pytest.fixture(autouse=True)
def _kinds() -> None:
    import synthesis.tasks  # noqa: F401


@pytest.mark.django_db
def test_a_walk_asked_for_on_the_web_plays(
    signed_in: Any, generator: Any, django_capture_on_commit_callbacks: Any
) -> None:
    wish = {"token": uuid.uuid4(), "seed": 1, "start": 0, "waypoints": 3, "frames": 4,
            "truncation": 0.9, "method": "spherical", "closed": "on", "device": "cpu"}  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        signed_in.post(reverse("synthesis:walks", args=[generator.public_id]), wish)
    job = Job.objects.get()
    assert job.state == "done", job.error
    page = signed_in.get(reverse("synthesis:walk", args=[generator.public_id, job.public_id]))
    assert page.status_code == 200
    address = reverse("synthesis:walk-file", args=[generator.public_id, job.public_id, "walk.gif"])
    with Image.open(io.BytesIO(b"".join(signed_in.get(address)))) as animation:
        assert animation.format == "GIF"
        assert animation.n_frames == 12
    film = signed_in.get(address.replace("walk.gif", "walk.mp4"))
    assert film["Content-Type"] == "video/mp4"
    assert b"".join(film)[4:12] == b"ftypisom"
    assert b"<video" in page.content


@pytest.mark.django_db
def test_a_generator_that_repeats_a_scan_is_shown_beside_it(
    signed_in: Any, generator: Any, django_capture_on_commit_callbacks: Any
) -> None:
    from synthesis.generation import Wish, generate

    # given: "training scans" of which two are the generator's own samples, and held-out ones
    made = list(generate(generator, Wish(count=2, seed=5)))
    copies = []
    for one in made:
        pixels = storage.read_pixels(one.scan)
        one.scan.delete()
        scan, _ = add_scan(pixels, bits=12, origin="acquired", source_format="PNG")
        copies.append(str(scan.public_id))
    rng = np.random.default_rng(0)
    for number in range(20):
        noise = rng.integers(0, 4096, (16, 16)).astype(np.uint16)
        split = "test" if number < 10 else "train"
        add_scan(noise, bits=12, origin="acquired", source_format="PNG", split=split)
    # when
    wish = {"token": uuid.uuid4(), "seed": 5, "count": 8, "truncation": 1.0, "device": "cpu",
            "batch": ""}  # fmt: skip
    address = reverse("synthesis:comparisons", args=[generator.public_id])
    with django_capture_on_commit_callbacks(execute=True):
        signed_in.post(address, wish)
    job = Job.objects.get()
    # then
    assert job.state == "done", job.error
    assert (job.result["training"], job.result["held_out"]) == (12, 10)
    first, second = job.result["rows"][:2]
    assert {row["neighbours"][0]["scan"] for row in (first, second)} == set(copies)
    assert first["neighbours"][0]["distance"] < 0.05
    assert job.result["test"]["samples"] == 8
    page = signed_in.get(reverse("synthesis:neighbours", args=[generator.public_id, job.public_id]))
    assert "Mann–Whitney" in page.content.decode()
    assert Scan.objects.filter(origin="generated").count() == 0  # looking adds nothing
