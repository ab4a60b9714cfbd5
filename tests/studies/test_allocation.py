"""Who reads what: crossed, incomplete, split."""

from __future__ import annotations

import pytest

from readerstudy.studies import allocation
from readerstudy.studies.ordering import CannotOrder
from readerstudy.studies.protocol import Design
from readerstudy.studies.randomisation import Item
from readerstudy.studies.seeds import Draw


def items(acquired: int, generated: int) -> list[Item]:
    return [
        Item(n, "acquired" if n < acquired else "generated") for n in range(acquired + generated)
    ]


def test_crossed_gives_everything_to_everybody() -> None:
    drawn = allocation.allocate(items(5, 5), [1, 2, 3], Design(), Draw(1))

    assert all(len(cases) == 10 for cases in drawn.values())


@pytest.mark.parametrize(("readers", "k"), [(4, 2), (5, 3), (7, 3), (9, 4), (30, 7)])
def test_incomplete_blocks_are_even(readers: int, k: int) -> None:
    pool = items(42, 42)
    design = Design(allocation="balanced-incomplete", readers_a_case=k)

    found = allocation.balance(
        allocation.allocate(pool, range(1, readers + 1), design, Draw(1, "allocation"))
    )

    assert found.readers_a_case == {k: 84}
    low, high = found.load_range
    assert high - low <= 2
    for counts in found.by_origin.values():
        assert abs(counts["acquired"] - counts["generated"]) <= 2
    fewest, most = found.pair_range
    expected = 84 * k * (k - 1) / (readers * (readers - 1))
    assert fewest >= expected - max(3, 0.6 * expected)
    assert most <= expected + max(3, 0.6 * expected)


def test_a_design_that_exists_is_found_exactly() -> None:
    # Seven readers, blocks of three, 7 n cases: the Fano plane's parameters (v = b = 7, r = k = 3,
    # lambda = 1), in multiples: 35 cases are all C(7, 3) sets, so lambda is exactly 5.
    design = Design(allocation="balanced-incomplete", readers_a_case=3)
    pool = [Item(n, "acquired") for n in range(35)]

    found = allocation.balance(allocation.allocate(pool, range(7), design, Draw(4)))

    assert found.load_range == (15, 15)
    assert found.pair_range[1] - found.pair_range[0] <= 1


def test_anchors_are_read_by_everybody_with_the_arms_in_proportion() -> None:
    design = Design(allocation="balanced-incomplete", readers_a_case=2, anchor_cases=8)

    drawn = allocation.allocate(items(20, 20), range(6), design, Draw(1))

    shared = set.intersection(*({i.case for i in own} for own in drawn.values()))
    assert len(shared) == 8
    assert sum(case < 20 for case in shared) == 4


def test_a_split_plot_parts_the_cases_among_groups() -> None:
    drawn = allocation.allocate(
        items(12, 12), range(6), Design(allocation="split-plot", groups=3), Draw(1)
    )

    sets = {tuple(i.case for i in own) for own in drawn.values()}
    assert len(sets) == 3
    assert sorted(case for one in sets for case in one) == list(range(24))
    assert all(sum(i.origin == "acquired" for i in own) == 4 for own in drawn.values())


def test_designs_that_cannot_be_made_are_refused_with_the_way_out() -> None:
    with pytest.raises(CannotOrder, match="readers_a_case"):
        allocation.allocate(
            items(4, 4),
            range(3),
            Design(allocation="balanced-incomplete", readers_a_case=4),
            Draw(1),
        )
    with pytest.raises(CannotOrder, match="fewer groups"):
        allocation.allocate(
            items(4, 4), range(2), Design(allocation="split-plot", groups=3), Draw(1)
        )
    with pytest.raises(CannotOrder, match="invite readers"):
        allocation.allocate(items(4, 4), [], Design(), Draw(1))
