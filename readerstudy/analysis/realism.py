"""How real the scans looked: realism rates per origin, reader, generator and pathology.

The realism rate is the share of readings judged real. For generated scans (the fool rate) it is
tested against chance and set beside the acquired scans' own rate.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from readerstudy.analysis import proportions
from readerstudy.analysis.bootstrap import bootstrap_sums, interval_from
from readerstudy.analysis.crossed_mean import u_statistic_contrast
from readerstudy.analysis.hype import hype_infinity, hype_time, staircase_next
from readerstudy.analysis.judgments import ORIGINS, JudgmentMatrix, judgment_matrix
from readerstudy.analysis.multiplicity import adjust
from readerstudy.analysis.proportions.counts import checked_level
from readerstudy.analysis.realism_mixed import forget_fits, mixed_rate
from readerstudy.analysis.realism_pooled import (
    PooledRate,
    difference_four_ways,
    pooled_rate,
    reader_averaged,
)
from readerstudy.analysis.result import Estimate

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

__all__ = [
    "PooledRate",
    "RealismResult",
    "hype_infinity",
    "hype_time",
    "mixed_rate",
    "pooled_rate",
    "reader_averaged",
    "realism_rates",
    "staircase_next",
]


@dataclass(frozen=True)
class RealismResult:
    """Everything the realism question asks, keyed by origin, reader, generator and label."""

    chance: float
    level: float
    margin: float | None
    by_origin: dict[str, PooledRate]
    difference: dict[str, Estimate]
    by_reader: dict[Hashable, dict[str, Estimate]]
    by_generator: dict[str, PooledRate]
    generator_difference: dict[str, dict[str, Estimate]]
    generator_comparison: dict[str, dict[str, Estimate]]
    by_label: dict[str, dict[str, PooledRate]]
    label_difference: dict[str, dict[str, Estimate]]
    hype: Estimate | None
    accuracy: PooledRate
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Every number, ready for JSON."""

        def plain(value: Any) -> Any:
            if isinstance(value, dict):
                return {str(key): plain(item) for key, item in value.items()}
            return value.to_dict() if hasattr(value, "to_dict") else value

        return {
            name: list(value) if name == "notes" else plain(value)
            for name, value in ((n, getattr(self, n)) for n in self.__dataclass_fields__)
        }

    def rows(self) -> Iterator[tuple[str, str, Estimate]]:
        """(what, way, estimate) in the order of a report's table."""
        for origin, rate in self.by_origin.items():
            for way, estimate in rate.estimates():
                yield f"{origin} scans", way, estimate
        for way, estimate in self.difference.items():
            yield "generated - acquired", way, estimate
        for way, estimate in self.accuracy.estimates():
            yield "correct (all scans)", way, estimate
        if self.hype is not None:
            yield "HYPE-infinity", "reader-averaged", self.hype
        for reader, origins in self.by_reader.items():
            for origin, estimate in origins.items():
                yield f"reader {reader}, {origin}", "binomial", estimate
        for generator, rate in self.by_generator.items():
            yield f"generator {generator}", "u_statistic", rate.primary
            if generator in self.generator_difference:
                against = self.generator_difference[generator]["u_statistic"]
                yield f"generator {generator} - acquired", "u_statistic", against
        for pair, ways in self.generator_comparison.items():
            yield f"generator {pair}", "u_statistic", ways["u_statistic"]
        for label, origins_of in self.by_label.items():
            for origin, rate in origins_of.items():
                yield f"{label}, {origin}", "u_statistic", rate.primary
            if label in self.label_difference:
                against = self.label_difference[label]["u_statistic"]
                yield f"{label}, generated - acquired", "u_statistic", against

    def summary(self) -> str:
        """One line an estimate."""
        lines = [f"{what} ({way}): {estimate.summary()}" for what, way, estimate in self.rows()]
        return "\n".join([*lines, *self.notes])


