"""Power over a grid of readers and cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd


def power_curve(
    plan: Callable[..., Any], *, readers: Iterable[int], cases: Iterable[int], **options: Any
) -> pd.DataFrame:
    """Power for every number of readers and cases, one row each.

    ``plan`` is ``realism_power``, ``mrmc_power`` (with ``pilot=...``) or any function of
    ``readers`` and ``cases`` with a ``power``; ``options`` go to it. ``auc_power`` is asked with
    ``cases`` split evenly into positives and negatives.
    """
    asks_classes = plan.__name__ == "auc_power"
    rows = []
    for count in readers:
        for size in cases:
            split = (
                {"positives": size // 2, "negatives": size - size // 2}
                if asks_classes else {"cases": size}
            )  # fmt: skip
            found = plan(readers=count, **split, **options)
            rows.append((count, size, found.power, found.standard_error, found.df))
    return pd.DataFrame(rows, columns=["readers", "cases", "power", "standard_error", "df"])
