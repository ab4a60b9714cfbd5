"""The report's numbers are those of the table."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from readerstudy.analysis.result import format_p
from readerstudy.reports import statistics
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
