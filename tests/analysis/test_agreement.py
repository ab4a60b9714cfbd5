"""Agreement coefficients against published numbers and R, and at the edges."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readerstudy.analysis.agreement import (
    agreement,
    agreement_coefficients,
    agreement_of_table,
    cohen_from_ratings,
    cohen_kappa,
    fleiss_kappa,
    icc,
    intra_reader,
    krippendorff_alpha,
    limits_of_agreement,
    limits_with_the_mean,
    paradox,
    ratings_from_counts,
    ratings_matrix,
    repeatability,
    scott_pi,
)

N = np.nan
# Gwet, Handbook of Inter-Rater Reliability, 4th ed. (2014) p. 120 = irrCAC's cac.raw4raters; also
# Krippendorff's own example of 4 observers and 12 units ("Computing Krippendorff's
# Alpha-Reliability", 2011).
FOUR_RATERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, N],
        [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 3],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
    ]
).T
# irrCAC's raw_gender (no missing) and cont3x3abstractors.
GENDER = np.array(
    [list("aaaaabbbcaaaaab"), list("aaaababccaaaaba"), list("abbcaabbcabbcaa"),
     list("ccccaabbcccccaa")]
).T  # fmt: skip
ABSTRACTORS = [[13, 0, 0], [0, 20, 7], [0, 4, 56]]
DIAGNOSES_4X4 = [[40, 4, 4, 17], [6, 25, 2, 13], [4, 1, 21, 12], [15, 5, 9, 45]]
# Fleiss 1971, table 1: 30 patients, 6 psychiatrists, 5 diagnoses.
FLEISS_1971 = np.array(
    [[0,0,0,6,0],[0,3,0,0,3],[0,1,4,0,1],[0,0,0,0,6],[0,3,0,3,0],[2,0,4,0,0],[0,0,4,0,2],
     [2,0,3,1,0],[2,0,0,4,0],[0,0,0,0,6],[1,0,0,5,0],[1,1,0,4,0],[0,3,3,0,0],[1,0,0,5,0],
     [0,2,0,3,1],[0,0,5,0,1],[3,0,0,1,2],[5,1,0,0,0],[0,2,0,4,0],[1,0,2,0,3],[0,0,0,0,6],
     [0,1,0,5,0],[0,2,0,1,3],[2,0,0,4,0],[1,0,0,4,1],[0,5,0,1,0],[4,0,0,0,2],[0,2,0,4,0],
     [1,0,5,0,0],[0,0,0,0,6]]
)  # fmt: skip
# Shrout and Fleiss 1979, table 2.
SHROUT_FLEISS = [
    [9, 2, 5, 8],
    [6, 1, 3, 2],
    [8, 4, 6, 8],
    [7, 1, 2, 6],
    [10, 5, 6, 9],
    [6, 2, 4, 7],
]


@pytest.mark.parametrize(
    ("coefficient", "value", "error", "p"),
    # Printed by irrCAC's README for cac.raw4raters (pa.coeff.raw, gwet.ac1.raw, ...).
    [
        ("percent", 0.8181818, 0.12561, 4.345373e-05),
        ("gwet", 0.77544, 0.14295, 0.000208721),
        ("fleiss", 0.76117, 0.15302, 0.000419173),
        ("krippendorff", 0.74342, 0.14557, 0.0004594257),
        ("conger", 0.76282, 0.14917, 0.0003367066),
        ("brennan_prediger", 0.77273, 0.14472, 0.0002375609),
    ],
)
def test_every_coefficient_equals_irrcac_with_missing_ratings(coefficient, value, error, p):
    found = agreement_coefficients(ratings_matrix(FOUR_RATERS))[coefficient]
    assert found.estimate == pytest.approx(value, abs=6e-6)
    assert found.standard_error == pytest.approx(error, abs=6e-6)
    assert found.p_value == pytest.approx(p, rel=1e-4)


@pytest.mark.parametrize(
    ("weights", "coefficient", "value", "error", "lower"),
    # irrCAC for Python, test/unit/irrCAC/raw: values checked there against the R package.
    [
        ("quadratic", "gwet", 0.914, 0.104, 0.685), ("linear", "gwet", 0.859, 0.117, 0.600),
        ("ordinal", "gwet", 0.899, 0.107, 0.664), ("radical", "gwet", 0.820, 0.128, 0.537),
        ("ratio", "gwet", 0.857, 0.122, 0.589), ("circular", "gwet", 0.830, 0.133, 0.538),
        ("bipolar", "gwet", 0.900, 0.106, 0.667),
        ("quadratic", "krippendorff", 0.849, 0.129, 0.561),
        ("linear", "krippendorff", 0.800, 0.135, 0.499),
        ("ordinal", "krippendorff", 0.834, 0.131, 0.542),
        ("radical", "krippendorff", 0.772, 0.140, 0.461),
        ("ratio", "krippendorff", 0.797, 0.140, 0.484),
        ("circular", "krippendorff", 0.790, 0.141, 0.476),
        ("bipolar", "krippendorff", 0.835, 0.128, 0.549),
        ("quadratic", "conger", 0.858, 0.144, 0.541), ("linear", "conger", 0.814, 0.145, 0.494),
        ("ordinal", "conger", 0.844, 0.144, 0.526), ("radical", "conger", 0.788, 0.146, 0.466),
        ("ratio", "conger", 0.812, 0.149, 0.485), ("circular", "conger", 0.805, 0.147, 0.481),
        ("bipolar", "conger", 0.845, 0.142, 0.532),
    ],
)  # fmt: skip
def test_every_weighting_equals_irrcac(weights, coefficient, value, error, lower):
    found = agreement_coefficients(ratings_matrix(FOUR_RATERS), weights=weights)[coefficient]
    assert found.estimate == pytest.approx(value, abs=5.1e-4)
    assert found.standard_error == pytest.approx(error, abs=5.1e-4)
    assert found.lower == pytest.approx(lower, abs=6e-4)
    assert found.upper == 1.0


def test_labels_without_numbers_equal_irrcac():
    # irrCAC for Python, test_gwet_raw_gender, test_krippendorff_kappa_raw_gender, test_conger.
    found = agreement_coefficients(ratings_matrix(GENDER))
    for name, value, error, p in [
        ("gwet", 0.208, 0.091, 0.03776),
        ("krippendorff", 0.143, 0.141, 0.32472),
        ("conger", 0.166, 0.121, 0.19309),
    ]:
        assert found[name].estimate == pytest.approx(value, abs=5.1e-4)
        assert found[name].standard_error == pytest.approx(error, abs=5.1e-4)
        assert found[name].p_value == pytest.approx(p, abs=6e-6)


def test_custom_asymmetric_weights_equal_irrcac():
    # irrCAC for Python, test_conger_kappa_raw4raters_custom_weights.
    weights = [[1, .75, .5, .25, 0], [0, 1, .75, .5, .25], [.25, 0, 1, .75, .5],
               [.5, .25, 0, 1, .75], [.75, .5, .25, 0, 1]]  # fmt: skip
    found = agreement_coefficients(
        ratings_matrix(FOUR_RATERS), coefficients=["conger"], weights=weights
    )["conger"]
    assert (found.estimate, found.standard_error) == (
        pytest.approx(0.763, abs=5e-4),
        pytest.approx(0.149, abs=5e-4),
    )


def test_counts_by_subject_equal_irrcac_distributions():
    # irrCAC README, distrib.6raters (the first 15 patients of Fleiss 1971).
    found = agreement_coefficients(
        ratings_from_counts(FLEISS_1971[:15]),
        coefficients=["gwet", "fleiss", "brennan_prediger", "krippendorff"],
    )
    assert found["gwet"].estimate == pytest.approx(0.4448007, abs=1e-7)
    assert found["gwet"].standard_error == pytest.approx(0.08418757, abs=1e-8)
    assert found["fleiss"].estimate == pytest.approx(0.4139265, abs=1e-7)
    assert found["fleiss"].standard_error == pytest.approx(0.08119291, abs=1e-8)
    assert found["brennan_prediger"].standard_error == pytest.approx(0.08312142, abs=1e-8)
    assert found["krippendorff"].estimate == pytest.approx(0.4204384, abs=1e-7)


@pytest.mark.parametrize(
    ("metric", "alpha"),
    # Krippendorff 2011, section C-E: nominal .743, ordinal .815, interval .849, ratio .797.
    [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)],
)
def test_krippendorff_equals_his_own_example(metric, alpha):
    assert krippendorff_alpha(FOUR_RATERS, metric=metric).estimate == pytest.approx(alpha, abs=5e-4)


@pytest.mark.parametrize(
    ("first", "second", "alpha"),
    [
        # Krippendorff 2011, section A (Meg and Owen, binary) and B (Ben and Gerry, nominal).
        ("0100000010", "1110010000", 0.095),
        ("aabbdcccedda", "babbbccceddd", 0.692),
    ],
)
def test_krippendorff_of_two_observers_equals_his_examples(first, second, alpha):
    pairs = list(zip(first, second, strict=True))
    found = krippendorff_alpha(np.array(pairs, dtype=object))
    assert found.estimate == pytest.approx(alpha, abs=6e-4)


@pytest.mark.parametrize(("metric", "alpha"), [("nominal", 0.691), ("interval", 0.811)])
def test_krippendorff_of_three_coders_with_many_gaps(metric, alpha):
    # The worked example of Wikipedia's article on the coefficient (three coders, 15 units).
    a = [N, N, N, N, N, 3, 4, 1, 2, 1, 1, 3, 3, N, 3]
    b = [1, N, 2, 1, 3, 3, 4, 3, N, N, N, N, N, N, N]
    c = [N, N, 2, 1, 3, 4, 4, N, 2, 1, 1, 3, 3, N, 4]
    found = krippendorff_alpha(np.column_stack([a, b, c]), metric=metric)
    assert found.estimate == pytest.approx(alpha, abs=5e-4)


def test_fleiss_of_fourteen_psychiatrists():
    # The worked example of Wikipedia's article: 10 subjects, 14 raters, kappa 0.210.
    counts = [[0,0,0,0,14],[0,2,6,4,2],[0,0,3,5,6],[0,3,9,2,0],[2,2,8,1,1],[7,7,0,0,0],
              [3,2,6,3,0],[2,5,3,2,2],[6,5,2,1,0],[0,2,2,3,7]]  # fmt: skip
    assert fleiss_kappa(counts)[0].estimate == pytest.approx(0.210, abs=5e-4)


@pytest.mark.parametrize(
    ("table", "kappa"),
    # The worked examples of Wikipedia's article on Cohen's kappa.
    [([[20, 5], [10, 15]], 0.4), ([[45, 15], [25, 15]], 0.1304), ([[25, 35], [5, 35]], 0.2593)],
)
def test_cohen_of_worked_examples(table, kappa):
    assert cohen_kappa(table).estimate == pytest.approx(kappa, abs=5e-5)


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval", "ratio"])
def test_krippendorff_equals_the_python_package(metric):
    import krippendorff

    expected = krippendorff.alpha(FOUR_RATERS.T, level_of_measurement=metric)
    assert krippendorff_alpha(FOUR_RATERS, metric=metric).estimate == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["interval", "ordinal"])
def test_alpha_of_continuous_ratings_equals_the_category_form_and_the_package(metric):
    import krippendorff

    from readerstudy.analysis.agreement.alpha import alpha_of_values

    # Krippendorff's example again: .849 interval, .815 ordinal.
    assert alpha_of_values(FOUR_RATERS, metric=metric).estimate == pytest.approx(
        {"interval": 0.849, "ordinal": 0.815}[metric], abs=5e-4
    )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(190, 1)) + 0.7 * rng.normal(size=(190, 4))
    x[rng.random(x.shape) < 0.2] = np.nan
    found = krippendorff_alpha(x, metric=metric, bootstrap=500)
    assert found.estimate == pytest.approx(krippendorff.alpha(x.T, level_of_measurement=metric))
    assert found.details["bootstrap_standard_error"] == pytest.approx(
        found.standard_error, rel=0.15
    )
    with pytest.raises(ValueError, match="are a scale, not categories"):
        agreement_coefficients(ratings_matrix(x))


def test_cohen_equals_irrcac_and_vcd():
    # irrCAC README kappa2.table and vcd::Kappa: 0.7964094, ASE 0.05891072; vcd confint.
    found = cohen_kappa(ABSTRACTORS)
    assert found.estimate == pytest.approx(0.7964094, abs=1e-7)
    assert found.standard_error == pytest.approx(0.05891072, abs=1e-8)
    assert (found.lower, found.upper) == (
        pytest.approx(0.6809465, abs=1e-7),
        pytest.approx(0.9118723, abs=1e-7),
    )
    # irrCAC's scott2.table divides by n, the raw form by n - 1: 0.05905473 x sqrt(100 / 99).
    scott = scott_pi(ABSTRACTORS)
    assert scott.estimate == pytest.approx(0.7962397, abs=1e-7)
    assert scott.standard_error * math.sqrt(0.99) == pytest.approx(0.05905473, abs=1e-8)


@pytest.mark.parametrize(
    ("coefficient", "value", "error", "lower", "upper"),
    # irrCAC's README: gwet.ac1.table, bp2.table, krippen2.table, pa2.table ... of
    # cont3x3abstractors, as printed.
    [
        ("percent", 0.89, 0.03128898, 0.828, 0.952), ("gwet", 0.8493305, 0.04321747, 0.764, 0.935),
        ("fleiss", 0.7962397, 0.05905473, 0.679, 0.913),
        ("brennan_prediger", 0.835, 0.04693346, 0.742, 0.928),
        ("krippendorff", 0.7972585, 0.05905473, 0.68, 0.914),
    ],
)  # fmt: skip
def test_coefficients_of_a_table_equal_irrcac(coefficient, value, error, lower, upper):
    found = agreement_of_table(ABSTRACTORS)[coefficient]
    assert found.estimate == pytest.approx(value, abs=6e-8)
    assert found.standard_error == pytest.approx(error, abs=6e-9)
    assert (found.lower, found.upper) == (
        pytest.approx(lower, abs=6e-4),
        pytest.approx(upper, abs=6e-4),
    )


@pytest.mark.parametrize(
    ("table", "kappa", "ac1", "pabak"),
    [
        # Feinstein and Cicchetti 1990, tables 1 and 2; Gwet, Br J Math Stat Psychol 61 (2008)
        # 29-48, section 2: AC1 of [[118, 5], [2, 0]] 0.94, kappa -0.02.
        ([[118, 5], [2, 0]], -0.0234, 0.9408, 2 * 118 / 125 - 1),
        # Byrt, Bishop and Carlin 1993: PABAK is 2 p_o - 1 whatever the margins.
        ([[40, 9], [6, 45]], 0.70, 0.70, 0.70),
        ([[80, 10], [5, 5]], 0.32, 0.81, 0.70),
    ],
)
def test_paradox_tables_have_low_kappa_and_high_ac1(table, kappa, ac1, pabak):
    found = paradox(table)
    assert found["kappa"].estimate == pytest.approx(kappa, abs=5e-3)
    assert found["ac1"].estimate == pytest.approx(ac1, abs=6e-3)
    assert found["pabak"].estimate == pytest.approx(pabak)


@pytest.mark.parametrize(
    ("weights", "kappa", "error"),
    # vcd::Kappa on irrCAC's cont4x4diagnosis (benchmarks/analysis_reference_two.R).
    [
        ("unweighted", 0.4315007759, 0.04596918156),
        ("quadratic", 0.3831859441, 0.06579469581),
        ("linear", 0.4068108740, 0.05338805071),
    ],
)
def test_weighted_cohen_equals_vcd(weights, kappa, error):
    found = cohen_kappa(DIAGNOSES_4X4, weights=weights)
    assert found.estimate == pytest.approx(kappa, abs=1e-10)
    assert found.standard_error == pytest.approx(error, abs=1e-10)


def test_weighted_kappa_of_cohen_1968_and_fleiss_cohen_everitt_1969():
    # Cohen 1968, as in psych's help (n = 200): kappa .492, weighted .348 with disagreement weights
    # 0 1 3 / 1 0 6 / 3 6 0; psych: 0.4915254237, variance 0.002601185192, 0.347826087.
    table = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
    plain = cohen_kappa(table)
    assert plain.estimate == pytest.approx(0.4915254237, abs=1e-10)
    assert plain.standard_error**2 == pytest.approx(0.002601185192, abs=1e-12)
    weights = 1 - np.array([[0, 1, 3], [1, 0, 6], [3, 6, 0]]) / 6
    assert cohen_kappa(table, weights=weights).estimate == pytest.approx(0.347826087, abs=1e-9)
    # Fleiss, Cohen and Everitt 1969, with their weights: kappa .429 with variance .002885, weighted
    # .507; vcd::Kappa (benchmarks/analysis_reference_two.R): ASE 0.05371100487, 0.0569938847.
    table = [[106, 10, 4], [22, 28, 10], [2, 12, 6]]
    weights = [[1, 0, 0.4444], [0, 1, 0.6667], [0.4444, 0.6667, 1]]
    plain, weighted = cohen_kappa(table), cohen_kappa(table, weights=weights)
    assert plain.estimate == pytest.approx(0.429, abs=5e-4)
    assert plain.standard_error**2 == pytest.approx(0.002885, abs=5e-7)
    assert weighted.estimate == pytest.approx(0.5070699649, abs=1e-9)
    assert weighted.standard_error == pytest.approx(0.0569938847, abs=1e-10)


@pytest.mark.parametrize("weights", ["unweighted", "quadratic"])
def test_bootstrap_of_cohen_has_the_analytic_error(weights):
    found = cohen_kappa(DIAGNOSES_4X4, weights=weights, bootstrap=2000)
    # 223 subjects; a standard deviation from 2000 draws is within 5 % (three standard errors).
    assert found.details["bootstrap_standard_error"] == pytest.approx(
        found.standard_error, rel=0.06
    )
    assert found.details["bootstrap_lower"] == pytest.approx(found.lower, abs=0.03)
    assert found.details["bootstrap_upper"] == pytest.approx(found.upper, abs=0.03)
    scott = scott_pi(DIAGNOSES_4X4, weights=weights, bootstrap=200)
    assert scott.details["bootstrap_lower"] < scott.estimate < scott.details["bootstrap_upper"]


def test_both_standard_errors_of_fleiss_cohen_everitt():
    # Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, 3rd ed., section 18.1:
    # kappa 0.68 (0.676), standard error 0.076 under no agreement, 0.087 for the interval.
    found = cohen_kappa([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    assert found.estimate == pytest.approx(0.676, abs=5e-4)
    assert found.details["standard_error_under_null"] == pytest.approx(0.076, abs=5e-4)
    assert found.details["standard_error_under_alternative"] == pytest.approx(0.087, abs=1e-3)


def test_fleiss_equals_fleiss_1971_and_irr():
    # kappa 0.430 (Fleiss 1971); z 17.7 and the categories' kappa and z as irr::kappam.fleiss
    # documents them for its data set "diagnoses" (which is Fleiss' table).
    overall, categories = fleiss_kappa(FLEISS_1971)
    assert overall.estimate == pytest.approx(0.430, abs=5e-4)
    assert overall.statistic == pytest.approx(17.652, abs=1e-3)
    expected = [(0.245, 5.192), (0.245, 5.192), (0.520, 11.031), (0.471, 9.994), (0.566, 12.009)]
    assert all(e.lower < e.estimate < e.upper for e in categories.values())
    for found, (kappa, z) in zip(categories.values(), expected, strict=True):
        assert found.estimate == pytest.approx(kappa, abs=6e-4)
        assert found.statistic == pytest.approx(z, abs=1.1e-3)


def test_icc_equals_shrout_and_fleiss_and_psych():
    # Shrout and Fleiss 1979, table 4: .17 .29 .71 .44 .62 .91; bounds from psych::ICC.
    found = icc(SHROUT_FLEISS)
    expected = {
        "ICC(1,1)": (0.16574177, -0.132932325, 0.72256006),
        "ICC(2,1)": (0.28976378, 0.018786513, 0.76108437),
        "ICC(3,1)": (0.71484071, 0.342464765, 0.94585826),
        "ICC(1,k)": (0.44279713, -0.884442155, 0.91241542),
        "ICC(2,k)": (0.62005055, 0.071136815, 0.92723204),
        "ICC(3,k)": (0.90931554, 0.675674714, 0.98589168),
    }
    for form, (value, lower, upper) in expected.items():
        assert found[form].estimate == pytest.approx(value, abs=1e-8)
        assert found[form].lower == pytest.approx(lower, abs=1e-7)
        assert found[form].upper == pytest.approx(upper, abs=1e-7)


def test_icc_has_the_f_tests_of_psych():
    # psych::ICC of Shrout and Fleiss' table: F 1.79 on 5, 18 (p 0.165) and 11.03 on 5, 15
    # (p 0.000135), BMS 11.24, JMS 32.49, EMS 1.02, WMS 6.26 (Shrout and Fleiss 1979, table 3).
    found = icc(SHROUT_FLEISS)
    assert found["ICC(1,1)"].statistic == pytest.approx(1.79, abs=6e-3)
    assert found["ICC(1,1)"].p_value == pytest.approx(0.165, abs=6e-4)
    assert found["ICC(3,1)"].statistic == pytest.approx(11.03, abs=6e-3)
    assert found["ICC(3,1)"].p_value == pytest.approx(0.000135, abs=6e-7)
    assert found["ICC(3,1)"].df == (5.0, 15.0)
    squares = found["ICC(2,1)"].details["mean_squares"]
    for name, value in {"between": 11.24, "within": 6.26, "raters": 32.49, "error": 1.02}.items():
        assert squares[name] == pytest.approx(value, abs=6e-3)


def test_icc_without_variance_to_share_out_is_not_defined():
    # Two raters who cross over: every subject has the same mean, so forms over it have nothing.
    found = icc([[1, 2], [2, 1]])
    assert found["ICC(1,1)"].estimate == -1.0
    for form in ("ICC(2,1)", "ICC(2,k)", "ICC(3,k)"):
        assert math.isnan(found[form].estimate)
        assert "not positive" in found[form].notes[-1]
    shifted = icc([[1, 5], [2, 6], [3, 7]])
    assert shifted["ICC(3,1)"].estimate == pytest.approx(1.0)
    assert any("degenerate" in note for note in shifted["ICC(3,1)"].notes)
    assert shifted["ICC(2,1)"].lower > 0  # Raters differ, so form 2 has its interval.
    assert not shifted["ICC(2,1)"].notes


def test_bootstrap_of_icc_lies_about_the_analytic_interval():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 1)) + rng.normal(0, 0.3, (1, 4)) + 0.7 * rng.normal(size=(200, 4))
    for form, found in icc(x, bootstrap=1000).items():
        if "(2" not in form:  # Form 2's interval is for random raters; subjects alone are drawn.
            assert found.details["bootstrap_lower"] == pytest.approx(found.lower, abs=0.03)
            assert found.details["bootstrap_upper"] == pytest.approx(found.upper, abs=0.03)
        assert found.details["bootstrap_lower"] < found.estimate < found.details["bootstrap_upper"]


def test_limits_of_agreement_equal_bland_and_altman_1986():
    # Lancet 1986, peak flow by two meters: mean -2.1, SD 38.8, limits (2 SD) -79.7 and 75.5.
    large = [494,395,516,434,476,557,413,442,650,433,417,656,267,478,178,423,427]  # fmt: skip
    mini = [512,430,520,428,500,600,364,380,658,445,432,626,260,477,259,350,451]  # fmt: skip
    found = limits_of_agreement(large, mini, coverage=0.9544997361)
    assert found["bias"].estimate == pytest.approx(-2.1, abs=0.05)
    assert found["bias"].details["standard_deviation"] == pytest.approx(38.8, abs=0.05)
    assert found["lower_limit"].estimate == pytest.approx(-79.7, abs=0.1)
    assert found["upper_limit"].estimate == pytest.approx(75.5, abs=0.1)


def test_approximate_limits_of_agreement_are_the_published_ones():
    # Lancet 1986: limit -79.7, 95 % interval -114.3 to -45.1; 75.5, 40.9 to 110.1; bias -22.0 to
    # 17.8 (they round s to 38.8 and the limits' standard error to 16.3).
    large = [494,395,516,434,476,557,413,442,650,433,417,656,267,478,178,423,427]  # fmt: skip
    mini = [512,430,520,428,500,600,364,380,658,445,432,626,260,477,259,350,451]  # fmt: skip
    found = limits_of_agreement(large, mini, coverage=0.9544997361, interval="bland-altman-1986")
    assert (found["bias"].lower, found["bias"].upper) == (
        pytest.approx(-22.0, abs=0.1),
        pytest.approx(17.8, abs=0.1),
    )
    assert found["lower_limit"].lower == pytest.approx(-114.3, abs=0.2)
    assert found["lower_limit"].upper == pytest.approx(-45.1, abs=0.2)
    assert found["upper_limit"].lower == pytest.approx(40.9, abs=0.2)
    assert found["upper_limit"].upper == pytest.approx(110.1, abs=0.2)
    narrow = limits_of_agreement(large, mini, interval="approximate")["upper_limit"]
    exact = limits_of_agreement(large, mini)["upper_limit"]
    assert exact.upper > narrow.upper  # The exact interval reaches further out, as Carkeet says.
    with pytest.raises(ValueError, match="interval 'wald'"):
        limits_of_agreement(large, mini, interval="wald")


def test_limits_with_the_mean_have_the_sums_of_squares_of_christensen():
    # Christensen et al. 2020: LOAM = 1.96 sqrt((SSB + SSE) / N); Shrout and Fleiss' table 3 has
    # SS judges 97.46 and SS residual 15.29 on N = 24.
    found = limits_with_the_mean(SHROUT_FLEISS)
    assert found.estimate == pytest.approx(1.959964 * math.sqrt((97.46 + 15.29) / 24), abs=2e-3)


def test_paradox_tables_of_feinstein_and_cicchetti():
    # Feinstein and Cicchetti 1990: both agree on 85 %, kappa 0.70 and 0.32; Byrt et al. 1993:
    # PABAK = 2 x 0.85 - 1.
    even, uneven = paradox([[40, 9], [6, 45]]), paradox([[80, 10], [5, 5]])
    assert even["kappa"].estimate == pytest.approx(0.70, abs=5e-3)
    assert uneven["kappa"].estimate == pytest.approx(0.32, abs=5e-3)
    assert even["pabak"].estimate == uneven["pabak"].estimate == pytest.approx(0.70)
    assert uneven["prevalence_index"] == pytest.approx(0.75)
    assert "dominates" in uneven["reading"]
    assert "same" in even["reading"]


def test_repeatability_is_that_of_one_way_analysis_of_variance():
    # Shrout and Fleiss 1979, table 3: WMS 6.26.
    found = repeatability(SHROUT_FLEISS)
    assert found.details["within_subject_sd"] ** 2 == pytest.approx(6.26, abs=5e-3)


def test_perfect_agreement_gives_no_zero_width_interval():
    found = agreement_coefficients(ratings_matrix([["a", "a"], ["b", "b"], ["a", "a"]] * 5))
    for estimate in found.values():
        assert estimate.estimate == pytest.approx(1.0)
        assert estimate.lower < 0.9
        assert estimate.upper == 1.0
        assert any("degenerate" in note for note in estimate.notes)
    kappa = cohen_kappa([[5, 0], [0, 7]])
    assert kappa.lower < 0.8
    assert any("degenerate" in note for note in kappa.notes)


def test_one_category_only_is_said_not_computed():
    found = agreement_coefficients(ratings_matrix([["a", "a"], ["a", "a"]]))
    assert math.isnan(found["conger"].estimate)
    assert "only one category" in found["krippendorff"].notes[0]
    assert found["percent"].estimate == 1.0
    named = agreement_coefficients(ratings_matrix([["a", "a"]] * 9, categories=["a", "b"]))
    assert named["gwet"].estimate == pytest.approx(1.0)
    assert math.isnan(cohen_kappa([[9, 0], [0, 0]]).estimate)


def test_labels_outside_the_categories_are_named():
    with pytest.raises(ValueError, match=r"subject 1, rater 0: rating 'c'"):
        ratings_matrix([["a", "b"], ["c", "a"]], categories=["a", "b"])


def test_duplicate_readings_are_named_by_row():
    table = pd.DataFrame(
        {"reader": ["A", "A", "B"], "case": [1, 1, 1], "judgment": ["real", "real", "synthetic"]}
    )
    with pytest.raises(ValueError, match="rows 0, 1"):
        agreement(table)


def test_readings_without_a_reader_are_named_by_row():
    table = pd.DataFrame({"reader": ["A", None], "case": [1, 1], "judgment": ["real", "real"]})
    with pytest.raises(ValueError, match="row 1: reader is empty"):
        agreement(table)


def test_differences_that_never_vary_have_no_zero_width_limits():
    found = limits_of_agreement([1, 2, 3], [1, 2, 3])
    assert found["upper_limit"].estimate == 0.0
    assert found["upper_limit"].lower is None
    assert found["bias"].lower is None
    assert "degenerate" in found["bias"].notes[0]
    assert limits_with_the_mean([[1, 1], [2, 2]]).lower is None
    assert repeatability([[1, 1], [2, 2]]).upper is None


def test_missing_columns_are_named():
    with pytest.raises(ValueError, match="'judgment'"):
        agreement(pd.DataFrame({"reader": [1], "case": [1]}))


def test_subjects_without_ratings_are_left_out_with_a_note():
    with_blank = np.vstack([FOUR_RATERS, [N, N, N, N]])
    whole = agreement_coefficients(ratings_matrix(FOUR_RATERS))["gwet"]
    found = agreement_coefficients(ratings_matrix(with_blank))["gwet"]
    assert found.estimate == whole.estimate
    assert any("without any rating" in note for note in found.notes)


def test_intra_reader_counts_equal_repeats():
    table = pd.DataFrame(
        [("A", c, "real") for c in range(10)] + [("A", c, "real" if c else "synthetic")
         for c in range(10)] + [("B", c, "synthetic" if c < 5 else "real") for c in range(10)] * 2,
        columns=["reader", "case", "judgment"],
    )  # fmt: skip
    pooled, readers = intra_reader(table)
    assert readers["A"]["percent"].estimate == 0.9
    assert readers["B"]["percent"].estimate == 1.0
    assert readers["B"]["percent"].lower == pytest.approx(0.025 ** (1 / 10))  # Clopper-Pearson
    assert pooled.estimate == pytest.approx(0.95)
    with pytest.raises(ValueError, match="more than twice"):
        intra_reader(pd.concat([table, table]))


matrices = st.integers(4, 12).flatmap(
    lambda n: st.lists(
        st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=3, max_size=3), min_size=n, max_size=n
    )
)


@settings(max_examples=40, deadline=None)
@given(matrices, st.randoms())
def test_order_of_subjects_and_raters_does_not_matter(rows, random):
    x = np.array(rows)
    shuffled = x[random.sample(range(len(x)), len(x))][:, random.sample(range(3), 3)]
    before = agreement_coefficients(ratings_matrix(x, categories=[1.0, 2.0, 3.0]))
    after = agreement_coefficients(ratings_matrix(shuffled, categories=[1.0, 2.0, 3.0]))
    for name, estimate in before.items():
        assert after[name].estimate == pytest.approx(estimate.estimate, nan_ok=True)
        if estimate.standard_error:
            assert after[name].standard_error == pytest.approx(estimate.standard_error)


@settings(max_examples=40, deadline=None)
@given(matrices)
def test_swapping_labels_does_not_matter_without_weights(rows):
    x = np.array(rows)
    swapped = np.array([0.0, 3.0, 1.0, 2.0])[x.astype(int)]
    before = agreement_coefficients(ratings_matrix(x, categories=[1.0, 2.0, 3.0]))
    after = agreement_coefficients(ratings_matrix(swapped, categories=[1.0, 2.0, 3.0]))
    for name, estimate in before.items():
        assert after[name].estimate == pytest.approx(estimate.estimate, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(matrices, st.floats(0.1, 9), st.floats(-5, 5))
def test_interval_alpha_and_icc_do_not_change_with_scale(rows, scale, shift):
    x = np.array(rows)
    before = krippendorff_alpha(x, metric="interval").estimate
    after = krippendorff_alpha(scale * x + shift, metric="interval").estimate
    assert after == pytest.approx(before, abs=1e-7, nan_ok=True)
    one, two = icc(x)["ICC(2,1)"].estimate, icc(scale * x + shift)["ICC(2,1)"].estimate
    assert two == pytest.approx(one, abs=1e-6, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(matrices)
def test_two_raters_conger_is_cohen(rows):
    x = np.array(rows)[:, :2]
    cohen = cohen_from_ratings(list(x[:, 0]), list(x[:, 1])) if np.unique(x).size > 1 else None
    conger = agreement_coefficients(ratings_matrix(x), coefficients=["conger"])["conger"]
    if cohen is not None:
        assert conger.estimate == pytest.approx(cohen.estimate, nan_ok=True)


def _covered(simulations: int, n: int, seed: int) -> dict[str, float]:
    """Share of intervals over the population value for three raters with a latent class."""
    rng = np.random.default_rng(seed)

    def draw(size):
        latent = rng.random(size) < 0.6
        wrong = rng.random((size, 3)) < 0.2
        return (latent[:, None] ^ wrong).astype(float)

    true = agreement_coefficients(ratings_matrix(draw(200_000)))
    hits = dict.fromkeys(true, 0)
    for _ in range(simulations):
        for name, found in agreement_coefficients(ratings_matrix(draw(n))).items():
            hits[name] += found.lower <= true[name].estimate <= found.upper
    return {name: count / simulations for name, count in hits.items()}


def test_intervals_cover_at_their_level():
    for name, share in _covered(400, 60, seed=1).items():
        # 95 % within three binomial standard errors of 400 simulations, and 1 % small-sample loss.
        assert 0.907 <= share <= 0.983, name


@pytest.mark.load
def test_intervals_cover_at_their_level_closely():
    for n in (30, 100, 300):
        for name, share in _covered(4000, n, seed=n).items():
            assert 0.93 <= share <= 0.965, (name, n, share)


@pytest.mark.parametrize("scale", [1.0, 0.109375])
def test_icc_of_subjects_that_do_not_differ_at_all_is_answered(scale):
    """Found by a property test: every subject has the same mean, so that ICC(2,1) is -1/(k-1), the
    pole of the step to the mean of k ratings, and both ends of F's interval lie on it."""
    found = icc(np.array([[2, 2, 3], [2, 3, 2], [2, 3, 2], [3, 3, 1]]) * scale, bootstrap=0)
    for form in ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)"):
        assert found[form].estimate == pytest.approx(-0.5)
        assert (found[form].lower, found[form].upper) == (None, None)
        assert "not certainty" in found[form].notes[0]
    mean = found["ICC(2,k)"]
    assert math.isnan(mean.estimate)
    assert (mean.lower, mean.upper) == (None, None)
    assert mean.notes == ("not defined: the estimated total variance is not positive",)


