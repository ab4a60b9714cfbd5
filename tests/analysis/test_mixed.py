"""The crossed logistic model against lme4, its gradient, its edges and its coverage."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from readerstudy.analysis.laplace import CrossedLaplace
from readerstudy.analysis.mixed import NODES, WEIGHTS, crossed_logistic

DATA = Path(__file__).parent / "data"
# lme4 1.1.31, glmer(nAGQ = 1, bobyqa, tolPwrss 1e-12): benchmarks/analysis_reference_one.R.
REFERENCE = json.loads((DATA / "reference_one.json").read_text())["mixed"]
TABLES = ["crossed_full", "crossed_sparse", "crossed_no_reader_variance"]


def fit(name: str, **options):
    table = pd.read_csv(DATA / f"{name}.csv")
    design = options.pop("design", None)
    if design == "slope":
        options |= {"names": ["intercept", "x"]}
        design = np.column_stack([np.ones(len(table)), table["x"]])
    return crossed_logistic(table["y"], table["reader"], table["case"], design, **options)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("model", ["intercept", "slope"])
def test_equals_glmer(name, model):
    expected = REFERENCE[f"{name} {model}"]
    found = fit(name, design=model if model == "slope" else None, interval="wald")
    coefficients = list(found.coefficients.values())
    assert found.log_likelihood == pytest.approx(expected["log_likelihood"], abs=2e-4)
    assert [e.estimate for e in coefficients] == pytest.approx(
        np.atleast_1d(expected["beta"]).tolist(), rel=3e-3, abs=1e-4
    )
    assert [e.standard_error for e in coefficients] == pytest.approx(
        np.atleast_1d(expected["se"]).tolist(), rel=5e-3
    )
    for factor in ("reader", "case"):
        sd = found.components[factor].estimate
        assert sd == pytest.approx(expected[factor], rel=3e-3, abs=1e-3)


@pytest.mark.parametrize("name", TABLES)
def test_a_third_crossed_factor_equals_glmer(name):
    table = pd.read_csv(DATA / f"{name}.csv")
    expected = REFERENCE[f"{name} interaction"]
    found = crossed_logistic(
        table["y"],
        table["reader"],
        table["case"],
        np.column_stack([np.ones(len(table)), table["x"]]),
        extra_factors={"reader by x": table["reader"] * 2 + table["x"]},
        interval="wald",
    )
    assert found.log_likelihood == pytest.approx(expected["log_likelihood"], abs=5e-4)
    estimates = [e.estimate for e in found.coefficients.values()]
    assert estimates == pytest.approx(expected["beta"], rel=5e-3, abs=1e-3)
    assert found.components["reader by x"].estimate == pytest.approx(
        expected["reader_x"], rel=1e-2, abs=2e-3
    )


def test_profile_and_likelihood_ratio_equal_lme4():
    # confint(glmer, method = "profile") and the difference of two logLik.
    expected = REFERENCE["crossed_full slope"]
    found = fit("crossed_full", design="slope", interval="profile")
    x = found.coefficients["x"]
    assert x.details["likelihood_ratio"] == pytest.approx(expected["lr"], abs=1e-3)
    assert (x.lower, x.upper) == pytest.approx(expected["profile"]["x"], abs=0.01)
    intercept = found.coefficients["intercept"]
    assert (intercept.lower, intercept.upper) == pytest.approx(
        expected["profile"]["intercept"], abs=0.01
    )
    for factor in ("reader", "case"):
        component = found.components[factor]
        assert (component.lower, component.upper) == pytest.approx(
            expected["profile"][factor], abs=0.02
        )


def test_a_component_at_its_boundary_may_leave_it_where_a_coefficient_is_held():
    # lme4 1.1.31: both variances are zero at the maximum but not without x; a ratio that kept them
    # at zero would be 21.3. confint(glmer, method = "profile") for all four.
    found = fit("crossed_boundary", design="slope", interval="profile")
    assert found.log_likelihood == pytest.approx(-122.08659, abs=1e-4)
    x, intercept = found.coefficients["x"], found.coefficients["intercept"]
    assert x.details["likelihood_ratio"] == pytest.approx(19.10978, abs=1e-3)
    assert (x.lower, x.upper) == pytest.approx((-2.17738, -0.83005), abs=2e-3)
    assert (intercept.lower, intercept.upper) == pytest.approx((-0.92640, -0.18038), abs=2e-3)
    for factor, upper in (("reader", 0.50522), ("case", 0.59437)):
        component = found.components[factor]
        assert (component.estimate, component.lower) == (0.0, 0.0)
        assert component.upper == pytest.approx(upper, abs=2e-3)


def test_few_readers_widen_the_interval_as_their_number_asks():
    # Balanced, intercept only, readers alone: all of the variance lies between the six readers, and
    # the restricted likelihood's is 6 / 5 of it, known on 5 degrees of freedom.
    rng = np.random.default_rng(4)
    reader = np.repeat(np.arange(6), 4000)
    y = rng.random(len(reader)) < special.expit(0.3 + rng.normal(0, 0.8, 6)[reader])
    wald = crossed_logistic(y, reader, None, interval="wald").coefficients["intercept"]
    intercept = crossed_logistic(y, reader, None).coefficients["intercept"]
    assert intercept.details["t_standard_error"] ** 2 == pytest.approx(
        wald.standard_error**2 * 6 / 5, rel=0.02
    )
    assert intercept.details["t_df"] == pytest.approx(5, abs=0.01)


def test_intervals_of_lme4_say_where_few_readers_make_them_short():
    # Given eight readers or fewer, when lme4's intervals are asked for, then a note sends to t.
    rng = np.random.default_rng(1)
    reader, case = np.divmod(np.arange(4 * 25), 25)
    y = (rng.random(100) < 0.6).astype(float)
    for interval in ("wald", "profile"):
        asked = crossed_logistic(y, reader, case, interval=interval).coefficients["intercept"]
        assert any("4 of reader" in note for note in asked.notes)
        lower, upper = asked.details["t_interval"]
        assert upper - lower > asked.upper - asked.lower
    honest = crossed_logistic(y, reader, case).coefficients["intercept"]
    assert (honest.lower, honest.upper) == pytest.approx(honest.details["t_interval"])
    assert honest.notes == ()


def test_the_difference_of_origins_has_the_interactions_degrees_of_freedom():
    # Reader by origin: 2 R levels, of which R go to the readers and one to origin. With so many
    # cases nothing else is in the variance, so t has R - 1 degrees of freedom, as in a paired test.
    rng = np.random.default_rng(2)
    readers, cases = 5, 1200
    reader, case = np.divmod(np.arange(readers * cases), cases)
    origin = (case % 2).astype(int)
    logit = rng.normal(0, 0.8, readers)[reader] + rng.normal(0, 0.9, (readers, 2))[reader, origin]
    y = (rng.random(len(logit)) < special.expit(logit)).astype(float)
    found = crossed_logistic(
        y, reader, case, np.column_stack([np.ones(len(y)), origin]), interval="wald",
        names=["intercept", "origin"], extra_factors={"reader by origin": 2 * reader + origin},
    )  # fmt: skip
    effect = found.coefficients["origin"]
    assert effect.details["t_df"] == pytest.approx(readers - 1, rel=0.15)
    assert effect.details["t_standard_error"] ** 2 == pytest.approx(
        effect.standard_error**2 * readers / (readers - 1), rel=0.05
    )


def test_notes_on_the_boundary_stand_in_one_order():
    # Given a table in which two components are at zero, when its rows come in any order,
    table = pd.read_csv(DATA / "crossed_boundary.csv")
    for seed in (1, 2):
        mixed = table.sample(frac=1, random_state=seed)
        found = crossed_logistic(mixed["y"], mixed["reader"], mixed["case"],
                                 np.column_stack([np.ones(len(mixed)), mixed["x"]]),
                                 interval="wald")  # fmt: skip
        # then the notes come in the order of the names.
        said = [note.split()[1] for note in found.notes if "boundary" in note]
        assert said == sorted(said) == ["case", "reader"]


def test_complete_separation_opens_the_intercept_too():
    # Given answers that a covariate gives away without exception,
    reader, case = np.divmod(np.arange(80), 20)
    x = (case < 10).astype(float)
    # when they are fitted, then both coefficients run away, and both are said to.
    found = crossed_logistic(x, reader, case, np.column_stack([np.ones(80), x]), interval="wald")
    assert found.coefficients["intercept"].lower == -math.inf
    assert found.coefficients["x1"].upper == math.inf
    assert any("intercept, x1" in note for note in found.notes)
    assert all(e.notes for e in found.coefficients.values())


def test_statsmodels_bayesian_standard_errors_are_half_of_lme4s():
    # Why that model is not used here: its posterior is a mean-field approximation.
    table = pd.read_csv(DATA / "crossed_full.csv")
    model = sm.BinomialBayesMixedGLM.from_formula(
        "y ~ 1", {"reader": "0 + C(reader)", "case": "0 + C(case)"}, table
    )
    theirs = float(model.fit_vb().fe_sd[0])
    assert theirs < 0.7 * REFERENCE["crossed_full intercept"]["se"]


def test_without_factors_it_is_plain_logistic_regression():
    table = pd.read_csv(DATA / "crossed_full.csv")
    design = np.column_stack([np.ones(len(table)), table["x"]])
    ours = crossed_logistic(table["y"], None, None, design, interval="wald")
    theirs = sm.Logit(table["y"], design).fit(disp=0)
    assert [e.estimate for e in ours.coefficients.values()] == pytest.approx(
        theirs.params.tolist(), abs=1e-5
    )
    assert [e.standard_error for e in ours.coefficients.values()] == pytest.approx(
        theirs.bse.tolist(), rel=1e-4
    )
    assert ours.log_likelihood == pytest.approx(theirs.llf)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_the_gradient_is_the_slope_of_the_likelihood(seed):
    rng = np.random.default_rng(seed)
    rows = 120
    factors = [rng.integers(0, 5, rows), rng.integers(0, 30, rows), rng.integers(0, 8, rows)]
    for codes, levels in zip(factors, (5, 30, 8), strict=True):
        codes[:levels] = np.arange(levels)
    x = np.column_stack([np.ones(rows), rng.normal(size=rows)])
    trials = rng.integers(1, 4, rows).astype(float)
    y = rng.binomial(trials.astype(int), 0.4).astype(float)
    model = CrossedLaplace(y, trials, x, factors)
    theta = np.concatenate([rng.normal(size=2) * 0.5, rng.uniform(0.2, 1.5, 3)])
    _, gradient = model.evaluate(theta[:2], theta[2:])
    for j in range(5):
        step = np.zeros(5)
        step[j] = 1e-5
        up = model.evaluate((theta + step)[:2], (theta + step)[2:])[0]
        down = model.evaluate((theta - step)[:2], (theta - step)[2:])[0]
        assert gradient[j] == pytest.approx((up - down) / 2e-5, rel=1e-3, abs=1e-4)


def test_invariant_to_names_order_and_label_swap():
    table = pd.read_csv(DATA / "crossed_sparse.csv")
    base = crossed_logistic(table["y"], table["reader"], table["case"], interval="wald")
    mixed = table.sample(frac=1, random_state=3)
    names = mixed["reader"].map(lambda r: f"reader {9 - r}")
    other = crossed_logistic(mixed["y"], names, mixed["case"] * 7 + 3, interval="wald")
    swapped = crossed_logistic(1 - table["y"], table["reader"], table["case"], interval="wald")
    b, o, s = (f.coefficients["intercept"] for f in (base, other, swapped))
    assert o.estimate == pytest.approx(b.estimate, abs=1e-5)
    assert s.estimate == pytest.approx(-b.estimate, abs=1e-5)
    assert o.standard_error == pytest.approx(b.standard_error, rel=1e-4)
    assert swapped.marginal.estimate == pytest.approx(1 - base.marginal.estimate, abs=1e-5)
    assert swapped.marginal.lower == pytest.approx(1 - base.marginal.upper, abs=1e-4)


def test_successes_of_trials_are_the_same_as_single_rows():
    table = pd.read_csv(DATA / "crossed_full.csv")
    grouped = table.groupby(["reader", "x"])["y"].agg(["sum", "count"]).reset_index()
    single = crossed_logistic(table["y"], table["reader"], None, interval="wald")
    counted = crossed_logistic(
        grouped["sum"], grouped["reader"], None, trials=grouped["count"], interval="wald"
    )
    a, b = single.coefficients["intercept"], counted.coefficients["intercept"]
    assert b.estimate == pytest.approx(a.estimate, abs=1e-5)
    assert b.standard_error == pytest.approx(a.standard_error, rel=1e-3)


def test_marginal_probability_is_the_average_over_readers_and_cases():
    found = fit("crossed_full", interval="wald")
    spread = math.hypot(*(found.components[f].estimate for f in ("reader", "case")))
    draws = np.random.default_rng(0).normal(size=400_000) * spread
    simulated = special.expit(found.coefficients["intercept"].estimate + draws).mean()
    assert found.marginal.estimate == pytest.approx(simulated, abs=2e-3)


def test_the_boundary_is_dropped_and_said():
    found = fit("crossed_no_reader_variance", interval="wald")
    if REFERENCE["crossed_no_reader_variance intercept"]["reader"] < 1e-3:
        assert found.components["reader"].estimate == 0.0
        assert any("boundary" in note for note in found.notes)


def test_every_outcome_alike_is_penalised_and_open():
    reader, case = np.divmod(np.arange(60), 15)
    found = crossed_logistic(np.ones(60), reader, case)
    intercept = found.coefficients["intercept"]
    assert math.isfinite(intercept.estimate)
    assert intercept.upper == math.inf
    assert math.isfinite(intercept.lower)
    assert found.marginal.upper == 1.0
    assert 0.5 < found.marginal.lower < 1.0
    assert any("separation" in note for note in found.notes)
    mirrored = crossed_logistic(np.zeros(60), reader, case)
    assert mirrored.marginal.lower == 0.0
    assert mirrored.coefficients["intercept"].estimate == pytest.approx(
        -intercept.estimate, abs=1e-4
    )


def test_a_separating_column_is_named():
    rng = np.random.default_rng(0)
    reader, case = np.divmod(np.arange(80), 20)
    x = (case < 10).astype(float)
    y = np.where(x == 1, 1, rng.random(80) < 0.5)
    found = crossed_logistic(y, reader, case, np.column_stack([np.ones(80), x]))
    assert found.coefficients["x1"].upper == math.inf
    assert any("x1" in note and "log-F" in note for note in found.notes)


def test_readers_who_never_vary_do_not_give_a_short_interval():
    reader, case = np.divmod(np.arange(60), 15)
    found = crossed_logistic((reader < 2).astype(float), reader, case, interval="wald")
    # Four readers, two always yes: nothing narrower than about four coin tosses.
    assert found.marginal.upper - found.marginal.lower > 0.5
    assert any("no finite estimate" in note for note in found.notes)


def test_levels_that_cannot_be_estimated_are_dropped():
    found = crossed_logistic([1, 0, 1, 1, 0], [0] * 5, [0, 1, 2, 3, 4])
    assert found.components == {}
    assert found.coefficients["intercept"].estimate == pytest.approx(special.logit(0.6), abs=1e-4)
    assert any("one reader only" in note for note in found.notes)
    assert any("one reading for every case" in note for note in found.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": [0, 1, 2, 0]}, "position 2"),
        ({"outcome": [0, 1, np.nan, 0]}, "position 2"),
        ({"reader": ["a", None, "b", "b"]}, "reader is missing at position 1"),
        ({"design": np.ones((4, 2))}, "linearly dependent"),
        ({"design": [[1, 0], [1, np.nan], [1, 1], [1, 0]]}, "missing values at position 1"),
    ],
)
def test_faults_are_named(change, message):
    arguments = {"outcome": [0, 1, 1, 0], "reader": [0, 0, 1, 1], "case": [0, 1, 0, 1]} | change
    with pytest.raises(ValueError, match=message):
        crossed_logistic(**arguments)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_any_tiny_table_has_a_defined_answer(seed):
    rng = np.random.default_rng(seed)
    readers, cases = rng.integers(1, 5), rng.integers(1, 9)
    reader, case = np.divmod(np.arange(readers * cases), cases)
    kept = rng.random(len(reader)) < rng.choice([0.5, 1.0])
    kept[0] = True
    y = (rng.random(kept.sum()) < rng.choice([0, 0.1, 0.5, 0.9, 1])).astype(float)
    found = crossed_logistic(y, reader[kept], case[kept])
    for e in (*found.coefficients.values(), found.marginal):
        assert math.isfinite(e.estimate)
        assert e.lower <= e.estimate + 1e-6
        assert e.estimate <= e.upper + 1e-6


def coverage(readers: int, cases: int, studies: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    truth = float(WEIGHTS @ special.expit(0.4 + math.hypot(0.5, 0.7) * NODES))
    reader, case = np.divmod(np.arange(readers * cases), cases)
    hits = 0
    for _ in range(studies):
        logit = 0.4 + 0.5 * rng.normal(size=readers)[reader] + 0.7 * rng.normal(size=cases)[case]
        y = (rng.random(len(logit)) < special.expit(logit)).astype(float)
        e = crossed_logistic(y, reader, case, interval="wald").marginal
        hits += e.lower <= truth <= e.upper
    return hits / studies


def test_the_marginal_interval_covers_within_its_stated_error():
    # docs/statistics.md states 0.937 to 1 from three readers on; 100 studies err by two hundredths.
    assert coverage(3, 30, 100, 1) > 0.88


@pytest.mark.load
def test_the_marginal_interval_covers_in_a_long_run():
    assert coverage(3, 40, 2000, 3) > 0.93
    assert coverage(5, 40, 2000, 1) > 0.93
    assert abs(coverage(25, 60, 2000, 2) - 0.95) < 0.025


def test_a_degenerate_table_costs_a_fit_few_looks_at_the_likelihood(monkeypatch):
    # Given tables that one reader, every reader or one kind of case answers alike;
    looks = []
    plain = CrossedLaplace.evaluate
    monkeypatch.setattr(CrossedLaplace, "evaluate", lambda *args: looks.append(1) or plain(*args))
    reader, case = (codes.ravel() for codes in np.indices((3, 8)))
    for outcome in (np.ones(24), case % 2, reader == 0, reader % 2):
        looks.clear()
        # when they are fitted with profile intervals,
        crossed_logistic(outcome.astype(float), reader, case)
        # then no search wanders about a likelihood without a maximum.
        assert len(looks) < 1500
