"""The client of one address: one request, retried where that can help."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, Self

import orjson

from embed_pipeline import answer, errors, last_use
from embed_pipeline.answer import Answer
from embed_pipeline.endpoint import Endpoint, Retry, keep_alive_seconds
from embed_pipeline.model_names import entry_of
from embed_pipeline.reloads import Reloads
from embed_pipeline.retrying import tried
from embed_pipeline.worker_transport import transport_to

_log = logging.getLogger("embed_pipeline")
SHORTEST_READ = 30.0  # seconds to wait for an answer at least, however fast the endpoint was
SLOWER_THAN_EXPECTED = 8.0  # times the expected duration, before an answer is given up
CLOCKS = 60.0  # seconds the clocks of server and client may differ
SMALL_BODY = 1 << 20  # bytes an answer without vectors may have
SHOWN_BODY = 64 << 20  # bytes a model's description may have, with vocabulary and merges
VECTOR_BYTES = 1 << 18  # bytes one vector may take: 8,192 values of up to 32 characters


class Sent(NamedTuple):
    """Hold the answer to a request that was sent once.

    Attributes:
        answer: The answer.
        wall_ms: Its duration, in milliseconds.
        reloaded: Whether it waited for the model to be loaded again.
        throttled_s: Seconds it waited for its turn before.
        address: Where it was sent, without secrets.
    """

    answer: Answer
    wall_ms: int
    reloaded: bool
    throttled_s: float = 0.0
    address: str = ""


class Tries(NamedTuple):
    """Hold one request's answer and what it took.

    Attributes:
        answer: The last, good answer.
        attempts: Requests sent, the good one included.
        wall_ms: Duration of the good one, in milliseconds.
        throttled_s: Seconds waited because the endpoint was too busy.
        lost_s: Seconds of the requests that failed, and of all waits.
        reloaded: Whether the good one waited for the model to be loaded again.
        faults: How often each kind of error was met.
        failed_tries: Those tries, one by one.
        address: Where the good one was sent, without secrets.
        seconds: From the first try to the end of the good one.
    """

    answer: Answer
    attempts: int
    wall_ms: int
    throttled_s: float
    lost_s: float = 0.0
    reloaded: bool = False
    faults: Mapping[str, int] = MappingProxyType({})
    failed_tries: Sequence[errors.FailedTry] = ()
    address: str = ""
    seconds: float = 0.0


class Embeds(Protocol):
    """Embed texts in one request, as `Client` does at one address and `Pool` at several."""

    def embed(
        self,
        texts: Sequence[str],
        tries: int | None = None,
        *,
        patient: bool = False,
        truncate: bool = False,
        at: str = "",
    ) -> Tries:
        """Embed texts in one request; see `Client.embed`."""


class Client:
    """Talk to one endpoint about one model; threads may share it.

    Args:
        endpoint: With one concrete address.
        retry: Bounds of the repetition of one request.
    """

    def __init__(self, endpoint: Endpoint, retry: Retry | None = None) -> None:
        self._endpoint = endpoint
        self._retry = retry or Retry()
        self._keep_alive: Any = endpoint.keep_alive
        self._dimension: int | None = None
        self._seconds_per_char: float | None = None
        self._reloads = Reloads()
        self._address = endpoint.masked_url
        self._transport = transport_to(endpoint)

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str, attempts: int | None = None) -> dict[str, Any]:
        """Return the JSON object at `path`, such as "/api/version".

        Args:
            path: Below the endpoint's address.
            attempts: Tries at most; None leaves that to the retry settings.

        Raises:
            EndpointError: The last try's error.
        """
        seconds = min(SHORTEST_READ, self._endpoint.timeouts.read)
        got = tried(
            self._bounded(attempts),
            lambda: self._transport.exchange("GET", path, None, seconds, SMALL_BODY),
            patient=True,
            request=self._transport.request(path, "GET"),
        )
        return self._object(got.found, path)

    def show(self, attempts: int | None = None, *, verbose: bool = True) -> dict[str, Any]:
        """Return what the endpoint tells of the model.

        Args:
            attempts: Tries at most; None leaves that to the retry settings.
            verbose: Ask for its vocabulary, too.

        Raises:
            EndpointError: The last try's error.
        """
        body = orjson.dumps({"model": self._endpoint.model, "verbose": verbose})
        seconds = self._endpoint.timeouts.read
        got = tried(
            self._bounded(attempts),
            lambda: self._transport.exchange("POST", "/api/show", body, seconds, SHOWN_BODY),
            patient=True,
            request=self._transport.request("/api/show"),
        )
        return self._object(got.found, "/api/show")

    def load(self, attempts: int | None = None) -> None:
        """Load the model, with the longer time-out that takes, and decide on keep_alive.

        Where the model is loaded already and its expiry lies further away than ours would, no
        keep_alive is sent from here on, so that an administrator's setting is not shortened.

        Args:
            attempts: Tries at most; None leaves that to the retry settings.
        """
        self._decide_keep_alive()
        body = orjson.dumps({**self._fields(), "input": []})
        seconds = self._endpoint.timeouts.load
        tried(
            self._bounded(attempts),
            lambda: self._ask(body, seconds, SMALL_BODY),
            patient=True,
            request=self._transport.request("/api/embed"),
        )

    def embed(
        self,
        texts: Sequence[str],
        tries: int | None = None,
        *,
        patient: bool = False,
        truncate: bool = False,
        at: str = "",  # noqa: ARG002 (there is one address only)
    ) -> Tries:
        """Embed texts in one request.

        Args:
            texts: One at least; each valid Unicode.
            tries: Tries at most where the error may lie in a text; None leaves that to the error's
                own bound. Errors of the server are tried as often as the retry settings say.
            patient: Try every transient error as often as the retry settings say.
            truncate: Whether the endpoint may cut texts that are too long, which it does unseen.
            at: The address that is to be asked, of several, as an error names it; "": any.

        Raises:
            EndpointError: The last try's error.
            InterruptedJobError: A stop was asked for while waiting to try again.
        """
        return embed_tried(
            self._retry,
            lambda: self.send(texts, truncate=truncate),
            tries,
            patient=patient,
            request=self._transport.request("/api/embed"),
        )

    def send(self, texts: Sequence[str], *, truncate: bool = False) -> Sent:
        """Send one embed request, once.

        Raises:
            EndpointError: It brought no vectors that can be believed.
        """
        body = orjson.dumps({**self._fields(), "truncate": truncate, "input": texts})
        characters = sum(map(len, texts))
        request = self._transport.request("/api/embed")
        limit = SMALL_BODY + VECTOR_BYTES * len(texts)
        started = time.monotonic()
        found = self._ask(body, self._patience(characters), limit)
        try:
            got = answer.parse(found, len(texts), self._dimension, request)
        except errors.WrongAnswer:  # its message holds what the server says
            masked = self._transport.masked(found.decode("utf-8", "replace")).encode()
            answer.parse(masked, len(texts), self._dimension, request)
            raise
        self._check_dimension(got, request)
        answer.check_distinct(got.vectors, texts, request)
        seconds = time.monotonic() - started
        _log.debug(
            "%s: %d texts, %d characters, %s tokens in %.0f ms",
            request,
            len(texts),
            characters,
            got.token_count,
            seconds * 1000,
        )
        self._learn(got, seconds / max(characters, 1))
        reloaded = self._reloads.saw(got.load_ns, started)
        if reloaded:  # an expiry somebody had set is gone
            self._decide_keep_alive()
        return Sent(got, round(seconds * 1000), reloaded, address=self._address)

    def _ask(self, body: bytes, seconds: float, limit: int) -> bytes:
        """Send one embed request; note when it ended: the model's expiry counts from then."""
        try:
            return self._transport.exchange("POST", "/api/embed", body, seconds, limit)
        finally:
            last_use.note(self._endpoint)

    def _decide_keep_alive(self) -> None:
        """Send no keep_alive where the model stays longer than ours would let it."""
        self._keep_alive = None if self._expires_later() else self._endpoint.keep_alive

    def _bounded(self, attempts: int | None) -> Retry:
        if attempts is None:
            return self._retry
        return self._retry.model_copy(update={"attempts": attempts})

    def _fields(self) -> dict[str, Any]:
        """Return what every embed request carries besides its input."""
        endpoint = self._endpoint
        fields: dict[str, Any] = {"model": endpoint.model}
        if endpoint.dimensions is not None:
            fields["dimensions"] = endpoint.dimensions
        if endpoint.options:
            fields["options"] = endpoint.options
        if self._keep_alive is not None:
            fields["keep_alive"] = self._keep_alive
        return fields

    def _expires_later(self) -> bool:
        """Ask whether the loaded model stays longer than our keep_alive would let it."""
        ours = keep_alive_seconds(self._endpoint.keep_alive)
        if ours < 0:
            return False
        try:
            found = entry_of(self.get("/api/ps", attempts=1), self._endpoint.model)
        except errors.EndpointError:  # a server without /api/ps: send what the settings say
            return False
        return _seconds_until(str(found.get("expires_at", ""))) > ours + CLOCKS

    def _check_dimension(self, got: Answer, request: str) -> None:
        """Refuse vectors that are not cut as asked, which no repetition would change."""
        asked, width = self._endpoint.dimensions, got.vectors.shape[1]
        if asked is not None and asked != width:
            raise errors.RequestRejected(
                f"{request}: the model gives vectors of {width} values, not the {asked} of "
                "endpoint.dimensions; correct that setting, or choose another model",
                200,
            )

    def _learn(self, found: Answer, per_char: float) -> None:
        """Remember dimension and speed; the speed is a moving mean over about ten requests."""
        self._dimension = found.vectors.shape[1]
        known = self._seconds_per_char
        self._seconds_per_char = per_char if known is None else 0.9 * known + 0.1 * per_char

    def _patience(self, characters: int) -> float:
        """Return how long to wait for the answer to so many characters, in seconds."""
        if self._seconds_per_char is None:
            return self._endpoint.timeouts.read
        expected = self._seconds_per_char * characters
        shortest = min(SHORTEST_READ, self._endpoint.timeouts.read)
        return min(max(shortest, SLOWER_THAN_EXPECTED * expected), self._retry.total_seconds)

    def _object(self, body: bytes, path: str) -> dict[str, Any]:
        """Return a body that must be a JSON object."""
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise errors.NotAnEndpoint(
                f"{self._endpoint.masked_url}{path} did not answer with a JSON object: "
                "no embed endpoint answers there; correct endpoint.url",
                200,
            )
        return found


def embed_tried(
    retry: Retry,
    once: Callable[[], Sent],
    tries: int | None = None,
    *,
    patient: bool = False,
    request: str = "",
) -> Tries:
    """Repeat an embed request as `tried` does; return its answer and what it took."""
    got = tried(retry, once, tries, patient=patient, request=request)
    answer, wall_ms, reloaded, throttled_s, address = got.found
    return Tries(
        answer,
        got.attempts,
        wall_ms,
        got.throttled_s + throttled_s,
        got.lost_s,
        reloaded,
        got.faults,
        got.failed_tries,
        address,
        got.seconds,
    )


def _seconds_until(moment: str) -> float:
    """Return the seconds from now to an RFC 3339 time; far years (never) are infinite."""
    try:
        when = datetime.fromisoformat(moment)
    except (TypeError, ValueError):
        return 0.0
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return (when - datetime.now(UTC)).total_seconds()
