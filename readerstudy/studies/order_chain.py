"""Sequences of two origins in blocks with bounded runs, as a chain that is counted and drawn from.

Before each position a state holds how many of the first origin the block has used, the origin
shown last and the length of its run. Completions are counted backwards through the states, so that
a sequence can be drawn forwards without a wrong turn, and a long list costs no more tries than a
short one (Rabiner, Proc. IEEE 77 (1989) 257-286, the forward and backward passes of section III).

Everything that decides a draw is made of single products and sums of doubles in a fixed order, and
fitted weights are rounded to a grid: the draw comes out the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from readerstudy.studies.seeds import Draw

Floats = NDArray[np.float64]
_ROUNDS = 60
_CLOSE = 0.002  # of a position's share
_GRID = 1 << 16  # weights are kept as multiples of its inverse
_STEEPEST = 8.0  # logarithm of the largest weight


class Chain:
    """All sequences of ``blocks`` (first and second origin, 0 and 1) with runs up to ``longest``.

    ``fresh`` names the blocks that begin a sitting: a change of origin at its first position is no
    carry-over, but a run goes on.
    """

    def __init__(
        self, blocks: Sequence[tuple[int, int]], longest: int, fresh: frozenset[int]
    ) -> None:
        self.blocks = [block for block in blocks if sum(block)]
        self.longest = longest
        kept = [n for n, block in enumerate(blocks) if sum(block)]
        ends = np.cumsum([0, *(sum(block) for block in self.blocks)])
        self.size = int(ends[-1])
        self.starts = {0} | {int(ends[place]) for place, n in enumerate(kept) if n in fresh}
        self.weights = np.ones(self.size)  # of the first origin at each position
        self.change = 1.0  # of a change of origin
        # The positions in order: (first of its block, last of its block, block).
        self._at = [
            (k == 0, k == sum(block) - 1, block) for block in self.blocks for k in range(sum(block))
        ]
        self._after = self._count()

    @property
    def is_possible(self) -> bool:
        first, second = self._begin()
        return first + second > 0

    def _begin(self) -> tuple[float, float]:
        """The weight of all sequences that begin with the first and with the second origin."""
        after = self._after[0]
        a, _ = self.blocks[0]
        first = float(self.weights[0] * after[1, 0, 0]) if a else 0.0
        return first, float(after[0, 1, 0])

    def _count(self) -> list[Floats]:
        """For each position, the weight of completing the list *after* it, by state then.

        Index: of the first origin used in the block (0 .. a), origin last shown, its run - 1.
        Each position is scaled by a power of two; only ratios within a position matter.
        """
        after: list[Floats] = [np.empty(0)] * self.size
        following = np.ones((2, self.longest))  # by state at the border to the next block
        before = following[np.newaxis]
        for place in reversed(range(self.size)):
            is_first, is_last, (a, _) = self._at[place]
            if is_last:
                here = np.zeros((a + 1, 2, self.longest))
                here[a] = following
            else:
                here = before
            peak = float(here.max())
            if peak > 0:
                here = here * 2.0 ** -math.frexp(peak)[1]
            after[place] = here
            to_first, to_second = self._steps(place, here)
            before = to_first * self.weights[place] + to_second
            if is_first:
                following = before[0]
        return after

    def _steps(self, place: int, after: Floats) -> tuple[Floats, Floats]:
        """The weight of completing the list through either origin at ``place``, by state before."""
        change = 1.0 if place in self.starts else self.change
        first, second = np.zeros_like(after), np.zeros_like(after)
        first[:-1, 0, :-1] = after[1:, 0, 1:]
        first[:-1, 1, :] = (after[1:, 0, :1]) * change
        second[:, 1, :-1] = after[:, 1, 1:]
        second[:, 0, :] = after[:, 1, :1] * change
        return first, second

    # -- Tilting -----------------------------------------------------------------------------------

    def even_out_positions(self, *, changes: float | None = None, positions: bool = True) -> None:
        """Weigh positions (and changes) until each has its block's share of the first origin (and
        the expected number of changes is ``changes``): iterative scaling (Darroch and Ratcliff,
        Ann. Math. Stat. 43 (1972) 1470-1480), which keeps the largest entropy."""
        share = np.array([a / (a + b) for a, b in (block for _, _, block in self._at)])
        free = np.array([0 < one < 1 for one in share])
        log_weights, log_change = np.zeros(self.size), 0.0
        least, idle = math.inf, 0
        for _ in range(_ROUNDS):
            found, changed = self._expected()
            off = float(np.abs(found - share)[free].max(initial=0.0)) if positions else 0.0
            missed = 0.0 if changes is None else abs(changed - changes)
            if off < _CLOSE and missed < 0.2:
                break
            # Where the bound leaves next to no choice, no weights even the positions out.
            least, idle = (off + missed, 0) if off + missed < 0.98 * least else (least, idle + 1)
            if idle > 6:
                break
            if positions:
                step = _logit(share[free]) - _logit(found[free])
                log_weights[free] = np.clip(log_weights[free] + 0.7 * step, -_STEEPEST, _STEEPEST)
            if changes is not None:
                most = self.size - len(self.starts)
                step = _logit(_inside(changes / most)) - _logit(_inside(changed / most))
                log_change = float(np.clip(log_change + 0.7 * step, -_STEEPEST, _STEEPEST))
            self.weights = np.maximum(np.round(np.exp(log_weights) * _GRID), 1.0) / _GRID
            self.change = max(round(math.exp(log_change) * _GRID), 1) / _GRID
            self._after = self._count()

    def _expected(self) -> tuple[Floats, float]:
        """The chance of the first origin at each position, and the expected changes of origin."""
        chances, changes = np.empty(self.size), 0.0
        begin = self._begin()
        chances[0] = begin[0] / sum(begin)
        a, _ = self.blocks[0]
        reached = np.zeros((a + 1, 2, self.longest))
        if a:
            reached[1, 0, 0] = self.weights[0]
        reached[0, 1, 0] = 1.0
        for place in range(1, self.size):
            is_first, _, (a, _) = self._at[place]
            if is_first:
                carried = reached[-1]
                reached = np.zeros((a + 1, 2, self.longest))
                reached[0] = carried
            to_first, to_second = self._steps(place, self._after[place])
            first = reached * to_first * self.weights[place]
            second = reached * to_second
            both = float(first.sum() + second.sum())
            chances[place] = first.sum() / both
            if place not in self.starts:
                changes += float(first[:, 1].sum() + second[:, 0].sum()) / both
            reached = self._moved(place, reached)
        return chances, changes

    def _moved(self, place: int, reached: Floats) -> Floats:
        change = 1.0 if place in self.starts else self.change
        weight = self.weights[place]
        moved = np.zeros_like(reached)
        moved[1:, 0, 1:] = reached[:-1, 0, :-1] * weight
        moved[1:, 0, 0] += reached[:-1, 1].sum(axis=-1) * (weight * change)
        moved[:, 1, 1:] += reached[:, 1, :-1]
        moved[:, 1, 0] += reached[:, 0].sum(axis=-1) * change
        return moved / moved.max()

    # -- Drawing -----------------------------------------------------------------------------------

    def draw(self, draw: Draw) -> list[int]:
        """One sequence of 0 and 1, with the chance that its weight gives it."""
        sequence = [draw.weighted(self._begin())]
        used, run = int(sequence[0] == 0), 1
        for place in range(1, self.size):
            is_first, _, _ = self._at[place]
            used = 0 if is_first else used
            after, last = self._after[place], sequence[-1]
            change = 1.0 if place in self.starts else self.change
            going_on = run < self.longest
            if last == 0:
                first = after[used + 1, 0, run] if going_on and used + 1 < len(after) else 0.0
                second = after[used, 1, 0] * change
            else:
                first = after[used + 1, 0, 0] * change if used + 1 < len(after) else 0.0
                second = after[used, 1, run] if going_on else 0.0
            one = draw.weighted((float(first * self.weights[place]), float(second)))
            used, run = used + (one == 0), run + 1 if one == last else 1
            sequence.append(one)
        return sequence


def _logit(share: Floats) -> Floats:
    share = np.clip(share, 1e-9, 1 - 1e-9)
    return np.log(share) - np.log1p(-share)


def _inside(share: float) -> Floats:
    return np.asarray(min(max(share, 1e-6), 1 - 1e-6))
