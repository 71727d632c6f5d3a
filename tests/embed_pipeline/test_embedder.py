"""The embedder: one for the same settings, its threads, and what it asks before the first text."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from embed_pipeline import embedder, errors, interrupt
from embed_pipeline.embedder import Embedder
from embed_pipeline.endpoint import Batching, Endpoint, Retry, Timeouts
from embed_pipeline.outcomes import Failure, Outcome
from embed_pipeline.sizing import Prepared
from embed_pipeline.tokens import Tokens
from tests.support.scripted import (
    DIGEST,
    WORDS,
    Reply,
    Script,
    ScriptedEndpoint,
    Together,
    embedded,
    error,
    scripted,
    vector_of,
)

BUSY = "server busy, please try again.  maximum pending requests exceeded"
ONCE = Retry(attempts=1)


def one(text: str) -> list[Prepared]:
    """Return a request of one text whose tokens are not known."""
    return [Prepared(text, None, False, text)]


def settings_of(
    endpoint: ScriptedEndpoint, in_flight: int = 2
) -> tuple[Endpoint, Batching, Retry, Tokens]:
    return (
        Endpoint(url=endpoint.url, model="all-minilm"),
        Batching(in_flight=in_flight),
        ONCE,
        Tokens(),
    )


def submit(found: Embedder, texts: list[Prepared]) -> Future[Outcome]:
    """Submit a request that nobody gives up."""
    return found.submit(texts, threading.Event())


def pool_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("embed_")]


def test_the_model_is_loaded_once_before_the_first_text(endpoint: ScriptedEndpoint) -> None:
    found = Embedder(*settings_of(endpoint, 4))
    futures = [submit(found, one(f"text {number}")) for number in range(8)]
    assert [len(future.result()[0]) for future in futures] == [1] * 8
    found.close()
    embeds = [each.body["input"] for each in endpoint.exchanges if each.path == "/api/embed"]
    assert endpoint.loads == 1
    assert embeds[0] == []


def test_what_bounds_a_text_is_found_once_whoever_asks_first(endpoint: ScriptedEndpoint) -> None:
    endpoint.vocabulary = WORDS
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
        submit(found, one("a")).result()
    found.close()
    assert endpoint.texts == []


def test_a_stop_while_loading_is_the_stop(endpoint: ScriptedEndpoint) -> None:
    endpoint.loading = [error(503, BUSY)]
    interrupt.request_stop(15)
    found = Embedder(*settings_of(endpoint))
    with pytest.raises(errors.InterruptedJobError):
        submit(found, one("a")).result()
    found.close()


def test_as_many_requests_are_under_way_as_allowed_and_no_more(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = together = Together(3)
    found = Embedder(*settings_of(endpoint, 3))
    futures = [submit(found, one(f"text {number}")) for number in range(9)]
    assert [len(future.result()[0]) for future in futures] == [1] * 9
    found.close()
    assert together.most == 3


def test_closing_ends_the_threads_and_drops_what_waits(endpoint: ScriptedEndpoint) -> None:
    found = Embedder(*settings_of(endpoint, 1))
    submit(found, one("a")).result()
    assert pool_threads()
    found.close()
    assert pool_threads() == []
    with pytest.raises(RuntimeError):
        submit(found, one("b"))


def test_the_same_settings_share_an_embedder_until_the_last_one_gives_it_back(
    endpoint: ScriptedEndpoint,
) -> None:
    first = embedder.acquire(*settings_of(endpoint))
    second = embedder.acquire(*settings_of(endpoint))
    assert first is second
    submit(first, one("a")).result()
    embedder.release(*settings_of(endpoint))
    assert len(submit(first, one("b")).result()[0]) == 1
    embedder.release(*settings_of(endpoint))
    assert pool_threads() == []
    with pytest.raises(RuntimeError):
        submit(first, one("c"))


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
    assert len(submit(second, one("a")).result()[0]) == 1
    embedder.release(*settings_of(endpoint, 2))


# Several addresses


def test_each_address_has_as_many_requests_under_way_as_allowed(
    endpoint: ScriptedEndpoint,
) -> None:
    with scripted() as other:
        endpoint.script, other.script = here, there = Together(2), Together(2)
        where, batching, retry, tokens = settings_of(endpoint, 2)
        both = where.model_copy(update={"url": [endpoint.url, other.url]})
        found = Embedder(both, batching, retry, tokens)
        assert found.in_flight == 4
        futures = [submit(found, one(f"text {number}")) for number in range(8)]
        assert [len(future.result()[0]) for future in futures] == [1] * 8
        found.close()
    assert (here.most, there.most) == (2, 2)


# Answers that do not come in time


def opened(endpoint: ScriptedEndpoint, **retry: float) -> Embedder:
    """Return an embedder that waits half a second for an answer."""
    where, _, _, tokens = settings_of(endpoint)
    return Embedder(
        where.model_copy(update={"timeouts": Timeouts(read=0.5)}),
        Batching(max_texts=8, in_flight=1),
        Retry(attempts=1, **retry),
        tokens,
    )


def some(*texts: str) -> list[Prepared]:
    return [text for each in texts for text in one(each)]


def too_slow_for(endpoint: ScriptedEndpoint, most: int) -> Script:
    """Return a script that answers requests of so many texts at most."""
    return lambda texts: (lambda _: endpoint.stopping.wait(30)) if len(texts) > most else None


def test_a_request_that_is_not_answered_in_time_halves_the_texts_of_the_next_ones(
    endpoint: ScriptedEndpoint,
) -> None:
    found = opened(endpoint)
    endpoint.script = too_slow_for(endpoint, 2)
    results, effort = submit(found, some("a", "b", "c")).result()
    found.close()
    assert [result.vector.tolist() for result in results if not isinstance(result, Failure)] == [
        vector_of(text).tolist() for text in "abc"
    ]
    assert (effort.timed_out, found.max_texts) == (1, 4)


def test_the_texts_of_a_request_recover_slowly(endpoint: ScriptedEndpoint) -> None:
    found = opened(endpoint)
    endpoint.script = too_slow_for(endpoint, 2)
    submit(found, some("a", "b", "c")).result()
    numbers = [found.max_texts]
    for _ in range(11):
        submit(found, one("d")).result()
        numbers.append(found.max_texts)
    found.close()
    assert (numbers[:9], numbers[-1]) == ([4] * 9, 5)


def test_a_text_that_hangs_alone_does_not_make_requests_smaller(
    endpoint: ScriptedEndpoint,
) -> None:
    found = opened(endpoint)
    endpoint.script = lambda texts: too_slow_for(endpoint, 0)(texts) if "b" in texts else None
    (first, failure, last), effort = submit(found, some("a", "b", "c")).result()
    found.close()
    assert not isinstance(first, Failure)
    assert not isinstance(last, Failure)
    assert isinstance(failure, Failure)
    assert (type(failure.error), failure.blame) == (errors.RequestTimedOut, "document")
    assert (effort.timed_out, found.max_texts) == (2, 8)


# A server for which nothing succeeds


def fails_on(*bad: str) -> Script:
    """Return a script that fails where one of these texts is among the input."""
    fault = error(500, "out of order")
    return lambda texts: fault if set(bad) & set(texts) else None


def test_where_nothing_succeeds_for_too_long_the_job_ends(endpoint: ScriptedEndpoint) -> None:
    found = opened(endpoint, stalled_seconds=1e-9)
    endpoint.script = fails_on("b")
    with pytest.raises(errors.NothingSucceeds, match=r"the last error: POST .*out of order"):
        submit(found, one("b")).result()
    found.close()


def test_a_request_of_which_one_text_succeeds_is_no_sign_of_a_stall(
    endpoint: ScriptedEndpoint,
) -> None:
    found = opened(endpoint, stalled_seconds=1e-9)
    endpoint.script = fails_on("b")
    results, _ = submit(found, some("a", "b")).result()
    found.close()
    assert [isinstance(result, Failure) for result in results] == [False, True]


def test_texts_that_are_refused_for_good_are_no_sign_of_a_stall(
    endpoint: ScriptedEndpoint,
) -> None:
    found = opened(endpoint, stalled_seconds=1e-9)
    refused: Reply = error(400, "invalid input type")
    endpoint.script = lambda texts: refused if texts == ["b"] else None
    (result,), _ = submit(found, one("b")).result()
    found.close()
    assert isinstance(result, Failure)


# The audit


def test_a_vector_that_was_given_wrongly_before_ends_the_job_with_the_request_that_shows_it(
    endpoint: ScriptedEndpoint,
) -> None:
    found = opened(endpoint)
    wrong = [embedded(["b"])]
    endpoint.script = lambda texts: wrong.pop() if wrong and texts == ["a"] else None
    submit(found, one("a")).result()
    with pytest.raises(errors.VectorsContradicted):
        submit(found, one("b")).result()
    found.close()


# Looking again


def test_the_digest_is_known_once_the_model_was_asked_for(endpoint: ScriptedEndpoint) -> None:
    found = opened(endpoint)
    before = found.digest
    submit(found, one("a")).result()
    after = found.digest
    found.close()
    assert (before, after) == ("", DIGEST)


def test_a_model_that_changed_since_is_noticed(endpoint: ScriptedEndpoint) -> None:
    found = opened(endpoint)
    submit(found, one("a")).result()
    endpoint.digest = "e2" * 32
    with pytest.raises(errors.ModelChanged):
        found.look_again()
    found.close()


def test_a_stop_while_looking_again_is_the_stop(endpoint: ScriptedEndpoint) -> None:
    found = opened(endpoint)
    submit(found, one("a")).result()
    endpoint.paths["/api/tags"] = error(500, "starting")
    interrupt.request_stop(15)
    with pytest.raises(errors.InterruptedJobError):
        found.look_again()
    found.close()


# Requests that are given up


def test_what_is_given_up_is_not_sent(endpoint: ScriptedEndpoint) -> None:
    found, given_up = opened(endpoint), threading.Event()
    given_up.set()
    with pytest.raises(errors.InterruptedJobError):
        found.submit(one("a"), given_up).result()
    found.close()
    assert endpoint.texts == []
