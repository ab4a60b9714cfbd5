"""Families of tests: Bonferroni, Holm, Hochberg, Benjamini-Hochberg, -Yekutieli; gatekeeping.

Adjusted p-values as in Wright 1992 (Biometrics 48, 1005-1013) and R's ``p.adjust``; serial and
parallel gatekeeping after Dmitrienko, Offen & Westfall 2003 (Statistics in Medicine 22, 2387-2400).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from readerstudy.analysis.proportions.counts import one_of

Floats = NDArray[np.float64]

METHODS = ("bonferroni", "holm", "hochberg", "bh", "by", "none")


def adjust(p_values: ArrayLike, method: str = "holm") -> Floats:
    """Adjusted p-values, in the order given; NaN stays NaN and counts for nothing.

    ``bonferroni``, ``holm`` and ``hochberg`` control the family-wise error (Hochberg under
    independence or positive dependence), ``bh`` and ``by`` the false discovery rate. Raises
    ``ValueError`` naming the position of a value outside 0 to 1.
    """
    one_of(method, METHODS, "method")
    p = np.asarray(p_values, dtype=float).ravel()
    wrong = np.flatnonzero((p < 0) | (p > 1))
    if len(wrong):
        raise ValueError(f"p-value {p[wrong[0]]!r} at position {wrong[0]} is not between 0 and 1")
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    m = len(tested)
    if m == 0:
        return adjusted
    order = np.argsort(p[tested], kind="stable")
    ordered = p[tested][order]
    rank = np.arange(1, m + 1)
    if method == "none":
        values = ordered
    elif method == "bonferroni":
        values = ordered * m
    elif method == "holm":
        values = np.maximum.accumulate(ordered * (m - rank + 1))
    else:
        factor = {
            "hochberg": (m - rank + 1).astype(float),
            "bh": m / rank,
            "by": m / rank * (1 / rank).sum(),
        }[method]
        values = np.minimum.accumulate((ordered * factor)[::-1])[::-1]
    adjusted[tested[order]] = np.minimum(values, 1.0)
    return adjusted


@dataclass(frozen=True)
class Decision:
    """One endpoint after gatekeeping."""

    endpoint: str
    p_value: float
    adjusted: float
    rejected: bool
    gate: str
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return {slot: getattr(self, slot) for slot in self.__dataclass_fields__}

    def summary(self) -> str:
        """One line for people."""
        verdict = "rejected" if self.rejected else "not rejected"
        text = f"{self.endpoint}: adjusted p = {self.adjusted:.4g}, {verdict} [{self.gate}]"
        return f"{text}; {self.note}" if self.note else text


def gatekeeping(
    families: Sequence[Mapping[str, float]],
    *,
    alpha: float = 0.05,
    method: str | Sequence[str] = "holm",
    gate: str = "serial",
) -> list[Decision]:
    """Test families of endpoints in the plan's order, keeping the family-wise error at ``alpha``.

    ``families`` are mappings from endpoint to p-value, most important first. ``serial``: a family
    is tested only when every endpoint of all earlier ones was rejected; an adjusted p is never
    below the largest before it. ``parallel``: one rejection opens the next family, which gets the
    share of alpha that the rejected endpoints held (Bonferroni within all families but the last,
    which uses ``method``). ``method`` may be one of ``bonferroni``, ``holm``, ``hochberg`` or one
    of them a family. A missing (NaN) p is not rejected.
    """
    one_of(gate, ("serial", "parallel"), "gate")
    methods = [method] * len(families) if isinstance(method, str) else list(method)
    if len(methods) != len(families):
        raise ValueError(f"{len(families)} families need as many methods, got {len(methods)}")
    for name in methods:
        one_of(name, ("bonferroni", "holm", "hochberg"), "method")
    seen: set[str] = set()
    for family in families:
        if not family:
            raise ValueError("a family without endpoints: leave it out")
        twice = seen & set(family)
        if twice:
            raise ValueError(f"endpoint {sorted(twice)[0]!r} stands in more than one family")
        seen |= set(family)
    if gate == "serial":
        return _serial(families, methods, alpha)
    return _parallel(families, methods, alpha)


def _serial(
    families: Sequence[Mapping[str, float]], methods: Sequence[str], alpha: float
) -> list[Decision]:
    decisions = []
    floor = 0.0
    for number, (family, method) in enumerate(zip(families, methods, strict=True), start=1):
        adjusted = np.maximum(np.nan_to_num(adjust(list(family.values()), method), nan=1.0), floor)
        closed = floor > alpha
        for (endpoint, p), value in zip(family.items(), adjusted, strict=True):
            decisions.append(
                Decision(
                    endpoint,
                    float(p),
                    float(value),
                    bool(value <= alpha),
                    f"family {number}, {method}, serial",
                    "an earlier family stands in the way" if closed and p <= alpha else "",
                )
            )
        floor = max(floor, float(adjusted.max()))
    return decisions


def _parallel(
    families: Sequence[Mapping[str, float]], methods: Sequence[str], alpha: float
) -> list[Decision]:
    decisions = []
    share = 1.0  # of alpha, carried to this family
    for number, (family, method) in enumerate(zip(families, methods, strict=True), start=1):
        last = number == len(families)
        used = method if last else "bonferroni"
        raw = np.nan_to_num(adjust(list(family.values()), used), nan=1.0)
        adjusted = np.minimum(raw / share, 1.0) if share > 0 else np.ones(len(raw))
        for (endpoint, p), value in zip(family.items(), adjusted, strict=True):
            decisions.append(
                Decision(
                    endpoint,
                    float(p),
                    float(value),
                    bool(value <= alpha),
                    f"family {number}, {used}, parallel",
                    "no earlier family let alpha through" if share == 0 and p <= alpha else "",
                )
            )
        share *= float((adjusted <= alpha).mean())
    return decisions
