"""How fast the reading room is, on this machine's software rendering (``make bench``)."""

from __future__ import annotations

import gzip
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, Route

from readerstudy.imaging import frames
from tests.browser.reading_page import Reading, sign_in
from tests.reading.rooms import make_room

pytestmark = [pytest.mark.django_db(transaction=True)]

DIST = Path(__file__).resolve().parents[2] / "static" / "dist"
CASES = 24


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def words(values: list[float]) -> str:
    low, high = np.percentile(values, [50, 95])
    return f"median {low:.1f} ms, 95th percentile {high:.1f} ms (n = {len(values)})"


def thread_costs(trace: Path) -> list[float]:
    """CPU time of the page's main thread between each key press and the paint it led to, in ms.

    Unlike the time on the clock it hardly depends on what else the machine is at.
    """
    events = json.loads(trace.read_text())["traceEvents"]
    marks = [each for each in events if each["name"] in ("key-pressed", "case-painted")]
    marks = sorted((each for each in marks if "tdur" not in each), key=lambda each: each["ts"])
    costs = []
    for begin, end in pairwise(marks):
        if begin["name"] == "case-painted" or end["name"] == "key-pressed":
            continue
        costs.append(
            sum(
                each.get("tdur", 0)
                for each in events
                if each["name"] == "ThreadControllerImpl::RunTask"
                and (each["pid"], each["tid"]) == (begin["pid"], begin["tid"])
                and begin["ts"] - 500 <= each["ts"] <= end["ts"]
            )
            / 1000
        )
    return costs


