"""A sample of rows: which are drawn, and how many of their counts an endpoint confirms."""

import random
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline import errors, interrupt
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.records import TokenCountSource
from embed_pipeline.recount import Sampled, Sampler, contradicted, lowest, rank_of, recount
from tests.support.scripted import ScriptedEndpoint, error, vector_of

ONCE = Retry(attempts=1)
SOME = vector_of("whatever")


class Text(str):
    """Be a text of which it can be told whether it is still held."""

    __slots__ = ("__weakref__",)


def asked(endpoint: ScriptedEndpoint, *sampled: Sampled, retry: Retry = ONCE) -> object:
    return recount(sampled, Endpoint(url=endpoint.url, model="all-minilm"), retry)


def row(text: str, count: int, source: TokenCountSource = "verified") -> Sampled:
    return Sampled(rank_of(text), text, count, source, vector_of(text))


def drawn(identities: list[str], count: int) -> list[Sampled]:
    """Return the sample of a bundle of rows of these ids."""
    sampler = Sampler(count)
    for identity in identities:
        sampler.add(identity, f"text of {identity}", 5, "verified", SOME)
    return sampler.drawn()


def told(rows: list[Sampled]) -> list[tuple[int, str, int, str]]:
    """Return rows without their vectors, which cannot be compared in one go."""
    return [row[:4] for row in rows]


def expected(identities: list[str], count: int) -> list[tuple[int, str, int, str]]:
    return sorted((rank_of(one), f"text of {one}", 5, "verified") for one in identities)[:count]


def test_a_rank_is_the_same_in_every_run() -> None:
    assert [rank_of(identity) for identity in ("", "a", "é")] == [0, 0xE8B7BE43, 0x0E048D3E]


def test_ranks_are_evenly_spread() -> None:
    ranks = [rank_of(f"document {number}") for number in range(4000)]
    quarters = [sum(rank >> 30 == quarter for rank in ranks) for quarter in range(4)]
    assert min(quarters) > 900


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


def test_fewer_rows_than_asked_for_are_all_drawn() -> None:
    assert told(drawn(["a", "b"], 100)) == expected(["a", "b"], 100)


def test_rows_that_are_alike_are_drawn_each() -> None:
    assert told(drawn(["a", "a"], 100)) == expected(["a", "a"], 100)


def test_no_rows_are_drawn_where_none_are_asked_for() -> None:
    assert drawn(["a", "b"], 0) == []


def test_no_more_than_twice_the_sample_is_held() -> None:
    sampler, most = Sampler(5), 0
    held: weakref.WeakSet[Text] = weakref.WeakSet()
    for number in range(1000):
        text = Text(f"text {number}")
        held.add(text)
        sampler.add(f"id {number}", text, 3, "estimated", SOME)
        most = max(most, len(held))
    assert most <= 10


def test_rows_are_drawn_wherever_their_counts_come_from() -> None:
    sampler = Sampler(5)
    sampler.add("a", "text", 3, "server", SOME)
    sampler.add("b", "text", 3, "verified", SOME)
    sampler.add("c", "text", 3, "estimated", SOME)
    assert sorted(one.token_count_source for one in sampler.drawn()) == [
        "estimated",
        "server",
        "verified",
    ]


def test_a_drawn_row_keeps_a_vector_of_its_own_and_not_its_whole_answer() -> None:
    sampler, answer = Sampler(5), np.stack([vector_of("a"), vector_of("b")])
    sampler.add("a", "text", 3, "server", answer[1])
    (row,) = sampler.drawn()
    assert row.vector.base is None
    assert row.vector.tolist() == vector_of("b").tolist()


@pytest.mark.parametrize("source", ["server", "verified", "estimated"])
def test_a_row_with_another_vector_than_its_text_has_alone_is_an_error(
    endpoint: ScriptedEndpoint, source: TokenCountSource
) -> None:
    wrong = row("two", 3, source)._replace(vector=vector_of("one"))
    with pytest.raises(errors.VectorsContradicted, match="sent again alone, got another vector"):
        asked(endpoint, row("one", 3, source), wrong)


def test_a_row_with_a_vector_of_another_dimension_is_an_error(endpoint: ScriptedEndpoint) -> None:
    with pytest.raises(errors.VectorsContradicted):
        asked(endpoint, row("one", 3)._replace(vector=vector_of("one", 4)))


def test_vectors_that_differ_in_their_last_digits_are_the_same(endpoint: ScriptedEndpoint) -> None:
    nearly = vector_of("one") + np.float32(1e-3)
    nearly /= np.linalg.norm(nearly)
    found = asked(endpoint, row("one", 3)._replace(vector=nearly))
    assert found == {"verified": {"asked": 1, "agreed": 1}}


def test_a_row_with_the_servers_own_count_has_its_vector_checked_and_no_count(
    endpoint: ScriptedEndpoint,
) -> None:
    assert asked(endpoint, row("one", 3, "server")) == {}
    assert endpoint.texts == ["one"]


def test_each_text_is_sent_alone_as_it_was_sent_before(endpoint: ScriptedEndpoint) -> None:
    asked(endpoint, row("query: the sky", 5), row("query: the sea", 5))
    assert [request["input"] for request in endpoint.requests] == [
        ["query: the sky"],
        ["query: the sea"],
    ]


def test_asked_and_agreed_are_told_for_each_source(endpoint: ScriptedEndpoint) -> None:
    found = asked(
        endpoint,
        row("one", 3),
        row("one two", 4),
        row("one two three", 6),
        row("four", 3, "estimated"),
        row("five", 4, "estimated"),
    )
    assert found == {
        "estimated": {"asked": 2, "agreed": 1},
        "verified": {"asked": 3, "agreed": 2},
    }


def test_nothing_to_ask_is_told_by_nothing(endpoint: ScriptedEndpoint) -> None:
    assert asked(endpoint) == {}
    assert endpoint.exchanges == []


@pytest.mark.parametrize("status", [400, 500, 503])
def test_a_text_that_gets_no_answer_is_not_counted(endpoint: ScriptedEndpoint, status: int) -> None:
    endpoint.script = lambda texts: error(status, "no") if texts == ["one"] else None
    assert asked(endpoint, row("one", 3), row("two", 3)) == {"verified": {"asked": 1, "agreed": 1}}


def test_an_answer_without_a_count_is_not_counted(endpoint: ScriptedEndpoint) -> None:
    endpoint.tells_count = False
    assert asked(endpoint, row("one", 3)) == {}


def test_a_text_is_tried_twice_at_most_however_patient_the_settings(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.script = lambda _: error(500, "no")
    assert asked(endpoint, row("one", 3), retry=Retry(attempts=30)) == {}
    assert len(endpoint.requests) == 2


def test_a_stop_ends_the_asking(endpoint: ScriptedEndpoint) -> None:
    interrupt.request_stop(15)
    assert asked(endpoint, row("one", 3)) == {}
    assert endpoint.requests == []


def test_verified_counts_that_a_sample_contradicts_are_told() -> None:
    warned = contradicted({"verified": {"asked": 91, "agreed": 14}})
    assert warned is not None
    assert warned.startswith("only 14 of 91 verified token counts were confirmed")


def test_a_sample_that_confirms_most_counts_says_nothing() -> None:
    assert contradicted({"verified": {"asked": 100, "agreed": 90}}) is None
    assert contradicted({"estimated": {"asked": 100, "agreed": 0}}) is None
    assert contradicted({}) is None
