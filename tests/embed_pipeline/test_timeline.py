"""The timeline: bounded, and merged exactly whatever the widths."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.timeline import MOST, NAMES, Timeline, _widths

START = 1_795_416_790
SECONDS = st.one_of(st.integers(0, 400), st.integers(0, 10_000), st.integers(0, 10**8))
EVENTS = st.lists(st.tuples(SECONDS, st.integers(0, 9)), max_size=30)
Events = list[tuple[int, int]]


def timeline(events: Events) -> Timeline:
    found = Timeline()
    for second, amount in events:
        found.add(START + second, [amount, 2 * amount, 0, 1, 0])
    return found


def test_each_width_is_a_multiple_of_the_one_before() -> None:
    widths = [one for one, _ in zip(_widths(), range(20), strict=False)]
    assert widths[:8] == [1, 2, 10, 30, 60, 120, 240, 480]
    assert all(wide % narrow == 0 for narrow, wide in pairwise(widths))


@given(EVENTS, EVENTS, EVENTS)
def test_merging_is_adding_together_in_any_order(
    first: Events, second: Events, third: Events
) -> None:
    left, right = timeline(first), timeline(third)
    left.merge(timeline(second))
    left.merge(timeline(third))
    inner = timeline(second)
    inner.merge(timeline(first))
    right.merge(inner)
    assert left == right == timeline(first + second + third)


@given(EVENTS)
def test_sums_are_exact_and_each_amount_is_in_the_bucket_of_its_second(events: Events) -> None:
    found = timeline(events)
    expected: Counter[int] = Counter()
    for second, amount in events:
        at = START + second
        expected[at - at % found.width] += amount
    assert {start: amounts[0] for start, amounts in found.buckets.items()} == dict(expected)
    assert sum(amounts[3] for amounts in found.buckets.values()) == len(events)


@given(EVENTS)
def test_there_are_no_more_buckets_than_a_page_can_show(events: Events) -> None:
    found = timeline(events)
    assert len(found.rows()) <= MOST
    assert found.rows() == [] or sum(row[1] for row in found.rows()) == 2 * sum(
        amount for _, amount in events
    )


def test_an_hour_has_buckets_of_half_a_minute() -> None:
    found = timeline([(second, 1) for second in range(3_600)])
    assert found.width == 30
    assert all(start % 30 == 0 for start in found.buckets)
    assert found.rows()[1] == [30, 60, 0, 30, 0]


def test_buckets_in_which_nothing_was_done_are_told_as_well() -> None:
    assert timeline([(0, 5), (2, 1)]).rows() == [
        [5, 10, 0, 1, 0],
        [0] * len(NAMES),
        [1, 2, 0, 1, 0],
    ]


def test_merging_leaves_the_other_as_it_was() -> None:
    one, other = timeline([(0, 5)]), timeline([(0, 1)])
    one.merge(other)
    assert other == timeline([(0, 1)])
