"""Incomplete blocks: which readers read each case, with pairs of readers met equally often.

A balanced incomplete block design gives every reader as many cases and every pair of readers the
same number of cases in common (Fisher and Yates, Statistical Tables, 1938; Cochran and Cox,
Experimental Designs, 2nd ed., chapter 11). For most numbers none exists, and what is meant is the
nearest: here loads never differ by more than one, the counts of pairs come as close to each other
as the search finds, and within that the readers' loads in every stratum.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Sequence

from readerstudy.studies.seeds import Draw

# Moves tried for each block, and in all.
_MOVES, _MOST_MOVES = 600, 40_000
# A pair's imbalance weighs so much more than that of a reader within a stratum.
_PAIR = 3
_HOT, _COLD = 1.0, 0.4
# Sets of readers looked through for one cycle.
_MOST_BASES = 20_000


def draw_blocks(
    strata: Sequence[Hashable], readers: int, k: int, draw: Draw
) -> list[tuple[int, ...]]:
    """For each case, given its stratum, the ``k`` of ``readers`` (0, 1 ...) that read it."""
    best = _Blocks(_dealt(strata, readers, k, draw), strata, readers)
    best.anneal(draw, _HOT)
    # Where the numbers allow a balanced design, it is worth looking again.
    exact = len(strata) * k * (k - 1) % max(1, readers * (readers - 1)) == 0
    for _ in range(3 if exact and k < readers else 0):
        if not best.pair_excess:
            break
        other = _Blocks(_dealt(strata, readers, k, draw), strata, readers)
        other.anneal(draw, _HOT)
        best = min(best, other, key=lambda one: one.cost)
    if best.pair_excess and len(strata) >= readers and 1 < k < readers - 1:
        other = _Blocks(_cycles(len(strata), readers, k, draw), strata, readers)
        other.anneal(draw, _COLD)
        best = min(best, other, key=lambda one: one.cost)
    return [tuple(sorted(block)) for block in best.blocks]


def _dealt(strata: Sequence[Hashable], readers: int, k: int, draw: Draw) -> list[set[int]]:
    """Readers dealt out in shuffled packs, stratum after stratum: loads even in each and in all.

    A reader is dealt twice to one case only where a new pack begins; the next one then comes first.
    """
    blocks: list[set[int]] = [set() for _ in strata]
    pack: list[int] = []
    order = sorted(range(len(strata)), key=lambda place: (str(strata[place]), place))
    for place in order:
        while len(blocks[place]) < k:
            if not pack:
                pack = draw.shuffled(range(readers))
            one = next(reader for reader in (*pack, -1) if reader not in blocks[place])
            if one < 0:  # all that is left is in the block already: borrow from the next pack
                pack += draw.shuffled(range(readers))
                continue
            pack.remove(one)
            blocks[place].add(one)
    return blocks


def _cycles(count: int, readers: int, k: int, draw: Draw) -> list[set[int]]:
    """Base blocks developed around the circle of readers, whose differences come equally often.

    A perfect difference set, where there is one, gives a symmetric design exactly (Singer, Trans.
    Am. Math. Soc. 43 (1938) 377-385): 7 readers by 3, 13 by 4, 21 by 5. The rest is dealt.
    """
    name = draw.shuffled(range(readers))
    differences = [0] * readers
    blocks: list[set[int]] = []
    bases = _bases(readers, k, draw)
    for _ in range(count // readers):
        base = min(bases, key=lambda one: _after(differences, one, readers))
        for a, b in itertools.permutations(base, 2):
            differences[(a - b) % readers] += 1
        blocks += [{name[(one + turn) % readers] for one in base} for turn in range(readers)]
    blocks += _dealt([""] * (count % readers), readers, k, draw)
    return draw.shuffled(blocks)


def _bases(readers: int, k: int, draw: Draw) -> list[tuple[int, ...]]:
    if math.comb(readers - 1, k - 1) <= _MOST_BASES:
        return [(0, *rest) for rest in itertools.combinations(range(1, readers), k - 1)]
    return [(0, *draw.sample(range(1, readers), k - 1)) for _ in range(_MOST_BASES // 10)]


def _after(differences: Sequence[int], base: Sequence[int], readers: int) -> int:
    counts = list(differences)
    for a, b in itertools.permutations(base, 2):
        counts[(a - b) % readers] += 1
    return sum(count * count for count in counts)


class _Blocks:
    """Blocks with their counts, improved by exchanges that keep every reader's load."""

    def __init__(self, blocks: list[set[int]], strata: Sequence[Hashable], readers: int) -> None:
        self.blocks, self.readers = blocks, readers
        keys = {key: place for place, key in enumerate(dict.fromkeys(strata))}
        self.key = [keys[one] for one in strata]
        self.shared = [[0] * readers for _ in range(readers)]
        self.load = [[0] * readers for _ in keys]
        for block, key in zip(blocks, self.key, strict=True):
            for one in block:
                self.load[key][one] += 1
                for other in block:
                    self.shared[one][other] += one != other
        self.pair_excess = self._pairs()
        self.load_excess = sum(_excess(row) for row in self.load)

    @property
    def cost(self) -> int:
        return _PAIR * self.pair_excess + self.load_excess

    def _pairs(self) -> int:
        return _excess(
            [self.shared[a][b] for a, b in itertools.combinations(range(self.readers), 2)]
        )

    def anneal(self, draw: Draw, heat: float) -> None:
        """Simulated annealing (Kirkpatrick, Gelatt and Vecchi, Science 220 (1983) 671-680)."""
        moves = min(_MOVES * len(self.blocks), _MOST_MOVES) if len(self.blocks) > 1 else 0
        best, kept = self.cost, [set(block) for block in self.blocks]
        cooling = (_COLD / 4 / heat) ** (1 / max(1, moves))
        for _ in range(moves):
            if not self.cost:
                return
            one, other = draw.below(len(self.blocks)), draw.below(len(self.blocks))
            if one != other:
                self._try(one, other, heat, draw)
                if self.cost < best:
                    best, kept = self.cost, [set(block) for block in self.blocks]
            heat *= cooling
        if self.cost > best:
            self.__init__(kept, self.key, self.readers)  # type: ignore[misc]

    def _try(self, one: int, other: int, heat: float, draw: Draw) -> None:
        first, second = self.blocks[one], self.blocks[other]
        here, there = sorted(first - second), sorted(second - first)
        if not here:
            return
        if self.key[one] != self.key[other] and draw.below(4) == 0:
            given, taken = here, there  # all of them: the two cases change places
            pairs = {}
        else:
            given, taken = [draw.choice(here)], [draw.choice(there)]
            pairs = self._pair_changes(first, second, given[0], taken[0])
        by_pairs = sum(d * (2 * self.shared[x][y] + d) for (x, y), d in pairs.items())
        by_load = self._load_change(one, other, given, taken)
        loss = _PAIR * by_pairs + by_load
        if loss > 0 and draw.uniform() >= math.exp(-loss / (_PAIR * heat)):
            return
        first.difference_update(given)
        first.update(taken)
        second.difference_update(taken)
        second.update(given)
        for (x, y), d in pairs.items():
            self.shared[x][y] += d
            self.shared[y][x] += d
        if self.key[one] != self.key[other]:
            for reader in given:
                self.load[self.key[one]][reader] -= 1
                self.load[self.key[other]][reader] += 1
            for reader in taken:
                self.load[self.key[one]][reader] += 1
                self.load[self.key[other]][reader] -= 1
        self.pair_excess += by_pairs
        self.load_excess += by_load

    def _pair_changes(
        self, first: set[int], second: set[int], a: int, b: int
    ) -> dict[tuple[int, int], int]:
        """Pairs won and lost when the first block gives ``a`` for ``b`` of the second."""
        changes: dict[tuple[int, int], int] = {}
        # Readers in both blocks keep their pairs with either.
        for x in first - second - {a}:
            changes[min(a, x), max(a, x)] = -1
            changes[min(b, x), max(b, x)] = 1
        for x in second - first - {b}:
            changes[min(b, x), max(b, x)] = -1
            changes[min(a, x), max(a, x)] = 1
        return changes

    def _load_change(self, one: int, other: int, given: Sequence[int], taken: Sequence[int]) -> int:
        if self.key[one] == self.key[other]:
            return 0
        here, there = self.load[self.key[one]], self.load[self.key[other]]
        return sum(2 - 2 * here[r] + 2 * there[r] for r in given) + sum(
            2 + 2 * here[r] - 2 * there[r] for r in taken
        )


def _excess(counts: Sequence[int]) -> int:
    """The sum of squares above the least that whole numbers with this total allow."""
    if not counts:
        return 0
    even, rest = divmod(sum(counts), len(counts))
    least = rest * (even + 1) ** 2 + (len(counts) - rest) * even**2
    return sum(count * count for count in counts) - least
