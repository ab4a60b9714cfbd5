"""Regions by mouse, by finger and by keyboard alone, at several pixel ratios."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from readerstudy.reading.models import Finding
from readerstudy.reading.models import Reading as Stored
from tests.browser.reading_page import Reading, sign_in
from tests.reading.rooms import ReadingRoom, make_room, noise

pytestmark = pytest.mark.django_db(transaction=True)

MARKS = "() => readingRoom.controls.regions.marks.list"
WIDTH = """() => {
  const [a, b] = readingRoom.controls.regions.marks.list[0].points;
  return b[0] - a[0];
}"""


def big(number: int) -> Any:
    return noise(number, 512)


def enter(context: BrowserContext, page: Page, live_server: Any, room: ReadingRoom) -> Reading:
    sign_in(context, live_server, room)
    return Reading(page, live_server, room.study).open().shown(1)


def where(page: Page, x: float, y: float) -> tuple[float, float]:
    """The point of the page where the image's pixel (x, y) is."""
    place = page.evaluate(
        """([x, y]) => {
          const {viewer} = readingRoom, view = viewer.viewOf(0);
          const box = viewer.host.getBoundingClientRect(), ratio = devicePixelRatio;
          return [box.left + (x * view.scale + view.x) / ratio,
                  box.top + (y * view.scale + view.y) / ratio];
        }""",
        [x, y],
    )
    return place[0], place[1]


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*where(page, *start))
    page.mouse.down()
    page.mouse.move(*where(page, *end), steps=5)
    page.mouse.up()


@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_drawn_moved_resized_and_stored_in_image_pixels(
    browser: Browser, live_server: Any, ratio: int
) -> None:
    # given
    room = make_room(cases=2, picture=big)
    context = browser.new_context(
        viewport={"width": 1000, "height": 700}, device_scale_factor=ratio
    )
    page = context.new_page()
    reading = enter(context, page, live_server, room)
    near = pytest.approx
    # when a box is drawn
    reading.press("b")
    drag(page, (100, 120), (200, 260))
    (mark,) = page.evaluate(MARKS)
    # then it lies where the mouse was, to a pixel of the screen
    assert mark["points"][0] == near([100, 120], abs=1.5)
    assert mark["points"][1] == near([200, 260], abs=1.5)
    # when moved by its edge
    drag(page, (100, 190), (150, 190))
    (mark,) = page.evaluate(MARKS)
    assert mark["points"][0] == near([150, 120], abs=2)
    # when resized by a corner
    drag(page, (250, 260), (300, 300))
    (mark,) = page.evaluate(MARKS)
    corners = sorted(mark["points"])
    assert corners[0] == near([150, 120], abs=2)
    assert corners[1] == near([300, 300], abs=2)
    # when undone twice and redone once
    reading.press("Control+z", "Control+z")
    assert page.evaluate(MARKS)[0]["points"][0] == near([100, 120], abs=1.5)
    reading.press("Control+y")
    assert page.evaluate(MARKS)[0]["points"][0] == near([150, 120], abs=2)
    context.close()


def test_all_shapes_by_mouse_and_restored_exactly(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=2, picture=big)
    reading = enter(context, page, live_server, room)
    reading.press("s", "3", "f")
    page.keyboard.type("mass")
    reading.press("Enter", "Enter")
    page.get_by_role("button", name="Mark Mass on the image").click()
    drag(page, (50, 60), (120, 140))
    reading.press("Escape", "e")
    drag(page, (200, 60), (260, 140))
    reading.press("Escape", "p")
    page.mouse.click(*where(page, 300, 300))
    reading.press("Escape", "n")
    drag(page, (400, 400), (350, 350))
    reading.press("Escape", "y")
    for corner in ((60, 300), (120, 300), (120, 380), (60, 380)):
        page.mouse.click(*where(page, *corner))
        page.wait_for_timeout(30)
    page.mouse.click(*where(page, 60, 300))
    reading.press("Escape", "u")
    page.mouse.move(*where(page, 200, 300))
    page.mouse.down()
    for corner in ((260, 310), (270, 380), (210, 390), (195, 340)):
        page.mouse.move(*where(page, *corner), steps=6)
    page.mouse.up()
    marks = page.evaluate(MARKS)
    assert [mark["type"] for mark in marks] == [
        "box",
        "ellipse",
        "point",
        "arrow",
        "polygon",
        "polygon",
    ]
    assert [mark["owner"] for mark in marks] == ["findings", "", "", "", "", ""]
    # a free region gets a label
    page.get_by_label("Label of the region").fill("loop")
    reading.press("Tab")
    # restored exactly after sending and reloading
    page.wait_for_timeout(1400)
    reading.saved()
    before = page.evaluate(MARKS)
    assert before[-1]["label"] == "loop"
    page.evaluate("() => { localStorage.clear(); indexedDB.deleteDatabase('reading-room'); }")
    page.reload()
    reading.shown(1)
    assert page.evaluate(MARKS) == before
    # thinned, not a point for every pixel
    assert 4 <= len(before[-1]["points"]) < 30


