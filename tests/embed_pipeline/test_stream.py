"""A stream of documents: batches are filled, requests kept under way, results come in order."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

import pytest

from embed_pipeline import errors, stream
from embed_pipeline.embedder import Embedder
from embed_pipeline.endpoint import Batching, Endpoint, Retry, Timeouts
from embed_pipeline.outcomes import Effort, Failure, Outcome, Vector
from embed_pipeline.records import Document
from embed_pipeline.sizing import Prepared
from embed_pipeline.stream import Done, EmbedStream
from embed_pipeline.tokens import Tokens
from tests.support.scripted import (
    WORDS,
    Reply,
    Script,
    ScriptedEndpoint,
    Together,
    embedded,
    error,
    vector_of,
)


class Watched(Embedder):
    """Remember each request's future, and how many were under way when the next one came."""

    futures: list[Future[Outcome]]
    under_way: list[int]

    def submit(self, texts: Sequence[Prepared], given_up: threading.Event) -> Future[Outcome]:
        self.under_way.append(sum(not future.done() for future in self.futures))
        future = super().submit(texts, given_up)
        self.futures.append(future)
        return future


class Stream:
    """Hold a stream, its embedder, and what it let be observed."""

    def __init__(
        self, endpoint: ScriptedEndpoint, batching: Batching, tokens: Tokens, read: float
    ) -> None:
        timeouts = Timeouts(read=read)
        settings = Endpoint(url=endpoint.url, model="all-minilm", timeouts=timeouts)
        self.embedder = Watched(settings, batching, Retry(attempts=1), tokens)
        self.embedder.futures, self.embedder.under_way = [], []
        self.observed: list[tuple[int, Effort]] = []
        self.threads: set[str] = set()
        self.stream: EmbedStream[int] = EmbedStream(self.embedder, batching, self._observe)
        self._added = 0

    def _observe(self, results: Sequence[Vector | Failure], effort: Effort) -> None:
        self.observed.append((len(results), effort))
        self.threads.add(threading.current_thread().name)

    def add(self, text: str) -> list[Done[int]]:
        self._added += 1
        return list(self.stream.add(Document(f"id of {text}", text), self._added))

    def all(self, texts: Sequence[str]) -> list[Done[int]]:
        done = [one for text in texts for one in self.add(text)]
        return done + list(self.stream.finish())


Opener = Callable[..., Stream]


@pytest.fixture
def opened(endpoint: ScriptedEndpoint) -> Iterator[Opener]:
    """Return a function that opens a stream with these settings of batching and tokens."""
    streams: list[Stream] = []

    def start(tokens: Tokens | None = None, read: float = 120.0, **batching: int) -> Stream:
        streams.append(Stream(endpoint, Batching(**batching), tokens or Tokens(), read))
        return streams[-1]

    yield start
    for one in streams:
        one.embedder.close()


def sent(endpoint: ScriptedEndpoint) -> list[list[str]]:
    """Return each request's texts, by their first: requests under way may overtake each other."""
    return sorted(request["input"] for request in endpoint.requests)


def in_turn(endpoint: ScriptedEndpoint) -> list[list[str]]:
    """Return each request's texts, where one request was under way at a time."""
    return [request["input"] for request in endpoint.requests]


def vectors(done: list[Done[int]]) -> list[list[float] | None]:
    return [one.result.vector.tolist() if isinstance(one.result, Vector) else None for one in done]


def test_results_come_in_the_order_of_the_documents_each_with_its_own_vector(
    opened: Opener,
) -> None:
    texts = [f"text {number:02}" for number in range(50)]
    done = opened(max_texts=4, in_flight=3).all(texts)
    assert [one.document for one in done] == [Document(f"id of {text}", text) for text in texts]
    assert vectors(done) == [vector_of(text).tolist() for text in texts]


def test_each_document_keeps_what_was_given_with_it(opened: Opener) -> None:
    assert [one.tag for one in opened(max_texts=2).all(["a", "b", "c"])] == [1, 2, 3]


