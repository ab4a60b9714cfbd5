"""Agreement weights between categories (1 on the diagonal, 0 for the worst disagreement).

Source: Gwet, Handbook of Inter-Rater Reliability, 4th ed. (2014), chapter 3; the same eight
families as the R package irrCAC. Krippendorff's metrics: Krippendorff, Content Analysis (2004),
chapter 11.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

WEIGHTINGS = (
    "unweighted",
    "linear",
    "quadratic",
    "ordinal",
    "radical",
    "ratio",
    "circular",
    "bipolar",
)
METRICS = ("nominal", "ordinal", "interval", "ratio")


def category_values(categories: Sequence[Hashable]) -> Floats:
    """The categories' own numbers, or 1 .. q for labels that are no numbers."""
    try:
        values = np.array([float(category) for category in categories])  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return np.arange(1.0, len(categories) + 1.0)
    return values if np.isfinite(values).all() else np.arange(1.0, len(categories) + 1.0)


def agreement_weights(
    weights: str | ArrayLike, categories: Sequence[Hashable]
) -> tuple[Floats, str]:
    """The q x q weight matrix and its name.

    ``weights`` is one of ``WEIGHTINGS`` or a q x q matrix with ones on its diagonal. Raises
    ``ValueError`` for an unknown name, a wrong shape, a diagonal that is not 1, or ratio weights
    on values whose sum is zero.
    """
    q = len(categories)
    if not isinstance(weights, str):
        matrix = np.asarray(weights, dtype=float)
        if matrix.shape != (q, q):
            raise ValueError(f"weights are {matrix.shape}, but there are {q} categories")
        if not np.isfinite(matrix).all() or not np.allclose(np.diag(matrix), 1.0):
            raise ValueError("custom weights must be finite with 1 on the diagonal")
        return matrix, "custom"
    if weights not in WEIGHTINGS and weights != "identity":
        raise ValueError(f"unknown weights {weights!r}: use one of {', '.join(WEIGHTINGS)}")
    name = "unweighted" if weights == "identity" else weights
    if q < 2 or name == "unweighted":
        return np.eye(q), name
    values = category_values(categories)
    if np.unique(values).size != q:
        raise ValueError("two categories have the same value: weights are not defined")
    low, high = values.min(), values.max()
    a, b = values[:, None], values[None, :]
    if name == "linear":
        matrix = 1.0 - np.abs(a - b) / (high - low)
    elif name == "quadratic":
        matrix = 1.0 - ((a - b) / (high - low)) ** 2
    elif name == "radical":
        matrix = 1.0 - np.sqrt(np.abs(a - b) / (high - low))
    elif name == "ordinal":
        rank = np.argsort(np.argsort(values)) + 1.0
        steps = np.abs(rank[:, None] - rank[None, :])
        matrix = 1.0 - steps * (steps + 1.0) / (q * (q - 1.0))
    elif name == "ratio":
        if np.any(a + b == 0) or high + low == 0:
            raise ValueError(
                "ratio weights need values whose sums are not zero (0 with 0 has no ratio); "
                "use Krippendorff's ratio metric or shift the scale"
            )
        matrix = 1.0 - ((a - b) / (a + b)) ** 2 / ((high - low) / (high + low)) ** 2
    elif name == "circular":
        distance = np.sin(np.pi * (a - b) / (high - low + 1.0)) ** 2
        matrix = 1.0 - distance / distance.max()
    else:  # bipolar
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (a - b) ** 2 / ((a + b - 2 * low) * (2 * high - a - b))
        np.fill_diagonal(distance, 0.0)
        matrix = 1.0 - distance / distance.max()
    return matrix, name


def krippendorff_weights(metric: str, values: Floats, frequencies: Floats) -> Floats:
    """1 - delta^2 / max delta^2 for Krippendorff's metric over the observed ``values``.

    ``frequencies`` are the values' counts among pairable ratings (the ordinal metric needs them).
    Raises ``ValueError`` for an unknown metric or negative values under ``ratio``.
    """
    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}: use one of {', '.join(METRICS)}")
    a, b = values[:, None], values[None, :]
    if metric == "nominal":
        delta = (a != b).astype(float)
    elif metric == "interval":
        delta = (a - b) ** 2
    elif metric == "ratio":
        if np.any(values < 0):
            raise ValueError(f"the ratio metric needs values >= 0, got {values.min():g}")
        with np.errstate(invalid="ignore", divide="ignore"):
            delta = np.where(a + b == 0, 0.0, ((a - b) / (a + b)) ** 2)
    else:
        cumulated = np.cumsum(frequencies)
        # Ranks' midpoints: sum of n_g from c to k minus half of both ends.
        midpoint = cumulated - frequencies / 2.0
        delta = (midpoint[:, None] - midpoint[None, :]) ** 2
    largest = delta.max(initial=0.0)
    return np.eye(values.size) if largest == 0 else 1.0 - delta / largest
