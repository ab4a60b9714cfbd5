"""ROC against pROC, Hanley-McNeil and Stata; degenerate data; invariances; coverage."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from readerstudy.analysis import roc
from readerstudy.analysis.binormal import fit_counts
from readerstudy.analysis.delong import placement_matrix, placements
from readerstudy.analysis.proper import fit_proper_counts, proper_auc, proper_curve, proper_rates
from tests.analysis.data import franken, van_dyke

DATA = Path(__file__).parent / "data"
REFERENCE = json.loads((DATA / "reference_one.json").read_text())
TABLE = pd.read_csv(DATA / "ratings_paired.csv")
HANLEY = ([33, 6, 6, 11, 2], [3, 2, 2, 11, 33])  # Hanley & McNeil 1982, Table I


def spread(noise, signal):
    """Counts by category as ratings and truth."""
    ratings = np.concatenate([np.repeat(np.arange(5), noise), np.repeat(np.arange(5), signal)])
    return ratings, np.repeat([0, 1], [sum(noise), sum(signal)])


def test_auc_and_delong_equal_proc():
    # pROC 1.18.0, stored by benchmarks/analysis_reference_one.R.
    expected = REFERENCE["roc"]
    for k, column in enumerate(("first", "second", "grade")):
        found = roc.auc(TABLE[column], TABLE["truth"])
        assert found.estimate == pytest.approx(expected["auc"][k], abs=1e-12)
        assert found.standard_error**2 == pytest.approx(expected["variance"][k], rel=1e-10)
    first = roc.auc(TABLE["first"], TABLE["truth"])
    assert (first.lower, first.upper) == pytest.approx(expected["interval"], abs=1e-10)
    _, matrix = roc.covariance(TABLE[["first", "second", "grade"]].to_numpy().T, TABLE["truth"])
    assert matrix[0, 1:] == pytest.approx(expected["covariance"], rel=1e-10)


def test_comparisons_equal_proc():
    expected = REFERENCE["roc"]
    paired = roc.compare_paired(TABLE["first"], TABLE["second"], TABLE["truth"])
    assert paired.statistic == pytest.approx(expected["paired_z"], rel=1e-9)
    assert paired.p_value == pytest.approx(expected["paired_p"], rel=1e-8)
    unpaired = roc.compare_unpaired(TABLE["first"], TABLE["truth"], TABLE["grade"], TABLE["truth"])
    assert unpaired.statistic == pytest.approx(expected["unpaired_d"], rel=1e-9)
    assert unpaired.df == pytest.approx(expected["unpaired_df"], rel=1e-9)
    assert unpaired.p_value == pytest.approx(expected["unpaired_p"], rel=1e-8)


def test_partial_areas_equal_proc():
    expected = REFERENCE["roc"]
    options = {"replicates": 50}
    x, y = TABLE["first"], TABLE["truth"]
    plain = roc.partial_auc(x, y, between=(0, 0.2), **options)
    corrected = roc.partial_auc(x, y, between=(0, 0.2), standardised=True, **options)
    high = roc.partial_auc(x, y, between=(0.8, 1), axis="true positive", **options)
    high_corrected = roc.partial_auc(
        x, y, between=(0.8, 1), axis="true positive", standardised=True, **options
    )
    assert plain.estimate == pytest.approx(expected["partial"], abs=1e-10)
    assert corrected.estimate == pytest.approx(expected["partial_corrected"], abs=1e-10)
    assert high.estimate == pytest.approx(expected["partial_sensitivity"], abs=1e-10)
    assert high_corrected.estimate == pytest.approx(
        expected["partial_sensitivity_corrected"], abs=1e-10
    )


def test_hanley_and_mcneil_1982():
    # Hanley & McNeil 1982: area 0.893; Stata [R] roctab on the same data: DeLong se 0.0307,
    # interval 0.83295 to 0.95339.
    found = roc.auc(*spread(*HANLEY))
    assert found.estimate == pytest.approx(0.893, abs=5e-4)
    assert found.standard_error == pytest.approx(0.0307, abs=5e-5)
    assert (found.lower, found.upper) == pytest.approx((0.83295, 0.95339), abs=1e-5)
    # Their section on the exponential approximation gives a standard error of 0.032 or 0.033.
    approximate = roc.auc(*spread(*HANLEY), interval="hanley-mcneil")
    assert approximate.standard_error == pytest.approx(0.0325, abs=1e-3)


def test_binormal_equals_a_cumulative_probit_with_scale():
    # R ordinal::clm(grade ~ truth, scale = ~ truth, link = "probit"), stored reference.
    expected = REFERENCE["binormal"]
    fit = roc.binormal_fit(TABLE["grade"], TABLE["truth"])
    assert fit.a.estimate == pytest.approx(expected["a"], abs=1e-4)
    assert fit.b.estimate == pytest.approx(expected["b"], abs=1e-4)
    assert fit.criteria == pytest.approx(expected["cuts"], abs=1e-4)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], abs=1e-5)


@pytest.mark.parametrize(
    ("d_a", "c", "area"),
    # RJafrocBook, chapter on the PROPROC formulae: c1 = -0.1322804, d_a = 1.197239: 0.8014164.
    [(1.197239, -0.1322804, 0.8014164), (1.3, 0.0, stats.norm.cdf(1.3 / math.sqrt(2)))],
)
def test_proper_area_equals_published(d_a, c, area):
    assert proper_auc(d_a, c) == pytest.approx(area, abs=2e-7)
    grid = np.linspace(0, 1, 40_001)
    assert np.trapezoid(proper_curve(grid, d_a, c), grid) == pytest.approx(area, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.1, 3.0), st.floats(-0.9, 0.9))
def test_a_proper_curve_is_concave_and_above_the_diagonal(d_a, c):
    grid = np.linspace(0.001, 0.999, 300)
    curve = proper_curve(grid, d_a, c)
    assert np.all(curve >= grid - 1e-6)
    assert np.all(np.diff(curve, 2) <= 1e-6)


def test_a_proper_fit_finds_its_own_parameters():
    # Exact cell probabilities of d_a = 1.4, c = 0.3 as counts of a million.
    fpf, tpf = proper_rates(np.array([-0.4, 0.1, 0.5, 0.9]), 1.4, 0.3)
    noise = np.round(1e6 * -np.diff(np.concatenate([[1], fpf, [0]])))
    signal = np.round(1e6 * -np.diff(np.concatenate([[1], tpf, [0]])))
    fit = fit_proper_counts(noise, signal)
    assert fit.d_a.estimate == pytest.approx(1.4, abs=0.02)
    assert fit.c.estimate == pytest.approx(0.3, abs=0.02)
    assert fit.auc.estimate == pytest.approx(proper_auc(1.4, 0.3), abs=1e-4)


def test_proper_equals_binormal_where_nothing_is_hooked():
    # Hanley's data: binormal likelihood -123.64855 (equal to Stata's rocfit), nearly proper.
    proper, binormal = fit_proper_counts(*HANLEY), fit_counts(*HANLEY)
    assert proper.log_likelihood == pytest.approx(binormal.log_likelihood, abs=0.01)
    assert proper.auc.estimate == pytest.approx(binormal.auc.estimate, abs=0.002)
    assert proper.c.estimate == pytest.approx((0.713002 - 1) / (0.713002 + 1), abs=0.01)


# PROPROC (OR-DBM MRMC 2.5) on the Van Dyke and Franken data as RJafroc distributes its output
# (inst/MRMCRuns/VD/VDproprocareapooled.csv and FR/...): modality, reader, area, c, d_a.
PROPROC = {
    "van_dyke": [
        (1, 1, 0.9340403616, -0.2980072344, 2.1255412315),
        (1, 2, 0.8910714123, -0.2809004255, 1.7314724686),
        (1, 3, 0.9078321352, -0.7455097978, 0.0001186957),
        (1, 4, 0.9774594813, -0.9315807464, 0.0005236787),
        (1, 5, 0.8405597604, -0.5074269320, 0.8958638262),
        (2, 1, 0.9519359305, -0.3212354325, 2.3481494976),
        (2, 2, 0.9259925843, -0.7908676146, 0.0000409947),
        (2, 3, 0.9304317582, -0.3299822076, 2.0785433399),
        (2, 5, 0.9426874140, -0.5530819099, 2.0196598664),
    ],
    "franken": [
        (1, 1, 0.8699226270, -0.2898742992, 1.5702024913),
        (1, 2, 0.8948536765, -0.2546094563, 1.7670435407),
        (1, 3, 0.8782921411, -0.1354152360, 1.6496683288),
        (1, 4, 0.8378661974, -0.1350382395, 1.3939961715),
        (2, 1, 0.8615426988, -0.2161459821, 1.5345870268),
        (2, 2, 0.8706399792, -0.1199651486, 1.5972432890),
        (2, 3, 0.8541372357, -0.3551935737, 1.4018071886),
        (2, 4, 0.8252824271, -0.4420006829, 0.9836614513),
    ],
}


@pytest.mark.parametrize("name", PROPROC)
def test_proper_fits_equal_proproc(name):
    table = {"van_dyke": van_dyke, "franken": franken}[name]()
    for modality, reader, area, c, d_a in PROPROC[name]:
        one = table[(table["modality"] == modality) & (table["reader"] == reader)]
        found = roc.proper_fit(one["rating"], one["truth"])
        assert found.auc.estimate == pytest.approx(area, abs=2e-4)
        if d_a > 0.1:  # where d_a is at its end, zero, the likelihood is flat in it
            assert found.c.estimate == pytest.approx(c, abs=2e-3)
            assert found.d_a.estimate == pytest.approx(d_a, abs=5e-3)


def test_points_on_the_border_help_to_settle_the_binormal_slope():
    # Given Van Dyke's reader 2 in modality 2: one operating point off the border, three on it
    readings = van_dyke().query("modality == 2 and reader == 2")
    # When it is fitted; MRMCaov 0.3.0, binormal_auc on VanDyke: a 1.66, b 0.447, AUC 0.935
    fit = roc.binormal_fit(readings["rating"], readings["truth"])
    # Then b is not held at 1
    assert fit.a.estimate == pytest.approx(1.66, abs=0.005)
    assert fit.b.estimate == pytest.approx(0.447, abs=0.0005)
    assert fit.auc.estimate == pytest.approx(0.935, abs=0.0005)
    # And a plain yes/no task still is
    assert "b = 1" in fit_counts([30, 10], [8, 32]).notes[0]


def test_binormal_equals_chakraborty_and_rocfit():
    # Chakraborty 2017, Observer Performance Methods, Table 4.1 (fitted in section 6.4): a = 1.3204,
    # b = 0.6075, A_z = 0.8704, SE 0.0379.
    found = fit_counts([30, 19, 8, 2, 1], [5, 6, 5, 12, 22])
    assert found.a.estimate == pytest.approx(1.3204, abs=2e-3)
    assert found.b.estimate == pytest.approx(0.6075, abs=2e-3)
    assert found.auc.estimate == pytest.approx(0.8704, abs=1e-3)
    assert found.auc.standard_error == pytest.approx(0.0379, abs=1e-3)


def test_placements_of_many_ratings_are_those_of_each():
    rng = np.random.default_rng(6)
    truth = rng.random(80) < 0.4
    ratings = rng.normal(size=(4, 80)) + truth
    ratings[1], ratings[2, ::5] = np.round(ratings[1]), np.nan
    ratings[3, truth] = np.nan
    together = placement_matrix(ratings, truth)
    for row, found in zip(ratings[:3], together[:3], strict=True):
        known = ~np.isnan(row)
        v10, v01 = placements(row[known & truth], row[known & ~truth])
        assert np.array_equal(found[known & truth], v10)
        assert np.allclose(found[known & ~truth], v01, atol=1e-15)
        assert np.isnan(found[~known]).all()
    assert np.isnan(together[3]).all()


def test_perfect_separation_is_degenerate_with_an_exact_bound():
    found = roc.auc([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1])
    assert found.estimate == 1.0
    assert found.standard_error is None
    # Clopper-Pearson of 3 of 3 disjoint pairs; 2 / C(6, 3) by permutation.
    assert (found.lower, found.upper) == (pytest.approx(0.025 ** (1 / 3)), 1.0)
    assert found.p_value == pytest.approx(2 / 20)
    assert "degenerate" in found.summary()
    mirrored = roc.auc([6, 5, 4, 3, 2, 1], [0, 0, 0, 1, 1, 1])
    assert mirrored.estimate == 0.0
    assert (mirrored.lower, mirrored.upper) == (0.0, pytest.approx(1 - 0.025 ** (1 / 3)))


def test_all_ties_and_single_cases_are_said():
    tied = roc.auc([2, 2, 2, 2], [0, 0, 1, 1])
    assert (tied.estimate, tied.lower, tied.upper) == (0.5, 0.0, 1.0)
    assert "tied" in tied.notes[0]
    alone = roc.auc([1, 2, 3, 2.5], [0, 0, 0, 1])
    assert (alone.lower, alone.upper) == (0.0, 1.0)
    assert "one case in a class" in alone.notes[0]
    same = roc.compare_paired([1, 2, 3, 4], [2, 4, 6, 8], [0, 1, 0, 1])
    assert same.p_value is None
    assert "degenerate" in same.notes[-1]


@pytest.mark.parametrize(
    ("ratings", "truth", "message"),
    [
        ([1, 2], [1, 1], "single-class data"),
        ([1, 2, 3], [0, 1], "3 ratings but 2 truths"),
        ([1, math.inf], [0, 1], "position 1 is infinite"),
        ([1, 2], [0, 2], "truth at position 1"),
        ([1, 2], ["normal", "abnormal"], "truth at position 0 is 'normal'; it must be 0 or 1"),
    ],
)
def test_faults_are_named(ratings, truth, message):
    with pytest.raises(ValueError, match=message):
        roc.auc(ratings, truth)


@pytest.mark.parametrize("truth", [["n", "n", "p", "p"], [1, 1, 2, 2], [0, 0, 1, math.nan]])
def test_covariance_takes_no_word_or_gap_for_true(truth):
    with pytest.raises(ValueError, match="truth at position"):
        roc.covariance([[1, 2, 3, 4], [1, 3, 2, 4]], truth)


def test_a_proper_fit_to_ratings_all_tied_is_degenerate():
    fit = roc.proper_fit([3, 3, 3, 3], [0, 1, 0, 1])
    assert (fit.auc.estimate, fit.auc.lower, fit.auc.upper) == (0.5, 0.5, 1.0)
    assert math.isnan(fit.d_a.estimate)
    assert "all ratings are tied" in fit.notes[0]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda s, t: roc.auc(s, t, interval="bootstrap", replicates=1), "at least 2"),
        (lambda s, t: roc.partial_auc(s, t, replicates=0), "at least 2"),
        (lambda s, t: roc.compare_partial_paired(s, s, t, replicates=0), "at least 2"),
        (lambda s, t: roc.bootstrap_band(s, t, [0.5, 2.0]), "fractions from 0 to 1"),
        (lambda s, t: roc.auc(s, t, null=1.5), "null must be a probability"),
    ],
)
def test_impossible_options_are_named(ask, message):
    with pytest.raises(ValueError, match=message):
        ask([1, 2, 3, 4, 5], [0, 1, 0, 1, 1])


def test_missing_ratings_are_left_out_and_counted():
    full = roc.auc([1, 3, 2, 4], [0, 1, 0, 1], null=None)
    with_gap = roc.auc([1, 3, 2, 4, math.nan], [0, 1, 0, 1, 1], null=None)
    assert with_gap.estimate == full.estimate
    assert "1 missing" in with_gap.notes[0]


scores = st.lists(st.tuples(st.integers(-6, 6), st.booleans()), min_size=6, max_size=40).filter(
    lambda rows: 2 <= sum(t for _, t in rows) <= len(rows) - 2
)


@settings(max_examples=60, deadline=None)
@given(scores)
def test_invariances(rows):
    x = np.array([r for r, _ in rows], float)
    t = np.array([t for _, t in rows])
    base = roc.auc(x, t, null=None)
    brute = np.mean([(a > b) + 0.5 * (a == b) for a in x[t] for b in x[~t]])
    assert base.estimate == pytest.approx(brute)
    order = np.random.default_rng(0).permutation(len(x))
    shuffled = roc.auc(x[order], t[order], null=None)
    monotone = roc.auc(special.expit(x / 3) * 100, t, null=None)
    flipped = roc.auc(x, ~t, null=None)
    for other in (shuffled, monotone):
        assert other.estimate == pytest.approx(base.estimate)
        assert other.lower == pytest.approx(base.lower)
    assert flipped.estimate == pytest.approx(1 - base.estimate)
    assert (flipped.lower, flipped.upper) == pytest.approx((1 - base.upper, 1 - base.lower))
    shape = roc.curve(x, t)
    assert np.trapezoid(shape.true_positive, shape.false_positive) == pytest.approx(base.estimate)


counts = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=6).filter(
    lambda rows: sum(a for a, _ in rows) > 0 and sum(b for _, b in rows) > 0
)


@settings(max_examples=40, deadline=None)
@given(counts)
def test_any_counts_have_a_defined_binormal_answer(rows):
    fit = fit_counts([a for a, _ in rows], [b for _, b in rows])
    assert 0 <= fit.auc.lower <= fit.auc.estimate + 1e-9
    assert fit.auc.estimate <= fit.auc.upper + 1e-9 <= 1 + 1e-8
    if fit.auc.standard_error is None:
        assert any("degenerate" in note for note in fit.notes)
    json.dumps(fit.to_dict(), allow_nan=False)


@settings(max_examples=8, deadline=None)
@given(counts)
def test_any_counts_have_a_defined_proper_answer(rows):
    fit = fit_proper_counts([a for a, _ in rows], [b for _, b in rows])
    assert 0.5 - 1e-9 <= fit.auc.lower <= fit.auc.estimate + 1e-9
    assert fit.auc.estimate <= fit.auc.upper + 1e-9 <= 1 + 1e-8


def test_bands_hold_the_curve():
    grid = np.linspace(0.05, 0.95, 19)
    fit = roc.binormal_fit(TABLE["grade"], TABLE["truth"])
    narrow, wide = fit.band(grid), fit.band(grid, simultaneous=True)
    assert np.all(wide[0] <= narrow[0])
    assert np.all(narrow[0] <= fit.curve(grid))
    assert np.all(fit.curve(grid) <= narrow[1])
    lower, upper = roc.bootstrap_band(TABLE["first"], TABLE["truth"], grid, replicates=200)
    assert np.all(lower <= upper)
    shape, low, high = roc.band_kolmogorov(TABLE["first"], TABLE["truth"])
    assert np.all(low <= shape.true_positive)
    assert np.all(shape.true_positive <= high)


def test_simultaneous_band_covers_the_whole_curve():
    rng = np.random.default_rng(8)
    truth = np.repeat([0, 1], 60)
    inside = 0
    for _ in range(150):
        x = rng.normal(size=120) + truth
        shape, low, high = roc.band_kolmogorov(x, truth)
        at = stats.norm.cdf(1 + stats.norm.ppf(shape.false_positive))
        inside += bool(np.all((low <= at + 1e-12) & (at <= high + 1e-12)))
    assert inside / 150 >= 0.92  # conservative by construction


@pytest.mark.parametrize("interval", ["delong", "logit"])
def test_delong_covers(interval):
    rng = np.random.default_rng(3)
    truth = np.repeat([0, 1], 40)
    area = stats.norm.cdf(1 / math.sqrt(2))
    hits = 0
    for _ in range(400):
        e = roc.auc(rng.normal(size=80) + truth, truth, interval=interval)
        hits += e.lower <= area <= e.upper
    assert abs(hits / 400 - 0.95) < 0.035


def test_paired_partial_areas_equal_proc():
    # pROC 1.18.0: roc.test(a, b, method = "bootstrap", boot.n = 6000) of curves with
    # partial.auc = c(1, 0.8), focus on specificity, then on sensitivity; z within resampling error.
    table = pd.read_csv(DATA / "ratings_paired.csv")
    pair = table["first"], table["second"], table["truth"]
    expected = {
        ((0.0, 0.2), "false positive"): (0.098888889, 0.100972222, -0.105778619),
        ((0.8, 1.0), "true positive"): (0.078888889, 0.086944444, -0.275864486),
    }
    for (between, axis), (first, second, z) in expected.items():
        found = roc.compare_partial_paired(*pair, between=between, axis=axis, replicates=6000)
        assert found.details["first"] == pytest.approx(first)
        assert found.details["second"] == pytest.approx(second)
        assert found.statistic == pytest.approx(z, rel=0.06)
    # Over the whole axis it is DeLong's test but for the bootstrap's error.
    whole = roc.compare_partial_paired(*pair, between=(0, 1), replicates=6000)
    delong = roc.compare_paired(*pair)
    assert whole.estimate == pytest.approx(delong.estimate)
    assert whole.standard_error == pytest.approx(delong.standard_error, rel=0.05)


def test_paired_partial_areas_swap_sides_and_name_what_cannot_be_tested():
    table = pd.read_csv(DATA / "ratings_paired.csv")
    a, b, truth = table["first"], table["second"], table["truth"]
    there, back = roc.compare_partial_paired(a, b, truth), roc.compare_partial_paired(b, a, truth)
    assert back.statistic == pytest.approx(-there.statistic)
    assert roc.compare_partial_paired(a**3, b, truth, alternative="less").p_value == pytest.approx(
        roc.compare_partial_paired(b, a, truth, alternative="greater").p_value
    )
    same = roc.compare_partial_paired(a, a, truth)
    assert same.p_value is None
    assert (same.lower, same.upper) == (-0.1, 0.1)
    assert any("degenerate" in note for note in same.notes)
    gap = roc.compare_partial_paired(a.mask(a.index == 0), b, truth)
    assert gap.n == len(table) - 1
    with pytest.raises(ValueError, match="increasing fractions"):
        roc.compare_partial_paired(a, b, truth, between=(0.2, 0.2))
