"""Do generated scans show the labels that acquired ones do, in the same shares?

Entropy and effective number of labels, coverage, Jensen-Shannon divergence, chi-square and each
label's share, with bootstrap over scans and correction for many labels. Scans may carry several
labels: the resampled unit is the scan, so several labels of one scan never count as independent.

Sources: Shannon 1948; Miller 1955 (entropy's bias); Hill, Ecology 54 (1973) 427-432 (effective
number); Good, Biometrika 40 (1953) 237-264 (coverage); Lin, IEEE Trans Inf Theory 37 (1991) 145-151
(Jensen-Shannon); permutation tests: Phipson and Smyth, Stat Appl Genet Mol Biol 9 (2010) 39.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from readerstudy.analysis.multiplicity import adjust
from readerstudy.analysis.proportions import newcombe
from readerstudy.analysis.result import Estimate
from readerstudy.analysis.tidy import refuse_blanks, require_columns

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DiversityResult:
    """Estimates by name, and one row per label."""

    estimates: dict[str, Estimate]
    labels: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Plain types at full precision."""
        return {
            "estimates": {name: e.to_dict() for name, e in self.estimates.items()},
            "labels": self.labels.to_dict(orient="records"),
        }


def entropy(counts: ArrayLike, *, base: float = 2.0, correction: str = "none") -> float:
    """Shannon entropy of label counts, in bits by default.

    ``correction="miller-madow"`` adds (labels seen - 1) / (2 n), the first term of the plug-in's
    downward bias. Raises ``ValueError`` for negative counts or none at all, or a base of no
    logarithm.
    """
    c, unit = _counts(counts), _log_base(base)
    shares = c[c > 0] / c.sum()
    value = float(np.sum(shares * -np.log(shares)))
    if correction == "miller-madow":
        value += (shares.size - 1) / (2.0 * float(c.sum()))
    elif correction != "none":
        raise ValueError(f"correction {correction!r}: use none or miller-madow")
    return value / unit


def effective_number(counts: ArrayLike) -> float:
    """exp(entropy): how many equally common labels would be as diverse (Hill number of order 1)."""
    return math.exp(entropy(counts, base=math.e))


def jensen_shannon(first: ArrayLike, second: ArrayLike, *, base: float = 2.0) -> float:
    """Jensen-Shannon divergence of two label count vectors; 0 alike, 1 (base 2) disjoint."""
    a, b = _counts(first), _counts(second)
    if a.size != b.size:
        raise ValueError(f"{a.size} label counts against {b.size}: the labels must be the same")
    return float(_divergence(a[None], b[None])[0] / _log_base(base))


def good_turing_coverage(counts: ArrayLike) -> float:
    """Estimated share of the population whose label has been seen: 1 - singletons / n."""
    c = _counts(counts)
    return 1.0 - float((c == 1).sum()) / float(c.sum())


