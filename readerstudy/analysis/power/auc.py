"""Planning an AUC study without a pilot, from what the literature lets one conjecture.

Sources: Hanley and McNeil, Radiology 143 (1982) 29-36 (variance of an AUC); Obuchowski, Acad Radiol
2 (1995) 709-716, AJR 175 (2000) 603-608 and 184 (2005) 364-372 (conjectured correlations 0.47, 0.3
.. 0.35, reader ranges 0.05 small, 0.10 moderate, 0.20 large); Hillis, Obuchowski and Berbaum 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from readerstudy.analysis.mrmc.samplesize import Pilot, mrmc_power


@dataclass(frozen=True)
class AucPlan:
    """One plan with its power."""

    readers: int
    positives: int
    negatives: int
    power: float
    standard_error: float
    df: float
    notes: tuple[str, ...] = ()


def hanley_mcneil(auc: float, positives: int, negatives: int) -> float:
    """Variance of an AUC under the exponential approximation (Hanley and McNeil 1982, eq. 2)."""
    if not 0 < auc < 1:
        raise ValueError(f"AUC {auc} must lie between 0 and 1")
    if min(positives, negatives) < 1:
        raise ValueError(f"{positives} positive and {negatives} negative cases are not a study")
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    return (auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)) / (
        positives * negatives
    )


def conjectured_pilot(
    *,
    auc: float,
    positives: int,
    negatives: int,
    reader_range: float = 0.1,
    rho1: float = 0.47,
    rho2: float = 0.35,
    rho3: float = 0.3,
    rho_between: float = 0.8,
    modalities: int = 2,
) -> Pilot:
    """Components conjectured from an average AUC, the range of readers' AUCs and correlations.

    ``reader_range`` is the difference between the best and worst reader taken as four standard
    deviations (Obuchowski 2000); ``rho_between`` the correlation of a reader's true AUCs under two
    modalities, so the interaction is (1 - rho_between) of the reader variance.
    """
    for name, rho in (("rho1", rho1), ("rho2", rho2), ("rho3", rho3), ("rho_b", rho_between)):
        if not 0 <= rho <= 1:
            raise ValueError(f"{name} {rho} must lie between 0 and 1")
    if rho3 > min(rho1, rho2):
        raise ValueError(f"rho3 {rho3} must not exceed rho1 {rho1} or rho2 {rho2}")
    variance = hanley_mcneil(auc, positives, negatives)
    reader = (reader_range / 4.0) ** 2
    interaction = reader * (1.0 - rho_between) if modalities > 1 else reader
    return Pilot(
        var_interaction=interaction, variance=variance, cov1=rho1 * variance,
        cov2=rho2 * variance, cov3=rho3 * variance, cases=positives + negatives,
        modalities=modalities,
    )  # fmt: skip


def auc_power(
    *,
    readers: int,
    positives: int,
    negatives: int,
    auc: float,
    null: float = 0.5,
    difference: float | None = None,
    margin: float | None = None,
    alpha: float = 0.05,
    **conjectures: Any,
) -> AucPlan:
    """Power of an MRMC AUC study with readers and cases random.

    Without ``difference``: one modality against ``null`` (chance), or with ``margin`` equivalence
    of the AUC to ``null``. With it: two modalities that differ by so much, or with ``margin``
    their equivalence. ``conjectures`` go to ``conjectured_pilot``.
    """
    one = difference is None
    pilot = conjectured_pilot(
        auc=auc, positives=positives, negatives=negatives, modalities=1 if one else 2, **conjectures
    )
    plan = mrmc_power(
        pilot, readers=readers, cases=positives + negatives,
        effect=auc - null if difference is None else difference, alpha=alpha, margin=margin,
        goal="difference" if margin is None else "equivalence",
    )  # fmt: skip
    return AucPlan(
        readers, positives, negatives, plan.power, plan.standard_error, plan.df, plan.notes
    )
