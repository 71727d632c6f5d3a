"""The embed step without Beam: texts in, one vector or one error for each out.

A request fails as a whole and names no index, so a request that cannot succeed is cut in halves
until the guilty text stands alone; every other text still gets its vector.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed_pipeline import errors, interrupt
from embed_pipeline.client import Client, Tries
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.records import TokenCountSource

PROBE = "a"  # a text every model can embed, to tell a text's fault from the server's


class Vector(NamedTuple):
    """Hold one text's vector (float32, unit length) and what it cost."""

    vector: NDArray[np.float32]
    token_count: int
    token_count_source: TokenCountSource


class Failure(NamedTuple):
    """Hold why one text has no vector, and how often it was tried."""

    error: errors.EndpointError
    attempts: int


@dataclass
class Effort:
    """Count what it took to embed some texts.

    Attributes:
        requests: Requests sent.
        retries: Those among them that repeated an earlier one.
        tokens: What the endpoint counted.
        server_ms, load_ms: The endpoint's own times.
        throttled_s: Seconds waited because it was too busy.
        request_ms: Duration of each successful request.
        batch_texts: Texts in each successful request.
    """

    requests: int = 0
    retries: int = 0
    tokens: int = 0
    server_ms: float = 0.0
    load_ms: float = 0.0
    throttled_s: float = 0.0
    request_ms: list[int] = field(default_factory=list)
    batch_texts: list[int] = field(default_factory=list)

    def count(self, attempts: int) -> None:
        """Count the tries of one request."""
        self.requests += attempts
        self.retries += attempts - 1

    def add(self, tries: Tries) -> None:
        """Count one successful request."""
        self.count(tries.attempts)
        self.tokens += tries.answer.token_count or 0
        self.server_ms += tries.answer.total_ns / 1e6
        self.load_ms += tries.answer.load_ns / 1e6
        self.throttled_s += tries.throttled_s
        self.request_ms.append(tries.wall_ms)
        self.batch_texts.append(len(tries.answer.vectors))


Outcome = tuple[list[Vector | Failure], Effort]


def embed_texts(client: Client, texts: Sequence[str]) -> Outcome:
    """Embed texts, each either to its vector or to the reason it has none.

    The texts go in one request. If that cannot succeed for a reason that lies in a text, halves
    of it are sent, in order and without repetition, down to single texts, which are tried as often
    as the settings say. What looks like a text's fault may be a server in trouble: so before the
    halves are sent, and before a text is blamed, a text that always should succeed must, however
    long the retry settings let that take; after it, each text that failed is tried again, alone.

    With k guilty texts among n this takes at most 1 + 2k * ceil(log2 n) requests, 2 for the text
    that should succeed and k more, beside the repetitions of the first and the single ones.

    Returns:
        As many results as texts, in their order, and what it took.

    Raises:
        EndpointError: No text can succeed: a wrong address, no such model, no connection, or a
            server that fails on every text.
        InterruptedJobError: A stop was asked for.
    """
    effort = Effort()
    results = _bisected(client, texts, effort)
    doubtful = {
        place: result.attempts
        for place, result in enumerate(results)
        if isinstance(result, Failure) and isinstance(result.error, errors.TransientError)
    }
    if doubtful:
        _wait_until_well(client, effort)
    for place, attempts in doubtful.items():
        (again,) = _bisected(client, [texts[place]], effort)
        if isinstance(again, Failure):
            again = again._replace(attempts=attempts + again.attempts)
        results[place] = again
    return results, effort


def _bisected(client: Client, texts: Sequence[str], effort: Effort) -> list[Vector | Failure]:
    """Embed texts in one request, and in halves of it where that cannot succeed."""
    results: list[Vector | Failure] = []
    pending = [texts]
    while pending:
        part = pending.pop()
        whole = len(part) == len(texts)
        try:
            tries = client.embed(part, None if whole or len(part) == 1 else 1)
        except errors.EndpointError as error:
            _stop_if_asked(error)
            effort.count(error.attempts)
            if error.scope == "job":
                raise
            if len(part) == 1:
                results.append(Failure(error, error.attempts))
                continue
            if whole and isinstance(error, errors.TransientError):
                _wait_until_well(client, effort)
            middle = len(part) // 2
            pending += [part[middle:], part[:middle]]
        else:
            effort.add(tries)
            results += _vectors(tries, part)
    return results


