"""Do a job in this process, for the command line, with its progress on the terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from django.db import close_old_connections

from readerstudy.jobs import queue
from readerstudy.jobs.models import Job

LOOK_SECONDS = 2.0


def finish(job: Job, say: Callable[[str], object]) -> Job:
    """Do the job, or wait for the worker that was quicker; its row as it ended.

    ``say`` gets each new line of progress.
    """
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(job.pk, over, say), daemon=True)
    watcher.start()
    try:
        while job.state in Job.UNFINISHED:
            queue.run(str(job.public_id))
            job.refresh_from_db()
            if job.state in Job.UNFINISHED:  # a worker has it
                time.sleep(LOOK_SECONDS)
                job.refresh_from_db()
    finally:
        over.set()
        watcher.join()
    return job


def _watch(pk: int, over: threading.Event, say: Callable[[str], object]) -> None:
    last = ""
    while not over.wait(LOOK_SECONDS):
        row = Job.objects.filter(pk=pk).values("done", "total", "message").first()
        if row is None:
            break
        line = f"{row['done']:,} of {row['total'] or 0:,}: {row['message']}"
        if line != last:
            say(line)
            last = line
    close_old_connections()
