"""Kinds of work for the proofs, loaded into real workers; short leases, quick looks."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from readerstudy.jobs import queue, running, tasks
from readerstudy.jobs.queue import LeaseLost, Running, kind

running.LEASE = timedelta(seconds=2)
queue.NUDGE_AGAIN = timedelta(seconds=1)
tasks.LOOK_EVERY_SECONDS = 1


@kind("proof.steps")
def steps(job: Running) -> dict[str, Any]:
    """Keeps one label a step, as a sampling keeps one scan a latent; notes what it did and when."""
    from readerstudy.imaging.models import Label

    total, pause = job.parameters["steps"], job.parameters.get("pause", 0.1)
    with (Path(job.parameters["notes"]) / str(os.getpid())).open("a", buffering=1) as notes:

        def note(**what: Any) -> None:
            notes.write(json.dumps({"at": time.time(), "pid": os.getpid(), **what}) + "\n")

        try:
            for step in range(total):
                name = f"proof {step:03d}"
                if Label.objects.filter(name=name).exists():
                    continue
                time.sleep(pause)
                job.progress(step, total)  # asks whether the job is still this worker's
                _, created = Label.objects.get_or_create(name=name)
                note(step=step, created=created)
            job.progress(total, total)
        except LeaseLost:
            note(late=True)
            raise
    return {"steps": total}
