"""Everybody can read: axe on every page of the room, and what a screen reader hears."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from readerstudy.studies.protocol import (
    Cues,
    Design,
    Exposure,
    Findings,
    Form,
    Phase,
    Question,
    default_profile,
)
from tests.browser.reading_page import Reading, sign_in
from tests.reading.rooms import make_room

pytestmark = pytest.mark.django_db(transaction=True)


def check(page: Page) -> None:
    """WCAG 2.2 AA by axe, put into the page from the test's side: its policy allows no more."""
    from pathlib import Path

    import axe_playwright_python

    (script,) = Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")
    # What is still fading in has not its own colours yet.
    page.evaluate("Promise.all(document.getAnimations().map(one => one.finished.catch(() => 0)))")
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": script.read_text()})
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    result = page.evaluate(
        "tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", tags
    )
    found = [
        f"{each['id']}: {node['html'][:120]}"
        for each in result["violations"]
        for node in each["nodes"]
    ]
    assert not found, "\n".join(found)


FULL = Form(
    confidence="0-100",
    quality="5-point",
    findings=Findings(certainty="4-point", laterality=True),
    cues=Cues(required=True),
    questions=[
        Question(key="mood", text="Would you report this?", kind="choice", options=["Yes", "No"]),
        Question(key="ages", text="Age", kind="number"),
    ],
    rotate_and_flip=True,
    edge_filter=True,
    show_clock=True,
)


def test_axe_finds_nothing_on_the_way_in(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(
        cases=1,
        entered=False,
        profile_questions=[each.model_dump() for each in default_profile()],
    )
    sign_in(context, live_server, room)
    page.goto(f"{live_server.url}/read/")
    check(page)
    reading = Reading(page, live_server, room.study).open()
    page.get_by_label("I have read this").check()
    check(page)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Years of experience").fill("3")
    page.get_by_label("Other", exact=True).first.check()
    check(page)
    page.get_by_role("button", name="Go on").click()
    for name in ("Laptop", "Dim"):
        page.get_by_label(name, exact=True).check()
    for question in page.locator(".patch-question").all():
        question.get_by_label("I cannot see it").check()
    check(page)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Begin").wait_for()
    check(page)
    page.get_by_role("button", name="Begin").click()
    reading.shown(1)
    check(page)


def test_axe_finds_nothing_in_the_room_and_its_sheets(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=2, training=1, phases=[Phase(form=FULL)], design=Design(break_every=1))
    sign_in(context, live_server, room)
    reading = Reading(page, live_server, room.study).open().shown(1)
    reading.press("s", "f")
    page.keyboard.type("e")
    check(page)
    reading.press("Enter", "Escape", "b", "Space", "ArrowDown", "ArrowRight", "Space")
    check(page)
    for key in ("Escape", "?"):
        reading.press(key)
    check(page)
    for key in ("Escape", "Shift+P"):
        reading.press(key)
    check(page)
    reading.press("Enter", "PageUp")
    check(page)
    reading.press("Escape", "Shift+W")
    check(page)
    reading.press("Escape", "Enter")
    check(page)


def test_axe_finds_nothing_in_timed_and_side_by_side_reading(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    timed = make_room(cases=1, phases=[Phase(exposure=Exposure(mode="fixed", milliseconds=100))])
    sign_in(context, live_server, timed)
    reading = Reading(page, live_server, timed.study).open()
    page.get_by_role("button", name="Show").wait_for()
    check(page)
    reading.press("Enter")
    page.wait_for_function("() => readingRoom.timing.exposureMs !== null")
    check(page)
    pair = make_room(cases=2, alternatives=2, phases=[Phase(task="forced-choice")])
    sign_in(context, live_server, pair)
    Reading(page, live_server, pair.study).open().shown(1).press("1")
    check(page)


def test_what_happens_is_said_aloud(context: BrowserContext, page: Page, live_server: Any) -> None:
    """Cases, answers, what is missing, regions and troubles reach the live region."""
    room = make_room(cases=2)
    sign_in(context, live_server, room)
    page.add_init_script(
        """window.heard = [];
        new MutationObserver(() => {
          for (const region of document.querySelectorAll('[aria-live], [role=status]')) {
            const text = region.textContent.trim();
            if (text && window.heard.at(-1) !== text) window.heard.push(text);
          }
        }).observe(document, {subtree: true, childList: true, characterData: true});"""
    )
    reading = Reading(page, live_server, room.study).open().shown(1)
    for keys in (["s"], ["4"], ["Enter"], ["Escape"], ["d"], ["p", "Space"], ["Delete"]):
        reading.press(*keys)
        page.wait_for_timeout(80)
    context.set_offline(True)
    reading.press("Enter")
    page.wait_for_selector(".saving.waiting")
    page.wait_for_timeout(100)
    heard = "\n".join(page.evaluate("() => window.heard"))
    for words in (
        "Case 1 of 2 is shown",
        "Synthetic",
        "How sure are you? 4 of 5",
        "Still needed: findings",
        "No finding added",
        "Point drawn",
        "Point removed",
        "Waiting for network",
    ):
        assert words in heard, (words, heard)


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1024, 768), (820, 1180)])
def test_it_fits_laptops_and_tablets(
    context: BrowserContext, page: Page, live_server: Any, width: int, height: int
) -> None:
    room = make_room(cases=2)
    sign_in(context, live_server, room)
    page.set_viewport_size({"width": width, "height": height})
    Reading(page, live_server, room.study).open().shown(1)
    box = page.locator(".submit").bounding_box()
    stage = page.locator(".stage").bounding_box()
    assert box
    assert stage
    assert box["y"] + box["height"] <= height
    assert stage["width"] >= 0.745 * width
    # nothing scrolls sideways
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width


