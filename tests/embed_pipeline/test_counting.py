"""Token counts: shared out, verified, and put where they belong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.counting import (
    CONTRADICTIONS,
    Count,
    Trust,
    attributed,
    shared_out,
    split_otherwise,
)

WEIGHTS = st.lists(st.integers(0, 100_000), min_size=1, max_size=64).filter(any)


@given(st.integers(0, 10**7), WEIGHTS)
def test_shares_sum_to_the_total_and_are_within_one_of_exact(
    total: int, weights: list[int]
) -> None:
    shares = shared_out(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert share >= 0
        assert abs(share - total * weight / sum(weights)) < 1 + 1e-6


def test_among_equals_the_first_get_what_is_left() -> None:
    assert shared_out(8, [5, 5, 5]) == [3, 3, 2]


def test_a_text_that_went_alone_has_the_endpoints_count() -> None:
    assert attributed(7, ["why is the sky"], [6]) == [Count(7, "server")]


def test_counts_that_add_up_are_verified() -> None:
    assert attributed(9, ["a b", "c d e"], [4, 5]) == [Count(4, "verified"), Count(5, "verified")]


def test_a_difference_goes_to_the_texts_that_servers_split_their_own_way() -> None:
    counts = attributed(16, ["plain words", "“quoted” words", "caf\u00e9"], [4, 6, 3])
    assert counts == [Count(4, "verified"), Count(8, "estimated"), Count(4, "estimated")]


def test_a_difference_downwards_leaves_every_text_a_token() -> None:
    assert attributed(7, ["plain words", "\u0915\u0915"], [4, 5]) == [
        Count(4, "verified"),
        Count(3, "estimated"),
    ]
    assert attributed(4, ["plain words", "\u0915\u0915"], [4, 5]) == [
        Count(2, "estimated"),
        Count(2, "estimated"),
    ]


def test_a_difference_that_no_text_explains_makes_every_count_an_estimate() -> None:
    assert attributed(12, ["plain", "words"], [3, 3]) == [
        Count(6, "estimated"),
        Count(6, "estimated"),
    ]


def test_without_a_tokenizer_texts_share_the_count_by_length() -> None:
    assert attributed(10, ["aaa", "a" * 15], None) == [Count(2, "estimated"), Count(8, "estimated")]


def test_an_endpoint_that_does_not_count_leaves_estimates() -> None:
    assert attributed(None, ["a", "b"], [3, 4]) == [Count(3, "estimated"), Count(4, "estimated")]
    assert attributed(None, ["a", "b" * 14], None) == [Count(1, "estimated"), Count(3, "estimated")]


COUNTED = st.lists(
    st.tuples(
        st.sampled_from(["plain", "caf\u00e9", "a+b", "\u4f60\u597d", "[CLS]"]), st.integers(1, 300)
    ),
    min_size=2,
    max_size=40,
)


@given(st.integers(2, 20_000), COUNTED)
def test_the_sum_is_kept_whatever_was_counted(total: int, counted: list[tuple[str, int]]) -> None:
    texts, tokens = zip(*counted, strict=True)
    found = attributed(total, texts, tokens)
    assert sum(count.tokens for count in found) == total
    assert min(count.tokens for count in found) >= 0


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("Plain words, with (usual) marks: don't! 100% & more; a/b\n", 0),
        ("a+b=c", 2),
        ("caf\u00e9", 1),
        ("[CLS] spelled out", 5),
        ("x" * 100, 0),
        ("x" * 101, 101),
        ("a\x07b", 1),
    ],
)
def test_what_servers_split_their_own_way(text: str, places: int) -> None:
    assert split_otherwise(text) == places


def test_a_tokenizer_that_contradicts_every_request_is_not_trusted_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trust = Trust()
    for number in range(CONTRADICTIONS + 5):
        assert trust.lost == (number >= CONTRADICTIONS)
        trust.note(["plain", "words"], 10, [3, 3])
    assert len(caplog.records) == 1


def test_one_request_that_agrees_keeps_the_tokenizer() -> None:
    trust = Trust()
    trust.note(["plain"], 3, [3])
    for _ in range(CONTRADICTIONS):
        trust.note(["plain"], 10, [3])
    assert not trust.lost


def test_texts_that_explain_a_difference_say_nothing_of_the_tokenizer() -> None:
    trust = Trust()
    for _ in range(CONTRADICTIONS):
        trust.note(["café"], 7, [3])
    assert not trust.lost


def test_a_difference_too_large_for_the_texts_that_are_split_otherwise_is_not_theirs() -> None:
    trust = Trust()
    for _ in range(CONTRADICTIONS):
        trust.note(["plain words", "a = b"], 30, [4, 5])
    assert trust.lost
    assert attributed(30, ["plain words", "a = b"], [4, 5]) == [
        Count(13, "estimated"),
        Count(17, "estimated"),
    ]


def test_where_texts_may_be_cut_unseen_a_smaller_sum_makes_every_count_an_estimate() -> None:
    counts = attributed(7, ["plain words", "a = b"], [4, 5], may_be_cut=True)
    assert {count.source for count in counts} == {"estimated"}


def test_a_text_that_has_as_many_tokens_as_may_be_gets_no_more() -> None:
    counts = attributed(18, ["caf\u00e9 " * 8, "\u201cquoted\u201d"], [10, 5], most=10)
    assert counts == [Count(10, "estimated"), Count(8, "estimated")]
