"""Batches: bounded, in order, and none empty."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from embed_pipeline.batching import Batcher

SIZES = st.lists(st.integers(0, 30), max_size=60)


def batches(sizes: list[int], max_count: int, max_size: int) -> list[list[int]]:
    """Return the places of `sizes` as a Batcher puts them together."""
    batcher: Batcher[int] = Batcher(max_count, max_size)
    found = [batcher.add(place, size) for place, size in enumerate(sizes)]
    return [*filter(None, found), *filter(None, [batcher.flush()])]


def test_a_batch_is_complete_at_its_count() -> None:
    assert batches([1, 1, 1, 1, 1], 2, 100) == [[0, 1], [2, 3], [4]]


def test_a_batch_may_have_just_the_size() -> None:
    assert batches([4, 6, 1], 9, 10) == [[0, 1], [2]]


def test_what_is_too_large_goes_alone() -> None:
    assert batches([1, 99, 1], 9, 10) == [[0], [1], [2]]


def test_each_size_has_a_bound_of_its_own() -> None:
    batcher: Batcher[str] = Batcher(9, 10, 100)
    assert batcher.add("a", 6, 1) is None
    assert batcher.add("b", 5, 1) == ["a"]
    assert batcher.add("c", 5, 99) is None
    assert batcher.add("d", 0, 1) == ["b", "c"]
    assert batcher.flush() == ["d"]


def test_what_is_too_large_by_one_size_goes_alone() -> None:
    batcher: Batcher[str] = Batcher(9, 10, 100)
    found = [batcher.add("a", 1, 0), batcher.add("b", 1, 101), batcher.add("c", 1, 0)]
    assert found == [None, ["a"], ["b"]]
    assert batcher.flush() == ["c"]


def test_flushing_nothing_gives_nothing() -> None:
    assert Batcher[int](2, 2).flush() == []


@given(SIZES, st.integers(1, 10), st.integers(1, 50))
def test_the_order_is_kept_and_nothing_is_lost(
    sizes: list[int], max_count: int, max_size: int
) -> None:
    found = batches(sizes, max_count, max_size)
    assert [place for batch in found for place in batch] == list(range(len(sizes)))


@given(SIZES, st.integers(1, 10), st.integers(1, 50))
def test_count_and_size_hold_unless_a_single_element_is_larger(
    sizes: list[int], max_count: int, max_size: int
) -> None:
    for batch in batches(sizes, max_count, max_size):
        assert 1 <= len(batch) <= max_count
        assert len(batch) == 1 or sum(sizes[place] for place in batch) <= max_size


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60),
    st.integers(1, 10),
    st.tuples(st.integers(1, 50), st.integers(1, 50)),
)
def test_every_size_holds_unless_a_single_element_is_larger(
    sizes: list[tuple[int, int]], max_count: int, most: tuple[int, int]
) -> None:
    batcher: Batcher[int] = Batcher(max_count, *most)
    found = [batcher.add(place, *pair) for place, pair in enumerate(sizes)]
    whole = [*filter(None, found), *filter(None, [batcher.flush()])]
    assert [place for batch in whole for place in batch] == list(range(len(sizes)))
    for batch in whole:
        sums = [sum(sizes[place][kind] for place in batch) for kind in (0, 1)]
        assert len(batch) == 1 or (sums[0] <= most[0] and sums[1] <= most[1])


@given(SIZES, st.integers(1, 10), st.integers(1, 50))
def test_a_batch_ends_only_where_the_next_element_would_not_fit(
    sizes: list[int], max_count: int, max_size: int
) -> None:
    found = batches(sizes, max_count, max_size)
    for batch, following in pairwise(found):
        size = sum(sizes[place] for place in batch)
        assert len(batch) == max_count or size + sizes[following[0]] > max_size


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 10)), max_size=60),
    st.tuples(st.integers(1, 50), st.integers(1, 50)),
)
@example([(0, 0, 9), (0, 0, 9), (0, 0, 9), (0, 0, 2)], (50, 50))
@example([(0, 1, 2), (0, 1, 1), (0, 0, 1)], (1, 1))
def test_every_bound_holds_though_the_count_is_changed_and_a_lower_one_from_the_next_batch_on(
    elements: list[tuple[int, int, int]], most: tuple[int, int]
) -> None:
    batcher: Batcher[int] = Batcher(10, *most)
    places: list[int] = []
    for place, (size, weight, max_count) in enumerate(elements):
        batcher.max_count = max_count
        full = batcher.add(place, size, weight)
        if full is not None:
            assert 1 <= len(full) <= max(elements[each][2] for each in full)
            sums = [sum(elements[each][kind] for each in full) for kind in (0, 1)]
            assert len(full) == 1 or (sums[0] <= most[0] and sums[1] <= most[1])
            places += full
    assert [*places, *batcher.flush()] == list(range(len(elements)))


def test_a_lowered_count_holds_from_the_next_batch_on() -> None:
    batcher: Batcher[str] = Batcher(4, 100)
    for text in "abc":
        batcher.add(text, 1)
    batcher.max_count = 2
    assert batcher.add("d", 1) == ["a", "b", "c", "d"]
    assert [batcher.add("e", 1), batcher.add("f", 1)] == [None, ["e", "f"]]
