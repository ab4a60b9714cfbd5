"""Many pictures on every core: the same answers in the same order, and nothing left running."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import numpy as np
import pytest

from readerstudy.imaging import blinding
from readerstudy.imaging.crew import Crew, CrewError
from readerstudy.imaging.rendering import RenderingProtocol
from tests.imaging import crew_work
from tests.imaging.dicom_files import chest


def test_processes_make_the_same_frames_as_one() -> None:
    protocol = RenderingProtocol(matrix=96, grain=0.01, mask_markers=True)
    work = [
        (chest(120 + seed, 110, seed=seed), 12, None, 1.0, protocol, None, 5) for seed in range(7)
    ]
    alone = [blinding.render_packed(*one) for one in work]
    with Crew(blinding.render_packed, 2, worth_it=0.0) as crew:
        assert list(crew.each(work)) == alone


def test_answers_keep_their_order_and_little_is_read_ahead() -> None:
    read: list[int] = []

    def arguments() -> Iterator[tuple[int, float]]:
        for number in range(20):
            read.append(number)
            yield number, 0.05 if number % 3 == 0 else 0.0

    with Crew(crew_work.slowly, 2, worth_it=0.0) as crew:
        for number, (answer, process) in enumerate(crew.each(arguments())):
            assert answer == number
            assert len(read) <= number + 5
            assert (process == os.getpid()) == (number == 0)


def test_short_work_starts_no_process() -> None:
    with Crew(crew_work.slowly, 2) as crew:
        assert {process for _, process in crew.each([(1, 0.0)] * 5)} == {os.getpid()}


def test_what_the_work_raises_is_raised_here() -> None:
    with (
        Crew(crew_work.fails, 2, worth_it=0.0) as crew,
        pytest.raises(ValueError, match="picture 3 is no picture"),
    ):
        list(crew.each((number,) for number in range(6)))


def test_a_process_that_dies_is_an_error_and_none_is_left() -> None:
    with Crew(crew_work.dies, 2, worth_it=0.0) as crew, pytest.raises(CrewError, match="memory"):
        list(crew.each((number,) for number in range(6)))
    children = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "args="], capture_output=True, text=True
    ).stdout
    assert "readerstudy.imaging.crew" not in children


def test_stopping_in_the_middle_leaves_no_process() -> None:
    with Crew(crew_work.slowly, 2, worth_it=0.0) as crew:
        answers = crew.each((number, 0.2) for number in range(50))
        next(answers)
        next(answers)
        members = crew._members
        assert members
    assert all(member._process.poll() is not None for member in members)


def test_arrays_travel_whole() -> None:
    picture = np.arange(1_000_000, dtype=np.uint16).reshape(1000, 1000)
    with Crew(crew_work.turned, 2, worth_it=0.0) as crew:
        for answer in crew.each([(picture,)] * 4):
            assert np.array_equal(answer, picture[::-1])
