"""Measuring an endpoint: which settings are tried, with which texts, and what is told of them."""

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.embedder import Embedder
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.errors import ModelNotFound
from embed_pipeline.measuring import Measured, Rate, Setting, Slice, as_good, measure, spread
from embed_pipeline.outcomes import Vector
from embed_pipeline.records import Document
from embed_pipeline.tokens import Tokens
from tests.support.scripted import ScriptedEndpoint, error

DOCUMENTS = [Document(str(n), f"text number {n}") for n in range(96)]


@pytest.fixture
def embedder(endpoint: ScriptedEndpoint) -> Iterator[Embedder]:
    found = Embedder(
        Endpoint(url=endpoint.url, model="all-minilm"),
        Batching(max_texts=200, in_flight=4),
        Retry(attempts=1),
        Tokens(),
    )
    yield found
    found.close()


OWN = Setting(32, 2)


def measured(embedder: Embedder, own: Setting = OWN, seconds: float = 100.0) -> Measured:
    return measure(embedder, DOCUMENTS, Batching(), own, seconds)


def test_batch_sizes_and_requests_in_flight_are_tried(embedder: Embedder) -> None:
    found = [rate.setting for rate in measured(embedder).rates]
    assert {Setting(8, 2), Setting(32, 2), Setting(64, 2)} <= set(found)
    assert {setting.in_flight for setting in found} == {1, 2, 4}
    assert len(found) == 5
    assert found == sorted(found)


def test_the_job_s_own_setting_is_always_tried(embedder: Embedder) -> None:
    found = measured(embedder, Setting(200, 3), seconds=0.01)
    assert Setting(200, 3) in [rate.setting for rate in found.rates]


def test_batches_that_would_take_too_long_are_left_out(embedder: Embedder) -> None:
    found = measured(embedder, Setting(8, 2), seconds=0.001)
    assert {rate.setting.max_texts for rate in found.rates} == {8}


def test_each_setting_is_tried_with_several_slices(embedder: Embedder) -> None:
    for rate in measured(embedder).rates:
        assert len(rate.slices) >= 2
        for one in rate.slices:
            assert one.texts > 0
            assert one.tokens == 5 * one.texts
            assert one.seconds > 0


def test_requests_are_as_large_as_the_setting_says(
    embedder: Embedder, endpoint: ScriptedEndpoint
) -> None:
    measured(embedder)
    sizes = {len(request["input"]) for request in endpoint.requests}
    assert max(sizes) == 64
    assert {8, 32, 64} <= sizes


def test_texts_are_sent_in_turn(embedder: Embedder, endpoint: ScriptedEndpoint) -> None:
    measured(embedder, Setting(8, 1))
    found = Counter(endpoint.texts)
    assert len(found) == 96
    assert max(found.values()) - min(found.values()) <= 1


def test_what_became_of_the_texts_is_told_by_their_place(embedder: Embedder) -> None:
    found = measured(embedder).outcomes
    assert set(found) <= set(range(96))
    assert all(isinstance(one, Vector) for one in found.values())


def test_an_endpoint_that_cannot_embed_ends_it(
    embedder: Embedder, endpoint: ScriptedEndpoint
) -> None:
    endpoint.script = lambda _: error(404, "model 'all-minilm' not found")
    with pytest.raises(ModelNotFound):
        measured(embedder)


def test_a_rate_is_that_of_its_slices() -> None:
    rate = Rate(Setting(8, 1), (Slice(10, 100, 1.0), Slice(10, 140, 3.0)))
    assert (rate.texts, rate.tokens) == (5.0, 60.0)
    assert (rate.slowest, rate.fastest) == (140 / 3, 100.0)


def test_the_cheapest_of_the_rates_as_good_is_taken() -> None:
    rates = [
        Rate(Setting(size, 2), (Slice(1, tokens, 1.0),))
        for size, tokens in ((8, 960), (16, 971), (32, 1000))
    ]
    assert as_good(rates, lambda rate: rate.setting.max_texts).setting.max_texts == 16


def test_a_difference_that_may_be_chance_does_not_count() -> None:
    steady = Rate(Setting(8, 2), (Slice(1, 900, 1.0), Slice(1, 900, 1.0)))
    shaky = Rate(Setting(32, 2), (Slice(1, 800, 1.0), Slice(1, 1_200, 1.0)))
    assert as_good([shaky, steady], lambda rate: rate.setting.max_texts) == steady


@given(st.integers(1, 500))
def test_places_are_spread_over_all(count: int) -> None:
    assert sorted(spread(count)) == list(range(count))


@given(st.integers(20, 3_000), st.integers(0, 1_000))
def test_any_stretch_of_places_is_spread_over_all(count: int, start: int) -> None:
    stretch = 2 * count // 10 + 8
    places = spread(count)
    found = {places[(start + index) % count] * 4 // count for index in range(stretch)}
    assert found == {0, 1, 2, 3}
