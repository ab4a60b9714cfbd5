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
from readerstudy.analysis.result import plain_numbers

Floats = NDArray[np.float64]

METHODS = ("bonferroni", "holm", "hochberg", "bh", "by", "none")

WEAKER = {
    "bh": "controls the false discovery rate of its family, not the family-wise error",
    "by": "controls the false discovery rate of its family, not the family-wise error",
    "none": "not adjusted within its family",
}
"""What must be said of decisions by methods that do not keep the family-wise error."""


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
        """The fields, ready for JSON (a missing p is None)."""
        plain: dict[str, Any] = plain_numbers(
            {slot: getattr(self, slot) for slot in self.__dataclass_fields__}
        )
        return plain

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
    which uses ``method``). An adjusted p is the smallest alpha at which the endpoint is rejected.

    ``method`` is one of :data:`METHODS` or one of them a family; what does not keep the family-wise
    error (``bh``, ``by``, ``none``) is said in each decision's note. A missing (NaN) p is not
    rejected and still takes its place in the family: an endpoint that could not be analysed must
    not make the others easier.
    """
    one_of(gate, ("serial", "parallel"), "gate")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie strictly between 0 and 1, got {alpha!r}")
    methods = [method] * len(families) if isinstance(method, str) else list(method)
    if len(methods) != len(families):
        raise ValueError(f"{len(families)} families need as many methods, got {len(methods)}")
    for name in methods:
        one_of(name, METHODS, "method")
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
        adjusted = np.maximum(adjust(_missing_as_one(family), method), floor)
        closed = floor > alpha
        for (endpoint, p), value in zip(family.items(), adjusted, strict=True):
            decisions.append(
                Decision(
                    endpoint,
                    float(p),
                    float(value),
                    bool(value <= alpha),
                    f"family {number}, {method}, serial",
                    _remarks(method, "an earlier family stands in the way", closed and p <= alpha),
                )
            )
        floor = max(floor, float(adjusted.max()))
    return decisions


def _parallel(
    families: Sequence[Mapping[str, float]], methods: Sequence[str], alpha: float
) -> list[Decision]:
    used = [*("bonferroni" for _ in families[:-1]), methods[-1]]
    p_values = [_missing_as_one(family) for family in families]
    adjusted = _smallest_alphas(p_values, used[-1])
    decisions = []
    opened = True
    for number, (family, values) in enumerate(zip(families, adjusted, strict=True), start=1):
        for (endpoint, p), value in zip(family.items(), values, strict=True):
            decisions.append(
                Decision(
                    endpoint,
                    float(p),
                    float(value),
                    bool(value <= alpha),
                    f"family {number}, {used[number - 1]}, parallel",
                    _remarks(
                        used[number - 1],
                        "no earlier family let alpha through",
                        not opened and p <= alpha,
                    ),
                )
            )
        opened = opened and bool((values <= alpha).any())
    return decisions


def _remarks(method: str, obstacle: str, stopped: bool) -> str:
    return "; ".join(part for part in (WEAKER.get(method, ""), obstacle if stopped else "") if part)


def _missing_as_one(family: Mapping[str, float]) -> Floats:
    """An endpoint that could not be analysed still takes its place in the family."""
    return np.nan_to_num(np.array(list(family.values()), dtype=float), nan=1.0)


def _smallest_alphas(families: Sequence[Floats], last_method: str) -> list[Floats]:
    """The smallest overall alpha at which each endpoint is rejected (1 where none does).

    Rejections only grow with alpha, and turn where alpha times a possible share reaches an adjusted
    p, so the answer is found by bisection among those.
    """
    adjusted = [adjust(p, "bonferroni") for p in families[:-1]]
    adjusted.append(adjust(families[-1], last_method))

    def rejected(alpha: float, upto: int) -> NDArray[np.bool_]:
        share = 1.0
        for values in adjusted[: upto + 1]:
            passed = (values <= alpha * share * (1 + 1e-12)) & (share > 0)
            share *= float(passed.mean())
        return np.asarray(passed)

    answers = []
    turns, shares = np.empty(0), np.ones(1)
    for number, values in enumerate(adjusted):
        turns = np.unique(np.concatenate([turns, (values / shares[:, None]).ravel(), [1.0]]))
        turns = turns[turns <= 1.0]
        found = np.ones(len(values))
        for k in range(len(values)):
            low, high = -1, len(turns) - 1
            while high - low > 1:
                middle = (low + high) // 2
                opened = rejected(turns[middle], number)[k]
                low, high = (low, middle) if opened else (middle, high)
            found[k] = turns[high]
        answers.append(found)
        parts = np.arange(1, len(values) + 1) / len(values)
        shares = np.unique(np.outer(shares, parts))
    return answers
