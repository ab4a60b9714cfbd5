"""One test that all modalities are equal, from the pairwise differences of their means.

The ANOVA-type statistic of Brunner, Dette and Munk, J Am Stat Assoc 92 (1997) 1494-1502: the sum of
squares of the means about their average over its expectation, which is the mean variance of the
pairwise differences halved. Its first degrees of freedom are Box's (Ann Math Stat 25 (1954)
290-302), tr(PV)^2 / tr(PVPV) with P the centring matrix; no inverse of a noisy covariance is
needed. With two modalities it is the squared t of their difference.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from scipy import stats

from readerstudy.analysis.result import Estimate


def equality_of_modalities(
    labels: Sequence[Hashable],
    means: Sequence[float],
    differences: Mapping[tuple[Hashable, Hashable], Estimate],
    *,
    level: float,
    statistic: str,
) -> tuple[Estimate | None, str | None]:
    """(the test, None), or (None, why there is none).

    ``differences`` holds every pair, first label before second. The second degrees of freedom are
    those of a mean of the pairs' variances as if all were one and the same estimate, which can only
    be too few.
    """
    t = len(labels)
    squares = np.zeros((t, t))
    roots = 0.0
    for a, b in itertools.combinations(range(t), 2):
        found = differences[labels[a], labels[b]]
        if not found.standard_error or not isinstance(found.df, float):
            return None, (
                f"no test of all modalities at once: the difference of {labels[a]} and {labels[b]} "
                "has no variance"
            )
        squares[a, b] = squares[b, a] = found.standard_error**2
        roots += found.standard_error**2 / math.sqrt(found.df)
    centring = np.eye(t) - 1.0 / t
    # From variances of differences to the centred covariance, as in classical scaling.
    spread = np.linalg.eigvalsh(-0.5 * centring @ squares @ centring)
    expected = float(squares.sum()) / (2 * t)
    df1 = min(max(expected**2 / float(spread @ spread), 1.0), t - 1.0)
    total = float(squares.sum()) / 2
    df2 = (total / roots) ** 2 if roots > 0 else math.inf
    value = float(np.sum((np.asarray(means) - np.mean(means)) ** 2)) / expected
    return Estimate(
        name="equality of modalities", estimate=value, level=level, statistic=value,
        df=(df1, df2), p_value=float(stats.f.sf(value, df1, df2)) if math.isfinite(df2)
        else float(stats.chi2.sf(value * df1, df1)),
        method=f"{statistic}-statistics, ANOVA-type F" if t > 2
        else f"{statistic}-statistics, squared t",
    ), None  # fmt: skip
