"""The embed step without Beam: each text to its vector or to its error, whatever else happens."""

import math
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed_pipeline import errors, interrupt, isolation, probes
from embed_pipeline.audit import Audit
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.isolation import embed_texts
from embed_pipeline.limits import Limits
from embed_pipeline.outcomes import Failure, Outcome, Vector
from embed_pipeline.sizing import Prepared, Sizing
from embed_pipeline.tokenizer import ModelTokenizer, from_model_info
from embed_pipeline.tokens import OnTooLong, Tokens
from tests.support.scripted import (
    WORDS,
    Reply,
    ScriptedEndpoint,
    embedded,
    error,
    model_info,
    scripted,
    tokens_of,
    vector_of,
)

BUSY = "server busy, please try again.  maximum pending requests exceeded"
CRASH = 'do embedding request: Post "http://127.0.0.1:38653/embedding": EOF'
TOO_LONG = "the input length exceeds the context length"
ONCE = Retry(attempts=1)
PROBES = list(probes.PROBES)


@pytest.fixture
def client(endpoint: ScriptedEndpoint) -> Iterator[Client]:
    with Client(Endpoint(url=endpoint.url, model="all-minilm"), ONCE) as found:
        yield found


def poison(reply: Reply, *bad: str) -> Callable[[list[str]], Reply | None]:
    """Return a script that answers so where one of these texts is among the input."""
    return lambda texts: reply if set(bad) & set(texts) else None


def embed(
    client: Client, texts: list[str], on_too_long: OnTooLong = "fail", audit: Audit | None = None
) -> Outcome:
    """Embed texts whose tokens are not known."""
    sizing = Sizing(Limits(256, "server", True, None), Tokens(on_too_long=on_too_long))
    prepared = [Prepared(text, None, False, text) for text in texts]
    return embed_texts(client, prepared, sizing, audit)


def vectors(results: list[Vector | Failure]) -> list[list[float] | None]:
    return [r.vector.tolist() if isinstance(r, Vector) else None for r in results]