def test_by_keyboard_alone(context: BrowserContext, page: Page, live_server: Any) -> None:
    room = make_room(cases=2, picture=big)
    reading = enter(context, page, live_server, room)
    reading.press("r", "3", "f")
    page.keyboard.type("nodule")
    reading.press("Enter", "Enter")
    # drawn
    reading.press("m", "Space", *["ArrowRight"] * 5, *["ArrowDown"] * 3, "Space")
    (mark,) = page.evaluate(MARKS)
    (x0, y0), (x1, y1) = mark["points"]
    assert x1 - x0 > 0
    assert y1 - y0 > 0
    assert mark["term"] == "Nodule"
    # it has the focus: moved
    reading.press("ArrowLeft", "ArrowLeft")
    assert page.evaluate(MARKS)[0]["points"][0][0] < x0
    # resized
    wide = page.evaluate(WIDTH)
    reading.press("Shift+ArrowRight")
    assert page.evaluate(WIDTH) > wide
    # focus was never lost, the element is the same
    assert page.evaluate("() => document.activeElement.dataset.region") == mark["id"]
    # deleted, undone, redone
    reading.press("Delete")
    assert page.evaluate(MARKS) == []
    reading.press("Control+z")
    assert len(page.evaluate(MARKS)) == 1
    reading.press("Control+y", "Control+z")
    # an outline, corner by corner
    reading.press(
        "Escape", "y", "Space", *["ArrowRight"] * 4, "Space", *["ArrowDown"] * 4, "Space", "Enter"
    )
    assert [mark["type"] for mark in page.evaluate(MARKS)] == ["box", "polygon"]
    reading.press("Escape", "Enter")
    reading.shown(2).saved()
    region = Finding.objects.get(reading__submitted=True).region
    assert region is not None
    assert region["version"] == 1
    assert len(region["shapes"]) == 1


def corners(page: Page) -> list[list[float]]:
    """Least and greatest x and y of the first region."""
    points = page.evaluate(MARKS)[0]["points"]
    xs, ys = zip(*points, strict=True)
    return [[min(xs), max(xs)], [min(ys), max(ys)]]


def test_every_corner_is_reached_by_keyboard(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """Space takes the next corner, says which, and Shift with the arrow keys moves that one."""
    # given a box with the focus
    room = make_room(cases=2, picture=big)
    reading = enter(context, page, live_server, room)
    reading.press("b", "Space", *["ArrowRight"] * 5, *["ArrowDown"] * 5, "Space")
    said = page.locator("[role=status].hidden-but-read")
    names = set()
    for _ in range(4):
        # when the next corner is taken and moved outwards, whichever it is
        reading.press("Space")
        said.get_by_text("corner:").wait_for()
        words = said.inner_text().split(":")[0].lower()
        names.add(words)
        (left, right), (top, bottom) = corners(page)
        reading.press(
            "Shift+ArrowLeft" if "left" in words else "Shift+ArrowRight",
            "Shift+ArrowUp" if "upper" in words else "Shift+ArrowDown",
        )
        # then its two sides have moved outwards, and the other two stand where they stood
        (left2, right2), (top2, bottom2) = corners(page)
        assert (left2 < left, right2 > right) == ("left" in words, "right" in words)
        assert (top2 < top, bottom2 > bottom) == ("upper" in words, "lower" in words)
        page.wait_for_timeout(40)
    assert names == {
        f"{height} {side} corner" for height in ("upper", "lower") for side in ("left", "right")
    }
    # an outline is moved corner by corner, too, and grows as a whole after its last
    reading.press("Delete", "y", "Space", *["ArrowRight"] * 4, "Space", *["ArrowDown"] * 4)
    reading.press("Space", "Enter")
    before = page.evaluate(MARKS)[0]["points"]
    reading.press("Space", "Space", "Shift+ArrowRight")
    after = page.evaluate(MARKS)[0]["points"]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]
    reading.press("Space", "Space", "Shift+ArrowRight")
    assert page.evaluate(MARKS)[0]["points"][1][0] > after[1][0]
    assert not reading.errors


