"""Several addresses: who gets a request, who rests, who is taken out, and what ends the run."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from embed_pipeline import errors, interrupt, lane, pool
from embed_pipeline.client import Tries
from embed_pipeline.endpoint import Endpoint, Retry, Timeouts
from embed_pipeline.pool import Pool
from tests.support.scripted import (
    DIGEST,
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
MISSING = 'model "all-minilm" not found, try pulling it first'
ANOTHER = "e2" * 32

Opener = Callable[..., Pool]


@pytest.fixture
def other() -> Iterator[ScriptedEndpoint]:
    with scripted() as found:
        yield found


@pytest.fixture
def dead() -> Iterator[str]:
    """Return an address that is taken, so that nobody else gets it, but not listened to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Return a function that opens a pool over these addresses, closed at the end."""
    with ExitStack() as stack:

        def start(
            *places: ScriptedEndpoint | str,
            in_flight: int = 1,
            read: float = 30.0,
            **retry: Any,
        ) -> Pool:
            urls = [place if isinstance(place, str) else place.url for place in places]
            endpoint = Endpoint(url=urls, model="all-minilm", timeouts=Timeouts(read=read))
            return stack.enter_context(Pool(endpoint, Retry(**retry), in_flight))

        yield start


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as found:
        yield found


@pytest.fixture
def look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "LOOK_SECONDS", 0.0)


@pytest.fixture
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "FIRST_REST", 0.0)


def vector(tries: Tries) -> list[float]:
    """Return the first vector of an answer."""
    first: list[float] = tries.answer.vectors[0].tolist()
    return first


def of_another_model(texts: list[str]) -> Reply:
    """Be a script that gives the vectors of another model."""
    return embedded([f"another model's {text}" for text in texts])


def paths(endpoint: ScriptedEndpoint) -> list[str]:
    return [each.path for each in endpoint.exchanges]


class Held:
    """Be a script whose answers wait until they are let go."""

    def __init__(self, begun: int = 1) -> None:
        self._begun = threading.Semaphore(0)
        self._number = begun
        self.let_go = threading.Event()

    def __call__(self, texts: list[str]) -> Callable[[socket.socket], object]:
        body = embedded(texts).body
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"

        def act(connection: socket.socket) -> None:
            self._begun.release()
            self.let_go.wait(30)
            connection.sendall(head.encode() + body)

        return act

    def wait(self) -> None:
        """Wait until the requests have come."""
        for _ in range(self._number):
            assert self._begun.acquire(timeout=30)


def at_first(*replies: Reply) -> Script:
    """Return a script that answers so at first, and as usual afterwards."""
    waiting = list(replies)
    return lambda _: waiting.pop(0) if waiting else None


# Who gets a request


def test_addresses_with_nothing_under_way_take_turns(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint, other)
    answers = [vector(found.embed([text])) for text in ("a", "b", "c", "d")]
    assert answers == [vector_of(text).tolist() for text in ("a", "b", "c", "d")]
    assert (endpoint.texts, other.texts) == (["a", "c"], ["b", "d"])


def test_a_request_goes_where_the_fewest_are_under_way(
    endpoint: ScriptedEndpoint,
    other: ScriptedEndpoint,
    opened: Opener,
    threads: ThreadPoolExecutor,
) -> None:
    endpoint.script = held = Held()
    found = opened(endpoint, other, in_flight=2)
    slow = threads.submit(found.embed, ["slow"])
    held.wait()
    for text in ("b", "c", "d"):
        found.embed([text])
    held.let_go.set()
    assert vector(slow.result()) == vector_of("slow").tolist()
    assert (endpoint.texts, other.texts) == (["slow"], ["b", "c", "d"])


def test_as_many_are_under_way_at_each_address_as_allowed_and_no_more(
    endpoint: ScriptedEndpoint,
    other: ScriptedEndpoint,
    opened: Opener,
    threads: ThreadPoolExecutor,
) -> None:
    endpoint.script, other.script = here, there = Together(2), Together(2)
    found = opened(endpoint, other, in_flight=2)
    futures = [threads.submit(found.embed, [f"text {number}"]) for number in range(8)]
    assert [len(future.result().answer.vectors) for future in futures] == [1] * 8
    assert (here.most, there.most) == (2, 2)


@pytest.mark.parametrize("too_busy", [False, True])
def test_who_waits_for_room_is_throttled_only_where_an_address_is_too_busy(
    endpoint: ScriptedEndpoint, opened: Opener, threads: ThreadPoolExecutor, *, too_busy: bool
) -> None:
    found = opened(endpoint, attempts=1)
    if too_busy:
        endpoint.script = lambda _: error(503, BUSY)
        with pytest.raises(errors.Overloaded):
            found.embed(["refused"])
    endpoint.script = held = Held()
    first = threads.submit(found.embed, ["a"])
    held.wait()
    second = threads.submit(found.embed, ["b"])
    threads.submit(held.let_go.wait, 0.1).result()
    held.let_go.set()
    assert vector(first.result()) == vector_of("a").tolist()
    assert (second.result().throttled_s > 0.0) is too_busy


def test_who_waits_after_a_busy_address_has_answered_again_is_not_throttled(
    endpoint: ScriptedEndpoint, opened: Opener, threads: ThreadPoolExecutor
) -> None:
    endpoint.script = at_first(error(503, BUSY))
    found = opened(endpoint)
    assert found.embed(["a"]).throttled_s > 0.0
    endpoint.script = held = Held()
    first = threads.submit(found.embed, ["b"])
    held.wait()
    second = threads.submit(found.embed, ["c"])
    threads.submit(held.let_go.wait, 0.1).result()
    held.let_go.set()
    assert (first.result().throttled_s, second.result().throttled_s) == (0.0, 0.0)


def test_a_stop_ends_the_wait_for_an_address_with_room(
    endpoint: ScriptedEndpoint, opened: Opener, threads: ThreadPoolExecutor
) -> None:
    endpoint.script = held = Held()
    found = opened(endpoint)
    first = threads.submit(found.embed, ["a"])
    held.wait()
    second = threads.submit(found.embed, ["b"])
    interrupt.request_stop(15)
    with pytest.raises(errors.InterruptedJobError):
        second.result()
    held.let_go.set()
    assert vector(first.result()) == vector_of("a").tolist()
    assert endpoint.texts == ["a"]


# Looking at the model


def test_the_model_is_loaded_and_looked_at_before_the_first_text_and_not_before_the_next(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint)
    found.embed(["a"])
    found.embed(["b"])
    look = ["/api/tags", "/api/ps", "/api/embed", "/api/embed", "/api/ps"]
    assert paths(endpoint) == [*look, "/api/embed", "/api/embed"]
    assert (endpoint.loads, endpoint.texts) == (1, ["a", "b"])


def test_requests_that_begin_together_look_once(
    endpoint: ScriptedEndpoint, opened: Opener, threads: ThreadPoolExecutor
) -> None:
    endpoint.script = Together(4)
    found = opened(endpoint, in_flight=4)
    for future in [threads.submit(found.embed, [text]) for text in "abcd"]:
        future.result()
    assert paths(endpoint).count("/api/tags") == 1


@pytest.mark.usefixtures("look_each_time")
def test_the_model_is_looked_at_again_when_it_is_time(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint)
    for text in ("a", "b", "c"):
        found.embed([text])
    assert paths(endpoint).count("/api/tags") == 6  # before each text, and after its vector came
    assert endpoint.loads == 1


@pytest.mark.parametrize(
    ("reply", "looks"), [(error(500, "out of order"), 2), (error(503, BUSY), 1)]
)
def test_the_model_is_looked_at_again_after_what_may_have_been_a_restart(
    endpoint: ScriptedEndpoint, opened: Opener, reply: Reply, looks: int
) -> None:
    endpoint.script = at_first(reply)
    assert opened(endpoint).embed(["a"]).attempts == 2
    assert paths(endpoint).count("/api/tags") == looks


def test_a_client_of_an_address_that_answers_and_has_loaded_the_model_is_given(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, dead: str, opened: Opener
) -> None:
    client = opened(dead, endpoint, other).some()
    client.embed(["a"])
    assert (endpoint.loads, endpoint.texts) == (1, ["a"])
    assert other.exchanges == []


# Looking again, before the vectors are written for good


def test_the_digest_is_known_once_an_address_was_looked_at(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint)
    assert found.digest is None
    found.embed(["a"])
    assert found.digest == DIGEST


def test_an_address_is_looked_at_again_where_it_has_given_vectors_since_the_last_look(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint, other)
    looks = []
    for act in (lambda: found.embed(["a"]), found.look_again, found.look_again):
        act()
        looks.append(paths(endpoint).count("/api/tags"))
    assert looks == [1, 2, 2]
    assert other.exchanges == []


def test_a_model_that_was_changed_after_the_last_look_is_noticed(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint)
    began = time.time()
    found.embed(["a"])
    right = time.time()
    endpoint.digest = ANOTHER
    with pytest.raises(errors.ModelChanged, match="the run began with") as caught:
        found.look_again()
    assert caught.value.since is not None
    assert began <= caught.value.since <= right


def test_a_model_that_was_changed_after_the_last_vectors_is_no_fault_where_another_confirms_them(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint, other)
    found.embed(["a"])
    found.embed(["b"])
    endpoint.digest = ANOTHER
    found.look_again()
    assert (endpoint.texts, other.texts) == (["a"], ["b", "a"])


def test_a_model_that_was_changed_before_the_last_vectors_is_noticed_though_another_is_right(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.script = of_another_model
    found = opened(endpoint, other)
    found.embed(["a"])
    found.embed(["b"])
    endpoint.digest = ANOTHER
    with pytest.raises(errors.ModelChanged, match=f"{endpoint.url} has") as caught:
        found.look_again()
    assert caught.value.since is not None


def gone(endpoint: ScriptedEndpoint) -> None:
    """Let an address be down, or have the model no more."""
    endpoint.models = ["another"]


@pytest.mark.parametrize("end", [ScriptedEndpoint.go_down, gone])
def test_an_address_that_cannot_be_looked_at_is_believed_where_another_confirms_its_vectors(
    endpoint: ScriptedEndpoint,
    other: ScriptedEndpoint,
    opened: Opener,
    end: Callable[[ScriptedEndpoint], None],
) -> None:
    found = opened(endpoint, other, attempts=1)
    found.embed(["a"])
    found.embed(["b"])
    end(endpoint)
    found.look_again()
    assert other.texts == ["b", "a"]
    if end is ScriptedEndpoint.go_down:
        endpoint.come_back()


def test_an_address_that_is_down_and_that_nobody_confirms_is_the_error(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint, other, attempts=1)
    endpoint.script = of_another_model
    found.embed(["a"])
    found.embed(["b"])
    endpoint.go_down()
    with pytest.raises(errors.ConnectionFailed, match=endpoint.url):
        found.look_again()
    endpoint.come_back()


def test_an_address_whose_model_is_gone_and_that_nobody_confirms_is_the_error(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint)
    found.embed(["a"])
    endpoint.models = ["another"]
    with pytest.raises(errors.ModelNotFound):
        found.look_again()


PAGE = Reply(200, b"<html>please wait</html>")


@pytest.mark.parametrize("reply", [error(500, "starting"), PAGE, error(503, BUSY)])
def test_an_address_that_does_not_answer_for_a_moment_is_looked_at_until_it_does(
    endpoint: ScriptedEndpoint, opened: Opener, reply: Reply
) -> None:
    found = opened(endpoint)
    found.embed(["a"])
    endpoint.paths["/api/tags"] = [reply]
    found.look_again()
    assert paths(endpoint).count("/api/tags") == 3
    endpoint.digest = ANOTHER
    found.look_again()  # it has given nothing since


def test_an_address_that_answers_with_a_page_at_the_start_is_no_endpoint(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.paths["/api/tags"] = PAGE
    with pytest.raises(errors.NotAnEndpoint):
        opened(endpoint).embed(["a"])
    assert endpoint.texts == []


@pytest.mark.usefixtures("look_each_time")
def test_an_address_that_answers_with_a_page_for_a_moment_is_asked_again(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint)
    found.embed(["a"])
    endpoint.paths["/api/tags"] = [PAGE]
    tries = found.embed(["b"])
    assert (tries.attempts, tries.faults) == (2, {"WrongAnswer": 1})


def test_the_vectors_of_texts_that_were_cut_are_looked_at_as_well(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint)
    found.embed(["word " * 400], truncate=True)
    endpoint.digest = ANOTHER
    with pytest.raises(errors.ModelChanged) as caught:
        found.look_again()
    assert caught.value.since is not None


def test_the_vectors_of_texts_that_were_cut_are_held_against_another_s_as_well(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.script = of_another_model
    found = opened(endpoint, other)
    found.embed(["a word " * 400], truncate=True)
    found.embed(["b"])
    endpoint.digest = ANOTHER
    with pytest.raises(errors.ModelChanged):
        found.look_again()


def test_a_vector_that_comes_while_the_model_is_looked_at_is_looked_at_once_more(
    endpoint: ScriptedEndpoint, opened: Opener, threads: ThreadPoolExecutor
) -> None:
    asked, answer = threading.Event(), threading.Event()
    body = f'{{"models":[{{"name":"all-minilm:latest","digest":"{DIGEST}"}}]}}'

    def look(connection: socket.socket) -> None:
        asked.set()
        assert answer.wait(30)
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        connection.sendall((head + body).encode())

    found = opened(endpoint, in_flight=2)
    found.embed(["a"])
    endpoint.script = held = Held()
    slow = threads.submit(found.embed, ["b"])
    held.wait()
    endpoint.paths["/api/tags"] = look
    looking = threads.submit(found.look_again)
    assert asked.wait(30)
    held.let_go.set()
    answer.set()
    looking.result()
    slow.result()
    endpoint.paths.clear()
    endpoint.digest = ANOTHER
    with pytest.raises(errors.ModelChanged):
        found.look_again()


# Faults of an address


def test_an_address_that_is_dead_at_the_start_is_done_without(
    endpoint: ScriptedEndpoint, dead: str, opened: Opener
) -> None:
    found = opened(dead, endpoint)
    first, second = found.embed(["a"]), found.embed(["b"])
    assert (first.attempts, first.faults) == (2, {"ConnectionFailed": 1})
    assert (second.attempts, second.faults) == (1, {})
    assert [one[:2] for one in first.failed_tries] == [("ConnectionFailed", dead)]
    assert first.address == second.address == endpoint.url
    rested = found.rested()
    assert rested.keys() == {dead}
    assert rested[dead] > 0
    assert endpoint.texts == ["a", "b"]


def test_where_every_address_is_dead_the_error_is_raised_with_all_its_tries(
    dead: str, opened: Opener
) -> None:
    found = opened(dead, dead.replace("127.0.0.1", "localhost"), attempts=3)
    with pytest.raises(errors.ConnectionFailed) as caught:
        found.embed(["a"])
    assert caught.value.attempts == 3
    assert caught.value.faults == {"ConnectionFailed": 3}
    assert {one.address for one in caught.value.failed_tries} == {
        dead,
        dead.replace("127.0.0.1", "localhost"),
    }


def test_an_address_that_is_alone_does_not_rest(endpoint: ScriptedEndpoint, opened: Opener) -> None:
    endpoint.script = at_first(error(503, BUSY))
    found = opened(endpoint)
    assert found.embed(["a"]).faults == {"Overloaded": 1}
    assert found.rested() == {}


@pytest.mark.usefixtures("no_rest")
def test_an_address_that_dies_and_comes_back_is_used_again(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint, other)
    found.embed(["a"])
    found.embed(["b"])
    endpoint.go_down()
    for text in ("c", "d", "e"):
        assert vector(found.embed([text])) == vector_of(text).tolist()
    assert (endpoint.texts, other.texts) == (["a"], ["b", "c", "d", "e"])
    endpoint.come_back()
    found.embed(["f"])
    assert (endpoint.texts, other.texts[4:]) == (["a", "f"], [])
    assert paths(endpoint).count("/api/tags") == 2


def test_a_busy_address_that_asks_to_wait_does_not_delay_the_other(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.script = lambda _: error(503, BUSY, **{"retry-after": "60"})
    found = opened(endpoint, other, total_seconds=30)
    tries = [found.embed([text]) for text in ("a", "b", "c")]
    assert [(one.attempts, one.throttled_s) for one in tries] == [(2, 0.0), (1, 0.0), (1, 0.0)]
    assert (endpoint.texts, other.texts) == (["a"], ["a", "b", "c"])


def test_who_comes_meanwhile_waits_as_long_as_a_busy_address_has_asked_for(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.script = at_first(error(503, BUSY, **{"retry-after": "1"}))
    found = opened(endpoint, in_flight=4, attempts=1)
    with pytest.raises(errors.Overloaded):
        found.embed(["a"])
    began = time.monotonic()
    tries = found.embed(["b"])
    assert (tries.attempts, endpoint.texts) == (1, ["a", "b"])
    assert 0.5 < tries.throttled_s <= time.monotonic() - began


def test_no_address_is_waited_for_longer_than_a_request_may_take(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.script = at_first(error(503, BUSY, **{"retry-after": "3600"}))
    found = opened(endpoint, total_seconds=0.5)
    with pytest.raises(errors.Overloaded):
        found.embed(["a"])
    assert vector(found.embed(["b"])) == vector_of("b").tolist()


def test_every_address_that_has_asked_for_it_is_left_alone(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.script = at_first(error(503, BUSY, **{"retry-after": "60"}))
    found = opened(endpoint, other, total_seconds=90)
    for text in ("a", "b", "c", "d"):
        found.embed([text])
    other.script = at_first(error(500, "out of order"))
    assert found.embed(["e"]).attempts == 2
    assert endpoint.texts == ["a"]


def test_where_every_address_is_busy_the_wait_is_counted_and_every_request_is(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.script, other.script = at_first(error(503, BUSY)), at_first(error(503, BUSY))
    tries = opened(endpoint, other).embed(["a"])
    assert tries.attempts == len(endpoint.requests) + len(other.requests) == 3
    assert tries.faults == {"Overloaded": 2}
    assert 0.0 < tries.throttled_s <= tries.lost_s


def test_a_fault_of_a_text_is_not_tried_at_another_address_where_one_try_was_asked_for(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.script = other.script = lambda _: error(500, "out of order")
    with pytest.raises(errors.ServerFault):
        opened(endpoint, other).embed(["a"], 1)
    assert endpoint.texts + other.texts == ["a"]


def hang(endpoint: ScriptedEndpoint) -> Script:
    """Return a script that never answers."""
    return lambda _: lambda _: endpoint.stopping.wait(30)


@pytest.mark.usefixtures("no_rest")
def test_a_text_that_hangs_is_sent_once_to_each_address_at_most(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.script, other.script = hang(endpoint), hang(other)
    found = opened(endpoint, other, read=0.2, attempts=6)
    with pytest.raises(errors.RequestTimedOut):
        found.embed(["a"], 1)
    assert (len(endpoint.texts) <= 1, len(other.texts) <= 1) == (True, True)


PERMANENT = [
    (error(404, MISSING), errors.ModelNotFound),
    (Reply(404, b"404 page not found"), errors.NotAnEndpoint),
    (error(401, "unauthorized"), errors.Unauthorized),
    (error(501, "this model does not support embeddings"), errors.CannotEmbed),
]


@pytest.mark.parametrize(("reply", "kind"), PERMANENT)
def test_an_address_that_fails_for_good_is_taken_out_and_told(
    endpoint: ScriptedEndpoint,
    other: ScriptedEndpoint,
    opened: Opener,
    caplog: pytest.LogCaptureFixture,
    reply: Reply,
    kind: type[errors.PermanentError],
) -> None:
    endpoint.script = lambda _: reply
    found = opened(endpoint, other)
    with caplog.at_level(logging.WARNING, "embed_pipeline"):
        tries = [found.embed([text]) for text in ("a", "b", "c")]
    assert [one.attempts for one in tries] == [2, 1, 1]
    assert tries[0].faults == {kind.__name__: 1}
    assert (endpoint.texts, other.texts) == (["a"], ["a", "b", "c"])
    (told,) = caplog.messages
    assert told.startswith(f"POST {endpoint.url}/api/embed: {reply.status}")
    assert told.endswith("; going on without this address")


@pytest.mark.parametrize(("reply", "kind"), PERMANENT)
def test_the_error_of_the_last_address_is_raised(
    endpoint: ScriptedEndpoint,
    other: ScriptedEndpoint,
    opened: Opener,
    reply: Reply,
    kind: type[errors.PermanentError],
) -> None:
    endpoint.script = other.script = lambda _: reply
    found = opened(endpoint, other)
    with pytest.raises(kind, match=other.url) as caught:
        found.embed(["a"])
    assert caught.value.attempts == 2
    with pytest.raises(kind, match=other.url):
        found.embed(["b"])
    assert (endpoint.texts, other.texts) == (["a"], ["a", "b"])


def test_a_request_that_is_refused_for_good_takes_no_address_out(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.script = other.script = at_first(error(400, "invalid input type"))
    found = opened(endpoint, other)
    with pytest.raises(errors.RequestRejected):
        found.embed(["a"])
    found.embed(["b"])
    found.embed(["c"])
    assert (endpoint.texts, other.texts) == (["a", "c"], ["b"])


def test_all_requests_that_were_under_way_where_an_address_is_taken_out_go_elsewhere(
    endpoint: ScriptedEndpoint,
    other: ScriptedEndpoint,
    opened: Opener,
    threads: ThreadPoolExecutor,
) -> None:
    def refuse_two_at_once(connection: socket.socket) -> None:
        together.wait()
        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")

    other.script = held = Held()
    together = threading.Barrier(2, held.let_go.set, timeout=30)
    endpoint.script = lambda _: refuse_two_at_once
    found = opened(endpoint, other, in_flight=2)
    futures = [threads.submit(found.embed, [text]) for text in "abcd"]
    assert [len(future.result().answer.vectors) for future in futures] == [1] * 4


# The pace


def fill(found: Pool, threads: ThreadPoolExecutor, number: int) -> None:
    """Send so many requests at once, and wait for their answers."""
    for future in [threads.submit(found.embed, [f"text {each}"]) for each in range(number)]:
        future.result()


@pytest.mark.parametrize("status", [503, 429])
def test_half_as_many_are_under_way_after_an_address_was_too_busy(
    endpoint: ScriptedEndpoint, opened: Opener, threads: ThreadPoolExecutor, status: int
) -> None:
    endpoint.script = at_first(error(status, BUSY))
    found = opened(endpoint, in_flight=4)
    assert found.embed(["a"]).attempts == 2
    endpoint.script = together = Together(2)
    fill(found, threads, 4)
    assert together.most == 2


def test_half_as_many_are_under_way_after_an_answer_that_did_not_come_in_time(
    endpoint: ScriptedEndpoint, opened: Opener, threads: ThreadPoolExecutor
) -> None:
    endpoint.script = hang(endpoint)
    found = opened(endpoint, in_flight=4, read=0.5)
    with pytest.raises(errors.RequestTimedOut):
        found.embed(["a"])
    endpoint.script = lambda _: None
    found.embed(["b"])
    endpoint.script = together = Together(2)
    fill(found, threads, 4)
    assert together.most == 2


def test_after_a_fault_one_request_at_a_time_is_sent_until_one_succeeds(
    endpoint: ScriptedEndpoint, opened: Opener, threads: ThreadPoolExecutor
) -> None:
    endpoint.script = hang(endpoint)
    found = opened(endpoint, in_flight=4, read=0.5)
    with pytest.raises(errors.RequestTimedOut):
        found.embed(["a"])
    endpoint.script = held = Held()
    futures = [threads.submit(found.embed, [text]) for text in "bcd"]
    held.wait()
    assert len(endpoint.requests) == 2
    held.let_go.set()
    for future in futures:
        future.result()
    assert sorted(endpoint.texts) == ["a", "b", "c", "d"]


def test_requests_that_were_under_way_together_halve_the_pace_once(
    endpoint: ScriptedEndpoint, opened: Opener, threads: ThreadPoolExecutor
) -> None:
    together = threading.Barrier(4, timeout=30)

    def refuse(connection: socket.socket) -> None:
        together.wait()
        connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")

    left = [refuse] * 4
    endpoint.script = lambda _: left.pop() if left else None
    found = opened(endpoint, in_flight=4)
    fill(found, threads, 4)
    endpoint.script = two = Together(2)
    fill(found, threads, 2)
    assert two.most == 2


def test_the_pace_recovers_up_to_the_setting(
    endpoint: ScriptedEndpoint, opened: Opener, threads: ThreadPoolExecutor
) -> None:
    endpoint.script = at_first(error(503, BUSY))
    found = opened(endpoint, in_flight=4)
    for number in range(40):
        found.embed([f"text {number}"])
    endpoint.script = together = Together(4)
    fill(found, threads, 8)
    assert together.most == 4


# Another model


def test_an_address_with_another_model_at_the_start_is_taken_out_before_its_first_text(
    endpoint: ScriptedEndpoint,
    other: ScriptedEndpoint,
    opened: Opener,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other.digest = ANOTHER
    found = opened(endpoint, other)
    with caplog.at_level(logging.WARNING, "embed_pipeline"):
        for text in ("a", "b", "c"):
            found.embed([text])
    assert (endpoint.texts, other.texts) == (["a", "b", "c"], [])
    (told,) = caplog.messages
    assert told == (
        f"{other.url} has the digest e2e2e2e2e2e2 as 'all-minilm', and the run began with the "
        "digest d1d1d1d1d1d1 with a context of 256 tokens: their vectors do not compare; going on "
        "without this address"
    )


def test_an_address_with_the_same_digest_and_other_vectors_is_taken_out_at_the_start(
    endpoint: ScriptedEndpoint,
    other: ScriptedEndpoint,
    opened: Opener,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other.engine = "another version's "
    found = opened(endpoint, other)
    with caplog.at_level(logging.WARNING, "embed_pipeline"):
        for text in ("a", "b", "c"):
            found.embed([text])
    assert (endpoint.texts, other.texts) == (["a", "b", "c"], [])
    (told,) = caplog.messages
    assert told.endswith(
        "they are the same, but give short texts other vectors, as versions of a server may; "
        "going on without this address"
    )
    assert told.startswith(f"{other.url} has the digest d1d1d1d1d1d1 with ")


def test_an_address_with_the_same_digest_that_gives_other_vectors_on_the_way_ends_the_run(
    endpoint: ScriptedEndpoint,
    other: ScriptedEndpoint,
    opened: Opener,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = opened(endpoint, other)
    began = time.time()
    for text in ("a", "b"):
        found.embed([text])
    right = time.time()
    endpoint.engine = "another version's "
    for text in ("c", "d"):
        found.embed([text])
    monkeypatch.setattr(pool, "LOOK_SECONDS", 0.0)
    with pytest.raises(errors.ModelChanged, match=r"they are the same, but.*away") as caught:
        found.embed(["e"])
    assert caught.value.since is not None
    assert began <= caught.value.since <= right


@pytest.mark.usefixtures("look_each_time")
def test_an_address_that_gives_other_vectors_only_after_its_last_ones_is_taken_out(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint, other)
    for text in ("a", "b"):
        found.embed([text])
    endpoint.engine = "another version's "
    for text in ("c", "d"):
        assert vector(found.embed([text])) == vector_of(text).tolist()
    assert (endpoint.texts, other.texts) == (["a"], ["b", "a", "c", "d"])


def test_an_address_that_reads_less_at_the_start_is_taken_out(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    other.told_context = 128
    found = opened(endpoint, other)
    for text in ("a", "b", "c"):
        found.embed([text])
    assert (endpoint.texts, other.texts) == (["a", "b", "c"], [])


@pytest.mark.usefixtures("look_each_time")
def test_an_address_whose_model_is_removed_is_taken_out(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint, other)
    found.embed(["a"])
    found.embed(["b"])
    endpoint.models = ["another"]
    found.embed(["c"])
    found.embed(["d"])
    assert (endpoint.texts, other.texts) == (["a"], ["b", "c", "d"])


@pytest.mark.usefixtures("look_each_time")
def test_an_address_whose_model_changed_is_taken_out_where_another_confirms_its_last_vectors(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint, other)
    for text in ("a", "b", "c", "d"):
        found.embed([text, "more"])
    endpoint.digest = ANOTHER
    for text in ("e", "f"):
        assert vector(found.embed([text])) == vector_of(text).tolist()
    assert [request["input"] for request in endpoint.requests] == [["a", "more"], ["c", "more"]]
    inputs = [request["input"] for request in other.requests]
    assert inputs == [["b", "more"], ["d", "more"], ["a", "c"], ["e"], ["f"]]


@pytest.mark.usefixtures("no_rest")
def test_a_model_that_changed_in_a_restart_is_noticed_at_once(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint, other)
    found.embed(["a"])
    found.embed(["b"])
    endpoint.go_down()
    found.embed(["c"])
    endpoint.digest = ANOTHER
    endpoint.come_back()
    for text in ("d", "e"):
        found.embed([text])
    assert endpoint.texts == ["a"]
    assert other.texts == ["b", "c", "a", "d", "e"]


def test_a_model_that_changed_and_has_given_vectors_ends_the_run_and_tells_since_when(
    endpoint: ScriptedEndpoint,
    other: ScriptedEndpoint,
    opened: Opener,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = opened(endpoint, other)
    began = time.time()
    for text in ("a", "b"):
        found.embed([text])
    right = time.time()
    endpoint.script, endpoint.digest = of_another_model, ANOTHER
    for text in ("c", "d"):
        found.embed([text])
    monkeypatch.setattr(pool, "LOOK_SECONDS", 0.0)
    with pytest.raises(errors.ModelChanged, match=f"{endpoint.url} has.*thrown away") as caught:
        found.embed(["e"])
    assert caught.value.since is not None
    assert began <= caught.value.since <= right
    assert endpoint.texts == ["a", "c"]


@pytest.mark.usefixtures("look_each_time")
def test_a_model_that_changed_ends_the_run_where_no_other_address_can_confirm(
    endpoint: ScriptedEndpoint, dead: str, opened: Opener
) -> None:
    found = opened(dead, endpoint)
    found.embed(["a"])
    endpoint.digest = ANOTHER
    with pytest.raises(errors.ModelChanged) as caught:
        found.embed(["b"])
    assert caught.value.since is not None
    assert endpoint.texts == ["a"]


@pytest.mark.usefixtures("look_each_time")
def test_the_vector_of_a_text_that_was_cut_there_can_be_confirmed_as_well(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    found = opened(endpoint, other)
    found.embed(["word " * 400], truncate=True)
    found.embed(["b"])
    endpoint.digest = ANOTHER
    assert vector(found.embed(["c"])) == vector_of("c").tolist()


# What it tells of them


def test_it_tells_how_each_address_is(
    endpoint: ScriptedEndpoint, dead: str, opened: Opener, threads: ThreadPoolExecutor
) -> None:
    endpoint.script = held = Held()
    found = opened(dead, endpoint, in_flight=2)
    under_way = threads.submit(found.embed, ["a"])
    held.wait()
    health = found.health()
    held.let_go.set()
    under_way.result()
    down, well = health.addresses
    assert (down.state, down.in_flight, down.faults) == ("resting", 0, {"ConnectionFailed": 1})
    assert (well.state, well.in_flight, well.faults) == ("well", 1, {})
    assert (health.waiting, health.retries) == (0, 1)
    assert found.health().in_flight == 0


def test_it_tells_of_an_address_that_was_taken_out(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, opened: Opener
) -> None:
    other.digest = ANOTHER
    found = opened(endpoint, other)
    for text in ("a", "b", "c"):
        found.embed([text])
    assert [one.state for one in found.health().addresses] == ["well", "gone"]


def test_it_tells_of_requests_that_wait_for_room(
    endpoint: ScriptedEndpoint, opened: Opener, threads: ThreadPoolExecutor
) -> None:
    endpoint.script = held = Held()
    found = opened(endpoint, in_flight=1)
    futures = [threads.submit(found.embed, [text]) for text in ("a", "b", "c")]
    held.wait()
    while found.health().waiting < 2:  # until the others have come to it
        pass
    assert found.health().in_flight == 1
    held.let_go.set()
    assert [len(future.result().answer.vectors) for future in futures] == [1, 1, 1]
