"""A job's row is the truth: claims, leases, cancelling, retrying, nudging."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest
from celery import Celery
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from readerstudy.jobs import queue, running
from readerstudy.jobs.models import Job, Worker
from readerstudy.jobs.queue import Cancelled, HandedBack, LeaseLost

pytestmark = pytest.mark.django_db


@pytest.fixture
def did() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def _kinds(monkeypatch: pytest.MonkeyPatch, did: list[str]) -> None:
    """Kinds of this test alone."""

    def steps(job: running.Running) -> dict[str, int]:
        for step in range(job.parameters["steps"]):
            did.append(f"step {step}")
            job.progress(step + 1, job.parameters["steps"], log=f"did {step}")
        return {"steps": job.parameters["steps"]}

    def breaks(job: running.Running) -> None:
        job.progress(1, 3, "half way")
        raise RuntimeError("the film jammed")

    monkeypatch.setattr(running, "_kinds", {"steps": steps, "breaks": breaks})


def waiting(kind: str = "steps", **values: object) -> Job:
    return Job.objects.create(kind=kind, title="A job", parameters={"steps": 3}, **values)


def expire(job: Job) -> None:
    """As if the worker had been silent for longer than its lease."""
    Job.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))


def state(job: Job) -> str:
    job.refresh_from_db()
    return job.state


def test_a_job_is_done_once_however_often_its_message_comes(did: list[str]) -> None:
    job = waiting()
    for _ in range(3):
        queue.run(str(job.public_id))
    assert state(job) == "done"
    assert did == ["step 0", "step 1", "step 2"]
    assert job.result == {"steps": 3}
    assert job.log == "did 0\ndid 1\ndid 2\n"


def test_a_message_of_no_job_does_nothing() -> None:
    queue.run(str(uuid.uuid4()))


def test_a_running_job_is_not_claimed_by_a_second_worker() -> None:
    job = waiting()
    assert queue.claim(str(job.public_id)) is not None
    assert queue.claim(str(job.public_id)) is None


def test_a_job_whose_worker_went_silent_is_anybodys_again() -> None:
    job = waiting()
    first = queue.claim(str(job.public_id))
    expire(job)
    second = queue.claim(str(job.public_id))
    assert first is not None
    assert second is not None
    with pytest.raises(LeaseLost):
        first.progress(1)
    second.progress(2)
    assert state(job) == "running"
    assert job.done == 2


def test_a_worker_that_lost_its_lease_cannot_write_the_outcome() -> None:
    job = waiting()
    first = queue.claim(str(job.public_id))
    expire(job)
    second = queue.claim(str(job.public_id))
    assert first is not None
    assert second is not None
    assert not first.finish(Job.State.FAILED, error="too late")
    assert not first.beat()
    assert second.finish(Job.State.DONE, result={"by": "the second"})
    assert state(job) == "done"
    assert job.error == ""


def test_progress_renews_the_lease_and_says_how_long_is_left() -> None:
    job = waiting()
    held = queue.claim(str(job.public_id))
    assert held is not None
    Job.objects.filter(pk=job.pk).update(started_at=Now() - timedelta(seconds=10))
    expire(job)
    held.progress(5, 10)
    job.refresh_from_db()
    assert job.lease_until is not None
    assert job.lease_until > timezone.now() + timedelta(seconds=30)
    assert job.percent == 50
    assert job.time_left is not None
    assert timedelta(seconds=9) < job.time_left < timedelta(seconds=30)


def test_a_failure_is_written_with_its_reason_and_can_be_retried(did: list[str]) -> None:
    job = waiting("breaks")
    queue.run(str(job.public_id))
    assert state(job) == "failed"
    assert job.error == "the film jammed"
    assert "RuntimeError" in job.log
    Job.objects.filter(pk=job.pk).update(kind="steps")
    assert queue.retry(job)
    queue.run(str(job.public_id))
    assert state(job) == "done"
    assert job.error == ""


def test_a_kind_that_nobody_knows_fails_in_words() -> None:
    job = waiting("paint.the.house")
    queue.run(str(job.public_id))
    assert state(job) == "failed"
    assert "paint.the.house" in job.error


def test_a_waiting_job_is_stopped_at_once_and_a_late_message_does_not_wake_it(
    did: list[str],
) -> None:
    job = waiting()
    queue.cancel(job)
    assert state(job) == "cancelled"
    queue.run(str(job.public_id))
    assert did == []
    assert state(job) == "cancelled"


def test_a_running_job_stops_at_its_next_report() -> None:
    job = waiting()
    held = queue.claim(str(job.public_id))
    assert held is not None
    queue.cancel(job)
    assert state(job) == "running"
    assert job.is_stopping
    with pytest.raises(Cancelled):
        held.progress(1)


def test_a_job_claimed_between_request_and_stop_finds_the_request(did: list[str]) -> None:
    # given: the request was written, and the worker was quicker than the second statement
    job = waiting(cancel_requested=True)
    queue.run(str(job.public_id))
    assert state(job) == "cancelled"
    assert did == []


def test_stopping_a_job_whose_worker_died_does_not_wait_for_a_worker() -> None:
    job = waiting()
    queue.claim(str(job.public_id))
    expire(job)
    queue.cancel(job)
    assert state(job) == "cancelled"


def test_a_finished_job_is_neither_stopped_nor_retried() -> None:
    job = waiting()
    queue.run(str(job.public_id))
    queue.cancel(job)
    assert not queue.retry(job)
    assert state(job) == "done"
    assert not job.cancel_requested


def test_a_stopped_job_goes_on_when_retried(did: list[str]) -> None:
    job = waiting()
    queue.cancel(job)
    assert queue.retry(job)
    assert state(job) == "queued"
    queue.run(str(job.public_id))
    assert state(job) == "done"


def test_a_job_that_kills_every_worker_is_given_up_in_the_end(did: list[str]) -> None:
    job = waiting()
    for _ in range(running.MOST_ATTEMPTS):
        assert queue.claim(str(job.public_id)) is not None
        expire(job)
    queue.run(str(job.public_id))
    assert state(job) == "failed"
    assert "Given up" in job.error
    assert did == []


def test_a_long_job_that_gets_further_each_time_is_never_given_up() -> None:
    job = waiting()
    for reached in range(1, 4 * running.MOST_ATTEMPTS):
        held = queue.claim(str(job.public_id))
        assert held is not None
        held.progress(reached)
        expire(job)
    job.refresh_from_db()
    assert job.attempts <= 2


def test_a_worker_that_shuts_down_hands_its_job_back_uncounted(
    monkeypatch: pytest.MonkeyPatch, did: list[str]
) -> None:
    job = waiting()
    monkeypatch.setattr(running, "_shutting_down", bytearray(1))
    running.shut_down()
    queue.run(str(job.public_id))
    assert state(job) == "queued"
    assert job.attempts == 0
    assert job.finished_at is None
    monkeypatch.setattr(running, "_shutting_down", bytearray(1))
    queue.run(str(job.public_id))
    assert state(job) == "done"


def test_handing_back_is_told_to_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_shutting_down", bytearray([1]))
    held = queue.claim(str(waiting().public_id))
    assert held is not None
    with pytest.raises(HandedBack):
        held.progress(1)


def test_the_log_keeps_its_end_when_it_grows_long() -> None:
    held = queue.claim(str(waiting().public_id))
    assert held is not None
    for number in range(300):
        held.progress(number, log=f"{number} " + "x" * 1000)
    held.row.refresh_from_db()
    assert len(held.row.log) <= running.LONGEST_LOG + 100
    assert held.row.log.startswith("[earlier lines left out]")
    assert held.row.log.rstrip().splitlines()[-1].startswith("299 ")


def test_exhibits_are_added_and_the_newest_kept() -> None:
    held = queue.claim(str(waiting().public_id))
    assert held is not None
    for number in range(60):
        held.progress(number, exhibits=[{"image": f"/{number}.png", "caption": str(number)}])
    held.row.refresh_from_db()
    assert len(held.row.exhibits) == running.MOST_EXHIBITS
    assert held.row.exhibits[-1]["caption"] == "59"


def test_a_form_sent_twice_is_one_job() -> None:
    token = uuid.uuid4()
    first = queue.submit("steps", title="Once", parameters={"steps": 1}, public_id=token)
    second = queue.submit("steps", title="Once", parameters={"steps": 1}, public_id=token)
    assert first.pk == second.pk
    assert Job.objects.count() == 1


def test_another_persons_token_does_not_give_their_job(django_user_model: type) -> None:
    one = django_user_model.objects.create_user("one")
    other = django_user_model.objects.create_user("other")
    token = uuid.uuid4()
    queue.submit("steps", title="Mine", parameters={"steps": 1}, public_id=token, by=one)
    with pytest.raises(IntegrityError), transaction.atomic():
        queue.submit("steps", title="Theirs", parameters={"steps": 1}, public_id=token, by=other)


def test_the_database_refuses_a_running_job_without_a_lease() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        waiting(state="running")


def test_the_database_refuses_a_state_that_is_none() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        waiting(state="pending")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(queue, "_send", lambda job: found.append(job.pk))
    return found


def test_jobs_whose_messages_were_lost_are_nudged_again(sent: list[int]) -> None:
    lost = waiting()
    queued = waiting(nudged_at=timezone.now() - timedelta(minutes=1), nudges=1)
    abandoned = waiting()
    queue.claim(str(abandoned.public_id))
    expire(abandoned)
    at_work = waiting()
    queue.claim(str(at_work.public_id))
    waiting(nudged_at=timezone.now(), nudges=1)  # only just nudged
    waiting(state="done")
    assert queue.nudge_forgotten() == 3
    assert sorted(sent) == sorted([lost.pk, queued.pk, abandoned.pk])


def test_a_second_look_at_the_same_moment_nudges_nobody_twice(sent: list[int]) -> None:
    waiting()
    assert queue.nudge_forgotten() == 1
    assert queue.nudge_forgotten() == 0


@pytest.mark.parametrize(
    ("nudges", "pause"), [(1, 20), (2, 40), (3, 80), (4, 160), (5, 320), (6, 320), (500, 320)]
)
def test_the_pause_between_nudges_doubles_up_to_five_minutes(
    nudges: int, pause: int, sent: list[int]
) -> None:
    now = timezone.now()
    waiting(nudges=nudges, nudged_at=now - timedelta(seconds=pause - 10))
    assert queue.nudge_forgotten() == 0
    waiting(nudges=nudges, nudged_at=now - timedelta(seconds=pause + 10))
    assert queue.nudge_forgotten() == 1


def test_a_broker_that_is_away_does_not_fail_the_page_that_submits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given: a real application whose broker refuses connections
    away = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)
    monkeypatch.setattr(queue, "current_app", away)
    job = waiting()
    # when
    queue.nudge(job)
    # then: the row waits, and was noted as nudged
    assert state(job) == "queued"
    assert job.nudges == 1


def test_workers_that_went_silent_are_not_counted_as_there() -> None:
    now = timezone.now()
    Worker.objects.create(name="here", queues=["celery"], started_at=now, seen_at=now)
    Worker.objects.create(
        name="gone", queues=["gpu"], started_at=now, seen_at=now - timedelta(minutes=2)
    )
    assert [worker.name for worker in Worker.objects.live()] == ["here"]


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_that_claim_at_once_one_gets_the_job() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("threads share one in-memory SQLite; the real-worker proof covers files")
    job = waiting()
    claimed, barrier = [], threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        claimed.append(queue.claim(str(job.public_id)))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one is not None for one in claimed) == 1
