"""Histograms: bins that are the same everywhere, so that merging loses nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.histogram import BUFFERED, Histogram, bins_of, edge

NUMBERS = st.lists(st.integers(0, 2**40), max_size=50)


def counted(numbers: list[int]) -> Histogram:
    found = Histogram()
    found.add(numbers)
    return found


@given(st.integers(0, 2**40))
def test_each_number_is_in_its_bin_which_is_no_wider_than_an_eighth(number: int) -> None:
    (one,) = bins_of(np.array([number])).tolist()
    low, high = edge(one), edge(one + 1)
    assert low <= number < high
    assert high - low <= max(1, low / 8)


def test_small_numbers_have_a_bin_each() -> None:
    assert bins_of(np.arange(20)).tolist() == [*range(16), 16, 16, 17, 17]
    assert [edge(one) for one in (0, 1, 15, 16, 17, 24, 25)] == [0, 1, 15, 16, 18, 32, 36]


@given(NUMBERS, NUMBERS, NUMBERS)
def test_merging_is_counting_together_in_any_order(
    first: list[int], second: list[int], third: list[int]
) -> None:
    left, right = counted(first), counted(third)
    left.merge(counted(second))
    left.merge(counted(third))
    right.merge(counted(first))
    right.merge(counted(second))
    assert left == right == counted(first + second + third).settle()


def test_the_sum_the_highest_and_the_number_are_exact() -> None:
    found = counted([3, 1000, 3])
    assert (found.count, found.total, found.most) == (3, 1006, 1000)


def test_bins_without_a_number_stand_between_those_with_some() -> None:
    assert counted([2, 4, 4]).edges_and_counts() == ([2, 3, 4, 5], [1, 0, 2])


def test_no_numbers_have_no_bins() -> None:
    found = Histogram()
    assert found.edges_and_counts() == ([0], [])
    assert (found.count, found.total, found.most) == (0, 0, 0)


@pytest.mark.parametrize("batch", [1, 7, 5_000])
def test_its_size_is_bounded_whatever_it_counts(batch: int) -> None:
    found = Histogram()
    for start in range(0, 30_000, batch):
        found.add([(start + place) ** 2 for place in range(batch)])
        assert len(found._waiting) < BUFFERED  # noqa: SLF001 (what waits is part of its size)
    assert len(found.bins) < 240
