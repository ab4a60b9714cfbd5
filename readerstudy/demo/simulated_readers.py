"""Readers who do not exist: judgments drawn from a stated signal-detection model.

The model, for reader *r*, case *c* and showing *t* (Green & Swets 1966, with random effects of
readers and cases as in Roe & Metz 1997)::

    evidence  x = d_r * [c is generated] + u_c + e_rct      u_c ~ N(0, case_sd^2), e ~ N(0, 1)
    judgment    = synthetic  if  x > k_r,  else real
    confidence  = 1 + number of cut points (0.35, 0.8, 1.3, 1.9) * s_r below |x - k_r|
    seconds     = exp(N(m_r - 0.15 * min(|x - k_r|, 3) - 0.1 * position / list length, 0.35^2))

with ``d_r ~ N(sensitivity, sensitivity_sd^2)``, ``k_r ~ N(criterion, criterion_sd^2)``. The case
effect ``u_c`` is shared by all readers and by both showings of a repeat, so readers agree beyond
chance and with themselves. With probability ``revision_rate`` a reader first saves a less certain
or opposite judgment and then corrects it. Findings are reported with a sensitivity and a
false-positive rate; a synthetic judgment names one or two cues.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Judgment = Literal["real", "synthetic"]

_CUTS = np.array([0.35, 0.8, 1.3, 1.9])


@dataclass(frozen=True, slots=True)
class Population:
    """What the simulated readers are drawn from. The defaults lie in the range that studies of
    GAN chest radiographs report (accuracy 0.6 to 0.7, kappa 0.1 to 0.2)."""

    sensitivity: float = 0.9
    sensitivity_sd: float = 0.35
    criterion: float = 0.65
    criterion_sd: float = 0.3
    case_sd: float = 0.7
    revision_rate: float = 0.07
    finding_sensitivity: float = 0.78
    finding_false_positive: float = 0.02
    median_seconds: float = 14.0

    def describe(self) -> str:
        """The stated model, in one sentence for pages and reports."""
        return (
            f"equal-variance signal detection with reader sensitivity d' ~ N({self.sensitivity:g}, "
            f"{self.sensitivity_sd:g}²), criterion ~ N({self.criterion:g}, "
            f"{self.criterion_sd:g}²), case effect sd {self.case_sd:g} shared between readers, "
            f"unit noise; revisions in {100 * self.revision_rate:g} % of readings"
        )


@dataclass(frozen=True, slots=True)
class Said:
    """One saved answer."""

    judgment: Judgment
    confidence: int
    findings: tuple[str, ...]
    cues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SimulatedReading:
    """What a reader saved for one presentation, first to last, and how long it took."""

    revisions: tuple[Said, ...]
    seconds: float
    judgment_changes: int = 0


@dataclass
class SimulatedReader:
    """One reader, drawn once; :meth:`read` may then be called for each presentation in order."""

    seed: int
    number: int
    terms: Sequence[str]
    cues: Sequence[str]
    population: Population = field(default_factory=Population)

    def __post_init__(self) -> None:
        draw = _generator(self.seed, "reader", self.number)
        self.sensitivity = float(
            draw.normal(self.population.sensitivity, self.population.sensitivity_sd)
        )
        self.criterion = float(draw.normal(self.population.criterion, self.population.criterion_sd))
        self.boldness = float(np.exp(draw.normal(0, 0.25)))
        self.log_seconds = float(np.log(self.population.median_seconds) + draw.normal(0, 0.25))

    def read(
        self,
        case: str,
        *,
        generated: bool,
        labels: Sequence[str],
        position: int,
        list_length: int,
        showing: int = 1,
    ) -> SimulatedReading:
        """Judge one case at one position; ``showing`` is 2 for a hidden repeat."""
        effect = _generator(self.seed, "case", case).normal(0, self.population.case_sd)
        draw = _generator(self.seed, "showing", self.number, case, showing)
        evidence = self.sensitivity * generated + effect + draw.normal()
        distance = evidence - self.criterion
        judgment: Judgment = "synthetic" if distance > 0 else "real"
        confidence = 1 + int(np.sum(abs(distance) > _CUTS * self.boldness))
        final = Said(
            judgment,
            confidence,
            self._findings(draw, labels),
            self._cues(draw) if judgment == "synthetic" else (),
        )
        seconds = float(
            np.exp(
                draw.normal(
                    self.log_seconds
                    - 0.15 * min(abs(distance), 3)
                    - 0.1 * position / max(list_length, 1),
                    0.35,
                )
            )
        )
        if draw.random() >= self.population.revision_rate:
            return SimulatedReading((final,), seconds)
        opposite: Judgment = "real" if judgment == "synthetic" else "synthetic"
        changed = confidence <= 2
        first = Said(
            opposite if changed else judgment,
            max(1, confidence - 1),
            final.findings,
            self._cues(draw) if changed and opposite == "synthetic" else final.cues,
        )
        return SimulatedReading((first, final), seconds * 1.3, int(changed))

    def _findings(self, draw: np.random.Generator, labels: Sequence[str]) -> tuple[str, ...]:
        chance = draw.random(len(self.terms))
        return tuple(
            term
            for term, u in zip(self.terms, chance, strict=True)
            if u
            < (
                self.population.finding_sensitivity
                if term in labels
                else self.population.finding_false_positive
            )
        )

    def _cues(self, draw: np.random.Generator) -> tuple[str, ...]:
        if not self.cues:
            return ()
        count = min(1 + int(draw.random() < 0.35), len(self.cues))
        return tuple(str(cue) for cue in draw.choice(list(self.cues), size=count, replace=False))


def _generator(*parts: object) -> np.random.Generator:
    """A generator that depends on its name alone, not on the order in which readers read."""
    name = "\x1f".join(str(part) for part in parts).encode()
    return np.random.Generator(
        np.random.PCG64(int.from_bytes(hashlib.sha256(name).digest()[:16], "little"))
    )
