"""Who reads what: crossed, incomplete, split."""

from __future__ import annotations

from collections import Counter

import pytest
from scipy import stats

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
    assert high - low <= 1
    for counts in found.by_origin.values():
        assert abs(counts["acquired"] - counts["generated"]) <= 3
    fewest, most = found.pair_range
    expected = 84 * k * (k - 1) / (readers * (readers - 1))
    assert fewest >= expected - max(3, 0.6 * expected)
    assert most <= expected + max(3, 0.6 * expected)


@pytest.mark.parametrize(
    ("readers", "k", "cases", "lambda_"),
    [
        (7, 3, 7, 1),  # the Fano plane
        (7, 3, 35, 5),  # every triple of seven once
        (6, 3, 10, 2),
        (9, 3, 12, 1),  # the affine plane of order 3
        (10, 4, 15, 2),
        (13, 4, 13, 1),  # the projective plane of order 3
        (16, 4, 20, 1),  # the affine plane of order 4
        (21, 5, 21, 1),  # the projective plane of order 4
    ],
)
def test_a_balanced_design_that_exists_is_found_exactly(
    readers: int, k: int, cases: int, lambda_: int
) -> None:
    # Cochran and Cox, Experimental Designs, 2nd ed., table 11.3: r = b k / v, lambda (v - 1) =
    # r (k - 1).
    design = Design(allocation="balanced-incomplete", readers_a_case=k)
    pool = items(cases // 2, cases - cases // 2)

    found = allocation.balance(allocation.allocate(pool, range(readers), design, Draw(4)))

    assert found.load_range == (cases * k // readers,) * 2
    assert found.pair_range == (lambda_, lambda_)


@pytest.mark.parametrize(("readers", "k", "cases"), [(7, 3, 13), (5, 3, 11), (8, 3, 20), (4, 3, 1)])
def test_where_no_design_exists_counts_differ_by_one_at_most(
    readers: int, k: int, cases: int
) -> None:
    design = Design(allocation="balanced-incomplete", readers_a_case=k)

    found = allocation.balance(
        allocation.allocate(items(cases, 0), range(readers), design, Draw(2, "allocation"))
    )

    assert found.load_range[1] - found.load_range[0] <= 1
    assert found.pair_range[1] - found.pair_range[0] <= 1


def test_no_reader_is_favoured_by_the_draw_of_an_incomplete_design() -> None:
    # Eleven cases to three of five: three readers get seven cases, two get six.
    design = Design(allocation="balanced-incomplete", readers_a_case=3)
    more, case_to = Counter(), Counter()
    for seed in range(300):
        drawn = allocation.allocate(items(6, 5), range(5), design, Draw(seed, "allocation"))
        more.update(reader for reader, own in drawn.items() if len(own) == 7)
        case_to.update(reader for reader, own in drawn.items() if any(i.case == 0 for i in own))

    assert sum(more.values()) == 300 * 3
    assert stats.chisquare([more[r] for r in range(5)]).pvalue > 0.001
    assert stats.chisquare([case_to[r] for r in range(5)]).pvalue > 0.001


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
