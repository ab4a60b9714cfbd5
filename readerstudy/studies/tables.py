"""Sort, filter and page rows that are worked out in Python, by the address of the page.

Several tables on one page each take a prefix: ``?sort=-state&q=ada&page=2&invitations-page=3``. The
heads and page links are ``studies/_sort.html`` and ``studies/_pages.html``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import HttpRequest

A_PAGE = 25


@dataclass(frozen=True, slots=True)
class Table:
    """One page of rows and what was asked of them, for the template."""

    page: Page
    total: int  # rows before the filter
    sort: str
    q: str
    show: str
    prefix: str


def item_is(key: str, value: Any) -> Callable[[Any], bool]:
    """For ``shows``: rows (mappings) that hold this under the key."""
    return lambda row: bool(row[key] == value)


def attribute_is(name: str, value: Any) -> Callable[[Any], bool]:
    """For ``shows``: rows whose attribute is this."""
    return lambda row: bool(getattr(row, name) == value)


def of(
    request: HttpRequest,
    rows: Sequence[Any],
    *,
    sorts: Mapping[str, Callable[[Any], Any]],
    text: Callable[[Any], str] = str,
    shows: Mapping[str, Callable[[Any], bool]] | None = None,
    prefix: str = "",
    default: str = "",
    size: int = A_PAGE,
) -> Table:
    """The rows whose ``text`` holds the words asked for and that the chosen ``shows`` keeps, in the
    order asked for: a key of ``sorts``, with ``-`` downwards. Rows whose key is ``None`` come last
    either way. What is not known is passed over."""
    asked = request.GET
    q = asked.get(f"{prefix}q", "").strip()
    show = asked.get(f"{prefix}show", "")
    sort = asked.get(f"{prefix}sort", "")
    sort = sort if sort.lstrip("-") in sorts else default
    keep = (shows or {}).get(show)
    found = [
        row
        for row in rows
        if (not q or q.casefold() in text(row).casefold()) and (keep is None or keep(row))
    ]
    if key := sorts.get(sort.lstrip("-")):
        known = [row for row in found if key(row) is not None]
        unknown = [row for row in found if key(row) is None]
        found = sorted(known, key=key, reverse=sort.startswith("-")) + unknown
    page = Paginator(found, size).get_page(asked.get(f"{prefix}page"))
    return Table(page, len(rows), sort, q, show if keep else "", prefix)
