"""Gallas' one-shot MRMC variance by U- and V-statistics: any design, missing readings, binary data.

The reader-averaged figure of merit is a mean over (reader, positive, negative) triples, or over
(reader, case) pairs for a binary endpoint; its variance is a combination of eight (four) moments
of products of kernels that share a reader or not and share cases or not.

Sources: Gallas, Acad Radiol 13 (2006) 353-362; Gallas, Bandos, Samuelson and Wagner, Commun Stat
Theory Methods 38 (2009) 2586-2603; Gallas and Brown, Neural Networks 21 (2008) 387-397 (arbitrary
designs); Gallas, Pennello and Myers, JOSA A 24 (2007) B70-B80 (binary); Obuchowski, Gallas and
Hillis, Acad Radiol 19 (2012) 1508-1517 (degrees of freedom). Equal to iMRMC.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from readerstudy.analysis.proportions.counts import checked_level
from readerstudy.analysis.result import Estimate
from readerstudy.analysis.tidy import RatingCube

from .equality import equality_of_modalities
from .figures import cells_of
from .inference import ROUNDING, estimate_from
from .moments import CellMoments, auc_moments, binary_moments, unbiased_covariance
from .obuchowski_rockette import cube_for, design_of
from .reader_average import Layout, Moments, contrast_variance, satterthwaite
from .result import MrmcResult

Floats = NDArray[np.float64]
Three = tuple[Moments, Moments, Moments]


def u_statistics(
    table: pd.DataFrame,
    *,
    metric: str = "auc",
    statistic: str = "U",
    centred: bool | None = None,
    weights: str = "pairs",
    null: float | None = None,
    level: float = 0.95,
    threshold: float | None = None,
    df_convention: str = "exact",
    reader: str = "reader",
    case: str = "case",
    modality: str | None = "modality",
    truth: str | None = "truth",
    rating: str = "rating",
    positive: Hashable | None = None,
    positive_rating: Hashable | None = None,
) -> MrmcResult:
    """Reader-averaged figures of merit with readers and cases random, whatever the design.

    Parameters
    ----------
    metric, threshold, null, and the column names
        As in ``obuchowski_rockette``.
    statistic
        ``U`` unbiased, or ``V``, the non-parametric maximum-likelihood form, biased upward.
    centred
        Take the modality's figure of merit off every kernel first. The same in factorial designs;
        in designs with gaps the unbiased estimate keeps its expectation but for terms of order
        1 / n, loses most of its noise, and does not depend on which answer is called one: raw
        moments are means over different pairs, and their difference moves with the kernels' origin.
        The default is ``True`` for a proportion's U-statistic, where the two answers are only
        names, and ``False`` for the AUC, whose estimate is iMRMC's. Where a raw estimate comes out
        negative the centred one stands in its place, and V's where it is negative too, with a note.
    weights
        ``pairs``: every comparison counts the same, as in iMRMC, so readers with more readings
        weigh more; ``readers``: every reader counts the same. Equal in balanced designs.
    df_convention
        ``exact``: t with the fractional degrees of freedom; ``imrmc``: rounded down, normal above
        50, as iMRMC prints its intervals.

    One reader in a modality (an algorithm, say) is taken as fixed there, as iMRMC's advice to enter
    it twice does. Raises ``ValueError`` as ``obuchowski_rockette``.
    """
    cube = cube_for(
        table, metric, threshold, reader=reader, case=case, modality=modality, truth=truth,
        rating=rating, positive=positive, positive_rating=positive_rating,
    )  # fmt: skip
    if null is None and metric == "auc":
        null = 0.5
    return u_statistics_of(
        cube, metric=metric, statistic=statistic, centred=centred, weights=weights, null=null,
        level=level, df_convention=df_convention,
    )  # fmt: skip


def u_statistics_of(
    cube: RatingCube,
    *,
    metric: str = "auc",
    statistic: str = "U",
    centred: bool | None = None,
    weights: str = "pairs",
    null: float | None = None,
    level: float = 0.95,
    df_convention: str = "exact",
) -> MrmcResult:
    """As ``u_statistics``, from a cube of ratings."""
    checked_level(level)
    for name, value, allowed in (
        ("statistic", statistic, ("U", "V")),
        ("weights", weights, ("pairs", "readers")),
        ("df_convention", df_convention, ("exact", "imrmc")),
    ):
        if value not in allowed:
            raise ValueError(f"{name} {value!r}: use one of {', '.join(allowed)}")
    cells, labels = cells_of(cube, metric)
    if centred is None:
        centred = labels is None and statistic == "U"

    def moments_of(centre: Floats | None) -> CellMoments:
        with threadpool_limits(limits=1, user_api="blas"):
            if labels is None:
                return binary_moments(cells, centre)
            return auc_moments(cells, labels, centre)

    cell_moments = moments_of(None)
    layout = Layout.of(cube, cell_moments, weights)
    t, r = cube.ratings.shape[:2]
    notes = [*cube.notes, *layout.notes]

    @functools.cache
    def pairs_of(centre: bool) -> dict[tuple[int, int], Moments]:
        used = layout
        if centre:
            means = np.repeat([layout.mean(a) for a in range(t)], r)
            used = replace(layout, moments_of_cells=moments_of(means))
        return {(a, b): used.moments(a, b) for a in range(t) for b in range(a, t)}

    def centred_pair(a: int, b: int) -> Moments:
        return pairs_of(True)[a, b]

    def centred_three(a: int, b: int) -> Three:
        return centred_pair(a, a), centred_pair(b, b), centred_pair(a, b)

    pair = pairs_of(centred)
    means = [layout.mean(a) for a in range(t)]
    options: dict[str, Any] = {
        "statistic": statistic, "level": level, "convention": df_convention, "metric": metric,
    }  # fmt: skip
    modalities = {
        label: _modality(
            label,
            means[a],
            pair[a, a],
            null,
            functools.partial(centred_pair, a, a),
            cells=layout,
            index=a,
            **options,
        )
        for a, label in enumerate(cube.modalities)
    }
    differences = {
        (cube.modalities[a], cube.modalities[b]): _difference(
            (cube.modalities[a], cube.modalities[b]), means[a] - means[b],
            (pair[a, a], pair[b, b], pair[a, b]),
            functools.partial(centred_three, a, b),
            **options,
        )
        for a, b in itertools.combinations(range(t), 2)
    }  # fmt: skip
    equality = None
    if t > 1:
        equality, why = equality_of_modalities(
            cube.modalities, means, differences, level=level, statistic=statistic
        )
        if t > 2 and why is not None:
            notes.append(why)
    return MrmcResult(
        figure_of_merit=metric,
        method=f"{statistic}-statistics (Gallas)",
        covariance_method=f"{statistic}-statistic moments"
        + (", centred kernels" if centred else ""),
        readers="random",
        cases="random",
        design=design_of(cube),
        modalities=modalities,
        differences=differences,
        equality=equality,
        reader_values=_reader_values(cube, cell_moments, metric, level),
        components={
            f"M{i + 1} {cube.modalities[a]} - {cube.modalities[b]}": float(value)
            for (a, b), m in pair.items()
            for i, value in enumerate(m.unbiased)
        },
        counts={
            "modalities": t, "readers": len(cube.readers), "cases": len(cube.cases),
            "readings": int(np.isfinite(cube.ratings).sum()),
            "positives": int(cube.truth.sum()) if labels is not None else 0,
            "negatives": int((~cube.truth).sum()) if labels is not None else 0,
        },
        notes=tuple(notes),
    )  # fmt: skip


def _finish(
    name: str,
    estimate: float,
    parts: list[tuple[float, Moments]],
    centred_parts: Callable[[], list[tuple[float, Moments]]],
    sources: Callable[[list[tuple[float, Moments]]], Floats],
    null: float | None,
    details: dict[str, Any],
    *,
    statistic: str,
    level: float,
    convention: str,
    bounds: tuple[float, float] | None,
) -> Estimate:
    """The estimate from the moments in ``parts``; from centred ones, or V, where negative."""
    variance = contrast_variance(parts, statistic)
    notes: tuple[str, ...] = ()
    if statistic == "U" and variance < -ROUNDING:
        first, parts = variance, centred_parts()
        variance = contrast_variance(parts, "U")
        instead = "the unbiased one of centred kernels"
        details["variance_u_centred"] = variance
        if variance <= ROUNDING:
            variance = contrast_variance(parts, "V")
            instead = "the V-statistic's, which is biased upward,"
        notes = (
            f"the unbiased variance came out {first:.3g}: {instead} stands in its place",
        )  # fmt: skip
    df = satterthwaite(variance, sources(parts))
    details["df_bdg"] = df
    used = df
    if convention == "imrmc" and math.isfinite(df):
        used = math.inf if df > 50 else math.floor(df)
    if math.isnan(variance):
        notes = ("a single case (of a class): variance over cases cannot be estimated",)
    variance = 0.0 if abs(variance) <= ROUNDING else variance
    return estimate_from(
        name=name, estimate=estimate, variance=variance,
        df=used if math.isfinite(used) else math.inf, level=level, null=null,
        method=f"{statistic}-statistics (Gallas), readers and cases random", details=details,
        notes=notes, bounds=bounds,
    )  # fmt: skip


def _modality(
    label: Hashable,
    mean: float,
    m: Moments,
    null: float | None,
    centred: Callable[[], Moments],
    *,
    cells: Layout,
    index: int,
    metric: str,
    **options: Any,
) -> Estimate:
    details: dict[str, Any] = {
        "moments": m.unbiased, "moments_biased": m.biased, "coefficients": m.coefficients,
        "variance_u": m.covariance, "variance_v": m.covariance_biased,
    }  # fmt: skip
    found = _finish(
        f"{metric} of {label}", mean, [(1.0, m)], lambda: [(1.0, centred())],
        lambda parts: parts[0][1].sources, null, details, bounds=(0.0, 1.0), **options,
    )  # fmt: skip
    if found.standard_error == 0.0 and not math.isnan(cells.perfect[index]):
        return _at_bound(found, cells, index, options["level"])
    return found


def _at_bound(found: Estimate, cells: Layout, index: int, level: float) -> Estimate:
    """Exact interval of 0 or 1, from the comparisons of the modality's first reader.

    That reader's figure is at the bound with at most theta^m, m his disjoint comparisons.
    """
    size = _disjoint(cells.moments_of_cells, int(cells.cells[index][0]))
    lower, upper = _bound(cells.perfect[index], size, level)
    note = "exact interval for these readers from the bound of a figure of merit of 0 or 1"
    return replace(found, lower=lower, upper=upper, notes=(*found.notes, note))


def _disjoint(m: CellMoments, cell: int) -> float:
    """A cell's disjoint positive-negative pairs, or its cases."""
    size = float(m.counts[cell])
    if m.denominators.shape[0] == 4:  # n1 n0^2 and n1^2 n0 over n1 n0.
        size = min(m.denominators[1, cell, cell], m.denominators[2, cell, cell]) / size
    return float(size)