def test_icc_of_a_latin_square_is_answered():
    # Neither subjects nor raters differ: Satterthwaite's degrees of freedom would be 0 / 0.
    found = icc([[0, 1, 2], [1, 2, 0], [2, 0, 1]])
    assert found["ICC(2,1)"].estimate == pytest.approx(-1.0)
    assert found["ICC(2,1)"].lower is None


GRADES = ["none", "mild", "moderate", "severe"]


def _grades(seed, n=40, readers=3):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 4, n)[:, None]
    return np.clip(true + rng.integers(-1, 2, (n, readers)), 0, 3)


def test_an_ordered_categorical_is_weighed_in_its_own_order():
    codes = _grades(1)
    table = pd.DataFrame(
        [(reader, case, codes[case, reader]) for case in range(40) for reader in range(3)],
        columns=["reader", "case", "grade"],
    )
    expected = agreement(table, rating="grade", weights="quadratic")["gwet"]
    names = np.array(GRADES)[table["grade"]]
    table["grade"] = pd.Categorical(names, categories=GRADES, ordered=True)
    found = agreement(table, rating="grade", weights="quadratic")["gwet"]
    assert found.estimate == pytest.approx(expected.estimate, abs=1e-12)
    assert found.standard_error == pytest.approx(expected.standard_error, abs=1e-12)
    assert not found.notes
    # As words alone they have only their alphabet: another number, and said so.
    words = agreement(table.assign(grade=names), rating="grade", weights="quadratic")["gwet"]
    assert words.estimate != pytest.approx(expected.estimate, abs=1e-3)
    assert "alphabetical order (mild, moderate, none, severe)" in words.notes[0]
    given_order = agreement(
        table.assign(grade=names), rating="grade", weights="quadratic", categories=GRADES
    )["gwet"]
    assert given_order.estimate == pytest.approx(expected.estimate, abs=1e-12)
    assert not agreement(table.assign(grade=names), rating="grade")["gwet"].notes


