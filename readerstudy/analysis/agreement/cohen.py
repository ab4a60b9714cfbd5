"""Two raters: Cohen's (weighted) kappa with both standard errors, Scott's pi, paradox reading.

Sources: Cohen 1960, 1968; Fleiss, Cohen and Everitt, Psychological Bulletin 72 (1969) 323-327
(the two variances); Scott 1955; Byrt, Bishop and Carlin, J Clin Epidemiol 46 (1993) 423-429
(prevalence and bias indices, PABAK); Cicchetti and Feinstein, J Clin Epidemiol 43 (1990) 551-558
(positive and negative agreement).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from readerstudy.analysis.proportions.counts import checked_level
from readerstudy.analysis.result import Estimate

from .coefficients import UNORDERED, agreement_coefficients
from .ratings import Ratings, ratings_matrix
from .weights import agreement_weights

Floats = NDArray[np.float64]


def cross_table(ratings: Ratings, first: int = 0, second: int = 1) -> Floats:
    """q x q counts of the two raters' categories over the subjects both rated."""
    a, b = ratings.codes[:, first], ratings.codes[:, second]
    both = (a >= 0) & (b >= 0)
    q = len(ratings.categories)
    return np.bincount(a[both] * q + b[both], minlength=q * q).reshape(q, q).astype(float)


def cohen_kappa(
    table: ArrayLike,
    *,
    weights: str | ArrayLike = "unweighted",
    categories: Sequence[Hashable] | None = None,
    null: float = 0.0,
    level: float = 0.95,
    bootstrap: int = 0,
    seed: int | None = 0,
) -> Estimate:
    """Cohen's kappa of a q x q table (rows: first rater, columns: second).

    The interval uses the standard error under the alternative, the test of ``null`` = 0 the one
    under no agreement beyond chance (Fleiss, Cohen and Everitt 1969, eq. 14 and 9); both are in
    ``details``. A test against another null uses the first. Weights as in ``agreement_weights``.
    ``bootstrap`` resamples of subjects give a percentile interval in ``details``.
    """
    checked_level(level)
    counts = _square(table)
    q, n = counts.shape[0], counts.sum()
    names = list(categories) if categories is not None else list(range(1, q + 1))
    w, scheme = agreement_weights(weights, names)
    p = counts / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    observed, chance = float((w * p).sum()), float(rows @ w @ columns)
    title = "Cohen's kappa" if scheme == "unweighted" else f"Cohen's kappa, {scheme} weights"
    common: dict[str, Any] = {"name": title, "level": level, "n": int(n)}
    details: dict[str, Any] = {
        "observed_agreement": observed,
        "chance_agreement": chance,
        "weights": scheme,
        "table": counts,
    }
    method = f"{title}; interval and test after Fleiss, Cohen and Everitt 1969"
    if 1.0 - chance <= 1e-12:
        note = "not defined: both raters used one and the same category only"
        return Estimate(
            estimate=float("nan"), method=method, details=details, notes=(note,), **common
        )
    kappa = (observed - chance) / (1.0 - chance)
    # Mean weight of each row category against the columns' margin, and the other way round.
    row_mean, column_mean = w @ columns, rows @ w
    spread = row_mean[:, None] + column_mean[None, :]
    alternative = (p * (w - spread * (1.0 - kappa)) ** 2).sum() - (
        kappa - chance * (1.0 - kappa)
    ) ** 2
    none = (np.outer(rows, columns) * (w - spread) ** 2).sum() - chance**2
    error = math.sqrt(max(0.0, alternative) / n) / (1.0 - chance)
    error_null = math.sqrt(max(0.0, none) / n) / (1.0 - chance)
    diagonal = float(np.minimum(rows, columns).sum())
    details.update(
        standard_error_under_null=error_null,
        standard_error_under_alternative=error,
        **({"largest_possible": (diagonal - chance) / (1.0 - chance)} if scheme == "unweighted"
           else {}),
    )  # fmt: skip
    if bootstrap:
        details.update(_resampled(p, int(n), w, level, bootstrap, seed))
    notes: list[str] = []
    if error <= 1e-12:
        notes.append("degenerate: the estimated standard error is zero, which is not certainty")
        lower: float | None = None
        upper: float | None = None
        if observed >= 1.0 - 1e-12:
            bound = ((1.0 - level) / 2.0) ** (1.0 / n)
            lower, upper = (bound - chance) / (1.0 - chance), 1.0
            notes.append("interval from the exact bound of observed agreement, chance held")
    else:
        reach = float(stats.norm.ppf((1.0 + level) / 2.0)) * error
        lower, upper = kappa - reach, min(1.0, kappa + reach)
    tested = error_null if null == 0.0 else error
    statistic = (kappa - null) / tested if tested > 0 else float("nan")
    return Estimate(
        estimate=kappa, standard_error=error, lower=lower, upper=upper, null=null,
        statistic=statistic, p_value=float(2.0 * stats.norm.sf(abs(statistic))),
        method=method, details=details, notes=tuple(notes), **common,
    )  # fmt: skip


