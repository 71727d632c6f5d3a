"""A sample of rows: which are drawn, and how many of their counts an endpoint confirms."""

import random
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline import interrupt
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.records import TokenCountSource
from embed_pipeline.recount import Sampled, Sampler, contradicted, lowest, rank_of, recount
from tests.support.scripted import ScriptedEndpoint, error

ONCE = Retry(attempts=1)


class Text(str):
    """Be a text of which it can be told whether it is still held."""

    __slots__ = ("__weakref__",)


def asked(endpoint: ScriptedEndpoint, *sampled: Sampled, retry: Retry = ONCE) -> object:
    return recount(sampled, Endpoint(url=endpoint.url, model="all-minilm"), retry)


def row(text: str, count: int, source: TokenCountSource = "verified") -> Sampled:
    return Sampled(rank_of(text), text, count, source)


def drawn(identities: list[str], count: int) -> list[Sampled]:
    """Return the sample of a bundle of rows of these ids."""
    sampler = Sampler(count)
    for identity in identities:
        sampler.add(identity, f"text of {identity}", 5, "verified")
    return sampler.drawn()


def expected(identities: list[str], count: int) -> list[Sampled]:
    rows = sorted(
        Sampled(rank_of(identity), f"text of {identity}", 5, "verified") for identity in identities
    )
    return rows[:count]


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
    assert merged == drawn(identities, count) == expected(identities, count)


def test_fewer_rows_than_asked_for_are_all_drawn() -> None:
    assert drawn(["a", "b"], 100) == expected(["a", "b"], 100)


def test_no_rows_are_drawn_where_none_are_asked_for() -> None:
    assert drawn(["a", "b"], 0) == []


def test_no_more_than_twice_the_sample_is_held() -> None:
    sampler, most = Sampler(5), 0
    held: weakref.WeakSet[Text] = weakref.WeakSet()
    for number in range(1000):
        text = Text(f"text {number}")
        held.add(text)
        sampler.add(f"id {number}", text, 3, "estimated")
        most = max(most, len(held))
    assert most <= 10


def test_a_row_with_the_servers_own_count_is_not_drawn() -> None:
    sampler = Sampler(5)
    sampler.add("a", "text", 3, "server")
    sampler.add("b", "text", 3, "verified")
    sampler.add("c", "text", 3, "estimated")
    assert {one.token_count_source for one in sampler.drawn()} == {"verified", "estimated"}


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
    told = contradicted({"verified": {"asked": 91, "agreed": 14}})
    assert told is not None
    assert told.startswith("only 14 of 91 verified token counts were confirmed")


def test_a_sample_that_confirms_most_counts_says_nothing() -> None:
    assert contradicted({"verified": {"asked": 100, "agreed": 90}}) is None
    assert contradicted({"estimated": {"asked": 100, "agreed": 0}}) is None
    assert contradicted({}) is None
