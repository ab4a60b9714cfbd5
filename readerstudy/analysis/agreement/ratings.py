"""Ratings of subjects by raters, however they come, as codes and counts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from readerstudy.analysis.tidy import refuse_blanks, refuse_duplicates, require_columns, shown

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ratings:
    """``codes`` is subject x rater with -1 where missing; codes index ``categories``."""

    codes: NDArray[np.intp]
    categories: tuple[Hashable, ...]
    dropped: int = 0
    """Subjects that nobody rated."""
    by_name: bool = False
    """Whether the categories' order is only that of their names, of which nobody told another."""

    def order_note(self, ordered: bool) -> tuple[str, ...]:
        """What to say where ``ordered`` weights rest on an order that is only alphabetical."""
        if not (ordered and self.by_name and len(self.categories) > 2):
            return ()
        names = ", ".join(map(str, self.categories))
        return (f"categories weighed in alphabetical order ({names}): name them in their own",)

    @property
    def counts(self) -> Floats:
        """Subject x category: how many raters chose it."""
        n, q = self.codes.shape[0], len(self.categories)
        known = self.codes >= 0
        flat = (np.arange(n)[:, None] * q + self.codes)[known]
        return np.bincount(flat, minlength=n * q).reshape(n, q).astype(float)


def ratings_matrix(
    ratings: ArrayLike | pd.DataFrame, *, categories: Sequence[Hashable] | None = None
) -> Ratings:
    """Code a subject x rater matrix of labels or numbers (``None`` / NaN / "" missing).

    ``categories`` names all that could have been chosen; labels outside it raise ``ValueError``
    with their place. Without it an ordered pandas categorical brings its own, in their order, as a
    factor does in R; otherwise the labels met are the categories, sorted.
    """
    frame = ratings if isinstance(ratings, pd.DataFrame) else pd.DataFrame(np.asarray(ratings))
    if frame.shape[0] == 0 or frame.shape[1] < 2:
        raise ValueError(
            f"agreement needs at least one subject and two raters, got {frame.shape[0]} x "
            f"{frame.shape[1]}"
        )
    if categories is None:
        categories = _own_order(frame)
    values = frame.to_numpy()
    numbers = values.dtype.kind in "fiub"
    if numbers:
        cells = values.astype(float).ravel()
        missing = np.isnan(cells)
        if np.isinf(cells).any():
            subject, rater = divmod(int(np.flatnonzero(np.isinf(cells))[0]), frame.shape[1])
            raise ValueError(
                f"subject {frame.index[subject]}, rater {frame.columns[rater]}: rating is infinite"
            )
    else:
        cells = values.ravel()
        missing = np.array([_blank(cell) for cell in cells], dtype=bool)
    if missing.all():
        raise ValueError("every rating is missing")
    if categories is None:
        known: tuple[Hashable, ...] = tuple(_ordered(cells[~missing]))
    else:
        known = tuple(categories)
        if len(set(known)) != len(known):
            raise ValueError(f"categories {known} name one label twice")
    codes = np.full(cells.size, -1, dtype=np.intp)
    if numbers and categories is None:
        codes[~missing] = np.searchsorted(np.array(known, dtype=float), cells[~missing])
    else:
        index = {category: code for code, category in enumerate(known)}
        for place in np.flatnonzero(~missing):
            code = index.get(cells[place])
            if code is None:
                subject, rater = divmod(int(place), frame.shape[1])
                raise ValueError(
                    f"subject {frame.index[subject]}, rater {frame.columns[rater]}: rating "
                    f"{shown(cells[place])} is not among the categories {known}"
                )
            codes[place] = code
    table = codes.reshape(frame.shape)
    rated = (table >= 0).any(axis=1)
    by_name = categories is None and not numbers and not all(map(_is_number, known))
    return Ratings(table[rated], known, int((~rated).sum()), by_name)


def ratings_from_table(
    table: pd.DataFrame,
    *,
    rater: str = "reader",
    subject: str = "case",
    rating: str = "judgment",
    categories: Sequence[Hashable] | None = None,
) -> Ratings:
    """Code a tidy table (one row a reading); duplicates of subject and rater raise."""
    require_columns(table, [rater, subject, rating])
    refuse_blanks(table, [rater, subject])
    refuse_duplicates(table, [rater, subject])
    wide = table.pivot(index=subject, columns=rater, values=rating)
    return ratings_matrix(wide, categories=categories)


def ratings_from_counts(
    counts: ArrayLike, *, categories: Sequence[Hashable] | None = None
) -> Ratings:
    """Code a subject x category table of rater counts (who chose what is then unknown).

    Raters are filled from the left, so coefficients with rater-specific margins (Conger, Cohen)
    must not be asked of the result.
    """
    array = np.asarray(counts, dtype=float)
    if array.ndim != 2 or np.any(array < 0) or np.any(array != np.round(array)):
        raise ValueError("counts must be a subject x category table of whole numbers >= 0")
    raters = int(array.sum(axis=1).max(initial=0))
    if raters < 2:
        raise ValueError(f"no subject has two ratings (the largest row sum is {raters})")
    codes = np.full((array.shape[0], raters), -1, dtype=np.intp)
    for row, line in enumerate(array.astype(int)):
        chosen = np.repeat(np.arange(array.shape[1]), line)
        codes[row, : chosen.size] = chosen
    rated = (codes >= 0).any(axis=1)
    names = tuple(categories) if categories is not None else tuple(range(array.shape[1]))
    return Ratings(codes[rated], names, int((~rated).sum()))


def scores(values: ArrayLike | pd.DataFrame, name: str) -> Floats:
    """Ratings on a scale as floats, whatever stands for a missing one as NaN.

    Raises ``ValueError`` with the place of what is no number.
    """
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        cells = np.asarray(values, dtype=object)
        numbers = pd.to_numeric(pd.Series(cells.ravel()), errors="coerce").to_numpy(float)
        wrong = np.flatnonzero(np.isnan(numbers) & ~pd.isna(cells.ravel()))
        if wrong.size:
            place = [int(k) for k in np.unravel_index(wrong[0], cells.shape)]
            raise ValueError(
                f"{name} at {place} is {shown(cells.ravel()[wrong[0]])}, which is no number"
            ) from None
        return np.asarray(numbers.reshape(cells.shape))


def _own_order(frame: pd.DataFrame) -> tuple[Hashable, ...] | None:
    """The categories of columns that are one and the same ordered categorical."""
    kinds = set(frame.dtypes)
    kind = kinds.pop()
    if kinds or not isinstance(kind, pd.CategoricalDtype) or not kind.ordered:
        return None
    return tuple(kind.categories.tolist())


def _is_number(label: object) -> bool:
    try:
        float(label)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


def _blank(cell: object) -> bool:
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell)


def _ordered(labels: NDArray[np.generic] | list[Hashable]) -> list[Hashable]:
    distinct = list(dict.fromkeys(np.asarray(labels, dtype=object).tolist()))
    try:
        return sorted(distinct)
    except TypeError:
        return sorted(distinct, key=str)
