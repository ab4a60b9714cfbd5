"""Label diversity against scipy, R and by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from readerstudy.analysis.diversity import (
    effective_number,
    entropy,
    good_turing_coverage,
    jensen_shannon,
    label_diversity,
)

ACQUIRED, GENERATED = [60, 25, 10, 5], [48, 38, 11, 3]
LABELS = ["effusion", "mass", "nodule", "hernia"]


def table_of(acquired, generated):
    rows = []
    for origin, counts in (("acquired", acquired), ("generated", generated)):
        names = np.repeat(LABELS[: len(counts)], counts)
        rows += [(f"{origin}{k}", origin, name) for k, name in enumerate(names)]
    return pd.DataFrame(rows, columns=["scan", "origin", "label"])


def test_entropy_of_coins_and_dice():
    # Shannon 1948: a fair coin has one bit; eight equal outcomes three.
    assert entropy([1, 1]) == pytest.approx(1.0)
    assert entropy([5] * 8) == pytest.approx(3.0)
    assert entropy([7, 0]) == 0.0
    assert effective_number([3, 3, 3]) == pytest.approx(3.0)
    assert entropy([3, 5, 2], correction="miller-madow", base=math.e) == pytest.approx(
        stats.entropy([3, 5, 2]) + 2 / 20
    )


counts = st.lists(st.integers(0, 40), min_size=3, max_size=3).filter(lambda c: sum(c) > 0)


@settings(max_examples=80, deadline=None)
@given(counts, counts)
def test_divergence_equals_scipy_and_is_symmetric(first, second):
    found = jensen_shannon(first, second)
    assert found == pytest.approx(jensenshannon(first, second, base=2) ** 2, abs=1e-9)
    assert found == pytest.approx(jensen_shannon(second, first), abs=1e-12)
    assert -1e-12 <= found <= 1 + 1e-12
    assert entropy(first) == pytest.approx(stats.entropy(first, base=2), abs=1e-9)


def test_coverage_of_good():
    assert good_turing_coverage([10, 5, 1, 1]) == pytest.approx(1 - 2 / 17)


def test_chi_square_equals_r():
    # chisq.test in R (benchmarks/analysis_reference_two.R): 4.5634920635, df 3, p 0.2066963778.
    found = label_diversity(table_of(ACQUIRED, GENERATED)).estimates["chi_square"]
    assert found.statistic == pytest.approx(4.5634920635, abs=1e-9)
    assert found.df == 3.0
    assert found.details["asymptotic_p"] == pytest.approx(0.2066963778, abs=1e-9)
    # 2000 permutations: Monte Carlo standard error 0.009.
    assert found.p_value == pytest.approx(0.2067, abs=0.03)


def test_alike_origins_are_not_told_apart_and_disjoint_ones_are():
    alike = label_diversity(table_of(ACQUIRED, ACQUIRED)).estimates
    assert alike["jensen_shannon"].estimate == 0.0
    assert alike["jensen_shannon"].p_value > 0.9
    assert alike["entropy_difference"].lower <= 0 <= alike["entropy_difference"].upper
    apart = label_diversity(table_of([50, 0], [0, 50]), labels=LABELS).estimates
    assert apart["jensen_shannon"].estimate == pytest.approx(1.0)
    assert apart["jensen_shannon"].p_value == pytest.approx(1 / 2001)  # never zero
    assert apart["coverage"].estimate == 0.0


def test_collapsed_generator_is_less_diverse():
    found = label_diversity(table_of(ACQUIRED, [100, 0, 0, 0]))
    assert found.estimates["entropy_difference"].upper < 0
    assert found.estimates["coverage"].estimate == 0.25
    assert found.estimates["coverage_weighted"].estimate == pytest.approx(0.6)
    row = found.labels.set_index("label").loc["mass"]
    assert row["difference"] == pytest.approx(-0.25)
    assert row["upper"] < 0
    assert row["p_adjusted"] >= row["p_value"]


def test_several_labels_of_a_scan_move_together():
    joined = pd.DataFrame(
        {"scan": range(40), "origin": ["acquired", "generated"] * 20,
         "label": ["mass|nodule", "mass"] * 20}
    )  # fmt: skip
    exploded = joined.assign(label=joined["label"].str.split("|")).explode("label")
    a, b = label_diversity(joined).to_dict(), label_diversity(exploded).to_dict()
    assert a == b
    assert "independent" in label_diversity(joined).estimates["chi_square"].notes[0]


def test_row_order_and_names_do_not_matter():
    table = table_of(ACQUIRED, GENERATED)
    a = label_diversity(table).estimates
    b = label_diversity(table.sample(frac=1, random_state=0)).estimates
    assert a["jensen_shannon"].estimate == pytest.approx(b["jensen_shannon"].estimate)
    assert a["entropy_acquired"].estimate == pytest.approx(b["entropy_acquired"].estimate)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(origin="acquired"), "no 'generated' scan"),
        (lambda t: t.assign(origin=t["origin"].where(t.index != 3, "found")), "row 3: origin"),
        (lambda t: t.assign(scan="same"), "two origins"),
        (lambda t: t.assign(label=None), "no label"),
        (lambda t: t.drop(columns="label"), "'label'"),
        (lambda t: t.assign(scan=t["scan"].where(t.index != 3)), "row 3: scan is empty"),
    ],
)
def test_faults_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        label_diversity(change(table_of(ACQUIRED, GENERATED)), replicates=50)


def test_one_label_only_has_no_zero_width_interval():
    found = label_diversity(table_of([30], [20]), replicates=50).estimates["entropy_acquired"]
    assert found.estimate == 0.0
    assert found.lower is None
    assert "degenerate" in found.notes[-1]
    with pytest.raises(ValueError, match="0 resamples"):
        label_diversity(table_of([30], [20]), replicates=0)


def test_labels_outside_the_list_are_named():
    with pytest.raises(ValueError, match="'hernia' is not among"):
        label_diversity(table_of(ACQUIRED, GENERATED), labels=LABELS[:3])


def _covered(simulations, seed):
    rng = np.random.default_rng(seed)
    shares = np.array([0.5, 0.3, 0.15, 0.05])
    truth = stats.entropy(shares, base=2)
    hits = 0
    for k in range(simulations):
        found = label_diversity(
            table_of(rng.multinomial(120, shares), rng.multinomial(120, shares)), replicates=300,
            seed=k,
        ).estimates  # fmt: skip
        hits += found["entropy_acquired"].lower <= truth <= found["entropy_acquired"].upper
    return hits / simulations


def test_interval_of_the_entropy_covers():
    assert 0.88 <= _covered(120, 1) <= 1.0


@pytest.mark.load
def test_interval_of_the_entropy_covers_closely():
    assert 0.925 <= _covered(1500, 2) <= 0.97


def test_labels_come_joined_in_lists_or_as_pandas_strings_with_gaps():
    cells = ["x", "x|y", None, "y", "x", "z|x"]
    table = pd.DataFrame({"scan": range(6), "origin": ["acquired", "generated"] * 3})
    forms = {
        "joined": pd.Series(cells),
        "string": pd.Series(cells, dtype="string"),
        "lists": pd.Series([[] if c is None else c.split("|") for c in cells]),
    }
    found = {
        name: label_diversity(table.assign(label=column), replicates=20).labels
        for name, column in forms.items()
    }
    assert found["joined"]["acquired"].tolist() == [2, 0, 0]
    assert found["joined"]["generated"].tolist() == [2, 2, 1]
    for name in ("string", "lists"):
        pd.testing.assert_frame_equal(found[name], found["joined"])


def test_what_has_no_logarithm_no_match_or_two_names_is_refused():
    with pytest.raises(ValueError, match="base must be a positive number other than 1, got 1"):
        entropy([1, 2], base=1)
    with pytest.raises(ValueError, match="2 label counts against 3"):
        jensen_shannon([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="name one label twice"):
        label_diversity(table_of(ACQUIRED, GENERATED), labels=["a", "b", "a"], replicates=20)
