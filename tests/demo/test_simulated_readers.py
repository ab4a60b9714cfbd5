"""The simulated readers follow the model that pages and reports state."""

from __future__ import annotations

import numpy as np
from scipy import stats

from readerstudy.demo.simulated_readers import Population, SimulatedReader

TERMS = ("Nodule", "Effusion")
CUES = ("Ribs", "Texture or noise")


def reader(number: int = 1, seed: int = 7, **population: float) -> SimulatedReader:
    return SimulatedReader(seed, number, TERMS, CUES, Population(**population))


def read_all(one: SimulatedReader, cases: int, generated: bool) -> list[str]:
    return [
        one.read(
            f"{generated}-{case}", generated=generated, labels=(), position=1, list_length=cases
        ).revisions[-1].judgment
        for case in range(cases)
    ]  # fmt: skip


def test_hit_and_false_alarm_rates_are_those_of_the_model() -> None:
    # given a reader whose d' and criterion are known
    one = reader(sensitivity_sd=0.0, criterion_sd=0.0, sensitivity=1.2, criterion=0.5, case_sd=0.7)
    # when 4,000 cases of each origin are read
    n = 4000
    hits = np.mean([said == "synthetic" for said in read_all(one, n, True)])
    false_alarms = np.mean([said == "synthetic" for said in read_all(one, n, False)])
    # then the rates are normal tail areas of N(d', 0.7² + 1²), within four standard errors
    spread = np.hypot(0.7, 1.0)
    for rate, mean in ((hits, 1.2), (false_alarms, 0.0)):
        expected = stats.norm.sf(0.5, loc=mean, scale=spread)
        assert abs(rate - expected) < 4 * np.sqrt(expected * (1 - expected) / n)


def test_readings_do_not_depend_on_the_order_of_reading() -> None:
    first, second = reader(), reader()
    there = [first.read(f"c{k}", generated=k % 2 == 0, labels=(), position=k, list_length=9)
             for k in range(9)]  # fmt: skip
    back = [second.read(f"c{k}", generated=k % 2 == 0, labels=(), position=k, list_length=9)
            for k in reversed(range(9))]  # fmt: skip
    assert there == back[::-1]


def test_two_readers_agree_beyond_chance_because_cases_differ() -> None:
    # given readers without bias differences and strong case effects
    one, other = (
        reader(number, case_sd=2.0, sensitivity_sd=0, criterion_sd=0) for number in (1, 2)
    )
    a, b = read_all(one, 800, True), read_all(other, 800, True)
    observed = np.mean([x == y for x, y in zip(a, b, strict=True)])
    p, q = (np.mean([x == "real" for x in said]) for said in (a, b))
    expected = p * q + (1 - p) * (1 - q)
    assert (observed - expected) / (1 - expected) > 0.4


def test_findings_follow_the_labels() -> None:
    one = reader()
    found = [
        one.read(f"n{k}", generated=False, labels=("Nodule",), position=1, list_length=1)
        .revisions[-1].findings
        for k in range(500)
    ]  # fmt: skip
    assert abs(np.mean(["Nodule" in terms for terms in found]) - 0.78) < 0.08
    assert np.mean(["Effusion" in terms for terms in found]) < 0.06


def test_times_are_plausible_and_some_readings_are_revised() -> None:
    one = reader()
    readings = [
        one.read(f"t{k}", generated=bool(k % 2), labels=(), position=k, list_length=500)
        for k in range(500)
    ]
    assert 5 < np.median([each.seconds for each in readings]) < 40
    assert 0.03 < np.mean([len(each.revisions) > 1 for each in readings]) < 0.12
