"""What a multi-reader multi-case analysis answers with."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any

from readerstudy.analysis.result import Estimate


@dataclass(frozen=True)
class MrmcResult:
    """Estimates per modality and per pair, the test of equality, and how they were had."""

    figure_of_merit: str
    method: str
    covariance_method: str
    readers: str
    """``random`` or ``fixed``."""
    cases: str
    design: str
    modalities: dict[Hashable, Estimate]
    differences: dict[tuple[Hashable, Hashable], Estimate]
    """Keyed (first, second): first minus second."""
    equality: Estimate | None
    """Global test that all modalities are equal (``None`` with one modality)."""
    reader_values: dict[tuple[Hashable, Hashable], Estimate]
    """Keyed (modality, reader); interval over cases."""
    reader_differences: dict[tuple[Hashable, Hashable, Hashable], Estimate] = field(
        default_factory=dict
    )
    components: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain types at full precision; tuple keys are joined by " - "."""
        return {
            "figure_of_merit": self.figure_of_merit,
            "method": self.method,
            "covariance_method": self.covariance_method,
            "readers": self.readers,
            "cases": self.cases,
            "design": self.design,
            "modalities": {str(key): e.to_dict() for key, e in self.modalities.items()},
            "differences": {_join(key): e.to_dict() for key, e in self.differences.items()},
            "equality": None if self.equality is None else self.equality.to_dict(),
            "reader_values": {_join(key): e.to_dict() for key, e in self.reader_values.items()},
            "reader_differences": {
                _join(key): e.to_dict() for key, e in self.reader_differences.items()
            },
            "components": {key: _plain(value) for key, value in self.components.items()},
            "counts": dict(self.counts),
            "notes": list(self.notes),
        }

    def summary(self) -> str:
        """Several lines for people."""
        lines = [
            f"{self.method}: {self.figure_of_merit}, readers {self.readers}, cases {self.cases}, "
            f"covariance {self.covariance_method}, {self.design}",
            *(estimate.summary() for estimate in self.modalities.values()),
            *(estimate.summary() for estimate in self.differences.values()),
        ]
        if self.equality is not None:
            lines.append(self.equality.summary())
        return "\n".join([*lines, *self.notes])

    def with_notes(self, *notes: str) -> MrmcResult:
        """The same with further notes."""
        return replace(self, notes=(*self.notes, *notes))


def _join(key: tuple[Hashable, ...]) -> str:
    return " - ".join(str(part) for part in key)


def _plain(value: float) -> float | None:
    number = float(value)
    return number if number == number and abs(number) != float("inf") else None
