"""The installation's audit trail as its administrators see it."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from readerstudy.audit import trail, triggers
from readerstudy.audit.models import Entry
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(client: Client) -> Client:
    client.force_login(factories.make_user("root", is_superuser=True))
    return client


@pytest.mark.parametrize("name", ["entries", "verify", "csv"])
def test_only_administrators_see_the_whole_trail(client: Client, name: str) -> None:
    address = reverse(f"audit:{name}")
    assert client.get(address).status_code == 302
    client.force_login(factories.make_researcher())
    assert client.get(address).status_code == 403


def test_entries_are_filtered_sorted_and_paged(administrator: Client) -> None:
    # Given sixty entries of two deeds
    for number in range(60):
        trail.record("test.odd" if number % 2 else "test.even", number=number)
    address = reverse("audit:entries")

    def seen(query: str) -> list[Entry]:
        return list(administrator.get(f"{address}?{query}").context["page"].object_list)

    # Then the newest fifty come first, the rest on the second page
    assert len(seen("")) == 50
    assert [one.sequence for one in seen("page=2")][-1] == 1
    assert [one.sequence for one in seen("sort=at")][:2] == [1, 2]
    assert {one.action for one in seen("action=test.odd")} == {"test.odd"}
    assert {one.actor_name for one in seen("q=ROOT")} == {"root"}
    assert seen("until=2001-01-01") == []
    assert len(seen("since=2001-01-01&action=test.even")) == 30
    # And nonsense in the address is passed over
    assert len(seen("since=2001-02-31&sort=--&page=x")) == 50


def test_the_csv_holds_what_was_asked_for_and_runs_no_formula(administrator: Client) -> None:
    trail.record("test.deed", actor="=HYPERLINK()", study_id="s")
    answer = administrator.get(reverse("audit:csv") + "?action=test.deed")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [row["actor_name"] for row in rows] == ["'=HYPERLINK()"]
    assert rows[0]["hash"] == Entry.objects.get(action="test.deed").hash


def test_verify_says_whether_the_chain_holds_and_where_not(administrator: Client) -> None:
    # Given a chain that holds
    for _ in range(4):
        last = trail.record("test.deed")
    page = administrator.get(reverse("audit:verify")).content.decode()
    assert "The audit trail holds" in page
    assert last.hash in page
    # When somebody with the right to drop triggers edits an entry
    connection.check_constraints()
    triggers.remove(connection)
    Entry.objects.filter(pk=last.pk).update(actor_name="somebody else")
    # Then the page names it, and the missing rules
    page = administrator.get(reverse("audit:verify")).content.decode()
    assert "does not hold" in page
    assert f"Entry {last.sequence}" in page
    assert "missing or altered" in page
