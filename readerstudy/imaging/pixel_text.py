"""Burned-in text and side markers: found by shape, painted over from what lies around them.

Characters need not be read. Text on a radiograph is drawn: strokes of one grey level that stand
out sharply from what is around them, of like height, in a line, near borders and corners. A side
marker is one such letter alone, larger and, being lead, near white.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

MARGIN = 0.28  # share of each side in which text and markers are looked for
WORKING_SIDE = 512
MOST_SHAPES = 500  # more at one contrast is noise, not writing

_STROKE = 0.016  # widest stroke, share of the side
# Stroke against surroundings, of 255, and the letters a line of that contrast needs: faint text
# must be longer to be believed.
_CONTRASTS = ((60, 3), (30, 5), (14, 8))
_LETTER = (0.009, 0.065)  # height of letters, share of the side
_MARKER = (0.022, 0.11)


@dataclass(frozen=True, slots=True)
class TextBox:
    """A rectangle of the scan, in its own pixels."""

    row: int
    column: int
    height: int
    width: int
    kind: Literal["text", "marker"]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class _Stroke:
    top: int
    left: int
    bottom: int
    right: int
    area: int
    sharpness: float
    level: float
    spread: float

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left


def find_text(pixels: NDArray[Any], *, bits: int) -> list[TextBox]:
    """Rectangles of ``pixels`` (rows x columns, 0 .. ``2**bits - 1``) that look drawn on."""
    step = max(1, min(pixels.shape) // WORKING_SIDE)
    picture = _full_range(pixels[::step, ::step])
    boxes: list[TextBox] = []
    side = min(picture.shape)
    for shown, bright in ((picture, True), (255 - picture, False)):
        raised = _raised(shown)
        for contrast, letters in _CONTRASTS if bright else _CONTRASTS[:2]:
            strokes = _strokes(shown, raised, contrast)
            lines, single = _lines(strokes, side, letters)
            found = [_box(line, step, pixels.shape, "text") for line in lines]
            if bright and contrast == _CONTRASTS[0][0]:
                markers = [one for one in single if _is_marker(one, side)]
                found += [_box([one], step, pixels.shape, "marker") for one in markers]
            boxes += [box for box in found if not any(_meet(box, other) for other in boxes)]
    return boxes


def _meet(one: TextBox, other: TextBox) -> bool:
    return (
        one.row < other.row + other.height
        and other.row < one.row + one.height
        and one.column < other.column + other.width
        and other.column < one.column + one.width
    )


def text_area(pixels: NDArray[Any], *, bits: int) -> float:
    """Share of the scan's area that text and markers cover."""
    boxes = find_text(pixels, bits=bits)
    return sum(box.height * box.width for box in boxes) / pixels.size


def paint_over(pixels: NDArray[np.uint16], boxes: list[TextBox]) -> NDArray[np.uint16]:
    """A copy with each box filled from its rim: Coons interpolation of the four sides, so that no
    rectangle of one grey stands out. Integers only, the same on every machine."""
    if not boxes:
        return pixels
    painted = pixels.copy()
    rows, columns = pixels.shape
    for box in boxes:
        top, left = max(box.row, 0), max(box.column, 0)
        bottom, right = min(box.row + box.height, rows), min(box.column + box.width, columns)
        if bottom <= top or right <= left:
            continue
        sides = _rim(painted, top, bottom, left, right)
        above, below, before, after = (side.astype(np.int64) for side in sides)
        height, width = bottom - top, right - left
        down = np.arange(1, height + 1)[:, None]
        along = np.arange(1, width + 1)[None, :]
        vertical = (above[None] * (height + 1 - down) + below[None] * down) // (height + 1)
        horizontal = (before[:, None] * (width + 1 - along) + after[:, None] * along) // (width + 1)
        painted[top:bottom, left:right] = (vertical + horizontal) // 2
    return painted


def _rim(
    pixels: NDArray[np.uint16], top: int, bottom: int, left: int, right: int
) -> tuple[NDArray[np.uint16], ...]:
    """The pixel lines just outside a box; at the image's edge the opposite line stands in."""
    rows, columns = pixels.shape
    above = pixels[top - 1, left:right] if top > 0 else None
    below = pixels[bottom, left:right] if bottom < rows else None
    before = pixels[top:bottom, left - 1] if left > 0 else None
    after = pixels[top:bottom, right] if right < columns else None
    flat = np.zeros(right - left, np.uint16), np.zeros(bottom - top, np.uint16)
    above, below = _first(above, below, flat[0]), _first(below, above, flat[0])
    before, after = _first(before, after, flat[1]), _first(after, before, flat[1])
    return above, below, before, after


def _first(*choices: NDArray[np.uint16] | None) -> NDArray[np.uint16]:
    return next(one for one in choices if one is not None)


