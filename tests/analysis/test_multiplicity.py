"""Adjusted p-values against R's p.adjust; gatekeeping by its error rate and by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readerstudy.analysis.multiplicity import METHODS, adjust, gatekeeping

REFERENCE = json.loads((Path(__file__).parent / "data" / "reference_one.json").read_text())
p_lists = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@pytest.mark.parametrize("method", ["bonferroni", "holm", "hochberg", "bh", "by"])
def test_adjusted_p_equals_r(method):
    # R 4.2.2 p.adjust on the ten p-values of statsmodels' and R's documentation examples.
    assert adjust(REFERENCE["p_values"], method) == pytest.approx(REFERENCE["adjusted"][method])


def test_benjamini_and_hochberg_1995():
    # Benjamini & Hochberg 1995, JRSS B 57, section 4: of the fifteen p-values of the thrombolysis
    # trial their procedure rejects the four smallest at 0.05, Bonferroni the three smallest.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
         0.5719, 0.6528, 0.7590, 1.0]  # fmt: skip
    assert (adjust(p, "bh") <= 0.05).sum() == 4
    assert (adjust(p, "bonferroni") <= 0.05).sum() == 3


@given(p_lists, st.sampled_from(METHODS))
def test_adjusting_keeps_the_order_and_never_lowers(p, method):
    adjusted = adjust(p, method)
    assert np.all(adjusted >= np.asarray(p) - 1e-15)
    assert np.all(adjusted <= 1)
    order = np.argsort(p, kind="stable")
    assert np.all(np.diff(adjusted[order]) >= -1e-12)
    shuffled = np.random.default_rng(0).permutation(len(p))
    assert adjust(np.asarray(p)[shuffled], method) == pytest.approx(adjusted[shuffled])


def test_missing_p_counts_for_nothing():
    adjusted = adjust([0.01, np.nan, 0.04], "holm")
    assert adjusted[[0, 2]] == pytest.approx(adjust([0.01, 0.04], "holm"))
    assert np.isnan(adjusted[1])
    with pytest.raises(ValueError, match="position 1"):
        adjust([0.1, 1.2])


def test_a_closed_gate_stops_what_follows():
    decisions = {
        d.endpoint: d
        for d in gatekeeping([{"first": 0.2}, {"second": 0.001, "third": 0.03}], alpha=0.05)
    }
    assert not decisions["first"].rejected
    assert not decisions["second"].rejected
    assert decisions["second"].adjusted == pytest.approx(0.2)
    assert "stands in the way" in decisions["second"].note


def test_parallel_gate_hands_on_the_share_that_was_won():
    # By hand: one of two first endpoints rejected by Bonferroni: half of alpha goes on.
    decisions = {
        d.endpoint: d
        for d in gatekeeping(
            [{"a": 0.01, "b": 0.4}, {"c": 0.02, "d": 0.9}], alpha=0.05, gate="parallel"
        )
    }
    assert decisions["a"].rejected
    assert not decisions["b"].rejected
    assert decisions["c"].adjusted == pytest.approx(0.02 * 2 / 0.5)
    assert not decisions["c"].rejected


@pytest.mark.parametrize("gate", ["serial", "parallel"])
def test_gatekeeping_keeps_the_family_wise_error(gate):
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(2000):
        p = rng.random(4)
        decisions = gatekeeping(
            [{"a": p[0], "b": p[1]}, {"c": p[2], "d": p[3]}], gate=gate, alpha=0.05
        )
        wrong += any(d.rejected for d in decisions)
    assert wrong / 2000 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)


def test_one_endpoint_in_two_families_is_refused():
    with pytest.raises(ValueError, match="more than one family"):
        gatekeeping([{"a": 0.1}, {"a": 0.2}])


def test_an_endpoint_that_could_not_be_analysed_still_takes_its_place():
    for gate in ("serial", "parallel"):
        decisions = gatekeeping([{"a": 0.03, "b": float("nan")}], alpha=0.05, gate=gate)
        assert decisions[0].adjusted == pytest.approx(0.06)
        assert not decisions[0].rejected
        assert decisions[1].to_dict()["p_value"] is None


def test_a_parallel_adjusted_p_is_the_smallest_alpha_that_rejects():
    families = [{"a": 0.01, "b": 0.03}, {"c": 0.02, "d": 0.009}]
    for decision in gatekeeping(families, alpha=0.05, gate="parallel"):
        for alpha, rejected in ((decision.adjusted * 0.999, False), (decision.adjusted, True)):
            again = {
                d.endpoint: d.rejected for d in gatekeeping(families, alpha=alpha, gate="parallel")
            }
            assert again[decision.endpoint] is rejected


def test_methods_that_do_not_keep_the_family_wise_error_say_so():
    (decision,) = gatekeeping([{"a": 0.01}], method="bh")
    assert "false discovery rate" in decision.note
    assert gatekeeping([{"a": 0.01}], method="none")[0].note == "not adjusted within its family"
