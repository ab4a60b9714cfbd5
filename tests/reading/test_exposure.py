"""The staircase settles where it should."""

from __future__ import annotations

import numpy as np
import pytest

from readerstudy.reading.exposure import LONGEST, SHORTEST, level


def test_steps_are_ten_down_and_thirty_up() -> None:
    assert level([True, True, False]) == 500 - 10 - 10 + 30


def test_it_stays_within_its_bounds() -> None:
    assert level([True] * 200) == SHORTEST
    assert level([False] * 200) == LONGEST


def test_it_settles_at_three_right_in_four() -> None:
    """Kaernbach 1991: a weighted up-down rule with steps 10 and 30 settles at p = 30/40 = 0.75."""
    random = np.random.default_rng(4)
    # given an observer with P(right) = 0.5 + 0.5 F(ms), logistic, P = 0.75 at 400 ms
    outcomes: list[bool] = []
    reached: list[int] = []
    for _ in range(4000):
        at = level(outcomes[-1:], start=reached[-1]) if reached else 500
        reached.append(at)
        right = random.random() < 0.5 + 0.5 / (1 + np.exp(-(at - 400) / 60))
        outcomes.append(bool(right))
    assert np.mean(outcomes[500:]) == pytest.approx(0.75, abs=0.02)
    assert np.mean(reached[500:]) == pytest.approx(400, abs=25)