def test_texts_go_in_one_request_and_vectors_come_in_their_order(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    texts = [f"text {number}" for number in range(32)]
    results, effort = embed(client, texts)
    assert vectors(results) == [vector_of(text).tolist() for text in texts]
    assert [request["input"] for request in endpoint.requests] == [texts]
    assert (effort.requests, effort.retries, effort.batch_texts) == (1, 0, [32])


def test_a_single_text_has_the_servers_own_count(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    (result,), effort = embed(client, ["why is the sky blue"])
    assert isinstance(result, Vector)
    assert (result.token_count, result.token_count_source) == (7, "server")
    assert effort.tokens == 7


def test_several_texts_share_the_servers_count(endpoint: ScriptedEndpoint, client: Client) -> None:
    texts = ["a", "why is the sky blue", "é"]
    results, effort = embed(client, texts)
    counts = [r.token_count for r in results if isinstance(r, Vector)]
    assert sum(counts) == sum(map(tokens_of, texts)) == effort.tokens
    assert {r.token_count_source for r in results if isinstance(r, Vector)} == {"estimated"}


def test_without_a_count_there_is_an_estimate_by_length(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = lambda _: Reply(200, b'{"embeddings":[[1.0]]}')
    (result,), _ = embed(client, ["a" * 20])
    assert isinstance(result, Vector)
    assert (result.token_count, result.token_count_source) == (5, "estimated")


def test_the_servers_own_times_are_added_up(endpoint: ScriptedEndpoint, client: Client) -> None:
    endpoint.script = poison(error(400, TOO_LONG), "b")
    _, effort = embed(client, ["a", "b"])
    assert (effort.server_ms, effort.load_ms) == (5.0, 1.0)
    assert len(effort.request_ms) == 1


def prepared(text: str, tokens: int | None = None) -> Prepared:
    return Prepared(text, tokens, False, text)


def by_words() -> ModelTokenizer:
    """Return a tokenizer that counts as the scripted endpoint does."""
    found = from_model_info(model_info(WORDS))
    assert found is not None
    return found


def known(context: int, on_too_long: OnTooLong = "truncate") -> Sizing:
    """Return what is known where the tokenizer is."""
    limits = Limits(context, "server", True, by_words())
    return Sizing(limits, Tokens(on_too_long=on_too_long))


def test_counts_made_here_that_add_up_are_verified(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    sizing = known(256)
    texts = [one for one in sizing.prepare(["a", "b c"]) if isinstance(one, Prepared)]
    results, _ = embed_texts(client, texts, sizing)
    assert [result[1:] for result in results if isinstance(result, Vector)] == [
        (3, "verified", False),
        (4, "verified", False),
    ]


@pytest.mark.parametrize("place", [0, 2, 3])
def test_a_text_that_is_too_long_is_cut_and_the_others_are_whole(
    endpoint: ScriptedEndpoint, client: Client, place: int
) -> None:
    endpoint.context = 6
    texts = ["a", "b", "c", "d"]
    texts[place] = "one two three four five"
    results, effort = embed(client, texts, "truncate")
    read = [*texts[:place], "one two three four", *texts[place + 1 :]]
    assert vectors(results) == [vector_of(text).tolist() for text in read]
    assert [r.truncated for r in results if isinstance(r, Vector)] == [
        number == place for number in range(4)
    ]
    assert [r["truncate"] for r in endpoint.requests if r["input"] == [texts[place]]] == [
        False,
        True,
    ]
    assert effort.requests == len(endpoint.requests)


def test_a_text_that_fits_as_counted_here_but_not_there_is_cut_here(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.context = 6
    results, effort = embed_texts(
        client, [prepared("one two three four five", 7), prepared("a", 3)], known(256)
    )
    assert vectors(results) == [vector_of(t).tolist() for t in ("one two three four", "a")]
    assert [r.truncated for r in results if isinstance(r, Vector)] == [True, False]
    assert not any(request["truncate"] for request in endpoint.requests)
    assert effort.requests == len(endpoint.requests)


@pytest.mark.parametrize("on_too_long", ["truncate", "chunk"])
def test_a_text_of_which_no_head_is_accepted_fails_with_all_its_tries(
    endpoint: ScriptedEndpoint, client: Client, on_too_long: OnTooLong
) -> None:
    endpoint.script = lambda texts: error(400, TOO_LONG) if texts[0].startswith("x") else None
    (result,), effort = embed(client, ["xyz"], on_too_long)
    assert isinstance(result, Failure)
    assert endpoint.texts == ["xyz", "xyz", "xy", "x"]
    assert (type(result.error), result.attempts) == (errors.TextTooLong, 4)
    assert effort.requests == len(endpoint.requests)


def test_a_text_whose_head_makes_the_server_fail_fails_with_every_try_counted(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.context = 6
    endpoint.script = lambda texts: (
        error(500, "unknown") if len(texts[0]) > 9 and endpoint.requests[-1]["truncate"] else None
    )
    (result,), effort = embed(client, ["one two three four five"], "truncate")
    assert isinstance(result, Failure)
    assert (type(result.error), result.attempts) == (errors.ServerFault, 4)
    assert endpoint.texts.count(PROBES[0]) == 2
    assert effort.requests == len(endpoint.requests) == 6


def test_what_concerns_every_text_is_raised_when_a_head_meets_it(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    answers = [error(401, "unauthorized"), error(400, TOO_LONG)]
    endpoint.script = lambda _: answers.pop()
    with pytest.raises(errors.Unauthorized):
        embed(client, ["one two"], "truncate")


def test_a_stop_while_a_head_is_under_way_is_the_stop(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    def stop(_: list[str]) -> Reply:
        if len(endpoint.requests) == 2:
            interrupt.request_stop(2)
            return error(500, "unknown")
        return error(400, TOO_LONG)

    endpoint.script = stop
    with pytest.raises(errors.InterruptedJobError):
        embed(client, ["one two"], "truncate")
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize("place", [0, 13, 31])
@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (error(400, TOO_LONG), (errors.TextTooLong, 1, 11)),
        (error(400, CRASH), (errors.RunnerCrashed, 2, 15)),
        (
            error(500, "failed to encode response: json: unsupported value: NaN"),
            (errors.VectorNotFinite, 2, 15),
        ),
        (Reply(200, b'{"embeddings":[[0.0,0.0]]}'), (errors.WrongAnswer, 2, 15)),
        (error(500, "unknown"), (errors.ServerFault, 2, 15)),
    ],
)
def test_a_poison_text_among_32_costs_only_itself(
    endpoint: ScriptedEndpoint,
    client: Client,
    place: int,
    reply: Reply,
    expected: tuple[type[errors.EndpointError], int, int],
) -> None:
    texts = [f"text {number}" for number in range(32)]
    endpoint.script = poison(reply, texts[place])
    results, effort = embed(client, texts)
    good = [vector_of(text).tolist() for text in texts]
    assert vectors(results) == [*good[:place], None, *good[place + 1 :]]
    failure = results[place]
    assert isinstance(failure, Failure)
    assert (type(failure.error), failure.attempts, effort.requests) == expected
    assert effort.requests == len(endpoint.requests)


@pytest.fixture(scope="module")
def lasting() -> Iterator[tuple[ScriptedEndpoint, Client]]:
    """Keep one server and one client for many examples."""
    with scripted() as endpoint:
        settings = Endpoint(url=endpoint.url, model="all-minilm")
        with Client(settings, ONCE) as client:
            yield endpoint, client


def some_of(n: int) -> st.SearchStrategy[set[int]]:
    """Return sets of places among so many texts."""
    return st.sets(st.integers(0, n - 1))


def named(n: int, places: set[int] | None = None) -> list[str]:
    """Return so many texts, or those of them that stand at these places."""
    return [f"text {place}" for place in range(n) if places is None or place in places]


@settings(max_examples=40)
@given(st.integers(1, 33).flatmap(lambda n: st.tuples(st.just(n), some_of(n), some_of(n))))
def test_any_bad_texts_cost_only_themselves_and_a_bounded_number_of_requests(
    lasting: tuple[ScriptedEndpoint, Client], example: tuple[int, set[int], set[int]]
) -> None:
    endpoint, client = lasting
    n, long, faulty = example
    bad = long | faulty
    refused, broken = (
        poison(error(400, TOO_LONG), *named(n, long)),
        poison(error(500, "unknown"), *named(n, faulty)),
    )
    endpoint.script = lambda texts: refused(texts) or broken(texts)
    endpoint.requests.clear()
    results, effort = embed(client, named(n))
    assert vectors(results) == [
        None if place in bad else vector_of(text).tolist() for place, text in enumerate(named(n))
    ]
    doubtful = len(faulty - long)
    bound = 1 + 2 * len(bad) * math.ceil(math.log2(n)) + (1 + 3 * doubtful if doubtful else 0)
    assert effort.requests == len(endpoint.requests) <= bound
    assert (effort.retries, sum(effort.batch_texts)) == (0, n - len(bad))
    assert {r.blame for r in results if isinstance(r, Failure)} <= {"document"}


@settings(max_examples=40)
@given(st.integers(1, 33).flatmap(lambda n: st.tuples(st.just(n), some_of(n))), st.booleans())
def test_bad_texts_after_which_the_server_fails_are_bounded_and_blamed_where_they_fail_alike(
    lasting: tuple[ScriptedEndpoint, Client], example: tuple[int, set[int]], alike: bool
) -> None:
    endpoint, client = lasting
    n, faulty = example
    bad = named(n, faulty)
    of_text = [error(500, "unknown"), error(500, "unknown") if alike else error(400, CRASH)]

    def broken(texts: list[str]) -> Reply | None:
        if not set(bad) & set(texts):
            return None
        return of_text[[request["input"] for request in endpoint.requests].count(texts) % 2]

    def script(texts: list[str]) -> Reply | None:
        inputs = [request["input"] for request in endpoint.requests]
        if texts == PROBES and inputs[-3:-2] == [PROBES] and broken(inputs[-2]):
            return error(500, "still out of order")
        return broken(texts)

    endpoint.script = script
    endpoint.requests.clear()
    results, effort = embed(client, named(n))
    assert [r.blame if isinstance(r, Failure) else None for r in results] == [
        ("document" if alike else "server") if place in faulty else None for place in range(n)
    ]
    rounds = isolation.ROUNDS * 3 * len(faulty)
    bound = 1 + 2 * len(faulty) * math.ceil(math.log2(n)) + (1 if faulty else 0) + rounds
    assert rounds <= effort.requests == len(endpoint.requests) <= bound


@settings(max_examples=60)
@given(
    st.integers(1, 17).flatmap(lambda n: st.tuples(st.just(n), some_of(n), some_of(n))),
    st.integers(0, 20),
    st.integers(1, 20),
)
def test_one_outage_whenever_it_comes_costs_no_good_text_its_vector(
    lasting: tuple[ScriptedEndpoint, Client],
    example: tuple[int, set[int], set[int]],
    begins: int,
    lasts: int,
) -> None:
    endpoint, client = lasting
    n, long, faulty = example
    refused, broken = (
        poison(error(400, TOO_LONG), *named(n, long)),
        poison(error(500, "unknown"), *named(n, faulty)),
    )

    def script(texts: list[str]) -> Reply | None:
        if begins < len(endpoint.requests) <= begins + lasts:
            return error(500, "the server is in trouble")
        return refused(texts) or broken(texts)

    endpoint.script = script
    endpoint.requests.clear()
    try:
        results, _ = embed(client, named(n))
    except errors.ServerFault:
        assert endpoint.requests[-1]["input"] == PROBES
        return
    assert vectors(results) == [
        None if place in long | faulty else vector_of(text).tolist()
        for place, text in enumerate(named(n))
    ]


def outage(requests: int) -> Callable[[list[str]], Reply | None]:
    """Return a script that fails so many requests, whatever their texts, and no more."""
    left = [error(500, "unknown")] * requests
    return lambda _: left.pop() if left else None


def test_an_outage_is_waited_for_before_texts_are_told_apart(endpoint: ScriptedEndpoint) -> None:
    texts = ["one", "two", "three", "four"]
    endpoint.script = outage(4)
    with Client(Endpoint(url=endpoint.url, model="all-minilm"), Retry(attempts=3)) as client:
        results, effort = embed(client, texts)
    assert vectors(results) == [vector_of(text).tolist() for text in texts]
    assert endpoint.texts[3 * 4 :] == [*PROBES, *PROBES, *texts]
    assert effort.requests == len(endpoint.requests)


def test_an_outage_that_lasts_until_the_proof_is_raised_and_blames_nobody(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = outage(2)
    with pytest.raises(errors.ServerFault, match="500 unknown"):
        embed(client, ["one", "two", "three", "four"])
    assert [request["input"] for request in endpoint.requests[1:]] == [PROBES]


def test_a_text_that_failed_for_a_moment_is_sent_again_alone(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = lambda _: error(500, "no") if len(endpoint.requests) in (1, 3) else None
    results, _ = embed(client, ["one", "two"])
    sent = [request["input"] for request in endpoint.requests]
    assert sent == [["one", "two"], PROBES, ["one"], ["two"], PROBES, ["one"]]
    assert [r.token_count_source for r in results if isinstance(r, Vector)] == ["server", "server"]


def test_what_is_cut_in_halves_is_not_repeated_until_it_stands_alone(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.script = poison(error(500, "failed to encode: unsupported value: NaN"), "y")
    with Client(Endpoint(url=endpoint.url, model="all-minilm"), Retry(attempts=2)) as client:
        results, effort = embed(client, ["w", "x", "y", "z"])
    sent = ["".join(request["input"]) for request in endpoint.requests]
    probes = "".join(PROBES)
    bisecting = ["wxyz", "wxyz", probes, "wx", "yz", "y", "y", "z"]
    assert sent == [*bisecting, probes, "y", "y", probes]
    assert (effort.requests, effort.retries) == (12, 3)
    failure = results[2]
    assert isinstance(failure, Failure)
    assert failure.attempts == 4


def test_a_busy_server_while_texts_are_told_apart_stops_nothing(
    endpoint: ScriptedEndpoint,
) -> None:
    busy = [error(503, BUSY)]

    def crash_and_restart(texts: list[str]) -> Reply | None:
        if len(texts) == 4:
            return error(500, "unknown")
        return busy.pop() if busy else None

    endpoint.script = crash_and_restart
    with Client(Endpoint(url=endpoint.url, model="all-minilm"), Retry(attempts=2)) as client:
        results, effort = embed(client, ["a", "b", "c", "d"])
    assert all(isinstance(result, Vector) for result in results)
    assert effort.requests == len(endpoint.requests)


def test_where_the_proof_succeeds_the_documents_have_failed(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = poison(error(500, "unknown"), "b", "c")
    results, effort = embed(client, ["b", "c"])
    assert all(isinstance(result, Failure) for result in results)
    sent = [request["input"] for request in endpoint.requests]
    bisecting = [["b", "c"], PROBES, ["b"], ["c"]]
    assert sent == [*bisecting, PROBES, ["b"], PROBES, PROBES, ["c"], PROBES]
    assert effort.requests == 10


def out_after(endpoint: ScriptedEndpoint, bad: str, *replies: Reply) -> None:
    """Let a text fail so, one time after the other, and the server fail once right after each."""
    waiting = list(replies)

    def script(texts: list[str]) -> Reply | None:
        before = [request["input"] for request in endpoint.requests][:-1]
        if texts == [bad]:
            return waiting.pop(0)
        right_after = before.count([bad]) > 1 and before[-1] == [bad]
        return error(500, "out of order") if right_after else None

    endpoint.script = script


def test_a_text_that_fails_alike_each_time_is_blamed_though_the_server_dies_of_it(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    out_after(endpoint, "b", *[error(400, CRASH)] * 4)
    (result,), _ = embed(client, ["b"])
    assert isinstance(result, Failure)
    assert (type(result.error), result.blame) == (errors.RunnerCrashed, "document")
    assert sent(endpoint) == [["b"], *[PROBES, ["b"], PROBES] * 3]


def test_a_text_that_fails_differently_while_the_server_is_out_of_order_is_not_blamed(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    crash, fault = error(400, CRASH), error(500, "unknown")
    out_after(endpoint, "b", crash, crash, fault, crash)
    (result,), _ = embed(client, ["b"])
    assert isinstance(result, Failure)
    assert (result.blame, result.attempts) == ("server", 4)


def test_a_text_that_fails_otherwise_the_second_time_has_the_second_error(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    first = [error(500, "unknown")]
    too_long = poison(error(400, TOO_LONG), "b")
    endpoint.script = lambda texts: first.pop() if first else too_long(texts)
    (result,), effort = embed(client, ["b"])
    assert isinstance(result, Failure)
    assert (type(result.error), result.attempts) == (errors.TextTooLong, 2)
    assert effort.requests == len(endpoint.requests) == 3


def test_a_server_that_fails_on_every_text_is_raised_and_blames_nobody(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = lambda _: error(500, "unknown")
    with pytest.raises(errors.ServerFault, match="500 unknown"):
        embed(client, ["b", "c"])
    assert [request["input"] for request in endpoint.requests] == [["b", "c"], PROBES]


def test_texts_that_are_all_too_long_need_no_proof(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = lambda _: error(400, TOO_LONG)
    results, _ = embed(client, ["b", "c"])
    assert all(isinstance(result, Failure) for result in results)
    assert PROBES not in [request["input"] for request in endpoint.requests]


def test_a_text_that_is_refused_for_good_is_sent_no_more_and_costs_only_itself(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = poison(error(400, "invalid input type"), "c")
    results, effort = embed(client, ["a", "b", "c", "d"])
    assert vectors(results) == [
        None if text == "c" else vector_of(text).tolist() for text in ("a", "b", "c", "d")
    ]
    sent = [request["input"] for request in endpoint.requests]
    whole = ["a", "b", "c", "d"]
    assert sent == [whole, PROBES, ["a", "b"], ["c", "d"], ["c"], ["d"], PROBES]
    failure = results[2]
    assert isinstance(failure, Failure)
    assert (type(failure.error), failure.attempts) == (errors.RequestRejected, 1)
    assert (failure.blame, effort.requests) == ("document", 7)


@pytest.mark.parametrize("texts", [["a"], ["a", "b"]])
def test_a_server_that_refuses_every_request_is_raised_and_blames_nobody(
    endpoint: ScriptedEndpoint, client: Client, texts: list[str]
) -> None:
    endpoint.script = lambda _: error(400, "invalid input type")
    with pytest.raises(errors.RequestRejected, match="invalid input type"):
        embed(client, texts)
    assert [request["input"] for request in endpoint.requests] == [texts, PROBES]


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
        embed(client, ["a", "b"])
    assert len(endpoint.requests) == 1


def test_what_concerns_every_text_is_raised_when_the_proof_meets_it(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    missing = error(404, "model 'm' not found")
    endpoint.script = lambda texts: missing if texts == PROBES else error(500, "unknown")
    with pytest.raises(errors.ModelNotFound):
        embed(client, ["b"])


def test_a_stop_ends_a_waiting_try(endpoint: ScriptedEndpoint) -> None:
    stopper = threading.Timer(0.1, interrupt.request_stop, [15])

    def busy(_: list[str]) -> Reply:
        stopper.start()
        return error(503, BUSY, **{"retry-after": "100"})

    endpoint.script = busy
    with (
        Client(Endpoint(url=endpoint.url, model="all-minilm"), Retry()) as client,
        pytest.raises(errors.InterruptedJobError),
    ):
        embed(client, ["a"])
    stopper.join()
    assert len(endpoint.requests) == 1


def test_an_error_while_stopping_is_the_stop(endpoint: ScriptedEndpoint) -> None:
    def stop(_: list[str]) -> Reply:
        interrupt.request_stop(2)
        return error(500, "unknown")

    endpoint.script = stop
    with (
        Client(Endpoint(url=endpoint.url, model="all-minilm"), Retry()) as client,
        pytest.raises(errors.InterruptedJobError),
    ):
        embed(client, ["a", "b"])
    assert len(endpoint.requests) == 1


def test_a_stop_while_the_proof_is_under_way_is_the_stop(endpoint: ScriptedEndpoint) -> None:
    def stop(texts: list[str]) -> Reply:
        if texts == PROBES:
            interrupt.request_stop(2)
        return error(500, "unknown")

    endpoint.script = stop
    with (
        Client(Endpoint(url=endpoint.url, model="all-minilm"), ONCE) as client,
        pytest.raises(errors.InterruptedJobError),
    ):
        embed(client, ["b"])
    assert [request["input"] for request in endpoint.requests] == [["b"], PROBES]


# The audit: different texts with one vector


def sent(endpoint: ScriptedEndpoint) -> list[list[str]]:
    return [request["input"] for request in endpoint.requests]


def without_case(texts: list[str]) -> Reply:
    """Be a script that gives texts that differ in case only the same vector."""
    return embedded([text.lower() for text in texts])


def one_vector_but_for_the_probes(texts: list[str]) -> Reply | None:
    """Be a script that gives all texts the same vector, yet is well."""
    return None if texts == PROBES else embedded(["one vector"] * len(texts))


def test_texts_that_have_one_vector_alone_as_well_share_it_rightly(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = without_case
    results, effort = embed(client, ["The Sky", "sea", "the sky"], audit=Audit())
    assert vectors(results) == [vector_of(text).tolist() for text in ("the sky", "sea", "the sky")]
    assert sent(endpoint) == [["The Sky", "sea", "the sky"], ["the sky"], ["The Sky"], PROBES]
    assert (effort.suspects, effort.shared, effort.requests) == (1, 1, 4)
    assert effort.batch_texts == [3]


def test_what_is_shared_rightly_is_not_asked_for_again(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script, audit = without_case, Audit()
    for text in ("sky", "SKY", "Sky"):
        _, effort = embed(client, [text], audit=audit)
    assert sent(endpoint) == [["sky"], ["SKY"], ["SKY"], ["sky"], PROBES, ["Sky"]]
    assert (effort.suspects, effort.requests) == (0, 1)


def test_texts_with_the_same_tokens_are_not_asked_for(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script, sizing = without_case, known(256)
    texts = [one for one in sizing.prepare(["The Sky", "the sky", "c"]) if type(one) is Prepared]
    _, effort = embed_texts(client, texts, sizing, Audit())
    assert (effort.suspects, effort.shared, effort.requests) == (1, 1, 1)


def test_texts_with_other_tokens_are_asked_for_though_the_tokenizer_is_known(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script, sizing = one_vector_but_for_the_probes, known(256)
    audit = Audit()
    for text in ("one", "b c"):
        _, effort = embed_texts(client, [prepared(text, tokens_of(text))], sizing, audit)
    assert (effort.suspects, effort.shared, effort.requests) == (1, 1, 4)


def mixed_up(*requests: tuple[list[str], list[str]]) -> Callable[[list[str]], Reply | None]:
    """Return a script that answers these inputs with the vectors of those texts, once each."""
    left = list(requests)

    def script(texts: list[str]) -> Reply | None:
        for place, (asked, answered) in enumerate(left):
            if asked == texts:
                del left[place]
                return embedded(answered)
        return None

    return script


def test_a_request_whose_answer_is_mixed_up_is_sent_again_in_halves(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = mixed_up((["a", "b", "c"], ["a", "a", "c"]))
    results, effort = embed(client, ["a", "b", "c"], audit=Audit())
    assert vectors(results) == [vector_of(text).tolist() for text in "abc"]
    assert effort.faults == {"WrongAnswer": 1}
    assert effort.requests == len(endpoint.requests)


def test_a_vector_of_an_earlier_text_is_not_given_to_another(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script, audit = mixed_up((["b", "c"], ["a", "c"])), Audit()
    embed(client, ["a"], audit=audit)
    results, effort = embed(client, ["b", "c"], audit=audit)
    assert vectors(results) == [vector_of(text).tolist() for text in "bc"]
    assert effort.faults == {"WrongAnswer": 1}


def test_a_text_that_comes_again_is_not_held_against_one_that_was_given_its_vector_for_a_moment(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script, audit = mixed_up((["b", "c"], ["a", "c"])), Audit()
    for texts in (["a"], ["b", "c"], ["a", "d"]):
        results, _ = embed(client, texts, audit=audit)
        assert vectors(results) == [vector_of(text).tolist() for text in texts]


def test_a_vector_that_was_given_wrongly_before_ends_the_job(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script, audit = mixed_up((["a"], ["b"])), Audit()
    embed(client, ["a"], audit=audit)
    with pytest.raises(errors.VectorsContradicted, match="nothing of this run is to be used"):
        embed(client, ["b", "c"], audit=audit)


def stuck(texts: list[str]) -> Reply:
    """Be a script that gives every text the same vector."""
    return embedded(["stuck"] * len(texts))


def test_a_server_that_is_stuck_gives_no_vectors_to_requests_of_several_texts(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = stuck
    with pytest.raises(errors.WrongAnswer, match="one vector came back for 2 texts"):
        embed(client, ["a", "b"], audit=Audit())
    assert sent(endpoint) == [["a", "b"], PROBES]


def test_a_server_that_is_stuck_gives_no_vectors_to_requests_of_one_text(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script, audit = stuck, Audit()
    embed(client, ["a"], audit=audit)
    with pytest.raises(errors.EndpointError):
        embed(client, ["b"], audit=audit)