def _bound(value: float, size: float, level: float) -> tuple[float, float]:
    """Clopper-Pearson's interval of none or all of so many."""
    bound = ((1.0 - level) / 2.0) ** (1.0 / max(1.0, size))
    return (bound, 1.0) if value == 1.0 else (0.0, 1.0 - bound)


def _difference(
    labels: tuple[Hashable, Hashable],
    difference: float,
    moments: Three,
    centred: Callable[[], Three],
    *,
    metric: str,
    **options: Any,
) -> Estimate:
    """``moments``: of the first modality, of the second, and of both together."""
    first, second, cross = moments
    details: dict[str, Any] = {
        "variance_first": first.covariance, "variance_second": second.covariance,
        "covariance": cross.covariance, "moments": cross.unbiased,
        "coefficients": cross.coefficients,
        "variance_u": first.covariance + second.covariance - 2.0 * cross.covariance,
        "variance_v": first.covariance_biased + second.covariance_biased
        - 2.0 * cross.covariance_biased,
    }  # fmt: skip

    def parts(three: Three) -> list[tuple[float, Moments]]:
        return list(zip((1.0, 1.0, -2.0), three, strict=True))

    def sources(used: list[tuple[float, Moments]]) -> Floats:
        a, b, ab = (m.sources for _, m in used)
        shared = np.where(np.isfinite(ab[:, 1]) & (ab[:, 1] > 0), ab[:, 0], 0.0)
        return np.column_stack([a[:, 0] + b[:, 0] - 2.0 * shared, np.minimum(a[:, 1], b[:, 1])])

    return _finish(
        f"{metric} of {labels[0]} - {labels[1]}", difference, parts(moments),
        lambda: parts(centred()), sources, 0.0, details, bounds=None, **options,
    )  # fmt: skip


