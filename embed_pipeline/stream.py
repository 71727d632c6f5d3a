"""A stream of documents through an embedder: batches are filled, and requests kept under way."""

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


class _Waiting(NamedTuple, Generic[T]):
    """Hold one document, by its place in the stream, whose text is ready to be sent."""

    place: int
    document: Document
    tag: T
    text: Prepared


WINDOW = 8  # requests among which texts of similar length are brought together


class EmbedStream(Generic[T]):
    """Embed documents as they come, with several requests under way.

    Results come in the order of the documents. What is buffered is bounded by `batching`: one batch
    of texts to count, one being filled, and `in_flight` under way; where the embedder groups texts
    of similar length, WINDOW batches to count, and as many results that wait for earlier ones.

    Args:
        embedder: To send with.
        batching: Bounds of a request, and how many are under way.
        observe: Called with each request's results and effort, from the thread that calls here.
    """

    def __init__(self, embedder: Embedder, batching: Batching, observe: Observer) -> None:
        self._embedder = embedder
        self._batching = batching
        self._observe = observe
        self._incoming: Batcher[tuple[Document, T]] | None = None
        self._ready: Batcher[_Waiting[T]] = Batcher(
            batching.max_texts, batching.max_chars, batching.max_tokens
        )
        self._under_way: deque[tuple[list[_Waiting[T]], Future[Outcome]]] = deque()
        self._prepared = 0  # documents that have their place
        self._shortest_first = True
        self._done: dict[int, Done[T]] = {}  # by place, what waits for an earlier one
        self._given = 0

    def add(self, document: Document, tag: T) -> list[Done[T]]:
        """Take a document and what belongs to it; return what is done meanwhile.

        Raises:
            EndpointError, ConfigError: As `embed_texts` and `find_limits` do.
        """
        if self._incoming is None:
            requests = WINDOW if self._embedder.groups else 1
            batching = self._batching
            self._incoming = Batcher(requests * batching.max_texts, requests * batching.max_chars)
        incoming = self._incoming.add((document, tag), len(document.text))
        if incoming is not None:
            self._prepare(incoming)
        elif self._under_way and self._under_way[0][1].done():
            self._collect()
        return self._in_order()

    def finish(self) -> Iterator[Done[T]]:
        """Send what is buffered, and wait for every answer."""
        incoming = self._incoming.flush() if self._incoming else []
        if incoming:
            self._prepare(incoming)
        ready = self._ready.flush()
        if ready:
            self._submit(ready)
        yield from self._in_order()
        while self._under_way:
            self._collect()
            yield from self._in_order()

    def _prepare(self, incoming: list[tuple[Document, T]]) -> None:
        """Make documents ready to be sent, and send the requests they complete."""
        prepared = self._embedder.prepare([document.text for document, _ in incoming])
        ready: list[_Waiting[T]] = []
        for (document, tag), text in zip(incoming, prepared, strict=True):
            place, self._prepared = self._prepared, self._prepared + 1
            if isinstance(text, TextTooLong):
                self._done[place] = Done(document, tag, "", Failure(text, 0))
            else:
                ready.append(_Waiting(place, document, tag, text))
        for one in self._grouped(ready):
            full = self._ready.add(one, len(one.text.text), self._embedder.weight(one.text))
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
        """Send a batch; with too many under way, wait for the oldest and collect its results."""
        waited = len(self._under_way) >= self._batching.in_flight
        if waited:
            self._under_way[0][1].exception()  # wait, but send before the rows go on
        self._under_way.append((batch, self._embedder.submit([one.text for one in batch])))
        if waited:
            self._collect()

    def _collect(self) -> None:
        """Wait for the oldest request and put its results where they belong."""
        batch, future = self._under_way.popleft()
        results, effort = future.result()
        self._observe(results, effort)
        for one, result in zip(batch, results, strict=True):
            self._done[one.place] = Done(one.document, one.tag, one.text.text, result)

    def _in_order(self) -> list[Done[T]]:
        """Return what is done, as far as nothing before it is missing."""
        found = []
        while self._given in self._done:
            found.append(self._done.pop(self._given))
            self._given += 1
        return found


def _length(one: _Waiting[T]) -> int:
    """Return what texts are grouped by: tokens, or characters where those are not known."""
    return len(one.text.text) if one.text.tokens is None else one.text.tokens
