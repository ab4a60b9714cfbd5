"""Two raters' agreement from a published cross table, as irrCAC's table functions print it.

The variances of a table's coefficients divide by the number of subjects where those of raw ratings
divide by one less (Gwet, Handbook of Inter-Rater Reliability, 4th ed. (2014), chapters 2-4), and
alpha takes the variance of Scott's pi.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from readerstudy.analysis.result import Estimate

from .coefficients import COEFFICIENTS, agreement_coefficients
from .cohen import _square, cohen_kappa
from .ratings import Ratings


def ratings_from_cross_table(
    table: ArrayLike, *, categories: Sequence[Hashable] | None = None
) -> Ratings:
    """The subjects behind a q x q table (rows: first rater, columns: second) as coded ratings.

    Raises ``ValueError`` for a table that is not square, or not of whole counts.
    """
    counts = _square(table)
    names = tuple(categories) if categories is not None else tuple(range(1, len(counts) + 1))
    if len(names) != len(counts):
        raise ValueError(f"{len(names)} categories name a table of {len(counts)} rows")
    pairs = np.repeat(np.argwhere(counts >= 0), counts.astype(int).ravel(), axis=0)
    return Ratings(pairs, names)


def agreement_of_table(
    table: ArrayLike,
    *,
    weights: str | ArrayLike = "unweighted",
    categories: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Every coefficient of a q x q table of two raters, and ``cohen`` with both its errors.

    Keys are those of ``COEFFICIENTS``; Conger's is left out, being Cohen's for two raters. For
    intervals that allow for missing ratings or more raters see ``agreement_coefficients``.
    """
    ratings = ratings_from_cross_table(table, categories=categories)
    names = [name for name in COEFFICIENTS if name != "conger"]
    raw = agreement_coefficients(ratings, coefficients=names, weights=weights, level=level)
    found = {name: _of_table(raw[name], raw["fleiss"], level) for name in names}
    found["fleiss"] = replace(found["fleiss"], name="Scott's pi")
    found["cohen"] = cohen_kappa(table, weights=weights, categories=ratings.categories, level=level)
    return found


def _of_table(found: Estimate, scott: Estimate, level: float) -> Estimate:
    """The same coefficient with the table's standard error, t on n - 1 degrees of freedom."""
    source = scott if found.name.startswith("Krippendorff") else found
    if not source.standard_error or found.n is None:
        return found  # Undefined or degenerate: what was said of it holds.
    error = source.standard_error * math.sqrt((found.n - 1.0) / found.n)
    df = found.n - 1.0
    reach = float(stats.t.ppf((1.0 + level) / 2.0, df)) * error
    statistic = found.estimate / error
    details: dict[str, Any] = {**found.details, "standard_error_of_raw_ratings":
                               found.standard_error}  # fmt: skip
    return replace(
        found, standard_error=error, lower=found.estimate - reach,
        upper=min(1.0, found.estimate + reach), statistic=statistic, df=df,
        p_value=float(2.0 * stats.t.sf(abs(statistic), df)), details=details,
        method=found.method.replace("over subjects", "of the table"),
    )  # fmt: skip
