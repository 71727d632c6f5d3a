"""The lowest ranks: the same rows are drawn whatever the bundles, and few of them travel."""

import math
import random
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.ranks import EVERY, NONE, Bound, Lowest, lowest, rank_of


class Row(NamedTuple):
    rank: int
    name: str


def order(row: Row) -> Row:
    return row


def row(number: int) -> Row:
    return Row(rank_of(f"id {number}"), f"row {number}")


def bundle(rows: list[Row], count: int, bound: Bound | None) -> list[Row]:
    """Return what a bundle draws."""
    drawing = Lowest(count, order, bound)
    for one in rows:
        drawing.add(one)
    return drawing.drawn()


def test_a_rank_is_the_same_in_every_run() -> None:
    assert [rank_of(identity) for identity in ("", "a", "é")] == [0, 0xE8B7BE43, 0x0E048D3E]


def test_ranks_are_evenly_spread() -> None:
    ranks = [rank_of(f"document {number}") for number in range(4000)]
    quarters = [sum(rank >> 30 == quarter for rank in ranks) for quarter in range(4)]
    assert min(quarters) > 900


# Small ranks stand twice often; ids that stand twice are rows of their own.
ROWS = st.lists(st.builds(Row, st.integers(0, 30), st.sampled_from("abc")), max_size=80)


@given(
    rows=ROWS,
    count=st.integers(0, 8),
    processes=st.integers(1, 3),
    dice=st.randoms(use_true_random=False),
)
def test_the_lowest_are_drawn_whatever_the_order_the_bundles_the_processes_and_repetitions(
    rows: list[Row], count: int, processes: int, dice: random.Random
) -> None:
    expected = sorted(rows)[:count]
    dice.shuffle(rows)
    bounds = [Bound(count) for _ in range(processes)]
    drawn: list[Row] = []
    while rows:
        size = dice.randint(1, 12)
        part, rows = rows[:size], rows[size:]
        while dice.random() < 0.4:  # the bundle is lost, and run again, perhaps elsewhere
            bundle(part, count, dice.choice(bounds))
        drawn += bundle(part, count, dice.choice(bounds))
    assert lowest(drawn, count, order) == expected


def test_a_bundle_that_fails_before_its_end_lowers_no_bound() -> None:
    bound = Bound(2)
    drawing = Lowest(2, order, bound)
    for number in range(10):
        drawing.add(row(number))
    assert bound.value == EVERY


def test_a_bound_falls_to_the_highest_of_as_many_different_ranks_and_never_rises() -> None:
    bound = Bound(3)
    assert bound.lower([5, 5, 5, 9]) == EVERY
    assert bound.lower([7]) == 9
    assert bound.lower([5, 20]) == 9
    assert bound.lower([1]) == bound.value == 7


def test_where_nothing_is_to_be_drawn_nothing_is() -> None:
    bound = Bound(0)
    assert bound.value == NONE
    assert bundle([row(1), row(2)], 0, bound) == []
    assert bound.lower([]) == NONE


def test_later_bundles_of_a_process_pass_on_few_rows() -> None:
    count, bundles, size = 20, 500, 40
    bound, passed = Bound(count), 0
    for number in range(bundles):
        rows = [row(size * number + place) for place in range(size)]
        passed += len(bundle(rows, count, bound))
    expected = count * (1 + math.log(bundles * size / count))
    assert passed < 1.5 * expected  # and not 10,000


def test_no_more_than_twice_as_many_are_held() -> None:
    drawing = Lowest(5, order)
    for number in range(1000):
        drawing.add(row(number))
        assert len(drawing._rows) <= 10  # noqa: SLF001 (what a bundle holds is not seen elsewhere)
