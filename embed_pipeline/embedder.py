"""The embedder of a process: its connections, its threads, and what it knows of the endpoint."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from embed_pipeline import errors
from embed_pipeline.audit import Audit
from embed_pipeline.endpoint import EMBEDDED, Batching, Endpoint, Retry
from embed_pipeline.engine import find_version, kind_of
from embed_pipeline.health import Health, merged
from embed_pipeline.isolation import embed_texts
from embed_pipeline.limits import Limits, find_limits
from embed_pipeline.outcomes import Failure, Outcome, Vector
from embed_pipeline.pacing import Pace
from embed_pipeline.pool import Pool
from embed_pipeline.probes import stop_if_asked
from embed_pipeline.sizing import Prepared, Sizing
from embed_pipeline.stall import Stall
from embed_pipeline.tokens import Tokens
from embed_pipeline.until_given_up import UntilGivenUp


class Embedder:
    """Embed requests of texts, several requests at once.

    Args:
        endpoint: With concrete addresses.
        batching: `in_flight` bounds the requests under way at once, at each address.
        retry: Bounds of the repetition of one request, and of a job that gets nothing done.
        tokens: How texts are prefixed and counted, and what becomes of those that are too long.

    Attributes:
        in_flight: Requests that may be under way at once, at all addresses together.
    """

    def __init__(
        self, endpoint: Endpoint, batching: Batching, retry: Retry, tokens: Tokens
    ) -> None:
        self.in_flight = batching.in_flight * len(endpoint.urls)
        self._pool = Pool(endpoint, retry, batching.in_flight)
        self._audit = Audit()
        self._stall = Stall(retry.stalled_seconds)
        self._texts = Pace(batching.max_texts)
        self._endpoint = endpoint
        self._batching = batching
        self._tokens = tokens
        self._threads = ThreadPoolExecutor(self.in_flight, thread_name_prefix="embed")
        self._texts_lock = threading.Lock()
        self._sizing_lock = threading.Lock()
        self._sizing: Sizing | None = None
        self._groups = False

    @property
    def limits(self) -> Limits:
        """Return what bounds a text; the first call loads the model and asks.

        Raises:
            ConfigError: The tokenizer or the prefix cannot be used.
            EndpointError: The model cannot be loaded.
        """
        return self._found_sizing().limits

    @property
    def groups(self) -> bool:
        """Tell whether texts of similar length should go in one request.

        The embedded endpoint computes several texts at once, padded to the longest of them. Servers
        that compute one text after the other gain nothing (benchmarks/grouping.py measures both).
        """
        self._found_sizing()
        return self._groups

    @property
    def digest(self) -> str:
        """Return the digest of the model that makes the vectors; "" before the first one."""
        return self._pool.digest or ""

    @property
    def max_texts(self) -> int:
        """Return how many texts a request may have now: fewer for a while after a time-out."""
        return self._texts.now

    def prepare(self, texts: Sequence[str]) -> list[Prepared | errors.TextTooLong]:
        """Prefix and count texts, and cut or refuse what is too long; see `Sizing.prepare`."""
        return self._found_sizing().prepare(texts)

    def weights(self, texts: Sequence[Prepared]) -> list[int]:
        """Return the tokens each text takes of a request's bound, as far as they are known.

        A text that was not counted takes nothing, unless it may be too long: then more than all, so
        that it goes alone.
        """
        sizing = self._found_sizing()
        alone = self._batching.max_tokens + 1
        return [
            (alone if sizing.may_be_too_long(text) else 0) if text.tokens is None else text.tokens
            for text in texts
        ]

    def submit(self, texts: Sequence[Prepared], given_up: threading.Event) -> Future[Outcome]:
        """Start embedding one request; `embed_texts` says what the future brings.

        Args:
            texts: Prepared by `prepare`.
            given_up: Once it is set, no further request is sent for them.
        """
        return self._threads.submit(self._embedded, texts, self._found_sizing(), given_up)

    def _embedded(
        self, texts: Sequence[Prepared], sizing: Sizing, given_up: threading.Event
    ) -> Outcome:
        """Embed one request, and draw the consequences for the next ones."""
        began = time.monotonic()
        client = UntilGivenUp(self._pool, given_up)
        results, effort = embed_texts(client, texts, sizing, self._audit)
        if any(isinstance(result, Vector) for result in results):
            self._stall.succeeded(time.monotonic())
        else:
            last = results[-1]
            if isinstance(last, Failure) and isinstance(last.error, errors.TransientError):
                self._stall.failed(began, time.monotonic(), last.error)
        effort.ended = time.time()
        with self._texts_lock:
            if effort.timed_out and not any(map(_hangs, results)):
                self._texts.halve()
            else:
                self._texts.recover()
        return results, effort

    def _found_sizing(self) -> Sizing:
        """Load the model and find its limits, once; who comes meanwhile waits."""
        with self._sizing_lock:
            if self._sizing is None:
                try:
                    client = self._pool.some()
                    self._groups = kind_of(find_version(client)) == EMBEDDED
                    limits = find_limits(client, self._endpoint, self._tokens)
                except errors.EndpointError as error:
                    stop_if_asked(error)
                    raise
                self._sizing = Sizing(limits, self._tokens)
            return self._sizing

    def loading_s(self, since: float) -> float:
        """Return how much of the time since then the last request took that loads the model.

        Args:
            since: By `time.monotonic`.
        """
        began, ended = self._pool.loaded
        return max(0.0, ended - max(began, since))

    def rested(self) -> dict[str, float]:
        """Return how long each address has rested since this was last called, in seconds."""
        return self._pool.rested()

    def look_again(self) -> None:
        """Look whether the model that gave the vectors is still there; see `Pool.look_again`.

        Raises:
            ModelChanged, EndpointError: It is not, or nobody answers.
        """
        try:
            self._pool.look_again()
        except errors.EndpointError as error:
            stop_if_asked(error)
            raise

    def health(self) -> Health:
        """Return how the addresses are."""
        return self._pool.health()

    def close(self) -> None:
        """Drop what waits, wait for what is under way, and close the connections."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._pool.close()


def _hangs(result: Vector | Failure) -> bool:
    """Tell whether a text alone was not answered in time."""
    return isinstance(result, Failure) and isinstance(result.error, errors.RequestTimedOut)


_embedders: dict[str, tuple[Embedder, int]] = {}
_embedders_lock = threading.Lock()


def acquire(endpoint: Endpoint, batching: Batching, retry: Retry, tokens: Tokens) -> Embedder:
    """Return this process's embedder for these settings; `release` it once for each call.

    Copies of a DoFn in one process share it, so that `in_flight` bounds the process.
    """
    name = _name(endpoint, batching, retry, tokens)
    with _embedders_lock:
        embedder, users = _embedders.get(name) or (
            Embedder(endpoint, batching, retry, tokens),
            0,
        )
        _embedders[name] = (embedder, users + 1)
    return embedder


def release(endpoint: Endpoint, batching: Batching, retry: Retry, tokens: Tokens) -> None:
    """Give an acquired embedder back; the last one closes it."""
    name = _name(endpoint, batching, retry, tokens)
    with _embedders_lock:
        embedder, users = _embedders.pop(name)
        if users > 1:
            _embedders[name] = (embedder, users - 1)
            return
    embedder.close()


def health() -> Health:
    """Return how the addresses are that this process embeds at."""
    with _embedders_lock:
        every = [embedder for embedder, _ in _embedders.values()]
    return merged(one.health() for one in every)


def _name(*settings: Endpoint | Batching | Retry | Tokens) -> str:
    return "\n".join(group.model_dump_json() for group in settings)
