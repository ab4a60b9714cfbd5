"""The right grey values on the screen, on both renderers."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from readerstudy.imaging import blinding, frames
from readerstudy.imaging.rendering import RenderingProtocol
from tests.browser.reading_page import Reading, sign_in
from tests.browser.screen_pixels import (
    LOSE,
    RESTORE,
    at_one_to_one,
    expected,
    ramp,
    screen,
    the_ramp_is_exact,
)
from tests.reading.rooms import ReadingRoom, make_room

pytestmark = pytest.mark.django_db(transaction=True)

RENDERERS = ["canvas", "webgl2"]


def show(
    context: BrowserContext, page: Page, live_server: Any, room: ReadingRoom, renderer: str
) -> Reading:
    sign_in(context, live_server, room)
    reading = Reading(page, live_server, room.study, f"?renderer={renderer}").open().shown(1)
    assert page.evaluate("() => readingRoom.viewer.kind") == renderer
    return reading


def put(
    context: BrowserContext,
    page: Page,
    pixels: NDArray[np.uint16],
    bits: int,
    length: int = 250_000,
) -> None:
    """Shows these pixels, sent in the container from an address of their own."""
    body = frames.pad(frames.encode(pixels, bits=bits), length)
    url = f"/test-frames/{hashlib.sha256(body).hexdigest()}"
    context.route(f"**{url}", lambda route: route.fulfill(body=body))
    page.evaluate("async url => { await readingRoom.viewer.show([url]) }", url)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_ramps_are_exact_to_one_grey_level(
    context: BrowserContext, page: Page, live_server: Any, renderer: str
) -> None:
    """Narrow and wide windows, both polarities, every bit depth, against numpy."""
    room = make_room(cases=1, picture=ramp)
    show(context, page, live_server, room, renderer)
    the_ramp_is_exact(page)
    for bits in (8, 10, 12, 16):
        most = (1 << bits) - 1
        values = np.linspace(0, most, 256 * 256).round().astype(np.uint16).reshape(256, 256)
        put(context, page, values, bits)
        seen = at_one_to_one(page, 256)
        assert np.abs(seen - expected(values.astype(float), most / 2, most, False)).max() <= 1, bits


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_reduced_image_is_as_calm_as_an_ideal_area_average(
    context: BrowserContext, page: Page, live_server: Any, renderer: str
) -> None:
    """White noise (SD 200 of 4095) averaged over 1 / scale^2 pixels, within 10 %."""

    def picture(number: int) -> NDArray[np.uint16]:
        random = np.random.default_rng(1)
        return np.clip(2048 + random.normal(0, 200, (2000, 2000)), 0, 4095).astype(np.uint16)

    room = make_room(cases=1, picture=picture)
    show(context, page, live_server, room, renderer)
    view = page.evaluate("() => readingRoom.viewer.viewOf(0)")
    assert view["scale"] < 0.5
    page.evaluate("() => readingRoom.viewer.setWindow({centre: 2048, width: 500})")
    whole = screen(page)
    side = int(2000 * view["scale"])
    x, y = int(view["x"]), int(view["y"])
    seen = whole[y + 5 : y + side - 5, x + 5 : x + side - 5] / 255 * 500
    ideal = area_average(picture(1).astype(float), view["scale"])[5:-5, 5:-5]
    assert seen.std() == pytest.approx(ideal.std(), rel=0.10)
    within = np.clip(ideal, 1798, 2298)[: seen.shape[0], : seen.shape[1]]
    # one grey level of the window is 2 stored values
    assert np.abs(seen + 1798 - within).max() <= 2.1


def area_average(values: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """The ideal: each target pixel is the mean over its exact footprint."""

    def along(values: NDArray[np.float64]) -> NDArray[np.float64]:
        count = int(values.shape[0] * scale)
        sums = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
        edges = np.arange(count + 1) / scale
        whole = np.minimum(edges.astype(int), values.shape[0] - 1)
        at = sums[whole] + (edges - whole)[:, None] * values[whole]
        return np.diff(at, axis=0) * scale

    return along(along(values).T).T


def test_both_renderers_agree_everywhere(browser: Browser, live_server: Any) -> None:
    """Reduced, 1:1, magnified, panned: no pixel differs by more than one level."""
    pictures: dict[str, list[NDArray[np.float64]]] = {}
    for renderer in RENDERERS:
        context = browser.new_context(viewport={"width": 900, "height": 700})
        page = context.new_page()
        room = make_room(cases=1, picture=textured)
        show(context, page, live_server, room, renderer)
        pictures[renderer] = []
        for zoom in ("'fit'", "0.37", "0.9", "1", "1.7", "2", "5.3"):
            page.evaluate(f"() => readingRoom.viewer.setZoom({zoom})")
            page.evaluate("() => readingRoom.viewer.pan(13, -7)")
            pictures[renderer].append(screen(page))
        context.close()
    for one, two in zip(*pictures.values(), strict=True):
        difference = np.abs(one - two)
        # Float rounding may tip a pixel at the image's very edge.
        assert (difference > 1).mean() < 1e-4


def test_both_renderers_agree_through_the_narrowest_windows(
    browser: Browser, live_server: Any
) -> None:
    """16 bits of noise, 3000 pixels wide, seen through 16 of 65,536 values."""
    random = np.random.default_rng(11)
    noise = random.integers(0, 65536, (1200, 3000)).astype(np.uint16)
    seen: dict[str, list[NDArray[np.float64]]] = {renderer: [] for renderer in RENDERERS}
    for renderer in RENDERERS:
        context = browser.new_context(viewport={"width": 1000, "height": 600})
        page = context.new_page()
        show(context, page, live_server, make_room(cases=1), renderer)
        put(context, page, noise, 16, length=9_000_000)
        for zoom in ("'fit'", "0.37", "1.7"):
            page.evaluate(f"() => readingRoom.viewer.setZoom({zoom})")
            page.evaluate("() => readingRoom.viewer.pan(-211, 17)")
            page.evaluate("() => readingRoom.viewer.setWindow({centre: 32000, width: 16})")
            seen[renderer].append(screen(page))
        context.close()
    for one, two in zip(*seen.values(), strict=True):
        assert ((one > 0) & (one < 255)).sum() > 50
        assert np.abs(one - two).max() <= 1


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("ratio", [1, 1.25, 1.5, 2, 3])
def test_the_screen_itself_shows_image_pixels_one_to_one(
    browser: Browser, live_server: Any, ratio: float, side: str
) -> None:
    """Not the canvas but what the browser makes of it: a picture of the screen, to a grey level.

    An image that is stretched by a pixel, or lies between two, would be blurred here.
    """
    context = browser.new_context(viewport={"width": 911, "height": 643}, device_scale_factor=ratio)
    page = context.new_page()
    page.add_init_script(f"localStorage.setItem('reading-panel', '{side}')")
    room = make_room(cases=1)
    show(context, page, live_server, room, "canvas")
    random = np.random.default_rng(5)
    noise = random.integers(0, 256, (300, 300)).astype(np.uint16)
    put(context, page, noise, 8)
    page.evaluate("() => readingRoom.viewer.setZoom(1)")
    page.wait_for_timeout(200)
    left, top = page.evaluate(
        """() => { const {viewer} = readingRoom, view = viewer.viewOf(0);
          const box = viewer.canvas.getBoundingClientRect();
          return [Math.round(box.left * devicePixelRatio) + view.x,
                  Math.round(box.top * devicePixelRatio) + view.y] }"""
    )
    picture = Image.open(io.BytesIO(page.screenshot())).convert("L")
    seen = np.asarray(picture, dtype=float)[top : top + 300, left : left + 300]
    assert np.abs(seen - noise).max() <= 1
    context.close()


def test_a_frame_that_the_graphics_card_cannot_hold_is_drawn_by_the_processor(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """A texture that fails is black without a word; a reading of it must not be possible."""
    room = make_room(cases=1, picture=ramp)
    show(context, page, live_server, room, "webgl2")
    page.evaluate("() => { readingRoom.viewer.renderer.largest = 299 }")
    values = np.linspace(0, 4095, 300 * 300).round().astype(np.uint16).reshape(300, 300)
    put(context, page, values, 12)
    assert page.evaluate("() => readingRoom.viewer.kind") == "canvas"
    seen = at_one_to_one(page, 300)
    assert np.abs(seen - expected(values.astype(float), 2047.5, 4095, False)).max() <= 1
    assert page.evaluate("() => readingRoom.viewer.shown().length") == 1


@pytest.mark.parametrize("renderer", RENDERERS)
def test_polarity_and_window_of_a_scan_reach_the_screen_as_python_computes_them(
    context: BrowserContext, page: Page, live_server: Any, renderer: str
) -> None:
    """A scan with a VOI window, both polarities, through the blinded frame to the screen."""
    levels = np.array([[0, 500, 900, 1000], [1100, 1500, 2000, 4095]], dtype=np.uint16)
    scan = np.kron(levels, np.ones((64, 64), dtype=np.uint16))
    room = make_room(cases=1)
    show(context, page, live_server, room, renderer)
    for polarity in ("bones-white", "bones-black"):
        rules = RenderingProtocol(
            matrix=256, bits=12, fit="pad", normalisation="none", polarity=polarity
        )
        frame = blinding.render(scan, bits=12, window=(1000.0, 800.0), protocol=rules)
        put(context, page, frame, 12)
        seen = at_one_to_one(page, 256)
        grey = 255 * np.clip((levels.astype(float) - 600) / 800, 0, 1)
        wanted = 255 - grey if polarity == "bones-black" else grey
        # the scan is twice as wide as high and lies in the middle of a square frame
        for row in range(2):
            for column in range(4):
                patch = seen[64 + row * 64 + 20 : 64 + row * 64 + 44, column * 64 + 20 :][:, :24]
                assert np.abs(patch - wanted[row, column]).max() <= 1, (polarity, row, column)


def textured(number: int) -> NDArray[np.uint16]:
    random = np.random.default_rng(7)
    return random.integers(0, 4096, (600, 500)).astype(np.uint16)


def test_two_to_one_magnifies_smoothly(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """Bilinear: between two pixels lies their mean, not a step."""

    def picture(number: int) -> NDArray[np.uint16]:
        return np.tile(np.array([0, 4095], np.uint16), (128, 64))

    room = make_room(cases=1, picture=picture)
    show(context, page, live_server, room, "canvas")
    page.evaluate("() => readingRoom.viewer.setZoom(2)")
    view = page.evaluate("() => readingRoom.viewer.viewOf(0)")
    line = screen(page)[int(view["y"]) + 50, int(view["x"]) + 1 : int(view["x"]) + 9]
    # quarter points of 0..255
    assert set(np.round(line)) == {64, 191}


@pytest.mark.parametrize("ratio", [1, 1.5, 2, 3])
def test_a_screen_pixel_is_a_canvas_pixel(browser: Browser, live_server: Any, ratio: float) -> None:
    context = browser.new_context(viewport={"width": 911, "height": 703}, device_scale_factor=ratio)
    page = context.new_page()
    room = make_room(cases=1, picture=ramp)
    show(context, page, live_server, room, "canvas")
    css = page.evaluate(
        "() => { const b = readingRoom.viewer.host.getBoundingClientRect();"
        " return [b.width, b.height] }"
    )
    canvas = page.evaluate(
        "() => [readingRoom.viewer.canvas.width, readingRoom.viewer.canvas.height]"
    )
    # whole device pixels that are whole CSS pixels, too: a few at the edges are left out
    assert 0 <= css[0] * ratio - canvas[0] < 8
    assert 0 <= css[1] * ratio - canvas[1] < 8
    seen = at_one_to_one(page, 256)
    assert np.abs(seen - expected(ramp(1).astype(float), 2047.5, 4095, False)).max() <= 1
    context.close()


def test_pixels_arrive_byte_for_byte(context: BrowserContext, page: Page, live_server: Any) -> None:
    """Python packs, the browser unpacks: noise, extremes, odd sizes, every bit depth."""
    random = np.random.default_rng(3)
    cases = [
        (random.integers(0, 1 << bits, shape).astype(np.uint16), bits)
        for bits, shape in (
            (1, (3, 5)),
            (8, (64, 64)),
            (12, (33, 47)),
            (16, (129, 65)),
            (16, (1, 1)),
        )
    ]
    cases.append((np.tile(np.array([0, 65535], np.uint16), (16, 8)), 16))
    cases.append((np.full((40, 40), 65535, np.uint16), 16))
    room = make_room(cases=1)
    sign_in(context, live_server, room)
    reading = Reading(page, live_server, room.study).open().shown(1)
    digest = """async () => {
      const [frame] = readingRoom.viewer.current();
      const hash = await crypto.subtle.digest('SHA-256', frame.pixels);
      return [frame.rows, frame.columns, frame.bits,
              [...new Uint8Array(hash)].map(b => b.toString(16).padStart(2, '0')).join('')];
    }"""
    for pixels, bits in cases:
        put(context, page, pixels, bits)
        sha = hashlib.sha256(pixels.astype("<u2").tobytes()).hexdigest()
        assert page.evaluate(digest) == [*pixels.shape, bits, sha]
    assert not reading.errors


def test_a_lost_context_takes_the_form_away_and_comes_back(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=1, picture=ramp)
    reading = show(context, page, live_server, room, "webgl2")
    before = screen(page)
    page.evaluate(LOSE)
    page.wait_for_selector(".form:disabled", state="attached")
    page.evaluate(RESTORE)
    page.wait_for_selector(".form:not(:disabled)")
    assert np.array_equal(screen(page), before)
    # in the middle of a drag, too, whose window is there afterwards
    page.mouse.move(300, 300)
    page.mouse.down()
    page.mouse.move(340, 300)
    page.evaluate(LOSE)
    page.mouse.move(400, 320)
    page.wait_for_selector(".form:disabled", state="attached")
    page.mouse.move(420, 340)
    page.mouse.up()
    page.evaluate(RESTORE)
    page.wait_for_selector(".form:not(:disabled)")
    assert not np.array_equal(screen(page), before)
    assert not reading.errors


def test_a_case_that_meets_a_lost_context_is_shown_when_it_is_back(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    # given a context that is lost in the moment in which the next case is asked for
    room = make_room(cases=2, picture=ramp)
    reading = show(context, page, live_server, room, "webgl2").press("r", "3", "d")
    page.wait_for_function("() => readingRoom.viewer.loader.ready.size >= 2")
    page.evaluate(LOSE)
    page.evaluate("() => readingRoom.screen.show(readingRoom.waiting()[1])")
    message = page.locator(".stage-message")
    # then it is no failure of the case
    expect(message).to_contain_text("The graphics card was reset")
    assert page.locator(".form:disabled").count() == 1
    # and it comes by itself
    page.evaluate(RESTORE)
    reading.shown(2)
    expect(message).to_be_empty()
    assert not reading.errors


def test_two_hundred_images_with_flat_memory(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """Frames come and go; those kept are bounded."""
    page.set_viewport_size({"width": 700, "height": 500})
    room = make_room(cases=8, picture=lambda number: textured(number)[:300, :300])
    show(context, page, live_server, room, "canvas")
    session = context.new_cdp_session(page)

    def used() -> int:
        session.send("HeapProfiler.collectGarbage")
        memory = page.evaluate("() => performance.memory.usedJSHeapSize")
        usage = session.send("Runtime.getHeapUsage")
        return int(max(memory, usage["usedSize"]) + usage.get("backingStorageSize", 0))

    deed = """async () => {
      const {viewer, cases: {listing}} = readingRoom;
      for (let i = 0; i < 50; i++) {
        const item = listing.items[i % listing.items.length];
        viewer.loader.keepOnly([]);
        await viewer.show(item.frames);
      }
      return viewer.loader.ready.size;
    }"""
    sizes = []
    for _ in range(4):
        assert page.evaluate(deed) <= 8
        sizes.append(used())
    # one frame with its view is about 1.5 MB; 150 of them would be 220 MB
    assert sizes[-1] - sizes[0] < 12e6, sizes
