"""Every interval covers what it claims: by enumeration where the outcomes can be counted, by
simulation elsewhere. Each has its stated range; a simulated share may leave it by chance only."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from readerstudy.analysis import detection, proportions, roc
from readerstudy.analysis.hype import hype_infinity, hype_time
from readerstudy.analysis.mixed import NODES, WEIGHTS, crossed_logistic
from readerstudy.analysis.realism import realism_rates


def within(share, n, low, high):
    """``share`` of ``n`` lies in the stated range, up to 3.3 standard errors of a simulation."""
    slack = 3.3 * math.sqrt(0.95 * 0.05 / n)
    return low - slack <= share <= min(1.0, high + slack)


def holds(estimate, truth):
    return estimate.lower <= truth <= estimate.upper


# -- counted exactly ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "least", "mean_low", "mean_high"),
    [
        ("miettinen-nurminen", 0.92, 0.945, 0.965),
        ("farrington-manning", 0.91, 0.940, 0.960),
        ("newcombe", 0.92, 0.945, 0.970),
    ],
)
def test_two_proportions(method, least, mean_low, mean_high):
    n1, n2 = 18, 14
    ends = {
        (a, b): proportions.two_proportions(a, n1, b, n2, method=method)
        for a in range(n1 + 1)
        for b in range(n2 + 1)
    }
    found = []
    for p1, p2 in [(0.5, 0.5), (0.7, 0.4), (0.85, 0.6), (0.3, 0.2), (0.62, 0.33), (0.9, 0.8)]:
        w1, w2 = stats.binom.pmf(range(n1 + 1), n1, p1), stats.binom.pmf(range(n2 + 1), n2, p2)
        found.append(sum(w1[a] * w2[b] * holds(e, p1 - p2) for (a, b), e in ends.items()))
    assert min(found) > least
    assert mean_low <= np.mean(found) <= mean_high


def test_tango():
    n = 24
    ends = {
        (b, c): proportions.tango(0, b, c, n - b - c)
        for b in range(n + 1)
        for c in range(n + 1 - b)
    }
    found = []
    for p10, p01 in [(0.2, 0.2), (0.3, 0.1), (0.15, 0.05), (0.4, 0.25), (0.25, 0.02)]:
        law = stats.multinomial(n, [p10, p01, 1 - p10 - p01])
        found.append(
            sum(law.pmf([b, c, n - b - c]) * holds(e, p10 - p01) for (b, c), e in ends.items())
        )
    assert min(found) > 0.93
    assert 0.94 <= np.mean(found) <= 0.97


@pytest.mark.parametrize("method", ["exact", "score"])
def test_equivalence_keeps_its_size(method):
    # At the margin equivalence is false: it may be claimed in at most 5 % (score: about).
    for n in (40, 75, 120):
        size = proportions.power_equivalence_to_constant(
            n, 0.35, margin=0.15, method=method
        ).estimate
        assert size <= (0.05 if method == "exact" else 0.065)


@pytest.mark.parametrize("m", [2, 3, 8])
def test_forced_choice(m):
    n = 60
    ends = [detection.m_afc(x, n, m) for x in range(n + 1)]
    found = []
    for d in (0.3, 0.8, 1.4):
        share = float(WEIGHTS @ special.ndtr(NODES + d) ** (m - 1))
        weights = stats.binom.pmf(range(n + 1), n, share)
        found.append(sum(w * holds(e, d) for w, e in zip(weights, ends, strict=True)))
    assert min(found) > 0.92
    assert 0.935 <= np.mean(found) <= 0.975


def test_yes_no_measures():
    n = 30
    d, c = 1.0, 0.2
    truth = {
        "d_prime": d,
        "criterion": c,
        "log_beta": d * c,
        "proportion_correct_max": float(special.ndtr(d / 2)),
    }
    hit, alarm = special.ndtr(d / 2 - c), special.ndtr(-d / 2 - c)
    hits, alarms = (stats.binom.pmf(range(n + 1), n, p) for p in (hit, alarm))
    found = dict.fromkeys(truth, 0.0)
    for h in range(n + 1):
        for f in range(n + 1):
            weight = hits[h] * alarms[f]
            if weight < 1e-6:
                continue
            answer = detection.yes_no(h, n - h, f, n - f, replicates=2)
            for name, value in truth.items():
                found[name] += weight * holds(getattr(answer, name), value)
    for name, share in found.items():
        assert 0.93 < share < 0.99, (name, share)


# -- simulated ---------------------------------------------------------------------------------


def rated(rng, n, shift=1.0, spread=1.0, copies=1):
    """Ratings of n noise and n signal cases, ``copies`` correlated raters."""
    truth = np.repeat([0, 1], n)
    own = rng.normal(size=(copies, 2 * n))
    shared = rng.normal(size=2 * n)
    latent = math.sqrt(0.5) * own + math.sqrt(0.5) * shared if copies > 1 else own
    return np.where(truth == 1, shift + spread * latent, latent), truth


def curve_hits(rng):
    """One data set of ratings: what each interval of the AUC family holds."""
    (ratings,), truth = rated(rng, 60)
    area = special.ndtr(1 / math.sqrt(2))
    out = {
        f"auc {kind}": holds(roc.auc(ratings, truth, interval=kind, replicates=400), area)
        for kind in ("delong", "logit", "hanley-mcneil", "bootstrap")
    }
    grid = np.linspace(0, 0.3, 4001)
    part = np.trapezoid(special.ndtr(1 + special.ndtri(grid[1:])), grid[1:])
    out["partial"] = holds(roc.partial_auc(ratings, truth, between=(0, 0.3), replicates=400), part)
    lower, upper = roc.bootstrap_band(ratings, truth, [0.2], replicates=400)
    out["band"] = lower[0] <= special.ndtr(1 + special.ndtri(0.2)) <= upper[0]
    pair, truth = rated(rng, 60, copies=2)
    out["paired"] = holds(roc.compare_paired(pair[0], pair[1], truth), 0.0)
    other, other_truth = rated(rng, 40)
    out["unpaired"] = holds(roc.compare_unpaired(pair[0], truth, other[0], other_truth), 0.0)
    return out


def fit_hits(rng):
    """The binormal (a = 1.2, b = 0.8) and the proper fit (d_a = 1.5, c = 0) of five categories."""
    a, b = 1.2, 0.8
    truth = np.repeat([0, 1], 80)
    latent = np.where(truth == 1, a / b + rng.normal(size=160) / b, rng.normal(size=160))
    grade = np.digitize(latent, [-0.4, 0.4, 1.0, 1.8])
    fit = roc.binormal_fit(grade, truth)
    root = math.sqrt(1 + b * b)
    true = {"a": a, "b": b, "auc": special.ndtr(a / root), "d_a": math.sqrt(2) * a / root,
            "d_e": 2 * a / (1 + b), "delta_m": a / b}  # fmt: skip
    out = {
        f"binormal {key}": getattr(fit, key).lower is None or holds(getattr(fit, key), value)
        for key, value in true.items()
    }
    at = special.ndtr(a + b * special.ndtri(0.1))
    lower, upper = fit.band([0.1])
    out["binormal band"] = not lower[0] > at and not upper[0] < at
    plain = np.digitize(np.where(truth == 1, 1.5 + rng.normal(size=160), rng.normal(size=160)),
                        [-0.2, 0.5, 1.0, 1.7])  # fmt: skip
    out["proper auc"] = holds(roc.proper_fit(plain, truth).auc, special.ndtr(1.5 / math.sqrt(2)))
    return out


def study(rng, readers=8, cases=40, spread=(0.4, 0.3, 0.6)):
    """A judgment table with known population rates: reader, reader-by-origin, case."""
    s_reader, s_origin, s_case = spread
    generated = np.arange(cases) % 2 == 1
    logit = (
        np.where(generated, -0.2, 0.8)
        + rng.normal(0, s_reader, (readers, 1))
        + rng.normal(0, s_origin, (readers, 2))[:, generated.astype(int)]
        + rng.normal(0, s_case, (1, cases))
    )
    real = rng.random((readers, cases)) < special.expit(logit)
    reader, case = np.indices(real.shape)
    return pd.DataFrame(
        {
            "reader": reader.ravel(),
            "case": case.ravel(),
            "origin": np.where(generated[case.ravel()], "generated", "acquired"),
            "judgment": np.where(real.ravel(), "real", "synthetic"),
        }
    )


def realism_hits(rng):
    """Rates, difference and accuracy by every way."""
    result = realism_rates(study(rng), replicates=400)
    total = math.sqrt(0.4**2 + 0.3**2 + 0.6**2)
    fooled, trusted = (float(WEIGHTS @ special.expit(m + total * NODES)) for m in (-0.2, 0.8))
    out = {}
    for way in ("u_statistic", "mixed", "bootstrap", "reader_averaged"):
        out[f"rate {way}"] = holds(getattr(result.by_origin["generated"], way), fooled)
        gap = -1.0 if way == "mixed" else fooled - trusted  # mixed gives the log odds ratio
        out[f"difference {way}"] = holds(result.difference[way], gap)
        out[f"accuracy {way}"] = holds(getattr(result.accuracy, way), (trusted + 1 - fooled) / 2)
    error = (fooled + 1 - trusted) / 2
    out["hype infinity"] = holds(result.hype, error)
    low, high = result.hype.details["two_way_bootstrap_interval"]
    out["hype bootstrap"] = low <= error <= high
    return out


def mixed_hits(rng):
    """Coefficients, components and the marginal probability; a slope within readers and cases."""
    readers, cases = 10, 40
    reader, case = np.divmod(np.arange(readers * cases), cases)
    x = (reader + case) % 2
    logit = 0.3 + 0.5 * x + 0.6 * rng.normal(size=readers)[reader]
    logit = logit + 0.7 * rng.normal(size=cases)[case]
    y = rng.random(len(x)) < special.expit(logit)
    fit = crossed_logistic(
        y, reader, case, np.column_stack([np.ones(len(x)), x]), names=["intercept", "x"],
        interval="profile",
    )  # fmt: skip
    out = {}
    for name, value in (("intercept", 0.3), ("x", 0.5)):
        e = fit.coefficients[name]
        out[f"profile {name}"] = holds(e, value)
        for kind in ("wald", "t"):
            low, high = e.details[f"{kind}_interval"]
            out[f"{kind} {name}"] = low <= value <= high
    for name, value in (("reader", 0.6), ("case", 0.7)):
        out[f"SD {name}"] = holds(fit.components[name], value)
    marginal = float(WEIGHTS @ special.expit(0.8 + math.hypot(0.6, 0.7) * NODES))
    out["probability"] = holds(fit.probability([1, 1]), marginal)
    return out


def detection_hits(rng):
    """d' averaged over readers; HYPE-time over staircases."""
    readers, cases = 8, 60
    signal = np.arange(cases) % 2 == 1
    own = 1.0 + 0.3 * rng.normal(size=(readers, 1))
    yes = np.where(signal, own / 2, -own / 2) + rng.normal(size=(readers, cases)) > 0.1
    pooled = detection.readers_yes_no(yes, signal, replicates=200)
    out = {"d' over readers": holds(pooled.d_prime, 1.0), "c over readers":
           holds(pooled.criterion, 0.1)}  # fmt: skip
    times = 300 + 40 * rng.normal(size=6)  # 80 would draw a negative exposure now and then
    trials = pd.DataFrame(
        {"reader": np.repeat(np.arange(6), 5), "exposure_ms": np.repeat(times, 5)}
    )
    out["hype time"] = holds(hype_time(trials), 300.0)
    return out


