"""Obuchowski-Rockette analysis of variance with Hillis' degrees of freedom.

theta_ij = mu + tau_i + R_j + (tau R)_ij + e_ij, the errors e correlated over cases: Cov1 (same
reader, other modality), Cov2 (same modality, other reader), Cov3 (both other).

Sources: Obuchowski and Rockette, Commun Stat Simul 24 (1995) 285-308; Hillis, Stat Med 26 (2007)
596-619 (degrees of freedom); Hillis, Stat Med 33 (2014) 330-360 (marginal-mean framework: one
modality, nested designs, fixed factors). Numerically equal to MRMCaov and RJafroc.

Negative components: Cov2 - Cov3 (Cov2 with one modality) is taken as max(., 0) in the error term
*and* in its degrees of freedom, as Hillis 2014 and all three programs do, with a note; reader
components in ``components`` are reported as estimated, even where negative.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from readerstudy.analysis.result import Estimate
from readerstudy.analysis.tidy import RatingCube, rating_cube

from .by_function import FigureFunction
from .figures import COVARIANCES, METRICS, Figures, figures_of_merit
from .inference import ROUNDING, contrast, equality_test, separated_interval
from .result import MrmcResult
from .variance import Components, components_of

Floats = NDArray[np.float64]
UNBOUNDED = (-math.inf, math.inf)


def obuchowski_rockette(
    table: pd.DataFrame,
    *,
    metric: str | FigureFunction = "auc",
    covariance: str = "jackknife",
    readers: str = "random",
    cases: str = "random",
    null: float | None = None,
    level: float = 0.95,
    threshold: float | None = None,
    reader: str = "reader",
    case: str = "case",
    modality: str | None = "modality",
    truth: str | None = "truth",
    rating: str = "rating",
    positive: Hashable | None = None,
    positive_rating: Hashable | None = None,
    replicates: int = 1000,
    seed: int | None = 0,
) -> MrmcResult:
    """Analyse a tidy table of readings, one row a reading.

    Parameters
    ----------
    metric
        ``auc``, or a binary endpoint: ``sensitivity``, ``specificity``, ``accuracy``,
        ``proportion`` (share of ratings that are 1, no truth needed). Or any function
        ``f(truth, ratings) -> float`` of one cell's cases (a partial area, a fitted curve's area
        ...), analysed by jackknife or bootstrap.
    covariance
        ``jackknife`` (default, any design), ``delong``, ``unbiased``, ``bootstrap``.
    readers, cases
        ``random`` or ``fixed``; one of them must be random.
    null
        Constant each modality is tested against; 0.5 for the AUC unless given.
    threshold
        For binary endpoints of a rating scale: 1 where rating >= threshold.
    modality
        A table without this column has one modality, tested against ``null``.
    positive, positive_rating
        Labels of ``truth`` and of a binary ``rating`` that count as 1 (see ``tidy.binary``), for
        instance ``positive_rating="real"`` for a realism rate.

    Designs are recognised by who read what: factorial, cases nested within readers or modalities,
    split-plot, partially paired (missing readings), readers nested within modalities. A design in
    which only some readers read several modalities raises; use ``u_statistics`` there.

    Raises
    ------
    ValueError
        Faults of the table by row; single-class data; both factors fixed; unknown options.
    """
    cube = cube_for(
        table, metric, threshold, reader=reader, case=case, modality=modality, truth=truth,
        rating=rating, positive=positive, positive_rating=positive_rating,
    )  # fmt: skip
    if covariance not in COVARIANCES:
        raise ValueError(
            f"unknown covariance method {covariance!r}: use one of {', '.join(COVARIANCES)}"
        )
    figures = figures_of_merit(
        cube, metric=metric, covariance=covariance if cases != "fixed" else "none",
        replicates=replicates, seed=seed,
    )  # fmt: skip
    if null is None and metric == "auc":
        null = 0.5
    return analyse_figures(
        figures.values, figures.covariance, modalities=cube.modalities, readers=cube.readers,
        metric=figures.metric, bounds=(0.0, 1.0) if isinstance(metric, str) else UNBOUNDED,
        covariance_method=covariance, reader_factor=readers, case_factor=cases,
        null=null, level=level, design=design_of(cube), figures=figures,
    )  # fmt: skip


def cube_for(
    table: pd.DataFrame,
    metric: str | FigureFunction,
    threshold: float | None,
    *,
    reader: str,
    case: str,
    modality: str | None,
    truth: str | None,
    rating: str,
    positive: Hashable | None,
    positive_rating: Hashable | None = None,
) -> RatingCube:
    """The cube that a metric needs: ratings for the AUC and functions, else 0/1 responses."""
    on_ratings = metric == "auc" or not isinstance(metric, str)
    if threshold is not None and not math.isfinite(threshold):
        raise ValueError(f"threshold must be a number, got {threshold!r}")
    if isinstance(metric, str) and metric not in METRICS:
        raise ValueError(f"unknown figure of merit {metric!r}: use one of {', '.join(METRICS)}")
    if not on_ratings and threshold is None and positive_rating is None and rating in table.columns:
        kind = pd.api.types.infer_dtype(table[rating].dropna())
        if kind in {"integer", "floating"} and not table[rating].dropna().isin([0, 1]).all():
            raise ValueError(
                f"{metric} needs answers of 0 and 1, and {rating} is a scale: give the threshold "
                "from which a rating counts as positive"
            )
    cube = rating_cube(
        table, reader=reader, case=case, modality=modality,
        truth=None if metric == "proportion" and (truth is None or truth not in table.columns)
        else truth,
        rating=rating, positive=positive,
        binary_rating=not on_ratings and threshold is None, positive_rating=positive_rating,
    )  # fmt: skip
    if threshold is None or on_ratings:
        return cube
    known = np.isfinite(cube.ratings)
    return replace(cube, ratings=np.where(known, (cube.ratings >= threshold).astype(float), np.nan))


def design_of(cube: RatingCube) -> str:
    """The design in words, from the pattern of readings."""
    read = np.isfinite(cube.ratings)
    by_reader: NDArray[np.bool_] = np.asarray(read.any(axis=0))
    by_modality = read.any(axis=1)
    cells = read.any(axis=2)
    if not cells.all() and (cells.sum(axis=0) == 1).all():
        return "readers nested within modality"
    if read.all():
        return "factorial"
    if read.shape[1] > 1 and (by_reader.sum(axis=0) == 1).all():
        return "cases nested within reader"
    if read.shape[0] > 1 and (by_modality.sum(axis=0) == 1).all():
        return "cases nested within modality"
    if _split_plot(by_reader):
        return "split-plot (cases nested within groups of readers)"
    return "partially paired"


def _split_plot(by_reader: NDArray[np.bool_]) -> bool:
    """Groups of readers, each with its own cases, which all its readers read."""
    patterns = np.unique(by_reader, axis=1).T
    overlap = (patterns.astype(int) @ patterns.T.astype(int)) > 0
    return len(patterns) > 1 and bool((overlap == np.eye(len(patterns), dtype=bool)).all())


def analyse_figures(
    values: Floats,
    covariance: Floats,
    *,
    modalities: tuple[Hashable, ...] | list[Hashable],
    readers: tuple[Hashable, ...] | list[Hashable],
    metric: str = "figure of merit",
    covariance_method: str = "given",
    reader_factor: str = "random",
    case_factor: str = "random",
    null: float | None = None,
    level: float = 0.95,
    design: str = "factorial",
    bounds: tuple[float, float] = (0.0, 1.0),
    figures: Figures | None = None,
) -> MrmcResult:
    """Array-level analysis of any figures of merit (for instance wAFROC from the jackknife).

    Parameters
    ----------
    values
        Modality x reader; NaN where a reader did not read a modality.
    covariance
        Covariance over cases of the flattened values (row-major).
    bounds
        Range of the figure of merit; intervals of modalities are cut to it.
    """
    values = np.atleast_2d(np.asarray(values, dtype=float))
    _check(values, covariance, modalities, readers, reader_factor, case_factor, level)
    c = components_of(values, np.asarray(covariance, dtype=float))
    notes = list(figures.notes) if figures is not None else []
    if c.readers == 1 and reader_factor == "random":
        notes.append(
            "one reader: variance between readers cannot be estimated, so the reader is taken as "
            "fixed; the answer holds for this reader only"
        )
        reader_factor = "fixed"
        if case_factor == "fixed":
            raise ValueError("one reader and fixed cases leave nothing random to test against")
    args = (c, reader_factor, case_factor, level)
    found: dict[Hashable, Estimate] = {}
    for index, label in enumerate(modalities):
        found[label] = contrast(
            *args, kind="modality", first=index, name=f"{metric} of {label}", null=null,
            bounds=bounds, covariance_method=covariance_method,
        )  # fmt: skip
        if figures is not None and metric in METRICS:
            found[label] = separated_interval(found[label], figures, values[index], level)
    differences = {
        (modalities[a], modalities[b]): contrast(
            *args, kind="difference", first=a, second=b,
            name=f"{metric} of {modalities[a]} - {modalities[b]}", null=0.0,
            covariance_method=covariance_method,
        )
        for a, b in itertools.combinations(range(len(modalities)), 2)
    }  # fmt: skip
    equality = equality_test(*args, covariance_method) if len(modalities) > 1 else None
    per_reader, per_difference = _of_readers(
        c, values, modalities, readers, metric, level, bounds, case_factor,
        None if figures is None or metric not in METRICS else figures.sizes,
    )  # fmt: skip
    return MrmcResult(
        figure_of_merit=metric,
        method="Obuchowski-Rockette, Hillis degrees of freedom",
        covariance_method=covariance_method if case_factor == "random" else "none (cases fixed)",
        readers=reader_factor,
        cases=case_factor,
        design=design,
        modalities=found,
        differences=differences,
        equality=equality,
        reader_values=per_reader,
        reader_differences=per_difference,
        components=c.as_dict(),
        counts={
            "modalities": c.modalities,
            "readers": len(readers),
            **({"cases": figures.cases, "positives": figures.positives,
                "negatives": figures.negatives} if figures is not None else {}),
        },
        notes=tuple(notes),
    )  # fmt: skip


def _of_readers(
    c: Components,
    values: Floats,
    modalities: tuple[Hashable, ...] | list[Hashable],
    readers: tuple[Hashable, ...] | list[Hashable],
    metric: str,
    level: float,
    bounds: tuple[float, float],
    case_factor: str,
    sizes: Floats | None,
) -> tuple[
    dict[tuple[Hashable, Hashable], Estimate],
    dict[tuple[Hashable, Hashable, Hashable], Estimate],
]:
    """Each reader's figures and differences, cases random (normal intervals, Hillis 2014)."""
    reach = float(stats.norm.ppf((1.0 + level) / 2.0))
    singles: dict[tuple[Hashable, Hashable], Estimate] = {}
    pairs: dict[tuple[Hashable, Hashable, Hashable], Estimate] = {}
    for j, who in enumerate(readers):
        for i, what in enumerate(modalities):
            if np.isnan(values[i, j]):
                continue
            name = f"{metric} of reader {who}, {what}"
            variance = float(c.cell_variance[i, j])
            if case_factor == "fixed":
                singles[what, who] = Estimate(name=name, estimate=float(values[i, j]), level=level,
                                              method="cases fixed: no interval")  # fmt: skip
                continue
            notes: tuple[str, ...] = ()
            error = math.sqrt(max(0.0, variance))
            value = float(values[i, j])
            lower: float | None = max(bounds[0], value - reach * error)
            upper: float | None = min(bounds[1], value + reach * error)
            if variance <= ROUNDING:
                error, lower, upper = 0.0, None, None
                notes = ("degenerate: zero variance over cases is not certainty",)
                if sizes is not None and value in (0.0, 1.0):
                    bound = ((1.0 - level) / 2.0) ** (1.0 / max(1.0, float(sizes[i, j])))
                    lower, upper = (bound, 1.0) if value == 1.0 else (0.0, 1.0 - bound)
                    notes = (*notes, "exact interval from the bound of a figure of 0 or 1")
            singles[what, who] = Estimate(
                name=name, estimate=value, standard_error=error, lower=lower, upper=upper,
                level=level, method="variance over cases, normal interval", notes=notes,
            )  # fmt: skip
        if case_factor == "fixed" or np.isnan(values[:, j]).any() or c.modalities < 2:
            continue
        variance = 2.0 * (c.reader_variance[j] - c.reader_cov1[j])
        error = math.sqrt(max(0.0, variance))
        for a, b in itertools.combinations(range(len(modalities)), 2):
            difference = float(values[a, j] - values[b, j])
            z = difference / error if error > 0 else float("nan")
            pairs[who, modalities[a], modalities[b]] = Estimate(
                name=f"{metric} of reader {who}, {modalities[a]} - {modalities[b]}",
                estimate=difference, standard_error=error,
                lower=difference - reach * error if error else None,
                upper=difference + reach * error if error else None, level=level, null=0.0,
                statistic=z, p_value=float(2.0 * stats.norm.sf(abs(z))),
                method="variance over cases of this reader's data, normal",
                notes=() if error > 0 else ("degenerate: no variance over cases",),
            )  # fmt: skip
    return singles, pairs


