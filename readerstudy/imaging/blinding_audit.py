"""Can the arms of a study be told apart without looking at the anatomy?

Every nuisance cue is tried as a classifier of origin: its AUC with DeLong's interval, and a
permutation p adjusted over all cues by Westfall and Young's step-down maxT, which uses that cues
are correlated. A cross-validated classifier tries them together. A cue is a finding when its AUC,
taken in the direction that separates, is above the study's limit *and* chance does not explain it
(family-wise error at most alpha, over cues and classifier together).

Sources: DeLong, DeLong, Clarke-Pearson 1988; Westfall and Young, Resampling-Based Multiple Testing,
Wiley 1993, algorithm 2.8; Mann and Whitney 1947.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from readerstudy.analysis.roc import auc as roc_auc
from readerstudy.imaging import audit_cues
from readerstudy.imaging.crew import Crew

PERMUTATIONS = 4999
# The rate of false alarms over a whole audit. A finding stops a lock, so it must be rare by chance;
# what matters to readers is far beyond it.
ALPHA = 0.01
FEWEST = 5  # cases of each origin below which nothing can be said
GENERATED = "generated"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CueResult:
    """One cue, or the classifier over all.

    ``auc`` is in the direction that separates (at least 0.5 for single cues); ``higher`` names the
    origin with the larger values. ``examples`` are the indices of an acquired and a generated case
    typical of the difference.
    """

    name: str
    label: str
    auc: float
    lower: float
    upper: float
    p: float
    p_adjusted: float
    higher: str
    over: bool
    remedy: str
    examples: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class AuditResult:
    """Cues ranked by how well they separate, and the classifier over all of them."""

    cues: list[CueResult]
    classifier: CueResult | None
    acquired: int
    generated: int
    limit: float
    alpha: float
    notes: list[str] = field(default_factory=list)

    @property
    def findings(self) -> list[CueResult]:
        """Cues over the limit, and the classifier where it is."""
        found = [cue for cue in self.cues if cue.over]
        if self.classifier is not None and self.classifier.over:
            found.append(self.classifier)
        return found

    @property
    def passed(self) -> bool:
        return not self.findings

    @property
    def summary(self) -> str:
        """One sentence for people."""
        if not self.cues:
            return self.notes[0] if self.notes else "No cue varies among the cases."
        said = f"{self.acquired} acquired and {self.generated} generated cases"
        if self.passed:
            largest = self.cues[0]
            if largest.auc <= self.limit:
                return (
                    f"No cue tells the origins apart above an AUC of {self.limit:g} ({said}); the "
                    f"largest is {largest.label.lower()}, {largest.auc:.2f}."
                )
            return (
                f"No cue tells the origins apart beyond what chance explains ({said}); the "
                f"largest, {largest.label.lower()}, has an AUC of {largest.auc:.2f}, above the "
                f"limit of {self.limit:g}, but so large a value comes up by chance among so many "
                f"cues and so few cases (adjusted p = {_p(largest.p_adjusted)})."
            )
        worst = max(self.findings, key=lambda cue: cue.auc)
        count = len(self.findings)
        return (
            f"{count} cue{'s' if count != 1 else ''} tell{'' if count != 1 else 's'} the origins "
            f"apart above an AUC of {self.limit:g} ({said}); the largest is "
            f"{worst.label.lower()}, {worst.auc:.2f}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; ``passed``, ``summary`` and ``findings`` (names) beside the fields."""
        return {
            **asdict(self),
            "passed": self.passed,
            "summary": self.summary,
            "findings": [cue.name for cue in self.findings],
        }


