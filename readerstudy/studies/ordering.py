"""The order of origins in a reading list: permuted blocks, bounded runs, balanced carry-over.

Pure functions of a :class:`~readerstudy.studies.seeds.Draw`; they know no database.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from readerstudy.studies.order_chain import Chain
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
) -> list[str]:
    """A sequence of origins with the given block compositions and no run above ``longest_run``.

    Equal arms: drawn uniformly from all sequences that keep the bound, across the borders of blocks
    and sittings alike. Unequal arms: uniform sequences would put the commoner origin to the ends of
    the list, where a run is cut short; the draw is therefore tilted, as little as possible (it
    keeps the largest entropy), until every position has its block's share of either origin.
    ``fresh_at`` names the blocks that begin a new sitting.

    Raises ``CannotOrder`` when no sequence keeps the bound, naming the least that one keeps.
    """
    names = _two(composition)
    if len(names) < 2:
        # One origin alone has one order of origins; a bound on its runs cannot be meant.
        return [name for block in composition for name, n in block.items() for _ in range(n)]
    blocks = [(block.get(names[0], 0), block.get(names[1], 0)) for block in composition]
    total = sum(a + b for a, b in blocks)
    first = sum(a for a, _ in blocks)
    if longest_run >= max(first, total - first):
        return [name for block in composition for name in draw.shuffled(_spelt(block, names))]
    chain = _chain(tuple(blocks), longest_run, fresh_at, 2 * first != total)
    if not chain.is_possible:
        raise _refusal(blocks, names, longest_run)
    return [names[one] for one in chain.draw(draw)]


@functools.lru_cache(maxsize=64)
def _chain(
    blocks: tuple[tuple[int, int], ...],
    longest: int,
    fresh: frozenset[int],
    positions: bool,
    changes: float | None = None,
) -> Chain:
    """The chain of these blocks, tilted where asked; many readers' lists have the same blocks."""
    chain = Chain(blocks, longest, fresh)
    if chain.is_possible and (positions or changes is not None):
        chain.even_out_positions(positions=positions, changes=changes)
    return chain


def _spelt(block: Mapping[str, int], names: Sequence[str]) -> list[str]:
    return [name for name in names for _ in range(block.get(name, 0))]


def _two(composition: Sequence[Mapping[str, int]]) -> list[str]:
    names = sorted({name for block in composition for name, n in block.items() if n})
    if len(names) > 2:
        raise ValueError(f"runs are bounded for two origins, got {names}")
    return names


def least_run(one: int, other: int) -> int:
    """The shortest bound on runs that any order of two counts can keep.

    >>> least_run(60, 40), least_run(50, 50), least_run(9, 2)
    (2, 1, 3)
    """
    return -(-max(one, other) // (min(one, other) + 1))


def _refusal(blocks: Sequence[tuple[int, int]], names: Sequence[str], longest: int) -> CannotOrder:
    a, b = (sum(block[n] for block in blocks) for n in (0, 1))
    possible = max(longest + 1, least_run(a, b))
    while not Chain(blocks, possible, frozenset()).is_possible:
        possible += 1
    why = (
        "whatever the blocks"
        if possible == least_run(a, b)
        else f"in blocks of {max(a + b for a, b in blocks)}"
    )
    return CannotOrder(
        f"no order of {a} {names[0]} and {b} {names[1]} keeps runs of one origin to {longest}: at "
        f"least {possible} in a row cannot be avoided {why}. Set the longest run to {possible} or "
        "more, or bring the arms closer together"
    )


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
    names = _two(composition)
    if len(names) < 2:
        return order_origins(composition, longest_run=longest_run, draw=draw, fresh_at=fresh_at)
    blocks = [(block.get(names[0], 0), block.get(names[1], 0)) for block in composition]
    total = sum(a + b for a, b in blocks)
    first = sum(a for a, _ in blocks)
    longest = min(longest_run, max(first, total - first))
    share = first / total
    sittings = len({0} | {n for n in fresh_at if n < len(blocks) and max(blocks[n])})
    target = 2 * share * (1 - share) * (total - sittings)
    chain = _chain(tuple(blocks), longest, fresh_at, 2 * first != total, target)
    if not chain.is_possible:
        raise _refusal(blocks, names, longest)
    for _ in range(tries):
        sequence = chain.draw(draw)
        changes = sum(
            one != other
            for place, (one, other) in enumerate(itertools.pairwise(sequence), 1)
            if place not in chain.starts
        )
        if abs(changes - target) <= 1:
            return [names[one] for one in sequence]
    raise CannotOrder(
        f"blocks of {max(a + b for a, b in blocks)} and runs of at most {longest_run} leave no "
        f"order with balanced carry-over (about {target:.0f} changes of origin in {total} "
        "presentations): allow longer runs or larger blocks"
    )
