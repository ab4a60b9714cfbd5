"""Overlap of marked regions with lesions, and which mark found which lesion.

Boxes are (left, top, right, bottom) in one unit (pixels or millimetres), right and bottom
exclusive, so their area is (right - left)(bottom - top). Masks are boolean arrays of one shape.

Sources: Jaccard 1912 (IoU), Dice 1945; the acceptance rules of free-response studies are those of
Chakraborty, Observer Performance Methods for Diagnostic Imaging (2017), chapter 12.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.float64]
RULES = ("iou", "dice", "centre")


def box_area(boxes: ArrayLike) -> Floats:
    """Areas of boxes (n x 4); raises ``ValueError`` for a box turned inside out or not finite."""
    array = _boxes(boxes)
    return (array[:, 2] - array[:, 0]) * (array[:, 3] - array[:, 1])


def intersection(first: ArrayLike, second: ArrayLike) -> Floats:
    """Areas shared by every box of the first with every box of the second (n x m)."""
    a, b = _boxes(first), _boxes(second)
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    return np.clip(width, 0.0, None) * np.clip(height, 0.0, None)


def iou(first: ArrayLike, second: ArrayLike) -> Floats:
    """Intersection over union of every two boxes (n x m); two empty boxes have none (0)."""
    shared = intersection(first, second)
    union = box_area(first)[:, None] + box_area(second)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def dice(first: ArrayLike, second: ArrayLike) -> Floats:
    """Twice the intersection over the sum of areas (n x m) = 2 IoU / (1 + IoU)."""
    shared = intersection(first, second)
    total = box_area(first)[:, None] + box_area(second)[None, :]
    return np.divide(2.0 * shared, total, out=np.zeros_like(shared), where=total > 0)


def mask_iou(first: ArrayLike, second: ArrayLike) -> float:
    """Intersection over union of two masks; NaN where both are empty (nothing to agree on)."""
    a, b = _masks(first, second)
    union = int((a | b).sum())
    return float((a & b).sum() / union) if union else math.nan


def mask_dice(first: ArrayLike, second: ArrayLike) -> float:
    """Dice coefficient of two masks; NaN where both are empty."""
    a, b = _masks(first, second)
    total = int(a.sum() + b.sum())
    return float(2.0 * (a & b).sum() / total) if total else math.nan


def centroid(mask: ArrayLike) -> tuple[float, float]:
    """(x, y) of a mask's centre of mass in pixel centres; raises for an empty mask."""
    rows, columns = np.nonzero(np.asarray(mask, dtype=bool))
    if rows.size == 0:
        raise ValueError("an empty mask has no centroid")
    return float(columns.mean() + 0.5), float(rows.mean() + 0.5)


def centroid_hit(mark: ArrayLike, lesion: ArrayLike) -> bool:
    """Whether the centre of mass of a mark's mask lies in the lesion's mask.

    Raises ``ValueError`` for masks of different shapes or an empty mark.
    """
    a, b = _masks(mark, lesion)
    x, y = centroid(a)
    return bool(b[min(int(y), b.shape[0] - 1), min(int(x), b.shape[1] - 1)])


def centre_hits(marks: ArrayLike, lesions: ArrayLike, *, slack: float = 0.0) -> NDArray[np.bool_]:
    """Whether the centre of each mark lies in each lesion box widened by ``slack`` (n x m).

    ``marks`` are boxes (n x 4) or points (n x 2); edges count as inside.
    """
    array = np.atleast_2d(np.asarray(marks, dtype=float))
    if array.size == 0:
        array = np.zeros((0, 2))
    if array.shape[1] == 4:
        array = (_boxes(array)[:, :2] + array[:, 2:]) / 2.0
    if array.shape[1] != 2 or not np.isfinite(array).all():
        raise ValueError(f"marks must be finite points (n x 2) or boxes (n x 4), got {array.shape}")
    b = _boxes(lesions)
    x, y = array[:, 0][:, None], array[:, 1][:, None]
    return np.asarray(
        (x >= b[None, :, 0] - slack) & (x <= b[None, :, 2] + slack)
        & (y >= b[None, :, 1] - slack) & (y <= b[None, :, 3] + slack)
    )  # fmt: skip


@dataclass(frozen=True)
class Matching:
    """``lesion_of_mark`` is -1 for a non-lesion mark, -2 for a further mark on a found lesion."""

    lesion_of_mark: NDArray[np.intp]
    mark_of_lesion: NDArray[np.intp]
    overlap: Floats
    """Overlap (1 for centre hits) of each lesion with its mark, 0 where it was missed."""


def match_marks(
    marks: ArrayLike,
    lesions: ArrayLike,
    *,
    ratings: ArrayLike | None = None,
    rule: str = "iou",
    threshold: float = 0.5,
    slack: float = 0.0,
) -> Matching:
    """Which mark found which lesion of one case.

    With ``ratings`` each lesion takes the highest rated mark that it accepts (the free-response
    convention), overlap breaking ties; a mark serves one lesion. Without ratings the assignment of
    greatest total overlap is taken (Hungarian). ``rule``: ``iou`` or ``dice`` at least
    ``threshold``, or the mark's ``centre`` in the lesion widened by ``slack``.
    """
    if rule not in RULES:
        raise ValueError(f"unknown rule {rule!r}: use one of {', '.join(RULES)}")
    if rule != "centre" and not 0 < threshold <= 1:
        raise ValueError(f"threshold {threshold} must lie in (0, 1]")
    truth = _boxes(lesions)
    if rule == "centre":
        overlap = centre_hits(marks, truth, slack=slack).astype(float)
        accepted = overlap > 0
    else:
        overlap = (iou if rule == "iou" else dice)(marks, truth)
        accepted = overlap >= threshold
    n, m = overlap.shape
    of_mark, of_lesion = np.full(n, -1, dtype=np.intp), np.full(m, -1, dtype=np.intp)
    if n and m:
        if ratings is None:
            rows, columns = linear_sum_assignment(np.where(accepted, overlap, 0.0), maximize=True)
            good = accepted[rows, columns]
            of_mark[rows[good]], of_lesion[columns[good]] = columns[good], rows[good]
        else:
            rating = np.asarray(ratings, dtype=float)
            if rating.shape != (n,) or not np.isfinite(rating).all():
                raise ValueError(f"{n} marks need as many finite ratings")
            pairs = np.argwhere(accepted)
            order = np.lexsort((pairs[:, 1], pairs[:, 0], -overlap[accepted], -rating[pairs[:, 0]]))
            for mark, lesion in pairs[order]:
                if of_mark[mark] == -1 and of_lesion[lesion] == -1:
                    of_mark[mark], of_lesion[lesion] = lesion, mark
        of_mark[(of_mark == -1) & accepted.any(axis=1)] = -2
    best = np.array([overlap[of_lesion[j], j] if of_lesion[j] >= 0 else 0.0 for j in range(m)])
    return Matching(of_mark, of_lesion, best)


def _boxes(boxes: ArrayLike) -> Floats:
    array = np.asarray(boxes, dtype=float)
    if array.size == 0:
        return np.zeros((0, 4))
    array = np.atleast_2d(array)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes are (left, top, right, bottom), n x 4; got shape {array.shape}")
    wrong = (
        ~np.isfinite(array).all(axis=1) | (array[:, 2] < array[:, 0]) | (array[:, 3] < array[:, 1])
    )
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"box {row}: {array[row].tolist()} is not left <= right and top <= bottom, finite"
        )
    return array


def _masks(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"masks of shapes {a.shape} and {b.shape} cannot be compared")
    return a, b