def _reader_values(
    cube: RatingCube, moments: CellMoments, metric: str, level: float
) -> dict[tuple[Hashable, Hashable], Estimate]:
    """Each reader's figure of merit, cases random (unbiased variance, normal interval)."""
    t, r, _ = cube.ratings.shape
    variances = np.diag(unbiased_covariance(moments))
    reach = float(stats.norm.ppf((1.0 + level) / 2.0))
    found: dict[tuple[Hashable, Hashable], Estimate] = {}
    for a, b in itertools.product(range(t), range(r)):
        cell = a * r + b
        if moments.counts[cell] == 0:
            continue
        value, variance = float(moments.means[cell]), float(variances[cell])
        error = math.sqrt(variance) if variance > ROUNDING else None
        lower = upper = None
        notes: tuple[str, ...] = ()
        if error is not None:
            lower, upper = max(0.0, value - reach * error), min(1.0, value + reach * error)
        else:
            notes = ("degenerate: no variance over cases",)
            if value in (0.0, 1.0):
                lower, upper = _bound(value, _disjoint(moments, cell), level)
                notes = (*notes, "exact interval from the bound of a figure of 0 or 1")
        found[cube.modalities[a], cube.readers[b]] = Estimate(
            name=f"{metric} of reader {cube.readers[b]}, {cube.modalities[a]}", estimate=value,
            standard_error=error, lower=lower, upper=upper, level=level, notes=notes,
            method="unbiased variance over cases, normal interval",
        )  # fmt: skip
    return found
