"""What no relabelling, reordering, monotone transformation or complement may change."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readerstudy.analysis.agreement import (
    agreement_of_table,
    cohen_kappa,
    fleiss_kappa,
    icc,
    limits_of_agreement,
)
from readerstudy.analysis.diversity import label_diversity
from readerstudy.analysis.localisation import froc_analysis, froc_data
from readerstudy.analysis.mrmc import dorfman_berbaum_metz, obuchowski_rockette, u_statistics
from readerstudy.analysis.process import brier, calibration, resolution, trend_by_position

from .data import shuffled
from .roe_metz import roe_metz

seeds = st.integers(0, 10_000)
COVARIANCES = ["jackknife", "delong", "unbiased", "bootstrap"]


def with_gaps(seed, share=0.15):
    """Ratings on five levels, some of them missing, at least two cases a class in every cell."""
    table = roe_metz(readers=3, positives=9, negatives=10, seed=seed)
    table["rating"] = table["rating"].round().clip(-2, 2)
    rng = np.random.default_rng(seed)
    keep = (rng.random(len(table)) >= share) | (table["case"] % 9 < 2)
    return table[keep]


def same(a, b):
    for first, second in ((a.modalities, b.modalities), (a.differences, b.differences)):
        for one, other in zip(first.values(), second.values(), strict=True):
            assert other.estimate == pytest.approx(one.estimate, abs=1e-9)
            assert (one.standard_error is None) == (other.standard_error is None)
            if one.standard_error is not None:
                assert other.standard_error == pytest.approx(one.standard_error, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("covariance", COVARIANCES)
@settings(max_examples=6, deadline=None)
@given(seeds)
def test_obuchowski_rockette_depends_on_order_of_ratings_alone(covariance, seed):
    table = with_gaps(seed)
    options = {"covariance": covariance, "replicates": 60}
    found = obuchowski_rockette(table, **options)
    same(found, obuchowski_rockette(table.assign(rating=np.exp(table["rating"])), **options))
    if covariance != "bootstrap":  # Its draws go by the cases' order.
        other = shuffled(table, seed).assign(case=lambda d: [f"c{999 - k}" for k in d["case"]])
        same(found, obuchowski_rockette(other, **options))
        turned = table.assign(rating=-table["rating"], truth=1 - table["truth"])
        same(found, obuchowski_rockette(turned, **options))


@pytest.mark.parametrize("centred", [False, True])
@settings(max_examples=6, deadline=None)
@given(seeds)
def test_u_statistics_of_designs_with_gaps_depend_on_order_of_ratings_alone(centred, seed):
    table = with_gaps(seed, 0.3)
    found = u_statistics(table, centred=centred)
    same(found, u_statistics(table.assign(rating=table["rating"] ** 3 * 7), centred=centred))
    same(found, u_statistics(shuffled(table, seed), centred=centred))
    turned = table.assign(rating=-table["rating"], truth=1 - table["truth"])
    same(found, u_statistics(turned, centred=centred))


@settings(max_examples=6, deadline=None)
@given(seeds)
def test_specificity_is_the_sensitivity_of_turned_answers(seed):
    table = with_gaps(seed).assign(rating=lambda d: (d["rating"] > 0).astype(int))
    turned = table.assign(rating=1 - table["rating"], truth=1 - table["truth"])
    for analyse in (obuchowski_rockette, u_statistics):
        same(analyse(table, metric="sensitivity"), analyse(turned, metric="specificity"))
        same(analyse(table, metric="accuracy"), analyse(turned, metric="accuracy"))


@settings(max_examples=6, deadline=None)
@given(seeds)
def test_dorfman_berbaum_metz_is_obuchowski_rockette_whatever_the_data(seed):
    table = roe_metz(readers=3, positives=8, negatives=9, seed=seed)
    for factor in ({}, {"cases": "fixed"}):
        dbm, orh = dorfman_berbaum_metz(table, **factor), obuchowski_rockette(table, **factor)
        assert dbm.equality.p_value == pytest.approx(orh.equality.p_value, rel=1e-6)
        assert dbm.modalities[0].standard_error == pytest.approx(orh.modalities[0].standard_error)


@pytest.mark.parametrize("figure", ["wafroc", "afroc", "wafroc1", "highest_rating_auc"])
@settings(max_examples=6, deadline=None)
@given(seeds)
def test_free_response_figures_depend_on_order_of_ratings_alone(figure, seed):
    rng = np.random.default_rng(seed)
    cases = [f"c{k}" for k in range(12)]
    lesions = pd.DataFrame(
        [(f"c{k}", i) for k in range(6) for i in range(1 + k % 2)], columns=["case", "lesion"]
    )
    rows = []
    for reader in "AB":
        rows += [(reader, c, float(rng.integers(1, 5)), None) for c in cases if rng.random() < 0.5]
        rows += [(reader, r.case, float(rng.integers(2, 6)), r.lesion)
                 for r in lesions.itertuples() if rng.random() < 0.8]  # fmt: skip
    marks = pd.DataFrame(rows, columns=["reader", "case", "rating", "lesion"])

    def analysed(marks, lesions, cases):
        data = froc_data(marks, lesions, cases, readers=["A", "B"], modalities=["all"])
        found = froc_analysis(data, figure=figure).modalities["all"]
        return found.estimate, found.standard_error

    expected = pytest.approx(analysed(marks, lesions, cases))
    assert analysed(marks.assign(rating=np.log(marks["rating"])), lesions, cases) == expected
    assert analysed(shuffled(marks, seed), shuffled(lesions, seed), cases[::-1]) == expected
    names = {c: f"x{c}" for c in cases}
    renamed = [t.assign(case=t["case"].map(names)) for t in (marks, lesions)]
    assert analysed(*renamed, list(names.values())) == expected


tables = st.lists(
    st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=3, max_size=3
).filter(lambda t: np.trace(np.array(t)) > 0 and np.sum(t) > np.trace(np.array(t)))


@settings(max_examples=15, deadline=None)
@given(tables, st.permutations([0, 1, 2]))
def test_swapped_raters_and_renamed_categories_agree_as_before(rows, order):
    table = np.array(rows)
    mixed = table[np.ix_(order, order)]
    for other in (table.T, mixed):
        for name, found in agreement_of_table(table).items():
            again = agreement_of_table(other)[name]
            assert again.estimate == pytest.approx(found.estimate, nan_ok=True)
            if found.standard_error is not None:
                assert again.standard_error == pytest.approx(found.standard_error, abs=1e-9)
    linear = cohen_kappa(table, weights="linear")
    turned = cohen_kappa(table[::-1, ::-1], weights="linear")  # 1 2 3 to 3 2 1
    assert turned.estimate == pytest.approx(linear.estimate, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.permutations([3, 1, 0]), min_size=4, max_size=12))
def test_fleiss_by_category_adds_up_to_the_whole(rows):
    # Fleiss 1971: the overall kappa is the mean of the categories', weighted by p_j (1 - p_j).
    overall, categories = fleiss_kappa(np.array(rows))
    shares = np.array([e.details["share"] for e in categories.values()])
    kappas = np.nan_to_num([e.estimate for e in categories.values()])
    weights = shares * (1 - shares)
    assert overall.estimate == pytest.approx((kappas * weights).sum() / weights.sum())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.35, 0.5, 0.8, 0.95]), st.integers(0, 1)),
                min_size=6, max_size=40))  # fmt: skip
def test_complement_of_confidence_and_outcome_scores_alike(pairs):
    p, y = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs], dtype=float)
    a, b = brier(p, y), brier(1 - p, 1 - y)
    assert b.estimate == pytest.approx(a.estimate)
    assert b.details["resolution"] == pytest.approx(a.details["resolution"], abs=1e-12)
    assert resolution(1 - p, 1 - y).estimate == pytest.approx(
        resolution(p, y).estimate, nan_ok=True
    )
    one, two = calibration(p, y), calibration(1 - p, 1 - y)
    assert two["slope"].estimate == pytest.approx(one["slope"].estimate, nan_ok=True, abs=1e-8)
    assert two["intercept"].estimate == pytest.approx(
        -one["intercept"].estimate, nan_ok=True, abs=1e-8
    )


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_sitting_read_backwards_has_the_opposite_trend(seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"reader": np.repeat([0, 1, 2], 12), "position": np.tile(np.arange(1, 13), 3),
         "correct": rng.integers(0, 2, 36)}
    )  # fmt: skip
    ahead = trend_by_position(table)["trend"]
    back = trend_by_position(table.assign(position=13 - table["position"]))["trend"]
    wrong = trend_by_position(table.assign(correct=1 - table["correct"]))["trend"]
    for other in (back, wrong):
        assert other.estimate == pytest.approx(-ahead.estimate, abs=1e-12)
        assert other.standard_error == pytest.approx(ahead.standard_error)


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_renamed_labels_and_exchanged_origins_are_as_far_apart(seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"scan": range(40), "origin": ["acquired", "generated"] * 20,
                          "label": rng.choice(["a", "b", "c"], 40)})  # fmt: skip
    exchange = {"acquired": "generated", "generated": "acquired"}
    first = label_diversity(table, replicates=20).estimates
    renamed = label_diversity(table.assign(label="x" + table["label"]), replicates=20).estimates
    swapped = label_diversity(
        table.assign(origin=table["origin"].map(exchange)), replicates=20
    ).estimates
    for other in (renamed, swapped):
        for name in ("jensen_shannon", "chi_square"):
            assert other[name].estimate == pytest.approx(first[name].estimate)
    assert swapped["entropy_acquired"].estimate == pytest.approx(
        first["entropy_generated"].estimate
    )


@pytest.mark.parametrize(
    "deed",
    [
        lambda level: cohen_kappa([[3, 1], [1, 3]], level=level),
        lambda level: icc([[1, 2], [2, 3], [3, 5]], level=level),
        lambda level: limits_of_agreement([1, 2, 4], [2, 2, 3], level=level),
        lambda level: brier([0.2, 0.3], [0, 1], level=level),
        lambda level: resolution([1, 2, 3, 4], [0, 1, 0, 1], level=level),
        lambda level: u_statistics(roe_metz(readers=3, positives=5, negatives=5, seed=1),
                                   level=level),
    ],
)  # fmt: skip
def test_a_level_in_per_cent_is_refused(deed):
    with pytest.raises(ValueError, match=r"level must lie strictly between 0 and 1, got 95"):
        deed(95)
