"""Agreement between readers, and of a reader with himself.

``agreement`` reads the tidy table and gives everything that fits it; beneath it are the
coefficients on arrays: ``agreement_coefficients`` (any number of raters, missing data, weights),
``cohen_kappa``, ``scott_pi``, ``fleiss_kappa``, ``krippendorff_alpha``, ``icc``,
``limits_of_agreement`` ...
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from readerstudy.analysis.result import Estimate

from .coefficients import COEFFICIENTS, UNORDERED, agreement_coefficients
from .cohen import cohen_from_ratings, cohen_kappa, cross_table, pairwise_kappa, paradox, scott_pi
from .fleiss import fleiss_kappa
from .icc import icc
from .intra import intra_reader
from .limits import limits_of_agreement, limits_with_the_mean, repeatability
from .ratings import Ratings, ratings_from_counts, ratings_from_table, ratings_matrix
from .tables import agreement_of_table, ratings_from_cross_table
from .weights import METRICS, WEIGHTINGS, agreement_weights

__all__ = [
    "COEFFICIENTS",
    "METRICS",
    "WEIGHTINGS",
    "Ratings",
    "agreement",
    "agreement_coefficients",
    "agreement_of_table",
    "agreement_weights",
    "cohen_from_ratings",
    "cohen_kappa",
    "cross_table",
    "fleiss_kappa",
    "icc",
    "intra_reader",
    "krippendorff_alpha",
    "limits_of_agreement",
    "limits_with_the_mean",
    "pairwise_kappa",
    "paradox",
    "ratings_from_counts",
    "ratings_from_cross_table",
    "ratings_from_table",
    "ratings_matrix",
    "repeatability",
    "scott_pi",
]


def agreement(
    table: pd.DataFrame,
    *,
    reader: str = "reader",
    case: str = "case",
    rating: str = "judgment",
    categories: Sequence[Hashable] | None = None,
    weights: str | ArrayLike = "unweighted",
    metric: str | None = None,
    level: float = 0.95,
    bootstrap: int = 1000,
    seed: int | None = 0,
) -> dict[str, Estimate]:
    """Every agreement coefficient of a tidy table (one row a reading), with intervals.

    The keys are those of ``COEFFICIENTS``, and ``cohen`` where there are exactly two readers.
    Bootstrap percentile intervals (resampled cases) stand in each estimate's ``details``.

    Raises ``ValueError`` for missing columns, duplicate readings or labels outside ``categories``,
    naming the rows.
    """
    ratings = ratings_from_table(
        table, rater=reader, subject=case, rating=rating, categories=categories
    )
    found = agreement_coefficients(
        ratings, weights=weights, metric=metric, level=level, bootstrap=bootstrap, seed=seed
    )
    if ratings.codes.shape[1] == 2 and len(ratings.categories) > 1:
        cohen = cohen_kappa(
            cross_table(ratings), weights=weights, categories=ratings.categories, level=level,
            bootstrap=bootstrap, seed=seed,
        )  # fmt: skip
        order = ratings.order_note(cohen.details["weights"] not in UNORDERED)
        found["cohen"] = replace(cohen, notes=(*cohen.notes, *order))
    return found


def krippendorff_alpha(
    ratings: ArrayLike | pd.DataFrame, *, metric: str = "nominal", **options: Any
) -> Estimate:
    """Krippendorff's alpha of a subject x rater matrix (NaN missing) under one of ``METRICS``.

    For the ordinal metric the weights come from the data; the linearised error holds them fixed,
    so prefer the bootstrap interval (``bootstrap=1000``) there.
    """
    coded = ratings if isinstance(ratings, Ratings) else ratings_matrix(ratings)
    return agreement_coefficients(coded, coefficients=["krippendorff"], metric=metric, **options)[
        "krippendorff"
    ]
