"""Every random draw, as a distribution: balance, run lengths, spacing, position."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from readerstudy.studies import ordering, randomisation
from readerstudy.studies.ordering import CannotOrder
from readerstudy.studies.protocol import Design
from readerstudy.studies.randomisation import Item
from readerstudy.studies.seeds import Draw, derive

# Tests of distributions fail by chance this often; seeds are fixed, so each passes for ever or not.
ALPHA = 0.001


def items(acquired: int, generated: int) -> list[Item]:
    return [Item(n, "acquired") for n in range(acquired)] + [
        Item(acquired + n, "generated") for n in range(generated)
    ]


def origins(pool: list[Item], showings: list[randomisation.Showing]) -> list[str]:
    by_case = {item.case: item.origin for item in pool}
    return [by_case[showing.case] for showing in showings]


# -- Seeds ---------------------------------------------------------------------------------------


def test_streams_are_the_same_on_every_machine_for_ever() -> None:
    # Written down once: SHA-256 and PCG64's raw output do not change.
    assert derive(1, "order", 2) == 0x89273AD16E1391735693F4EEA1087D1B
    draw = Draw(20100397501, "list", 1, 0)
    assert [draw.below(100) for _ in range(8)] == [37, 98, 22, 5, 78, 72, 44, 84]
    assert Draw(5, "x").shuffled("abcdefgh") == list("gefadbch")


def test_a_list_does_not_depend_on_the_hash_seed() -> None:
    program = (
        "from readerstudy.studies.randomisation import Item, draw_list\n"
        "from readerstudy.studies.protocol import Design\n"
        "from readerstudy.studies.seeds import Draw\n"
        "pool = [Item(n, 'acquired' if n % 2 else 'generated', (str(n % 3),)) for n in range(40)]\n"
        "shown = draw_list(pool, Design(repeat_share=0.2, repeat_spacing=8), Draw(9, 'list'))\n"
        "print([(s.position, s.case, s.repeat_of) for s in shown])\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ".", "DJANGO_SETTINGS_MODULE": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }

    assert len(said) == 1


def test_shuffles_are_uniform() -> None:
    seen = Counter("".join(Draw(seed, "shuffle").shuffled("abcd")) for seed in range(4800))

    assert len(seen) == 24
    assert stats.chisquare(list(seen.values())).pvalue > ALPHA


def test_bounded_integers_are_uniform() -> None:
    draw = Draw(3, "below")
    seen = Counter(draw.below(7) for _ in range(7000))

    assert stats.chisquare([seen[n] for n in range(7)]).pvalue > ALPHA


def test_differently_named_streams_differ() -> None:
    assert derive(1, "a", "bc") != derive(1, "ab", "c")
    assert derive(1, "a", 1) != derive(11, "a", "")


# -- Order ---------------------------------------------------------------------------------------


@given(
    acquired=st.integers(1, 40),
    generated=st.integers(1, 40),
    block=st.integers(2, 12),
    sessions=st.integers(1, 3),
    seed=st.integers(0, 2**63 - 1),
)
@settings(max_examples=80, deadline=None)
def test_every_list_shows_every_case_once_in_balanced_blocks(
    acquired: int, generated: int, block: int, sessions: int, seed: int
) -> None:
    pool = items(acquired, generated)
    design = Design(block_size=block, longest_run=1000, sessions=sessions)

    shown = randomisation.draw_list(pool, design, Draw(seed, "list"))

    assert sorted(s.case for s in shown) == sorted(i.case for i in pool)
    share = acquired / (acquired + generated)
    for _, sitting in groupby(shown, key=lambda s: s.sitting):
        sequence = origins(pool, list(sitting))
        for start in range(0, len(sequence), block):
            part = sequence[start : start + block]
            assert abs(part.count("acquired") - share * len(part)) < 1 + 1e-9


@pytest.mark.parametrize("longest", [1, 2, 3, 4])
def test_runs_keep_their_bound_also_across_blocks(longest: int) -> None:
    pool = items(30, 30)

    for seed in range(60):
        design = Design(block_size=6, longest_run=longest)
        shown = randomisation.draw_list(pool, design, Draw(seed, "list"))
        runs = [len(list(run)) for _, run in groupby(origins(pool, shown))]
        assert max(runs) <= longest


def test_no_position_favours_an_origin() -> None:
    pool, draws = items(12, 12), 1500
    first = Counter()

    for seed in range(draws):
        shown = randomisation.draw_list(
            pool, Design(block_size=6, longest_run=3), Draw(seed, "list")
        )
        for place, origin in enumerate(origins(pool, shown)):
            first[place] += origin == "acquired"

    # Each position is a fair coin over the draws; positions of one list are dependent, so each is
    # tested on its own and the smallest p is judged by Bonferroni.
    smallest = min(stats.binomtest(first[place], draws, 0.5).pvalue for place in range(24))
    assert smallest * 24 > ALPHA


def test_no_position_favours_an_origin_in_unequal_arms_without_a_tight_bound() -> None:
    pool, draws = items(16, 8), 1500
    first = Counter()

    for seed in range(draws):
        shown = randomisation.draw_list(
            pool, Design(block_size=5, longest_run=100), Draw(seed, "list")
        )
        for place, origin in enumerate(origins(pool, shown)):
            first[place] += origin == "acquired"

    smallest = min(stats.binomtest(first[place], draws, 2 / 3).pvalue for place in range(24))
    assert smallest * 24 > ALPHA


def test_every_case_is_equally_likely_at_every_position() -> None:
    pool, draws = items(4, 4), 4000
    seen = Counter()

    for seed in range(draws):
        shown = randomisation.draw_list(
            pool, Design(block_size=4, longest_run=3), Draw(seed, "list")
        )
        seen.update((s.position, s.case) for s in shown)

    for position in range(1, 9):
        counts = [seen[position, case] for case in range(8)]
        assert stats.chisquare(counts).pvalue > ALPHA / 8


def test_orders_within_the_bound_are_uniform() -> None:
    # Three of each in one block with runs of at most two: 14 sequences (counted by hand: of the 20
    # arrangements, 6 hold a run of three).
    composition = [Counter(acquired=3, generated=3)]
    seen = Counter(
        "".join(
            o[0]
            for o in ordering.order_origins(composition, longest_run=2, draw=Draw(seed, "order"))
        )
        for seed in range(2800)
    )

    assert len(seen) == 14
    assert stats.chisquare(list(seen.values())).pvalue > ALPHA


def test_readers_get_different_orders() -> None:
    pool = items(20, 20)
    orders = {
        tuple(s.case for s in randomisation.draw_list(pool, Design(), Draw(1, "list", reader, 0)))
        for reader in range(1, 31)
    }

    assert len(orders) == 30


def test_carry_over_is_balanced() -> None:
    pool = items(40, 40)

    for seed in range(25):
        design = Design(block_size=8, longest_run=5, balance_carry_over=True)
        shown = origins(pool, randomisation.draw_list(pool, design, Draw(seed, "list")))
        steps = Counter(pairwise(shown))
        assert max(steps.values()) - min(steps.values()) <= 2, steps


def test_a_run_bound_that_cannot_be_kept_is_refused_with_the_way_out() -> None:
    # 50 of one kind in the 6 gaps that 5 of the other leave: one gap holds 9 at least.
    with pytest.raises(CannotOrder, match="at least 9 in a row cannot be avoided whatever"):
        randomisation.draw_list(items(50, 5), Design(block_size=11, longest_run=2), Draw(1, "list"))
    with pytest.raises(CannotOrder, match=r"60 acquired and 40 generated .* longest run to 2"):
        randomisation.draw_list(items(60, 40), Design(longest_run=1), Draw(1, "list"))


def test_a_bound_that_some_blocks_cannot_keep_is_drawn_again_until_they_can() -> None:
    # Ten and nine must alternate; blocks of five hold two or three of one kind at random.
    pool = items(10, 9)

    for seed in range(40):
        design = Design(block_size=5, longest_run=1)
        shown = origins(pool, randomisation.draw_list(pool, design, Draw(seed, "list")))
        assert all(one != other for one, other in pairwise(shown))


def test_runs_keep_their_bound_also_from_one_session_to_the_next() -> None:
    for seed in range(60):
        pool = items(21, 16)
        design = Design(block_size=5, longest_run=2, sessions=3, repeat_share=0.2, repeat_spacing=6)
        shown = randomisation.draw_list(pool, design, Draw(seed, "list"))
        runs = [len(list(run)) for _, run in groupby(origins(pool, shown))]
        assert max(runs) <= 2


@pytest.mark.parametrize(
    ("acquired", "generated", "block", "longest"), [(12, 8, 5, 3), (16, 8, 6, 3), (9, 15, 8, 3)]
)
def test_no_position_favours_an_origin_in_unequal_arms_with_a_tight_bound(
    acquired: int, generated: int, block: int, longest: int
) -> None:
    # Drawn uniformly within the bound, the first position would be the commoner origin in up to
    # 0.80 instead of 0.67 of the lists.
    pool, draws = items(acquired, generated), 1500
    seen = Counter()

    for seed in range(draws):
        design = Design(block_size=block, longest_run=longest)
        shown = randomisation.draw_list(pool, design, Draw(seed, "list"))
        seen.update(p for p, origin in enumerate(origins(pool, shown)) if origin == "acquired")

    total = acquired + generated
    share = acquired / total
    smallest = min(stats.binomtest(seen[p], draws, share).pvalue for p in range(total))
    assert smallest * total > ALPHA


def test_further_strata_are_spread_over_the_blocks() -> None:
    pool = [
        Item(n, origin, (label,))
        for n, (origin, label) in enumerate(
            [(o, s) for o in ("acquired", "generated") for s in ("nodule", "none")] * 8
        )
    ]
    strata = {item.case: (item.origin, *item.strata) for item in pool}

    for seed in range(30):
        shown = randomisation.draw_list(pool, Design(block_size=8), Draw(seed, "list"))
        for start in range(0, 32, 8):
            counts = Counter(strata[s.case] for s in shown[start : start + 8])
            assert set(counts.values()) == {2}


# -- Repeats -------------------------------------------------------------------------------------


@given(
    cases=st.integers(6, 30),
    share=st.floats(0.05, 0.5),
    spacing=st.integers(1, 8),
    sessions=st.integers(1, 2),
    seed=st.integers(0, 2**63 - 1),
)
@settings(max_examples=80, deadline=None)
def test_repeats_keep_their_spacing_and_share(
    cases: int, share: float, spacing: int, sessions: int, seed: int
) -> None:
    pool = items(cases, cases)
    design = Design(
        block_size=4, longest_run=4, repeat_share=share, repeat_spacing=spacing, sessions=sessions
    )

    shown = randomisation.draw_list(pool, design, Draw(seed, "list"))

    assert len(shown) == 2 * cases + round(share * 2 * cases)
    place = {(s.sitting, s.position): n for n, s in enumerate(shown)}
    by_place = {(s.sitting, s.position): s for s in shown}
    again = [s for s in shown if s.repeat_of]
    assert len(again) == round(share * 2 * cases)
    for second in again:
        first = by_place[second.repeat_of]
        assert first.case == second.case
        assert first.repeat_of is None
        assert place[second.sitting, second.position] - place[second.repeat_of] >= spacing
    assert max(Counter(s.case for s in shown).values()) <= 2


def test_repeats_favour_no_origin_no_case_and_no_position() -> None:
    pool, draws = items(10, 10), 900
    repeated, positions = Counter(), Counter()

    for seed in range(draws):
        design = Design(block_size=4, longest_run=3, repeat_share=0.2, repeat_spacing=5)
        shown = randomisation.draw_list(pool, design, Draw(seed, "list"))
        chosen = [s for s in shown if s.repeat_of]
        assert Counter(origins(pool, chosen)) == {"acquired": 2, "generated": 2}
        repeated.update(s.case for s in chosen)
        positions.update(
            (origin, s.position) for origin, s in zip(origins(pool, shown), shown, strict=True)
        )

    assert stats.chisquare([repeated[case] for case in range(20)]).pvalue > ALPHA
    smallest = min(
        stats.binomtest(positions["acquired", p], draws, 0.5).pvalue for p in range(1, 25)
    )
    assert smallest * 24 > ALPHA


def test_a_spacing_that_cannot_be_kept_is_refused_with_the_way_out() -> None:
    with pytest.raises(CannotOrder, match="lower the spacing"):
        randomisation.draw_list(
            items(5, 5), Design(repeat_share=0.5, repeat_spacing=14), Draw(1, "list")
        )


# -- Forced choice, training, phases -------------------------------------------------------------


@pytest.mark.parametrize("m", [2, 3, 4])
def test_forced_choice_shows_one_acquired_scan_at_balanced_places(m: int) -> None:
    pool = items(12, 12 * (m - 1))
    by_case = {item.case: item.origin for item in pool}
    places = Counter()

    for seed in range(200):
        shown = randomisation.draw_choices(pool, m, Design(), Draw(seed, "list"))
        assert len(shown) == 12
        assert sorted(c for s in shown for c in s.alternatives) == sorted(by_case)
        real = [[by_case[c] for c in s.alternatives].index("acquired") for s in shown]
        for start in range(0, 12, m):
            assert sorted(real[start : start + m]) == list(range(m))
        places.update(real)

    assert set(places.values()) == {200 * 12 // m}


def test_forced_choice_repeats_show_the_same_scans() -> None:
    shown = randomisation.draw_choices(
        items(10, 10), 2, Design(repeat_share=0.3, repeat_spacing=4), Draw(5, "list")
    )
    by_place = {(s.sitting, s.position): s for s in shown}

    again = [s for s in shown if s.repeat_of]
    assert len(again) == 3
    for second in again:
        assert set(by_place[second.repeat_of].alternatives) == set(second.alternatives)


def test_training_comes_first_and_repeats_still_point_at_their_first_showing() -> None:
    pool = items(10, 10)
    design = Design(repeat_share=0.2, repeat_spacing=5, sessions=2)
    shown = randomisation.draw_list(pool, design, Draw(1, "list"))
    training = [Item(100, "acquired"), Item(101, "generated")]

    full = randomisation.with_training(shown, training, Draw(1, "training"))

    assert [s.is_training for s in full[:3]] == [True, True, False]
    by_place = {(s.sitting, s.position): s for s in full}
    assert len(by_place) == len(full)
    for second in full:
        if second.repeat_of:
            assert by_place[second.repeat_of].case == second.case


def test_phases_share_the_cases_without_overlap_and_with_equal_arms() -> None:
    pool = items(20, 20)
    parts = randomisation.split_over_phases(pool, 2, Draw(1, "phases"))

    assert sorted(i.case for part in parts for i in part) == sorted(i.case for i in pool)
    for part in parts:
        assert Counter(i.origin for i in part) == {"acquired": 10, "generated": 10}


def test_shares_of_blocks_are_exact_in_total_and_even() -> None:
    for seed in range(100):
        counts = {"a": 17, "b": 9, "c": 4}
        sizes = [7, 7, 7, 7, 2]
        shared = ordering.spread(counts, sizes, Draw(seed, "spread"))
        assert [sum(block.values()) for block in shared] == sizes
        assert sum(shared, Counter()) == counts