def label_diversity(
    table: pd.DataFrame,
    *,
    scan: str = "scan",
    origin: str = "origin",
    label: str = "label",
    acquired: Hashable = "acquired",
    generated: Hashable = "generated",
    separator: str | None = "|",
    labels: Sequence[Hashable] | None = None,
    replicates: int = 2000,
    seed: int | None = 0,
    level: float = 0.95,
    correction: str = "holm",
) -> DiversityResult:
    """Compare the label distributions of acquired and generated scans.

    Parameters
    ----------
    table
        One row a scan with its labels joined by ``separator`` or in a list, or one row a scan and
        label.
        Scans without a label count as scans with none (no row of shares, but of their number).
    labels
        All labels that could occur, in order; those met otherwise.
    replicates
        Bootstrap resamples of scans within origin, and permutations of origin over scans.
    correction
        Of the labels' p-values: see ``multiplicity.adjust``.

    Returns estimates ``entropy_acquired``, ``entropy_generated``, ``entropy_difference``,
    ``effective_acquired``, ``effective_generated``, ``coverage`` (share of acquired labels that
    the generated scans show), ``coverage_weighted`` (by their acquired frequency),
    ``jensen_shannon`` and ``chi_square`` (permutation p-values), and a table of labels: counts,
    shares of scans, difference with Newcombe's interval, Fisher's p and its correction.

    Raises ``ValueError`` for origins other than the two, rows without a scan, a scan of two
    origins, an origin without scans, or labels outside ``labels``.
    """
    if replicates < 2:
        raise ValueError(f"{replicates} resamples and permutations: at least two are needed")
    if not 0 < level < 1:
        raise ValueError(f"level {level} must lie between 0 and 1")
    presence, is_generated, names = _presence(
        table, scan, origin, label, acquired, generated, separator, labels
    )
    rng = np.random.default_rng(seed)
    a, g = presence[~is_generated], presence[is_generated]
    counts_a, counts_g = a.sum(axis=0), g.sum(axis=0)
    if counts_a.sum() == 0 or counts_g.sum() == 0:
        raise ValueError("one origin has no label at all: distributions cannot be compared")
    boot_a, boot_g = _resample(a, replicates, rng), _resample(g, replicates, rng)
    common: dict[str, Any] = {"level": level, "n": int(presence.shape[0])}
    estimates: dict[str, Estimate] = {}

    def put(name: str, title: str, value: float, draws: Floats, method: str, **more: Any) -> None:
        kept = draws[np.isfinite(draws)]
        tail = (1.0 - level) / 2.0
        low, high = np.quantile(kept, [tail, 1.0 - tail]) if kept.size > 1 else (None, None)
        if kept.size > 1 and np.ptp(kept) == 0:
            # The resamples can only show what the sample holds.
            low = high = None
            note = "degenerate: every resample gives the same value, which is not certainty"
            more["notes"] = (*more.get("notes", ()), note)
        estimates[name] = Estimate(
            name=title, estimate=float(value),
            standard_error=float(kept.std(ddof=1)) if kept.size > 1 else None,
            lower=None if low is None else float(low),
            upper=None if high is None else float(high), method=method, **common, **more,
        )  # fmt: skip

    bits_a, bits_g = _entropies(boot_a), _entropies(boot_g)
    bootstrap = f"percentile interval, {replicates} resamples of scans"
    for side, counts, draws in (("acquired", counts_a, bits_a), ("generated", counts_g, bits_g)):
        # The plug-in is biased down, its bootstrap twice so: shift by the estimated bias.
        value = entropy(counts, correction="miller-madow")
        shift = 2.0 * (value - entropy(counts))
        put(f"entropy_{side}", f"entropy of labels, {side} (bits)", value, draws + shift,
            f"Miller-Madow, {bootstrap} shifted by the plug-in's bias",
            details={"plug_in": entropy(counts), "normalised": _normalised(counts)})  # fmt: skip
        put(f"effective_{side}", f"effective number of labels, {side}", 2.0**value,
            2.0 ** (draws + shift), f"2^entropy, {bootstrap}")  # fmt: skip
    put("entropy_difference", "entropy, generated - acquired (bits)",
        estimates["entropy_generated"].estimate - estimates["entropy_acquired"].estimate,
        (bits_g - bits_a) + 2.0 * (_bias(counts_g) - _bias(counts_a)),
        f"Miller-Madow, {bootstrap}", null=0.0)  # fmt: skip
    seen = counts_a > 0
    share = counts_a / counts_a.sum()
    put("coverage", "acquired labels that generated scans show",
        float((counts_g[seen] > 0).mean()), (boot_g[:, seen] > 0).mean(axis=1),
        bootstrap)  # fmt: skip
    put("coverage_weighted", "coverage weighted by acquired frequency",
        float(share[counts_g > 0].sum()), (boot_g > 0) @ share, bootstrap)  # fmt: skip
    divergence = _divergence(counts_a[None], counts_g[None])[0] / math.log(2)
    chi = _chi_square(counts_a[None], counts_g[None])[0]
    shuffled = _permuted(presence, is_generated, replicates, rng)
    rest = presence.sum(axis=0) - shuffled
    null_divergence = _divergence(rest, shuffled) / math.log(2)
    null_chi = _chi_square(rest, shuffled)
    # Resampling adds the plug-in's upward bias once more: the basic interval takes it off again.
    put("jensen_shannon", "Jensen-Shannon divergence (bits)", divergence,
        np.maximum(0.0, 2.0 * divergence - _divergence(boot_a, boot_g) / math.log(2)),
        f"basic interval, {replicates} resamples of scans; p by permuting origins over scans",
        p_value=_exceeding(divergence, null_divergence),
        details={"expected_when_alike": float(null_divergence.mean()),
                 "distance": math.sqrt(max(0.0, divergence))},
        notes=("the plug-in divergence is above zero even when the origins are alike; compare it "
               "with expected_when_alike",))  # fmt: skip
    df = float((presence.sum(axis=0) > 0).sum() - 1)
    estimates["chi_square"] = Estimate(
        name="chi-square of label counts", estimate=float(chi), statistic=float(chi), df=df,
        p_value=_exceeding(chi, null_chi),
        method=f"chi-square, p from {replicates} permutations of origins over scans",
        details={"asymptotic_p": float(stats.chi2.sf(chi, df)) if df > 0 else 1.0},
        notes=("asymptotic_p treats several labels of one scan as independent",)
        if (presence.sum(axis=1) > 1).any() else (), **common,
    )  # fmt: skip
    return DiversityResult(estimates, _label_table(a, g, names, level, correction))


