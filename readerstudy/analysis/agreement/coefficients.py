"""Chance-corrected agreement of any number of raters, with missing ratings and any weights.

Percent agreement, Conger (which is Cohen for two raters), Fleiss (Scott for two), Brennan-Prediger,
Gwet AC1 / AC2 and Krippendorff's alpha share one frame: observed agreement p_a, chance agreement
p_e, coefficient (p_a - p_e) / (1 - p_e), and a linearised variance over subjects.

Source: Gwet, Handbook of Inter-Rater Reliability, 4th ed. (2014), chapters 2-5; numerically equal
to the R package irrCAC. Intervals use t with n - 1 degrees of freedom; subjects are the sampled
units and raters are fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from readerstudy.analysis.proportions.counts import checked_level, one_of, whole_number
from readerstudy.analysis.result import Estimate

from .alpha import alpha_of_values
from .ratings import Ratings
from .weights import agreement_weights, category_values, krippendorff_weights

Floats = NDArray[np.float64]

COEFFICIENTS = ("percent", "conger", "fleiss", "brennan_prediger", "gwet", "krippendorff")
# Beyond this many distinct ratings (five hundred make a weight matrix of a quarter million) they
# are a continuous scale.
MOST_CATEGORIES = 500
UNORDERED = ("unweighted", "custom", "nominal metric")
TITLES = {
    "percent": "percent agreement",
    "conger": "Conger's kappa",
    "fleiss": "Fleiss' kappa",
    "brennan_prediger": "Brennan-Prediger coefficient",
    "gwet": "Gwet's AC1",
    "krippendorff": "Krippendorff's alpha",
}


@dataclass(frozen=True)
class Frame:
    """What every coefficient is computed from; ``sample`` holds subject weights (B x n)."""

    counts: Floats
    codes: NDArray[np.intp]
    weights: Floats
    rated: Floats
    """Ratings per subject."""
    pair: Floats
    """Weighted agreement of a subject's ordered pairs, sum over k of A_k (A_w,k - 1)."""

    @classmethod
    def of(cls, ratings: Ratings, weights: Floats) -> Frame:
        counts = ratings.counts
        symmetric = (weights + weights.T) / 2.0
        pair = (counts * (counts @ symmetric - 1.0)).sum(axis=1)
        return cls(counts, ratings.codes, symmetric, counts.sum(axis=1), pair)


def agreement_coefficients(
    ratings: Ratings,
    *,
    coefficients: Sequence[str] = COEFFICIENTS,
    weights: str | ArrayLike = "unweighted",
    metric: str | None = None,
    level: float = 0.95,
    bootstrap: int = 0,
    seed: int | None = 0,
    population: float = float("inf"),
) -> dict[str, Estimate]:
    """Every asked coefficient with analytic and, where ``bootstrap`` > 0, bootstrap interval.

    Parameters
    ----------
    weights
        One of ``weights.WEIGHTINGS`` or a matrix; used by all coefficients, and by alpha unless
        ``metric`` is given.
    metric
        Krippendorff's own metric (nominal, ordinal, interval, ratio) for alpha.
    bootstrap
        Number of resamples of subjects; the percentile interval goes into ``details``.
    population
        Number of subjects in the finite population, for the finite population correction.
    """
    for name in coefficients:
        one_of(name, COEFFICIENTS, "coefficient")
    checked_level(level)
    subjects = ratings.codes.shape[0]
    if population < subjects:
        raise ValueError(f"a population of {population} cannot hold {subjects} subjects")
    whole_number(bootstrap, "bootstrap")
    if len(ratings.categories) > MOST_CATEGORIES:
        return _of_many_values(
            ratings, coefficients, metric, level=level, bootstrap=bootstrap, seed=seed
        )
    matrix, scheme = agreement_weights(weights, ratings.categories)
    frame = Frame.of(ratings, matrix)
    if not (frame.rated >= 2).any():
        raise ValueError("no subject has two ratings: agreement is not defined")
    draws = _draws(frame.counts.shape[0], bootstrap, seed) if bootstrap else None
    found: dict[str, Estimate] = {}
    for name in coefficients:
        used, label = frame, scheme
        if name == "krippendorff" and metric is not None:
            pairable = frame.counts[frame.rated >= 2]
            own = krippendorff_weights(
                metric, category_values(ratings.categories), pairable.sum(axis=0)
            )
            used, label = Frame.of(ratings, own), f"{metric} metric"
        found[name] = _estimate(name, used, label, level=level, population=population, draws=draws)
        more = ratings.order_note(label not in UNORDERED)
        if ratings.dropped:
            more = (*more, f"{ratings.dropped} subjects without any rating left out")
        found[name] = replace(found[name], notes=(*found[name].notes, *more))
    return found