def test_what_was_sent_is_told_prefix_and_all(opened: Opener) -> None:
    (done,) = opened(Tokens(prefix="query: ")).all(["the sky"])
    assert (done.document.text, done.sent) == ("the sky", "query: the sky")
    assert vectors([done]) == [vector_of("query: the sky").tolist()]


def test_requests_are_bounded_by_texts(endpoint: ScriptedEndpoint, opened: Opener) -> None:
    opened(max_texts=3).all(["a", "b", "c", "d", "e", "f", "g"])
    assert sent(endpoint) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]


def test_requests_are_bounded_by_characters(endpoint: ScriptedEndpoint, opened: Opener) -> None:
    opened(max_chars=4).all(["aa", "bb", "c", "dddd", "ee", "fff"])
    assert sent(endpoint) == [["aa", "bb"], ["c"], ["dddd"], ["ee"], ["fff"]]


def test_characters_of_the_prefix_are_counted(endpoint: ScriptedEndpoint, opened: Opener) -> None:
    opened(Tokens(prefix="q: "), max_chars=8).all(["a", "b", "c"])
    assert sent(endpoint) == [["q: "], ["q: a", "q: b"], ["q: c"]]  # the first to count the prefix


def test_requests_are_bounded_by_tokens(endpoint: ScriptedEndpoint, opened: Opener) -> None:
    endpoint.vocabulary = WORDS
    opened(max_tokens=8).all(["a b", "c d", "e f", "g h i j", "k"])
    assert sent(endpoint) == [["a b", "c d"], ["e f"], ["g h i j"], ["k"]]


