"""A stream of documents through an embedder: batches are filled, and requests kept under way."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeVar

from embed_pipeline.batching import Batcher
from embed_pipeline.embedder import Embedder
from embed_pipeline.endpoint import Batching
from embed_pipeline.errors import TextTooLong
from embed_pipeline.outcomes import Effort, Failure, Outcome, Vector
from embed_pipeline.records import Document
from embed_pipeline.sizing import Prepared

T = TypeVar("T")
Observer = Callable[[Sequence[Vector | Failure], Effort], None]


class Done(NamedTuple, Generic[T]):
    """Hold what became of one document.

    Attributes:
        document: The document.
        tag: What was given with it.
        sent: What was sent of it, prefix and all; "" where nothing was.
        result: Its vector, or why it has none.
    """

    document: Document
    tag: T
    sent: str
    result: Vector | Failure


# A document by its place in the stream, whose text is ready to be sent.
_Waiting = tuple[int, Document, T, Prepared]

AHEAD = 256  # requests whose results may wait for an earlier one
WINDOW = 8  # requests among which texts of similar length are brought together


class EmbedStream(Generic[T]):
    """Embed documents as they come, with several requests under way.

    Results come in the order of the documents. What is buffered is bounded by `batching`: one batch
    of texts to count, one being filled, `in_flight` under way, and AHEAD that wait for an earlier
    one, as behind a text that is never answered; where the embedder groups texts
    of similar length, WINDOW batches to count, and as many results that wait for earlier ones.

    Args:
        embedder: To send with.
        batching: Bounds of a request, and how many are under way.
        observe: Called with each request's results and effort, from the thread that calls here.

    Attributes:
        opening_s: How long it waited until the endpoint had loaded the model and was known.
        loading_s: How much of that was for the request that loads the model.
        blocked_s: How long it waited for requests, in seconds.
    """

    def __init__(self, embedder: Embedder, batching: Batching, observe: Observer) -> None:
        self._embedder = embedder
        self._batching = batching
        self._observe = observe
        self._incoming: list[Document] = []
        self._tags: list[T] = []  # of what is incoming
        self._incoming_chars = 0
        self._window = 0  # texts that are counted at once; known once the endpoint is
        self._ready: Batcher[_Waiting[T]] = Batcher(
            batching.max_texts, batching.max_chars, batching.max_tokens
        )
        self._under_way: deque[tuple[list[_Waiting[T]], Future[Outcome]]] = deque()
        self._prepared = 0  # documents that have their place
        self._shortest_first = True
        self._done: dict[int, Done[T]] = {}  # by place, what waits for an earlier one
        self._given = 0
        self._given_up = threading.Event()
        self._room = threading.Semaphore(embedder.in_flight)
        self._broken: Future[Outcome] | None = None
        self.opening_s = self.loading_s = 0.0
        self.blocked_s = 0.0

    def add(self, document: Document, tag: T) -> Sequence[Done[T]]:
        """Take a document and what belongs to it; return what is done meanwhile.

        Raises:
            EndpointError, ConfigError: As `embed_texts` and `find_limits` do.
        """
        if not self._window:
            began = time.monotonic()
            self._window = WINDOW if self._embedder.groups else 1
            self.opening_s = time.monotonic() - began
            self.loading_s = self._embedder.loading_s(began)
            self._most_texts = self._window * self._batching.max_texts
            self._most_chars = self._window * self._batching.max_chars
        self._incoming.append(document)
        self._tags.append(tag)
        self._incoming_chars += len(document.text)
        few = len(self._incoming) < self._most_texts
        if few and self._incoming_chars < self._most_chars:
            return ()
        self._prepare()
        return self._in_order()

    def finish(self) -> Iterator[Done[T]]:
        """Send what is buffered, and wait for every answer."""
        if self._incoming:
            self._prepare()
        ready = self._ready.flush()
        if ready:
            self._submit(ready)
        yield from self._in_order()
        while self._under_way:
            self._collect()
            yield from self._in_order()

    def rest(self) -> Iterator[Done[T]]:
        """Return what is done already, after an error: in order, but with gaps.

        Requests that are under way are waited for; what is buffered is not sent.
        """
        self._given_up.set()
        for batch, future in self._under_way:
            if future.exception() is None:
                self._take(batch, future.result())
        self._under_way.clear()
        for place in sorted(self._done):
            yield self._done.pop(place)

    def _prepare(self) -> None:
        """Make documents ready to be sent, and send the requests they complete."""
        incoming, self._incoming, self._incoming_chars = self._incoming, [], 0
        tags, self._tags = self._tags, []
        prepared = self._embedder.prepare([document.text for document in incoming])
        ready: list[_Waiting[T]] = []
        places = range(self._prepared, self._prepared + len(incoming))
        for place, document, tag, text in zip(places, incoming, tags, prepared, strict=True):
            if isinstance(text, TextTooLong):
                self._done[place] = Done(document, tag, "", Failure(text, 0))
            else:
                ready.append((place, document, tag, text))
        self._prepared += len(incoming)
        ready = self._grouped(ready)
        self._ready.max_count = min(self._batching.max_texts, self._embedder.max_texts)
        texts = [text for _, _, _, text in ready]
        weights, add = self._embedder.weights(texts), self._ready.add
        for one, text, weight in zip(ready, texts, weights, strict=True):
            full = add(one, len(text.text), weight)
            if full is not None:
                self._submit(full)

    def _grouped(self, ready: list[_Waiting[T]]) -> list[_Waiting[T]]:
        """Return texts in the order they are sent in: by length, where the embedder groups them.

        Each window goes the other way, so that the last texts of one fit the first of the next.
        """
        if not self._embedder.groups:
            return ready
        self._shortest_first = not self._shortest_first
        return sorted(ready, key=_length, reverse=not self._shortest_first)

    def _submit(self, batch: list[_Waiting[T]]) -> None:
        """Send a batch once there is room, and collect what is done, as far as it is in order.

        A request that takes long holds up the rows behind it, but not the requests: up to AHEAD of
        them wait with their results.
        """
        if not self._room.acquire(blocking=False):
            began = time.monotonic()
            self._room.acquire()
            self.blocked_s += time.monotonic() - began
        if self._broken is not None:
            self._broken.result()  # raises; an earlier request may be waited for much longer
        texts = [text for _, _, _, text in batch]
        future = self._embedder.submit(texts, self._given_up)
        future.add_done_callback(self._ended)
        self._under_way.append((batch, future))
        if len(self._under_way) > AHEAD:
            self._collect()
        while self._under_way and self._under_way[0][1].done():
            self._collect()

    def _ended(self, future: Future[Outcome]) -> None:
        """Make room for another request, from the thread that ended one."""
        if not future.cancelled() and future.exception() is not None:
            self._broken = future
        self._room.release()

    def _collect(self) -> None:
        """Wait for the oldest request and put its results where they belong."""
        batch, future = self._under_way.popleft()
        began = time.monotonic()
        outcome = future.result()
        self.blocked_s += time.monotonic() - began
        self._take(batch, outcome)

    def _take(self, batch: list[_Waiting[T]], outcome: Outcome) -> None:
        """Put a request's results where they belong."""
        results, effort = outcome
        self._observe(results, effort)
        done = self._done
        for (place, document, tag, text), result in zip(batch, results, strict=True):
            done[place] = Done(document, tag, text.text, result)

    def _in_order(self) -> list[Done[T]]:
        """Return what is done, as far as nothing before it is missing."""
        waiting, place = self._done, self._given
        found = []
        while place in waiting:
            found.append(waiting.pop(place))
            place += 1
        self._given = place
        return found


def _length(one: _Waiting[T]) -> int:
    """Return what texts are grouped by: tokens, or characters where those are not known."""
    text = one[3]
    return len(text.text) if text.tokens is None else text.tokens