def _of_many_values(
    ratings: Ratings,
    coefficients: Sequence[str],
    metric: str | None,
    *,
    level: float,
    bootstrap: int,
    seed: int | None,
) -> dict[str, Estimate]:
    """Continuous ratings: alpha by its metric; chance-corrected categories make no sense there."""
    if "krippendorff" not in coefficients or metric not in {"interval", "ordinal"}:
        raise ValueError(
            f"{len(ratings.categories)} distinct ratings are a scale, not categories: use "
            "krippendorff_alpha with metric interval or ordinal, icc or limits_of_agreement, or "
            "group the ratings"
        )
    values = np.append(category_values(ratings.categories), np.nan)[ratings.codes]
    return {
        "krippendorff": alpha_of_values(
            values, metric=metric, level=level, bootstrap=bootstrap, seed=seed
        )
    }


def _estimate(
    name: str, frame: Frame, scheme: str, *, level: float, population: float, draws: Floats | None
) -> Estimate:
    n = frame.counts.shape[0]
    coefficient, observed, chance, influence = _ANALYTIC[name](frame)
    size = influence.size
    notes: list[str] = []
    title = TITLES[name]
    if name == "gwet" and scheme != "unweighted":
        title = "Gwet's AC2"
    details: dict[str, Any] = {
        "observed_agreement": observed,
        "chance_agreement": chance,
        "weights": scheme,
        "subjects": n,
        "subjects_with_two_ratings": int((frame.rated >= 2).sum()),
        "raters": int(frame.codes.shape[1]),
        "categories": int(frame.counts.shape[1]),
    }
    common: dict[str, Any] = {"name": title, "level": level, "n": n, "details": details}
    method = f"{title}, {scheme}, linearised variance over subjects (Gwet 2014)"
    if not np.isfinite(coefficient):
        notes.append(
            "not defined: only one category was used, so agreement by chance is certain; percent "
            f"agreement is {observed:.3f} (name all possible categories for AC1 and "
            "Brennan-Prediger)"
        )
        return Estimate(estimate=float("nan"), method=method, notes=tuple(notes), **common)
    if draws is not None:
        details.update(_bootstrap(name, frame, draws, level))
    if size < 2:
        notes.append("one subject only: no standard error")
        return Estimate(estimate=coefficient, method=method, notes=tuple(notes), **common)
    correction = max(0.0, 1.0 - n / population)
    error = float(
        np.sqrt(correction * np.sum((influence - influence.mean()) ** 2) / (size * (size - 1)))
    )
    if error <= 1e-12 * max(1.0, abs(coefficient)):
        notes.append("degenerate: the estimated standard error is zero, which is not certainty")
        lower = upper = None
        if observed >= 1.0 - 1e-12:
            agreed = ((1.0 - level) / 2.0) ** (1.0 / int((frame.rated >= 2).sum()))
            lower = (agreed - chance) / (1.0 - chance)
            upper = 1.0
            notes.append(
                "interval from the exact bound of observed agreement (every subject agreed upon), "
                "chance agreement held"
            )
        return Estimate(
            estimate=coefficient, standard_error=0.0, lower=lower, upper=upper,
            method=method, notes=tuple(notes), **common,
        )  # fmt: skip
    df = size - 1.0
    reach = stats.t.ppf((1.0 + level) / 2.0, df) * error
    statistic = coefficient / error
    return Estimate(
        estimate=coefficient,
        standard_error=error,
        lower=float(coefficient - reach),
        upper=float(min(1.0, coefficient + reach)),
        null=0.0,
        statistic=float(statistic),
        df=df,
        p_value=float(2.0 * stats.t.sf(abs(statistic), df)),
        method=method,
        notes=tuple(notes),
        **common,
    )