def _label_table(
    a: Floats, g: Floats, names: Sequence[Hashable], level: float, correction: str
) -> pd.DataFrame:
    rows = []
    for place, name in enumerate(names):
        x, y = int(g[:, place].sum()), int(a[:, place].sum())
        interval = newcombe(x, len(g), y, len(a), level=level)
        p = float(stats.fisher_exact(np.array([[x, len(g) - x], [y, len(a) - y]])).pvalue)
        rows.append((name, y, x, y / len(a), x / len(g), x / len(g) - y / len(a),
                     interval.lower, interval.upper, p))  # fmt: skip
    table = pd.DataFrame(
        rows,
        columns=["label", "acquired", "generated", "share_acquired", "share_generated",
                 "difference", "lower", "upper", "p_value"],
    )  # fmt: skip
    table["p_adjusted"] = adjust(table["p_value"].to_numpy(), correction)
    table.attrs["correction"] = correction
    return table


def _presence(
    table: pd.DataFrame,
    scan: str,
    origin: str,
    label: str,
    acquired: Hashable,
    generated: Hashable,
    separator: str | None,
    labels: Sequence[Hashable] | None,
) -> tuple[Floats, NDArray[np.bool_], list[Hashable]]:
    """Scan x label 0/1 matrix, which scans are generated, and the labels."""
    require_columns(table, [scan, origin, label])
    refuse_blanks(table, [scan, origin])
    strange = ~table[origin].isin([acquired, generated])
    if strange.any():
        raise ValueError(
            f"row {table.index[strange][0]}: origin {table.loc[strange, origin].iloc[0]!r} is "
            f"neither {acquired!r} nor {generated!r}"
        )
    origins = table.groupby(scan)[origin].nunique()
    if (origins > 1).any():
        raise ValueError(f"scan {origins.index[origins > 1][0]!r} has two origins")
    codes, scans = pd.factorize(table[scan])
    split: list[list[Hashable]] = [list(_labels(cell, separator)) for cell in table[label]]
    met = list(dict.fromkeys(name for own in split for name in own))
    names = list(labels) if labels is not None else sorted(met, key=str)
    if len(set(names)) != len(names):
        raise ValueError(f"labels {names} name one label twice")
    place = {name: k for k, name in enumerate(names)}
    outside = [name for name in met if name not in place]
    if outside:
        raise ValueError(f"label {outside[0]!r} is not among the labels {names}")
    presence = np.zeros((len(scans), len(names)))
    for row, own in zip(codes, split, strict=True):
        presence[row, [place[name] for name in own]] = 1.0
    is_generated = np.zeros(len(scans), dtype=bool)
    is_generated[codes] = (table[origin] == generated).to_numpy()
    if is_generated.all() or not is_generated.any():
        missing = acquired if is_generated.all() else generated
        raise ValueError(f"there is no {missing!r} scan")
    return presence, is_generated, names


