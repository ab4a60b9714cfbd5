"""Realism rates: the four ways, the crossed mean, the bootstrap, HYPE, tables with faults."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from readerstudy.analysis import bootstrap, mrmc
from readerstudy.analysis.crossed_mean import (
    crossed_mean,
    u_statistic_difference,
    u_statistic_rate,
)
from readerstudy.analysis.mixed import NODES, WEIGHTS
from readerstudy.analysis.multiplicity import adjust
from readerstudy.analysis.realism import (
    hype_infinity,
    hype_time,
    reader_averaged,
    realism_rates,
    staircase_next,
)
from tests.analysis.judgment_tables import judgment_table

FAST = {"replicates": 300}


def swap_words(table):
    return table.assign(judgment=table["judgment"].map({"real": "synthetic", "synthetic": "real"}))


def test_the_four_ways_agree_on_an_ordinary_study():
    result = realism_rates(judgment_table(12, 80), replicates=2000)
    rate = result.by_origin["generated"]
    values = [e.estimate for _, e in rate.estimates()]
    assert max(values) - min(values) < 0.01
    errors = [rate.u_statistic.standard_error, rate.mixed.standard_error,
              rate.reader_averaged.standard_error, rate.bootstrap.standard_error]  # fmt: skip
    assert max(errors) / min(errors) < 1.6
    naive = rate.binomial
    assert naive.upper - naive.lower < rate.u_statistic.upper - rate.u_statistic.lower
    assert "ignores" in naive.notes[-1]


def test_the_u_statistic_equals_the_mrmc_modules_and_imrmcs_moments():
    # The same estimator written independently in readerstudy.analysis.mrmc, which is held to
    # iMRMC's printed numbers.
    table = judgment_table(7, 30, seed=4)
    mask = table["origin"] == "generated"
    found = realism_rates(table, **FAST).by_origin["generated"].u_statistic
    other = mrmc.u_statistics(
        table[mask].assign(rating=(table.loc[mask, "judgment"] == "real").astype(int)),
        metric="proportion",
        truth=None,
        modality=None,
    )
    theirs = next(iter(other.modalities.values()))
    assert found.estimate == pytest.approx(theirs.estimate)
    if min(found.details["reader_variance"], found.details["case_variance"]) > 0:
        assert found.standard_error == pytest.approx(theirs.standard_error, rel=1e-6)


def test_crossed_mean_variance_by_hand():
    # Two readers, two cases: y = [[1, 0], [1, 1]]. M(reader) = mean of y11 y12, y21 y22 = 1/2;
    # M(case) = mean of y11 y21, y12 y22 = 1/2; M(other) = mean of y11 y22, y12 y21 = 1/2.
    mean = crossed_mean(np.array([[1.0, 0.0], [1.0, 1.0]]))
    assert mean.mean == 0.75
    assert mean.reader_variance == pytest.approx(0.0)
    assert mean.variance == pytest.approx((0.75 - 0.5) / 4)


def test_crossed_mean_variance_is_unbiased():
    rng = np.random.default_rng(0)
    means, variances = [], []
    for _ in range(1500):
        logit = 0.5 + 0.8 * rng.normal(size=(5, 1)) + 0.8 * rng.normal(size=(1, 12))
        y = (rng.random((5, 12)) < special.expit(logit)).astype(float)
        y[rng.random(y.shape) < 0.2] = np.nan
        mean = crossed_mean(y)
        means.append(mean.mean)
        variances.append(mean.variance)
    # Truncating negative components adds a little; the ratio's own standard error is 4 %.
    assert np.mean(variances) / np.var(means, ddof=1) == pytest.approx(1.0, abs=0.15)


def test_plain_equalities_of_a_reader_by_hand():
    table = judgment_table(5, 20, seed=3)
    result = realism_rates(table, **FAST)
    rates = (
        table[table["origin"] == "generated"]
        .assign(real=lambda t: t["judgment"] == "real")
        .groupby("reader")["real"]
        .mean()
    )
    expected = stats.ttest_1samp(rates, 0.5)
    found = result.by_origin["generated"].reader_averaged
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (found.lower, found.upper) == pytest.approx((interval.low, interval.high))
    assert result.by_reader["R0"]["generated"].estimate == pytest.approx(rates["R0"])


def test_park_2021_numbers_are_what_a_reader_would_compare_with():
    # Park 2021, JMIR e23328: 10 readers x 300 scans, 1781/3000 correct, 779/1500 generated called
    # generated: so 1002/1500 acquired called real and 721/1500 generated called real.
    reader, case = np.divmod(np.arange(3000), 300)
    origin = np.where(case < 150, "acquired", "generated")
    real = np.zeros(3000, dtype=bool)
    real[np.flatnonzero(origin == "acquired")[:1002]] = True
    real[np.flatnonzero(origin == "generated")[:721]] = True
    table = pd.DataFrame(
        {"reader": reader, "case": case, "origin": origin,
         "judgment": np.where(real, "real", "synthetic")}
    )  # fmt: skip
    result = realism_rates(table, replicates=200)
    assert result.accuracy.successes == 1781
    assert result.accuracy.u_statistic.estimate == pytest.approx(1781 / 3000)
    assert result.by_origin["generated"].u_statistic.estimate == pytest.approx(721 / 1500)
    assert result.hype.estimate == pytest.approx((721 / 1500 + 498 / 1500) / 2)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_names_order_and_words_change_nothing(seed):
    table = judgment_table(4, 16, seed=seed).drop(columns=["generator", "labels"])
    base = realism_rates(table, **FAST)
    renamed = table.sample(frac=1, random_state=seed).assign(
        reader=lambda t: "x" + t["reader"], case=lambda t: "y" + t["case"]
    )
    other = realism_rates(renamed, **FAST)
    swapped = realism_rates(swap_words(table), **FAST)
    for origin in ("acquired", "generated"):
        for way in ("u_statistic", "reader_averaged", "mixed"):
            a, b, c = (getattr(r.by_origin[origin], way) for r in (base, other, swapped))
            assert b.estimate == pytest.approx(a.estimate, abs=1e-4)
            assert b.lower == pytest.approx(a.lower, abs=1e-3)
            assert c.estimate == pytest.approx(1 - a.estimate, abs=1e-3)
            assert (c.lower, c.upper) == pytest.approx((1 - a.upper, 1 - a.lower), abs=5e-3)
    a, c = base.difference["u_statistic"], swapped.difference["u_statistic"]
    assert c.estimate == pytest.approx(-a.estimate)


def test_the_table_is_checked_by_row():
    table = judgment_table(3, 10)
    with pytest.raises(ValueError, match=r"row 4: judgment 'maybe' is unknown"):
        realism_rates(table.assign(judgment=table["judgment"].where(table.index != 4, "maybe")))
    with pytest.raises(ValueError, match=r"row 7: origin 'fake'"):
        realism_rates(table.assign(origin=table["origin"].where(table.index != 7, "fake")))
    with pytest.raises(ValueError, match=r"rows 0, 30: reader 'R0' has more than one"):
        realism_rates(pd.concat([table, table.iloc[[0]]], ignore_index=True))
    with pytest.raises(ValueError, match="no column 'origin'"):
        realism_rates(table.drop(columns="origin"))
    turned = table.copy()
    turned.loc[0, "origin"] = "generated"
    with pytest.raises(ValueError, match="both acquired and generated"):
        realism_rates(turned)
    with pytest.raises(ValueError, match="row 2: reader is missing"):
        realism_rates(table.assign(reader=table["reader"].where(table.index != 2)))
    with pytest.raises(ValueError, match="no reading has a judgment"):
        realism_rates(table.assign(judgment=None))


def test_repeats_and_missing_judgments_are_left_out_and_counted():
    table = judgment_table(3, 10)
    repeats = table.head(4).assign(repeat_of="p1", judgment="real")
    longer = pd.concat([table.assign(repeat_of=""), repeats], ignore_index=True)
    longer.loc[5, "judgment"] = None
    result = realism_rates(longer, **FAST)
    assert result.by_origin["acquired"].n + result.by_origin["generated"].n == 29
    assert any("4 repeat" in note for note in result.notes)
    assert any("1 readings without" in note for note in result.notes)


@pytest.mark.parametrize(("readers", "cases"), [(1, 10), (5, 2), (1, 2), (2, 2)])
def test_small_studies_have_defined_answers(readers, cases):
    result = realism_rates(judgment_table(readers, cases, seed=2), margin=0.2, **FAST)
    json.dumps(result.to_dict(), allow_nan=False)
    for _, _, estimate in result.rows():
        assert estimate.lower is None or estimate.lower <= estimate.upper or math.isnan(
            estimate.lower
        )  # fmt: skip


def test_one_origin_only_has_no_difference():
    table = judgment_table(4, 12)
    result = realism_rates(table[table["origin"] == "generated"], **FAST)
    assert result.difference == {}
    assert result.hype is None
    assert any("no comparison" in note for note in result.notes)


def test_readers_who_all_say_real_are_degenerate_not_certain():
    table = judgment_table(4, 12).assign(judgment="real")
    rate = realism_rates(table, margin=0.2, **FAST).by_origin["generated"]
    assert rate.u_statistic.estimate == 1.0
    # Clopper-Pearson as if four readers had answered once.
    assert rate.u_statistic.lower == pytest.approx(0.025 ** (1 / 4))
    assert "degenerate" in rate.u_statistic.notes[-1]
    assert "degenerate" in rate.bootstrap.notes[-1]
    assert rate.mixed.upper == 1.0
    assert not any(e.details["equivalent"] for e in rate.equivalence.values())


def test_equivalence_is_the_short_interval_inside_the_margin():
    result = realism_rates(
        judgment_table(25, 120, generated_logit=0.0, reader_sd=0.2, case_sd=0.2),
        margin=0.1,
        replicates=2000,
    )
    for estimate in result.by_origin["generated"].equivalence.values():
        inside = estimate.lower > 0.4 and estimate.upper < 0.6
        assert estimate.details["equivalent"] == inside
        assert estimate.level == pytest.approx(0.9)
    assert result.by_origin["generated"].equivalence["u_statistic"].details["equivalent"]


def test_bootstrap_by_weights_equals_drawing_rows():
    # One replicate done the slow way from the same weights.
    rng = np.random.default_rng(3)
    y = (rng.random((4, 9)) < 0.6).astype(float)
    y[0, 2] = np.nan
    strata = np.array([0] * 4 + [1] * 5)
    masks = {"first": strata == 0, "second": strata == 1}
    found = bootstrap.bootstrap_rates(y, masks, strata=strata, replicates=25, seed=7)
    batches = list(bootstrap.crossed_weights(4, strata, replicates=25, seed=7))
    w_readers, w_cases = (np.concatenate([b[k] for b in batches]) for k in (0, 1))
    for b in range(25):
        rows = np.repeat(np.arange(4), w_readers[b].astype(int))
        columns = np.repeat(np.arange(9), w_cases[b].astype(int))
        drawn = y[np.ix_(rows, columns)]
        for name, stratum in (("first", 0), ("second", 1)):
            part = drawn[:, strata[columns] == stratum]
            assert found[name][b] == pytest.approx(np.nanmean(part))
    assert np.all(w_cases[:, :4].sum(axis=1) == 4)
    assert np.all(w_readers.sum(axis=1) == 4)


def test_one_way_bootstrap_error_is_the_textbook_one():
    # Cases only, one reader: the bootstrap error of a mean is sqrt(p(1-p)/n) (Efron 1979).
    y = np.array([[1.0] * 30 + [0.0] * 20])
    draws = bootstrap.bootstrap_rates(
        y, {"all": np.ones(50, bool)}, replicates=20_000, readers_random=False
    )["all"]
    assert draws.std() == pytest.approx(math.sqrt(0.24 / 50), rel=0.02)


@pytest.mark.parametrize("method", ["percentile", "basic", "normal", "expanded"])
def test_every_interval_of_the_bootstrap_holds_its_estimate(method):
    draws = np.random.default_rng(0).normal(0.5, 0.1, 5000)
    lower, upper = bootstrap.interval_from(draws, 0.5, method=method, units=8)
    assert lower < 0.5 < upper


def test_difference_covers_zero_where_nothing_differs():
    rng = np.random.default_rng(6)
    hits = 0
    for _ in range(300):
        taste = 0.5 * rng.normal(size=(8, 1))
        first, second = (
            (rng.random((8, 25)) < special.expit(taste + 0.6 * rng.normal(size=(1, 25)))).astype(
                float
            )
            for _ in range(2)
        )
        e = u_statistic_difference(first, second)
        hits += e.lower <= 0 <= e.upper
    assert abs(hits / 300 - 0.95) < 0.04


def coverage(studies: int, readers: int, cases: int, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    truth = float(WEIGHTS @ special.expit(0.4 + math.hypot(0.5, 0.8) * NODES))
    hits = {"u": 0, "bootstrap": 0, "readers": 0}
    for study in range(studies):
        logit = 0.4 + 0.5 * rng.normal(size=(readers, 1)) + 0.8 * rng.normal(size=(1, cases))
        y = (rng.random((readers, cases)) < special.expit(logit)).astype(float)
        u = u_statistic_rate(y)
        draws = bootstrap.bootstrap_rates(
            y, {"all": np.ones(cases, bool)}, replicates=500, seed=study
        )["all"]
        low, high = bootstrap.interval_from(draws, float(y.mean()))
        own = stats.t.interval(0.95, readers - 1, y.mean(), stats.sem(y.mean(axis=1)))
        hits["u"] += u.lower <= truth <= u.upper
        hits["bootstrap"] += low <= truth <= high
        hits["readers"] += own[0] <= truth <= own[1]
    return {way: count / studies for way, count in hits.items()}


def test_intervals_cover_within_their_stated_error():
    found = coverage(250, 6, 40, 0)
    assert abs(found["u"] - 0.95) < 0.042
    assert found["bootstrap"] > 0.91


@pytest.mark.load
def test_intervals_cover_in_a_long_run():
    found = coverage(3000, 5, 40, 1)
    assert abs(found["u"] - 0.95) < 0.02
    assert found["bootstrap"] > 0.935  # conservative by its nature
    assert found["readers"] > 0.89  # forgets the cases' share


def test_hype_infinity_averages_both_errors_over_readers():
    # Reader 0: errors 1/2 on generated, 0 on acquired; reader 1: 1 and 1/2. By hand 0.25, 0.75.
    real = np.array([[1, 0, 1, 1], [1, 1, 1, 0]], dtype=float)
    generated = np.array([True, True, False, False])
    found = hype_infinity(real, generated)
    assert found.estimate == pytest.approx(0.5)
    assert found.standard_error == pytest.approx(0.25)


def test_hype_time_is_the_mode_of_each_staircase():
    table = pd.DataFrame(
        {"reader": ["a"] * 4 + ["b"] * 3, "exposure_ms": [500, 490, 490, 480, 300, 310, 300]}
    )
    found = hype_time(table)
    assert found.estimate == pytest.approx((490 + 300) / 2)
    with pytest.raises(ValueError, match="row 2: exposure_ms must be positive"):
        hype_time(table.assign(exposure_ms=[1, 1, 0, 1, 1, 1, 1]))


def test_a_staircase_settles_where_three_in_four_are_right():
    rng = np.random.default_rng(0)
    exposure, right = 500.0, []
    for _ in range(20_000):
        p = special.expit((exposure - 400) / 60)
        correct = bool(rng.random() < p)
        right.append(correct)
        exposure = staircase_next(exposure, correct=correct)
        assert 100 <= exposure <= 1000
    assert np.mean(right[500:]) == pytest.approx(0.75, abs=0.01)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.4))
def test_the_complement_mirrors_the_ways(seed, missing):
    rng = np.random.default_rng(seed)
    real = (rng.random((4, 12)) < rng.uniform(0.2, 0.8)).astype(float)
    real[rng.random(real.shape) < missing] = np.nan
    for way in (u_statistic_rate, reader_averaged):
        a, b = way(real, null=0.5, level=0.95), way(1 - real, null=0.5, level=0.95)
        assert b.estimate == pytest.approx(1 - a.estimate)
        assert (b.lower, b.upper) == pytest.approx((1 - a.upper, 1 - a.lower))
        assert b.p_value == (None if a.p_value is None else pytest.approx(a.p_value))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 20.0))
def test_exposures_in_other_units_only_scale(seed, factor):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"reader": np.repeat([1, 2, 3], 6), "exposure_ms": rng.integers(10, 40, 18) * 10.0}
    )
    a = hype_time(table)
    b = hype_time(table.assign(exposure_ms=table["exposure_ms"] * factor))
    assert b.estimate == pytest.approx(factor * a.estimate)
    assert (b.lower, b.upper) == pytest.approx((factor * a.lower, factor * a.upper))


def test_generators_are_compared_with_each_other_and_adjusted_for_their_number():
    table = judgment_table(5, 36)
    names = table["case"].map(lambda case: "abc"[sum(map(ord, str(case))) % 3])
    table["generator"] = names.where(table["origin"] == "generated", "")
    found = realism_rates(table, replicates=50)
    pairs = found.generator_comparison
    assert list(pairs) == ["a - b", "a - c", "b - c"]
    p = [pair["u_statistic"].p_value for pair in pairs.values()]
    for way, details in (("holm", "p_holm"), ("bh", "p_bh")):
        stored = [pair["u_statistic"].details[details] for pair in pairs.values()]
        assert stored == pytest.approx(list(adjust(p, way)))
    swapped = table.assign(generator=table["generator"].replace({"a": "b", "b": "a"}))
    other = realism_rates(swapped, replicates=50).generator_comparison["a - b"]["u_statistic"]
    assert other.estimate == pytest.approx(-pairs["a - b"]["u_statistic"].estimate)


def test_all_alike_is_no_certainty_by_any_way():
    # Three readers: P(all three alike by chance) twice is 1/4; resamples say nothing.
    table = judgment_table(3, 8).assign(judgment="real")
    rate = realism_rates(table, replicates=50, margin=0.2).by_origin["generated"]
    assert rate.u_statistic.p_value == rate.mixed.p_value == 0.25
    assert (rate.mixed.lower, rate.mixed.upper) == (rate.u_statistic.lower, 1.0)
    assert rate.bootstrap.lower is None
    assert rate.bootstrap.p_value is None
    assert not any(e.details["equivalent"] for e in rate.equivalence.values())


def test_without_the_mixed_model_the_other_ways_are_what_they_were():
    """Simulations look at the primary estimates alone, and need not wait for the fits."""
    table = judgment_table(readers=4, cases=24, seed=5)
    whole = realism_rates(table, replicates=50, margin=0.1)
    quick = realism_rates(table, replicates=50, margin=0.1, mixed_model=False)
    for origin, rate in whole.by_origin.items():
        other = quick.by_origin[origin]
        assert other.u_statistic == rate.u_statistic
        assert other.equivalence["u_statistic"] == rate.equivalence["u_statistic"]
        assert math.isnan(other.mixed.estimate)
        assert "not asked for" in other.mixed.method
        assert "mixed" not in other.equivalence
    assert quick.difference["u_statistic"] == whole.difference["u_statistic"]
    assert quick.accuracy.primary == whole.accuracy.primary
