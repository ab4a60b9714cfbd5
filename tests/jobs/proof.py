"""Real workers, really killed: run as a script by test_killed_worker.py, prints JSON.

Not a test by itself: it needs a database of its own that processes share.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    scenario = globals()[sys.argv[1]]
    crew = Crew(Path(os.environ["DATA_DIR"]))
    try:
        sys.stdout.write(json.dumps(scenario(crew)) + "\n")
    finally:
        crew.stop()


class Crew:
    """Worker processes with the proof's kinds and a lease of two seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.workers = folder, list[subprocess.Popen[bytes]]()
        self.notes = folder / "notes"
        self.notes.mkdir(exist_ok=True)

    def start(self, pool: str = "prefork") -> subprocess.Popen[bytes]:
        name = f"w{len(self.workers)}"
        with (self.folder / f"{name}.log").open("wb") as log:
            worker = subprocess.Popen(
                [
                    sys.executable, "-m", "celery", "-A", "readerstudy.config", "worker",
                    "-c", "1", "-P", pool, "-n", f"{name}@proof", "-I", "tests.jobs.proof_kinds",
                    "--without-gossip", "--without-mingle", "-l", "INFO",
                ],
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.workers.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """The whole process group at once, as when the power goes."""
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def freeze(self, worker: subprocess.Popen[bytes]) -> None:
        os.killpg(worker.pid, signal.SIGSTOP)

    def thaw(self, worker: subprocess.Popen[bytes]) -> None:
        os.killpg(worker.pid, signal.SIGCONT)

    def stop(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                self.thaw(worker)
                self.kill(worker)

    def lines(self) -> list[dict[str, Any]]:
        """What the jobs did, in order of time."""
        found = [
            json.loads(line)
            for path in self.notes.iterdir()
            for line in path.read_text().splitlines()
        ]
        return sorted(found, key=lambda note: note["at"])


def until(what: str, reached: Callable[[], Any], seconds: float = 90) -> None:
    limit = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > limit:
            raise SystemExit(f"waited {seconds:.0f} s for: {what}")
        time.sleep(0.05)


def submit(crew: Crew, steps: int, kind: str = "proof.steps", **more: Any) -> Any:
    from readerstudy.jobs import queue

    return queue.submit(
        kind, title="Proof", parameters={"steps": steps, "notes": str(crew.notes), **more}
    )


def ended(job: Any) -> bool:
    job.refresh_from_db()
    return job.is_finished


def outcome(crew: Crew, job: Any) -> dict[str, Any]:
    from readerstudy.imaging.models import Label

    job.refresh_from_db()
    notes = crew.lines()
    return {
        "state": job.state,
        "error": job.error,
        "attempts": job.attempts,
        "done": job.done,
        "kept": sorted(int(name[6:]) for name in Label.objects.values_list("name", flat=True)),
        "processes": len({note["pid"] for note in notes}),
        "reported_after_takeover": [note for note in notes if note.get("late")],
        "steps": [note["step"] for note in notes if "step" in note],
    }


def killed_with_its_whole_group(crew: Crew) -> dict[str, Any]:
    """The worker dies mid-way; another one that is there takes over."""
    job = submit(crew, steps=30)
    first = crew.start()
    until("half the steps", lambda: len(crew.lines()) > 10)
    crew.kill(first)
    crew.start()
    until("the end", lambda: ended(job))
    return outcome(crew, job)


def only_the_child_killed(crew: Crew) -> dict[str, Any]:
    """The process that does the job dies (out of memory, say); its worker lives and goes on."""
    job = submit(crew, steps=30)
    crew.start()
    until("some steps", lambda: len(crew.lines()) > 10)
    os.kill(crew.lines()[-1]["pid"], signal.SIGKILL)
    until("the end", lambda: ended(job))
    return outcome(crew, job)


def killed_again_and_again(crew: Crew) -> dict[str, Any]:
    """Seven workers die, each having got further: the job is not given up."""
    job = submit(crew, steps=45)
    for round_ in range(7):
        worker = crew.start("solo")
        seen = (round_ + 1) * 5
        until(f"step {seen}", lambda seen=seen: len(set(outcome(crew, job)["steps"])) > seen)
        crew.kill(worker)
    crew.start("solo")
    until("the end", lambda: ended(job))
    return outcome(crew, job)


def frozen_worker_wakes_up(crew: Crew) -> dict[str, Any]:
    """A worker stops for longer than its lease, loses its job, and wakes while another has it."""
    job = submit(crew, steps=40)
    first = crew.start("solo")
    until("some steps", lambda: len(crew.lines()) > 5)
    crew.freeze(first)
    frozen = crew.lines()[-1]["pid"]
    crew.start("solo")
    until("the takeover", lambda: crew.lines()[-1]["pid"] != frozen)
    crew.thaw(first)
    until("the end", lambda: ended(job))
    until("the first to notice", lambda: any(n.get("late") for n in crew.lines()), 20)
    return outcome(crew, job)


def slow_step_keeps_its_lease(crew: Crew) -> dict[str, Any]:
    """A step longer than three leases, with a second worker waiting to take over."""
    job = submit(crew, steps=2, pause=7.0)
    crew.start("solo")
    crew.start("solo")
    until("the end", lambda: ended(job))
    return outcome(crew, job)


def lost_message(crew: Crew) -> dict[str, Any]:
    """Every message is lost; the workers find the row by themselves."""
    job = submit(crew, steps=3)
    _drop_messages(crew)
    crew.start()
    until("the end", lambda: ended(job))
    return outcome(crew, job)


def lost_while_running(crew: Crew) -> dict[str, Any]:
    """The message is lost while a worker is up and idle, long after it started."""
    from readerstudy.jobs.models import Job, Worker

    crew.start()
    until("the worker", lambda: Worker.objects.live().exists())
    job = Job.objects.create(
        kind="proof.steps", title="No message", parameters={"steps": 3, "notes": str(crew.notes)}
    )
    until("the end", lambda: ended(job))
    return outcome(crew, job)


def doubled_messages(crew: Crew) -> dict[str, Any]:
    """The message comes twenty times, to three workers."""
    from readerstudy.jobs import queue

    for _ in range(3):
        crew.start("solo")
    job = submit(crew, steps=20)
    for _ in range(19):
        queue.nudge(job)
    until("the end", lambda: ended(job))
    return outcome(crew, job)


def told_to_stop(crew: Crew) -> dict[str, Any]:
    """A worker gets SIGTERM: it hands the job back at once, and the next one goes on."""
    job = submit(crew, steps=60)
    first = crew.start()
    until("some steps", lambda: len(crew.lines()) > 10)
    os.kill(first.pid, signal.SIGTERM)
    first.wait(timeout=30)
    job.refresh_from_db()
    handed_back = {"state": job.state, "attempts": job.attempts, "message": job.message}
    crew.start()
    until("the end", lambda: ended(job))
    return {**outcome(crew, job), "handed_back": handed_back}


def stopped_by_its_owner(crew: Crew) -> dict[str, Any]:
    """Stop, then go on."""
    from readerstudy.jobs import queue

    job = submit(crew, steps=40)
    crew.start()
    until("some steps", lambda: len(crew.lines()) > 5)
    queue.cancel(job)
    until("the stop", lambda: ended(job))
    stopped = outcome(crew, job)
    queue.retry(job)
    until("the end", lambda: ended(job))
    return {**outcome(crew, job), "stopped": stopped}


def _drop_messages(crew: Crew) -> None:
    from celery import current_app
    from django.conf import settings

    if settings.CELERY_BROKER_URL.startswith("filesystem"):
        for path in (crew.folder / "broker" / "messages").iterdir():
            path.unlink()
    else:
        with current_app.connection_for_write() as broker:
            broker.default_channel.queue_purge("celery")


if __name__ == "__main__":
    main()
