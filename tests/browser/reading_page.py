"""A reader in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from readerstudy.studies.models import Study
from tests.reading.rooms import ReadingRoom


def sign_in(context: BrowserContext, live_server: Any, room: ReadingRoom, reader: int = 0) -> None:
    """Gives the browser the reader's session, without the detour over the sign-in page."""
    from django.test import Client

    client = Client()
    client.force_login(room.users[reader])
    cookie = client.cookies["sessionid"]
    context.add_cookies([{"name": "sessionid", "value": cookie.value, "url": live_server.url}])


def walk_to(page: Page, name: str) -> None:
    """Tab until the focused control's label contains ``name``."""
    for _ in range(80):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """name => {
              const focused = document.activeElement;
              if (!focused.matches("a, button, input, select, textarea")) return false;
              const label = focused.labels?.[0]?.textContent ?? "";
              return (focused.textContent + label).includes(name);
            }""",
            name,
        )
        if found:
            return
    pytest.fail(f"{name!r} was not reached by Tab")


class Reading:
    """The room's page."""

    def __init__(self, page: Page, live_server: Any, study: Study, query: str = "") -> None:
        self.page = page
        self.url = f"{live_server.url}/read/{study.public_id}/{query}"
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self) -> Reading:
        self.page.goto(self.url)
        return self

    def shown(self, number: int | None = None) -> Reading:
        """Waits until a case (this one) is on the screen and may be answered."""
        self.page.wait_for_selector(".form:not(:disabled)")
        if number is not None:
            self.page.wait_for_function(
                "n => document.querySelector('.place').textContent.includes(n + ' of')"
                " && readingRoom.viewer.shown().length > 0",
                arg=number,
            )
        return self

    def press(self, *keys: str) -> Reading:
        for key in keys:
            if key == "Enter" and self.page.locator(".cover").count():
                # As a person does: not twice within a quarter of a second.
                self.page.wait_for_timeout(260)
            self.page.keyboard.press(key)
        return self

    def saved(self) -> Reading:
        self.page.wait_for_selector(".saving.saved")
        return self

    @property
    def place(self) -> str:
        return self.page.locator(".place").inner_text()

    @property
    def status(self) -> str:
        return self.page.locator(".saving .words").inner_text()

    def answer_all(self, first: int, last: int, *keys: str) -> Reading:
        """Reads cases ``first`` to ``last`` by keyboard."""
        for number in range(first, last + 1):
            self.shown(number).press(*(keys or ("r", "3", "d")), "Enter")
        return self