def _resampled(
    shares: Floats, n: int, w: Floats, level: float, replicates: int, seed: int | None
) -> dict[str, float]:
    """Percentile interval of kappa over tables of n resampled subjects, all at once."""
    q = len(shares)
    drawn = np.random.default_rng(seed).multinomial(n, shares.ravel() / shares.sum(), replicates)
    p = drawn.reshape(-1, q, q) / n
    observed = (p * w).sum(axis=(1, 2))
    chance = np.einsum("bk,kl,bl->b", p.sum(axis=2), w, p.sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = np.where(1.0 - chance > 1e-12, (observed - chance) / (1.0 - chance), np.nan)
    kappa = kappa[np.isfinite(kappa)]
    if kappa.size < 2:
        return {"bootstrap_replicates": 0}
    low, high = np.quantile(kappa, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return {
        "bootstrap_lower": float(low), "bootstrap_upper": float(high),
        "bootstrap_standard_error": float(kappa.std(ddof=1)), "bootstrap_replicates": kappa.size,
    }  # fmt: skip


def scott_pi(table: ArrayLike, **options: Any) -> Estimate:
    """Scott's pi of a q x q table: Fleiss' kappa of two raters, Gwet's linearised error.

    Options as in ``agreement_coefficients`` (weights, level, bootstrap).
    """
    counts = _square(table).astype(int)
    pairs = np.repeat(np.argwhere(counts >= 0), counts.ravel(), axis=0)
    found = agreement_coefficients(
        Ratings(pairs, tuple(range(counts.shape[0]))), coefficients=["fleiss"], **options
    )["fleiss"]
    return replace(found, name="Scott's pi", method=found.method.replace(found.name, "Scott's pi"))


def paradox(table: ArrayLike, *, level: float = 0.95) -> dict[str, Estimate | float | str]:
    """Read a 2 x 2 agreement table with its prevalence and bias.

    Returns Cohen's kappa, PABAK (= Brennan-Prediger), Gwet's AC1, percent agreement, positive and
    negative agreement (first category positive), prevalence index, bias index, the largest kappa
    the margins allow, and a sentence (``reading``) on which numbers carry the agreement.
    """
    counts = _square(table)
    if counts.shape != (2, 2):
        raise ValueError(f"a paradox table is 2 x 2, got {counts.shape}; collapse categories first")
    (a, b), (c, d) = counts
    n = counts.sum()
    pairs = np.repeat(np.argwhere(counts >= 0), counts.astype(int).ravel(), axis=0)
    multi = agreement_coefficients(
        Ratings(pairs, (0, 1)),
        coefficients=["percent", "brennan_prediger", "gwet"],
        level=level,
    )
    kappa = cohen_kappa(counts, level=level)
    prevalence, bias = float((a - d) / n), float((b - c) / n)
    positive = float(2 * a / (2 * a + b + c)) if 2 * a + b + c > 0 else float("nan")
    negative = float(2 * d / (2 * d + b + c)) if 2 * d + b + c > 0 else float("nan")
    adjusted = multi["brennan_prediger"].estimate
    if not np.isfinite(kappa.estimate):
        reading = "only one category was used: kappa says nothing; report percent agreement"
    elif abs(prevalence) > 0.5 and adjusted - kappa.estimate > 0.2:
        reading = (
            f"one category dominates (prevalence index {prevalence:+.2f}): kappa "
            f"{kappa.estimate:.2f} is low although {100 * (a + d) / n:.0f} % agree; read it with "
            f"AC1 {multi['gwet'].estimate:.2f}, PABAK {adjusted:.2f} and the agreement on each "
            "category"
        )
    elif abs(bias) > 0.2:
        reading = (
            f"the raters differ in how often they use the categories (bias index {bias:+.2f}): "
            "unequal margins raise kappa; report the margins"
        )
    else:
        reading = "margins are balanced: kappa, PABAK and AC1 tell the same"
    return {
        "kappa": kappa,
        "pabak": multi["brennan_prediger"],
        "ac1": multi["gwet"],
        "percent": multi["percent"],
        "positive_agreement": positive,
        "negative_agreement": negative,
        "prevalence_index": prevalence,
        "bias_index": bias,
        "largest_kappa": kappa.details.get("largest_possible", float("nan")),
        "reading": reading,
    }


def pairwise_kappa(
    ratings: Ratings,
    *,
    raters: Sequence[Hashable] | None = None,
    weights: str | ArrayLike = "unweighted",
    level: float = 0.95,
) -> dict[tuple[Hashable, Hashable], Estimate]:
    """Cohen's kappa of every two raters over the subjects both rated."""
    names = list(raters) if raters is not None else list(range(ratings.codes.shape[1]))
    found: dict[tuple[Hashable, Hashable], Estimate] = {}
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            table = cross_table(ratings, i, j)
            if table.sum() > 0:
                own = cohen_kappa(
                    table, weights=weights, categories=ratings.categories, level=level
                )
                order = ratings.order_note(own.details["weights"] not in UNORDERED)
                found[names[i], names[j]] = replace(own, notes=(*own.notes, *order))
    return found


def cohen_from_ratings(
    first: Sequence[Any],
    second: Sequence[Any],
    *,
    categories: Sequence[Hashable] | None = None,
    **options: Any,
) -> Estimate:
    """Cohen's kappa of two raters' labels; subjects that either left out are dropped.

    ``categories`` gives their order where weights need one (see ``ratings_matrix``).
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} ratings by the first rater, {len(second)} by the second")
    pair = {0: _column(first), 1: _column(second)}
    ratings = ratings_matrix(pd.DataFrame(pair), categories=categories)
    found = cohen_kappa(cross_table(ratings), categories=ratings.categories, **options)
    order = ratings.order_note(found.details["weights"] not in UNORDERED)
    return replace(found, notes=(*found.notes, *order))


def _column(values: Sequence[Any]) -> pd.Series:
    """By place whatever the index; a categorical keeps its order, anything else is as it came."""
    if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
        return pd.Series(pd.Categorical(values))
    return pd.Series(list(values), dtype=object)


def _square(table: ArrayLike) -> Floats:
    counts = np.asarray(table, dtype=float)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.shape[0] < 2:
        raise ValueError(
            f"an agreement table is square with two categories or more, got {counts.shape}"
        )
    if not np.isfinite(counts).all() or np.any(counts < 0) or np.any(counts != np.round(counts)):
        raise ValueError("an agreement table holds whole counts >= 0")
    if counts.sum() == 0:
        raise ValueError("the agreement table is empty")
    return counts
