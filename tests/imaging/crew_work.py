"""What the crews of the tests do, in processes of their own."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from numpy.typing import NDArray


def slowly(number: int, seconds: float) -> tuple[int, int]:
    time.sleep(seconds)
    return number, os.getpid()


def fails(number: int) -> int:
    if number == 3:
        raise ValueError(f"picture {number} is no picture")
    return number


def dies(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def turned(picture: NDArray[Any]) -> NDArray[Any]:
    return picture[::-1]
