"""Scans from a generator: which, how many, with what provenance, never twice."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pytest

from readerstudy.imaging import storage
from readerstudy.imaging.models import Batch, Scan
from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from synthesis import archive, checkpoint_store, dicom, generation, quota
from synthesis.forms import SampleForm
from synthesis.generation import Wish, generate, runs

pytestmark = pytest.mark.django_db


def sample_job(generator: Any, by: Any = None, **wish: Any) -> Job:
    values = {"count": 6, "seed": 4, "start": 0, "truncation": 1.0, "bits": 12, "device": "cpu"}
    values |= wish
    return queue.submit(
        "synthesis.sample",
        title="Scans",
        parameters={"generator": str(generator.public_id), **values},
        by=by,
        total=values["count"],
    )


def run(job: Job) -> Job:
    import synthesis.tasks  # noqa: F401  registers the kinds, as a worker's start does

    queue.run(str(job.public_id))
    job.refresh_from_db()
    return job


def test_each_scan_can_be_made_again_from_its_provenance(generator: Any) -> None:
    from synthesis.pggan.checkpoints import load_generator
    from synthesis.pggan.sampling import sample

    list(generate(generator, Wish(count=3, seed=9, start=5, truncation=0.8)))
    scan = Scan.objects.get(provenance__index=6)
    said = scan.provenance
    with checkpoint_store.checkpoint(generator) as path:
        assert checkpoint_store.sha256(path) == said["generator"]["digest"]
        network = load_generator(path)
    again = sample(
        network, 1, seed=said["seed"], start=said["index"], truncation=said["truncation"]
    )
    pixels = archive.to_pixels(next(again)[1], said["bits"])
    np.testing.assert_array_equal(pixels, storage.read_pixels(scan))


def test_provenance_names_generator_latent_labels_and_software(generator: Any) -> None:
    list(generate(generator, Wish(count=1, seed=2, truncation=0.7)))
    scan = Scan.objects.get()
    assert scan.origin == "generated"
    assert scan.generator_name == generator.name
    assert scan.generator_digest == generator.digest
    said = scan.provenance
    assert (said["seed"], said["index"], said["truncation"]) == (2, 0, 0.7)
    assert said["wanted_labels"] == []
    assert said["obtained_labels"] == {}
    assert said["software"]["torch"]


def test_a_second_run_makes_only_what_is_missing(generator: Any) -> None:
    list(generate(generator, Wish(count=4, seed=1)))
    Scan.objects.filter(provenance__index=2).delete()
    made = list(generate(generator, Wish(count=6, seed=1)))
    assert sorted(one.index for one in made if one.created) == [2, 4, 5]
    assert Scan.objects.count() == 6


def test_no_truncation_and_a_truncation_of_one_are_the_same_scans(generator: Any) -> None:
    list(generate(generator, Wish(count=2, seed=1)))
    assert not [
        one for one in generate(generator, Wish(count=2, seed=1, truncation=1.0)) if one.created
    ]


def test_another_truncation_gives_other_scans(generator: Any) -> None:
    list(generate(generator, Wish(count=2, seed=1)))
    list(generate(generator, Wish(count=2, seed=1, truncation=0.5)))
    assert Scan.objects.count() == 4


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"count": 0}, "count 0"),
        ({"count": 10**6}, "20,000"),
        ({"seed": -1}, "seed -1"),
        ({"seed": 2**60}, "whole numbers"),
        ({"truncation": 0.0}, "truncation 0.0"),
        ({"truncation": 1.5}, "truncation 1.5"),
        ({"bits": 11}, "bits 11"),
        ({"device": "tpu"}, "cpu, cuda"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_in_words(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Wish(**{"count": 1, "seed": 0, **wrong})


def test_a_gpu_job_on_a_worker_without_one_says_so(generator: Any) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(generation.DeviceMissing, match="queue 'gpu'"):
        list(generate(generator, Wish(count=1, seed=0, device="cuda")))


def test_a_checkpoint_that_was_exchanged_is_not_sampled(generator: Any) -> None:
    checkpoint_store.put(generator.checkpoint_key, b"something else")
    with pytest.raises(checkpoint_store.CheckpointMissing, match="import the file again"):
        list(generate(generator, Wish(count=1, seed=0)))
    assert not Scan.objects.exists()


def test_images_that_are_not_finite_do_not_reach_the_archive() -> None:
    with pytest.raises(ValueError, match="not finite"):
        archive.to_pixels(np.full((4, 4), np.nan), 12)


def test_pixels_use_the_whole_range_and_clip() -> None:
    pixels = archive.to_pixels(np.array([[-0.5, 0.0], [1.0, 1.5]]), 12)
    assert pixels.tolist() == [[0, 0], [4095, 4095]]
    assert pixels.dtype == np.uint16


def test_runs_of_indices() -> None:
    assert list(runs([3])) == [(3, 1)]
    assert list(runs([0, 1, 2, 5, 7, 8])) == [(0, 3), (5, 1), (7, 2)]


def test_the_job_fills_one_batch_and_shows_pictures(generator: Any, researcher: Any) -> None:
    job = run(sample_job(generator, researcher))
    assert job.state == "done", job.error
    assert (job.done, job.total) == (6, 6)
    batch = Batch.objects.get(job=job)
    assert batch.scans.count() == 6
    assert batch.created_by == researcher
    assert len(job.exhibits) == 6
    assert str(batch.public_id) in job.result["links"][0]["url"]


def test_a_job_done_twice_doubles_nothing(generator: Any) -> None:
    job = run(sample_job(generator))
    Job.objects.filter(pk=job.pk).update(state="queued")
    run(job)
    assert Scan.objects.count() == 6
    assert Batch.objects.count() == 1
    assert job.state == "done"


def test_a_stopped_job_keeps_what_it_made_and_goes_on(
    generator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: its owner stops it when the third scan arrives
    job = sample_job(generator)
    add = archive.add_generated

    def add_and_stop(*args: Any, **rest: Any) -> Any:
        outcome = add(*args, **rest)
        if Scan.objects.count() == 3:
            queue.cancel(job)
        return outcome

    monkeypatch.setattr(archive, "add_generated", add_and_stop)
    run(job)
    assert job.state == "cancelled"
    assert Scan.objects.count() == 3
    # when: it is retried
    monkeypatch.setattr(archive, "add_generated", add)
    queue.retry(job)
    run(job)
    # then
    assert job.state == "done"
    assert sorted(Scan.objects.values_list("provenance__index", flat=True)) == list(range(6))


def test_a_job_whose_generator_was_removed_fails_in_words(generator: Any) -> None:
    job = sample_job(generator)
    generator.delete()
    run(job)
    assert job.state == "failed"
    assert "removed" in job.error


def test_the_quota_counts_what_is_there(generator: Any, settings: Any) -> None:
    list(generate(generator, Wish(count=3, seed=1)))
    settings.GENERATED_SCANS_LIMIT = 5
    quota.check(generator, 2)
    with pytest.raises(quota.NoRoom, match=r"holds 3: ask for 2 or fewer"):
        quota.check(generator, 3)
    settings.GENERATED_SCANS_LIMIT = 0
    quota.check(generator, 3000)


def test_the_disks_reserve_is_kept(generator: Any, settings: Any) -> None:
    settings.DISK_RESERVE_MIB = 10**9
    with pytest.raises(quota.NoRoom, match="kept in reserve"):
        quota.check(generator, 1)


def test_a_job_beyond_the_quota_fails_before_it_makes_anything(
    generator: Any, settings: Any
) -> None:
    settings.GENERATED_SCANS_LIMIT = 5
    job = run(sample_job(generator))
    assert job.state == "failed"
    assert "GENERATED_SCANS_LIMIT" in job.error
    assert not Scan.objects.exists()


def test_conditional_generators_scans_know_what_they_were_told(make_generator: Any) -> None:
    generator = make_generator("Conditional", label_sizes=(3,))
    # given one sampling that asks for a label, and one of the same latents that asks for none
    list(generate(generator, Wish(count=4, seed=1, labels=(2,))))
    list(generate(generator, Wish(count=4, seed=1)))
    # then every scan's provenance says the label, and whether it was asked for
    scans = list(Scan.objects.order_by("pk"))
    told = [scan.provenance["condition"] for scan in scans]
    assert {one["labels"]["label"] for one in told if one["asked"] == [2]} == {"2"}
    assert archive.exhibit(scans[0])["caption"] == "Latent 0, 2"
    assert "told label 2" in dicom.derivation(scans[0])
    assert archive.archived_indices(generator, seed=1, truncation=None, labels=(2,)) == {0, 1, 2, 3}
    # and a second run of either makes nothing new
    for labels in ((2,), None):
        again = generate(generator, Wish(count=4, seed=1, labels=labels))
        assert not any(one.created for one in again)


def test_form_of_a_conditional_generator_offers_its_labels(make_generator: Any) -> None:
    form = SampleForm(
        {"token": uuid.uuid4(), "count": 1, "seed": 1, "truncation": 1, "start": 0, "bits": 12,
         "label_0": "1"},
        generator=make_generator("Conditional", label_sizes=(3,)),
    )  # fmt: skip
    assert form.is_valid(), form.errors
    assert form.wish["labels"] == [1]
    plain = SampleForm(generator=make_generator("Plain", seed=1))
    assert plain.label_fields == []