def film(number: int, size: int) -> NDArray[np.uint16]:
    """A smooth 12-bit picture with detector noise: compresses about as a radiograph does."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    picture = 600 + 2600 * np.exp(-((x - 0.5) ** 2 + (y - 0.4) ** 2) * 5)
    picture += 250 * np.sin(x * 40) * np.exp(-((y - 0.5) ** 2) * 8)
    picture += random.normal(0, 12, picture.shape).astype(np.float32)
    return np.clip(picture, 0, 4095).astype(np.uint16)


def test_the_page_is_small() -> None:
    """Script and style of the whole page, gzipped: at most 100 KiB."""
    sizes = {
        name: len(gzip.compress((DIST / name).read_bytes(), 9))
        for name in ("reading.js", "reading.css", "fetch.worker.js")
    }
    total = sum(sizes.values())
    say(f"\n    bundle, gzip: {total / 1024:.1f} KiB of 100 ({sizes})")
    assert total <= 100 * 1024


@pytest.mark.bench
@pytest.mark.parametrize("size", [1024, 3000])
def test_key_to_paint_decode_and_drag(
    browser: Browser,
    context: BrowserContext,
    page: Page,
    live_server: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    size: int,
) -> None:
    drawn = {number: film(number, size) for number in (1, 2, 3)}
    # Three films make all cases: each is packed once.
    packed = {id(pixels): frames.encode(pixels, bits=12) for pixels in drawn.values()}
    monkeypatch.setattr(frames, "encode", lambda pixels, **_: packed[id(pixels)])
    room = make_room(cases=CASES, picture=lambda number: drawn[1 + number % 3])
    sign_in(context, live_server, room)
    reading = Reading(page, live_server, room.study).open().shown(1)
    page.evaluate(
        """() => {
          window.pressed = [];
          addEventListener('keydown', event => {
            if (event.key !== 'Enter') return;
            window.pressed.push(event.timeStamp);
            performance.mark('key-pressed', {startTime: event.timeStamp});
          }, {capture: true});
          performance.clearMarks('case-painted');
        }"""
    )
    browser.start_tracing(
        page=page, path=tmp_path / "trace.json", categories=["toplevel", "blink.user_timing"]
    )
    # Starting to record costs the page a moment that no reader meets.
    page.wait_for_timeout(1000)
    for number in range(1, CASES):
        page.wait_for_function(
            "() => { const next = readingRoom.waiting()[1]; return next &&"
            " readingRoom.viewer.loader.now(next.frames[0]) }"
        )
        page.wait_for_timeout(150)
        reading.press("r", "3", "d", "Enter").shown(number + 1)
    browser.stop_tracing()
    costs = thread_costs(tmp_path / "trace.json")
    waits = page.evaluate(
        """() => { const painted = performance.getEntriesByName('case-painted');
          return window.pressed.map((at, i) => painted[i].startTime - at) }"""
    )
    decode = page.evaluate("() => readingRoom.viewer.loader.decodeTimes")
    drag = page.evaluate(
        """async () => { const {viewer} = readingRoom, times = [];
          for (let i = 0; i < 90; i++) {
            await new Promise(requestAnimationFrame);
            const began = performance.now();
            viewer.setWindow({centre: 1500 + 10 * i, width: 3000 - 20 * i});
            viewer.drawNow();
            times.push(performance.now() - began);
          }
          return times }"""
    )
    # What a frame costs in which nothing happens: on a busy machine most of the rest.
    floor = page.evaluate(
        """async () => { const times = [];
          for (let i = 0; i < 60; i++) {
            await new Promise(resolve => setTimeout(resolve, 20));
            const began = performance.now();
            await new Promise(resolve => requestAnimationFrame(() => {
              const channel = new MessageChannel();
              channel.port1.onmessage = resolve;
              channel.port2.postMessage(0);
            }));
            times.push(performance.now() - began);
          }
          return times }"""
    )
    kind = page.evaluate("() => readingRoom.viewer.kind")

    say(f"\n    {size} x {size}, {kind}")
    say(f"      key to paint  {words(waits)}; limits 50 and 100")
    say(f"      of it, CPU    {words(costs)}, on the page's main thread")
    say(f"      empty frame   {words(floor)}")
    say(f"      decode        {words(decode)}")
    say(f"      drag, a frame {words(drag)}")
    assert np.median(waits) <= 50
    assert np.percentile(waits, 95) <= 100
    assert np.median(drag) <= 16.7


PEER = Path(__file__).resolve().parents[2] / "build" / "cornerstone"


@pytest.mark.bench
@pytest.mark.parametrize("cpu", [False, True])
@pytest.mark.parametrize("size", [1024, 3000])
def test_beside_cornerstone3d(context: BrowserContext, page: Page, size: int, cpu: bool) -> None:
    """The same frames in the same browser, where the peer was built (see bench_reading.py)."""
    if not (PEER / "index.html").exists():
        pytest.skip("cornerstone3D is not installed for the benchmark")
    drawn = {number: film(number, size) for number in (1, 2, 3)}

    def serve(route: Route) -> None:
        name = route.request.url.removeprefix("http://peer.test/")
        if name.startswith("frame-"):
            route.fulfill(body=drawn[int(name.removeprefix("frame-"))].tobytes())
        else:
            route.fulfill(path=PEER / (name or "index.html"))

    context.route("http://peer.test/**", serve)
    page.goto("http://peer.test/")
    urls = [f"http://peer.test/frame-{number}" for number in drawn]
    page.evaluate("([urls, size, cpu]) => peer.open(urls, size, cpu)", [urls, size, cpu])
    waits = [page.evaluate("i => peer.next(i)", 1 + i % 2) for i in range(2 * CASES)]
    drag = [
        page.evaluate("([c, w]) => peer.drag(c, w)", [1500 + 10 * i, 3000 - 20 * i])
        for i in range(60)
    ]
    scripts = [gzip.compress(each.read_bytes(), 9) for each in (PEER / "assets").glob("*.js")]
    say(f"\n    cornerstone3D, {size} x {size}, {'processor' if cpu else 'WebGL'}")
    say(f"      call to paint {words(waits[2:])}")
    say(f"      drag, a frame {words(drag)}")
    say(f"      bundle, gzip  {sum(map(len, scripts)) / 1024:.1f} KiB")
    assert waits
