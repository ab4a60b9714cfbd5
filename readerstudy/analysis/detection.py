"""Signal detection: yes/no, ratings, two and more alternatives, one reader or several.

The signal is the generated scan and the "yes" the judgment synthetic, unless said otherwise: d' is
then how well a reader tells generated from acquired; c > 0 a leaning towards "real".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from readerstudy.analysis.binormal import BinormalFit, binormal_fit
from readerstudy.analysis.bootstrap import bootstrap_statistic, interval_from
from readerstudy.analysis.detection_measures import (
    CORRECTIONS,
    a_prime,
    corrected_rate,
    criterion,
    d_prime,
    log_beta,
    proportion_correct_max,
    variance_of_z,
)
from readerstudy.analysis.forced_choice import m_afc
from readerstudy.analysis.proportions import interval as proportion_interval
from readerstudy.analysis.proportions.counts import checked_level, one_of, whole_number
from readerstudy.analysis.rating_counts import zero_or_one
from readerstudy.analysis.result import Estimate
from readerstudy.analysis.tidy import shown

Floats = NDArray[np.float64]

MEASURES = ("d_prime", "criterion", "log_beta", "a_prime", "proportion_correct_max")

__all__ = [
    "CORRECTIONS",
    "MEASURES",
    "BinormalFit",
    "Detection",
    "binormal_fit",
    "m_afc",
    "rating_detection",
    "readers_yes_no",
    "yes_no",
]


@dataclass(frozen=True)
class Detection:
    """One reader's (or the readers' mean) detection measures."""

    d_prime: Estimate
    criterion: Estimate
    log_beta: Estimate
    a_prime: Estimate
    proportion_correct_max: Estimate
    hit_rate: Estimate | None
    false_alarm_rate: Estimate | None
    notes: tuple[str, ...] = ()

    def estimates(self) -> Iterator[Estimate]:
        """The measures, then the two rates where there are any."""
        for measure in MEASURES:
            yield getattr(self, measure)
        for rate in (self.hit_rate, self.false_alarm_rate):
            if rate is not None:
                yield rate

    def to_dict(self) -> dict[str, Any]:
        """Every number, ready for JSON."""
        out: dict[str, Any] = {
            name: None if getattr(self, name) is None else getattr(self, name).to_dict()
            for name in (*MEASURES, "hit_rate", "false_alarm_rate")
        }
        return {**out, "notes": list(self.notes)}

    def summary(self) -> str:
        """One line a measure."""
        return "\n".join([*(e.summary() for e in self.estimates()), *self.notes])


def yes_no(
    hits: int,
    misses: int,
    false_alarms: int,
    correct_rejections: int,
    *,
    correction: str = "log-linear",
    interval: str = "gourevitch-galanter",
    level: float = 0.95,
    replicates: int = 10_000,
    seed: int = 0,
) -> Detection:
    """d', c, ln beta, A' and the best share correct of one reader's yes/no task.

    ``correction`` is ``log-linear``, ``1/(2n)`` or ``none`` (with ``none`` a rate of 0 or 1 gives
    infinite measures and says so). A' takes the same rates as d', as in Stanislaw & Todorov's
    example; that of the raw rates is in its ``details``. ``interval``: ``gourevitch-galanter``
    (asymptotic; p tests d' = 0) or ``bootstrap`` (both binomials resampled, percentile); A' always
    has the bootstrap's, for want of a closed form. Raises ``ValueError`` for impossible counts or
    when there is no signal or no noise trial.
    """
    counts = {
        "hits": hits,
        "misses": misses,
        "false_alarms": false_alarms,
        "correct_rejections": correct_rejections,
    }
    h, m, f, r = (whole_number(value, name) for name, value in counts.items())
    one_of(correction, CORRECTIONS, "correction")
    one_of(interval, ("gourevitch-galanter", "bootstrap"), "interval")
    checked_level(level)
    signals, noises = h + m, f + r
    if not (signals and noises):
        raise ValueError(
            f"{signals} signal and {noises} noise trials: detection needs both kinds; for one kind "
            "only, report the proportion"
        )
    rates = corrected_rate([h, f], [signals, noises], correction)
    values = _measures(rates[0], rates[1])
    variances = variance_of_z(rates, [signals, noises])
    z = special.ndtri(rates)
    errors = {
        "d_prime": math.sqrt(variances.sum()),
        "criterion": math.sqrt(variances.sum()) / 2,
        "log_beta": math.sqrt(float(z**2 @ variances)) if np.isfinite(z).all() else math.nan,
    }
    peak = float(np.exp(-(values["d_prime"] ** 2) / 8) / math.sqrt(2 * math.pi)) / 2
    errors["proportion_correct_max"] = peak * errors["d_prime"]
    draws = _parametric_replicates(h, signals, f, noises, correction, replicates, seed)
    notes: list[str] = []
    if correction == "none" and not np.isfinite(z).all():
        notes.append("a rate of exactly 0 or 1: infinite without a correction")
    elif h in (0, signals) or f in (0, noises):
        notes.append(f"a rate of exactly 0 or 1: the {correction} correction decides the value")
    n = signals + noises
    out = {
        name: _measure(name, values[name], errors.get(name), draws[name], interval, level, n)
        for name in MEASURES
    }
    raw = {"of_raw_rates": float(a_prime(h / signals, f / noises))}
    out["a_prime"] = replace(out["a_prime"], details=raw)
    return Detection(
        **out,
        hit_rate=proportion_interval(h, signals, level=level, name="hit rate"),
        false_alarm_rate=proportion_interval(f, noises, level=level, name="false alarm rate"),
        notes=tuple(notes),
    )


def readers_yes_no(
    responses: ArrayLike,
    signal: ArrayLike,
    *,
    correction: str = "log-linear",
    level: float = 0.95,
    replicates: int = 2_000,
    seed: int = 0,
) -> Detection:
    """Measures averaged over readers, ``responses`` (readers, cases) 1 "yes", 0 "no", NaN unread.

    ``signal`` is (cases,). The interval is t over the readers' own values; the two-way cluster
    bootstrap interval (readers and cases resampled) is in ``details``. Readers without both kinds
    of trial are left out with a note.
    """
    y = _responses(responses)
    s = zero_or_one(signal, "signal")
    if y.shape[1] != len(s):
        raise ValueError(f"{y.shape[1]} cases in responses but {len(s)} in signal")
    checked_level(level)
    seen = np.isfinite(y)
    both = seen[:, s].any(axis=1) & seen[:, ~s].any(axis=1)
    if not both.any():
        raise ValueError("no reader has both signal and noise trials")
    notes = []
    if not both.all():
        left_out = ", ".join(map(str, np.flatnonzero(~both)))
        notes.append(f"readers without both kinds of trial left out: position {left_out}")
    y, seen = y[both], seen[both]
    yes = np.where(seen, y, 0.0)

    def of_weights(w_readers: Floats, w_cases: Floats) -> Floats:
        """Weighted mean over readers of each measure, (b, measures)."""
        noise, on_signal, on_noise = ~s, w_cases[:, s], w_cases[:, ~s]
        per_reader = _weighted_measures(
            on_signal @ yes[:, s].T,
            on_signal @ seen[:, s].T,
            on_noise @ yes[:, noise].T,
            on_noise @ seen[:, noise].T,
            correction,
        )
        kept = np.isfinite(per_reader) & (w_readers > 0)[:, :, None]
        weights = w_readers[:, :, None] * kept
        with np.errstate(invalid="ignore", divide="ignore"):
            top = (weights * np.where(kept, per_reader, 0)).sum(axis=1)
            return np.asarray(top / weights.sum(axis=1))

    readers, cases = y.shape
    own = _weighted_measures(
        yes[:, s].sum(axis=1)[None],
        seen[:, s].sum(axis=1)[None],
        yes[:, ~s].sum(axis=1)[None],
        seen[:, ~s].sum(axis=1)[None],
        correction,
    )[0]
    draws = bootstrap_statistic(of_weights, readers, s, replicates=replicates, seed=seed)
    n = int(seen.sum())
    out = {}
    for k, name in enumerate(MEASURES):
        mean = float(own[:, k].mean())
        boot = interval_from(draws[:, k], mean, level=level)
        details = {"readers": readers, "cases": cases, "bootstrap_interval": boot,
                   "reader_values": own[:, k]}  # fmt: skip
        out[name] = _over_readers(name, own[:, k], level, n, details)
    return Detection(**out, hit_rate=None, false_alarm_rate=None, notes=tuple(notes))


def _responses(responses: ArrayLike) -> Floats:
    """(readers, cases) of 1, 0 and NaN; anything else is named by its place."""
    raw = np.atleast_2d(np.asarray(responses, dtype=object))
    y = pd.to_numeric(pd.Series(raw.ravel()), errors="coerce").to_numpy(float)
    wrong = np.flatnonzero(~np.isin(y, (0.0, 1.0)) & ~pd.isna(raw.ravel()))
    if len(wrong):
        reader, case = divmod(int(wrong[0]), raw.shape[1])
        raise ValueError(
            f"response {shown(raw[reader, case])} of reader {reader} to case {case} is neither 1 "
            "(yes) nor 0 (no); ratings on a scale need a threshold, or rating_detection"
        )
    return y.reshape(raw.shape)


def rating_detection(ratings: ArrayLike, signal: ArrayLike, *, level: float = 0.95) -> BinormalFit:
    """Unequal-variance Gaussian model of ratings by maximum likelihood (Dorfman & Alf 1969).

    Gives d_a, the noise-to-signal ratio of standard deviations (the zROC's slope), A_z and the
    criteria; see :func:`readerstudy.analysis.binormal.binormal_fit`.
    """
    return binormal_fit(ratings, signal, level=level)


def _measures(hit_rate: ArrayLike, false_alarm_rate: ArrayLike) -> dict[str, Any]:
    sensitivity = d_prime(hit_rate, false_alarm_rate)
    return {
        "d_prime": sensitivity,
        "criterion": criterion(hit_rate, false_alarm_rate),
        "log_beta": log_beta(hit_rate, false_alarm_rate),
        "a_prime": a_prime(hit_rate, false_alarm_rate),
        "proportion_correct_max": proportion_correct_max(sensitivity),
    }


def _weighted_measures(
    hits: Floats, signals: Floats, false_alarms: Floats, noises: Floats, correction: str
) -> Floats:
    """(b, readers, measures); NaN where a resample left a reader without one kind of trial."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = (
            corrected_rate(hits, signals, correction),
            corrected_rate(false_alarms, noises, correction),
        )
        values = _measures(*rates)
    stacked = np.stack([values[name] for name in MEASURES], axis=-1)
    stacked[(signals == 0) | (noises == 0)] = np.nan
    return stacked


def _parametric_replicates(
    h: int, signals: int, f: int, noises: int, correction: str, replicates: int, seed: int
) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    hits = rng.binomial(signals, h / signals, size=replicates)
    alarms = rng.binomial(noises, f / noises, size=replicates)
    return _measures(
        corrected_rate(hits, signals, correction),
        corrected_rate(alarms, noises, correction),
    )


LABELS = {
    "d_prime": "d'",
    "criterion": "c",
    "log_beta": "ln beta",
    "a_prime": "A'",
    "proportion_correct_max": "proportion correct, best",
}


def _measure(
    name: str,
    value: Any,
    error: float | None,
    draws: Floats,
    interval: str,
    level: float,
    n: int,
) -> Estimate:
    estimate = float(value)
    by_bootstrap = interval == "bootstrap" or error is None
    finite = error is not None and math.isfinite(error) and math.isfinite(estimate)
    kept = draws[np.isfinite(draws)]
    notes: tuple[str, ...] = ()
    p_value: float | None = None
    ends = (0.0, 1.0) if name in ("a_prime", "proportion_correct_max") else (-math.inf, math.inf)
    if by_bootstrap:
        lower, upper = interval_from(draws, estimate, level=level)
        error = float(kept.std(ddof=1)) if len(kept) > 1 else None
        if not math.isfinite(estimate):
            lower, upper, error = *ends, None
        elif len(kept) < len(draws):
            # Infinity is the far end of the order, what is undefined may lie at either.
            tail, void = (1 - level) / 2, np.isnan(draws)
            low = np.quantile(np.where(void, -math.inf, draws), tail, method="lower")
            high = np.quantile(np.where(void, math.inf, draws), 1 - tail, method="higher")
            lower, upper, error = float(low), float(high), None
            notes = ("resamples with a rate of 0 or 1 are infinite without a correction",)
        elif len(kept) and float(np.ptp(kept)) == 0:
            lower, upper = ends
            notes = ("degenerate: every resample alike, no interval from the bootstrap",)
    elif finite and error is not None:
        half = float(stats.norm.isf((1 - level) / 2)) * error
        lower, upper = estimate - half, estimate + half
        if name == "proportion_correct_max":
            # Phi(d'/2) at the ends of d': a share cannot leave 0 to 1.
            z, width = float(special.ndtri(estimate)), half / _density_at(estimate) / 2
            lower, upper = float(special.ndtr(z - width)), float(special.ndtr(z + width))
    else:
        lower, upper, error = *ends, None
    if math.isnan(estimate):
        notes = ("not defined: rates of exactly 0 or 1 without a correction",)
    null = 0.0 if name == "d_prime" else None
    if null is not None and finite and error and not by_bootstrap:
        p_value = float(2 * stats.norm.sf(abs(estimate) / error))
    return Estimate(
        name=LABELS[name],
        estimate=estimate,
        standard_error=error,
        lower=lower,
        upper=upper,
        level=level,
        null=null if p_value is not None else None,
        statistic=None if p_value is None or not error else estimate / error,
        p_value=p_value,
        method="parametric bootstrap, percentile" if by_bootstrap else "Gourevitch-Galanter",
        n=n,
        notes=notes,
    )


def _density_at(share: float) -> float:
    """The normal density at the quantile of ``share``, halved: d Phi(d'/2) / d d'."""
    return float(np.exp(-(special.ndtri(share) ** 2) / 2) / math.sqrt(2 * math.pi)) / 2


def _over_readers(
    name: str, values: Floats, level: float, n: int, details: dict[str, Any]
) -> Estimate:
    mean, count = float(values.mean()), len(values)
    null = {"d_prime": 0.0, "a_prime": 0.5, "proportion_correct_max": 0.5}.get(name)
    if count < 2 or not np.isfinite(values).all() or float(np.ptp(values)) == 0:
        why = "one reader" if count < 2 else "the readers' values are alike or infinite"
        lower, upper = details["bootstrap_interval"]
        return Estimate(
            LABELS[name], mean, lower=lower, upper=upper, level=level, n=n, details=details,
            method="two-way bootstrap", notes=(f"{why}: no t over readers; bootstrap interval",),
        )  # fmt: skip
    error = float(values.std(ddof=1)) / math.sqrt(count)
    half = float(stats.t.isf((1 - level) / 2, count - 1)) * error
    statistic = None if null is None else (mean - null) / error
    return Estimate(
        name=LABELS[name],
        estimate=mean,
        standard_error=error,
        lower=mean - half,
        upper=mean + half,
        level=level,
        null=null,
        statistic=statistic,
        df=float(count - 1),
        p_value=None if statistic is None else float(2 * stats.t.sf(abs(statistic), count - 1)),
        method="mean over readers, t interval",
        n=n,
        details=details,
    )
