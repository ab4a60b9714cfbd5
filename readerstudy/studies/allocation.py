"""Which reader reads which case: fully crossed, balanced incomplete blocks, or split plot."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from readerstudy.studies.blocks import draw_blocks
from readerstudy.studies.ordering import CannotOrder, spread
from readerstudy.studies.protocol import Design
from readerstudy.studies.randomisation import Item
from readerstudy.studies.seeds import Draw


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
    """Each case to ``k`` readers: loads, the cases that any two readers share and loads within each
    stratum as even as can be; ``anchors`` cases (strata in proportion) to everybody."""
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
    rest: list[tuple[tuple[str, ...], Item]] = []
    for key in sorted(strata):
        pool = draw.shuffled([item for item in items if (item.origin, *item.strata) == key])
        for item in pool[: wanted[key]]:
            for reader in readers:
                result[reader].append(item)
        rest += [(key, item) for item in pool[wanted[key] :]]
    dealt = draw_blocks([key for key, _ in rest], n, k, draw)
    for (_, item), block in zip(rest, dealt, strict=True):
        for place in block:
            result[readers[place]].append(item)
    for cases in result.values():
        cases.sort(key=lambda item: item.case)
    return result
