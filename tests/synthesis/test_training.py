"""Trainings asked for on the web, on real small runs."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import numpy as np
import pytest
from django.urls import reverse

from readerstudy.imaging import storage
from readerstudy.imaging.blinding import render
from readerstudy.imaging.intake import add_scan
from readerstudy.imaging.models import Scan
from readerstudy.imaging.rendering import RenderingProtocol
from readerstudy.jobs import queue, running
from readerstudy.jobs.models import Job
from synthesis import curves, training
from synthesis.models import Generator, TrainingRun, Upload

pytestmark = pytest.mark.django_db

PLAN = {"preset": "demo", "resolution": 8, "kimg": 0.192, "minibatch": 8, "tick_kimg": 0.048,
        "precision": "fp32", "seed": 1, "device": "cpu"}  # fmt: skip


@pytest.fixture(autouse=True)
def _room(settings: Any, tmp_path: Any) -> None:
    import synthesis.tasks  # noqa: F401

    settings.DATA_DIR = tmp_path / "data"


@pytest.fixture
def films() -> list[Scan]:
    """Thirty-two small films of sixteen patients; four patients are held out by their split."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(32):
        ramp = np.linspace(500, 3500, 16)[None] + rng.normal(0, 200, (16, 16))
        scan, _ = add_scan(
            np.clip(ramp, 0, 4095).astype(np.uint16), bits=12, origin="acquired",
            source_format="PNG", patient_key=f"patient-{number // 2}",
            split="test" if number // 2 < 4 else "train",
            labels=["Nodule"] if number % 4 == 0 else ["Mass"],
        )  # fmt: skip
        made.append(scan)
    return made


def start(by: Any = None, **data: Any) -> TrainingRun:
    return training.start(
        name="Small", plan=PLAN, data=data, by=by, queue_name="celery", token=uuid.uuid4()
    )


def work(run: TrainingRun) -> Job:
    queue.run(str(run.job.public_id))
    run.refresh_from_db()
    run.job.refresh_from_db()
    return run.job


def test_a_run_trains_publishes_and_becomes_a_generator(
    films: list[Scan], researcher: Any, signed_in: Any
) -> None:
    run = start(researcher)
    job = work(run)
    assert job.state == "done", job.error
    assert run.generator is not None
    assert run.generator.name == "Small"
    card = run.generator.card
    assert card["data"]["films"] == 24
    assert card["data"]["held_out_patients"] == 4
    assert len(training.grids(run)) >= 3
    page = signed_in.get(reverse("synthesis:run", args=[run.public_id])).content.decode()
    assert "<polyline" in page
    assert "Small" in page
    newest = training.grids(run)[-1]
    # what is kept over a refresh is looked for by "#id", where a dot would begin a class
    page = signed_in.get(reverse("synthesis:run-live", args=[run.public_id])).content.decode()
    kept = re.findall(r'id="([^"]+)" hx-preserve', page)
    assert len(kept) == len(training.grids(run))
    assert all(re.fullmatch(r"[a-z]+-[0-9]+", name) for name in kept)
    grid = signed_in.get(reverse("synthesis:grid", args=[run.public_id, newest]))
    assert grid["Content-Type"] == "image/png"
    lines = curves.parse(training.published(run, "log.jsonl"))
    assert {"step", "tick"} <= {line["kind"] for line in lines}


def test_held_out_patients_are_never_trained_on_and_are_on_record(films: list[Scan]) -> None:
    run = start()
    work(run)
    split = json.loads(training.published(run, "split.json") or b"{}")["films"]
    held = {film["patient"] for film in split if film["split"] == "held_out"}
    trained = {film["patient"] for film in split if film["split"] == "train"}
    assert held == {f"patient-{n}" for n in range(4)}
    assert not held & trained


def test_a_stopped_run_goes_on_and_ends_with_the_same_weights(films: list[Scan]) -> None:
    # given: a run that was never stopped
    straight = start()
    work(straight)
    # and: one whose owner stops it in the middle
    stopped = start()
    progress = running.Running.progress

    def stop_half_way(self: Any, done: int, *rest: Any, **more: Any) -> None:
        if done >= 90 and not stopped.job.cancel_requested:
            stopped.job.cancel_requested = True
            queue.cancel(stopped.job)
        progress(self, done, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running.Running, "progress", stop_half_way)
        job = work(stopped)
    assert job.state == "cancelled"
    assert 90 <= job.done < 192
    assert stopped.generator is None
    assert training.may_be_adopted(stopped)
    # when
    queue.retry(job)
    job = work(stopped)
    # then
    assert job.state == "done", job.error
    assert _weights(stopped) == _weights(straight)


def _weights(run: TrainingRun) -> dict[str, bytes]:
    from safetensors.torch import load

    tensors = load(training.published(run, "generator.safetensors") or b"")
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def test_scans_that_come_later_do_not_change_a_run_that_has_begun(films: list[Scan]) -> None:
    run = start()
    folder = training.folder_of(run)
    held = queue.claim(str(run.job.public_id))
    assert held is not None
    first = training._pyramid(run, folder, 8, held)
    add_scan(np.ones((16, 16), np.uint16), bits=12, origin="acquired", source_format="PNG")
    assert training._pyramid(run, folder, 8, held).digest == first.digest