def test_the_parts_seen_enlarged_are_noted(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """A 4 x 4 grid, row by row: 1 for what was in sight while larger than the screen."""
    # given an image that was seen whole: nothing of it enlarged
    room = make_room(cases=2, picture=lambda number: noise(number, 512))
    reading = enter(context, page, live_server, room)
    seen = "() => readingRoom.controls.summary().enlarged"
    assert page.evaluate(seen) == "0" * 16
    # when its upper left is zoomed to fill the screen
    page.evaluate(
        """() => { const {viewer} = readingRoom, tile = viewer.tileSize(0), view = viewer.viewOf(0);
          viewer.zoomAbout(8, {x: view.x + 0.125 * 512 * view.scale,
                               y: view.y + 0.125 * 512 * view.scale}); }"""
    )
    # then that part is noted, and what was never in sight is not
    assert page.evaluate(seen) == "1" + "0" * 15
    # when moved on to the right by a quarter of the image
    page.evaluate("() => readingRoom.viewer.pan(-8 * 128, 0)")
    assert page.evaluate(seen) == "11" + "0" * 14
    # then it goes to the server with the answer, and begins anew with the next case
    reading.press("q", "r", "3", "d", "Enter")
    reading.shown(2).saved()
    assert Stored.objects.get(submitted=True).viewer["enlarged"] == "11" + "0" * 14
    assert page.evaluate(seen) == "0" * 16


def test_regions_follow_the_image(context: BrowserContext, page: Page, live_server: Any) -> None:
    """Zoomed, panned, turned and mirrored, a region stays on what it marks."""
    from readerstudy.studies.protocol import Form, Phase

    room = make_room(cases=1, picture=big, phases=[Phase(form=Form(rotate_and_flip=True))])
    reading = enter(context, page, live_server, room)
    reading.press("p")
    page.mouse.click(*where(page, 100, 60))
    stored = page.evaluate(MARKS)[0]["points"]
    seen = """() => { const text = document.querySelector('.region .line').getAttribute('d');
        return text.match(/-?[\\d.]+/g).slice(0, 2).map(Number) }"""
    page.evaluate("() => readingRoom.viewer.zoomAbout(3)")
    zoomed = page.evaluate(seen)
    assert zoomed != stored
    reading.press("Escape", "q", "h")
    mirrored = page.evaluate(seen)
    # 512 wide: 100 from the left is now 412
    x, _ = where(page, 412, 60)
    left = page.evaluate("() => readingRoom.viewer.host.getBoundingClientRect().left")
    assert mirrored[0] + 9 == pytest.approx(x - left, abs=2)
    reading.press("o")
    # and drawn on the turned image, it is stored as if it had not been turned
    reading.press("p")
    # mirrored then turned clockwise: (100, 60) is at (512 - 60, 412)
    page.mouse.click(*where(page, 452, 412))
    second = page.evaluate(MARKS)[1]["points"][0]
    assert second == pytest.approx([100, 60], abs=1.5)


@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_by_finger(browser: Browser, live_server: Any, ratio: int) -> None:
    """Emulated touch: drawing, pinch zoom, two-finger pan."""
    room = make_room(cases=1, picture=big)
    context = browser.new_context(
        viewport={"width": 1024, "height": 768}, device_scale_factor=ratio, has_touch=True
    )
    page = context.new_page()
    enter(context, page, live_server, room)
    session = context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        session.send(
            "Input.dispatchTouchEvent",
            {
                "type": kind,
                "touchPoints": [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)],
            },
        )

    page.get_by_role("button", name="Ellipse").tap()
    touch("touchStart", where(page, 150, 150))
    for step in (170, 190, 220):
        touch("touchMove", where(page, step, step))
    touch("touchEnd")
    (mark,) = page.evaluate(MARKS)
    assert mark["type"] == "ellipse"
    assert mark["points"][1] == pytest.approx([220, 220], abs=2)
    # pinch
    before = page.evaluate("() => readingRoom.viewer.state().scale")
    (x, y) = where(page, 256, 400)
    touch("touchStart", (x - 40, y), (x + 40, y))
    for spread in (60, 90, 120):
        touch("touchMove", (x - spread, y), (x + spread, y))
    touch("touchEnd")
    assert page.evaluate("() => readingRoom.viewer.state().scale") == pytest.approx(
        3 * before, rel=0.1
    )
    # a palm that comes down with two fingers changes nothing
    still = "() => JSON.stringify(readingRoom.viewer.state())"
    touch("touchStart", (x - 40, y), (x + 40, y))
    before = page.evaluate(still)
    touch("touchStart", (x - 40, y), (x + 40, y), (x, y + 60))
    touch("touchMove", (x - 90, y), (x + 40, y), (x, y + 90))
    assert page.evaluate(still) == before
    touch("touchEnd")
    # one finger: contrast
    width = page.evaluate("() => readingRoom.viewer.window.width")
    touch("touchStart", (x, y))
    touch("touchMove", (x - 50, y))
    touch("touchMove", (x - 120, y))
    touch("touchEnd")
    assert page.evaluate("() => readingRoom.viewer.window.width") < width
    # moved by finger, grabbed at its edge
    page.evaluate("() => readingRoom.viewer.setZoom('fit')")
    page.wait_for_timeout(100)
    edge = where(page, 150, 185)
    touch("touchStart", edge)
    touch("touchMove", (edge[0] + 20, edge[1]))
    touch("touchMove", (edge[0] + 40, edge[1]))
    touch("touchEnd")
    assert page.evaluate(MARKS)[0]["points"][0][0] > 160
    context.close()
