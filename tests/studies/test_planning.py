"""The planner, and power by simulation through the report's own analysis."""

from __future__ import annotations

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.analysis.power.realism import marginal_intercept, rate_variance
from readerstudy.jobs import queue
from readerstudy.studies import (
    implications,
    planning,
    simulation,
    tasks,  # noqa: F401  registers the kind of job
)
from readerstudy.studies.models import Study
from readerstudy.studies.planning import Assumptions
from readerstudy.studies.protocol import Design
from readerstudy.studies.views.planner import last_simulation
from tests import factories


def test_binomial_plan_agrees_with_a_published_sample_size() -> None:
    # p = 0.6 against 0.5, two-sided alpha 0.05, power 0.8: 199 (Fleiss, Levin and Paik, Statistical
    # Methods for Rates and Proportions, 3rd ed., by the exact test; normal approximation 194).
    needed = planning.plan(Assumptions(kind="binomial", rate=0.6)).needed[1]

    assert needed is not None
    assert 190 <= needed <= 210


def test_power_grows_with_readers_and_cases_and_shrinks_with_variance() -> None:
    small = planning.plan(Assumptions(readers=4, cases=40))
    more_readers = planning.plan(Assumptions(readers=8, cases=40))
    more_cases = planning.plan(Assumptions(readers=4, cases=120))
    noisier = planning.plan(Assumptions(readers=4, cases=40, var_reader=1.0))

    assert more_readers.power > small.power
    assert more_cases.power > small.power
    assert noisier.power < small.power
    assert small.design_effect is not None
    assert small.design_effect > 1


@pytest.mark.parametrize("kind", list(planning.KINDS))
def test_every_kind_states_its_power_in_a_sentence(kind: str) -> None:
    found = planning.plan(Assumptions(kind=kind, rate=0.5 if kind == "equivalence" else 0.6))

    assert 0 <= found.power <= 1
    assert f"{100 * found.power:.0f} % power" in found.statement


def test_simulated_power_agrees_with_the_closed_form() -> None:
    protocol = factories.make_protocol(acquired=10, generated=60)
    truth = simulation.Truth(generated=0.68, acquired=0.8, var_reader=0.1, var_case=0.2)
    closed = planning.plan(
        Assumptions(rate=0.68, readers=5, cases=60, var_reader=0.1, var_case=0.2)
    ).power

    found = simulation.simulate(protocol, 5, truth, simulations=40, seed=3)

    assert found["lower"] - 0.1 <= closed <= found["upper"] + 0.1
    assert found["endpoint"] == "realism-generated"


def test_under_chance_the_endpoint_is_reached_no_more_often_than_alpha() -> None:
    protocol = factories.make_protocol(acquired=6, generated=30)
    truth = simulation.Truth(generated=0.5, acquired=0.8, var_reader=0.05, var_case=0.1)

    found = simulation.simulate(protocol, 4, truth, simulations=40, seed=1)

    # Exact binomial bound: 7 or more of 40 at alpha 0.05 happens with p < 0.004.
    assert found["power"] <= 6 / 40


def test_the_summary_of_a_design_says_its_power_by_the_planner() -> None:
    protocol = factories.make_protocol(acquired=40, generated=60)
    closed = planning.plan(Assumptions(rate=0.6, readers=8, cases=60))

    implied = implications.of(protocol, 8)

    assert implied.power == pytest.approx(closed.power)
    assert implied.power_for == "a realism rate of 0.6 against 0.5"
    protocol.design.allocation, protocol.design.readers_a_case = "balanced-incomplete", 3
    assert implications.of(protocol, 8).power < closed.power
    protocol.plan.equivalence_margin = 0.15
    assert implications.of(protocol, 8).power_for == "equivalence within 0.15 of 0.5"


def test_a_summary_of_absurd_numbers_is_a_sentence_and_no_wait() -> None:
    implied = implications.of(factories.make_protocol(acquired=100_000, generated=100_000), 30)

    assert "more than any study reads" in implied.problems[0]


