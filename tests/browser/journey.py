"""One study from draft to report, as people click and type it."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page, TimeoutError, expect


def sign_in(page: Page, base: str, username: str, password: str) -> None:
    page.goto(f"{base}/accounts/login/")
    page.get_by_label("Username").or_(page.locator("input[name=login]")).first.fill(username)
    page.locator("input[name=password]").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/accounts/login" not in url)


@dataclass
class Researcher:
    """The researcher's side of the journey."""

    page: Page
    base: str

    def draft(self, title: str, *, acquired: int, generated: int) -> str:
        """Make a draft; returns the address of its overview."""
        page = self.page
        page.goto(f"{self.base}/studies/")
        page.get_by_role("link", name="New study").first.click()
        page.get_by_label("Title").fill(title)
        page.get_by_label("Research question").fill("Are painted scans taken for acquired ones?")
        page.get_by_label("Acquired scans").fill(str(acquired))
        page.get_by_label("Generated scans").fill(str(generated))
        page.get_by_role("button", name="Make the draft").click()
        page.wait_for_url(re.compile(r"/set-up/"))
        return page.url.split("/set-up/")[0] + "/"

    def set(self, study: str, step: str, **fields: str) -> None:
        """Fill some fields of a set-up step by their form names and save."""
        page = self.page
        page.goto(f"{study}set-up/{step}/")
        for name, value in fields.items():
            field = page.locator(f"main [name={name.replace('__', '-')}]")
            if field.evaluate("element => element.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)
        page.get_by_role("button", name="Save", exact=True).click()
        page.wait_for_load_state()

    def enrol(self, study: str, usernames: list[str]) -> None:
        page = self.page
        page.goto(f"{study}readers/")
        page.locator("[name=people]").fill("\n".join(usernames))
        page.get_by_role("button", name="Enrol").click()
        expect(page.locator("tbody tr").first).to_contain_text("R01")

    def lock(self, study: str, title: str, reason: str, timeout: float = 60) -> None:
        page = self.page
        page.goto(f"{study}set-up/review/")
        page.locator("#lock-title").fill(title)
        # Where jobs run in the request, the answer comes when all frames are rendered.
        page.get_by_role("button", name="Lock the study").click(timeout=1000 * timeout)
        page.wait_for_load_state()
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            page.goto(study)
            if page.locator(".status").first.inner_text() == "Locked":
                return
            if page.get_by_role("button", name="Sign and lock").is_visible():
                page.get_by_label("Reason").fill(reason)
                page.get_by_role("button", name="Sign and lock").click()
                page.wait_for_load_state()
            page.wait_for_timeout(500)
        raise AssertionError(page.locator("main").inner_text())

    def open(self, study: str) -> None:
        self.page.goto(study)
        self.page.get_by_role("button", name="Open the study").click()
        expect(self.page.locator(".status").first).to_have_text("Open")

    def close(self, study: str, title: str) -> None:
        page = self.page
        page.goto(study)
        page.locator("summary", has_text="Close").first.click()
        page.locator("form[action$='/close/'] input[name=title]").fill(title)
        page.locator("form[action$='/close/'] button").click()
        expect(page.locator(".status").first).to_have_text("Closed")


@dataclass
class Reader:
    """The reader's side: everything by keyboard."""

    page: Page
    base: str

    def enter(self) -> None:
        """From the list of studies into the room."""
        self.page.goto(f"{self.base}/read/")
        self.page.locator("main a").first.click()

    def prepare(self) -> None:
        """Consent, profile, reading conditions, instructions: whatever the room still asks."""
        page = self.page
        onwards = page.locator("button:not(:disabled)").filter(
            has_text=re.compile(r"^\s*(Go on|Start|Begin)")
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if page.locator(".form:not(:disabled)").count():
                return
            for number in page.locator("input[type=number]:visible").all():
                number.fill("7")
            answered = set()
            for radio in page.locator("input[type=radio]:enabled").all():
                name = radio.get_attribute("name")
                if name not in answered:
                    answered.add(name)
                    radio.check(force=True)
            for box in page.locator("input[type=checkbox]:visible").all():
                box.check()
            if onwards.count():
                # A page on its way out may take the button along: the next look finds another.
                with contextlib.suppress(TimeoutError):
                    onwards.first.click(timeout=2_000)
            page.wait_for_timeout(200)
        raise AssertionError(page.locator("body").inner_text())

    def read(self, count: int, judge: Callable[[int], tuple[str, ...]]) -> None:
        """Judge ``count`` presentations: ``judge`` gives the keys for each, Enter submits."""
        page = self.page
        for number in range(count):
            page.wait_for_selector(".form:not(:disabled)")
            before = page.locator(".place").inner_text()
            for key in judge(number):
                page.keyboard.press(key)
            page.keyboard.press("Enter")
            page.wait_for_function(
                "before => document.querySelector('.place')?.textContent !== before"
                " || [...document.querySelectorAll('button')]"
                ".some(b => b.textContent.trim().startsWith('Finish'))",
                arg=before,
            )
        page.wait_for_selector(".saving.saved")

    def finish(self) -> None:
        """Hand the session in from the closing page."""
        page = self.page
        finish = page.get_by_role("button", name="Finish")
        finish.wait_for()
        page.wait_for_timeout(260)  # a second Enter sooner would be a double press
        page.keyboard.press("Enter")
        finish.wait_for(state="hidden")
        expect(page.locator("body")).to_contain_text("Thank you")