def _check(
    values: Floats,
    covariance: Floats,
    modalities: tuple[Hashable, ...] | list[Hashable],
    readers: tuple[Hashable, ...] | list[Hashable],
    reader_factor: str,
    case_factor: str,
    level: float,
) -> None:
    for name, factor in (("readers", reader_factor), ("cases", case_factor)):
        if factor not in {"random", "fixed"}:
            raise ValueError(f"{name} {factor!r}: must be 'random' or 'fixed'")
    if reader_factor == case_factor == "fixed":
        raise ValueError("readers and cases both fixed leave nothing random to test against")
    if values.shape != (len(modalities), len(readers)):
        raise ValueError(
            f"values are {values.shape}, labels name {len(modalities)} modalities and "
            f"{len(readers)} readers"
        )
    if np.asarray(covariance).shape != (values.size, values.size):
        raise ValueError(f"the covariance of {values.size} values must be square of that size")
    if not 0 < level < 1:
        raise ValueError(f"level {level} must lie between 0 and 1")
    present = ~np.isnan(values)
    for i, label in enumerate(modalities):
        if not present[i].any():
            raise ValueError(f"modality {label!r} has no reader with cases of both classes")
    for j, label in enumerate(readers):
        if not present[:, j].any():
            raise ValueError(
                f"reader {label!r} has no figure of merit under any modality (single-class data?): "
                "drop that reader"
            )
    whole = present.all(axis=0)
    if not whole.all() and not (present.sum(axis=0) == 1).all():
        some = [str(readers[j]) for j in np.flatnonzero(~whole)]
        raise ValueError(
            f"readers {', '.join(some[:6])} read only some of the modalities: the analysis of "
            "variance needs every reader in all or each in one; use u_statistics for this design"
        )
