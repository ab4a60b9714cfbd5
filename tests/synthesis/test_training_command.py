"""``manage.py train``: the web form's training, asked for on a terminal."""

from __future__ import annotations

import io
import os
import signal
import threading
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from readerstudy.imaging.intake import add_scan
from readerstudy.imaging.models import Batch
from readerstudy.jobs import queue, running
from readerstudy.jobs.models import Job
from synthesis import here, quota, training
from synthesis.models import Generator, TrainingRun

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _room(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DATA_DIR = tmp_path / "data"
    # A database in memory is one connection's at a time: nobody looks on.
    monkeypatch.setattr(here, "LOOK_SECONDS", 600.0)


@pytest.fixture
def films() -> Batch:
    """An import of 24 acquired films, 20 of them PA, and 20 generated ones beside it."""
    rng = np.random.default_rng(0)
    batch = Batch.objects.create(source="Ward films")
    for number in range(44):
        add_scan(
            rng.integers(0, 4096, (16, 16)).astype(np.uint16), bits=12, source_format="PNG",
            origin="acquired" if number < 24 else "generated",
            batch=batch if number < 24 else None,
            patient_key=f"patient-{number}",
            view="PA" if number < 20 else "AP",
            labels=["Nodule" if number % 2 else "Mass"] if number < 24 else ["Drawn"],
        )  # fmt: skip
    return batch


def train(*words: str, **options: Any) -> str:
    said = io.StringIO()
    call_command("train", "Small", *words, stdout=said, stderr=io.StringIO(), **options)
    return said.getvalue()


def test_it_is_queued_as_the_web_form_queues_it(
    films: Batch, signed_in: Any, researcher: Any
) -> None:
    # given the same wish on the page and on the terminal
    researcher.email = "researcher@example.org"
    researcher.save()
    wish = {"name": "Small", "labels": ["Nodule", "Mass"], "view": "PA", "batch": films.public_id,
            "held_out": 0.25, "preset": "64", "resolution": 16, "kimg": 2.5, "minibatch": 8,
            "accumulate": 2, "precision": "fp32", "seed": 3, "device": "cpu",
            "licence": "CC BY 4.0"}  # fmt: skip
    form = {**wish, "token": "5d0ba0a6-54ce-4b3c-9b8a-55cbd5e8ae4e"}
    assert signed_in.post(reverse("synthesis:train"), form).status_code == 302
    web = TrainingRun.objects.get()
    # when
    said = train(
        "--label", "Nodule", "--label", "Mass", "--view", "PA", "--batch", str(films.public_id),
        "--held-out", "0.25", "--preset", "64", "--resolution", "16", "--kimg", "2.5",
        "--minibatch", "8", "--accumulate", "2", "--precision", "fp32", "--seed", "3",
        "--licence", "CC BY 4.0", "--by", researcher.email,
    )  # fmt: skip
    # then both are the same run but for its id, which is said
    run = TrainingRun.objects.exclude(pk=web.pk).get()
    for name in ("name", "plan", "data", "created_by"):
        assert getattr(run, name) == getattr(web, name)
    assert run.job is not None
    assert web.job is not None
    for name in ("kind", "title", "total", "queue", "state", "created_by"):
        assert getattr(run.job, name) == getattr(web.job, name)
    assert run.job.state == "queued"
    assert str(run.public_id) in said
    assert reverse("synthesis:run", args=[run.public_id]) in said
    assert training.scans_for(run.data).count() == 20


def test_here_it_trains_to_the_end_on_the_chosen_scans_alone(films: Batch) -> None:
    said = train("--origin", "generated", "--label", "Drawn", "--resolution", "8", "--kimg", "0.1",
                 "--minibatch", "8", "--precision", "fp32", "--here")  # fmt: skip
    generator = Generator.objects.get()
    run = TrainingRun.objects.get()
    assert run.generator == generator
    assert "Trained; Small is among the generators." in said
    assert generator.resolution == 8
    assert generator.card["data"]["films"] + generator.card["data"]["held_out_films"] == 20
    assert "generated scans" in str(generator.card)


@pytest.mark.parametrize(
    ("words", "sentences"),
    [
        (["--label", "Nodul"], ["--label: ", "Nodul is not one of", "There are: Mass, Nodule."]),
        (["--label", "Nodule"], ["12 scans fit these filters; at least 16"]),
        (["--origin", "generated", "--label", "Mass"], ["There are: Drawn."]),
        (["--batch", "ward"], ["--batch ward", "Ward films"]),
        (["--minibatch", "6", "--accumulate", "4"], ["no multiple of accumulate"]),
        (["--minibatch", "0"], ["--minibatch 0", "greater than or equal to 2"]),
        (["--resolution", "100"], ["--resolution 100", "not one of the available choices"]),
        (["--held-out", "0.9"], ["--held-out 0.9", "less than or equal to 0.5"]),
        (["--seed", "-1"], ["--seed -1", "greater than or equal to 0"]),
        (["--device", "cuda"], ["No running worker serves the device 'cuda'", "--here"]),
        (["--by", "stranger@example.org"], ["No account", "stranger@example.org"]),
        (["--by", ""], ["No account"]),
        (["--preset", "huge"], ["invalid choice: 'huge'"]),
    ],
)
def test_what_cannot_be_trained_is_refused_in_words(
    films: Batch, words: list[str], sentences: list[str]
) -> None:
    with pytest.raises(CommandError) as refused:
        train(*words)
    for sentence in sentences:
        assert sentence in str(refused.value)
    assert not TrainingRun.objects.exists()
    assert not Job.objects.exists()


def test_a_full_disk_is_seen_before_anything_is_queued(
    films: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "free_bytes", lambda: 10 * quota.MEBIBYTE)
    with pytest.raises(CommandError, match="A training on 24 scans need about"):
        train()
    assert not Job.objects.exists()


def test_only_a_researcher_owns_a_run(films: Batch, django_user_model: Any) -> None:
    reader = django_user_model.objects.create_user("reader", email="reader@example.org")
    with pytest.raises(CommandError, match="is no researcher"):
        train("--by", reader.email)


@pytest.mark.django_db(transaction=True)
def test_an_interrupt_stops_at_a_saved_state(films: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a training in the terminal that would go on for long
    monkeypatch.setattr(queue, "nudge", lambda job: None)  # and no worker takes it
    report, sent, reached = running.Running.progress, threading.Event(), 0

    def interrupt_once(self: Any, done: int, *rest: Any, **more: Any) -> None:
        if done > reached and not sent.is_set():
            sent.set()
            os.kill(os.getpid(), signal.SIGINT)
        report(self, done, *rest, **more)

    monkeypatch.setattr(running.Running, "progress", interrupt_once)
    before = signal.getsignal(signal.SIGINT)
    # when somebody presses Ctrl-C
    with pytest.raises(CommandError, match="its state is kept"):
        train("--resolution", "8", "--kimg", "500", "--minibatch", "8", "--here")
    # then it ended as a stopped run does: what it learnt is there, and it can go on
    run = TrainingRun.objects.get()
    assert run.job is not None
    assert run.job.state == "cancelled"
    assert training.may_be_adopted(run)
    assert list((training.folder_of(run) / "states").iterdir())
    assert signal.getsignal(signal.SIGINT) == before
    # and going on takes it from its last state: stopped again after more images, it is further
    reached = run.job.done
    sent.clear()
    with pytest.raises(CommandError, match=f"--resume {run.public_id}"):
        call_command("train", "--resume", str(run.public_id), "--here", stderr=io.StringIO())
    run.job.refresh_from_db()
    assert run.job.done > reached
    assert TrainingRun.objects.count() == 1


@pytest.mark.parametrize("word", ["nothing", "5d0ba0a6-54ce-4b3c-9b8a-55cbd5e8ae4e"])
def test_going_on_needs_a_run_that_stopped(films: Batch, word: str) -> None:
    with pytest.raises(CommandError, match="No training run has the id"):
        call_command("train", "--resume", word)
    train("--resolution", "8")
    run = TrainingRun.objects.get()
    with pytest.raises(CommandError, match="is queued: only a stopped or failed one"):
        call_command("train", "--resume", str(run.public_id))
