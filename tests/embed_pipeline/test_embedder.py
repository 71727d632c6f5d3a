"""The embed step without Beam: each text to its vector or to its error, whatever else happens."""

import math
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed_pipeline import embedder, errors, interrupt
from embed_pipeline.client import Client
from embed_pipeline.embedder import Embedder, Failure, Vector, embed_texts, shared_out
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from tests.support.scripted import (
    Reply,
    ScriptedEndpoint,
    Together,
    error,
    scripted,
    tokens_of,
    vector_of,
)

BUSY = "server busy, please try again.  maximum pending requests exceeded"
CRASH = 'do embedding request: Post "http://127.0.0.1:38653/embedding": EOF'
TOO_LONG = "the input length exceeds the context length"
ONCE = Retry(attempts=1)


@pytest.fixture
def client(endpoint: ScriptedEndpoint) -> Iterator[Client]:
    with Client(Endpoint(url=endpoint.url, model="all-minilm"), ONCE) as found:
        yield found


def poison(reply: Reply, *bad: str) -> Callable[[list[str]], Reply | None]:
    """Return a script that answers so where one of these texts is among the input."""
    return lambda texts: reply if set(bad) & set(texts) else None


def vectors(results: list[Vector | Failure]) -> list[list[float] | None]:
    return [r.vector.tolist() if isinstance(r, Vector) else None for r in results]


def test_texts_go_in_one_request_and_vectors_come_in_their_order(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    texts = [f"text {number}" for number in range(32)]
    results, effort = embed_texts(client, texts)
    assert vectors(results) == [vector_of(text).tolist() for text in texts]
    assert [request["input"] for request in endpoint.requests] == [texts]
    assert (effort.requests, effort.retries, effort.batch_texts) == (1, 0, [32])


def test_a_single_text_has_the_servers_own_count(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    (result,), effort = embed_texts(client, ["why is the sky blue"])
    assert isinstance(result, Vector)
    assert (result.token_count, result.token_count_source) == (7, "server")
    assert effort.tokens == 7


def test_several_texts_share_the_servers_count(endpoint: ScriptedEndpoint, client: Client) -> None:
    texts = ["a", "why is the sky blue", "é"]
    results, effort = embed_texts(client, texts)
    counts = [r.token_count for r in results if isinstance(r, Vector)]
    assert sum(counts) == sum(map(tokens_of, texts)) == effort.tokens
    assert {r.token_count_source for r in results if isinstance(r, Vector)} == {"estimated"}


def test_without_a_count_there_is_none(endpoint: ScriptedEndpoint, client: Client) -> None:
    endpoint.script = lambda _: Reply(200, b'{"embeddings":[[1.0]]}')
    (result,), _ = embed_texts(client, ["a"])
    assert isinstance(result, Vector)
    assert (result.token_count, result.token_count_source) == (0, "estimated")


def test_the_servers_own_times_are_added_up(endpoint: ScriptedEndpoint, client: Client) -> None:
    endpoint.script = poison(error(400, TOO_LONG), "b")
    _, effort = embed_texts(client, ["a", "b"])
    assert (effort.server_ms, effort.load_ms) == (5.0, 1.0)
    assert len(effort.request_ms) == 1


@pytest.mark.parametrize("place", [0, 13, 31])
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(400, TOO_LONG), errors.TextTooLong),
        (error(400, CRASH), errors.RunnerCrashed),
        (
            error(500, "failed to encode response: json: unsupported value: NaN"),
            errors.VectorNotFinite,
        ),
        (Reply(200, b'{"embeddings":[[0.0,0.0]]}'), errors.WrongAnswer),
        (error(500, "unknown"), errors.ServerFault),
    ],
)
def test_a_poison_text_among_32_costs_only_itself(
    endpoint: ScriptedEndpoint,
    client: Client,
    place: int,
    reply: Reply,
    kind: type[errors.EndpointError],
) -> None:
    texts = [f"text {number}" for number in range(32)]
    endpoint.script = poison(reply, texts[place])
    results, effort = embed_texts(client, texts)
    expected = [vector_of(text).tolist() for text in texts]
    assert vectors(results) == [*expected[:place], None, *expected[place + 1 :]]
    failure = results[place]
    assert isinstance(failure, Failure)
    assert (type(failure.error), failure.blame, failure.attempts) == (kind, "document", 1)
    assert effort.requests == len(endpoint.requests) == 11


