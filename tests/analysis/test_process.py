"""Reading times, order and confidence against lme4, R's documentation, sklearn and statsmodels."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from readerstudy.analysis.process import (
    brier,
    calibration,
    confidence_by_reader,
    duration_model,
    fit_crossed,
    position_effect,
    reliability_curve,
    resolution,
    trend_by_position,
)

DURATIONS = pd.read_csv(Path(__file__).parent / "data" / "durations.csv")


def test_log_normal_mixed_model_equals_lme4():
    # lme4::lmer(log(duration) ~ position + (1 | reader) + (1 | case)), REML, by
    # benchmarks/analysis_reference_two.R on tests/analysis/data/durations.csv.
    found = duration_model(DURATIONS, covariates=["position"])
    slope = found["position"]
    assert slope.details["log_estimate"] == pytest.approx(-0.01048459019, rel=1e-6)
    assert slope.details["log_standard_error"] == pytest.approx(0.003627858145, rel=1e-6)
    assert slope.statistic == pytest.approx(-2.890022094, rel=1e-6)
    assert slope.details["var_case"] == pytest.approx(0.04150767814, rel=1e-4)
    assert slope.details["var_reader"] == pytest.approx(0.10078099026, rel=1e-4)
    assert slope.details["var_error"] == pytest.approx(0.15279534419, rel=1e-5)
    assert slope.details["log_likelihood"] == pytest.approx(-114.2537153, abs=1e-6)
    assert found["geometric_mean"].details["intercept"] == pytest.approx(3.04688062449, rel=1e-7)
    assert slope.estimate == pytest.approx(math.exp(-0.01048459019))


def test_degrees_of_freedom_equal_lmertest():
    # lmerTest (benchmarks/analysis_reference_two.R), on the whole table and three quarters of it.
    slope = duration_model(DURATIONS, covariates=["position"])["position"]
    assert slope.df == pytest.approx(167.450223923, rel=1e-4)
    assert slope.p_value == pytest.approx(4.362521267e-03, rel=1e-5)
    rest = DURATIONS.drop(index=range(0, len(DURATIONS), 4)).assign(
        origin=lambda d: np.where(d["case"] % 2, "generated", "acquired")
    )
    found = duration_model(rest, covariates=["origin", "position"])
    ratio = found["origin generated / acquired"]
    assert ratio.details["log_estimate"] == pytest.approx(-0.137793218653, rel=1e-6)
    assert ratio.details["log_standard_error"] == pytest.approx(0.098501977169, rel=1e-6)
    assert ratio.df == pytest.approx(27.50555139, rel=1e-4)
    assert ratio.p_value == pytest.approx(0.1730222337, rel=1e-5)
    assert found["position"].df == pytest.approx(125.38024908, rel=1e-4)
    # Few readers carry the mean: its interval is a t interval on few degrees of freedom.
    assert 3 < found["geometric_mean"].df < 12


def test_position_effect_is_a_ratio_per_positions():
    ten = position_effect(DURATIONS)["position trend"]
    one = duration_model(DURATIONS, covariates=["position"])["position"]
    assert ten.estimate == pytest.approx(one.estimate**10, rel=1e-6)
    assert ten.p_value == pytest.approx(one.p_value, rel=1e-6)
    assert ten.details["likelihood_ratio_p"] == pytest.approx(ten.p_value, rel=0.3)
    assert "position curvature" in position_effect(DURATIONS, shape="quadratic")
    assert position_effect(DURATIONS, shape="log")["position doubling"].estimate < 1


def test_durations_scale_and_order_of_rows_do_not_matter():
    found = duration_model(DURATIONS, covariates=["position"])
    other = duration_model(
        DURATIONS.sample(frac=1.0, random_state=1).assign(duration=lambda d: d["duration"] * 1000),
        covariates=["position"],
    )
    assert other["position"].estimate == pytest.approx(found["position"].estimate, rel=1e-6)
    assert other["geometric_mean"].estimate == pytest.approx(
        1000 * found["geometric_mean"].estimate, rel=1e-6
    )


def test_without_random_effects_the_model_is_least_squares():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(40), rng.normal(size=40)])
    y = x @ [1.0, 2.0] + rng.normal(size=40)
    one = np.zeros(40, dtype=np.intp)
    fit = fit_crossed(y, x, one, one)
    beta, *_ = np.linalg.lstsq(x, y, rcond=None)
    assert fit.beta == pytest.approx(beta)
    assert fit.var_error == pytest.approx(((y - x @ beta) ** 2).sum() / 38)
    assert len(fit.notes) == 2


def test_a_variance_at_its_boundary_is_said():
    table = pd.DataFrame(
        [(r, c, 10.0 + ((r + c) % 2)) for r in range(4) for c in range(4)],
        columns=["reader", "case", "duration"],
    )
    found = duration_model(table)["geometric_mean"]
    assert any("boundary" in note for note in found.notes)


def test_labels_as_covariates_are_ratios_to_the_first_level():
    table = DURATIONS.assign(origin=np.where(DURATIONS["case"] % 2, "generated", "acquired"))
    found = duration_model(table, covariates=["origin"])
    assert set(found) == {"geometric_mean", "origin generated / acquired"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(duration=t["duration"].where(t.index != 4, -1.0)), "row 4: duration"),
        (lambda t: t.assign(duration="long"), "not a number"),
        (lambda t: t.drop(columns="case"), "'case'"),
        (lambda t: t.assign(position=1), "linearly dependent"),
        (lambda t: t.assign(reader=t["reader"].where(t.index != 2)), "row 2: reader is empty"),
    ],
)
def test_faulty_durations_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        duration_model(change(DURATIONS), covariates=["position"])


def test_trend_of_one_stratum_is_the_chi_square_of_r():
    # ?prop.trend.test: smokers 83, 90, 129, 70 of 86, 93, 136, 82: X-squared 8.2249, df 1,
    # p 0.004132; Mantel's variance has n - 1 in place of n.
    smokers, patients = [83, 90, 129, 70], [86, 93, 136, 82]
    table = pd.DataFrame(
        [(0, group, int(k < s)) for group, (s, m) in enumerate(zip(smokers, patients, strict=True))
         for k in range(m)],
        columns=["reader", "position", "correct"],
    )  # fmt: skip
    found = trend_by_position(table)["trend"]
    n = sum(patients)
    assert found.statistic**2 * n / (n - 1) == pytest.approx(8.2249, abs=5e-5)


def test_readers_of_different_levels_do_not_make_a_trend():
    rng = np.random.default_rng(3)
    rows = []
    for reader, (share, start) in enumerate([(0.9, 0), (0.5, 100)]):
        rows += [(reader, start + k, int(rng.random() < share)) for k in range(100)]
    table = pd.DataFrame(rows, columns=["reader", "position", "correct"])
    assert trend_by_position(table)["trend"].p_value > 0.01
    pooled = trend_by_position(table.assign(reader=0))["trend"]
    assert pooled.p_value < 1e-6


def test_an_outcome_that_never_varies_is_degenerate():
    table = pd.DataFrame({"reader": [1] * 6, "position": range(6), "correct": [1] * 6})
    found = trend_by_position(table)["trend"]
    assert found.p_value is None
    assert "degenerate" in found.notes[0]


probabilities = st.lists(
    st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9]), st.integers(0, 1)),
    min_size=3,
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(probabilities)
def test_brier_equals_sklearn_and_murphy_adds_up(pairs):
    p, y = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    found = brier(p, y)
    assert found.estimate == pytest.approx(brier_score_loss(y, p, pos_label=1))
    d = found.details
    assert d["reliability"] - d["resolution"] + d["uncertainty"] == pytest.approx(found.estimate)


def test_brier_of_wikipedia_example():
    # "Brier score": forecast 70 %, it rains 0.09; it does not 0.49; 50 % gives 0.25 either way.
    assert brier([0.7], [1]).estimate == pytest.approx(0.09)
    assert brier([0.7], [0]).estimate == pytest.approx(0.49)
    assert brier([0.5, 0.5], [0, 1]).estimate == pytest.approx(0.25)


def test_calibration_slope_equals_statsmodels():
    import statsmodels.api as sm

    rng = np.random.default_rng(7)
    p = rng.uniform(0.05, 0.95, 300)
    y = (rng.random(300) < 0.5 + 0.6 * (p - 0.5)).astype(float)
    found = calibration(p, y)
    fit = sm.Logit(y, sm.add_constant(np.log(p / (1 - p)))).fit(disp=0)
    assert found["intercept"].estimate == pytest.approx(fit.params[0], abs=1e-7)
    assert found["slope"].estimate == pytest.approx(fit.params[1], abs=1e-7)
    assert found["slope"].standard_error == pytest.approx(fit.bse[1], rel=1e-5)
    assert found["slope"].upper < 1.0
    assert found["in_the_large"].estimate == pytest.approx(p.mean() - y.mean())


def test_separated_confidence_has_no_slope():
    found = calibration([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])["slope"]
    assert math.isnan(found.estimate)
    assert "separates" in found.notes[-1]
    assert any("drawn in" in n for n in calibration([0, 1, 0.5, 0.4], [0, 1, 0, 1])["slope"].notes)


def test_reliability_curve_equals_sklearn():
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(9)
    p = rng.uniform(0, 1, 500)
    y = (rng.random(500) < p).astype(int)
    share, mean = calibration_curve(y, p, n_bins=10)
    curve = reliability_curve(p, y)
    assert curve["share"].to_numpy() == pytest.approx(share)
    assert curve["mean_probability"].to_numpy() == pytest.approx(mean)
    assert 0 < curve.attrs["ece"] < 0.1


def test_resolution_is_the_type_two_auc():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(8)
    c = rng.integers(1, 6, 200).astype(float)
    y = (rng.random(200) < 0.3 + 0.1 * c).astype(float)
    found = resolution(c, y)
    assert found.estimate == pytest.approx(roc_auc_score(y, c))
    assert found.p_value < 0.05
    assert math.isnan(resolution([1, 2], [1, 1]).estimate)
    assert resolution([1, 2, 3, 4], [0, 0, 1, 1]).notes[0].startswith("degenerate")


def test_confidence_by_reader_averages_readers():
    rng = np.random.default_rng(4)
    table = pd.DataFrame(
        [(r, p, int(rng.random() < 0.6)) for r in range(5) for p in rng.uniform(0.5, 1, 40)],
        columns=["reader", "confidence", "correct"],
    )
    found = confidence_by_reader(table)
    per = [brier(g["confidence"], g["correct"]).estimate for _, g in table.groupby("reader")]
    assert found["brier"].estimate == pytest.approx(np.mean(per))
    assert found["brier"].df == 4.0
    assert found["overconfidence"].p_value < 0.05
    with pytest.raises(ValueError, match="row 0: confidence must lie"):
        confidence_by_reader(table.assign(confidence=table["confidence"].where(table.index > 0, 7)))


def test_rows_of_one_index_are_not_counted_twice():
    # Tables put together keep their old index; readers' values must not mix.
    one = pd.DataFrame({"reader": "A", "confidence": [0.9, 0.6, 0.8], "correct": [1, 0, 1]})
    two = pd.DataFrame({"reader": "B", "confidence": [0.5, 0.7, 0.6], "correct": [0, 1, 1]})
    joined = confidence_by_reader(pd.concat([one, two]))["brier"]
    apart = [brier(t["confidence"], t["correct"]).estimate for t in (one, two)]
    assert joined.details["per_reader"] == pytest.approx(apart)


def test_judgments_without_confidence_are_said_to_be_left_out():
    p, y = [0.9, 0.4, np.nan, 0.7, 0.2], [1, 0, 1, np.nan, 1]
    for found in (brier(p, y), calibration(p, y)["in_the_large"], resolution(p, y)):
        assert found.n == 3
        assert found.notes[0].startswith("2 judgments without")


def test_durations_that_never_vary_have_no_interval():
    found = duration_model(DURATIONS.assign(duration=7.0))["geometric_mean"]
    assert found.estimate == pytest.approx(7.0)
    assert found.lower is None
    assert "degenerate" in found.notes[-1]


def _mean_covered(simulations, seed):
    """Share of intervals of the mean log duration over its true value, five readers."""
    rng = np.random.default_rng(seed)
    who, what = (grid.ravel() for grid in np.indices((5, 20)))
    hits = 0
    for _ in range(simulations):
        y = 3 + rng.normal(0, 0.3, 5)[who] + rng.normal(0, 0.3, 20)[what]
        seconds = np.exp(y + rng.normal(0, 0.4, y.size))
        table = pd.DataFrame({"reader": who, "case": what, "duration": seconds})
        found = duration_model(table)["geometric_mean"]
        hits += found.lower <= math.exp(3) <= found.upper
    return hits / simulations


@pytest.mark.load
def test_interval_of_the_mean_covers_with_few_readers():
    # 95 % within three binomial standard errors, and two points that five readers' df may lose.
    assert 0.915 <= _mean_covered(1500, 3) <= 0.975


def _covered(simulations, seed):
    """Share of Wald intervals of the slope on position over its true value."""
    rng = np.random.default_rng(seed)
    who, what = (grid.ravel() for grid in np.indices((12, 20)))
    hits = 0
    for _ in range(simulations):
        place = np.concatenate([rng.permutation(20) for _ in range(12)]).astype(float)
        y = rng.normal(0, 0.3, 12)[who] + rng.normal(0, 0.3, 20)[what] - 0.005 * place
        fit = fit_crossed(
            y + rng.normal(0, 0.4, y.size), np.column_stack([np.ones(y.size), place]), who, what
        )
        hits += abs(fit.beta[1] + 0.005) <= 1.959964 * math.sqrt(fit.covariance[1, 1])
    return hits / simulations


def test_interval_of_the_position_effect_covers():
    assert 0.86 <= _covered(60, 1) <= 1.0  # 95 % less three binomial standard errors, or more


@pytest.mark.load
def test_interval_of_the_position_effect_covers_closely():
    assert 0.935 <= _covered(2000, 2) <= 0.965
