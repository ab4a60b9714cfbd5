"""Who sees the report, when, and that it says what was recorded."""

from __future__ import annotations

import csv
import html
import io
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from readerstudy.audit.models import Entry
from readerstudy.demo.content import simulate
from readerstudy.demo.simulated_readers import Population
from readerstudy.jobs.models import Job
from readerstudy.reading import entering
from readerstudy.reading.form import NO_FINDING, Answer, FindingSaid
from readerstudy.reading.models import Reading
from readerstudy.reading.recording import record_reading
from readerstudy.reports import judgments, statistics
from readerstudy.studies import lifecycle
from readerstudy.studies.models import Membership, Presentation, Session, Study
from readerstudy.studies.protocol import AnalysisPlan, Design, Phase
from tests.factories import make_open_study, make_protocol, make_user, say

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()


def owner_of(study: Study) -> object:
    return study.memberships.get(role="owner").user


def signed_in(user: object) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def read_study() -> Study:
    """A small open study that two simulated readers have read to its end."""
    study = make_open_study(
        protocol=make_protocol(
            profile_questions=[],
            design=Design(block_size=4, longest_run=3, repeat_share=0.25, repeat_spacing=2),
        )
    )
    for reader in study.readers.all():
        simulate(reader, Population())
    return study


@pytest.fixture
def closed_study(read_study: Study) -> Study:
    return lifecycle.close_study(read_study, by=owner_of(read_study))


@pytest.fixture
def report_of(django_capture_on_commit_callbacks: Any) -> Callable[[Client, Study], str]:
    """The report's page, once the job that the first look started has been done."""

    def page(client: Client, study: Study) -> str:
        address = f"/studies/{study.public_id}/report/"
        with django_capture_on_commit_callbacks(execute=True):
            assert client.get(address).status_code == 200
        return client.get(address).content.decode()

    return page


PAGES = ("report/judgments.csv", "report/numbers.json", "report/figures/realism-by-reader.svg")


def test_while_open_nobody_sees_a_result(read_study: Study) -> None:
    client = signed_in(owner_of(read_study))
    page = client.get(f"/studies/{read_study.public_id}/report/")
    assert page.status_code == 200
    assert b"Results stay hidden while readers read" in page.content
    assert b"judged generated" not in page.content
    for path in PAGES:
        assert client.get(f"/studies/{read_study.public_id}/{path}").status_code == 404


def test_an_unblinded_owner_sees_an_interim_look_that_says_so(
    read_study: Study, report_of: Callable[[Client, Study], str]
) -> None:
    owner = owner_of(read_study)
    lifecycle.unblind(read_study, by=owner, reason="Safety board asked.")
    page = report_of(signed_in(owner), read_study)
    assert "interim look" in page
    assert "judged generated scans real" in page


def test_the_first_look_starts_one_job_and_waits_for_it(
    closed_study: Study, django_capture_on_commit_callbacks: Any
) -> None:
    # Given a closed study nobody has looked at
    client, address = (
        signed_in(owner_of(closed_study)),
        f"/studies/{closed_study.public_id}/report/",
    )
    # When two people look before the job is done
    with django_capture_on_commit_callbacks() as nudges:
        pages = [client.get(address).content.decode() for _ in range(2)]
        waiting = client.get(f"{address}underway/")
    # Then there is one job, both wait, and nothing of the result is on the page
    assert Job.objects.filter(kind="reports.analyse").count() == 1
    assert all("being worked out" in page for page in pages)
    assert all("judged generated scans real" not in page for page in pages)
    assert "HX-Refresh" not in waiting.headers
    # And once it is done the page reloads itself into the report
    for nudge in nudges:
        nudge()
    assert client.get(f"{address}underway/").headers["HX-Refresh"] == "true"
    assert "judged generated scans real" in client.get(address).content.decode()


def test_a_report_whose_job_failed_says_so_and_can_be_tried_again(
    closed_study: Study,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    client, address = (
        signed_in(owner_of(closed_study)),
        f"/studies/{closed_study.public_id}/report/",
    )
    with monkeypatch.context() as broken:
        broken.setattr(statistics, "analyse", lambda *_, **__: 1 / 0)
        with django_capture_on_commit_callbacks(execute=True):
            client.get(address)
    page = client.get(address).content.decode()
    assert "could not be worked out" in page
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"{address}again/")
    assert "judged generated scans real" in client.get(address).content.decode()


def test_a_report_is_shown_when_the_worker_keeps_its_memory_elsewhere(
    closed_study: Study, report_of: Callable[[Client, Study], str]
) -> None:
    client = signed_in(owner_of(closed_study))
    report_of(client, closed_study)
    cache.clear()
    page = client.get(f"/studies/{closed_study.public_id}/report/").content.decode()
    assert "judged generated scans real" in page


@pytest.mark.parametrize(
    ("role", "sees"),
    [("owner", True), ("editor", True), ("analyst", True), ("monitor", False), (None, False)],
)
def test_after_closing_the_roles_decide(closed_study: Study, role: str | None, sees: bool) -> None:
    user = make_user()
    if role:
        Membership.objects.create(study=closed_study, user=user, role=role)
    client = signed_in(user)
    for path in PAGES:
        answer = client.get(f"/studies/{closed_study.public_id}/{path}")
        assert answer.status_code == (200 if sees else 404), path


