"""Texts are grouped by length, each exactly once, with little padding."""

from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.embedded.engine import CALL_COST, CALL_TOKENS, micro_batches

LENGTHS = st.lists(st.integers(2, 512), max_size=200)


@given(LENGTHS)
def test_each_text_is_in_exactly_one_group(lengths: list[int]) -> None:
    indices = [index for group in micro_batches(lengths) for index in group]
    assert sorted(indices) == list(range(len(lengths)))


@given(LENGTHS)
def test_groups_are_bounded_in_size_and_padding(lengths: list[int]) -> None:
    for group in micro_batches(lengths):
        width = max(lengths[index] for index in group)
        assert len(group) == 1 or len(group) * width <= CALL_TOKENS
        assert sum(width - lengths[index] for index in group) < CALL_COST


@given(LENGTHS)
def test_a_groups_last_text_is_its_longest(lengths: list[int]) -> None:
    for group in micro_batches(lengths):
        assert lengths[group[-1]] == max(lengths[index] for index in group)


def test_equal_lengths_fill_whole_calls() -> None:
    assert [len(group) for group in micro_batches([8] * 300)] == [128, 128, 44]


def test_very_different_lengths_are_not_padded_to_the_longest() -> None:
    assert list(micro_batches([256, 5, 6, 250])) == [[1, 2], [3, 0]]