# Each analytic form returns the coefficient, p_a, p_e and the subjects' linearised values.
Analytic = tuple[float, float, float, Floats]


def _observed(frame: Frame) -> tuple[float, Floats]:
    """p_a over subjects with two ratings, and each subject's p_a scaled by n over their number."""
    several = frame.rated >= 2
    share = np.zeros_like(frame.rated)
    share[several] = frame.pair[several] / (frame.rated * (frame.rated - 1.0))[several]
    observed = float(share.sum() / several.sum())
    return observed, share


def _corrected(frame: Frame, chance: float, chance_of_subject: Floats | None) -> Analytic:
    observed, share = _observed(frame)
    if 1.0 - chance <= 1e-12:
        return float("nan"), observed, chance, np.zeros(0)
    several = frame.rated >= 2
    coefficient = (observed - chance) / (1.0 - chance)
    scale = frame.rated.size / several.sum()
    influence = scale * (share - chance * several) / (1.0 - chance)
    if chance_of_subject is not None:
        influence = influence - 2.0 * (1.0 - coefficient) * (chance_of_subject - chance) / (
            1.0 - chance
        )
    return float(coefficient), observed, chance, influence


def _percent(frame: Frame) -> Analytic:
    return _corrected(frame, 0.0, None)


def _brennan_prediger(frame: Frame) -> Analytic:
    q = frame.counts.shape[1]
    return _corrected(frame, float(frame.weights.sum()) / q**2, None)


def _gwet(frame: Frame) -> Analytic:
    q = frame.counts.shape[1]
    if q < 2:
        return float("nan"), _observed(frame)[0], 1.0, np.zeros(0)
    shares = (frame.counts / frame.rated[:, None]).mean(axis=0)
    factor = float(frame.weights.sum()) / (q * (q - 1.0))
    chance = factor * float(np.sum(shares * (1.0 - shares)))
    subject = factor * (frame.counts @ (1.0 - shares)) / frame.rated
    return _corrected(frame, chance, subject)


def _fleiss(frame: Frame) -> Analytic:
    shares = (frame.counts / frame.rated[:, None]).mean(axis=0)
    chance = float(shares @ frame.weights @ shares)
    subject = frame.counts @ (frame.weights @ shares) / frame.rated
    return _corrected(frame, chance, subject)


def _conger(frame: Frame) -> Analytic:
    n, raters = frame.codes.shape
    present, chosen = _indicators(frame)
    read = present.sum(axis=0)
    active = read > 0
    if active.sum() < 2:
        return float("nan"), _observed(frame)[0], 1.0, np.zeros(0)
    present, chosen, read = present[:, active], chosen[:, active], read[active]
    raters = int(active.sum())
    margins = chosen.sum(axis=0) / read[:, None]
    chance = _conger_chance(margins[None], frame.weights)[0]
    others = (margins.sum(axis=0) - margins) @ frame.weights / (raters * (raters - 1.0))
    # A subject that rater g did not read must not move g's margin (Gwet 2014, eq. 2.3.x).
    linear = (n / read)[None, :] * (
        np.einsum("igk,gk->ig", chosen, others)
        - (present - read / n) * np.sum(margins * others, axis=1)
    )
    return _corrected(frame, float(chance), linear.sum(axis=1))


def _krippendorff(frame: Frame) -> Analytic:
    several = frame.rated >= 2
    counts, rated, pair = frame.counts[several], frame.rated[several], frame.pair[several]
    mean = rated.mean()
    share = pair / (mean * (rated - 1.0))
    biased = share.mean()
    small = 1.0 / rated.sum()
    observed = float((1.0 - small) * biased + small)
    margins = counts.mean(axis=0) / mean
    chance = float(margins @ frame.weights @ margins)
    if 1.0 - chance <= 1e-12:
        return float("nan"), observed, chance, np.zeros(0)
    prime = (biased - chance) / (1.0 - chance)
    excess = (rated - mean) / mean
    subject = counts @ (frame.weights @ margins) / mean - chance * excess
    # The excess term takes the small-sample p_a, as irrCAC does; it vanishes without missing data.
    influence = (share - observed * excess - chance) / (1.0 - chance) - 2.0 * (1.0 - prime) * (
        subject - chance
    ) / (1.0 - chance)
    return float((observed - chance) / (1.0 - chance)), observed, chance, influence


