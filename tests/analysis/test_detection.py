"""Detection against printed examples and R, at the edges, and by symmetry and coverage."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from readerstudy.analysis import detection, forced_choice
from readerstudy.analysis.binormal import fit_counts

REFERENCE = json.loads((Path(__file__).parent / "data" / "reference_one.json").read_text())
cells = st.tuples(*[st.integers(0, 40)] * 4).filter(lambda t: t[0] + t[1] > 0 and t[2] + t[3] > 0)


def test_example_of_stanislaw_and_todorov():
    # Stanislaw & Todorov 1999, BRMIC 31, 137-149: 50 hits of 50, 17 false alarms of 25, with the
    # 1/(2N) correction: H .99, F .68, d' 1.86, A' .82, beta 0.07, ln beta -2.60, c -1.40 (as
    # printed by Statistics::SDT 0.05, whose documentation repeats the example).
    found = detection.yes_no(50, 0, 17, 8, correction="1/(2n)")
    assert found.d_prime.estimate == pytest.approx(1.86, abs=0.005)
    assert found.a_prime.estimate == pytest.approx(0.82, abs=0.005)
    assert math.exp(found.log_beta.estimate) == pytest.approx(0.07, abs=0.005)
    assert found.log_beta.estimate == pytest.approx(-2.60, abs=0.005)
    assert found.criterion.estimate == pytest.approx(-1.40, abs=0.005)


def test_log_linear_rates_are_hautus():
    # Hautus 1995: (hits + 0.5) / (signals + 1): by hand 50.5/51 and 17.5/26.
    found = detection.yes_no(50, 0, 17, 8)
    by_hand = stats.norm.ppf(50.5 / 51) - stats.norm.ppf(17.5 / 26)
    assert found.d_prime.estimate == pytest.approx(by_hand)


def test_variance_is_gourevitch_and_galanter():
    # Gourevitch & Galanter 1967: H(1-H)/(N phi(zH)^2) + F(1-F)/(N phi(zF)^2), by hand.
    found = detection.yes_no(80, 20, 40, 60, correction="none")
    phi = stats.norm.pdf
    z = stats.norm.ppf
    by_hand = 0.16 / (100 * phi(z(0.8)) ** 2) + 0.24 / (100 * phi(z(0.4)) ** 2)
    assert found.d_prime.standard_error == pytest.approx(math.sqrt(by_hand))
    assert found.criterion.standard_error == pytest.approx(math.sqrt(by_hand) / 2)


@pytest.mark.parametrize(
    ("m", "share", "n"), [(2, 0.9, 100), (3, 0.6, 100), (4, 0.75, 100), (8, 0.3, 100)]
)
def test_forced_choice_equals_psyphy(m, share, n):
    # R psyphy::dprime.mAFC, stored by benchmarks/analysis_reference_one.R.
    found = detection.m_afc(round(share * n), n, m)
    assert found.estimate == pytest.approx(REFERENCE["m_afc"][f"m{m}"], abs=1e-4)


def test_rating_model_equals_rocfit():
    # Stata manual [R] rocfit, data of Hanley & McNeil 1982: intercept 1.656782 (se .310456), slope
    # .713002 (.215882), cuts .169768 .463215 .766860 1.797938, area .911331 (.029506), delta(m)
    # 2.323671, d(e) 1.934361, d(a) 1.907771.
    fit = fit_counts([33, 6, 6, 11, 2], [3, 2, 2, 11, 33])
    assert fit.a.estimate == pytest.approx(1.656782, abs=2e-5)
    assert fit.a.standard_error == pytest.approx(0.310456, abs=2e-5)
    assert fit.b.estimate == pytest.approx(0.713002, abs=2e-5)
    assert fit.b.standard_error == pytest.approx(0.215882, abs=2e-5)
    assert fit.criteria == pytest.approx([0.169768, 0.463215, 0.766860, 1.797938], abs=2e-5)
    assert fit.auc.estimate == pytest.approx(0.911331, abs=2e-6)
    assert fit.auc.standard_error == pytest.approx(0.029506, abs=2e-5)
    assert fit.delta_m.estimate == pytest.approx(2.323671, abs=5e-5)
    assert fit.d_e.estimate == pytest.approx(1.934361, abs=2e-5)
    assert fit.d_a.estimate == pytest.approx(1.907771, abs=2e-5)


@settings(max_examples=60, deadline=None)
@given(cells)
def test_swapping_the_labels_only_turns_signs(table):
    hits, misses, alarms, rejections = table
    there = detection.yes_no(hits, misses, alarms, rejections, replicates=200)
    swapped = detection.yes_no(alarms, rejections, hits, misses, replicates=200)
    other_word = detection.yes_no(misses, hits, rejections, alarms, replicates=200)
    assert swapped.d_prime.estimate == pytest.approx(-there.d_prime.estimate)
    assert swapped.criterion.estimate == pytest.approx(there.criterion.estimate)
    assert swapped.a_prime.estimate == pytest.approx(1 - there.a_prime.estimate)
    assert other_word.criterion.estimate == pytest.approx(-there.criterion.estimate)
    assert other_word.d_prime.estimate == pytest.approx(-there.d_prime.estimate)
    for estimate in there.estimates():
        assert estimate.lower <= estimate.estimate + 1e-9
        assert estimate.estimate <= estimate.upper + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.floats(-2.5, 3.5), st.integers(2, 12))
def test_forced_choice_is_the_inverse_of_its_curve(d, m):
    share = forced_choice.share_of_d_prime(d, m)
    assert forced_choice.d_prime_of_share(share, m) == pytest.approx(d, abs=1e-6)


def test_blocks_of_unequal_m_share_one_d_prime():
    # Both blocks at d' = 1 exactly: the common estimate must be 1, and the fit perfect.
    n = 10_000_000
    shares = [forced_choice.share_of_d_prime(1.0, m) for m in (2, 4)]
    found = detection.m_afc([round(s * n) for s in shares], [n, n], [2, 4])
    assert found.estimate == pytest.approx(1.0, abs=1e-4)
    assert found.details["fit_p"] > 0.9
    assert "unequal m" in found.notes[-1]


def test_edges_are_defined_and_said():
    perfect = detection.yes_no(25, 0, 0, 25)
    assert math.isfinite(perfect.d_prime.estimate)
    assert "0 or 1" in perfect.notes[0]
    bare = detection.yes_no(25, 0, 5, 20, correction="none")
    assert bare.d_prime.estimate == math.inf
    assert "infinite" in bare.notes[0]
    assert bare.to_dict()["d_prime"]["estimate"] is None
    always_yes = detection.yes_no(10, 0, 10, 0)
    assert always_yes.d_prime.estimate == pytest.approx(0.0)
    with pytest.raises(ValueError, match="both kinds"):
        detection.yes_no(5, 5, 0, 0)
    with pytest.raises(ValueError, match="block 1: 7 correct of 5"):
        detection.m_afc([1, 7], [5, 5], [2, 2])
    all_right = detection.m_afc(10, 10, 3)
    assert math.isfinite(all_right.estimate)
    assert all_right.upper == math.inf
    with pytest.raises(ValueError, match="no reader has both"):
        detection.readers_yes_no([[1, 0, np.nan, np.nan]], [1, 1, 0, 0])


@pytest.mark.parametrize("interval", ["gourevitch-galanter", "bootstrap"])
@pytest.mark.parametrize("counts", [(10, 0, 3, 7), (10, 0, 0, 10), (9, 1, 2, 8), (10, 0, 10, 0)])
def test_without_a_correction_intervals_hold_what_is_infinite(counts, interval):
    found = detection.yes_no(*counts, correction="none", interval=interval, replicates=400)
    for estimate in found.estimates():
        assert not math.isnan(estimate.lower)
        assert not math.isnan(estimate.upper)
        if math.isnan(estimate.estimate):
            assert "not defined" in estimate.notes[0]
        else:
            assert estimate.lower <= estimate.estimate <= estimate.upper
    if counts == (9, 1, 2, 8) and interval == "bootstrap":
        # A third of the resamples have ten hits of ten: the upper limit is infinite, not cut off.
        assert found.d_prime.upper == math.inf
        assert "infinite" in found.d_prime.notes[0]


@pytest.mark.parametrize(
    ("responses", "signal", "message"),
    [
        ([["yes", "no"]], [1, 0], "response 'yes' of reader 0 to case 0"),
        ([[1, 0], [1, 4]], [1, 0], "response 4 of reader 1 to case 1"),
        ([[1, 0]], ["generated", "acquired"], "signal at position 0 is 'generated'"),
        ([[1, 0]], [1, math.nan], "signal at position 1 is nan"),
    ],
)
def test_responses_and_signals_that_are_neither_are_named(responses, signal, message):
    with pytest.raises(ValueError, match=message):
        detection.readers_yes_no(responses, signal)


def test_separated_ratings_are_called_degenerate():
    fit = detection.rating_detection([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1])
    assert math.isnan(fit.d_a.estimate)
    assert fit.auc.estimate == 1.0
    assert fit.auc.lower == pytest.approx(0.025 ** (1 / 3))  # Clopper-Pearson of 3 of 3
    assert "degenerate" in fit.notes[-1]


def test_readers_average_ignores_order_and_names():
    rng = np.random.default_rng(1)
    signal = np.arange(40) % 2 == 1
    said = (rng.random((5, 40)) < np.where(signal, 0.7, 0.35)).astype(float)
    said[0, 3] = np.nan
    base = detection.readers_yes_no(said, signal, replicates=50)
    rows, columns = rng.permutation(5), rng.permutation(40)
    mixed = detection.readers_yes_no(said[rows][:, columns], signal[columns], replicates=50)
    assert mixed.d_prime.estimate == pytest.approx(base.d_prime.estimate)
    assert mixed.d_prime.lower == pytest.approx(base.d_prime.lower)
    lower, upper = base.d_prime.details["bootstrap_interval"]
    assert lower < base.d_prime.estimate < upper


def test_the_asymptotic_interval_of_d_prime_covers():
    rng = np.random.default_rng(5)
    covered = 0
    h, f = stats.norm.cdf([0.5, -0.5])
    for _ in range(400):
        a, b = int(rng.binomial(80, h)), int(rng.binomial(80, f))
        e = detection.yes_no(a, 80 - a, b, 80 - b, replicates=2).d_prime
        covered += e.lower <= 1.0 <= e.upper
    # 0.95 within three standard errors of 400 trials.
    assert abs(covered / 400 - 0.95) < 0.033
