"""The reading room in Firefox: the way through it, the grey values, and nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from readerstudy.reading.models import Environment, Finding
from readerstudy.reading.models import Reading as Row
from tests.browser import firefox
from tests.browser.find_browsers import find_firefox
from tests.browser.reading_page import Reading, sign_in, walk_to
from tests.browser.screen_pixels import ramp, the_ramp_is_exact
from tests.reading.rooms import make_room

pytestmark = pytest.mark.django_db(transaction=True)

# Firefox tells the page alone of a breach of its content policy, and the console nothing.
NOTE_BREACHES = """addEventListener("securitypolicyviolation", event =>
  localStorage.setItem("breaches", (localStorage.getItem("breaches") ?? "") +
    `${event.violatedDirective} ${event.blockedURI} `))"""


@pytest.fixture(scope="module")
def path() -> str:
    found = find_firefox()
    if found is None:
        pytest.skip("no Firefox: 'python tests/browser/find_browsers.py --install', or FIREFOX=")
    return found


@pytest.fixture(scope="module")
def browser(playwright: Playwright, path: str) -> Iterator[Browser]:
    """Without a screen; Firefox has no WebGL then."""
    with firefox.started(playwright, path) as started:
        yield started


@pytest.fixture(scope="module")
def on_screen(playwright: Playwright, path: str) -> Iterator[Browser]:
    """On a screen in memory, with WebGL 2 drawn by the processor."""
    with firefox.screen() as display:
        if display is None:
            pytest.skip("no Xvfb: without a screen Firefox has no WebGL")
        with firefox.started(playwright, path, display) as started:
            yield started


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.add_init_script(NOTE_BREACHES)
    yield page
    breaches = page.evaluate("localStorage.getItem('breaches')")
    assert not breaches, breaches


def test_from_the_sign_in_to_the_end_by_keyboard(page: Page, live_server: Any) -> None:
    """Consent, screen check, practice, a marked finding, a reload and a dead network."""
    # given
    room = make_room(cases=4, training=1, entered=False)
    reading = Reading(page, live_server, room.study).open()
    # when: signed in on the page that asks for it
    page.locator("input[name=login]").fill(room.user.username)
    page.locator("input[name=password]").fill("correct horse")
    page.keyboard.press("Enter")
    # consent
    page.get_by_role("checkbox").wait_for()
    walk_to(page, "I have read this and agree")
    reading.press("Space")
    expect(page.get_by_role("checkbox")).to_be_checked()
    walk_to(page, "Go on")
    reading.press("Enter")
    # the screen, and the grey steps on it
    page.get_by_role("heading", name="Where you read").wait_for()
    for name, key in (
        ("Diagnostic monitor", "Space"),
        ("Dark", "Space"),
        ("Top left", "ArrowDown"),
    ):
        walk_to(page, name)
        reading.press(key)
    walk_to(page, "Top left")
    reading.press("Space")
    walk_to(page, "Go on")
    reading.press("Enter")
    expect(page.get_by_role("button", name="Begin with practice")).to_be_focused()
    reading.press("Enter")
    # practice
    reading.shown(1).press("r", "5", "d", "Enter")
    expect(page.locator(".verdict")).to_contain_text("Yes. This was: Real.")
    reading.press("Enter")
    # a case with a finding that is marked by keyboard; the page is loaded anew in the middle of it
    reading.shown(1).press("s", "2", "f")
    page.keyboard.type("mas")
    reading.press("Enter", "Enter", "m", "Space", *["ArrowRight"] * 4, *["ArrowDown"] * 4, "Space")
    points = page.evaluate("readingRoom.controls.regions.marks.list[0].points")
    page.reload()
    reading.shown(1)
    expect(page.get_by_label("Synthetic", exact=True)).to_be_checked()
    assert page.evaluate("readingRoom.controls.regions.marks.list[0].points") == points
    reading.press("Enter")
    # the network dies: what was loaded is read, and kept over a reload that comes after it
    reading.shown(2).saved()
    page.wait_for_function("() => readingRoom.viewer.loader.ready.size >= 3")
    page.context.set_offline(True)
    reading.answer_all(2, 3, "r", "4", "d").shown(4)
    assert "2 answers kept here" in reading.status
    assert Row.objects.filter(submitted=True).count() == 2
    page.context.set_offline(False)
    page.reload()
    reading.shown(4).saved().press("r", "3", "d", "Enter")
    page.get_by_role("button", name="Finish").wait_for()
    reading.press("Enter")
    expect(page.get_by_role("heading", name="All done")).to_be_visible()
    # then
    rows = list(Row.objects.filter(submitted=True).order_by("presentation__position"))
    assert [row.judgment for row in rows] == ["real", "synthetic", "real", "real", "real"]
    assert [row.confidence for row in rows] == [5, 2, 4, 4, 3]
    (shape,) = Finding.objects.get(reading=rows[1]).region["shapes"]
    assert shape["points"] == points
    for row in rows:
        timings = row.timings
        assert 0 <= timings["painted"] <= timings["submitted"]
    assert rows[0].viewer["renderer"] == "canvas"
    checked = Environment.objects.order_by("at")[0].record
    assert checked["monitor"] == "Diagnostic monitor"
    assert checked["grey_steps"]["dark"]["answer"] == "Top right"
    assert not reading.errors


def test_ramps_are_exact_on_the_canvas(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    exact(context, page, live_server, "canvas")


def test_ramps_are_exact_on_webgl(on_screen: Browser, live_server: Any) -> None:
    context = on_screen.new_context(viewport={"width": 1200, "height": 800})
    exact(context, context.new_page(), live_server, "webgl2")
    context.close()


def exact(context: BrowserContext, page: Page, live_server: Any, renderer: str) -> None:
    """Every value from 0 to 4095 within one grey level of what numpy makes of it."""
    room = make_room(cases=1, picture=ramp)
    sign_in(context, live_server, room)
    Reading(page, live_server, room.study, f"?renderer={renderer}").open().shown(1)
    assert page.evaluate("readingRoom.viewer.kind") == renderer
    the_ramp_is_exact(page)