def _labels(cell: Any, separator: str | None) -> Iterable[Hashable]:
    if isinstance(cell, (list, tuple, set, frozenset)):
        return [item for item in cell if not pd.isna(item)]
    if pd.isna(cell):
        return []
    if separator is not None and isinstance(cell, str):
        return [part.strip() for part in cell.split(separator) if part.strip()]
    return [] if cell == "" else [cell]


def _resample(presence: Floats, replicates: int, rng: np.random.Generator) -> Floats:
    n = presence.shape[0]
    weights = rng.multinomial(n, np.full(n, 1.0 / n), size=replicates).astype(float)
    return np.asarray(weights @ presence)


def _permuted(
    presence: Floats, is_generated: NDArray[np.bool_], replicates: int, rng: np.random.Generator
) -> Floats:
    """Label counts of the generated side under random relabelling of scans."""
    flags = np.tile(is_generated, (replicates, 1))
    return np.asarray(rng.permuted(flags, axis=1).astype(float) @ presence)


def _entropies(counts: Floats) -> Floats:
    total = counts.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = counts / total
    return np.asarray(special.entr(shares).sum(axis=1) / math.log(2))


def _divergence(first: Floats, second: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        p = first / first.sum(axis=1, keepdims=True)
        q = second / second.sum(axis=1, keepdims=True)
    m = (p + q) / 2.0
    value = special.entr(m).sum(1) - (special.entr(p).sum(1) + special.entr(q).sum(1)) / 2.0
    return np.asarray(np.maximum(value, 0.0))


def _chi_square(first: Floats, second: Floats) -> Floats:
    total = first + second
    rows = first.sum(axis=1, keepdims=True), second.sum(axis=1, keepdims=True)
    grand = rows[0] + rows[1]
    value = np.zeros(first.shape[0])
    for observed, row in zip((first, second), rows, strict=True):
        expected = total * row / grand
        with np.errstate(divide="ignore", invalid="ignore"):
            value += np.where(expected > 0, (observed - expected) ** 2 / expected, 0.0).sum(axis=1)
    return value


def _exceeding(observed: float, null: Floats) -> float:
    """(1 + exceedances) / (1 + permutations): a permutation p-value is never zero."""
    tolerance = 1e-12 * max(1.0, abs(observed))
    return float((1 + np.sum(null >= observed - tolerance)) / (1 + null.size))


def _bias(counts: Floats) -> float:
    return entropy(counts, correction="miller-madow") - entropy(counts)


def _normalised(counts: Floats) -> float:
    return entropy(counts) / math.log2(counts.size) if counts.size > 1 else 0.0


def _log_base(base: float) -> float:
    if not (base > 0 and base != 1 and math.isfinite(base)):
        raise ValueError(f"base must be a positive number other than 1, got {base!r}")
    return math.log(base)


def _counts(counts: ArrayLike) -> Floats:
    c = np.asarray(counts, dtype=float).ravel()
    if c.size == 0 or not np.isfinite(c).all() or np.any(c < 0):
        raise ValueError("label counts must be finite and not negative")
    if c.sum() == 0:
        raise ValueError("there is no label to count")
    return c
