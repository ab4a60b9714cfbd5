"""The report's numbers are those of the table."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from readerstudy.analysis.result import format_p
from readerstudy.reports import presentation, statistics
from readerstudy.reports.wording import headline
from readerstudy.studies.protocol import AnalysisPlan, Protocol
from tests.reports.tables import simulated_table

PROTOCOL = Protocol(plan=AnalysisPlan(equivalence_margin=0.1))


def test_rates_are_plain_shares_of_the_primary_readings() -> None:
    # given a table with hidden repeats
    table = simulated_table()
    # when it is analysed
    found = statistics.analyse(table, PROTOCOL)
    # then each origin's rate is its share judged real among first showings
    first = table[table["repeat_of"] == ""]
    assert found.realism is not None
    for origin in ("acquired", "generated"):
        share = (first[first["origin"] == origin]["judgment"] == "real").mean()
        rate = found.realism.by_origin[origin]
        assert rate.reader_averaged.estimate == pytest.approx(share)
        assert rate.n == (first["origin"] == origin).sum()
        assert rate.primary.lower < share < rate.primary.upper


def test_every_figure_is_a_drawing_that_stands_alone() -> None:
    found = statistics.analyse(simulated_table(), PROTOCOL)
    assert {"realism-by-reader", "realism-by-label", "confidence", "time"} == set(found.figures)
    for drawn in found.figures.values():
        root = ElementTree.fromstring(drawn)
        assert root.tag.endswith("svg")
        # Nothing is fetched from anywhere: every reference is inside the drawing.
        for element in root.iter():
            for name, value in element.attrib.items():
                if name.endswith("href"):
                    assert value.startswith("#")


def test_figures_are_the_same_bytes_each_time() -> None:
    one = statistics.analyse(simulated_table(), PROTOCOL)
    other = statistics.analyse(simulated_table(), PROTOCOL)
    assert one.figures == other.figures


def test_the_export_is_json_without_nan() -> None:
    found = statistics.analyse(simulated_table(readers=2, cases=6, repeats=1), PROTOCOL)
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert "u_statistic" in text


def test_one_reader_is_said_to_have_nobody_to_agree_with() -> None:
    found = statistics.analyse(simulated_table(readers=1), PROTOCOL)
    assert found.section("agreement") is None
    assert any("agreement" in note for note in found.notes)


def test_no_judgments_is_a_report_too() -> None:
    found = statistics.analyse(simulated_table().iloc[:0], PROTOCOL)
    assert found.realism is None
    assert headline(found, PROTOCOL.plan) == [
        "Nothing was recorded, so there is nothing to report."
    ]


def test_the_headline_never_says_significant_and_always_gives_the_interval() -> None:
    found = statistics.analyse(simulated_table(), PROTOCOL)
    text = " ".join(headline(found, PROTOCOL.plan))
    assert "significant" not in text
    assert text.count("CI") >= 3
    assert "two one-sided tests" in text


@pytest.mark.parametrize(
    ("p", "said"),
    [(0.0, "p < 0.0001"), (0.00042, "p = 0.00042"), (0.0312, "p = 0.031"), (0.999, "p > 0.99")],
)
def test_p_values_have_two_significant_digits_and_are_never_nought(p: float, said: str) -> None:
    assert format_p(p) == said


def test_generators_are_told_apart_with_p_adjusted_over_their_pairs() -> None:
    # given generated scans of three generators
    table = simulated_table(repeats=0)
    names = np.array(["one", "two", "three"])
    number = table["case"].str[1:].astype(int).to_numpy()
    table["generator"] = np.where(table["origin"] == "generated", names[number % 3], "")
    # when
    found = statistics.analyse(table, PROTOCOL)
    assert found.realism is not None
    rows = presentation.generator_rows(found.realism)
    pairs = presentation.generator_pairs(found.realism)
    # then each has its own rate and difference, and each pair its own
    assert [row["name"] for row in rows] == ["one", "three", "two"]
    for row in rows:
        share = (table[table["generator"] == row["name"]]["judgment"] == "real").mean()
        assert row["rate"].primary.estimate == pytest.approx(share)
    assert [pair for pair, _ in pairs] == [
        "one minus three", "one minus two", "three minus two",
    ]  # fmt: skip
    rates = {row["name"]: row["rate"].primary.estimate for row in rows}
    for pair, difference in pairs:
        first, second = pair.split(" minus ")
        assert difference.estimate == pytest.approx(rates[first] - rates[second])
        assert difference.details["family_size"] == 3
        assert difference.details["p_holm"] >= difference.p_value


def test_declared_subgroups_are_columns_of_the_table_or_labels() -> None:
    # given a plan that declares projections, and scans whose sex is known but not declared
    table = simulated_table(repeats=0)
    number = table["case"].str[1:].astype(int)
    table["view"] = np.where(number % 4 < 2, "PA", "AP")
    table["sex"] = "F"
    table.loc[number == 1, "view"] = ""
    protocol = Protocol(plan=AnalysisPlan(subgroups=["view"]))
    # when
    found = statistics.analyse(table, protocol)
    parts = presentation.subgroup_parts(found, protocol.plan)
    # then projections are reported as declared, pathologies as exploratory, sex not at all
    assert [(part["name"], part["declared"]) for part in parts] == [
        ("label", False), ("view", True),
    ]  # fmt: skip
    views = {row["level"]: row for row in parts[1]["rows"]}
    assert set(views) == {"PA", "AP", "not stated"}
    for origin in ("acquired", "generated"):
        mine = table[(table["view"] == "AP") & (table["origin"] == origin)]
        rate = views["AP"][origin].primary.estimate
        assert rate == pytest.approx((mine["judgment"] == "real").mean())
    assert views["AP"]["difference"].details["family_size"] == 2
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["subgroups"]["view"]["rates"]


def test_image_quality_as_the_primary_endpoint_opens_the_gate() -> None:
    # given readers who all rate generated scans lower, and a plan that tests that first
    table = simulated_table(repeats=0)
    worse = np.where(table["origin"] == "generated", 2.0, 4.0)
    number = table["reader"].str[1:].astype(int)
    table["quality"] = worse + 0.1 * number * (table["origin"] == "generated")
    plan = AnalysisPlan(primary="quality-difference", secondary=["realism-generated"])
    # when
    found = statistics.analyse(table, Protocol(plan=plan))
    # then both are decided, quality first, whether or not real-or-synthetic was asked
    names = [decision.endpoint for decision in found.decisions]
    assert names == ["quality-difference", "realism-generated"]
    assert found.decisions[0].rejected
    table["judgment"] = ""
    alone = statistics.analyse(table, Protocol(plan=plan))
    assert [one.endpoint for one in alone.decisions] == names
    assert alone.decisions[0].p_value == found.decisions[0].p_value
    assert not alone.decisions[1].rejected