def _indicators(frame: Frame) -> tuple[Floats, Floats]:
    """Who read what (n x r) and chose which (n x r x q)."""
    chosen = (frame.codes[:, :, None] == np.arange(frame.counts.shape[1])).astype(float)
    return (frame.codes >= 0).astype(float), chosen


def _conger_chance(margins: Floats, weights: Floats) -> Floats:
    """Mean chance agreement of distinct raters; margins are B x r x q."""
    raters = margins.shape[1]
    total = margins.sum(axis=1)
    both = np.einsum("bk,kl,bl->b", total, weights, total)
    same = np.einsum("brk,brk->b", margins @ weights, margins)
    return np.asarray((both - same) / (raters * (raters - 1.0)))


_ANALYTIC: dict[str, Callable[[Frame], Analytic]] = {
    "percent": _percent,
    "conger": _conger,
    "fleiss": _fleiss,
    "brennan_prediger": _brennan_prediger,
    "gwet": _gwet,
    "krippendorff": _krippendorff,
}


def _draws(n: int, replicates: int, seed: int | None) -> Floats:
    rng = np.random.default_rng(seed)
    picked = rng.integers(0, n, size=(replicates, n))
    picked += np.arange(replicates)[:, None] * n
    return (
        np.bincount(picked.ravel(), minlength=replicates * n).reshape(replicates, n).astype(float)
    )


def _bootstrap(name: str, frame: Frame, draws: Floats, level: float) -> dict[str, Any]:
    """Percentile interval of a coefficient over resampled subjects (all replicates at once)."""
    values = _replicates(name, frame, draws)
    finite = values[np.isfinite(values)]
    if finite.size < 2:
        return {"bootstrap_replicates": 0}
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(finite, [tail, 1.0 - tail])
    return {
        "bootstrap_lower": float(low),
        "bootstrap_upper": float(high),
        "bootstrap_standard_error": float(finite.std(ddof=1)),
        "bootstrap_replicates": int(finite.size),
        "bootstrap_undefined": int(values.size - finite.size),
    }


def _replicates(name: str, frame: Frame, draws: Floats) -> Floats:
    several = (frame.rated >= 2).astype(float)
    q = frame.counts.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        if name == "krippendorff":
            ratings = draws @ (frame.rated * several)
            pair = np.where(several > 0, frame.pair / np.maximum(frame.rated - 1.0, 1.0), 0.0)
            observed = (1.0 - 1.0 / ratings) * (draws @ pair) / ratings + 1.0 / ratings
            margins = draws @ (frame.counts * several[:, None]) / ratings[:, None]
            chance = np.einsum("bk,kl,bl->b", margins, frame.weights, margins)
        else:
            observed = (draws @ _observed(frame)[1]) / (draws @ several)
            if name == "percent":
                return np.asarray(observed)
            if name == "brennan_prediger":
                chance = np.full(observed.shape, frame.weights.sum() / q**2)
            elif name == "conger":
                present, chosen = _indicators(frame)
                n, raters = frame.codes.shape
                totals = (draws @ chosen.reshape(n, -1)).reshape(-1, raters, q)
                read = draws @ present
                # A rater whom a resample leaves without readings has no margins there.
                margins = np.where(read[:, :, None] > 0, totals / read[:, :, None], np.nan)
                chance = _conger_chance(margins, frame.weights)
            else:
                shares = draws @ (frame.counts / frame.rated[:, None]) / draws.sum(axis=1)[:, None]
                if name == "fleiss":
                    chance = np.einsum("bk,kl,bl->b", shares, frame.weights, shares)
                else:
                    factor = frame.weights.sum() / (q * (q - 1.0))
                    chance = factor * np.sum(shares * (1.0 - shares), axis=1)
        return np.asarray(
            np.where(1.0 - chance > 1e-12, (observed - chance) / (1.0 - chance), np.nan)
        )
