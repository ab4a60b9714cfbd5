"""Start the demo's web server and worker, and stop them together."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

LEAST_FREE_BYTES = 500 * 1024**2
START_SECONDS = 60
STOP_SECONDS = 10


class CannotStart(Exception):
    """A set-up that will not work, said in one line."""


def check_port(port: str | int) -> int:
    """The port as a number, when it is one and nobody listens there.

    Raises ``CannotStart``.
    """
    try:
        number = int(port)
    except ValueError:
        number = 0
    if not 1 <= number <= 65535:
        raise CannotStart(f"PORT is {port!r}: it must be a number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except PermissionError:
            raise CannotStart(
                f"Port {number} needs more rights than this user has. Choose one above 1023: "
                f"make demo PORT={8000 + number % 1000}"
            ) from None
        except OSError:
            raise CannotStart(
                f"Port {number} is taken. Stop what listens there, or choose another: "
                f"make demo PORT={number + 1 if number < 65535 else 8000}"
            ) from None
    return number


def check_disk(folder: Path) -> None:
    """Raises ``CannotStart`` when the data folder's disk is nearly full."""
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise CannotStart(
            f"{folder} has {free // 1024**2} MB free; the demo needs "
            f"{LEAST_FREE_BYTES // 1024**2} MB. Free some, or name another folder: "
            "make demo DATA_DIR=/elsewhere"
        )


class Processes:
    """The demo's child processes. Leaving the block stops every one of them."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._logs.mkdir(parents=True, exist_ok=True)
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        signal.signal(signal.SIGTERM, _interrupt)
        signal.signal(signal.SIGHUP, _interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children.values():
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children.values():
            try:
                child.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()

    def start(self, name: str, command: Sequence[str]) -> None:
        """Run ``command`` of this environment's Python, its output going to ``logs/name.log``."""
        with (self._logs / f"{name}.log").open("ab") as log:
            self._children[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches this process alone, which then stops the children in order.
                start_new_session=True,
            )

    def wait_until_ready(self, url: str) -> None:
        """Return when ``url`` answers. Raises ``CannotStart`` when a child ends first."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._check()
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise CannotStart(f"The web server did not answer in {START_SECONDS} s; see {self._logs}.")

    def watch(self) -> None:
        """Block until interrupted. Raises ``CannotStart`` when a child ends by itself."""
        while True:
            self._check()
            time.sleep(1)

    def _check(self) -> None:
        for name, child in self._children.items():
            if child.poll() is not None:
                raise CannotStart(
                    f"The {name} stopped by itself (exit {child.returncode}); "
                    f"see {self._logs / f'{name}.log'}."
                )


def web_command(port: int) -> list[str]:
    return [
        "gunicorn", "readerstudy.config.wsgi:application", "--bind", f"127.0.0.1:{port}",
        "--workers", "1", "--worker-class", "gthread", "--threads", "8", "--timeout", "120",
    ]  # fmt: skip


def worker_command() -> list[str]:
    return [
        "celery", "-A", "readerstudy.config", "worker", "--concurrency", "1",
        "--loglevel", "INFO", "--without-gossip", "--without-mingle",
    ]  # fmt: skip


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