@pytest.mark.django_db
def test_the_planner_page_computes_and_writes_its_sentence(client: Client) -> None:
    owner = factories.make_researcher()
    client.force_login(owner)
    study = factories.make_study(owner=owner)
    address = reverse("studies:study-planner", args=[study.public_id])

    page = client.get(address, {"readers": 8, "cases": 200})
    assert "<svg" in page.content.decode()
    assert "8 readers and 200 cases" in page.content.decode()
    part = client.get(address, {"cases": 200}, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    client.post(
        reverse("studies:state-power", args=[study.public_id]),
        {"statement": page.context["plan"].statement},
    )

    study = Study.objects.get(pk=study.pk)
    assert study.protocol["plan"]["power_statement"] == page.context["plan"].statement


@pytest.mark.django_db
def test_a_simulation_is_a_job_whose_result_the_page_shows(client: Client) -> None:
    owner = factories.make_researcher()
    client.force_login(owner)
    study = factories.make_study(owner=owner)
    client.post(
        reverse("studies:simulate", args=[study.public_id]),
        {
            "generated": 0.9, "acquired": 0.9, "var_reader": 0.1, "var_case": 0.1, "missing": 0,
            "auc": 0.7, "simulations": 20,
        },
    )  # fmt: skip
    job = last_simulation(study)
    assert job is not None
    queue.run(str(job.public_id))

    shown = client.get(reverse("studies:simulated", args=[study.public_id])).content.decode()

    assert "20 studies of 2 readers" in shown


def test_the_power_of_an_incomplete_design_counts_who_reads_what() -> None:
    # Given five readers of whom three read each case, two anchor cases being read by all
    design = {"allocation": "balanced-incomplete", "readers_a_case": 3, "anchor_cases": 4}
    crossed = factories.make_protocol(60, 60, readers_expected=5)
    incomplete = crossed.model_copy(
        update={"design": Design.model_validate({**crossed.design.model_dump(), **design})}
    )
    found = implications.of(incomplete, 5)
    # When whole studies with that allocation are drawn from the model that the formula states
    random = np.random.default_rng(5)
    drawn = implications._allocated(60, 60, 5, incomplete.design.model_dump_json())
    judged = implications._judged(incomplete, drawn, "realism-generated")
    pairs = [(reader - 1, item.case - 60) for reader, items in judged.items() for item in items]
    who, what = np.array(pairs).T
    mu = marginal_intercept(0.6, 0.25, 0.25)
    rates = []
    for _ in range(4000):
        logit = mu + 0.5 * random.normal(size=5)[who] + 0.5 * random.normal(size=60)[what]
        rates.append((random.random(len(who)) < 1 / (1 + np.exp(-logit))).mean())
    # Then the variance of the pooled rate is the formula's, and lies between its neighbours
    loads = (np.bincount(who).tolist(), np.bincount(what).tolist())
    variance, _ = rate_variance(
        0.6, readers=5, cases=60, var_reader=0.25, var_case=0.25, loads=loads
    )
    assert np.var(rates) == pytest.approx(variance, rel=0.08)
    as_three = rate_variance(0.6, readers=3, cases=60, var_reader=0.25, var_case=0.25)[0]
    as_five = rate_variance(0.6, readers=5, cases=60, var_reader=0.25, var_case=0.25)[0]
    assert as_five < variance < as_three
    assert implications.of(crossed, 3).power < found.power < implications.of(crossed, 5).power


def test_the_summary_promises_no_power_it_cannot_know() -> None:
    protocol = factories.make_protocol(
        20,
        20,
        plan={"primary": "auc", "power_statement": "x"},
        design={"allocation": "balanced-incomplete", "readers_a_case": 2, "block_size": 4},
    )

    found = implications.of(protocol, 4)

    assert found.power is None
    assert "simulation" in found.power_note