def _raised(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """How far each pixel of the margins rises above what is left when strokes are opened away."""
    reach = max(3, round(_STROKE * min(picture.shape))) | 1
    opened = _running(np.maximum, _running(np.minimum, picture, reach), reach)
    raised = picture - opened
    down, along = (int(size * MARGIN) for size in picture.shape)
    raised[down:-down, along:-along] = 0
    return raised


def _full_range(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """8 bits from the darkest to the brightest pixel: drawn text often lies beyond all tissue, and
    a percentile range would cut both to the same white."""
    low, high = int(pixels.min()), int(pixels.max())
    if high == low:
        return np.zeros(pixels.shape, dtype=np.uint8)
    return ((pixels.astype(np.int64) - low) * 255 // (high - low)).astype(np.uint8)


def _running(operation: np.ufunc, picture: NDArray[np.uint8], reach: int) -> NDArray[np.uint8]:
    """Minimum or maximum over ``reach`` x ``reach`` (odd) around each pixel, by doubling: a
    handful of whole-array operations whatever the reach."""
    for axis in (0, 1):
        moved = np.moveaxis(picture, axis, 0)
        held = np.pad(moved, ((reach // 2, reach // 2), (0, 0)), mode="edge")
        covered = 1
        while covered < reach:
            onward = min(covered, reach - covered)
            held = operation(held[:-onward], held[onward:])
            covered += onward
        picture = np.moveaxis(held, 0, axis)
    return picture


def _strokes(picture: NDArray[np.uint8], raised: NDArray[np.uint8], contrast: int) -> list[_Stroke]:
    """Thin, bright shapes of letter or marker size."""
    side = min(picture.shape)
    marks, count = ndimage.label(raised > contrast, structure=np.ones((3, 3)))
    if not count:
        return []
    areas = np.bincount(marks.ravel(), minlength=count + 1)
    candidates = np.flatnonzero(areas >= 6)[1 if areas[0] >= 6 else 0 :]
    if candidates.size > MOST_SHAPES:
        return []
    places = ndimage.find_objects(marks)
    strokes: list[_Stroke] = []
    for number in candidates:
        rows, columns = places[number - 1]
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if not (_LETTER[0] * side <= height <= _MARKER[1] * side and width <= 0.14 * side):
            continue
        if areas[number] < 0.12 * height * width:
            continue
        patch = picture[rows, columns]
        values = np.sort(patch[marks[rows, columns] == number])
        core = values[int(0.4 * values.size) :].astype(np.float64)
        strokes.append(
            _Stroke(
                rows.start, columns.start, rows.stop, columns.stop, int(areas[number]),
                _sharpness(picture, rows, columns), float(core.mean()),
                float(core.std()) if height >= _MARKER[0] * side else 0.0,
            )
        )  # fmt: skip
    return strokes


def _sharpness(picture: NDArray[np.uint8], rows: slice, columns: slice) -> float:
    """The 90th percentile of the steps between neighbours, in and just around a shape."""
    patch = picture[
        max(rows.start - 1, 0) : rows.stop + 1, max(columns.start - 1, 0) : columns.stop + 1
    ]
    steps = np.abs(np.diff(patch.astype(np.int16), axis=1)).ravel()
    place = int(0.9 * (steps.size - 1))
    return float(np.partition(steps, place)[place])


def _lines(
    strokes: list[_Stroke], side: int, fewest: int
) -> tuple[list[list[_Stroke]], list[_Stroke]]:
    """Letters in rows of at least ``fewest``, and what stands alone."""
    letters = [
        one
        for one in strokes
        if one.height <= _LETTER[1] * side and one.width <= 4 * one.height and one.sharpness >= 20
    ]
    letters.sort(key=lambda one: (one.left, one.top))
    taken: set[int] = set()
    lines: list[list[_Stroke]] = []
    for start, first in enumerate(letters):
        if start in taken:
            continue
        line, members = [first], [start]
        for number in range(start + 1, len(letters)):
            if number in taken:
                continue
            last, one = line[-1], letters[number]
            if one.left - last.right > 1.6 * last.height:
                if one.left - last.right > 4 * side * _LETTER[1]:
                    break
                continue
            overlap = min(last.bottom, one.bottom) - max(last.top, one.top)
            alike = max(last.height, one.height) <= 1.5 * min(last.height, one.height)
            level = abs(last.level - one.level) <= 40
            beside = one.left >= last.right - 2
            beside = beside and overlap >= 0.6 * min(last.height, one.height)
            if beside and alike and level:
                line.append(one)
                members.append(number)
        if len(line) >= fewest or (len(line) == 2 and all(map(_is_drawn, line))):
            lines.append(line)
            taken.update(members)
    alone = [one for one in strokes if not any(one in line for line in lines)]
    return lines, alone


def _is_drawn(one: _Stroke) -> bool:
    """White beyond doubt: then two letters ("AP") make a word."""
    return one.level >= 225 and one.sharpness >= 90 and one.width <= 1.2 * one.height


def _is_marker(one: _Stroke, side: int) -> bool:
    """A lead letter: compact, near white, of one level, with sharp edges."""
    low, high = _MARKER
    filled = one.area / (one.height * one.width)
    return (
        low * side <= one.height <= high * side
        and 0.25 * one.height <= one.width <= 1.3 * one.height
        and 0.25 <= filled <= 0.85
        and one.level >= 225
        and one.spread <= 16
        and one.sharpness >= 45
    )


def _box(
    strokes: list[_Stroke], step: int, shape: tuple[int, ...], kind: Literal["text", "marker"]
) -> TextBox:
    tallest = max(one.height for one in strokes)
    rim = 2 + round(0.2 * tallest)
    top = max((min(one.top for one in strokes) - rim) * step, 0)
    left = max((min(one.left for one in strokes) - rim) * step, 0)
    bottom = min((max(one.bottom for one in strokes) + rim) * step, shape[0])
    right = min((max(one.right for one in strokes) + rim) * step, shape[1])
    return TextBox(top, left, bottom - top, right - left, kind)
