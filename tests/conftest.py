"""What every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.find_browsers import find

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

# pytest-django's live server and Playwright's event loop live in one thread.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

ROOT = Path(__file__).resolve().parents[1]
FILMS = ROOT.parent / "shared" / "data" / "cxr"

# Milliseconds that a busy machine may take for a page or a change on it: no promise is about them.
PATIENCE = 60_000

QUIET_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything under tests/browser drives a browser."""
    for item in items:
        if "tests/browser/" in item.nodeid:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def films() -> Path:
    """The folder of real chest radiographs, where the machine has it."""
    if not FILMS.is_dir():
        pytest.skip("no real radiographs on this machine")
    return FILMS


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One headless Chromium for the whole run, or the Firefox whose path ``TEST_FIREFOX`` is."""
    if os.environ.get("TEST_FIREFOX"):
        from tests.browser import firefox

        with firefox.started(playwright, os.environ["TEST_FIREFOX"]) as started:
            yield started
        return
    path = find()
    if path is None:
        pytest.fail("no Chromium: run 'python tests/browser/find_browsers.py --install'")
    started = playwright.chromium.launch(executable_path=path, args=QUIET_FLAGS)
    yield started
    started.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser profile that fails the test on any content-security violation."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.set_default_timeout(PATIENCE)
    violations: list[str] = []
    context.on(
        "console",
        lambda message: (
            violations.append(message.text)
            if "Content Security Policy" in message.text or "content security" in message.text
            else None
        ),
    )
    asked: set[object] = set()
    context.on("request", lambda request: asked.add(request))
    context.on("requestfinished", lambda request: asked.discard(request))
    context.on("requestfailed", lambda request: asked.discard(request))
    yield context
    # What the server is still at would meet an emptied database.
    for _ in range(20):
        if not asked or not context.pages:
            break
        context.pages[0].wait_for_timeout(50)
    context.close()
    assert not violations, violations


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture(autouse=True)
def _own_storage(request: pytest.FixtureRequest, tmp_path: Path, settings: object) -> None:
    """Stored files of a test are its own."""
    settings.STORAGES = {  # type: ignore[attr-defined]
        **settings.STORAGES,  # type: ignore[attr-defined]
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "storage")},
        },
    }


@pytest.fixture(autouse=True, scope="session")
def _flushable() -> Iterator[None]:
    """Tests with real transactions end by emptying the tables, which the database's own triggers
    rightly refuse: they are lifted for that moment alone."""
    from django.db import connection
    from django.test import TransactionTestCase

    from readerstudy.audit import triggers as of_audit
    from readerstudy.reading import triggers as of_reading
    from readerstudy.studies import triggers as of_studies

    emptying = TransactionTestCase._fixture_teardown

    def lifted(case: TransactionTestCase) -> None:
        rooms = (of_audit, of_reading, of_studies)
        for room in rooms:
            room.remove(connection)
        try:
            emptying(case)
        finally:
            for room in rooms:
                room.install(connection)

    TransactionTestCase._fixture_teardown = lifted  # type: ignore[method-assign]
    yield
    TransactionTestCase._fixture_teardown = emptying  # type: ignore[method-assign]
