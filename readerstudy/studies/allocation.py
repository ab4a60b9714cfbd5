"""Which reader reads which case: fully crossed, balanced incomplete blocks, or split plot."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from readerstudy.studies.ordering import CannotOrder, spread
from readerstudy.studies.protocol import Design
from readerstudy.studies.randomisation import Item
from readerstudy.studies.seeds import Draw

# Up to here every set of k readers is weighed for every case; beyond, sets are built greedily.
_MOST_SETS = 3000
# Exchanges tried for every case, once all cases are dealt out.
_EXCHANGES = 80


@dataclass(frozen=True, slots=True)
class Balance:
    """How even an allocation came out."""

    cases_a_reader: dict[int, int]
    by_origin: dict[int, Counter]
    readers_a_case: Counter
    shared_by_pair: dict[tuple[int, int], int]

    @property
    def load_range(self) -> tuple[int, int]:
        loads = self.cases_a_reader.values()
        return (min(loads), max(loads)) if loads else (0, 0)

    @property
    def pair_range(self) -> tuple[int, int]:
        """Fewest and most cases that two readers share (the design's lambda when equal)."""
        shared = self.shared_by_pair.values()
        return (min(shared), max(shared)) if shared else (0, 0)


def allocate(
    items: Sequence[Item], readers: Sequence[int], design: Design, draw: Draw
) -> dict[int, list[Item]]:
    """The cases of each reader number, in the order of the case numbers.

    Raises ``CannotOrder`` when the design cannot be made with so many readers and cases.
    """
    items = sorted(items, key=lambda item: item.case)
    readers = sorted(readers)
    if not readers:
        raise CannotOrder("no reader is enrolled: invite readers before drawing lists")
    if design.allocation == "crossed":
        return {reader: list(items) for reader in readers}
    if design.allocation == "split-plot":
        return _split_plot(items, readers, design.groups, draw)
    return _incomplete(items, readers, design.readers_a_case, design.anchor_cases, draw)


def balance(allocation: dict[int, list[Item]]) -> Balance:
    """Counts that show an allocation's imbalance."""
    sets = {reader: {item.case for item in items} for reader, items in allocation.items()}
    return Balance(
        {reader: len(cases) for reader, cases in sets.items()},
        {reader: Counter(item.origin for item in items) for reader, items in allocation.items()},
        Counter(Counter(case for cases in sets.values() for case in cases).values()),
        {(a, b): len(sets[a] & sets[b]) for a, b in itertools.combinations(sorted(sets), 2)},
    )


def _split_plot(
    items: Sequence[Item], readers: Sequence[int], groups: int, draw: Draw
) -> dict[int, list[Item]]:
    """Groups of readers, each fully crossed with its own share of the cases (Obuchowski 2009)."""
    if groups > len(readers):
        raise CannotOrder(
            f"{len(readers)} readers do not fill {groups} groups; enrol more or use fewer groups"
        )
    if groups > len(items):
        raise CannotOrder(f"{len(items)} cases do not fill {groups} groups; use fewer groups")
    shares = _shares(items, groups, draw)
    shuffled = draw.shuffled(readers)
    return {reader: shares[place % groups] for place, reader in enumerate(shuffled)}


def _shares(items: Sequence[Item], parts: int, draw: Draw) -> list[list[Item]]:
    pools: dict[tuple[str, ...], list[Item]] = defaultdict(list)
    for item in items:
        pools[item.origin, *item.strata].append(item)
    sizes = [len(items) // parts + (n < len(items) % parts) for n in range(parts)]
    counts = spread({key: len(pool) for key, pool in pools.items()}, sizes, draw)
    drawn = {key: draw.shuffled(pools[key]) for key in sorted(pools)}
    return [
        sorted(
            (drawn[key].pop() for key in sorted(drawn) for _ in range(count[key])),
            key=lambda item: item.case,
        )
        for count in counts
    ]


def _incomplete(
    items: Sequence[Item], readers: Sequence[int], k: int | None, anchors: int, draw: Draw
) -> dict[int, list[Item]]:
    """Each case to ``k`` readers; loads within each stratum, and the cases that any two readers
    share, as even as can be; ``anchors`` cases (strata in proportion) to everybody."""
    n = len(readers)
    if k is None or not 1 <= k <= n:
        raise CannotOrder(
            f"each case goes to {k} of {n} readers: choose a number from 1 to {n} "
            "(design.readers_a_case)"
        )
    if anchors > len(items):
        raise CannotOrder(f"{anchors} anchor cases asked for, {len(items)} cases drawn")
    strata = Counter((item.origin, *item.strata) for item in items)
    wanted = spread(strata, [anchors, len(items) - anchors], draw)[0] if anchors else Counter()
    result: dict[int, list[Item]] = {reader: [] for reader in readers}
    scale, blocks = _Scale(n, k), []
    for key in sorted(strata):
        pool = draw.shuffled([item for item in items if (item.origin, *item.strata) == key])
        for item in pool[: wanted[key]]:
            for reader in readers:
                result[reader].append(item)
        scale.begin_stratum()
        blocks += [(key, item, set(scale.lightest(draw))) for item in pool[wanted[key] :]]
    even_out_pairs([(key, block) for key, _, block in blocks], scale.shared, draw)
    for _, item, block in blocks:
        for place in sorted(block):
            result[readers[place]].append(item)
    for cases in result.values():
        cases.sort(key=lambda item: item.case)
    return result


def even_out_pairs(
    blocks: Sequence[tuple[Hashable, set[int]]], shared: list[list[int]], draw: Draw
) -> None:
    """Exchange readers between blocks of one stratum while that evens out what pairs share.

    Giving ``a`` of one block for ``b`` of another keeps every reader's load and every stratum's.
    ``shared`` counts the blocks of each pair; both it and the blocks are changed in place.
    """
    by_key: dict[Hashable, list[set[int]]] = defaultdict(list)
    for key, block in blocks:
        by_key[key].append(block)
    pools = [pool for _, pool in sorted(by_key.items(), key=lambda one: str(one[0])) if pool[1:]]
    for _ in range(_EXCHANGES * len(blocks) if pools else 0):
        pool = draw.choice(pools)
        one, other = draw.sample(pool, 2)
        only_one, only_other = sorted(one - other), sorted(other - one)
        if not only_one:
            continue
        a, b = draw.choice(only_one), draw.choice(only_other)
        # Pairs lost and won; the sum of squares of the counts falls where the gain is negative.
        change: Counter[tuple[int, int]] = Counter()
        for x in one - {a}:
            change[min(a, x), max(a, x)] -= 1
            change[min(b, x), max(b, x)] += 1
        for x in other - {b}:
            change[min(b, x), max(b, x)] -= 1
            change[min(a, x), max(a, x)] += 1
        gain = sum(d * (2 * shared[x][y] + d) for (x, y), d in change.items())
        if gain > 0:
            continue
        one.remove(a)
        one.add(b)
        other.remove(b)
        other.add(a)
        for (x, y), d in change.items():
            shared[x][y] += d
            shared[y][x] += d


class _Scale:
    """Weighs sets of readers: those who have read least, and least together, come next."""

    def __init__(self, n: int, k: int) -> None:
        self.n, self.k = n, k
        self.load = [0] * n
        self.stratum_load = [0] * n
        self.shared = [[0] * n for _ in range(n)]
        few = math.comb(n, k) <= _MOST_SETS
        self.sets = list(itertools.combinations(range(n), k)) if few else None

    def begin_stratum(self) -> None:
        self.stratum_load = [0] * self.n

    def lightest(self, draw: Draw) -> tuple[int, ...]:
        chosen = self._among_all(draw) if self.sets is not None else self._greedily(draw)
        for one in chosen:
            self.load[one] += 1
            self.stratum_load[one] += 1
            for other in chosen:
                if one != other:
                    self.shared[one][other] += 1
        return chosen

    def _among_all(self, draw: Draw) -> tuple[int, ...]:
        assert self.sets is not None
        weighed = [(self._weight(readers), readers) for readers in self.sets]
        least = min(weight for weight, _ in weighed)
        return draw.choice([readers for weight, readers in weighed if weight == least])

    def _weight(self, readers: tuple[int, ...]) -> tuple[int, int, int, int]:
        # Squares favour evening out: raising a high count costs more than raising a low one.
        return (
            max(self.stratum_load[r] for r in readers),
            sum(2 * self.stratum_load[r] + 1 for r in readers),
            sum(2 * self.load[r] + 1 for r in readers),
            sum(2 * self.shared[a][b] + 1 for a, b in itertools.combinations(readers, 2)),
        )

    def _greedily(self, draw: Draw) -> tuple[int, ...]:
        chosen: list[int] = []
        for _ in range(self.k):
            weighed = [
                (
                    self.stratum_load[r],
                    self.load[r],
                    sum(self.shared[r][c] ** 2 + 2 * self.shared[r][c] for c in chosen),
                    r,
                )
                for r in range(self.n)
                if r not in chosen
            ]
            least = min(weight[:3] for weight in weighed)
            chosen.append(draw.choice([w[3] for w in weighed if w[:3] == least]))
        return tuple(sorted(chosen))
