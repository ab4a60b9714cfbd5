"""Touch pads, lost pointers, and what was begun and left: nothing happens that was not meant."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from readerstudy.reading.models import Finding
from readerstudy.reading.models import Reading as Row
from tests.browser.test_reading_regions import MARKS, big, enter, where
from tests.reading.rooms import make_room

pytestmark = pytest.mark.django_db(transaction=True)

VIEW = "() => JSON.stringify([readingRoom.viewer.state(), readingRoom.viewer.centre])"
SCALE = "() => readingRoom.viewer.state().scale"
SKETCH = "() => readingRoom.controls.regions.sketcher.sketch?.points.length ?? 0"

Touch = Callable[..., None]


@pytest.fixture
def tablet(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1024, "height": 768}, has_touch=True)
    yield context.new_page()
    context.close()


@pytest.fixture
def touch(tablet: Page) -> Touch:
    session = tablet.context.new_cdp_session(tablet)

    def send(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    return send


def wheel(page: Page, right: float, down: float, *keys: str) -> str:
    """Turns the wheel over the image; the view after it."""
    for key in keys:
        page.keyboard.down(key)
    page.mouse.wheel(right, down)
    for key in keys:
        page.keyboard.up(key)
    page.wait_for_timeout(60)
    return str(page.evaluate(VIEW))


def test_two_fingers_on_a_touch_pad_zoom_in_small_steps_and_sideways_is_a_slip(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=2, picture=big)
    enter(context, page, live_server, room).shown(1)
    page.evaluate(
        "() => addEventListener('wheel', turn => (window.kept ??= []).push(turn.defaultPrevented))"
    )
    before = page.evaluate(SCALE)
    at = where(page, 200, 150)
    page.mouse.move(*at)
    # when: a pinch comes as a wheel with Ctrl
    for _ in range(5):
        wheel(page, 0, -8, "Control")
    # then it zooms as far as the fingers went, about the point between them
    assert page.evaluate(SCALE) == pytest.approx(before * math.exp(0.4), rel=0.01)
    assert where(page, 200, 150) == pytest.approx(at, abs=2)
    # one push of a wheel with Ctrl is not a leap
    before = page.evaluate(SCALE)
    wheel(page, 0, -1200, "Control")
    assert page.evaluate(SCALE) == pytest.approx(before * math.exp(0.5), rel=0.01)
    # sideways, and nearly so, nothing happens
    still = page.evaluate(VIEW)
    assert wheel(page, 80, 0) == still
    assert wheel(page, -80, 12) == still
    # and the browser neither enlarges the page nor leaves it, with and without an image
    page.evaluate("() => readingRoom.viewer.hide('grey')")
    wheel(page, 0, -8, "Control")
    wheel(page, -80, 0)
    assert set(page.evaluate("() => window.kept")) == {True}


def test_a_lost_pointer_leaves_a_region_as_it_was(
    tablet: Page, touch: Touch, live_server: Any
) -> None:
    room = make_room(cases=1, picture=big)
    reading = enter(tablet.context, tablet, live_server, room).shown(1)
    # given a box that was drawn, and one whose drawing was cut off
    tablet.get_by_role("button", name="Box").tap()
    touch("touchStart", where(tablet, 100, 100))
    touch("touchMove", where(tablet, 160, 160))
    touch("touchCancel")
    assert tablet.evaluate(MARKS) == []
    assert tablet.evaluate(SKETCH) == 0
    touch("touchStart", where(tablet, 100, 100))
    touch("touchMove", where(tablet, 200, 220))
    touch("touchEnd")
    drawn = tablet.evaluate(MARKS)
    assert len(drawn) == 1
    # when it is pulled and the finger is taken away by the system
    touch("touchStart", where(tablet, 100, 160))
    touch("touchMove", where(tablet, 140, 160))
    touch("touchMove", where(tablet, 180, 190))
    assert tablet.evaluate(MARKS) != drawn
    touch("touchCancel")
    # then it is where it was, and undo is about the drawing of it
    assert tablet.evaluate(MARKS) == drawn
    reading.press("Control+z")
    assert tablet.evaluate(MARKS) == []
    # and the next finger is a new beginning
    still = tablet.evaluate("() => readingRoom.viewer.window.width")
    touch("touchStart", where(tablet, 300, 300))
    touch("touchMove", where(tablet, 260, 300))
    touch("touchMove", where(tablet, 220, 300))
    touch("touchCancel")
    narrower = tablet.evaluate("() => readingRoom.viewer.window.width")
    assert narrower < still
    touch("touchStart", where(tablet, 300, 300))
    touch("touchEnd")
    assert tablet.evaluate("() => readingRoom.viewer.window.width") == narrower


def test_a_mouse_whose_capture_is_lost_stops_dragging(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=1, picture=big)
    enter(context, page, live_server, room).shown(1)
    lose = "id => document.querySelector('.viewer').releasePointerCapture(id)"
    page.evaluate("() => addEventListener('pointerdown', e => window.mouse = e.pointerId, true)")
    page.mouse.move(*where(page, 200, 200))
    page.mouse.down(button="right")
    page.mouse.move(*where(page, 240, 200), steps=3)
    page.evaluate(lose, page.evaluate("() => window.mouse"))
    page.mouse.move(*where(page, 240, 210))
    page.wait_for_timeout(60)
    still = page.evaluate(VIEW)
    page.mouse.move(*where(page, 100, 300), steps=3)
    page.wait_for_timeout(60)
    assert page.evaluate(VIEW) == still
    page.mouse.up(button="right")


def test_two_fingers_take_back_what_the_first_one_did(
    tablet: Page, touch: Touch, live_server: Any
) -> None:
    """One of two fingers always comes first: no contrast, corner or region changes by it."""
    room = make_room(cases=1, picture=big)
    enter(tablet.context, tablet, live_server, room).shown(1)

    def pinch(first: tuple[float, float], second: tuple[float, float]) -> float:
        before = tablet.evaluate(SCALE)
        touch("touchStart", first)
        touch("touchMove", (first[0] - 8, first[1]))
        touch("touchStart", (first[0] - 8, first[1]), second)
        for step in (20, 40, 60):
            touch("touchMove", (first[0] - 8 - step, first[1]), (second[0] + step, second[1]))
        touch("touchEnd")
        tablet.wait_for_timeout(60)
        return float(tablet.evaluate(SCALE) / before)

    (x, y) = where(tablet, 250, 250)
    # the contrast
    window = tablet.evaluate("() => readingRoom.viewer.window")
    assert pinch((x - 40, y), (x + 40, y)) > 1.5
    assert tablet.evaluate("() => readingRoom.viewer.window") == window
    # an outline of which two corners are set
    tablet.evaluate("() => readingRoom.viewer.setZoom('fit')")
    tablet.get_by_role("button", name="Outline, corner by corner").tap()
    for corner in ((100, 100), (200, 100)):
        touch("touchStart", where(tablet, *corner))
        touch("touchEnd")
    assert tablet.evaluate(SKETCH) == 2
    assert pinch((x - 40, y), (x + 40, y)) > 1.5
    assert tablet.evaluate(SKETCH) == 2
    tablet.evaluate("() => readingRoom.viewer.setZoom('fit')")
    for corner in ((200, 200), (100, 100)):
        touch("touchStart", where(tablet, *corner))
        touch("touchEnd")
    drawn = tablet.evaluate(MARKS)
    assert [len(mark["points"]) for mark in drawn] == [3]
    # a region under the first finger
    assert pinch(where(tablet, 150, 100), where(tablet, 320, 300)) > 1.2
    assert tablet.evaluate(MARKS) == drawn


def test_a_box_is_drawn_by_two_clicks_too(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=1, picture=big)
    reading = enter(context, page, live_server, room).shown(1)
    reading.press("b")
    page.mouse.click(*where(page, 100, 120))
    page.mouse.move(*where(page, 150, 200), steps=3)
    page.mouse.click(*where(page, 180, 240))
    (mark,) = page.evaluate(MARKS)
    assert mark["points"][0] == pytest.approx([100, 120], abs=1.5)
    assert mark["points"][1] == pytest.approx([180, 240], abs=1.5)


def test_what_was_begun_and_left_is_pointed_out_before_the_answer_goes(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=3, picture=big)
    reading = enter(context, page, live_server, room).shown(1)
    needs = page.locator("#needs")
    submit = page.get_by_role("button", name="Submit")
    # given letters of a finding that was not taken from the list
    reading.press("s", "3", "d", "f")
    page.keyboard.type("mas")
    page.get_by_label("Synthetic", exact=True).check()
    # when submitted
    submit.click()
    # then they are asked about, and the field has the focus
    expect(needs).to_contain_text("a choice for “mas”")
    expect(page.get_by_role("combobox", name="Findings")).to_be_focused()
    assert not Row.objects.filter(submitted=True).exists()
    reading.press("Enter", "Enter")
    # a region of which one corner is set
    reading.press("m")
    page.mouse.click(*where(page, 100, 120))
    submit.click()
    expect(needs).to_contain_text("an end to the region that was begun")
    page.locator(".stage").focus()
    reading.press("Escape")
    assert page.evaluate(SKETCH) == 0
    # a tool that was taken and not used is no region: Enter submits as ever
    reading.press("Enter")
    reading.shown(2).saved()
    row = Row.objects.get(submitted=True)
    assert Finding.objects.get(reading=row).term == "Mass"
    assert Finding.objects.get(reading=row).region is None
    # a point that was aimed at is set by Enter
    reading.press("r", "3", "f")
    page.keyboard.type("mas")
    reading.press("Enter", "Enter", "p", "ArrowLeft", "Enter")
    assert [mark["type"] for mark in page.evaluate(MARKS)] == ["point"]
    reading.press("Escape", "Enter")
    reading.shown(3)


def test_enter_that_ends_a_composed_word_takes_no_finding(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=1)
    reading = enter(context, page, live_server, room).shown(1)
    reading.press("s", "3", "f")
    page.keyboard.type("mas")
    page.evaluate(
        "() => document.activeElement.dispatchEvent(new KeyboardEvent('keydown',"
        " {key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))"
    )
    assert page.locator(".said-row").count() == 0
    reading.press("Enter")
    assert page.locator(".said-row").count() == 1
