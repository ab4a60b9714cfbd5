"""One function over many pictures, on every core. No Django.

Work begins in the calling process, and processes of its own are started only when it proves long:
a study of a dozen small frames is done before they could be up. Processes are plain subprocesses,
since a Celery worker's own may not fork. Answers come in the order of the arguments, so what is
made does not depend on how many processes made it.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, Generic, TypeVar

WORTH_IT = 1.0  # seconds of work after which processes are started
_LENGTH = struct.Struct("<Q")

Answer = TypeVar("Answer")


class CrewError(RuntimeError):
    """A process of the crew died: killed, as a rule, for want of memory."""


class Crew(Generic[Answer]):
    """Calls ``function``, a module's own and free of Django, with many arguments.

    A context manager. ``processes`` defaults to the cores this process may use.
    """

    def __init__(
        self,
        function: Callable[..., Answer],
        processes: int | None = None,
        *,
        worth_it: float = WORTH_IT,
    ) -> None:
        self._function = function
        self.processes = max(1, processes or cores())
        self._worth_it = worth_it
        self._members: list[_Member] = []
        self._idle: SimpleQueue[_Member] = SimpleQueue()
        self._threads: ThreadPoolExecutor | None = None

    def __enter__(self) -> Crew[Answer]:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            member.stop()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)

    def each(self, arguments: Iterable[tuple[Any, ...]]) -> Iterator[Answer]:
        """The function's answers, in order. ``arguments`` is read only a little ahead, so memory
        does not grow with their number.

        Raises what the function raises, and ``CrewError`` when a process dies.
        """
        rest = iter(arguments)
        spent = 0.0
        for one in rest:
            began = time.monotonic()
            answer = self._function(*one)
            spent += time.monotonic() - began
            yield answer
            if self.processes > 1 and spent >= self._worth_it:
                break
        yield from self._in_parallel(rest)

    def _in_parallel(self, arguments: Iterator[tuple[Any, ...]]) -> Iterator[Answer]:
        waiting: deque[Future[Answer]] = deque()
        for one in arguments:
            threads = self._start()
            waiting.append(threads.submit(self._ask, one))
            if len(waiting) > self.processes + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _start(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.processes, thread_name_prefix="crew")
            name = f"{self._function.__module__}:{self._function.__qualname__}"
            self._members = [_Member(name) for _ in range(self.processes)]
            for member in self._members:
                self._idle.put(member)
        return self._threads

    def _ask(self, arguments: tuple[Any, ...]) -> Answer:
        member = self._idle.get()
        try:
            raised, answer = member.ask(arguments)
        finally:
            self._idle.put(member)
        if raised:
            raise answer
        return answer


class _Member:
    """One process."""

    def __init__(self, name: str) -> None:
        single = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "readerstudy.imaging.crew", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, **single},
        )

    def ask(self, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            _send(self._process.stdin, arguments)
            return _receive(self._process.stdout)
        except (OSError, EOFError, ValueError):
            raise CrewError(
                "a process that worked on pictures died, as a rule for want of memory; start "
                "again with fewer processes"
            ) from None

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # what was still to be written has nobody to read it


def cores() -> int:
    """Processor cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _send(pipe: IO[bytes], value: Any) -> None:
    content = pickle.dumps(value, protocol=5)
    pipe.write(_LENGTH.pack(len(content)))
    pipe.write(content)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    content = pipe.read(length)
    if len(content) < length:
        raise EOFError
    return pickle.loads(content)  # noqa: S301 - between this process and its own children


def main() -> None:
    """Answer calls of the function that the command line names, until standard input ends."""
    module, _, name = sys.argv[1].partition(":")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    function = getattr(import_module(module), name)
    while True:
        try:
            arguments = _receive(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = (False, function(*arguments))
        except Exception as error:
            answer = (True, error)
        _send(answers, answer)


if __name__ == "__main__":
    main()
