"""The engine without a server: contexts, groups of similar length, abandoned work."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.embedded.engine import (
    CALL_COST,
    CALL_TOKENS,
    Context,
    Engine,
    InputTooLong,
    TextTokenizer,
    available_processors,
    micro_batches,
    shorten,
)
from embed_pipeline.embedded.model import prepare
from embed_pipeline.errors import ConfigError

LENGTHS = st.lists(st.integers(2, 512), max_size=200)


def test_a_damaged_graph_says_what_to_do(tmp_path: Path) -> None:
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="the next start builds it again") as caught:
        Engine(graph)
    assert str(graph) in str(caught.value)


def test_abandoned_work_ends_between_two_calls() -> None:
    model = prepare()
    texts = ["word " * 200] * 20
    tokens = TextTokenizer(model.weights.tokenizer).encode(texts, Context(), truncate=True)
    answers = iter([False, True])
    vectors = Engine(model.graph).embed(tokens, lambda: next(answers))
    computed = np.linalg.norm(vectors, axis=1) > 0
    assert computed.tolist() == [True] * 5 + [False] * 15


def test_no_texts_give_no_vectors() -> None:
    assert Engine(prepare().graph).embed([]).shape == (0, 384)


def test_processors_are_those_of_this_process() -> None:
    assert available_processors() == len(os.sched_getaffinity(0))


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


@pytest.mark.parametrize(
    ("num_ctx", "length"), [(256, 256), (512, 512), (513, 512), (4, 4), (3, 4), (-(10**30), 4)]
)
def test_a_context_is_from_4_to_512_tokens(num_ctx: int, length: int) -> None:
    assert Context(num_ctx).length == length


@pytest.mark.parametrize(
    ("num_ctx", "tokens", "kept"),
    [
        (5, [101, 7, 8, 9, 102], [101, 7, 8, 9, 102]),
        (5, [101, 7, 8, 9, 10, 102], [101, 7, 8, 9, 102]),
        (3, [101, 7, 8, 102], [101, 7, 8, 102]),
        (3, [101, 7, 8, 9, 102], [101, 7, 102]),
        (0, [101, 7, 102], [101, 7, 102]),
    ],
)
def test_a_text_is_cut_to_its_head(num_ctx: int, tokens: list[int], kept: list[int]) -> None:
    fitted = Context(num_ctx).fit(tokens, truncate=True)
    assert fitted.tolist() == kept
    assert fitted.dtype == np.int32


@pytest.mark.parametrize(
    ("num_ctx", "truncate", "message"),
    [
        (4, False, "the input length exceeds the context length"),
        (2, False, "the input length exceeds the context length"),
        (2, True, "input after truncation exceeds maximum context length"),
    ],
)
def test_a_text_that_cannot_be_cut_is_too_long(num_ctx: int, truncate: bool, message: str) -> None:
    with pytest.raises(InputTooLong) as caught:
        Context(num_ctx).fit([101, 7, 8, 9, 102], truncate=truncate)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("dimensions", "row"),
    [(0, [0.6, 0, -0.8]), (-1, [0.6, 0, -0.8]), (3, [0.6, 0, -0.8]), (2, [1, 0]), (1, [1])],
)
def test_shortened_vectors_have_unit_length(dimensions: int, row: list[float]) -> None:
    found = shorten(np.array([[0.6, 0, -0.8]], np.float32), dimensions)
    np.testing.assert_allclose(found, [row], rtol=0, atol=1e-7)
    assert found.dtype == np.float32


def test_a_vector_without_a_length_stays_zero_when_shortened() -> None:
    assert shorten(np.array([[0, 1]], np.float32), 1).tolist() == [[0]]
