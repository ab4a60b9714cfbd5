"""Readers and cases a study needs, from the components of a pilot.

Source: Hillis, Obuchowski and Berbaum, Acad Radiol 18 (2011) 129-142 (eq. 9-12); Hillis and
Schartz, J Med Imaging 5 (2018) 045503. Equal to RJafroc's SsPowerGivenJK with method OR.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats

from readerstudy.analysis.power.equivalence import tost_power

from .result import MrmcResult


@dataclass(frozen=True)
class Pilot:
    """Obuchowski-Rockette components of a pilot with ``cases`` cases.

    ``var_interaction`` is the modality x reader component (the reader component for one modality);
    covariances scale with 1 / cases, reader components do not.
    """

    var_interaction: float
    variance: float
    cov1: float
    cov2: float
    cov3: float
    cases: int
    modalities: int = 2

    @classmethod
    def from_result(cls, result: MrmcResult) -> Pilot:
        """The components of an Obuchowski-Rockette analysis (of one modality or several).

        A negative reader component is kept here and taken as zero in the power, as in RJafroc.
        """
        c = result.components
        if "error_variance" not in c or "cases" not in result.counts:
            raise ValueError("a pilot needs the result of obuchowski_rockette with cases random")
        one = result.counts["modalities"] == 1
        interaction = c["var_reader"] if one else (
            c["ms_modality_reader"] - c["error_variance"] + c["cov1"]
            + max(c["cov2"] - c["cov3"], 0.0)
        )  # fmt: skip
        if math.isnan(interaction):
            raise ValueError(
                "the pilot's readers do not cross its modalities (or it has one reader): the "
                "modality x reader component cannot be had from it"
            )
        return cls(
            interaction, c["error_variance"], c["cov1"], c["cov2"], c["cov3"],
            result.counts["cases"], result.counts["modalities"],
        )  # fmt: skip


@dataclass(frozen=True)
class Planned:
    """Power of one plan."""

    readers: int
    cases: int
    power: float
    standard_error: float
    df: float
    noncentrality: float
    notes: tuple[str, ...] = ()


def mrmc_power(
    pilot: Pilot,
    *,
    readers: int,
    cases: int,
    effect: float,
    alpha: float = 0.05,
    reader_factor: str = "random",
    case_factor: str = "random",
    margin: float | None = None,
    goal: str = "difference",
) -> Planned:
    """Power of the planned study for a true difference ``effect`` (AUC minus null, one modality).

    ``goal``: ``difference`` (two-sided F test), ``equivalence`` or ``non-inferiority`` with
    ``margin``, both at one-sided ``alpha``. The positive share of cases is that of the pilot.
    """
    if readers < 1 or cases < 2 or not 0 < alpha < 1:
        raise ValueError(f"readers {readers}, cases {cases}, alpha {alpha}: not a plan")
    if reader_factor == "random" and readers < 2:
        raise ValueError("random readers need two or more")
    variance, df, notes = _error(pilot, readers, cases, reader_factor, case_factor)
    if variance <= 0:
        raise ValueError("the pilot's components give a variance of zero: no power can be planned")
    if not math.isfinite(effect):
        raise ValueError(f"effect must be a number, got {effect!r}")
    error = math.sqrt(variance)
    noncentrality = (effect / error) ** 2
    if goal == "difference":
        if math.isfinite(df):
            critical = stats.f.isf(alpha, 1, df)
            # scipy's noncentral F is wrong at a noncentrality of nought: 1 - 1.95 for 0.05.
            law = stats.ncf(1, df, noncentrality) if noncentrality > 0 else stats.f(1, df)
            power = float(law.sf(critical))
        else:
            power = float(stats.ncx2.sf(stats.chi2.isf(alpha, 1), 1, noncentrality))
    elif goal in {"equivalence", "non-inferiority"}:
        if margin is None or margin <= 0:
            raise ValueError(f"{goal} needs a positive margin, got {margin}")
        upper = margin if goal == "equivalence" else math.inf
        power = tost_power(effect, lower=-margin, upper=upper, error=error, df=df, alpha=alpha)
    else:
        raise ValueError(f"goal {goal!r}: use difference, equivalence or non-inferiority")
    return Planned(readers, cases, power, error, df, noncentrality, notes)


def cases_needed(
    pilot: Pilot,
    *,
    readers: int,
    effect: float,
    power: float = 0.8,
    alpha: float = 0.05,
    most: int = 100_000,
    reader_factor: str = "random",
    case_factor: str = "random",
    margin: float | None = None,
    goal: str = "difference",
) -> Planned:
    """The fewest cases with which so many readers reach ``power``.

    Raises ``ValueError`` when even ``most`` cases do not: reader variance then bounds the power,
    and the message gives what they reach.
    """

    def at(cases: int) -> Planned:
        return mrmc_power(
            pilot, readers=readers, cases=cases, effect=effect, alpha=alpha,
            reader_factor=reader_factor, case_factor=case_factor, margin=margin, goal=goal,
        )  # fmt: skip

    best = at(most)
    if best.power < power:
        raise ValueError(
            f"{readers} readers reach power {best.power:.3f} even with {most} cases; plan more "
            "readers"
        )
    low, high = 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if at(middle).power >= power else (middle, high)
    return at(high)


def readers_needed(
    pilot: Pilot,
    *,
    cases: int,
    effect: float,
    power: float = 0.8,
    alpha: float = 0.05,
    most: int = 500,
    margin: float | None = None,
    goal: str = "difference",
) -> Planned:
    """The fewest random readers with which so many random cases reach ``power``."""
    plan = None
    for readers in range(2, most + 1):
        plan = mrmc_power(
            pilot, readers=readers, cases=cases, effect=effect, alpha=alpha, margin=margin,
            goal=goal,
        )  # fmt: skip
        if plan.power >= power:
            return plan
    reached = plan.power if plan is not None else 0.0
    raise ValueError(
        f"{cases} cases reach power {reached:.3f} even with {most} readers; plan more cases"
    )


def _error(
    p: Pilot, readers: int, cases: int, reader_factor: str, case_factor: str
) -> tuple[float, float, tuple[str, ...]]:
    """Variance of the contrast and its degrees of freedom in the planned study."""
    if {reader_factor, case_factor} - {
        "random",
        "fixed",
    } or reader_factor == case_factor == "fixed":
        raise ValueError("readers and cases are random or fixed, one of them random")
    notes: list[str] = []
    one = p.modalities == 1
    gap = max(p.cov2, 0.0) if one else max(p.cov2 - p.cov3, 0.0)
    noise = p.variance - (0.0 if one else p.cov1)
    interaction = max(p.var_interaction, 0.0)
    if p.var_interaction < 0:
        notes.append(f"reader component {p.var_interaction:.3g} taken as 0")
    factor = (1.0 if one else 2.0) / readers
    scale = p.cases / cases
    if reader_factor == "fixed":
        return factor * scale * (noise + (readers - 1) * gap), math.inf, tuple(notes)
    alone = interaction + scale * (noise - gap)
    if case_factor == "fixed":
        return factor * alone, readers - 1.0, tuple(notes)
    whole = interaction + scale * (noise + (readers - 1) * gap)
    df = math.inf if alone <= 0 else (whole / alone) ** 2 * (readers - 1.0)
    return factor * whole, df, tuple(notes)
