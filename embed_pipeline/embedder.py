"""The embedder of a process: its connections, its threads, and what it knows of the endpoint."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from embed_pipeline import errors
from embed_pipeline.client import Client
from embed_pipeline.endpoint import EMBEDDED, Batching, Endpoint, Retry
from embed_pipeline.engine import find_version, kind_of
from embed_pipeline.isolation import embed_texts, stop_if_asked
from embed_pipeline.limits import Limits, find_limits
from embed_pipeline.outcomes import Outcome
from embed_pipeline.sizing import Prepared, Sizing
from embed_pipeline.tokens import Tokens


class Embedder:
    """Embed requests of texts, several requests at once.

    Args:
        endpoint: With a concrete address.
        batching: `in_flight` bounds the requests under way at once.
        retry: Bounds of the repetition of one request.
        tokens: How texts are prefixed and counted, and what becomes of those that are too long.
    """

    def __init__(
        self, endpoint: Endpoint, batching: Batching, retry: Retry, tokens: Tokens
    ) -> None:
        self._client = Client(endpoint, retry)
        self._endpoint = endpoint
        self._batching = batching
        self._tokens = tokens
        self._pool = ThreadPoolExecutor(batching.in_flight, thread_name_prefix="embed")
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

    def submit(self, texts: Sequence[Prepared]) -> Future[Outcome]:
        """Start embedding one request; `embed_texts` says what the future brings."""
        return self._pool.submit(embed_texts, self._client, texts, self._found_sizing())

    def _found_sizing(self) -> Sizing:
        """Load the model and find its limits, once; who comes meanwhile waits."""
        with self._sizing_lock:
            if self._sizing is None:
                try:
                    self._client.load()
                    self._groups = kind_of(find_version(self._client)) == EMBEDDED
                    limits = find_limits(self._client, self._endpoint, self._tokens)
                except errors.EndpointError as error:
                    stop_if_asked(error)
                    raise
                self._sizing = Sizing(limits, self._tokens)
            return self._sizing

    def close(self) -> None:
        """Drop what waits, wait for what is under way, and close the connections."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._client.close()


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


def _name(*settings: Endpoint | Batching | Retry | Tokens) -> str:
    return "\n".join(group.model_dump_json() for group in settings)
