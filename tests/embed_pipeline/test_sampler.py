"""Both samples of a bundle: which rows are drawn, and what is held of them."""

import random
import weakref

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.ranks import rank_of
from embed_pipeline.records import Document
from embed_pipeline.recount import Sampled, lowest
from embed_pipeline.sampler import Bounds, Sampler
from tests.support.scripted import vector_of

SOME = vector_of("whatever")
Told = tuple[int, str, int, str]


class Text(str):
    """Be a text of which it can be told whether it is still held."""

    __slots__ = ("__weakref__",)


def sampled(identities: list[str], recounted: int, mapped: int = 0) -> Sampler:
    """Return the sampler of a bundle of rows of these ids."""
    sampler = Sampler(Bounds(recounted, mapped))
    for one in identities:
        sampler.add(Document(one, f"text of {one}"), f"sent of {one}", 5, "verified", SOME)
    return sampler


def drawn(identities: list[str], count: int) -> list[Sampled]:
    return sampled(identities, count).drawn().recounted


def told(rows: list[Sampled]) -> list[Told]:
    """Return rows without their vectors, which cannot be compared in one go."""
    return [row[:4] for row in rows]


def expected(identities: list[str], count: int) -> list[Told]:
    return sorted((rank_of(one), f"sent of {one}", 5, "verified") for one in identities)[:count]


BUNDLES = st.lists(st.lists(st.integers(0, 10**9), max_size=60), max_size=6)


@given(BUNDLES, st.integers(0, 12), st.randoms(use_true_random=False))
def test_the_lowest_ranks_are_drawn_whatever_the_order_and_the_bundles(
    bundles: list[list[int]], count: int, dice: random.Random
) -> None:
    identities = sorted({f"id {number}" for bundle in bundles for number in bundle})
    dice.shuffle(identities)
    size = dice.randint(1, 40)
    split = [identities[at : at + size] for at in range(0, len(identities), size)]
    merged = lowest([drawn(bundle, count) for bundle in split], count)
    assert told(merged) == told(drawn(identities, count)) == expected(identities, count)


@given(
    st.lists(st.integers(0, 10**9), max_size=60, unique=True),
    st.integers(0, 12),
    st.integers(0, 12),
)
def test_each_sample_has_its_own_size(numbers: list[int], recounted: int, mapped: int) -> None:
    identities = [f"id {number}" for number in numbers]
    found = sampled(identities, recounted, mapped).drawn()
    assert told(found.recounted) == expected(identities, recounted)
    assert [one.rank for one in found.mapped] == sorted(map(rank_of, identities))[:mapped]
    assert all(one.text.startswith("text of ") for one in found.mapped)


def test_fewer_rows_than_asked_for_are_all_drawn() -> None:
    assert told(drawn(["a", "b"], 100)) == expected(["a", "b"], 100)


def test_rows_that_are_alike_are_drawn_each() -> None:
    assert told(drawn(["a", "a"], 100)) == expected(["a", "a"], 100)


def test_no_rows_are_drawn_where_none_are_asked_for() -> None:
    assert sampled(["a", "b"], 0).drawn() == ([], [])


def test_no_more_than_twice_the_sample_is_held() -> None:
    sampler, most = Sampler(Bounds(5, 7)), 0
    held: weakref.WeakSet[Text] = weakref.WeakSet()
    for number in range(1000):
        text = Text(f"text {number}")
        held.add(text)
        sampler.add(Document(f"id {number}", "text"), text, 3, "estimated", SOME)
        most = max(most, len(held))
    assert most <= 10


def test_rows_are_drawn_wherever_their_counts_come_from() -> None:
    sampler = Sampler(Bounds(5, 0))
    sampler.add(Document("a", "text"), "text", 3, "server", SOME)
    sampler.add(Document("b", "text"), "text", 3, "verified", SOME)
    sampler.add(Document("c", "text"), "text", 3, "estimated", SOME)
    assert sorted(one.token_count_source for one in sampler.drawn().recounted) == [
        "estimated",
        "server",
        "verified",
    ]


def test_a_drawn_row_keeps_a_vector_of_its_own_and_not_its_whole_answer() -> None:
    sampler, answer = Sampler(Bounds(5, 0)), np.stack([vector_of("a"), vector_of("b")])
    sampler.add(Document("a", "text"), "text", 3, "server", answer[1])
    (row,) = sampler.drawn().recounted
    assert row.vector.base is None
    assert row.vector.tolist() == vector_of("b").tolist()
