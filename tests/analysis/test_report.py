"""A whole plan over a judgment table."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from readerstudy.analysis.design import design_matrix
from readerstudy.analysis.plan import PlanFault
from readerstudy.analysis.realism import realism_rates
from readerstudy.analysis.report import SECTIONS, checked_plan, run_plan
from readerstudy.analysis.report_sections import judgment_rating
from tests.analysis.judgment_tables import judgment_table


def full_table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    table = judgment_table(5, 30)
    table["confidence"] = rng.integers(1, 6, len(table))
    table["seconds"] = rng.lognormal(2, 0.4, len(table)).round(1)
    table["position"] = table.groupby("reader").cumcount() + 1
    repeats = table.groupby("reader").head(5).assign(repeat_of="first", position=90)
    repeats["position"] += np.arange(len(repeats)) % 5
    return pd.concat([table.assign(repeat_of=""), repeats], ignore_index=True)


def test_every_section_is_made_where_the_table_allows():
    found = run_plan(full_table(), {"bootstrap": 300, "margin": 0.2})
    assert found.failures == {}
    assert list(found.sections) == list(SECTIONS)
    json.dumps(found.to_dict(), allow_nan=False)
    assert "Endpoints" in found.summary()
    whats = {section for section, _, _ in found.rows()}
    assert whats == set(SECTIONS)


def test_what_cannot_be_analysed_is_named_with_its_reason():
    found = run_plan(judgment_table(4, 12).drop(columns="labels"), {"bootstrap": 200})
    assert set(found.failures) == {"intra_reader", "process", "diversity"}
    assert "repeats" in found.failures["intra_reader"]


def test_endpoints_go_through_the_gate_in_the_plans_order():
    plan = {
        "bootstrap": 300,
        "margin": 0.2,
        "sections": ["realism", "mrmc", "detection"],
        "endpoints": [
            {"name": "primary", "measure": "difference"},
            {"name": "second", "measure": "auc", "family": 2},
            {"name": "third", "measure": "d-prime", "family": 2},
            {"name": "fourth", "measure": "equivalence", "family": 3, "way": "mixed"},
        ],
    }
    table = judgment_table(6, 40)
    found = run_plan(table, plan)
    assert [d.endpoint for d in found.decisions] == ["primary", "second", "third", "fourth"]
    direct = realism_rates(table, replicates=300, margin=0.2).difference["u_statistic"]
    assert found.endpoints["primary"].p_value == direct.p_value
    assert found.decisions[1].adjusted >= found.decisions[0].adjusted


def test_an_endpoint_without_its_section_is_a_named_failure_and_not_rejected():
    found = run_plan(
        judgment_table(4, 12),
        {"sections": ["agreement"], "endpoints": [{"measure": "auc"}]},
    )
    assert "endpoint auc" in found.failures
    assert not found.decisions[0].rejected


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"alfa": 0.05}, "unknown keys 'alfa'"),
        ({"sections": ["magic"]}, "unknown section 'magic'"),
        ({"endpoints": [{"measure": "joy"}]}, "unknown measure 'joy'"),
        ({"endpoints": [{"name": "x"}]}, "needs a measure"),
        ({"endpoints": [{"measure": "equivalence"}]}, "needs the plan's margin"),
        ({"endpoints": [{"measure": "auc"}, {"measure": "auc"}]}, "same name"),
    ],
)
def test_plans_with_faults_are_refused(plan, message):
    with pytest.raises(ValueError, match=message):
        checked_plan(plan)


def test_confidence_orders_the_judgments_on_one_scale():
    table = pd.DataFrame(
        {
            "reader": "R",
            "case": list("abcd"),
            "origin": ["generated", "generated", "acquired", "acquired"],
            "judgment": ["synthetic", "synthetic", "real", "real"],
            "confidence": [5, 1, 1, 5],
        }
    )
    rated = judgment_rating(table)
    assert rated["rating"].tolist() == [5.0, 1.0, -1.0, -5.0]
    assert rated["truth"].tolist() == [1, 1, 0, 0]
    assert judgment_rating(table.drop(columns="confidence"))["rating"].tolist() == [1, 1, 0, 0]


def test_words_are_treatment_coded_and_numbers_kept():
    table = pd.DataFrame({"origin": ["b", "a", "c"], "years": [1, 5, 9]}, index=[2, 3, 4])
    matrix, names = design_matrix(table, ["origin", "years"])
    assert names == ["intercept", "origin[b]", "origin[c]", "years"]
    assert matrix.tolist() == [[1, 1, 0, 1], [1, 0, 0, 5], [1, 0, 1, 9]]
    with pytest.raises(ValueError, match="row 3: years is missing"):
        design_matrix(table.assign(years=[1, None, 2]), ["years"])


@pytest.mark.parametrize(
    ("plan", "path", "message"),
    [
        ({"alpha": 5}, ("alpha",), "strictly between 0 and 1, got 5"),
        ({"margin": 0.6}, ("margin",), "leaves 0 to 1"),
        ({"seed": -1}, ("seed",), "whole number of at least 0"),
        ({"bootstrap": "many"}, ("bootstrap",), "got 'many'"),
        ({"sections": "realism"}, ("sections",), "must be a list"),
        ({"fixed": ["origin", "origin"]}, ("fixed", 1), "stands twice"),
        ({"covariance": "magic"}, ("covariance",), "must be one of"),
        ({"multiplicity": {"gates": 1}}, ("multiplicity", "gates"), "unknown key 'gates'"),
        ({"multiplicity": {"gate": "iron"}}, ("multiplicity", "gate"), "serial, parallel"),
        ({"endpoints": [{"measure": "auc", "kind": 1}]}, ("endpoints", 0, "kind"), "unknown key"),
        ({"endpoints": [{"measure": "fool rate", "way": "up"}]}, ("endpoints", 0, "way"), "got"),
        ({"endpoints": [{"measure": "auc", "family": 0}]}, ("endpoints", 0, "family"), "least 1"),
    ],
)
def test_a_fault_of_the_plan_knows_where_it_stands(plan, path, message):
    with pytest.raises(PlanFault, match=message) as caught:
        checked_plan(plan)
    assert caught.value.path == path


@pytest.mark.parametrize("method", ["none", "bonferroni", "holm", "hochberg", "bh", "by"])
def test_every_multiplicity_that_a_protocol_can_name_is_run(method):
    found = run_plan(
        judgment_table(4, 12),
        {"sections": ["realism"], "bootstrap": 50, "multiplicity": {"method": method}},
    )
    assert found.decisions[0].adjusted >= found.decisions[0].p_value


def test_a_report_is_strict_json_even_where_nothing_is_defined():
    table = judgment_table(3, 8).assign(judgment="real")
    found = run_plan(table, {"bootstrap": 50, "margin": 0.2}).to_dict()
    json.dumps(found, allow_nan=False)
