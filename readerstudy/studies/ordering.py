"""The order of origins in a reading list: permuted blocks, bounded runs, balanced carry-over.

Pure functions of a :class:`~readerstudy.studies.seeds.Draw`; they know no database.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from readerstudy.studies.seeds import Draw

Key = TypeVar("Key", bound=Hashable)


class CannotOrder(ValueError):
    """No order keeps the protocol's rules; the message says which rule to loosen."""


def block_sizes(total: int, block_size: int, sittings: int = 1) -> list[list[int]]:
    """Block sizes for each sitting: full blocks, then one shorter. Sittings differ by one at most.

    >>> block_sizes(21, 8, 2)
    [[8, 3], [8, 2]]
    """
    result = []
    for sitting in range(sittings):
        size = total // sittings + (1 if sitting < total % sittings else 0)
        full, rest = divmod(size, block_size)
        result.append([block_size] * full + ([rest] if rest else []))
    return result


def spread(counts: Mapping[Key, int], sizes: Sequence[int], draw: Draw) -> list[Counter[Key]]:
    """Share the counts over blocks as evenly as whole numbers allow.

    Systematic rounding with a random start: every block gets the floor or the ceiling of its
    proportional share, the totals are exact, and the expected share of every block is exactly
    proportional, so that no position of the list favours a stratum.
    """
    if sum(counts.values()) != sum(sizes):
        raise ValueError(f"{sum(counts.values())} items do not fill {sum(sizes)} places")
    left = list(sizes)
    composition: list[Counter[Key]] = [Counter() for _ in sizes]
    total = sum(left)
    for key in draw.shuffled(sorted(counts, key=str)):
        count, start = counts[key], draw.uniform()
        filled = before = 0
        for block, size in enumerate(left):
            filled += size
            # Integers first: count * filled / total is exact at the end of the list.
            upto = math.floor(count * filled / total + start) if filled < total else count
            composition[block][key] = upto - before
            left[block] = size - composition[block][key]
            before = upto
        total -= count
        if total == 0:
            break
    return composition


def order_origins(
    composition: Sequence[Mapping[str, int]],
    *,
    longest_run: int,
    draw: Draw,
    fresh_at: frozenset[int] = frozenset(),
    switch_weight: float = 1.0,
) -> list[str]:
    """A sequence of origins with the given block compositions and no run above ``longest_run``.

    Drawn uniformly from all sequences that keep the bound (with ``switch_weight`` 1; otherwise
    with probability proportional to weight ** number of switches), by counting completions
    backwards through the blocks, so that a long list costs no more tries than a short one.
    ``fresh_at`` names the blocks that begin a new sitting, where a run starts again.

    Raises ``CannotOrder`` when no sequence keeps the bound.
    """
    names = sorted({name for block in composition for name, n in block.items() if n})
    if len(names) > 2:
        raise ValueError(f"runs are bounded for two origins, got {names}")
    if len(names) < 2:
        # One origin alone has one order of origins; a bound on its runs cannot be meant.
        return [name for block in composition for name, n in block.items() for _ in range(n)]
    return _Chain(composition, names, longest_run, fresh_at, switch_weight).draw(draw)