def audit(
    cases: Sequence[Mapping[str, float]],
    origins: Sequence[str],
    *,
    limit: float = 0.65,
    alpha: float = ALPHA,
    groups: Sequence[str] | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    classify: bool = True,
) -> AuditResult:
    """Audit a table of cues, one mapping a case (``audit_cues``), against ``origins``.

    ``groups`` (patients) keep cases of one group out of both training and test of the classifier.
    Cues that some case lacks, or that do not vary, are left out and named in the notes.

    Raises ``ValueError`` for lengths that differ or origins other than acquired and generated.
    """
    truth = _truth(cases, origins)
    acquired, generated = int((~truth).sum()), int(truth.sum())
    notes: list[str] = []
    if min(acquired, generated) < FEWEST:
        notes.append(
            f"{acquired} acquired and {generated} generated cases: at least {FEWEST} of each are "
            "needed to audit the blinding."
        )
        return AuditResult([], None, acquired, generated, limit, alpha, notes)
    table, names = audit_cues.as_table(list(cases))
    left_out = sorted({name for case in cases for name in case} - set(names))
    if left_out:
        labels = ", ".join(audit_cues.label_of(name).lower() for name in left_out)
        notes.append(f"The same in every case, or not known of all: {labels}.")
    if not names:
        return AuditResult([], None, acquired, generated, limit, alpha, notes)
    rng = np.random.default_rng(seed)
    raw, adjusted = _max_t(table, truth, permutations, rng)
    smallest = 1 / (permutations + 1)
    cues = []
    for column, name in enumerate(names):
        # Two families, cues and classifier, share alpha.
        p_adjusted = min(1.0, 2 * float(adjusted[column]))
        cues.append(
            _single(name, table[:, column], truth, float(raw[column]), p_adjusted, limit, alpha)
        )
    cues.sort(key=lambda cue: -cue.auc)
    classifier = _classifier(table, names, truth, groups, limit, alpha, seed) if classify else None
    if classify and classifier is None:
        notes.append("Too few cases or patients for a cross-validated classifier.")
    if smallest * 2 > alpha:
        notes.append(f"{permutations} permutations cannot reach alpha {alpha:g}.")
    needed = _detectable(acquired, generated, alpha, len(names))
    if needed > limit:
        notes.append(
            f"With so few cases only cues above an AUC of about {needed:.2f} can be told from "
            f"chance: the limit of {limit:g} is not fully tested."
        )
    return AuditResult(cues, classifier, acquired, generated, limit, alpha, notes)


def _p(value: float) -> str:
    """Two significant digits; never a bare nought."""
    return "under 0.001" if value < 0.001 else f"{value:.2g}"


def audit_arrays(
    arrays: Iterable[tuple[NDArray[Any], int]],
    origins: Sequence[str],
    *,
    extra: Sequence[Mapping[str, float]] | None = None,
    progress: Callable[[int], None] | None = None,
    processes: int | None = None,
    **options: Any,
) -> AuditResult:
    """Audit pictures given as (pixels, bits), read a few ahead: rendered frames as a rule.

    ``extra`` adds cues of the files they came in; ``options`` as for ``audit``.
    """
    cases: list[Mapping[str, float]] = []
    with Crew(audit_cues.picture_cues, processes) as crew:
        for number, cues in enumerate(crew.each(arrays)):
            cases.append({**(extra[number] if extra is not None else {}), **cues})
            if progress is not None:
                progress(number + 1)
    return audit(cases, origins, **options)


def _truth(cases: Sequence[Any], origins: Sequence[str]) -> NDArray[np.bool_]:
    if len(cases) != len(origins):
        raise ValueError(f"{len(cases)} cases but {len(origins)} origins")
    unknown = set(origins) - {"acquired", GENERATED}
    if unknown:
        raise ValueError(f"origin {unknown.pop()!r}: 'acquired' or 'generated' is expected")
    return np.array([origin == GENERATED for origin in origins], dtype=bool)