def realism_rates(
    table: pd.DataFrame,
    *,
    chance: float = 0.5,
    margin: float | None = None,
    alpha: float = 0.05,
    level: float = 0.95,
    seed: int = 0,
    replicates: int = 10_000,
    by_label: bool = True,
    mixed_model: bool = True,
) -> RealismResult:
    """Realism rates of a judgment table (see :mod:`readerstudy.analysis.judgments`).

    ``chance`` is the rate of a reader who cannot tell; ``margin`` asks for equivalence to it by two
    one-sided tests at ``alpha``. Repeats and missing judgments are left out. Simulations that only
    look at the primary estimates leave out ``mixed_model``, which takes most of the time.

    Raises ``ValueError`` naming rows for faults in the table.
    """
    checked_level(level)
    if not 0 < chance < 1:
        raise ValueError(f"chance must lie strictly between 0 and 1, got {chance!r}")
    matrix = judgment_matrix(table)
    masks = _masks(matrix, by_label=by_label)
    top, bottom = bootstrap_sums(
        matrix.real, masks, strata=matrix.generated, replicates=replicates, seed=seed
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = dict(zip(masks, (top / bottom).T, strict=True))

    def pool(key: str, name: str) -> PooledRate:
        return pooled_rate(
            matrix.of(masks[key]),
            draws[key],
            name=name,
            chance=chance,
            level=level,
            margin=margin,
            alpha=alpha,
            mixed_model=mixed_model,
        )

    def against(key: str, other: str = "acquired", name: str = "") -> dict[str, Estimate]:
        first, second = (text.split("\n")[-1] for text in (key, other))
        return difference_four_ways(
            matrix.of(masks[key]),
            matrix.of(masks[other]),
            draws[key] - draws[other],
            level=level,
            name=name or "generated minus acquired",
            labels=(first, second),
            mixed_model=mixed_model,
        )

    notes = list(matrix.notes)
    present = [origin for origin in ORIGINS if masks[origin].any()]
    if len(present) < 2:
        notes.append(f"only {present[0]} scans were read: no comparison of origins")
    difference = against("generated") if len(present) == 2 else {}
    generators = sorted({g for g in matrix.generators if g})
    labels = sorted({one for case in matrix.labels for one in case}) if by_label else []
    label_rates: dict[str, dict[str, PooledRate]] = {}
    label_difference: dict[str, dict[str, Estimate]] = {}
    for label in labels:
        keys = {origin: f"{label}\n{origin}" for origin in ORIGINS}
        label_rates[label] = {
            origin: pool(key, f"realism rate of {label}, {origin}")
            for origin, key in keys.items()
            if masks[key].any()
        }
        if len(label_rates[label]) == 2:
            label_difference[label] = against(keys["generated"], keys["acquired"])
    acquired_read = "acquired" in present
    result = RealismResult(
        chance=chance,
        level=level,
        margin=margin,
        by_origin={o: pool(o, f"realism rate of {o} scans") for o in present},
        difference=difference,
        by_reader=_by_reader(matrix, chance, level),
        by_generator={g: pool(f"generator\n{g}", f"realism rate of {g}") for g in generators},
        generator_difference={
            g: against(f"generator\n{g}", name=f"{g} minus acquired")
            for g in generators
            if acquired_read
        },
        generator_comparison={
            f"{a} - {b}": against(f"generator\n{a}", f"generator\n{b}", f"{a} minus {b}")
            for a, b in itertools.combinations(generators, 2)
        },
        by_label=label_rates,
        label_difference=label_difference,
        hype=_hype(matrix, draws, level) if len(present) == 2 else None,
        accuracy=_accuracy(matrix, top, bottom, level, mixed_model),
        notes=tuple(notes),
    )
    forget_fits()
    return _with_adjusted_p(result)


def _with_adjusted_p(result: RealismResult) -> RealismResult:
    """Many labels and generators are many tests: each difference's ``details`` also hold its p
    adjusted within its family, by Holm and by Benjamini-Hochberg, way by way."""
    return dataclasses.replace(
        result,
        label_difference=_adjusted(result.label_difference),
        generator_difference=_adjusted(result.generator_difference),
        generator_comparison=_adjusted(result.generator_comparison),
    )


def _adjusted(family: dict[str, dict[str, Estimate]]) -> dict[str, dict[str, Estimate]]:
    out: dict[str, dict[str, Estimate]] = {key: {} for key in family}
    for way in next(iter(family.values()), {}):
        found = [ways[way].p_value for ways in family.values()]
        p = [math.nan if value is None else value for value in found]
        holm, bh = adjust(p, "holm"), adjust(p, "bh")
        for key, one, other in zip(family, holm, bh, strict=True):
            estimate = family[key][way]
            more = {"p_holm": float(one), "p_bh": float(other), "family_size": len(family)}
            out[key][way] = dataclasses.replace(estimate, details={**estimate.details, **more})
    return out


def _masks(matrix: JudgmentMatrix, *, by_label: bool) -> dict[str, Bools]:
    """Which cases belong to each group; keys with a line feed cannot clash with a name."""
    generated = matrix.generated
    masks = {"acquired": ~generated, "generated": generated}
    names = np.array(matrix.generators, dtype=object)
    for generator in sorted({g for g in matrix.generators if g}):
        masks[f"generator\n{generator}"] = generated & (names == generator)
    if by_label:
        for label in sorted({one for case in matrix.labels for one in case}):
            has = np.array([label in case for case in matrix.labels], dtype=bool)
            masks[f"{label}\nacquired"] = has & ~generated
            masks[f"{label}\ngenerated"] = has & generated
    return masks


def _by_reader(
    matrix: JudgmentMatrix, chance: float, level: float
) -> dict[Hashable, dict[str, Estimate]]:
    """Each reader's own rates: one reader's readings of distinct cases are independent."""
    out: dict[Hashable, dict[str, Estimate]] = {}
    for row, reader in zip(matrix.real, matrix.readers, strict=True):
        out[reader] = {}
        for origin, mask in (("acquired", ~matrix.generated), ("generated", matrix.generated)):
            read = row[mask][np.isfinite(row[mask])]
            if len(read):
                out[reader][origin] = proportions.binomial_test(
                    int(read.sum()),
                    len(read),
                    chance,
                    method="wilson",
                    level=level,
                    name="realism rate",
                )
    return out


def _accuracy(
    matrix: JudgmentMatrix, top: Floats, bottom: Floats, level: float, mixed_model: bool
) -> PooledRate:
    """Share of correct judgments over both origins, against one half.

    ``top`` and ``bottom`` are the bootstrap sums whose first two columns are acquired, generated:
    correct are the acquired judged real and the generated not judged real. The U-statistic takes
    the two origins as the fixed strata that they are.
    """
    correct = np.where(matrix.generated, 1 - matrix.real, matrix.real)
    sums = top[:, 0] + bottom[:, 1] - top[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = sums / (bottom[:, 0] + bottom[:, 1])
    name = "correct judgments"
    pooled = pooled_rate(
        correct, draws, name=name, chance=0.5, level=level, mixed_model=mixed_model
    )
    strata = [correct[:, mask] for mask in (~matrix.generated, matrix.generated) if mask.any()]
    if len(strata) < 2:
        return pooled
    counts = [np.isfinite(values).sum() for values in strata]
    parts = [(float(n / sum(counts)), values) for n, values in zip(counts, strata, strict=True)]
    contrast = u_statistic_contrast(
        parts, null=0.5, level=level, name=name, ends=(0.0, 1.0), labels=ORIGINS
    )
    return dataclasses.replace(pooled, u_statistic=contrast)


def _hype(matrix: JudgmentMatrix, draws: dict[str, Floats], level: float) -> Estimate:
    """HYPE-infinity with the two-way bootstrap interval beside the t interval over readers."""
    estimate = hype_infinity(matrix.real, matrix.generated, level=level)
    balanced = (draws["generated"] + 1 - draws["acquired"]) / 2
    lower, upper = interval_from(balanced, estimate.estimate, level=level)
    details = {**estimate.details, "two_way_bootstrap_interval": (lower, upper)}
    return dataclasses.replace(estimate, details=details)
