"""Fleiss' kappa with its test and each category's own kappa.

Sources: Fleiss, Psychological Bulletin 76 (1971) 378-382 (the coefficient); Fleiss, Nee and Landis,
Psychological Bulletin 86 (1979) 974-977 (the standard errors under no agreement; the 1971 ones were
wrong).
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from readerstudy.analysis.result import Estimate

from .coefficients import agreement_coefficients
from .ratings import Ratings, ratings_from_counts


def fleiss_kappa(
    ratings: Ratings | ArrayLike,
    *,
    categories: list[Hashable] | None = None,
    level: float = 0.95,
    bootstrap: int = 0,
    seed: int | None = 0,
) -> tuple[Estimate, dict[Hashable, Estimate]]:
    """Overall Fleiss' kappa and one estimate per category.

    ``ratings`` is coded ratings or a subject x category table of counts. A category's kappa is that
    of the category against the rest. Intervals are Gwet's (valid whether or not the raters agree);
    the tests are of no agreement beyond chance with the standard errors of 1979, which need the
    same number of ratings of every subject and stand in ``details``. Where that number varies the
    tests are Gwet's t, with a note.
    """
    coded = ratings if isinstance(ratings, Ratings) else ratings_from_counts(
        ratings, categories=categories
    )  # fmt: skip
    options: dict[str, Any] = {
        "coefficients": ["fleiss"], "level": level, "bootstrap": bootstrap, "seed": seed,
    }  # fmt: skip
    counts = coded.counts
    m = counts.sum(axis=1)
    balanced = bool((m == m[0]).all() and m[0] >= 2)
    pairs = counts.shape[0] * m[0] * (m[0] - 1.0)
    shares = counts.sum(axis=0) / m.sum()
    product = float(np.sum(shares * (1.0 - shares)))
    overall = agreement_coefficients(coded, **options)["fleiss"]
    if balanced and product > 0:
        skew = float(np.sum(shares * (1.0 - shares) * (1.0 - 2.0 * shares)))
        error = math.sqrt(2.0 * (product**2 - skew)) / (product * math.sqrt(pairs))
        overall = _tested(overall, error)
    elif not balanced:
        overall = replace(overall, notes=(*overall.notes, _unequal(m)))
    per_category: dict[Hashable, Estimate] = {}
    for code, category in enumerate(coded.categories):
        alone = np.where(coded.codes >= 0, coded.codes == code, -1).astype(np.intp)
        found = agreement_coefficients(Ratings(alone, ("rest", category)), **options)["fleiss"]
        found = replace(found, name=f"Fleiss' kappa of {category}")
        if shares[code] in (0.0, 1.0):
            found = replace(found, notes=("not defined: the category was used never or always",))
        elif balanced:
            found = _tested(found, math.sqrt(2.0 / pairs))
        else:
            found = replace(found, notes=(*found.notes, _unequal(m)))
        details = {**found.details, "share": float(shares[code])}
        per_category[category] = replace(found, details=details)
    return overall, per_category


def _tested(found: Estimate, error: float) -> Estimate:
    """With the normal test of no agreement by the standard error of 1979."""
    z = found.estimate / error
    return replace(
        found, null=0.0, statistic=z, df=None, p_value=float(2.0 * stats.norm.sf(abs(z))),
        details={**found.details, "standard_error_under_null": error},
        method="Fleiss' kappa; test: Fleiss, Nee and Landis 1979; interval: Gwet 2014",
    )  # fmt: skip


def _unequal(m: NDArray[np.float64]) -> str:
    return (
        f"subjects have {int(m.min())} to {int(m.max())} ratings: the 1979 standard error does not "
        "apply; test and interval after Gwet 2014"
    )
