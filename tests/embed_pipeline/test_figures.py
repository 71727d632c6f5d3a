"""Figures: exact, and a histogram whose buckets hold every row."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.figures import MOST_BUCKETS, Tally, bucket_edges, token_figures

COUNTS = st.lists(st.integers(1, 200_000), min_size=1)


@given(COUNTS)
def test_the_figures_are_those_of_the_single_counts(counts: list[int]) -> None:
    found = token_figures(Counter(counts))
    assert found is not None
    assert (found.total, found.min, found.max) == (sum(counts), min(counts), max(counts))
    assert found.median == np.median(counts)
    assert found.mean == pytest.approx(np.mean(counts))


@given(COUNTS)
def test_each_row_is_in_one_bucket(counts: list[int]) -> None:
    found = token_figures(Counter(counts))
    assert found is not None
    for first, last, rows in found.histogram:
        assert rows == sum(first <= count <= last for count in counts)
    assert sum(bucket.rows for bucket in found.histogram) == len(counts)


@given(st.integers(-100, 10**9), st.integers(0, 10**9))
def test_the_edges_hold_the_range_in_a_few_buckets(low: int, more: int) -> None:
    edges = bucket_edges(low, low + more)
    assert edges == sorted(set(edges))
    assert edges[0] <= low
    assert edges[-1] > low + more
    assert 1 <= len(edges) - 1 <= MOST_BUCKETS


@pytest.mark.parametrize(
    ("low", "high", "edges"),
    [
        (3, 256, [2, 4, 8, 16, 32, 64, 128, 256, 512]),
        (3, 8_192, [2, 8, 32, 128, 512, 2_048, 8_192, 32_768]),
        (100, 256, [100, 120, 140, 160, 180, 200, 220, 240, 260]),
        (5, 5, [5, 6]),
        (0, 40, [0, 2, 4, 8, 16, 32, 64]),
    ],
)
def test_edges_are_round_numbers(low: int, high: int, edges: list[int]) -> None:
    assert bucket_edges(low, high) == edges


def test_no_rows_have_no_token_figures() -> None:
    assert token_figures({}) is None


def test_batches_add_up() -> None:
    tally = Tally()
    for tokens, norm in (([3, 5], 0.5), ([5, 8], 1.5)):
        tally.add_rows(
            pa.array(tokens, pa.int32()),
            pa.array(["server", "verified"]),
            pa.array([True, None]),
            np.array([norm, np.nan]),
        )
    tally.add_failures(pa.array(["server", "document"]), pa.array(["Overloaded", None]))
    found = tally.figures()
    assert (found.rows, found.failed, found.norms) == (4, 2, (0.5, 1.5))
    assert found.rows_by_token_count_source == {"server": 2, "verified": 2}
    assert found.rows_by_truncated == {"true": 2, "false": 0, "null": 2}
    assert found.failed_by_blame_and_kind == {"document:": 1, "server:Overloaded": 1}
    assert found.tokens is not None
    assert (found.tokens.total, found.tokens.median, found.tokens.mean) == (21, 5.0, 5.25)
