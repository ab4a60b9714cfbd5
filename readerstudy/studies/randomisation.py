"""A reader's list, drawn from seeds: order, hidden repeats, sittings, training, forced choice.

Pure functions: cases come in as numbers with their strata, a list of showings comes out. The
database is written by :mod:`readerstudy.studies.lists`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from readerstudy.studies import ordering
from readerstudy.studies.ordering import CannotOrder
from readerstudy.studies.protocol import Design
from readerstudy.studies.seeds import Draw

_REDRAWS = 50


@dataclass(frozen=True, slots=True)
class Item:
    """A case to be shown. ``strata`` are balanced over the blocks beside the origin."""

    case: int
    origin: str
    strata: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Showing:
    """One position of a list; ``sitting`` counts from 0 within the phase, ``position`` from 1."""

    sitting: int
    position: int
    case: int
    repeat_of: tuple[int, int] | None = None
    alternatives: tuple[int, ...] = ()
    is_training: bool = False


def draw_list(items: Sequence[Item], design: Design, draw: Draw) -> list[Showing]:
    """One reader's list of single scans for one phase.

    Origins follow permuted blocks with bounded runs (and balanced carry-over where asked); further
    strata are spread evenly over each origin's places; repeats lie ``design.repeat_spacing``
    positions apart at least, counted across sittings.

    Raises ``CannotOrder`` when the design's rules exclude each other for these cases.
    """
    items = sorted(items, key=lambda item: item.case)
    if not items:
        return []
    problem: CannotOrder | None = None
    for _ in range(_REDRAWS):
        repeated = _choose_repeats(items, design.repeat_share, draw)
        shown = [*items, *repeated]
        sizes = ordering.block_sizes(len(shown), design.block_size, design.sessions)
        try:
            places = _places(shown, sizes, design, draw)
            order, first_of = _fill(items, repeated, places, design.repeat_spacing, draw)
        except CannotOrder as error:
            problem = error
            continue
        return _showings(order, first_of, [sum(blocks) for blocks in sizes])
    assert problem is not None
    raise problem


def draw_choices(
    items: Sequence[Item], alternatives: int, design: Design, draw: Draw
) -> list[Showing]:
    """One reader's forced-choice list: each showing holds one acquired and m - 1 generated scans.

    Each scan is used at most once (but for repeats, which show the same scans at newly drawn
    places). The acquired scan's place is balanced: every m showings in a row, from the first, have
    it once at every place.

    Scans beyond the last whole set are left out.

    Raises ``CannotOrder`` when there is not one whole set.
    """
    if not whole_sets(Counter(item.origin for item in items), alternatives):
        raise CannotOrder(
            f"a choice among {alternatives} needs 1 acquired and {alternatives - 1} generated scans"
        )
    acquired = draw.shuffled(sorted(item.case for item in items if item.origin == "acquired"))
    generated = draw.shuffled(sorted(item.case for item in items if item.origin == "generated"))
    m = alternatives
    sets = [
        (case, tuple(generated[n * (m - 1) : (n + 1) * (m - 1)]))
        for n, case in enumerate(acquired[: len(generated) // (m - 1)])
    ]
    as_items = [Item(n, "set") for n in range(len(sets))]
    design = design.model_copy(update={"balance_carry_over": False})
    order = draw_list(as_items, design, draw)
    places: list[int] = []
    while len(places) < len(order):
        places += draw.shuffled(range(m))
    result = []
    for showing, place in zip(order, places, strict=False):
        real, others = sets[showing.case]
        shown = draw.shuffled(others)
        shown.insert(place, real)
        result.append(
            Showing(
                showing.sitting,
                showing.position,
                shown[0],
                showing.repeat_of,
                tuple(shown),
            )
        )
    return result


def whole_sets(counts: Counter, alternatives: int) -> int:
    """How many sets of one acquired and ``alternatives - 1`` generated scans there are."""
    return min(counts["acquired"], counts["generated"] // (alternatives - 1))


def with_training(
    showings: Sequence[Showing],
    training: Sequence[Item],
    draw: Draw,
    alternatives: int = 0,
) -> list[Showing]:
    """The list with the training cases before it, in drawn order, in the first sitting."""
    cases = draw.shuffled(sorted(item.case for item in training))
    if alternatives:
        by_case = {item.case: item.origin for item in training}
        real = [case for case in cases if by_case[case] == "acquired"]
        fake = [case for case in cases if by_case[case] == "generated"]
        ahead: list[Showing] = []
        while real and len(fake) >= alternatives - 1:
            shown = draw.shuffled([real.pop(), *(fake.pop() for _ in range(alternatives - 1))])
            ahead.append(Showing(0, len(ahead) + 1, shown[0], None, tuple(shown), is_training=True))
    else:
        ahead = [Showing(0, n, case, is_training=True) for n, case in enumerate(cases, 1)]
    shift = len(ahead)

    def moved(sitting: int, position: int) -> tuple[int, int]:
        return (sitting, position + shift) if sitting == 0 else (sitting, position)

    return ahead + [
        Showing(
            *moved(showing.sitting, showing.position),
            showing.case,
            moved(*showing.repeat_of) if showing.repeat_of else None,
            showing.alternatives,
        )
        for showing in showings
    ]


def split_over_phases(items: Sequence[Item], phases: int, draw: Draw) -> list[list[Item]]:
    """Disjoint shares of the cases, one a phase, each with the strata in proportion."""
    pools: dict[tuple[str, ...], list[Item]] = defaultdict(list)
    for item in sorted(items, key=lambda item: item.case):
        pools[item.origin, *item.strata].append(item)
    for key in sorted(pools):
        pools[key] = draw.shuffled(pools[key])
    sizes = [len(items) // phases + (n < len(items) % phases) for n in range(phases)]
    shares = ordering.spread({key: len(pool) for key, pool in pools.items()}, sizes, draw)
    return [
        [pools[key].pop() for key in sorted(pools) for _ in range(share[key])] for share in shares
    ]


def _choose_repeats(items: Sequence[Item], share: float, draw: Draw) -> list[Item]:
    """Which cases are shown twice: a random sample, with the origins in proportion."""
    count = round(share * len(items))
    if not count:
        return []
    totals = Counter(item.origin for item in items)
    # Two "blocks": repeated and not. Systematic rounding keeps the origins in proportion.
    chosen = ordering.spread(totals, [count, len(items) - count], draw)[0]
    return [
        item
        for origin in sorted(totals)
        for item in draw.sample([item for item in items if item.origin == origin], chosen[origin])
    ]


def _places(
    shown: Sequence[Item], sizes: list[list[int]], design: Design, draw: Draw
) -> list[tuple[str, ...]]:
    """For every position of the list its origin and further strata."""
    flat = [size for blocks in sizes for size in blocks]
    fresh = frozenset(sum(len(blocks) for blocks in sizes[:n]) for n in range(len(sizes)))
    composition = ordering.spread(Counter(item.origin for item in shown), flat, draw)
    order = (
        ordering.order_balancing_carry_over if design.balance_carry_over else ordering.order_origins
    )
    origins = order(composition, longest_run=design.longest_run, draw=draw, fresh_at=fresh)
    # Within each origin the further strata are spread over that origin's share of the blocks.
    waiting: dict[tuple[int, str], list[tuple[str, ...]]] = {}
    for origin in sorted({item.origin for item in shown}):
        keys = Counter((item.origin, *item.strata) for item in shown if item.origin == origin)
        per_block = [block[origin] for block in composition]
        for block, counts in enumerate(ordering.spread(keys, per_block, draw)):
            waiting[block, origin] = draw.shuffled(
                [key for key in sorted(counts) for _ in range(counts[key])]
            )
    places, at = [], 0
    for block, size in enumerate(flat):
        places += [waiting[block, origin].pop() for origin in origins[at : at + size]]
        at += size
    return places


def _fill(
    items: Sequence[Item],
    repeated: Sequence[Item],
    places: Sequence[tuple[str, ...]],
    spacing: int,
    draw: Draw,
) -> tuple[list[int], dict[int, int]]:
    """Cases for the places, and for each place of a second showing the place of the first."""
    free: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, key in enumerate(places):
        free[key].append(place)
    order, first_of = [-1] * len(places), {}
    twice = {item.case for item in repeated}
    for key in sorted(free):
        cases = [item for item in items if (item.origin, *item.strata) == key]
        again = draw.shuffled([item.case for item in cases if item.case in twice])
        pairs = _pairs(free[key], len(again), spacing, draw)
        if pairs is None:
            raise CannotOrder(
                f"{len(again)} repeats among {len(free[key])} places of {' / '.join(key)} cannot "
                f"lie {spacing} positions apart in a list of {len(places)}; lower the spacing or "
                "the share of repeats"
            )
        for case, (first, second) in zip(again, pairs, strict=True):
            order[first] = order[second] = case
            first_of[second] = first
        taken = {place for pair in pairs for place in pair}
        rest = [place for place in free[key] if place not in taken]
        others = draw.shuffled([item.case for item in cases if item.case not in twice])
        for place, case in zip(rest, others, strict=True):
            order[place] = case
    return order, first_of


def _pairs(
    places: Sequence[int], count: int, spacing: int, draw: Draw
) -> list[tuple[int, int]] | None:
    """``count`` disjoint pairs of places at least ``spacing`` apart, or None where there are none.

    Pairs are drawn one after the other; a pair that would leave no room for the rest is refused.
    The first k and the last k places, paired in order, are the widest k pairs there are, so that
    comparing these decides whether k pairs fit.
    """
    free = sorted(places)
    if not _fits(free, count, spacing):
        return None
    pairs = []
    for left in range(count, 0, -1):
        for _ in range(60):
            one, other = sorted(draw.sample(free, 2))
            rest = [place for place in free if place not in (one, other)]
            if other - one >= spacing and _fits(rest, left - 1, spacing):
                break
        else:
            one, other = free[0], free[len(free) - left]
            rest = [place for place in free if place not in (one, other)]
        pairs.append((one, other))
        free = rest
    return pairs


def _fits(free: Sequence[int], count: int, spacing: int) -> bool:
    if 2 * count > len(free):
        return False
    return all(free[len(free) - count + k] - free[k] >= spacing for k in range(count))


def _showings(
    order: Sequence[int], first_of: dict[int, int], sitting_sizes: Sequence[int]
) -> list[Showing]:
    at = [
        (sitting, position)
        for sitting, size in enumerate(sitting_sizes)
        for position in range(1, size + 1)
    ]
    return [
        Showing(*at[place], case, at[first_of[place]] if place in first_of else None)
        for place, case in enumerate(order)
    ]