EVERYTHING = Form(
    findings=Findings(certainty="4-point", laterality=True), rotate_and_flip=True, edge_filter=True
)

OVERLAPS = """selector => {
  const boxes = [...document.querySelectorAll(selector)].filter(e => e.offsetParent)
    .map(e => [e.title || e.textContent, e.getBoundingClientRect(), e]);
  const found = [];
  boxes.forEach(([name, a, one], i) => {
    if (one.scrollWidth > one.clientWidth + 1) found.push(name + ' is cut');
    for (const [other, b] of boxes.slice(i + 1)) {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 0.5 && high > 0.5) found.push(name + ' lies on ' + other);
    }
  });
  return found;
}"""


@pytest.mark.parametrize(
    ("width", "height", "touch"),
    [
        (1280, 800, False),
        (1440, 900, False),
        (1920, 1080, False),
        (1024, 768, True),
        (768, 1024, True),
    ],
)
def test_no_tool_lies_on_another_and_fingers_find_them(
    browser: Browser, live_server: Any, width: int, height: int, touch: bool
) -> None:
    """With every tool that a protocol can allow, at every usual size."""
    room = make_room(cases=2, phases=[Phase(form=EVERYTHING)])
    context = browser.new_context(viewport={"width": width, "height": height}, has_touch=touch)
    page = context.new_page()
    sign_in(context, live_server, room)
    reading = Reading(page, live_server, room.study).open().shown(1)
    reading.press("s", "f", *"mass", "Enter", "Enter", "m", "Space")
    reading.press("ArrowDown", "ArrowRight", "Space")
    assert page.evaluate(OVERLAPS, ".viewbar .tool, .viewbar button.readout") == []
    assert page.evaluate(OVERLAPS, ".top > *:not(.line)") == []
    stage, view = (page.locator(each).bounding_box() for each in (".stage", ".view"))
    assert stage
    assert view
    assert stage["width"] >= 0.745 * width
    assert view["height"] >= 0.4 * height
    # what is to be pressed for every case is 44 px high, for a finger everything
    wanted = ".panel .choice, .submit" + (", .tool, .small, .top button" if touch else "")
    low = page.evaluate(
        """selector => [...document.querySelectorAll(selector)].filter(e => e.offsetParent)
            .filter(e => e.getBoundingClientRect().height < 43.5)
            .map(e => e.outerHTML.slice(0, 80))""",
        wanted,
    )
    assert low == []
    context.close()


def test_the_whole_form_is_in_sight_on_a_laptop(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """Judgment, confidence, findings, cues and comment: nothing to scroll at 1280 x 800."""
    page.set_viewport_size({"width": 1280, "height": 800})
    room = make_room(cases=2, phases=[Phase(form=EVERYTHING)])
    sign_in(context, live_server, room)
    Reading(page, live_server, room.study).open().shown(1)
    form = page.locator(".form")
    assert form.evaluate("e => e.scrollHeight - e.clientHeight") <= 1


def test_nothing_on_the_page_is_brighter_than_a_radiograph(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """No pixel of panel, bars and sheets above 85 % grey."""
    import io

    from PIL import Image

    room = make_room(cases=2)
    sign_in(context, live_server, room)
    reading = Reading(page, live_server, room.study).open().shown(1)
    page.evaluate("() => readingRoom.viewer.hide('blank')")
    for keys in ((), ("?",), ("Escape", "Shift+P")):
        reading.press(*keys)
        page.wait_for_timeout(200)
        picture = Image.open(io.BytesIO(page.screenshot())).convert("L")
        assert picture.getextrema()[1] <= 0.85 * 255
