"""The jobs room's pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from readerstudy.jobs import queue
from readerstudy.jobs.models import Job, Worker
from readerstudy.jobs.templatetags.duration import briefly

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(django_user_model: Any) -> Any:
    return django_user_model.objects.create_user("owner", is_researcher=True)


@pytest.fixture
def signed_in(client: Any, owner: Any) -> Any:
    client.force_login(owner)
    return client


@pytest.fixture
def job(owner: Any) -> Job:
    return Job.objects.create(kind="x", title="A job of mine", created_by=owner, total=10)


def at(name: str, job: Job) -> str:
    return reverse(f"jobs:{name}", args=[job.public_id])


@pytest.mark.parametrize("name", ["detail", "live", "log", "state", "stop", "retry"])
def test_somebody_elses_job_is_not_there(
    name: str, client: Any, job: Job, django_user_model: Any
) -> None:
    assert client.get(at(name, job)).status_code == 302
    client.force_login(django_user_model.objects.create_user("other", is_researcher=True))
    method = client.post if name in ("stop", "retry") else client.get
    assert method(at(name, job)).status_code == 404
    assert b"A job of mine" not in client.get(reverse("jobs:list")).content


def test_a_superuser_sees_every_job(client: Any, job: Job, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_superuser("admin"))
    assert b"A job of mine" in client.get(reverse("jobs:list")).content


def test_polling_ends_with_the_job(signed_in: Any, job: Job) -> None:
    assert b"every 1s" in signed_in.get(at("detail", job)).content
    assert signed_in.get(at("live", job)).status_code == 200
    queue.cancel(job)
    assert signed_in.get(at("live", job)).status_code == 286
    assert b"every 1s" not in signed_in.get(at("detail", job)).content


def test_a_log_that_has_not_grown_is_left_alone(signed_in: Any, job: Job) -> None:
    held = queue.claim(str(job.public_id))
    assert held is not None
    held.progress(1, log="one")
    assert signed_in.get(at("log", job) + "?have=4").status_code == 204
    assert b"one" in signed_in.get(at("log", job) + "?have=0").content


def test_a_log_is_text_whatever_is_in_it(signed_in: Any, job: Job) -> None:
    held = queue.claim(str(job.public_id))
    assert held is not None
    held.progress(1, message="<b>bold</b>", log="<script>alert(1)</script>")
    page = signed_in.get(at("detail", job)).content
    assert b"<script>alert" not in page
    assert b"<b>bold" not in page


def test_stop_and_go_on_from_the_page(signed_in: Any, job: Job) -> None:
    signed_in.post(at("stop", job))
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert b"Try again" in signed_in.get(at("detail", job)).content
    signed_in.post(at("retry", job))
    job.refresh_from_db()
    assert job.state == "queued"


def test_stopping_needs_a_post(signed_in: Any, job: Job) -> None:
    assert signed_in.get(at("stop", job)).status_code == 405
    job.refresh_from_db()
    assert not job.cancel_requested


def test_a_job_that_no_worker_serves_says_how_to_start_one(signed_in: Any, job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(queue="gpu")
    now = timezone.now()
    Worker.objects.create(name="cpu", queues=["celery"], started_at=now, seen_at=now)
    assert b"worker -Q gpu" in signed_in.get(at("detail", job)).content
    Worker.objects.create(name="gpu", queues=["gpu"], started_at=now, seen_at=now)
    assert b"worker -Q gpu" not in signed_in.get(at("detail", job)).content


def test_the_state_for_programs(signed_in: Any, job: Job) -> None:
    found = signed_in.get(at("state", job)).json()
    assert (found["state"], found["done"], found["total"]) == ("queued", 0, 10)


def test_the_list_asks_no_more_for_more_jobs(signed_in: Any, owner: Any) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            signed_in.get(reverse("jobs:list"))
        return len(captured)

    def add(count: int) -> None:
        for state in ("done", "queued"):
            for _ in range(count):
                Job.objects.create(kind="x", title="A job", created_by=owner, state=state)

    add(1)
    few = queries()
    add(8)
    assert queries() == few


def test_an_empty_room_says_what_comes_here(signed_in: Any) -> None:
    page = signed_in.get(reverse("jobs:list")).content
    assert b"Nothing was run yet." in page
    assert b"No worker is running" in page


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"), (59.4, "59 s"), (61, "1 min"), (3599, "1 h"), (3600, "1 h"),
        (7800, "2 h 10 min"), (86_400, "1 d"), (370_000, "4 d 6 h"),
    ],
)  # fmt: skip
def test_durations_as_people_say_them(seconds: float, words: str) -> None:
    assert briefly(timedelta(seconds=seconds)) == words
