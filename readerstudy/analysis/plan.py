"""The analysis plan: its keys, their defaults, and every fault named by where it stands.

A plan is a mapping, as YAML or JSON gives it. :func:`checked_plan` fills in the defaults; a fault
is a :class:`PlanFault` that holds the path of keys to it, so that a program which read the plan
from a file can tell the line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from readerstudy.analysis.mrmc import COVARIANCES
from readerstudy.analysis.multiplicity import METHODS
from readerstudy.analysis.realism_pooled import WAYS

SECTIONS = (
    "realism",
    "detection",
    "mrmc",
    "agreement",
    "intra_reader",
    "mixed",
    "process",
    "diversity",
)

DEFAULTS: dict[str, Any] = {
    "chance": 0.5,
    "margin": None,
    "alpha": 0.05,
    "level": 0.95,
    "seed": 0,
    "bootstrap": 10_000,
    "fixed": ["origin"],
    "covariance": "jackknife",
    "sections": list(SECTIONS),
    "endpoints": [{"name": "fool rate against chance", "measure": "fool rate"}],
    "multiplicity": {"method": "holm", "gate": "serial"},
}

MEASURES = (
    "fool rate",
    "acquired rate",
    "difference",
    "accuracy",
    "equivalence",
    "auc",
    "d-prime",
)

ENDPOINT_KEYS = ("name", "measure", "way", "family")
GATES = ("serial", "parallel")

Path = tuple[str | int, ...]


class PlanFault(ValueError):
    """A fault of the plan; ``path`` leads to it, such as ``("endpoints", 1, "measure")``."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path


def checked_plan(plan: Mapping[str, Any] | None) -> dict[str, Any]:
    """The plan with its defaults. Raises :class:`PlanFault` (a ``ValueError``) for unknown keys,
    values of the wrong kind or out of range, and endpoints that the plan cannot answer."""
    given = dict(plan or {})
    unknown = [key for key in given if key not in DEFAULTS]
    if unknown:
        raise PlanFault(
            f"the plan has unknown keys {', '.join(map(repr, unknown))}; known are "
            f"{', '.join(DEFAULTS)}",
            (unknown[0],),
        )
    chosen = {**DEFAULTS, **given}
    for key in ("chance", "alpha", "level"):
        chosen[key] = _fraction(chosen[key], key)
    if chosen["margin"] is not None:
        chosen["margin"] = _margin(chosen["margin"], chosen["chance"])
    chosen["seed"] = _whole(chosen["seed"], ("seed",), least=0)
    chosen["bootstrap"] = _whole(chosen["bootstrap"], ("bootstrap",), least=1)
    chosen["sections"] = _words(chosen["sections"], "sections", SECTIONS, "section")
    chosen["fixed"] = _words(chosen["fixed"], "fixed", None, "column")
    _one_of(chosen["covariance"], COVARIANCES, ("covariance",))
    chosen["multiplicity"] = _multiplicity(chosen["multiplicity"])
    chosen["endpoints"] = _endpoints(chosen["endpoints"], chosen["margin"])
    return chosen


def _fraction(value: Any, key: str) -> float:
    if not _is_number(value) or not 0 < value < 1:
        raise PlanFault(f"{key} must be a number strictly between 0 and 1, got {value!r}", (key,))
    return float(value)


def _margin(value: Any, chance: float) -> float:
    if not _is_number(value) or not value > 0:
        raise PlanFault(f"margin must be a positive number, got {value!r}", ("margin",))
    if chance - value <= 0 or chance + value >= 1:
        raise PlanFault(
            f"margin {value:g} around chance {chance:g} leaves 0 to 1; choose a smaller one",
            ("margin",),
        )
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any, path: Path, *, least: int) -> int:
    if not _is_number(value) or value != int(value) or value < least:
        raise PlanFault(
            f"{path[-1]} must be a whole number of at least {least}, got {value!r}", path
        )
    return int(value)


def _words(value: Any, key: str, allowed: Sequence[str] | None, kind: str) -> list[str]:
    """A list of words, each once and, where there is a list of the allowed, among them."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise PlanFault(f"{key} must be a list, such as [{kind}, {kind}], got {value!r}", (key,))
    seen: list[str] = []
    for number, word in enumerate(value):
        if not isinstance(word, str):
            raise PlanFault(f"a {kind} must be a word, got {word!r}", (key, number))
        if allowed is not None and word not in allowed:
            raise PlanFault(
                f"unknown {kind} {word!r}; known are {', '.join(allowed)}", (key, number)
            )
        if word in seen:
            raise PlanFault(f"{kind} {word!r} stands twice in {key}", (key, number))
        seen.append(word)
    return seen


def _one_of(value: Any, allowed: Sequence[str], path: Path) -> None:
    if value not in allowed:
        raise PlanFault(f"{path[-1]} must be one of {', '.join(allowed)}; got {value!r}", path)


def _multiplicity(value: Any) -> dict[str, str]:
    path: Path = ("multiplicity",)
    if not isinstance(value, Mapping):
        raise PlanFault(f"multiplicity must be a mapping with method and gate, got {value!r}", path)
    default = DEFAULTS["multiplicity"]
    for key in value:
        if key not in default:
            raise PlanFault(
                f"multiplicity has the unknown key {key!r}; known are {', '.join(default)}",
                (*path, key),
            )
    chosen = {**default, **value}
    _one_of(chosen["method"], METHODS, (*path, "method"))
    _one_of(chosen["gate"], GATES, (*path, "gate"))
    return chosen


def _endpoints(value: Any, margin: float | None) -> list[dict[str, Any]]:
    if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
        raise PlanFault(f"endpoints must be a list of mappings, got {value!r}", ("endpoints",))
    checked: list[dict[str, Any]] = []
    names: set[str] = set()
    for number, endpoint in enumerate(value):
        path: Path = ("endpoints", number)
        if not isinstance(endpoint, Mapping) or "measure" not in endpoint:
            raise PlanFault(f"an endpoint needs a measure, got {endpoint!r}", path)
        for key in endpoint:
            if key not in ENDPOINT_KEYS:
                raise PlanFault(
                    f"an endpoint has the unknown key {key!r}; known are "
                    f"{', '.join(ENDPOINT_KEYS)}",
                    (*path, key),
                )
        measure = endpoint["measure"]
        if measure not in MEASURES:
            raise PlanFault(
                f"unknown measure {measure!r}; known are {', '.join(MEASURES)}",
                (*path, "measure"),
            )
        if measure == "equivalence" and margin is None:
            raise PlanFault("an equivalence endpoint needs the plan's margin", path)
        if "way" in endpoint:
            _one_of(endpoint["way"], WAYS, (*path, "way"))
            if measure in ("auc", "d-prime"):
                raise PlanFault(f"the measure {measure} has one way only", (*path, "way"))
        name = endpoint.get("name", measure)
        if not isinstance(name, str) or not name.strip():
            raise PlanFault(f"an endpoint's name must be words, got {name!r}", (*path, "name"))
        if name in names:
            raise PlanFault(f"two endpoints have the same name, {name!r}", path)
        names.add(name)
        family = _whole(endpoint.get("family", 1), (*path, "family"), least=1)
        checked.append(
            {
                "name": name,
                "measure": measure,
                "way": endpoint.get("way", "u_statistic"),
                "family": family,
            }
        )
    return checked