def test_a_reader_never_gets_the_report(closed_study: Study) -> None:
    client = signed_in(closed_study.readers.first().user)
    assert client.get(f"/studies/{closed_study.public_id}/report/").status_code == 404


def test_the_table_holds_the_standing_revision_of_every_presentation(closed_study: Study) -> None:
    client = signed_in(owner_of(closed_study))
    answer = client.get(f"/studies/{closed_study.public_id}/report/judgments.csv")
    text = b"".join(answer.streaming_content).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    drawn = Presentation.objects.filter(session__reader__study=closed_study)
    assert len(rows) == drawn.count()
    assert list(rows[0]) == list(judgments.COLUMNS)
    by_id = {row["presentation"]: row for row in rows}
    for presentation in drawn:
        row = by_id[str(presentation.public_id)]
        standing = presentation.readings.order_by("revision").last()
        assert row["judgment"] == standing.judgment
        assert int(row["revisions"]) == presentation.readings.count()
        assert row["origin"] == presentation.case.scan.origin
        assert bool(row["repeat_of"]) == (presentation.repeat_of_id is not None)


def test_no_simulated_reading_lies_in_the_future(closed_study: Study) -> None:
    readings = Reading.objects.filter(presentation__session__reader__study=closed_study)
    assert readings.latest("received_at").received_at <= timezone.now()
    for session in Session.objects.filter(reader__study=closed_study):
        assert session.started_at <= session.finished_at <= timezone.now()


def test_the_page_the_figures_and_the_numbers_agree(
    closed_study: Study, report_of: Callable[[Client, Study], str]
) -> None:
    client = signed_in(owner_of(closed_study))
    page = report_of(client, closed_study)
    numbers = json.loads(
        client.get(f"/studies/{closed_study.public_id}/report/numbers.json").content
    )
    assert numbers["lock_digest"] == closed_study.lock_digest
    assert numbers["lock_digest"] in page
    assert numbers["table_digest"] in page
    generated = numbers["analysis"]["sections"]["realism"]["by_origin"]["generated"]
    assert f"{100 * generated['u_statistic']['estimate']:.1f} %" in page
    figure = client.get(f"/studies/{closed_study.public_id}/report/figures/realism-by-reader.svg")
    assert figure["Content-Type"] == "image/svg+xml"
    assert client.get(
        f"/studies/{closed_study.public_id}/report/figures/no-such.svg"
    ).status_code == 404  # fmt: skip
    # What the blinding audit found, the reason where one was signed, and the plan are printed.
    assert closed_study.blinding["summary"] in html.unescape(page)
    if closed_study.blinding["to_sign"]:
        assert "test pictures" in page
    assert "Primary endpoint" in page


def test_looking_and_exporting_are_in_the_audit_trail(
    closed_study: Study, report_of: Callable[[Client, Study], str]
) -> None:
    client = signed_in(owner_of(closed_study))
    report_of(client, closed_study)
    b"".join(
        client.get(f"/studies/{closed_study.public_id}/report/judgments.csv").streaming_content
    )
    actions = set(Entry.objects.values_list("action", flat=True))
    assert {"report.viewed", "judgments.exported"} <= actions


def test_a_comment_that_looks_like_a_formula_is_disarmed() -> None:
    study = make_open_study(protocol=make_protocol(profile_questions=[]))
    say(
        study,
        Answer(
            judgment="real",
            confidence=3,
            findings=[FindingSaid(term=NO_FINDING)],
            comment="=HYPERLINK(1)",
        ),
    )
    lines = "".join(judgments.as_csv(study))
    assert "'=HYPERLINK(1)" in lines


def test_a_forced_choice_study_is_reported_against_one_in_m(
    report_of: Callable[[Client, Study], str],
) -> None:
    study = make_open_study(
        protocol=make_protocol(
            profile_questions=[],
            phases=[Phase(task="forced-choice", alternatives=2).model_dump()],
            plan=AnalysisPlan(primary="accuracy", power_statement="A test."),
        )
    )
    for reader in study.readers.all():
        entering.consent(reader, version="1")
        for session in reader.sessions.all():
            entering.note_environment(reader, {})
            entering.begin(reader)
            for presentation in session.presentations.order_by("position"):
                places = {
                    alternative.case.truth["origin"]: alternative.place
                    for alternative in presentation.alternative_set.select_related("case")
                }
                record_reading(
                    reader=reader,
                    presentation_id=presentation.public_id,
                    client_id=uuid.uuid4(),
                    revision=1,
                    answer=Answer(
                        choice=places["acquired"],
                        confidence=3,
                        findings=[FindingSaid(term=NO_FINDING)],
                    ),
                )
            entering.finish(reader, number=session.number)
    lifecycle.close_study(study, by=owner_of(study))
    page = report_of(signed_in(owner_of(study)), study)
    assert "Of 2 scans, readers chose an acquired one as real in 100 %" in page
    assert "Forced choice" in page
    table = judgments.table(study)
    assert (table["correct"] == 1).all()


def test_the_table_costs_the_same_queries_for_any_number_of_readings(
    closed_study: Study, django_assert_max_num_queries: object
) -> None:
    with django_assert_max_num_queries(8):  # type: ignore[operator]
        assert len(judgments.table(closed_study)) > 20