STATED = {
    curve_hits: (0.92, 0.98, 80),
    fit_hits: (0.92, 0.985, 30),
    realism_hits: (0.91, 0.99, 16),
    mixed_hits: (0.90, 0.98, 12),
    detection_hits: (0.92, 0.985, 120),
}
"""Coverage that the 95 % intervals of these small data sets are stated to have, and how many data
sets the short form takes."""


def simulate(deed, runs, seed):
    names: dict[str, int] = {}
    for child in np.random.SeedSequence(seed).spawn(runs):
        for name, hit in deed(np.random.default_rng(child)).items():
            names[name] = names.get(name, 0) + bool(hit)
    return {name: count / runs for name, count in names.items()}


@pytest.mark.parametrize("deed", STATED, ids=lambda deed: deed.__name__)
def test_simulated_intervals(deed):
    low, high, runs = STATED[deed]
    for name, share in simulate(deed, runs, seed=11).items():
        assert within(share, runs, low, high), (name, share)


@pytest.mark.load
@pytest.mark.parametrize("deed", STATED, ids=lambda deed: deed.__name__)
def test_simulated_intervals_in_a_long_run(deed):
    low, high, short = STATED[deed]
    runs = 20 * short
    for name, share in simulate(deed, runs, seed=12).items():
        assert within(share, runs, low, high), (name, share)


def test_one_reader_has_all_of_the_range_and_says_so():
    real = np.array([[1.0, 0.0, 1.0, 1.0]])
    found = hype_infinity(real, np.array([True, True, False, False]))
    assert (found.lower, found.upper) == (0.0, 1.0)
    assert "fewer than two readers" in found.notes[0]
