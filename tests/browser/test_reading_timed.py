"""Timed showings: as long as the protocol says, counted in screen refreshes, once."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from readerstudy.studies.protocol import Exposure, Phase
from tests.browser.reading_page import Reading, sign_in
from tests.browser.screen_pixels import LOSE, RESTORE
from tests.reading.rooms import ReadingRoom, make_room

pytestmark = pytest.mark.django_db(transaction=True)

# An account of its own: which refresh carried the image, and which one the mask.
WITNESS = """() => {
  const {renderer} = readingRoom.viewer, draw = renderer.draw.bind(renderer);
  let ticking = 0;
  const frame = window.requestAnimationFrame.bind(window);
  // Everything that runs in a refresh runs with its time.
  window.requestAnimationFrame = deed => frame(now => { ticking = now; deed(now); ticking = 0; });
  window.seen = {};
  renderer.draw = drawings => {
    draw(drawings);
    const image = drawings.some(({frame}) => frame.columns === 64);
    const mask = drawings.some(({frame}) => frame.columns === 512);
    if (image && window.seen.image === undefined) {
      // Drawn between refreshes, it comes with the next one.
      if (ticking) window.seen.image = ticking;
      else { window.seen.image = null; frame(now => window.seen.image = now); }
    }
    if (mask && window.seen.image !== undefined) window.seen.mask ??= ticking || performance.now();
  };
}"""


def timed(ms: int = 300, **exposure: Any) -> ReadingRoom:
    return make_room(
        cases=3, phases=[Phase(exposure=Exposure(mode="fixed", milliseconds=ms, **exposure))]
    )


def ready(context: BrowserContext, page: Page, live_server: Any, room: ReadingRoom) -> Reading:
    sign_in(context, live_server, room)
    reading = Reading(page, live_server, room.study).open()
    expect(page.get_by_role("heading", name="Ready?")).to_be_visible()
    page.wait_for_function("() => readingRoom.viewer.loader.now(readingRoom.item.frames[0])")
    return reading


@pytest.mark.parametrize("ms", [100, 250])
def test_what_is_recorded_is_the_time_between_the_two_refreshes(
    context: BrowserContext, page: Page, live_server: Any, ms: int
) -> None:
    room = timed(ms)
    reading = ready(context, page, live_server, room)
    page.evaluate(WITNESS)
    reading.press("Enter").shown(None)
    page.wait_for_function("() => readingRoom.timing.exposureMs !== null")
    seen = page.evaluate("window.seen")
    reached = page.evaluate("readingRoom.timing.record()")
    assert reached["exposure_ms"] == pytest.approx(seen["mask"] - seen["image"], abs=0.2)
    assert reached["exposure_frames"] >= 1
    assert reached["exposure_interrupted"] is False
    # masked at the refresh nearest to the end: never much too early, late only where the
    # machine had no time
    assert reached["exposure_ms"] > ms - 20


def test_no_answer_is_taken_until_the_mask_is_there(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = timed(1500)
    reading = ready(context, page, live_server, room)
    reading.press("Enter")
    page.wait_for_function("() => readingRoom.viewer.shown().length > 0")
    reading.press("r", "3", "d", "Enter")
    assert page.locator("input:checked").count() == 0
    assert page.evaluate("readingRoom.timing.exposureMs") is None
    reading.shown()
    assert page.evaluate("readingRoom.viewer.current().length") == 0
    reading.press("r", "3", "d", "Enter").saved()
    expect(page.get_by_role("heading", name="Ready?")).to_be_visible()
    row = room.presentations()[0].readings.get(submitted=True)
    assert row.timings["exposure_ms"] > 1400


def test_pausing_masks_at_once_and_is_recorded(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = timed(60_000)
    reading = ready(context, page, live_server, room)
    reading.press("Enter")
    page.wait_for_function("() => readingRoom.viewer.shown().length > 0")
    reading.press("Shift+P")
    page.wait_for_function("() => readingRoom.timing.exposureMs !== null")
    assert page.evaluate("readingRoom.viewer.current().length") == 0
    record = page.evaluate("readingRoom.timing.record()")
    assert record["exposure_interrupted"] is True
    assert record["exposure_ms"] < 60_000


def test_a_lost_context_brings_the_mask_back_and_not_the_image(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = timed(100)
    sign_in(context, live_server, room)
    reading = Reading(page, live_server, room.study, "?renderer=webgl2").open()
    expect(page.get_by_role("heading", name="Ready?")).to_be_visible()
    reading.press("Enter").shown()
    page.evaluate(LOSE)
    page.wait_for_selector(".form:disabled", state="attached")
    page.evaluate(RESTORE)
    reading.shown()
    assert page.evaluate("readingRoom.viewer.current().length") == 0
    expect(page.locator(".stage-message")).to_be_empty()


def test_a_context_lost_during_the_showing_ends_in_the_mask(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = timed(600)
    sign_in(context, live_server, room)
    reading = Reading(page, live_server, room.study, "?renderer=webgl2").open()
    expect(page.get_by_role("heading", name="Ready?")).to_be_visible()
    reading.press("Enter")
    page.wait_for_function("() => readingRoom.viewer.shown().length > 0")
    page.evaluate(LOSE)
    page.wait_for_function("() => readingRoom.timing.exposureMs !== null")
    page.evaluate(RESTORE)
    reading.shown()
    assert page.evaluate("readingRoom.viewer.current().length") == 0
    expect(page.locator(".stage-message")).to_be_empty()
    assert not reading.errors


def test_a_mask_stands_between_the_cases_where_the_protocol_asks(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(
        cases=3, phases=[Phase(exposure=Exposure(between="noise", between_ms=700, mask="grey"))]
    )
    sign_in(context, live_server, room)
    reading = Reading(page, live_server, room.study).open().shown(1)
    page.evaluate(
        """() => { window.shades = [];
          const {viewer} = readingRoom, hide = viewer.hide.bind(viewer);
          viewer.hide = shade => {
            window.shades.push([shade, performance.now()]);
            hide(shade);
          };
        }"""
    )
    reading.press("r", "3", "d", "Enter").shown(2)
    ((shade, at),) = page.evaluate("window.shades")
    assert shade == "noise"
    painted = page.evaluate("performance.getEntriesByName('case-painted').at(-1).startTime")
    assert painted - at >= 690
    # the clock of the case starts after it
    assert page.evaluate("readingRoom.timing.start") - at >= 690
