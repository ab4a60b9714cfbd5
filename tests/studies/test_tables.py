"""Tables sort, filter and page, each by its own part of the address."""

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from readerstudy.studies import enrolment, invitations, tables
from tests import factories


def asked(query: str, rows: list, **options: object) -> tables.Table:
    return tables.of(RequestFactory().get(f"/?{query}"), rows, **options)


def test_rows_are_sorted_with_the_unknown_last_either_way() -> None:
    sorts = {"age": lambda row: row}
    for query, expected in (
        ("sort=age", [1, 2, 3, None]),
        ("sort=-age", [3, 2, 1, None]),
        ("sort=weight", [2, None, 3, 1]),
        ("sort=--age", [3, 2, 1, None]),
        ("", [2, None, 3, 1]),
    ):
        assert asked(query, [2, None, 3, 1], sorts=sorts).page.object_list == expected, query


def test_rows_are_filtered_and_paged_and_odd_pages_answer() -> None:
    rows = [f"reader {number}" for number in range(60)]
    table = asked("q=READER 1&page=9", rows, sorts={}, size=4)
    assert table.total == 60
    assert table.page.paginator.count == 11
    assert table.page.number == 3
    assert asked("page=x", rows, sorts={}, size=4).page.number == 1
    assert asked("a-q=59", rows, sorts={}, prefix="a-").page.object_list == ["reader 59"]
    even = {"even": lambda row: int(row.split()[1]) % 2 == 0}
    assert asked("show=even", rows, sorts={}, shows=even).page.paginator.count == 30
    assert asked("show=odd", rows, sorts={}, shows=even).page.paginator.count == 60


@pytest.mark.django_db
def test_the_tables_of_the_people_page_keep_out_of_each_others_way(client: Client) -> None:
    # Given a study with thirty readers and thirty open invitations
    owner = factories.make_researcher()
    study = factories.make_study(owner=owner)
    for number in range(30):
        enrolment.enrol(study, factories.make_user(f"reader{number:02d}"))
        place = enrolment.open_place(study)
        invitations.invite(study, by=owner, reader=place, email=f"new{number:02d}@example.org")
    client.force_login(owner)
    address = reverse("studies:readers", args=[study.public_id])

    def seen(query: str) -> str:
        return client.get(f"{address}?{query}").content.decode()

    # When readers are sorted by name downwards and invitations turned to their second page
    page = seen("sort=-person&invitations-page=2&invitations-sort=address")
    # Then each table shows its own part
    assert page.index("reader29") < page.index("reader20")
    assert "reader04" not in page
    assert "new29@example.org" in page
    assert "new24@example.org" not in page
    # And links of one keep what was asked of the other
    assert "invitations-page=2&amp;invitations-sort=address&amp;sort=state" in page.replace(
        "sort=state&amp;invitations-page=2&amp;invitations-sort=address",
        "invitations-page=2&amp;invitations-sort=address&amp;sort=state",
    )
    # And a filter that finds nobody says so
    assert "No reader fits" in seen("q=nobody")
    found = seen("q=READER07&show=active")
    assert "reader07" in found
    assert "reader08" not in found