def _wait_until_well(client: Client, effort: Effort) -> None:
    """Wait until a text succeeds that always should; raise the server's error if it never does."""
    try:
        tries = client.embed([PROBE], patient=True)
    except errors.EndpointError as error:
        _stop_if_asked(error)
        raise
    effort.count(tries.attempts)
    effort.throttled_s += tries.throttled_s


def _vectors(tries: Tries, texts: Sequence[str]) -> list[Vector | Failure]:
    """Return each text's vector and its tokens."""
    vectors, count, _, _ = tries.answer
    if len(texts) == 1 and count is not None:
        return [Vector(vectors[0], count, "server")]
    shares = shared_out(count or 0, [len(text) for text in texts])
    return [Vector(*pair, "estimated") for pair in zip(vectors, shares, strict=True)]


def shared_out(total: int, lengths: Sequence[int]) -> list[int]:
    """Share a request's token count out by the texts' lengths, so that the sum is kept.

    The largest remainders get what rounding down leaves over; among equals, the first.
    """
    weights = np.asarray(lengths, dtype=np.float64) + 1.0  # even an empty text costs tokens
    exact = weights * (total / weights.sum())
    shares = np.floor(exact).astype(np.int64)
    left = total - int(shares.sum())
    if left:
        shares[np.argsort(shares - exact, kind="stable")[:left]] += 1
    counts: list[int] = shares.tolist()
    return counts


def _stop_if_asked(error: Exception) -> None:
    """Turn an error that came while stopping into the stop itself."""
    if interrupt.stop_requested():
        raise errors.InterruptedJobError("stopped while waiting for the endpoint") from error


class Embedder:
    """Embed batches of texts, several requests at once.

    Args:
        endpoint: With a concrete address.
        batching: `in_flight` bounds the requests under way at once.
        retry: Bounds of the repetition of one request.
    """

    def __init__(self, endpoint: Endpoint, batching: Batching, retry: Retry) -> None:
        self._client = Client(endpoint, retry)
        self._pool = ThreadPoolExecutor(batching.in_flight, thread_name_prefix="embed")
        self._load_lock = threading.Lock()
        self._loaded = False

    def submit(self, texts: Sequence[str]) -> Future[Outcome]:
        """Start embedding; `embed_texts` says what the future brings."""
        return self._pool.submit(self._embed, texts)

    def _embed(self, texts: Sequence[str]) -> Outcome:
        with self._load_lock:  # the first request waits for the model, the others for the first
            if not self._loaded:
                try:
                    self._client.load()
                except errors.EndpointError as error:
                    _stop_if_asked(error)
                    raise
                self._loaded = True
        return embed_texts(self._client, texts)

    def close(self) -> None:
        """Drop what waits, wait for what is under way, and close the connections."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._client.close()


_Settings = tuple[Endpoint, Batching, Retry]
_embedders: dict[str, tuple[Embedder, int]] = {}
_embedders_lock = threading.Lock()


def acquire(endpoint: Endpoint, batching: Batching, retry: Retry) -> Embedder:
    """Return this process's embedder for these settings; `release` it once for each call.

    Copies of a DoFn in one process share it, so that `in_flight` bounds the process.
    """
    name = _name(endpoint, batching, retry)
    with _embedders_lock:
        embedder, users = _embedders.get(name) or (Embedder(endpoint, batching, retry), 0)
        _embedders[name] = (embedder, users + 1)
    return embedder


def release(endpoint: Endpoint, batching: Batching, retry: Retry) -> None:
    """Give an acquired embedder back; the last one closes it."""
    name = _name(endpoint, batching, retry)
    with _embedders_lock:
        embedder, users = _embedders.pop(name)
        if users > 1:
            _embedders[name] = (embedder, users - 1)
            return
    embedder.close()


def _name(*settings: Endpoint | Batching | Retry) -> str:
    return "\n".join(group.model_dump_json() for group in settings)