@pytest.fixture(scope="module")
def lasting() -> Iterator[tuple[ScriptedEndpoint, Client]]:
    """Keep one server and one client for many examples."""
    with scripted() as endpoint:
        settings = Endpoint(url=endpoint.url, model="all-minilm")
        with Client(settings, Retry(attempts=8)) as client:
            yield endpoint, client


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 33).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_any_bad_texts_cost_only_themselves_and_a_bounded_number_of_requests(
    lasting: tuple[ScriptedEndpoint, Client], example: tuple[int, set[int]]
) -> None:
    endpoint, client = lasting
    n, bad = example
    texts = [f"text {number}" for number in range(n)]
    endpoint.script = poison(error(400, TOO_LONG), *[texts[place] for place in bad])
    endpoint.requests.clear()
    results, effort = embed_texts(client, texts)
    assert vectors(results) == [
        None if place in bad else vector_of(text).tolist() for place, text in enumerate(texts)
    ]
    assert effort.requests == len(endpoint.requests) <= 1 + 2 * len(bad) * math.ceil(math.log2(n))
    assert (effort.retries, sum(effort.batch_texts)) == (0, n - len(bad))


def test_what_is_cut_in_halves_is_not_repeated_until_it_stands_alone(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.script = poison(error(500, "failed to encode: unsupported value: NaN"), "c")
    with Client(Endpoint(url=endpoint.url, model="m"), Retry(attempts=2)) as client:
        results, effort = embed_texts(client, ["a", "b", "c", "d"])
    sent = ["".join(request["input"]) for request in endpoint.requests]
    assert sent == ["abcd", "abcd", "ab", "cd", "c", "c", "d"]
    assert (effort.requests, effort.retries) == (7, 2)
    failure = results[2]
    assert isinstance(failure, Failure)
    assert failure.attempts == 2


def test_a_busy_server_while_texts_are_told_apart_stops_nothing(
    endpoint: ScriptedEndpoint,
) -> None:
    busy = [error(503, BUSY)]

    def crash_and_restart(texts: list[str]) -> Reply | None:
        if len(texts) == 4:
            return error(500, "unknown")
        return busy.pop() if busy else None

    endpoint.script = crash_and_restart
    with Client(Endpoint(url=endpoint.url, model="m"), Retry(attempts=2)) as client:
        results, effort = embed_texts(client, ["a", "b", "c", "d"])
    assert all(isinstance(result, Vector) for result in results)
    assert effort.requests == len(endpoint.requests)


def test_where_another_text_succeeds_the_document_is_to_blame(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = poison(error(500, "unknown"), "b", "c")
    results, effort = embed_texts(client, ["b", "c"])
    assert [r.blame for r in results if isinstance(r, Failure)] == ["document", "document"]
    assert endpoint.texts[-1] == embedder.PROBE
    assert effort.requests == len(endpoint.requests) == 4


def test_where_no_text_succeeds_the_server_is_to_blame(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = lambda _: error(500, "unknown")
    results, effort = embed_texts(client, ["b", "c"])
    assert [r.blame for r in results if isinstance(r, Failure)] == ["server", "server"]
    assert effort.requests == len(endpoint.requests) == 4


def test_texts_that_are_all_too_long_need_no_proof(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = lambda _: error(400, TOO_LONG)
    results, _ = embed_texts(client, ["b", "c"])
    assert [r.blame for r in results if isinstance(r, Failure)] == ["document", "document"]
    assert embedder.PROBE not in endpoint.texts


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(404, 'model "m" not found, try pulling it first'), errors.ModelNotFound),
        (error(401, "unauthorized"), errors.Unauthorized),
        (error(503, BUSY), errors.Overloaded),
        (error(500, "model failed to load, this may be due to"), errors.ModelLoadFailed),
    ],
)
def test_what_concerns_every_text_is_raised_and_not_told_apart(
    endpoint: ScriptedEndpoint, client: Client, reply: Reply, kind: type[errors.EndpointError]
) -> None:
    endpoint.script = lambda _: reply
    with pytest.raises(kind):
        embed_texts(client, ["a", "b"])
    assert len(endpoint.requests) == 1


def test_what_concerns_every_text_is_raised_when_the_proof_meets_it(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    missing = error(404, "model 'm' not found")
    endpoint.script = lambda texts: missing if texts == ["a"] else error(500, "unknown")
    with pytest.raises(errors.ModelNotFound):
        embed_texts(client, ["b"])


def test_a_stop_ends_a_waiting_try(endpoint: ScriptedEndpoint) -> None:
    stopper = threading.Timer(0.1, interrupt.request_stop, [15])

    def busy(_: list[str]) -> Reply:
        stopper.start()
        return error(503, BUSY, **{"retry-after": "100"})

    endpoint.script = busy
    with (
        Client(Endpoint(url=endpoint.url, model="m"), Retry()) as client,
        pytest.raises(errors.InterruptedJobError),
    ):
        embed_texts(client, ["a"])
    stopper.join()
    assert len(endpoint.requests) == 1


def test_an_error_while_stopping_is_the_stop(endpoint: ScriptedEndpoint) -> None:
    def stop(_: list[str]) -> Reply:
        interrupt.request_stop(2)
        return error(500, "unknown")

    endpoint.script = stop
    with (
        Client(Endpoint(url=endpoint.url, model="m"), Retry()) as client,
        pytest.raises(errors.InterruptedJobError),
    ):
        embed_texts(client, ["a", "b"])
    assert len(endpoint.requests) == 1


LENGTHS = st.lists(st.integers(0, 100_000), min_size=1, max_size=64)


@given(st.integers(0, 10**7), LENGTHS)
def test_shares_sum_to_the_total_and_are_within_one_of_exact(
    total: int, lengths: list[int]
) -> None:
    shares = shared_out(total, lengths)
    assert sum(shares) == total
    whole = sum(lengths) + len(lengths)
    for share, length in zip(shares, lengths, strict=True):
        assert share >= 0
        assert abs(share - total * (length + 1) / whole) < 1 + 1e-6


def test_among_equals_the_first_get_what_is_left() -> None:
    assert shared_out(8, [5, 5, 5]) == [3, 3, 2]


def settings_of(endpoint: ScriptedEndpoint, in_flight: int = 2) -> tuple[Endpoint, Batching, Retry]:
    return Endpoint(url=endpoint.url, model="m"), Batching(in_flight=in_flight), ONCE


def pool_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("embed_")]


def test_the_model_is_loaded_once_before_the_first_text(endpoint: ScriptedEndpoint) -> None:
    found = Embedder(*settings_of(endpoint, 4))
    futures = [found.submit([f"text {number}"]) for number in range(8)]
    assert [len(future.result()[0]) for future in futures] == [1] * 8
    found.close()
    embeds = [each.body["input"] for each in endpoint.exchanges if each.path == "/api/embed"]
    assert endpoint.loads == 1
    assert embeds[0] == []


def test_a_model_that_cannot_be_loaded_is_the_error_of_the_texts(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.loading = [error(404, "model 'm' not found")]
    found = Embedder(*settings_of(endpoint))
    with pytest.raises(errors.ModelNotFound):
        found.submit(["a"]).result()
    found.close()
    assert endpoint.texts == []


def test_a_stop_while_loading_is_the_stop(endpoint: ScriptedEndpoint) -> None:
    endpoint.loading = [error(503, BUSY)]
    interrupt.request_stop(15)
    found = Embedder(*settings_of(endpoint))
    with pytest.raises(errors.InterruptedJobError):
        found.submit(["a"]).result()
    found.close()


def test_as_many_requests_are_under_way_as_allowed_and_no_more(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = together = Together(3)
    found = Embedder(*settings_of(endpoint, 3))
    futures = [found.submit([f"text {number}"]) for number in range(9)]
    assert [len(future.result()[0]) for future in futures] == [1] * 9
    found.close()
    assert together.most == 3


def test_closing_ends_the_threads_and_drops_what_waits(endpoint: ScriptedEndpoint) -> None:
    found = Embedder(*settings_of(endpoint, 1))
    found.submit(["a"]).result()
    assert pool_threads()
    found.close()
    assert pool_threads() == []
    with pytest.raises(RuntimeError):
        found.submit(["b"])


def test_the_same_settings_share_an_embedder_until_the_last_one_gives_it_back(
    endpoint: ScriptedEndpoint,
) -> None:
    first = embedder.acquire(*settings_of(endpoint))
    second = embedder.acquire(*settings_of(endpoint))
    assert first is second
    first.submit(["a"]).result()
    embedder.release(*settings_of(endpoint))
    assert len(first.submit(["b"]).result()[0]) == 1
    embedder.release(*settings_of(endpoint))
    assert pool_threads() == []
    with pytest.raises(RuntimeError):
        first.submit(["c"])


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
    assert len(second.submit(["a"]).result()[0]) == 1
    embedder.release(*settings_of(endpoint, 2))
