"""Who sees the generators' pages, what they hold, and what a web process loads for them."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from readerstudy.jobs.models import Job, Worker
from synthesis.models import TrainingRun, Upload

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def addresses(generator: Any, researcher: Any) -> dict[str, str]:
    """Every address of the room, with things behind them."""
    job = Job.objects.create(kind="x", title="x", created_by=researcher)
    upload = Upload.objects.create(file_name="a.pt", byte_length=1, key="nowhere")
    run = TrainingRun.objects.create(name="Run", plan={"preset": "demo"}, job=job)
    one = {"public_id": generator.public_id}
    two = {**one, "job_id": job.public_id}
    behind: dict[str, dict[str, Any]] = {
        "list": {}, "bring": {}, "runs": {}, "train": {}, "closed-studies": {},
        "generator": one, "walks": one, "comparisons": one,
        "sample": {**one, "number": 0},
        "walk": two, "neighbours": two, "walk-file": {**two, "name": "walk.gif"},
        "neighbour-sample": {**two, "number": 0},
        "upload": {"public_id": upload.public_id}, "discard": {"public_id": upload.public_id},
        "upload-sample": {"public_id": upload.public_id, "number": 0},
        "run": {"public_id": run.public_id}, "run-live": {"public_id": run.public_id},
        "run-log": {"public_id": run.public_id}, "adopt": {"public_id": run.public_id},
        "grid": {"public_id": run.public_id, "name": "grid-0000000001.png"},
        "dicom": {"public_id": uuid.uuid4()}, "regenerate": {"public_id": uuid.uuid4()},
    }  # fmt: skip
    from synthesis.urls import urlpatterns

    assert {pattern.name for pattern in urlpatterns} == set(behind)
    return {name: reverse(f"synthesis:{name}", kwargs=words) for name, words in behind.items()}


def test_nobody_sees_anything_without_signing_in(client: Any, addresses: dict[str, str]) -> None:
    for name, address in addresses.items():
        for answer in (client.get(address), client.post(address)):
            assert answer.status_code == 302, name
            assert "login" in answer.url


def test_a_reader_learns_nothing_of_the_generators(
    client: Any, addresses: dict[str, str], django_user_model: Any
) -> None:
    client.force_login(django_user_model.objects.create_user("reader"))
    for name, address in addresses.items():
        assert client.get(address).status_code == 403, name
        assert client.post(address).status_code == 403, name


def test_every_page_answers_a_researcher(signed_in: Any, addresses: dict[str, str]) -> None:
    pages = {"list", "bring", "runs", "train", "closed-studies", "generator", "walks",
             "comparisons", "upload", "run", "run-live", "sample"}  # fmt: skip
    for name, address in addresses.items():
        answer = signed_in.get(address)
        expected = {200} if name in pages else {302, 404, 405}
        assert answer.status_code in expected, f"{name}: {answer.status_code}"


def test_the_list_asks_the_database_no_more_for_more_generators(
    signed_in: Any, make_generator: Any, django_assert_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert signed_in.get(reverse("synthesis:list")).status_code == 200
        return len(captured)

    make_generator("One", seed=1)
    few = queries()
    for seed in range(2, 5):
        make_generator(f"Another {seed}", seed=seed)
    assert queries() == few


def test_an_empty_room_says_what_comes_here(signed_in: Any) -> None:
    for name in ("list", "runs", "closed-studies"):
        assert b'class="empty"' in signed_in.get(reverse(f"synthesis:{name}")).content, name


def test_fifty_scans_asked_for_on_the_page_come_to_the_archive(
    signed_in: Any, generator: Any, django_capture_on_commit_callbacks: Any
) -> None:
    from readerstudy.imaging.models import Scan

    address = reverse("synthesis:generator", args=[generator.public_id])
    wish = {"token": uuid.uuid4(), "count": 50, "seed": 3, "truncation": 1.0, "start": 0,
            "bits": 12, "device": "cpu"}  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        first = signed_in.post(address, wish)
        second = signed_in.post(address, wish)  # the button was pressed twice
    assert first.url == second.url
    assert Scan.objects.filter(generator_digest=generator.digest).count() == 50
    page = signed_in.get(first.url).content.decode()
    assert "50 new scans are in the archive." in page
    assert "50 of its scans are in the archive." in signed_in.get(address).content.decode()


def test_a_wish_beyond_the_quota_is_answered_beside_the_field(
    signed_in: Any, generator: Any, settings: Any
) -> None:
    settings.GENERATED_SCANS_LIMIT = 10
    address = reverse("synthesis:generator", args=[generator.public_id])
    answer = signed_in.post(
        address, {"token": uuid.uuid4(), "count": 11, "seed": 3, "truncation": 1.0, "start": 0,
                  "bits": 12}
    )  # fmt: skip
    assert answer.status_code == 422
    assert "ask for 10 or fewer" in answer.content.decode()
    assert not Job.objects.exists()


def test_the_gpu_is_offered_only_while_a_worker_serves_it(signed_in: Any, generator: Any) -> None:
    from django.utils import timezone

    address = reverse("synthesis:generator", args=[generator.public_id])
    assert '<option value="cuda">' not in signed_in.get(address).content.decode()
    now = timezone.now()
    Worker.objects.create(name="gpu@here", queues=["gpu"], started_at=now, seen_at=now)
    assert '<option value="cuda">' in signed_in.get(address).content.decode()


def test_a_scan_is_downloaded_as_dicom_and_that_is_on_the_record(
    signed_in: Any, generator: Any
) -> None:
    import io

    import pydicom

    from readerstudy.audit.models import Entry
    from synthesis.generation import Wish, generate

    (made,) = generate(generator, Wish(count=1, seed=1))
    answer = signed_in.get(reverse("synthesis:dicom", args=[made.scan.public_id]))
    assert answer["Content-Type"] == "application/dicom"
    assert pydicom.dcmread(io.BytesIO(answer.content)).SyntheticData == "YES"
    assert Entry.objects.get(action="scan.exported").object_id == str(made.scan.public_id)


def test_a_web_process_and_an_idle_worker_never_load_torch() -> None:
    program = (
        "import django, sys; django.setup(); "
        "import readerstudy.config.urls, synthesis.urls, synthesis.views, synthesis.tasks, "
        "synthesis.forms, synthesis.training_form, synthesis.regeneration_form, synthesis.models; "
        "import readerstudy.config.wsgi; "
        "from synthesis import training; "
        "training.config_of({'preset': 'demo'}); "
        "sys.exit('torch' in sys.modules)"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings",
                   "PYTHONPATH": str(ROOT)}  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT)
    assert done.returncode == 0