class _Chain:
    """Completions counted backwards, a sequence drawn forwards.

    A state is the last origin and its run so far, numbered 0 for "nothing shown yet" and
    ``1 + origin * longest + run - 1`` otherwise. ``tables[block]`` holds, for ``a`` and ``b``
    origins left in the block and each state, the weight of all ways to finish the list.
    """

    def __init__(
        self,
        composition: Sequence[Mapping[str, int]],
        names: list[str],
        longest_run: int,
        fresh_at: frozenset[int],
        switch_weight: float,
    ) -> None:
        blocks = [(block.get(names[0], 0), block.get(names[1], 0)) for block in composition]
        # A bound above the longest possible run only makes the tables larger.
        self.longest = min(longest_run, max(sum(a for a, _ in blocks), sum(b for _, b in blocks)))
        self.names, self.weight, self.blocks = names, switch_weight, blocks
        self.fresh = fresh_at | {0}
        self.log_total = 0.0
        self.tables: list[list[float]] = [[] for _ in blocks]
        following = [1.0] * (1 + 2 * self.longest)
        for number in reversed(range(len(blocks))):
            a, b = blocks[number]
            table = self._table(a, b, following)
            self.tables[number] = table
            values = table[-(1 + 2 * self.longest) :]
            if number in self.fresh:
                values = [values[0]] * len(values)
            largest = max(values)
            if largest <= 0:
                raise CannotOrder(
                    f"block {number + 1} holds {a} {names[0]} and {b} {names[1]}: no order keeps "
                    f"runs of one origin to {longest_run}; allow longer runs or larger blocks"
                )
            self.log_total += math.log(largest)
            following = [value / largest for value in values]
        if blocks and following[0] <= 0:
            raise CannotOrder(
                f"no order keeps runs of one origin to {longest_run} across the blocks; allow "
                "longer runs or larger blocks"
            )

    def _table(self, a: int, b: int, following: list[float]) -> list[float]:
        states = 1 + 2 * self.longest
        table = [0.0] * ((a + 1) * (b + 1) * states)
        table[:states] = following
        for i in range(a + 1):
            for j in range(b + 1):
                if i == j == 0:
                    continue
                at = (i * (b + 1) + j) * states
                for state in range(states):
                    total = 0.0
                    for after, weight, x, y in self._steps(state, i, j):
                        total += weight * table[(x * (b + 1) + y) * states + after]
                    table[at + state] = total
        return table

    def _steps(self, state: int, a: int, b: int) -> list[tuple[int, float, int, int]]:
        """Each possible next showing: the state after it, its weight, what the block has left."""
        last, run = divmod(state - 1, self.longest) if state else (-1, -1)
        steps = []
        for origin, left in ((0, a), (1, b)):
            if not left:
                continue
            if last == origin:
                if run + 1 >= self.longest:
                    continue
                after, weight = state + 1, 1.0
            else:
                after, weight = 1 + origin * self.longest, self.weight if state else 1.0
            steps.append((after, weight, a - (origin == 0), b - (origin == 1)))
        return steps

    def draw(self, draw: Draw) -> list[str]:
        sequence: list[str] = []
        states, state = 1 + 2 * self.longest, 0
        for number, (a, b) in enumerate(self.blocks):
            if number in self.fresh:
                state = 0
            table, width = self.tables[number], self.blocks[number][1] + 1
            while a or b:
                steps = self._steps(state, a, b)
                weights = [w * table[(x * width + y) * states + s] for s, w, x, y in steps]
                state, _, a, b = steps[draw.weighted(weights)]
                sequence.append(self.names[(state - 1) // self.longest])
        return sequence


def transitions(sequence: Sequence[str], starts: frozenset[int] = frozenset()) -> Counter:
    """How often each origin follows each, not counting across the start of a sitting."""
    return Counter(
        (before, after)
        for place, (before, after) in enumerate(itertools.pairwise(sequence), 1)
        if place not in starts
    )


def order_balancing_carry_over(
    composition: Sequence[Mapping[str, int]],
    *,
    longest_run: int,
    draw: Draw,
    fresh_at: frozenset[int] = frozenset(),
    tries: int = 400,
) -> list[str]:
    """As :func:`order_origins`, with each origin following each as often as its share implies.

    With ``p`` the share of one origin, a fraction ``2 p (1 - p)`` of the steps change the origin,
    which makes what was shown before uninformative of what is shown now (first-order carry-over).
    Permuted blocks alone change too often. The draw is tilted until the expected number of
    changes is right, then repeated until it is met within one.

    Raises ``CannotOrder`` when the blocks and the run bound leave no such order.
    """
    names = sorted({name for block in composition for name, n in block.items() if n})
    if len(names) < 2:
        return order_origins(composition, longest_run=longest_run, draw=draw, fresh_at=fresh_at)
    total = sum(sum(block.values()) for block in composition)
    share = sum(block.get(names[0], 0) for block in composition) / total
    starts, filled = {0}, 0
    for number, block in enumerate(composition):
        if number in fresh_at:
            starts.add(filled)
        filled += sum(block.values())
    target = 2 * share * (1 - share) * (total - len(starts))

    def chain(log_weight: float) -> _Chain:
        return _Chain(composition, names, longest_run, fresh_at, math.exp(log_weight))

    def expected(log_weight: float) -> float:
        # The derivative of the log of the total weight is the expected number of changes.
        step = 1e-4
        above, below = chain(log_weight + step).log_total, chain(log_weight - step).log_total
        return (above - below) / (2 * step)

    low, high = -6.0, 6.0
    for _ in range(18):
        middle = (low + high) / 2
        if expected(middle) < target:
            low = middle
        else:
            high = middle
    tilted = chain((low + high) / 2)
    for _ in range(tries):
        sequence = tilted.draw(draw)
        counts = transitions(sequence, frozenset(starts))
        changes = counts[names[0], names[1]] + counts[names[1], names[0]]
        if abs(changes - target) <= 1:
            return sequence
    raise CannotOrder(
        f"blocks and runs of at most {longest_run} leave no order with balanced carry-over; allow "
        "longer runs or larger blocks"
    )
