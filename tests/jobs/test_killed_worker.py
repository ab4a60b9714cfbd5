"""Real worker processes on a real broker and database: killed, frozen, messages lost or doubled.

On SQLite and the embedded broker by default; on PostgreSQL where TEST_DATABASE_URL names one, and
on another broker where TEST_BROKER_URL does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A house of its own: data folder, database, broker."""
    values = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "readerstudy.config.settings",
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(tmp_path),
        "SECRET_KEY": "only-for-the-proof",
        "CELERY_TASK_ALWAYS_EAGER": "0",
        "LOG_LEVEL": "WARNING",
        "DEMO": "0",
    }
    values.pop("DATABASE_URL", None)
    if broker := os.environ.get("TEST_BROKER_URL"):
        values["CELERY_BROKER_URL"] = broker
    server = os.environ.get("TEST_DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield values
        return
    import psycopg

    name = f"proof_{uuid.uuid4().hex[:12]}"
    admin = server.replace("postgres://", "postgresql://")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    try:
        yield {**values, "DATABASE_URL": server.rsplit("/", 1)[0] + f"/{name}"}
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]


@pytest.fixture
def prove(environment: dict[str, str]) -> Any:
    def run(scenario: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.jobs.proof", scenario],
            env=environment, cwd=ROOT, capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        logs = "\n".join(
            path.read_text()[-3000:] for path in Path(environment["DATA_DIR"]).glob("w*.log")
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}\n{logs}"
        return json.loads(done.stdout.strip().splitlines()[-1])

    return run


def nothing_lost_nothing_doubled(found: dict[str, Any], steps: int) -> None:
    assert found["state"] == "done", found["error"]
    assert found["kept"] == list(range(steps))
    assert sorted(found["steps"]) == list(range(steps))
    assert found["done"] == steps


def test_a_killed_worker_loses_and_doubles_nothing(prove: Any) -> None:
    found = prove("killed_with_its_whole_group")
    nothing_lost_nothing_doubled(found, 30)
    assert found["processes"] == 2


def test_lost_messages_are_made_up_for_by_a_worker_that_starts(prove: Any) -> None:
    nothing_lost_nothing_doubled(prove("lost_message"), 3)


@pytest.mark.faults
def test_a_worker_outlives_the_process_that_did_the_job(prove: Any) -> None:
    found = prove("only_the_child_killed")
    nothing_lost_nothing_doubled(found, 30)
    assert found["processes"] == 2


@pytest.mark.faults
def test_seven_killed_workers_lose_and_double_nothing(prove: Any) -> None:
    found = prove("killed_again_and_again")
    nothing_lost_nothing_doubled(found, 45)
    assert found["processes"] == 8


@pytest.mark.faults
def test_a_frozen_worker_that_wakes_finds_its_job_taken_and_writes_nothing_more(
    prove: Any,
) -> None:
    found = prove("frozen_worker_wakes_up")
    nothing_lost_nothing_doubled(found, 40)
    assert len(found["reported_after_takeover"]) == 1


@pytest.mark.faults
def test_a_step_longer_than_the_lease_is_not_taken_over(prove: Any) -> None:
    found = prove("slow_step_keeps_its_lease")
    nothing_lost_nothing_doubled(found, 2)
    assert found["processes"] == 1
    assert found["attempts"] == 1


@pytest.mark.faults
def test_a_message_lost_while_a_worker_idles_is_made_up_for(prove: Any) -> None:
    nothing_lost_nothing_doubled(prove("lost_while_running"), 3)


@pytest.mark.faults
def test_twenty_messages_to_three_workers_are_one_job(prove: Any) -> None:
    found = prove("doubled_messages")
    nothing_lost_nothing_doubled(found, 20)
    assert found["processes"] == 1


@pytest.mark.faults
def test_a_worker_told_to_stop_hands_its_job_back_at_once(prove: Any) -> None:
    found = prove("told_to_stop")
    nothing_lost_nothing_doubled(found, 60)
    assert found["handed_back"]["state"] == "queued"
    assert found["handed_back"]["attempts"] == 0


@pytest.mark.faults
def test_a_job_that_its_owner_stopped_goes_on_where_it_was(prove: Any) -> None:
    found = prove("stopped_by_its_owner")
    assert found["stopped"]["state"] == "cancelled"
    assert 0 < len(found["stopped"]["kept"]) < 40
    nothing_lost_nothing_doubled(found, 40)
