"""The embedder: one for the same settings, its threads, and what it asks before the first text."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from embed_pipeline import embedder, errors, interrupt
from embed_pipeline.embedder import Embedder
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.sizing import Prepared
from embed_pipeline.tokens import Tokens
from tests.support.scripted import WORDS, ScriptedEndpoint, Together, error

BUSY = "server busy, please try again.  maximum pending requests exceeded"
ONCE = Retry(attempts=1)


def one(text: str) -> list[Prepared]:
    """Return a request of one text whose tokens are not known."""
    return [Prepared(text, None, False, text)]


def settings_of(
    endpoint: ScriptedEndpoint, in_flight: int = 2
) -> tuple[Endpoint, Batching, Retry, Tokens]:
    return Endpoint(url=endpoint.url, model="m"), Batching(in_flight=in_flight), ONCE, Tokens()


def pool_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("embed_")]


def test_the_model_is_loaded_once_before_the_first_text(endpoint: ScriptedEndpoint) -> None:
    found = Embedder(*settings_of(endpoint, 4))
    futures = [found.submit(one(f"text {number}")) for number in range(8)]
    assert [len(future.result()[0]) for future in futures] == [1] * 8
    found.close()
    embeds = [each.body["input"] for each in endpoint.exchanges if each.path == "/api/embed"]
    assert endpoint.loads == 1
    assert embeds[0] == []


def test_what_bounds_a_text_is_found_once_whoever_asks_first(endpoint: ScriptedEndpoint) -> None:
    endpoint.models, endpoint.vocabulary = ["m:latest"], WORDS
    found = Embedder(*settings_of(endpoint, 4))
    with ThreadPoolExecutor(4) as threads:
        limits = set(threads.map(lambda _: found.limits, range(8)))
    found.close()
    ((context, source, refuses, tokenizer),) = limits
    assert (context, source, refuses) == (256, "server", True)
    assert tokenizer is not None
    assert endpoint.loads == 1
    assert [each.path for each in endpoint.exchanges].count("/api/show") == 1


def test_a_model_that_could_not_be_loaded_is_asked_for_again(endpoint: ScriptedEndpoint) -> None:
    endpoint.loading = [error(404, "model 'm' not found")]
    found = Embedder(*settings_of(endpoint))
    with pytest.raises(errors.ModelNotFound):
        _ = found.limits
    assert found.limits.context == 256
    found.close()


def test_texts_are_prepared_as_the_settings_of_tokens_say(endpoint: ScriptedEndpoint) -> None:
    endpoint.vocabulary, endpoint.context, endpoint.told_context = WORDS, 40, 40
    where, batching, retry, _ = settings_of(endpoint)
    found = Embedder(where, batching, retry, Tokens(prefix="say "))
    assert found.prepare(["one", "word " * 50]) == [
        Prepared("say one", 4, False, "one"),
        Prepared("say " + " ".join(["word"] * 37), 40, True, "word " * 50),
    ]
    found.close()
    assert endpoint.texts == []


def test_a_prefix_that_cannot_be_used_is_the_error_of_the_texts(endpoint: ScriptedEndpoint) -> None:
    endpoint.vocabulary, endpoint.context, endpoint.told_context = WORDS, 40, 40
    where, batching, retry, _ = settings_of(endpoint)
    found = Embedder(where, batching, retry, Tokens(prefix="word " * 50))
    with pytest.raises(errors.ConfigError, match=r"tokens\.prefix has 52 tokens"):
        found.prepare(["one"])
    found.close()


@pytest.mark.parametrize(
    ("text", "tokens", "weight"), [("x", 7, 7), ("x" * 30, None, 0), ("x" * 31, None, 101)]
)
def test_a_text_weighs_its_tokens_and_one_that_may_be_too_long_more_than_a_request_may_have(
    endpoint: ScriptedEndpoint, text: str, tokens: int | None, weight: int
) -> None:
    endpoint.context = endpoint.told_context = 10
    where, _, retry, settings = settings_of(endpoint)
    found = Embedder(where, Batching(max_tokens=100), retry, settings)
    assert found.weights([Prepared(text, tokens, False, text)]) == [weight]
    found.close()


def test_a_model_that_cannot_be_loaded_is_the_error_of_the_texts(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.loading = [error(404, "model 'm' not found")]
    found = Embedder(*settings_of(endpoint))
    with pytest.raises(errors.ModelNotFound):
        found.submit(one("a")).result()
    found.close()
    assert endpoint.texts == []


def test_a_stop_while_loading_is_the_stop(endpoint: ScriptedEndpoint) -> None:
    endpoint.loading = [error(503, BUSY)]
    interrupt.request_stop(15)
    found = Embedder(*settings_of(endpoint))
    with pytest.raises(errors.InterruptedJobError):
        found.submit(one("a")).result()
    found.close()


def test_as_many_requests_are_under_way_as_allowed_and_no_more(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = together = Together(3)
    found = Embedder(*settings_of(endpoint, 3))
    futures = [found.submit(one(f"text {number}")) for number in range(9)]
    assert [len(future.result()[0]) for future in futures] == [1] * 9
    found.close()
    assert together.most == 3


def test_closing_ends_the_threads_and_drops_what_waits(endpoint: ScriptedEndpoint) -> None:
    found = Embedder(*settings_of(endpoint, 1))
    found.submit(one("a")).result()
    assert pool_threads()
    found.close()
    assert pool_threads() == []
    with pytest.raises(RuntimeError):
        found.submit(one("b"))


def test_the_same_settings_share_an_embedder_until_the_last_one_gives_it_back(
    endpoint: ScriptedEndpoint,
) -> None:
    first = embedder.acquire(*settings_of(endpoint))
    second = embedder.acquire(*settings_of(endpoint))
    assert first is second
    first.submit(one("a")).result()
    embedder.release(*settings_of(endpoint))
    assert len(first.submit(one("b")).result()[0]) == 1
    embedder.release(*settings_of(endpoint))
    assert pool_threads() == []
    with pytest.raises(RuntimeError):
        first.submit(one("c"))


def test_after_the_last_one_gave_it_back_there_is_a_new_embedder(
    endpoint: ScriptedEndpoint,
) -> None:
    first = embedder.acquire(*settings_of(endpoint))
    embedder.release(*settings_of(endpoint))
    second = embedder.acquire(*settings_of(endpoint))
    assert second is not first
    embedder.release(*settings_of(endpoint))


def test_other_settings_have_an_embedder_of_their_own(endpoint: ScriptedEndpoint) -> None:
    first = embedder.acquire(*settings_of(endpoint, 1))
    second = embedder.acquire(*settings_of(endpoint, 2))
    assert first is not second
    embedder.release(*settings_of(endpoint, 1))
    assert len(second.submit(one("a")).result()[0]) == 1
    embedder.release(*settings_of(endpoint, 2))
