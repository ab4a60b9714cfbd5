"""What is on the viewer's canvas, and what should be: computed apart from the viewer."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

# The canvas as it is, read within the task that drew it (WebGL forgets its buffer afterwards).
PIXELS = """() => {
  const {viewer} = readingRoom;
  viewer.drawNow();
  const copy = document.createElement('canvas');
  copy.width = viewer.canvas.width; copy.height = viewer.canvas.height;
  const context = copy.getContext('2d', {willReadFrequently: true});
  context.drawImage(viewer.canvas, 0, 0);
  const {data} = context.getImageData(0, 0, copy.width, copy.height);
  let text = '';
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return null;
    text += String.fromCharCode(data[i]);
  }
  return [copy.width, copy.height, btoa(text)];
}"""


def screen(page: Page) -> NDArray[np.float64]:
    """Grey levels on the canvas, rows x columns, 0..255."""
    answer = page.evaluate(PIXELS)
    assert answer is not None, "something on the canvas is not grey"
    width, height, text = answer
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width).astype(float)


def at_one_to_one(page: Page, size: int) -> NDArray[np.float64]:
    page.evaluate("() => readingRoom.viewer.setZoom(1)")
    view = page.evaluate("() => readingRoom.viewer.viewOf(0)")
    assert view["scale"] == 1
    whole = screen(page)
    x, y = int(view["x"]), int(view["y"])
    return whole[y : y + size, x : x + size]


def expected(values: NDArray[Any], centre: float, width: float, invert: bool) -> NDArray[Any]:
    """Linear window, computed independently: centre - width/2 black, centre + width/2 white."""
    grey = np.clip((values - (centre - width / 2)) / width, 0, 1)
    return 255 * (1 - grey if invert else grey)


def ramp(number: int) -> NDArray[np.uint16]:
    """Every value from 0 to 4095 in rows of 256."""
    return np.tile(np.arange(4096, dtype=np.uint16).reshape(16, 256), (16, 1))


WINDOWS = [
    (2047.5, 4095, False),
    (2047.5, 4095, True),
    (1000, 256, False),
    (1000, 255, True),
    (3000, 16, False),
    (5, 10, False),
    (4090, 1, False),
]


def the_ramp_is_exact(page: Page) -> None:
    """Every value from 0 to 4095 of the shown ``ramp`` within one grey level, in each window."""
    for centre, width, invert in WINDOWS:
        page.evaluate(
            "([centre, width, invert]) => readingRoom.viewer.setWindow({centre, width, invert})",
            [centre, width, invert],
        )
        seen = at_one_to_one(page, 256)
        error = np.abs(seen - expected(ramp(1).astype(float), centre, width, invert))
        assert error.max() <= 1, (centre, width, invert)


LOSE = """() => {
  const gl = readingRoom.viewer.canvas.getContext('webgl2');
  window.loser = gl.getExtension('WEBGL_lose_context');
  window.loser.loseContext();
}"""

RESTORE = "() => window.loser.restoreContext()"
