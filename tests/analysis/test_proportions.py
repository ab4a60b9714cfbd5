"""Proportions against printed numbers, at the edges, and by their coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from readerstudy.analysis import proportions

counts = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))

# Newcombe 1998, Statistics in Medicine 17, 857-872, Table I: 95 % limits of four proportions.
NEWCOMBE_ONE = [
    ("wilson", 81, 263, 0.2553, 0.3662),
    ("clopper-pearson", 81, 263, 0.2527, 0.3676),
    ("mid-p", 81, 263, 0.2544, 0.3658),
    ("likelihood", 81, 263, 0.2542, 0.3655),
    ("wilson", 15, 148, 0.0624, 0.1605),
    ("clopper-pearson", 15, 148, 0.0578, 0.1617),
    ("mid-p", 15, 148, 0.0601, 0.1581),
    ("likelihood", 15, 148, 0.0596, 0.1567),
    ("wilson", 0, 20, 0.0, 0.1611),
    ("clopper-pearson", 0, 20, 0.0, 0.1684),
    ("mid-p", 0, 20, 0.0, 0.1391),
    ("likelihood", 0, 20, 0.0, 0.0916),
    ("wilson", 1, 29, 0.0061, 0.1718),
    ("clopper-pearson", 1, 29, 0.0009, 0.1776),
    ("mid-p", 1, 29, 0.0017, 0.1585),
    ("likelihood", 1, 29, 0.0020, 0.1432),
    # BlakerCI 1.0-6 documentation: binom.blaker.limits(3, 10)
    ("blaker", 3, 10, 0.08726443, 0.61941066),
    # Fagerland, Lydersen & Laake 2017, Statistical Analysis of Contingency Tables, chapter 2, as
    # their R package contingencytables prints it.
    ("wilson", 13, 16, 0.5699, 0.9341),
    ("clopper-pearson", 13, 16, 0.5435, 0.9595),
    ("mid-p", 13, 16, 0.5699, 0.9500),
    ("likelihood", 13, 16, 0.5828, 0.9497),
    ("jeffreys", 13, 16, 0.5792, 0.9442),
    ("blaker", 1, 100, 0.0005, 0.0513),
]

# Newcombe 1998, Statistics in Medicine 17, 873-890, Table II: (a/m - b/n) by method 10 (his own),
# 5 (Miettinen-Nurminen) and 6 (Mee, the uncorrected score).
NEWCOMBE_TWO = [
    ((56, 70, 48, 80), (0.0524, 0.3339), (0.0528, 0.3382), (0.0533, 0.3377)),
    ((9, 10, 3, 10), (0.1705, 0.8090), (0.1700, 0.8406), (0.1821, 0.8370)),
    ((6, 7, 2, 7), (0.0582, 0.8062), (0.0342, 0.8534), (0.0544, 0.8478)),
    ((5, 56, 0, 29), (-0.0381, 0.1926), (-0.0326, 0.1933), (-0.0313, 0.1926)),
    ((0, 10, 0, 20), (-0.1611, 0.2775), (-0.1658, 0.2844), (-0.1611, 0.2775)),
    ((10, 10, 0, 20), (0.6791, 1.0), (0.7156, 1.0), (0.7225, 1.0)),
]


@pytest.mark.parametrize(("method", "x", "n", "lower", "upper"), NEWCOMBE_ONE)
def test_one_proportion_equals_the_printed_limits(method, x, n, lower, upper):
    assert proportions.limits(x, n, method=method) == pytest.approx((lower, upper), abs=6e-5)


@pytest.mark.parametrize(
    ("method", "lower", "upper"),
    [
        # R binom package documentation, binom.confint(x = c(2, 4), n = 100), first row.
        ("clopper-pearson", 0.002431337, 0.07038393),
        ("wilson", 0.005501968, 0.07001179),
    ],
)
def test_two_of_a_hundred(method, lower, upper):
    assert proportions.limits(2, 100, method=method) == pytest.approx((lower, upper), abs=5e-9)


def test_jeffreys_ends_are_zero_and_one_where_statsmodels_leaves_the_estimate_outside():
    # Brown, Cai & DasGupta 2001, section 3.1.3. The other end stays the beta quantile.
    assert proportions.limits(0, 20, method="jeffreys")[0] == 0.0
    assert proportions.limits(20, 20, method="jeffreys")[1] == 1.0
    theirs = proportion_confint(0, 20, method="jeffreys")
    assert theirs[0] > 0, "statsmodels would leave 0/20 outside its own interval"
    assert proportions.limits(0, 20, method="jeffreys")[1] == pytest.approx(theirs[1])


@pytest.mark.parametrize(("table", "hybrid", "score", "mee"), NEWCOMBE_TWO)
def test_two_proportions_equal_the_printed_limits(table, hybrid, score, mee):
    by_newcombe = proportions.newcombe(*table)
    by_score = proportions.miettinen_nurminen(*table)
    by_mee = proportions.miettinen_nurminen(*table, corrected=False)
    assert (by_newcombe.lower, by_newcombe.upper) == pytest.approx(hybrid, abs=6e-5)
    assert (by_score.lower, by_score.upper) == pytest.approx(score, abs=6e-5)
    assert (by_mee.lower, by_mee.upper) == pytest.approx(mee, abs=6e-5)


def test_two_full_and_empty_groups_are_answered_where_statsmodels_is_not_usable():
    ours = proportions.miettinen_nurminen(0, 10, 0, 10)
    assert ours.lower == pytest.approx(-ours.upper)
    assert 0.2 < ours.upper < 0.35
    try:
        theirs = confint_proportions_2indep(0, 10, 0, 10, method="score")
    except Exception:
        theirs = (math.nan, math.nan)
    agrees = np.allclose(theirs, (ours.lower, ours.upper), atol=1e-3)
    assert not agrees, "statsmodels' score interval works at the edge now: consider using it"


def test_paired_tables_equal_fagerland_lydersen_laake():
    # Fagerland, Lydersen & Laake 2013, BMC Med Res Methodol 13:91 (Bentur 2009: 1, 1, 7, 12 and
    # 59, 6, 16, 80): asymptotic, exact, mid-p; their 2014 paper (Stat Med 33, 2850): Tango.
    small, large = (1, 1, 7, 12), (59, 6, 16, 80)
    p = {m: proportions.mcnemar(*small, method=m).p_value for m in ("asymptotic", "exact", "mid-p")}
    assert p == pytest.approx({"asymptotic": 0.034, "exact": 0.070, "mid-p": 0.039}, abs=6e-4)
    q = {m: proportions.mcnemar(*large, method=m).p_value for m in ("asymptotic", "exact", "mid-p")}
    assert q == pytest.approx({"asymptotic": 0.033, "exact": 0.053, "mid-p": 0.035}, abs=6e-4)
    interval = proportions.tango(*small)
    assert (interval.lower, interval.upper) == pytest.approx((-0.517, -0.026), abs=6e-4)


def test_contingency_tables_equal_the_book_of_fagerland_lydersen_laake():
    # Fagerland, Lydersen & Laake 2017, chapters 2 (13 of 16), 4 (7 of 34 and 1 of 34; 0 of 16 and
    # 15 of 72) and 8 (59, 6, 16, 80), as their R package contingencytables prints them.
    central = proportions.binomial_test(13, 16, two_sided="central")
    assert central.p_value == pytest.approx(0.02127, abs=6e-6)
    assert proportions.binomial_test(13, 16, mid_p=True).p_value == pytest.approx(0.01273, abs=6e-6)
    found = [
        proportions.newcombe(7, 34, 1, 34),
        proportions.miettinen_nurminen(7, 34, 1, 34, corrected=False),
        proportions.miettinen_nurminen(0, 16, 15, 72),
        proportions.tango(59, 6, 16, 80),
    ]
    printed = [(0.0189, 0.3404), (0.0284, 0.3439), (-0.3164, -0.0056), (-0.1240, -0.0054)]
    for estimate, limits in zip(found, printed, strict=True):
        assert (estimate.lower, estimate.upper) == pytest.approx(limits, abs=6e-5)
    p = {m: proportions.mcnemar(59, 6, 16, 80, method=m).p_value
         for m in ("asymptotic", "exact", "mid-p", "corrected")}  # fmt: skip
    assert p == pytest.approx(
        {"asymptotic": 0.033006, "exact": 0.052479, "mid-p": 0.034690, "corrected": 0.055009},
        abs=6e-7,
    )


@pytest.mark.parametrize(("each", "p"), [(1, 0.75), (2, 0.8125), (3, 0.84375)])
def test_mid_p_of_as_many_pairs_either_way_leaves_out_half_of_the_middle(each, p):
    # Fagerland, Lydersen & Laake 2013, supplement: 1 - binompdf(n12, n, 0.5) / 2 where n12 = n21.
    assert proportions.mcnemar(5, each, each, 5).p_value == pytest.approx(p, abs=1e-12)
    for alternative in ("greater", "less"):
        one_sided = proportions.mcnemar(5, each, each, 5, alternative=alternative)
        assert one_sided.p_value == pytest.approx(0.5, abs=1e-12)


def test_corrected_mcnemar_equals_r():
    # R ?mcnemar.test, Agresti 1990 p. 350 (794, 86, 150, 570): printed by R 4.2.2:
    # chi-squared 16.818, p 4.115e-05.
    result = proportions.mcnemar(794, 86, 150, 570, method="corrected")
    assert result.statistic == pytest.approx(16.818, abs=5e-4)
    assert result.p_value == pytest.approx(4.115e-05, rel=1e-3)


def test_binomial_test_equals_r():
    # R ?binom.test, Conover 1971 p. 97: 682 of 925 against 3/4: p 0.3825; 0.7076683, 0.7654066.
    result = proportions.binomial_test(682, 925, 0.75)
    assert result.p_value == pytest.approx(0.3825, abs=5e-5)
    assert (result.lower, result.upper) == pytest.approx((0.7076683, 0.7654066), abs=5e-8)


def test_park_2021_pooled_count():
    # Park 2021 (JMIR e23328): 1781 of 3000 correct is 59.4 %; R binom.test gives 0.5758-0.6113.
    result = proportions.binomial_test(1781, 3000)
    assert result.estimate == pytest.approx(0.594, abs=5e-4)
    assert (result.lower, result.upper) == pytest.approx((0.5758, 0.6113), abs=1e-4)


def test_mid_p_is_half_an_outcome_less():
    # By hand: 8 of 10 against 1/2: P(X>8) + P(X=8)/2 = (11 + 22.5)/1024, doubled.
    assert proportions.binomial_test(8, 10, mid_p=True).p_value == pytest.approx(67 / 1024)


def test_equivalence_decision_is_the_interval_inside_the_margins():
    for x in range(101):
        result = proportions.equivalence_to_constant(x, 100, margin=0.1)
        inside = result.lower > 0.4 and result.upper < 0.6
        assert result.details["equivalent"] == inside
    score = proportions.equivalence_two_proportions(52, 100, 50, 100, margin=0.15)
    assert score.details["equivalent"] == (score.lower > -0.15 and score.upper < 0.15)


def test_exact_two_sample_equivalence_never_exceeds_its_level():
    accepted = np.zeros((13, 13), dtype=bool)
    for x1 in range(13):
        for x2 in range(13):
            result = proportions.equivalence_two_proportions(
                x1, 12, x2, 12, margin=0.45, method="exact"
            )
            accepted[x1, x2] = result.details["equivalent"]
    assert accepted.any()
    for p2 in np.linspace(0, 0.55, 45):
        w1 = stats.binom.pmf(np.arange(13), 12, p2 + 0.45)
        w2 = stats.binom.pmf(np.arange(13), 12, p2)
        assert w1 @ accepted @ w2 <= 0.05


def test_power_is_the_share_of_the_outcomes_that_pass():
    counted = sum(
        stats.binom.pmf(x, 150, 0.52)
        for x in range(151)
        if proportions.equivalence_to_constant(x, 150, margin=0.12).details["equivalent"]
    )
    power = proportions.power_equivalence_to_constant(150, 0.52, margin=0.12)
    assert power.estimate == pytest.approx(counted)
    assert power.details["size"] <= 0.05
    needed = proportions.sample_size_equivalence_to_constant(0.8, margin=0.1)
    following = [
        proportions.power_equivalence_to_constant(needed.n + k, 0.5, margin=0.1).estimate
        for k in range(30)
    ]
    assert min(following) >= 0.8


def test_two_sample_power_counts_the_tables_that_the_test_accepts():
    share = 0.0
    for x1 in range(31):
        for x2 in range(31):
            result = proportions.equivalence_two_proportions(x1, 30, x2, 30, margin=0.35)
            if result.details["equivalent"]:
                share += stats.binom.pmf(x1, 30, 0.5) * stats.binom.pmf(x2, 30, 0.55)
    power = proportions.power_equivalence_two_proportions(30, 30, 0.5, 0.55, margin=0.35)
    assert power.estimate == pytest.approx(share)


@settings(max_examples=60, deadline=None)
@given(counts, st.sampled_from(proportions.INTERVAL_METHODS))
def test_every_interval_holds_the_estimate_and_mirrors_its_complement(pair, method):
    x, n = pair
    lower, upper = proportions.limits(x, n, method=method)
    mirrored = proportions.limits(n - x, n, method=method)
    assert 0 <= lower <= x / n + 1e-12
    assert x / n - 1e-12 <= upper <= 1
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((lower, upper), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(counts)
def test_blaker_lies_within_clopper_pearson_and_is_the_hull_of_acceptable_values(pair):
    x, n = pair
    lower, upper = proportions.limits(x, n, method="blaker")
    outer = proportions.limits(x, n, method="clopper-pearson")
    assert outer[0] - 1e-12 <= lower
    assert upper <= outer[1] + 1e-12
    for p in np.linspace(1e-6, 1 - 1e-6, 201):
        if _acceptability(x, n, p) > 0.05 + 1e-9:
            assert lower - 1e-9 <= p <= upper + 1e-9


def _acceptability(x: int, n: int, p: float) -> float:
    """Blaker 2000, the definition, by brute force over all outcomes."""
    outcomes = np.arange(n + 1)
    tails = np.minimum(stats.binom.cdf(outcomes, n, p), stats.binom.sf(outcomes - 1, n, p))
    return float(stats.binom.pmf(outcomes, n, p)[tails <= tails[x] * (1 + 1e-12)].sum())


@settings(max_examples=60, deadline=None)
@given(counts, counts)
def test_swapping_the_groups_changes_only_the_sign(first, second):
    for compare in (proportions.newcombe, proportions.miettinen_nurminen):
        there, back = compare(*first, *second), compare(*second, *first)
        assert (there.lower, there.upper) == pytest.approx((-back.upper, -back.lower), abs=1e-6)
        assert there.lower - 1e-9 <= there.estimate <= there.upper + 1e-9


@settings(max_examples=60, deadline=None)
@given(*[st.integers(0, 30)] * 4)
def test_tango_swaps_and_holds_its_estimate(a, b, c, d):
    there, back = proportions.tango(a, b, c, d), proportions.tango(a, c, b, d)
    if a + b + c + d == 0:
        assert math.isnan(there.estimate)
        return
    assert (there.lower, there.upper) == pytest.approx((-back.upper, -back.lower), abs=1e-6)
    assert there.lower - 1e-9 <= there.estimate <= there.upper + 1e-9


@pytest.mark.parametrize("method", ["clopper-pearson", "blaker"])
def test_exact_intervals_cover_at_least_their_level(method):
    for n in (5, 17, 40):
        limits = np.array([proportions.limits(x, n, method=method) for x in range(n + 1)])
        for p in np.linspace(0.003, 0.997, 150):
            inside = (limits[:, 0] <= p) & (p <= limits[:, 1])
            assert stats.binom.pmf(np.arange(n + 1), n, p)[inside].sum() >= 0.95 - 1e-9


@pytest.mark.parametrize("method", ["wilson", "jeffreys", "agresti-coull", "mid-p", "likelihood"])
def test_approximate_intervals_cover_their_level_on_average(method):
    # Brown, Cai & DasGupta 2001, Figure 8: mean coverage over p near 0.95 from n = 20 on.
    n = 50
    limits = np.array([proportions.limits(x, n, method=method) for x in range(n + 1)])
    grid = np.linspace(0.02, 0.98, 400)
    inside = (limits[:, :1] <= grid) & (grid <= limits[:, 1:])
    mean = (stats.binom.pmf(np.arange(n + 1)[:, None], n, grid) * inside).sum(axis=0).mean()
    assert 0.935 < mean < 0.975


@pytest.mark.parametrize(
    ("successes", "n", "message"),
    [
        (5, 3, "cannot exceed"),
        (-1, 3, "at least 0"),
        (math.nan, 3, "whole number"),
        (1.5, 3, "whole number"),
        (True, 3, "whole number"),
        ("3", 4, "whole number"),
    ],
)
def test_impossible_counts_are_named(successes, n, message):
    with pytest.raises(ValueError, match=message):
        proportions.binomial_test(successes, n)


def test_nothing_observed_is_a_defined_answer():
    result = proportions.interval(0, 0)
    assert math.isnan(result.estimate)
    assert (result.lower, result.upper) == (0.0, 1.0)
    assert "no observations" in result.summary()
    assert proportions.binomial_test(0, 0).p_value == 1.0
    assert proportions.mcnemar(3, 0, 0, 4).p_value == 1.0


def test_a_margin_that_leaves_the_unit_interval_is_refused():
    with pytest.raises(ValueError, match="smaller margin"):
        proportions.equivalence_to_constant(5, 10, null=0.9, margin=0.2)
    with pytest.raises(ValueError, match="use method='score'"):
        proportions.equivalence_two_proportions(500, 1000, 480, 1000, margin=0.1, method="exact")


def test_wald_equivalence_equals_toster():
    # TOSTER for R: TOSTtwo.prop(.65, .70, 100, 100, -.1, .1): Z = 0.756, p = 0.225.
    found = proportions.equivalence_two_proportions(65, 100, 70, 100, margin=0.1, method="wald")
    assert stats.norm.isf(found.p_value) == pytest.approx(0.756, abs=5e-4)
    assert found.p_value == pytest.approx(0.225, abs=5e-4)
    # twoprop_test(.49, .51, 10000, 10000, null = .05, alternative = "e"): z = 4.2435, p = 1.1e-05.
    found = proportions.equivalence_two_proportions(4900, 10000, 5100, 10000, margin=0.05,
                                                    method="wald")  # fmt: skip
    assert stats.norm.isf(found.p_value) == pytest.approx(4.2435, abs=5e-4)
    assert (found.lower, found.upper) == pytest.approx((-0.03163, -0.00837), abs=5e-5)
    # powerTOSTtwo.prop: 542 a group for 90 % power at .5 against .5 within .1, by the normal
    # approximation; ours sums the binomial probabilities of the tables that reach equivalence.
    power = proportions.power_equivalence_two_proportions(542, 542, 0.5, 0.5, margin=0.1,
                                                          method="wald")  # fmt: skip
    assert power.estimate == pytest.approx(0.9, abs=0.01)
    empty = proportions.equivalence_two_proportions(0, 20, 0, 20, margin=0.1, method="wald")
    assert not empty.details["equivalent"]
    assert "degenerate" in empty.notes[0]
