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
    """Hold one document whose text is ready to be sent."""

    document: Document
    tag: T
    text: Prepared


class EmbedStream(Generic[T]):
    """Embed documents as they come, with several requests under way.

    What is buffered is bounded by `batching`: one batch of texts to count, one being filled, and
    `in_flight` under way. Results come in the order of the documents, but for texts that are
    refused as too long before they are sent, which come at once.

    Args:
        embedder: To send with.
        batching: Bounds of a request, and how many are under way.
        observe: Called with each request's results and effort, from the thread that calls here.
    """

    def __init__(self, embedder: Embedder, batching: Batching, observe: Observer) -> None:
        self._embedder = embedder
        self._batching = batching
        self._observe = observe
        self._incoming: Batcher[tuple[Document, T]] = Batcher(
            batching.max_texts, batching.max_chars
        )
        self._ready: Batcher[_Waiting[T]] = Batcher(
            batching.max_texts, batching.max_chars, batching.max_tokens
        )
        self._under_way: deque[tuple[list[_Waiting[T]], Future[Outcome]]] = deque()

    def add(self, document: Document, tag: T) -> list[Done[T]]:
        """Take a document and what belongs to it; return what is done meanwhile.

        Raises:
            EndpointError, ConfigError: As `embed_texts` and `find_limits` do.
        """
        incoming = self._incoming.add((document, tag), len(document.text))
        if incoming is not None:
            return self._prepare(incoming)
        if self._under_way and self._under_way[0][1].done():
            return self._next()
        return []

    def finish(self) -> Iterator[Done[T]]:
        """Send what is buffered, and wait for every answer."""
        incoming = self._incoming.flush()
        if incoming:
            yield from self._prepare(incoming)
        ready = self._ready.flush()
        if ready:
            yield from self._submit(ready)
        while self._under_way:
            yield from self._next()

    def _prepare(self, incoming: list[tuple[Document, T]]) -> list[Done[T]]:
        """Make documents ready to be sent, and send the requests they complete."""
        prepared = self._embedder.prepare([document.text for document, _ in incoming])
        done: list[Done[T]] = []
        for (document, tag), text in zip(incoming, prepared, strict=True):
            if isinstance(text, TextTooLong):
                done.append(Done(document, tag, "", Failure(text, 0)))
                continue
            full = self._ready.add(
                _Waiting(document, tag, text), len(text.text), self._embedder.weight(text)
            )
            if full is not None:
                done += self._submit(full)
        return done

    def _submit(self, batch: list[_Waiting[T]]) -> list[Done[T]]:
        """Send a batch; with too many under way, wait for the oldest and return its results."""
        waited = len(self._under_way) >= self._batching.in_flight
        if waited:
            self._under_way[0][1].exception()  # wait, but send before the rows go on
        self._under_way.append((batch, self._embedder.submit([one.text for one in batch])))
        return self._next() if waited else []

    def _next(self) -> list[Done[T]]:
        """Wait for the oldest request and return its results."""
        batch, future = self._under_way.popleft()
        results, effort = future.result()
        self._observe(results, effort)
        return [
            Done(one.document, one.tag, one.text.text, result)
            for one, result in zip(batch, results, strict=True)
        ]
