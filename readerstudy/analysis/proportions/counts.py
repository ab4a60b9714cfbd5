"""What counts, levels and margins may be, said once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import SupportsIndex

ALTERNATIVES = ("two-sided", "greater", "less")


def whole_number(value: object, name: str, *, least: int = 0) -> int:
    """``value`` as an int; a float is taken when it is whole, so NaN and 3.5 are refused."""
    if isinstance(value, bool) or not isinstance(value, (int, float, SupportsIndex)):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    number = float(value)
    if not math.isfinite(number) or number != math.floor(number):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return int(number)


def successes_of(successes: object, n: object, *, group: str = "") -> tuple[int, int]:
    """Checked (successes, n) with 0 <= successes <= n."""
    where = f" of {group}" if group else ""
    total = whole_number(n, f"n{where}")
    count = whole_number(successes, f"successes{where}")
    if count > total:
        raise ValueError(f"successes{where} ({count}) cannot exceed n ({total})")
    return count, total


def checked_level(level: float) -> float:
    """A confidence level strictly between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level!r} (95 % is 0.95)")
    return float(level)


def checked_probability(value: float, name: str) -> float:
    """A probability from 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a probability from 0 to 1, got {value!r}")
    return float(value)


def one_of(value: str, allowed: Sequence[str], name: str) -> str:
    """``value`` when it is one of ``allowed``."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
    return value
