"""What commands on a terminal share: whose work it is, and a job done in this process."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.db import OperationalError, connection
from tqdm import tqdm

from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from readerstudy.jobs.running import patiently

LOOK_SECONDS = 2.0


def researcher(email: str) -> Any:
    """The account of a researcher's e-mail.

    Raises ``ValueError`` where there is none, several, or its owner is no researcher.
    """
    # Accounts without an address would all answer to an empty one.
    found = list(get_user_model().objects.filter(email__iexact=email).exclude(email=""))
    if len(found) != 1:
        raise ValueError(
            f"{len(found)} accounts have the e-mail {email!r}; one is needed."
            if found
            else f"No account has the e-mail {email!r}."
        )
    if not (found[0].is_researcher or found[0].is_superuser):
        raise ValueError(f"{email} is no researcher: only researchers train and use generators.")
    return found[0]


def finish(job: Job, say: Callable[[str], object], *, unit: str = "scan") -> Job:
    """Do the job, or wait for the worker that was quicker; its row as it ended.

    On a terminal its progress is a bar; elsewhere ``say`` gets each new line of it. Ctrl-C stops
    the job as the button on its page does; a second one ends this process at once.
    """
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(job, over, say, unit), daemon=True)
    watcher.start()
    try:
        with _interrupt_stops(job):
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


@contextmanager
def _interrupt_stops(job: Job) -> Iterator[None]:
    """The first Ctrl-C only asks the job to stop, so that what is being written is written whole.

    A thread asks: the interrupt may have come in the middle of a query of this one.
    """
    if threading.current_thread() is not threading.main_thread():  # only there are signals handled
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def first(*_: Any) -> None:
        signal.signal(signal.SIGINT, before)
        threading.Thread(target=_cancel, args=(job,)).start()

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _cancel(job: Job) -> None:
    try:
        patiently(lambda: queue.cancel(job))
    finally:
        connection.close()


def _watch(job: Job, over: threading.Event, say: Callable[[str], object], unit: str) -> None:
    last = ""
    with tqdm(desc=job.title, unit=unit, disable=None) as bar:
        ended = False
        while not ended:
            ended = over.wait(LOOK_SECONDS)  # then one last look
            try:
                row = Job.objects.filter(pk=job.pk).values("done", "total", "message").first()
            except OperationalError:  # busy or away: the job itself knows what to do about it
                continue
            if row is None:
                break
            line = f"{row['done']:,} of {row['total'] or 0:,}: {row['message']}"
            if bar.disable and line != last:
                say(line)
                last = line
            bar.total = row["total"]
            bar.set_postfix_str(row["message"], refresh=False)
            bar.update(row["done"] - bar.n)
    connection.close()
