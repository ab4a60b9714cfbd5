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
from numpy.typing import ArrayLike
from scipy import stats

from readerstudy.analysis.result import Estimate

from .coefficients import agreement_coefficients
from .ratings import Ratings, ratings_from_counts


def fleiss_kappa(
    ratings: Ratings | ArrayLike,
    *,
    categories: list[Hashable] | None = None,
    level: float = 0.95,
) -> tuple[Estimate, dict[Hashable, Estimate]]:
    """Overall Fleiss' kappa and one estimate per category.

    ``ratings`` is coded ratings or a subject x category table of counts. The interval of the
    overall kappa is Gwet's (valid whether or not the raters agree); the tests are of no agreement
    beyond chance with the standard errors of 1979, which need the same number of ratings of every
    subject. Where that number varies, the overall test is Gwet's t and the categories are given
    without test, with a note.
    """
    coded = ratings if isinstance(ratings, Ratings) else ratings_from_counts(
        ratings, categories=categories
    )  # fmt: skip
    counts = coded.counts
    several = counts.sum(axis=1) >= 2
    overall = agreement_coefficients(coded, coefficients=["fleiss"], level=level)["fleiss"]
    used = counts[several]
    m = used.sum(axis=1)
    n = used.shape[0]
    shares = used.sum(axis=0) / m.sum()
    others = 1.0 - shares
    balanced = bool((m == m[0]).all()) and several.all()
    per_category: dict[Hashable, Estimate] = {}
    error = math.sqrt(2.0 / (n * m[0] * (m[0] - 1.0))) if balanced else None
    for code, category in enumerate(coded.categories):
        per_category[category] = _category(
            category, used[:, code], m, float(shares[code]), error, level
        )
    product = float(np.sum(shares * others))
    if balanced and product > 0:
        variance = 2.0 * (product**2 - float(np.sum(shares * others * (others - shares))))
        error_null = math.sqrt(variance / (n * m[0] * (m[0] - 1.0))) / product
        z = overall.estimate / error_null
        details: dict[str, Any] = {**overall.details, "standard_error_under_null": error_null}
        overall = replace(
            overall, statistic=z, df=None, p_value=float(2.0 * stats.norm.sf(abs(z))),
            details=details,
            method="Fleiss' kappa; test: Fleiss, Nee and Landis 1979; interval: Gwet 2014",
        )  # fmt: skip
    elif not balanced:
        note = (
            f"subjects have {int(m.min())} to {int(m.max())} ratings: the 1979 standard error does "
            "not apply; test and interval after Gwet 2014"
        )
        overall = replace(overall, notes=(*overall.notes, note))
    return overall, per_category


def _category(
    category: Hashable,
    chosen: np.ndarray[Any, np.dtype[np.float64]],
    m: np.ndarray[Any, np.dtype[np.float64]],
    share: float,
    error: float | None,
    level: float,
) -> Estimate:
    common: dict[str, Any] = {
        "name": f"Fleiss' kappa of {category}",
        "level": level,
        "n": int(m.size),
        "method": "Fleiss' kappa of one category against the rest (Fleiss, Nee and Landis 1979)",
    }
    if share <= 0.0 or share >= 1.0:
        note = "not defined: the category was used never or always"
        return Estimate(estimate=float("nan"), notes=(note,), **common)
    # The 1971 form for equal m; for unequal m each subject's disagreement by its own pairs.
    disagreement = float(np.mean(chosen * (m - chosen) / (m * (m - 1.0))))
    kappa = 1.0 - disagreement / (share * (1.0 - share))
    if error is None:
        return Estimate(
            estimate=kappa, notes=("no test: subjects have different numbers of ratings",), **common
        )
    z = kappa / error
    return Estimate(
        estimate=kappa, standard_error=error, null=0.0, statistic=z,
        p_value=float(2.0 * stats.norm.sf(abs(z))), details={"share": share}, **common,
    )  # fmt: skip
