"""Decoding processes of the intake: as many as asked for, each replaced when it dies or hangs."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from readerstudy.imaging.decoding.limits import Limits

START_SECONDS = 60.0
Ticket = TypeVar("Ticket")


class DecodingPool:
    """Decodes files in separate, limited processes. A context manager.

    One thread waits on each process. A process that takes longer than ``limits.seconds`` for one
    file is killed, one that dies is replaced; either way only the file in hand is refused.
    """

    def __init__(
        self, *, processes: int = 1, limits: Limits | None = None, **settings: Any
    ) -> None:
        self.limits = limits or Limits()
        self.processes = max(1, processes)
        self._settings = {"limits": self.limits.to_dict(), **settings}
        self._local = threading.local()
        self._children: list[_Child] = []
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(self.processes, thread_name_prefix="decoding")

    def __enter__(self) -> DecodingPool:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        for child in self._children:
            child.stop()

    def examine(self, path: Path, spool: Path, **request: Any) -> dict[str, Any]:
        """The examiner's answer for one file: a row's fields, or ``code`` and ``message``."""
        return self._submit(path, spool, request).result()

    def examine_all(
        self, files: Iterable[tuple[Ticket, Path, Path, dict[str, Any]]]
    ) -> Iterator[tuple[Ticket, dict[str, Any]]]:
        """Answers in the order of ``files`` (ticket, path, spool, request), read only as far ahead
        as the processes need: memory does not grow with the number of files."""
        waiting: deque[tuple[Ticket, Future[dict[str, Any]]]] = deque()
        for ticket, path, spool, request in files:
            waiting.append((ticket, self._submit(path, spool, request)))
            while len(waiting) > 3 * self.processes:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()

    def _submit(self, path: Path, spool: Path, request: dict[str, Any]) -> Future[dict[str, Any]]:
        message = {**request, "path": str(path), "spool": str(spool)}
        return self._threads.submit(self._ask, message)

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        child: _Child | None = getattr(self._local, "child", None)
        if child is None or not child.alive:
            child = self._local.child = _Child(self._settings)
            with self._lock:
                self._children = [one for one in self._children if one.alive] + [child]
        answer = child.ask(message, self.limits.seconds)
        if answer is None:
            child.stop()
            return {
                "code": "timeout",
                "message": f"decoding took longer than {self.limits.seconds:g} s and was stopped",
            }
        if not answer:
            child.stop()
            return {"code": "crashed", "message": "the decoder crashed on this file"}
        if answer.get("code") == "memory":
            child.stop()
        return answer


class _Child:
    """One decoding process."""

    def __init__(self, settings: dict[str, Any]) -> None:
        environment = {
            **os.environ,
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "readerstudy.imaging.decoding.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parents[3],
            env=environment,
        )
        self._buffer = b""
        if not self.ask(settings, START_SECONDS):
            self.stop()
            raise RuntimeError("the decoding process did not start: see that Python can import it")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, message: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        """The answer; empty when the process died, ``None`` when it did not answer in time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, OSError):
            return {}
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([descriptor], [], [], seconds)
            if not ready:
                return None
            piece = os.read(descriptor, 1 << 16)
            if not piece:
                return {}
            self._buffer += piece
        line, self._buffer = self._buffer.split(b"\n", 1)
        return dict(json.loads(line))

    def stop(self) -> None:
        """Kill the process and reap it."""
        if self.alive:
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.wait()