def test_two_raters_ordered_categoricals_are_weighed_in_their_own_order():
    codes = _grades(2, readers=2)
    expected = cohen_from_ratings(*codes.T, weights="linear")
    words = [np.array(GRADES)[column] for column in codes.T]
    coded = [pd.Categorical(column, categories=GRADES, ordered=True) for column in words]
    shuffled = [pd.Series(coded[0], index=range(40, 0, -1)), pd.Series(coded[1])]  # By place.
    for pair in (coded, shuffled):
        found = cohen_from_ratings(*pair, weights="linear")
        assert found.estimate == pytest.approx(expected.estimate, abs=1e-12)
    named = cohen_from_ratings(*words, weights="linear", categories=GRADES)
    assert named.estimate == pytest.approx(expected.estimate, abs=1e-12)
    assert "alphabetical" in cohen_from_ratings(*words, weights="linear").notes[0]
    repeats = pd.DataFrame(
        {"reader": 1, "case": [*range(40)] * 2, "judgment": pd.Categorical(
            np.concatenate(words), categories=GRADES, ordered=True)}
    )  # fmt: skip
    kappa = intra_reader(repeats, weights="linear")[1][1]["kappa"]
    assert kappa.estimate == pytest.approx(expected.estimate, abs=1e-12)


def test_missing_values_of_pandas_and_blank_text_are_missing():
    gaps = pd.DataFrame({"a": [1, 2, 3, 4], "b": [1, 3, 3, pd.NA]}, dtype="Int64")
    whole = icc([[1, 1], [2, 3], [3, 3]])["ICC(2,1)"]
    assert icc(gaps)["ICC(2,1)"].estimate == pytest.approx(whole.estimate)
    pairs = limits_of_agreement(gaps["a"], gaps["b"])
    assert pairs["bias"].n == 3
    assert ratings_matrix([["a", "  "], ["b", "b"]]).categories == ("a", "b")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: icc([[1, 2], [3, "x"]]), r"rating at \[1, 1\] is 'x'"),
        (lambda: repeatability([["a", 1], [2, 3]]), r"repeat at \[0, 0\] is 'a'"),
        (lambda: limits_of_agreement([1, "y"], [1, 2]), r"first at \[1\] is 'y'"),
        (lambda: ratings_matrix([[1, 2], [3, np.inf]]), "subject 1, rater 1: rating is infinite"),
        (lambda: krippendorff_alpha([[1, 2], [2, 2]], bootstrap=-1), "bootstrap must be at least"),
        (lambda: krippendorff_alpha([[1, 2], [2, 2]], population=1), "cannot hold 2 subjects"),
    ],
)
def test_what_is_no_rating_and_no_option_is_named(ask, message):
    with pytest.raises(ValueError, match=message):
        ask()