def test_a_text_of_more_tokens_than_a_request_may_have_goes_alone(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.vocabulary = WORDS
    opened(max_tokens=8).all(["a", "b", "c d e f g h i j", "k", "l"])
    assert sent(endpoint) == [["a", "b"], ["c d e f g h i j"], ["k", "l"]]


def test_a_text_that_may_be_too_long_goes_alone_where_the_tokenizer_is_not_known(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.told_context = endpoint.context = 10
    long = "c" * 31
    opened().all(["a", "b", long, "d", "e"])
    assert sent(endpoint) == [["a", "b"], [long], ["d", "e"]]


def test_texts_that_are_surely_short_enough_go_together_where_the_tokenizer_is_not_known(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.told_context = endpoint.context = 10
    texts = ["a" * 30, "b" * 30, "c" * 30]
    opened(max_tokens=10).all(texts)
    assert sent(endpoint) == [texts]


def test_a_text_that_may_not_be_cut_is_refused_in_its_place_and_never_sent(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.vocabulary, endpoint.told_context, endpoint.context = WORDS, 6, 6
    stream = opened(Tokens(on_too_long="fail"), max_texts=3)
    first, done, last = stream.all(["a", "one two three four five", "b"])
    assert (first.sent, last.sent) == ("a", "b")
    assert endpoint.texts == ["a", "b"]
    assert (done.document.id, done.tag, done.sent) == ("id of one two three four five", 2, "")
    assert isinstance(done.result, Failure)
    assert isinstance(done.result.error, errors.TextTooLong)
    assert done.result.attempts == 0


def test_requests_are_filled_up_with_what_comes_after_a_refused_text(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.vocabulary, endpoint.told_context, endpoint.context = WORDS, 6, 6
    long = "one two three four five"
    done = opened(Tokens(on_too_long="fail"), max_texts=2).all(["a", long, "b", "c", "d", long])
    assert sent(endpoint) == [["a", "b"], ["c", "d"]]
    assert [one.tag for one in done] == [1, 2, 3, 4, 5, 6]


def test_a_text_that_cannot_be_embedded_is_a_failure_in_its_place(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.script = lambda texts: error(500, "unknown") if "b" in texts else None
    done = opened(max_texts=3).all(["a", "b", "c"])
    assert vectors(done) == [vector_of("a").tolist(), None, vector_of("c").tolist()]
    assert [one.sent for one in done] == ["a", "b", "c"]


def test_as_many_requests_are_under_way_as_allowed_and_no_more(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.script = together = Together(3)
    stream = opened(max_texts=1, in_flight=3)
    assert len(stream.all([f"text {number}" for number in range(12)])) == 12
    assert together.most == 3
    assert max(stream.embedder.under_way) == 2


def test_each_request_is_observed_once_from_the_thread_that_adds(opened: Opener) -> None:
    stream = opened(max_texts=2)
    stream.all(["a", "b", "c d", "e", "f"])
    assert [results for results, _ in stream.observed] == [2, 2, 1]
    assert [effort.tokens for _, effort in stream.observed] == [6, 7, 3]
    assert stream.threads == {threading.current_thread().name}


def test_the_time_it_was_blocked_is_told_and_that_until_the_model_was_known(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    answered = threading.Event()
    endpoint.script = lambda texts: None if texts != ["a"] or answered.wait(60) else error(500, "")
    stream = opened(max_texts=1, in_flight=1)
    assert (stream.stream.opening_s, stream.stream.blocked_s) == (0.0, 0.0)
    stream.add("a")
    opening = stream.stream.opening_s
    assert 0 < stream.stream.loading_s < opening
    assert stream.stream.blocked_s == 0.0  # there was room
    answered.set()
    stream.all(["b", "c"])
    assert stream.stream.opening_s == opening
    assert stream.stream.blocked_s > 0


def test_when_a_request_ended_is_told(opened: Opener) -> None:
    before = time.time()
    stream = opened()
    stream.all(["a"])
    assert [before <= effort.ended <= time.time() for _, effort in stream.observed] == [True]


def test_without_documents_nothing_is_sent(endpoint: ScriptedEndpoint, opened: Opener) -> None:
    assert opened().all([]) == []
    assert endpoint.exchanges == []


def test_what_concerns_every_text_ends_the_stream(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.script = lambda _: error(401, "unauthorized")
    stream = opened()
    stream.add("a")
    with pytest.raises(errors.Unauthorized):
        list(stream.stream.finish())


def refusing(text: str) -> Script:
    """Return a script that refuses every request with this text, whoever asks."""
    return lambda texts: error(401, "unauthorized") if text in texts else None


def test_after_an_error_what_is_done_is_given_out_in_order(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.script = refusing("c")
    stream = opened(max_texts=2, in_flight=1)
    done = [one for text in ("a", "b", "c", "d") for one in stream.add(text)]
    with pytest.raises(errors.Unauthorized):
        list(stream.stream.finish())
    done += stream.stream.rest()
    assert [one.document.text for one in done] == ["a", "b"]
    assert vectors(done) == [vector_of("a").tolist(), vector_of("b").tolist()]
    assert list(stream.stream.rest()) == []


def test_after_an_error_what_is_under_way_is_waited_for(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    together = threading.Barrier(3, timeout=30)

    def first_three(texts: list[str]) -> Callable[[socket.socket], None] | None:
        reply = error(401, "unauthorized") if texts == ["a"] else embedded(texts)

        def act(connection: socket.socket) -> None:
            together.wait()
            head = f"HTTP/1.1 {reply.status} -\r\ncontent-length: {len(reply.body)}\r\n"
            connection.sendall(f"{head}connection: close\r\n\r\n".encode() + reply.body)

        return act if texts[0] in "abc" else None

    endpoint.script = first_three
    stream = opened(max_texts=1, in_flight=3)
    for text in ("a", "b", "c"):
        stream.add(text)
    with pytest.raises(errors.Unauthorized):  # once there is room for d, or at the end
        _ = [*stream.add("d"), *stream.stream.finish()]
    done = list(stream.stream.rest())
    assert [one.document.text for one in done] in (["b", "c"], ["b", "c", "d"])
    assert [one.tag for one in done][:2] == [2, 3]
    assert len(done) == len(endpoint.texts) - 1 == sum(results for results, _ in stream.observed)


def test_what_hangs_makes_the_next_requests_smaller(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.script = lambda texts: (
        (lambda _: endpoint.stopping.wait(30)) if len(texts) > 2 else None
    )
    stream = opened(max_texts=4, in_flight=1, read=0.5)
    done = stream.all([f"text {number}" for number in range(12)])
    assert None not in vectors(done)
    assert [len(texts) for texts in in_turn(endpoint) if len(texts) > 2] == [4, 4]


def answered(texts: list[str]) -> bytes:
    """Return a whole HTTP answer after which the connection ends."""
    body = embedded(texts).body
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode() + body


def test_one_text_that_hangs_does_not_keep_the_others_from_being_embedded(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    enough, came_in_time = threading.Event(), []

    def hang(connection: socket.socket) -> None:
        came_in_time.append(enough.wait(30))
        connection.sendall(answered(["hangs"]))

    def script(texts: list[str]) -> Callable[[socket.socket], None] | None:
        if len(endpoint.texts) > 30:
            enough.set()
        return hang if texts == ["hangs"] else None

    endpoint.script = script
    texts = ["hangs", *(f"text {number:02}" for number in range(40))]
    done = opened(max_texts=1, in_flight=2).all(texts)
    assert came_in_time == [True]
    assert [one.document.text for one in done] == texts
    assert vectors(done) == [vector_of(text).tolist() for text in texts]


def test_an_error_is_noticed_though_an_earlier_request_hangs(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    refused = threading.Event()

    def script(texts: list[str]) -> Callable[[socket.socket], object] | Reply:
        if texts == ["hangs"]:
            return lambda _: refused.wait(30)
        return error(401, "unauthorized")

    endpoint.script = script
    texts = ["hangs", *(f"text {number:02}" for number in range(40))]
    with pytest.raises(errors.Unauthorized):
        opened(max_texts=1, in_flight=2).all(texts)
    refused.set()
    assert len(endpoint.requests) < 10


def test_no_more_than_so_many_requests_wait_behind_one_that_hangs(
    endpoint: ScriptedEndpoint, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "AHEAD", 4)
    endpoint.script = lambda texts: (
        (lambda _: endpoint.stopping.wait(30)) if texts == ["hangs"] else None
    )
    found, submitted = opened(max_texts=1, in_flight=2, read=0.5), []
    futures = found.embedder.futures
    texts = ["hangs", *(f"text {number:02}" for number in range(40))]
    done = []
    for text in texts:
        done += found.add(text)
        if text == texts[2]:
            futures[0].add_done_callback(lambda _: submitted.append(len(futures)))
    done += found.stream.finish()
    assert submitted == [4 + 1]
    assert [one.document.text for one in done] == texts
    assert vectors(done) == [None, *(vector_of(text).tolist() for text in texts[1:])]


VERSION_OF_ONE_THAT_PADS = Reply(200, b'{"version": "0.30.0-embedded.0.1.0"}')


def test_an_endpoint_that_pads_gets_texts_of_similar_length_together(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.paths["/api/version"] = VERSION_OF_ONE_THAT_PADS
    texts = ["word " * (1 + number % 4) + f"{number:02}" for number in range(18)]
    done = opened(max_texts=2, in_flight=1).all(texts)
    words = [[len(text.split()) for text in request] for request in in_turn(endpoint)]
    window = [[5, 5], [5, 5], [4, 4], [4, 4], [3, 3], [3, 3], [2, 2], [2, 2]]
    assert words == [*window, [2, 3]]
    assert [one.document.text for one in done] == texts
    assert [one.tag for one in done] == list(range(1, 19))


def test_the_next_window_goes_on_with_the_lengths_the_last_one_ended_with(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    endpoint.paths["/api/version"] = VERSION_OF_ONE_THAT_PADS
    texts = ["word " * (1 + number % 4) + f"{number:02}" for number in range(48)]
    opened(max_texts=3, in_flight=1).all(texts)
    firsts = [len(request[0].split()) for request in in_turn(endpoint)]
    assert firsts == [5, 5, 4, 4, 3, 3, 2, 2, 2, 2, 3, 3, 4, 4, 5, 5]


def test_an_endpoint_that_computes_one_text_after_the_other_gets_them_as_they_come(
    endpoint: ScriptedEndpoint, opened: Opener
) -> None:
    texts = ["a b c d", "a", "b c d e", "b"]
    opened(max_texts=2).all(texts)
    assert sent(endpoint) == [texts[:2], texts[2:]]