@pytest.mark.parametrize("aspect", [2.0, 0.5])
def test_films_with_oblong_pixels_are_trained_on_as_they_are_rendered(aspect: float) -> None:
    # given a round disc on a detector whose pixels are twice as high as wide, or half as high
    rows, columns = round(96 / aspect), 96
    y, x = np.mgrid[:rows, :columns] + 0.5
    disc = np.hypot((y * aspect - 48), x - 48) < 30
    scan, _ = add_scan(
        np.where(disc, 3000, 200).astype(np.uint16), bits=12, origin="acquired",
        source_format="DICOM", pixel_aspect=aspect,
    )  # fmt: skip
    # when
    shown = training.as_shown(scan)
    # then it is round, as large as it was wide, and of the same greys
    assert shown.shape == (96, 96)
    bright = shown > 100
    assert bright.any(axis=0).sum() == pytest.approx(60, abs=1)
    assert bright.any(axis=1).sum() == pytest.approx(60, abs=1)
    assert bright.sum() == pytest.approx(np.pi * 30**2, rel=0.02)
    assert shown[48, 48] == round(255 * 3000 / 4095)
    # and no further from the rendered frame than its trimmed edge and its own grey scale make it
    protocol = RenderingProtocol(matrix=96, normalisation="none")
    frame = render(
        storage.read_pixels(scan), bits=12, window=None, aspect=aspect, protocol=protocol
    )
    assert np.corrcoef(frame.ravel(), shown.ravel())[0, 1] > 0.97


def test_too_few_films_fail_in_words(films: list[Scan]) -> None:
    run = start(labels=["Nodule"])
    job = work(run)
    assert job.state == "failed"
    assert "8 scans fit" in job.error


def test_what_a_stopped_run_learnt_can_be_taken(films: list[Scan], signed_in: Any) -> None:
    run = start()
    work(run)
    Job.objects.filter(pk=run.job.pk).update(state="cancelled")
    answer = signed_in.post(reverse("synthesis:adopt", args=[run.public_id]))
    upload = Upload.objects.get()
    assert answer.url == reverse("synthesis:upload", args=[upload.public_id])
    queue.run(str(upload.job.public_id))
    upload.refresh_from_db()
    assert upload.state == "waiting"


def test_a_name_that_is_taken_gets_a_number(films: list[Scan], make_generator: Any) -> None:
    make_generator("Small")
    run = start()
    assert work(run).state == "done"
    assert Generator.objects.get(training_runs=run).name == "Small (2)"


def test_the_form_refuses_what_cannot_be_trained(films: list[Scan], signed_in: Any) -> None:
    wish = {"token": uuid.uuid4(), "name": "A", "preset": "demo", "held_out": 0.1, "seed": 0,
            "accumulate": 1, "precision": "auto", "device": "cpu"}  # fmt: skip
    address = reverse("synthesis:train")
    for wrong, words in (
        ({"labels": ["Nodule"]}, "8 scans fit these filters"),
        ({"minibatch": 6, "accumulate": 4}, "no multiple of accumulate"),
        ({"name": ""}, "This field is required"),
    ):
        answer = signed_in.post(address, {**wish, **wrong})
        assert answer.status_code == 422
        assert words in answer.content.decode()
    assert not TrainingRun.objects.exists()


def test_a_form_sent_twice_is_one_run(films: list[Scan], signed_in: Any) -> None:
    wish = {"token": uuid.uuid4(), "name": "A", "preset": "demo", "held_out": 0.1, "seed": 0,
            "accumulate": 1, "precision": "auto", "device": "cpu"}  # fmt: skip
    first = signed_in.post(reverse("synthesis:train"), wish)
    second = signed_in.post(reverse("synthesis:train"), wish)
    assert first.url == second.url
    assert TrainingRun.objects.count() == Job.objects.count() == 1


def test_curves_leave_out_broken_lines_and_thin_long_ones() -> None:
    log = b"\n".join(
        json.dumps({"kind": "step", "images": n, "loss": n % 7, "generator": float(n)}).encode()
        for n in range(5000)
    )
    lines = curves.parse(log + b'\n{"kind": "st')
    assert len(lines) == 5000
    (chart,) = curves.charts(lines)
    assert [line.name for line in chart.lines] == ["critic", "generator"]
    assert all(len(line.points.split()) == curves.MOST_POINTS for line in chart.lines)
    assert chart.lines[1].last == "5e+03"


def test_curves_survive_values_that_are_not_finite() -> None:
    lines = [{"kind": "step", "images": n, "loss": float("nan") if n == 3 else 1.0}
             for n in range(6)]  # fmt: skip
    (chart,) = curves.charts(lines)
    assert "nan" not in chart.lines[0].points