def _max_t(
    table: Floats, truth: NDArray[np.bool_], permutations: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Two-sided permutation p of each column's AUC, raw and step-down maxT adjusted.

    The AUC is linear in the indicator of one class once values are ranks, so all permutations of
    all cues are one matrix product. Standardised by the tie-corrected null variance, so that cues
    with many ties do not count for more than they can show.
    """
    positives, n = int(truth.sum()), truth.size
    ranks = np.column_stack([stats.rankdata(column) for column in table.T])
    centred = ranks - ranks.mean(axis=0)
    scale = np.sqrt(positives * (n - positives) / n * centred.var(axis=0, ddof=1))
    scale[scale == 0] = np.inf
    observed = np.abs(centred[truth].sum(axis=0)) / scale
    order = np.argsort(-observed, kind="stable")
    beyond_raw = np.zeros(table.shape[1])
    beyond = np.zeros(table.shape[1])
    for start in range(0, permutations, 500):
        count = min(500, permutations - start)
        chosen = np.zeros((count, n))
        drawn = np.argsort(rng.random((count, n)), axis=1)[:, :positives]
        np.put_along_axis(chosen, drawn, 1.0, axis=1)
        null = np.abs(chosen @ centred) / scale
        beyond_raw += (null >= observed - 1e-9).sum(axis=0)
        # From the least to the most extreme cue, the largest statistic met so far.
        running = np.maximum.accumulate(null[:, order[::-1]], axis=1)[:, ::-1]
        beyond[order] += (running >= observed[order] - 1e-9).sum(axis=0)
    raw = (beyond_raw + 1) / (permutations + 1)
    adjusted = np.empty_like(beyond)
    adjusted[order] = np.maximum.accumulate((beyond[order] + 1) / (permutations + 1))
    return raw, adjusted


def _single(
    name: str,
    values: Floats,
    truth: NDArray[np.bool_],
    p: float,
    p_adjusted: float,
    limit: float,
    alpha: float,
) -> CueResult:
    estimate = roc_auc(values, truth)
    area, lower, upper = estimate.estimate, estimate.lower or 0.0, estimate.upper or 1.0
    higher = GENERATED if area >= 0.5 else "acquired"
    if area < 0.5:
        area, lower, upper = 1 - area, 1 - upper, 1 - lower
    return CueResult(
        name=name,
        label=audit_cues.label_of(name),
        auc=area,
        lower=lower,
        upper=upper,
        p=p,
        p_adjusted=p_adjusted,
        higher=higher,
        over=area > limit and p_adjusted < alpha,
        remedy=audit_cues.remedy_of(name),
        examples=_examples(values if higher == GENERATED else -values, truth),
    )


def _examples(values: Floats, truth: NDArray[np.bool_]) -> tuple[int, int]:
    """An acquired case with low and a generated case with high values: each a quarter into its
    arm, so that they are typical and not extremes."""
    acquired, generated = np.flatnonzero(~truth), np.flatnonzero(truth)
    low = acquired[np.argsort(values[acquired], kind="stable")[acquired.size // 4]]
    high = generated[np.argsort(-values[generated], kind="stable")[generated.size // 4]]
    return int(low), int(high)


def _classifier(
    table: Floats,
    names: list[str],
    truth: NDArray[np.bool_],
    groups: Sequence[str] | None,
    limit: float,
    alpha: float,
    seed: int,
) -> CueResult | None:
    """Out-of-fold scores of a linear and a tree classifier, their ranks averaged."""
    owners: ArrayLike = (
        [group or f"alone-{number}" for number, group in enumerate(groups)]
        if groups is not None
        else np.arange(truth.size)
    )
    folds = min(5, int(truth.sum()), int((~truth).sum()))
    if folds < 2 or truth.size < 20:
        return None
    scores = np.full((2, truth.size), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        splits = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        for train, test in splits.split(table, truth, owners):
            if truth[train].all() or not truth[train].any() or not test.size:
                return None
            models = (
                make_pipeline(
                    QuantileTransformer(
                        n_quantiles=min(100, train.size), output_distribution="normal"
                    ),
                    StandardScaler(),
                    LogisticRegression(C=0.1, class_weight="balanced", max_iter=500),
                ),
                ExtraTreesClassifier(
                    150, min_samples_leaf=3, class_weight="balanced", random_state=seed
                ),
            )
            for row, model in enumerate(models):
                model.fit(table[train], truth[train])
                given = model.predict_proba(table[test])[:, 1]
                # Scores of different folds are on different scales: only ranks are joined.
                scores[row, test] = stats.rankdata(given) / test.size
    joined = scores.mean(axis=0)
    if not np.isfinite(joined).all():
        return None
    estimate = roc_auc(joined, truth, alternative="greater")
    p = float(stats.mannwhitneyu(joined[truth], joined[~truth], alternative="greater").pvalue)
    p_adjusted = min(1.0, 2 * p)
    return CueResult(
        name="classifier",
        label="All cues together (cross-validated)",
        auc=estimate.estimate,
        lower=estimate.lower if estimate.lower is not None else 0.0,
        upper=estimate.upper if estimate.upper is not None else 1.0,
        p=p,
        p_adjusted=p_adjusted,
        higher=GENERATED,
        over=estimate.estimate > limit and p_adjusted < alpha,
        remedy="Change what the cues above name.",
        examples=_examples(joined, truth),
    )


def _detectable(acquired: int, generated: int, alpha: float, cues: int) -> float:
    """Smallest AUC that reaches significance after Bonferroni: the normal approximation of the
    rank-sum statistic, conservative for correlated cues."""
    deviation = np.sqrt((acquired + generated + 1) / (12 * acquired * generated))
    return float(0.5 + stats.norm.isf(alpha / 4 / max(cues, 1)) * deviation)
