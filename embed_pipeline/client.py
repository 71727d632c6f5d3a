"""The HTTP client of an endpoint: one request, retried where that can help.

The only module that imports httpx.
"""

import os
import re
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit

import httpx
import orjson
import tenacity

from embed_pipeline import answer, errors, interrupt
from embed_pipeline.answer import Answer
from embed_pipeline.classify import classify
from embed_pipeline.endpoint import Endpoint, Retry, keep_alive_seconds

FIRST_WAIT = 0.5  # seconds, doubled at each try, fully jittered
LONGEST_WAIT = 30.0
SHORTEST_READ = 30.0  # seconds to wait for an answer at least, however fast the endpoint was
SLOWER_THAN_EXPECTED = 8.0  # times the expected duration, before an answer is given up
SMALL_BODY = 1 << 20  # bytes an answer without vectors may have
LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")
VECTOR_BYTES = 1 << 18  # bytes one vector may take: 8,192 values of up to 32 characters


_NO_TRUST = re.compile("CERTIFICATE_VERIFY_FAILED|WRONG_VERSION_NUMBER")


class Tries(NamedTuple):
    """Hold one request's answer and what it took.

    Attributes:
        answer: The last, good answer.
        attempts: Requests sent, the good one included.
        wall_ms: Duration of the good one, in milliseconds.
        throttled_s: Seconds waited because the endpoint was too busy.
    """

    answer: Answer
    attempts: int
    wall_ms: int
    throttled_s: float


class Client:
    """Talk to one endpoint about one model; threads may share it.

    Args:
        endpoint: With a concrete address.
        retry: Bounds of the repetition of one request.
    """

    def __init__(self, endpoint: Endpoint, retry: Retry | None = None) -> None:
        self._endpoint = endpoint
        self._retry = retry or Retry()
        self._keep_alive: Any = endpoint.keep_alive
        self._dimension: int | None = endpoint.dimensions
        self._seconds_per_char: float | None = None
        self._token = _token(endpoint)
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        self._http = httpx.Client(
            headers=endpoint.headers,
            timeout=httpx.Timeout(endpoint.timeouts.read, connect=endpoint.timeouts.connect),
            limits=limits,
            auth=_basic_auth(endpoint),
            mounts=dict.fromkeys(LOOPBACK),  # never by way of a proxy
            verify=_verification(endpoint),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON object at `path`, such as "/api/version".

        Raises:
            EndpointError: As `classify` says; nothing is retried.
        """
        return self._object(self._exchange("GET", path, None, self._quick(), SMALL_BODY), path)

    def show(self) -> dict[str, Any]:
        """Return what the endpoint knows of the model (`POST /api/show`)."""
        body = orjson.dumps({"model": self._endpoint.model})
        found = self._exchange("POST", "/api/show", body, self._quick(), SMALL_BODY)
        return self._object(found, "/api/show")

    def load(self) -> None:
        """Load the model, with the longer time-out that takes, and decide on keep_alive.

        Where the model is loaded already and its expiry lies further away than ours would, no
        keep_alive is sent from here on, so that an administrator's setting is not shortened.
        """
        if self._expires_later():
            self._keep_alive = None
        body = orjson.dumps({**self._fields(), "input": []})
        seconds = self._endpoint.timeouts.load
        self._retrying(None)(
            lambda: self._exchange("POST", "/api/embed", body, seconds, SMALL_BODY)
        )

    def embed(self, texts: Sequence[str], tries: int | None = None) -> Tries:
        """Embed texts in one request.

        Args:
            texts: One at least; each valid Unicode.
            tries: Tries at most where the error may lie in a text; None leaves that to the retry
                settings, as it is always left for errors of the server.

        Raises:
            EndpointError: The last try's error.
            InterruptedJobError: A stop was asked for while waiting to try again.
        """
        body = orjson.dumps({**self._fields(), "input": texts})
        characters = sum(map(len, texts))
        retrying = self._retrying(tries)
        started = 0.0

        def once() -> Answer:
            nonlocal started
            started = time.monotonic()
            limit = SMALL_BODY + VECTOR_BYTES * len(texts)
            found = self._exchange("POST", "/api/embed", body, self._patience(characters), limit)
            return answer.parse(found, len(texts), self._dimension, self._request("/api/embed"))

        try:
            found = retrying(once)
        except errors.EndpointError as error:
            error.attempts = retrying.statistics["attempt_number"]
            raise
        seconds = time.monotonic() - started
        self._learn(found, seconds / max(characters, 1))
        statistics = retrying.statistics
        throttled = statistics.get("throttled", 0.0)
        return Tries(found, statistics["attempt_number"], round(seconds * 1000), throttled)

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
            loaded = self.get("/api/ps").get("models") or []
        except errors.EndpointError:  # a server without /api/ps: send what the settings say
            return False
        mine = [entry for entry in loaded if same_model(entry.get("name"), self._endpoint.model)]
        return any(_seconds_until(entry.get("expires_at", "")) > ours for entry in mine)

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
        patience = max(SHORTEST_READ, SLOWER_THAN_EXPECTED * expected)
        return min(patience, self._retry.total_seconds)

    def _quick(self) -> float:
        return min(SHORTEST_READ, self._endpoint.timeouts.read)

    def _retrying(self, tries: int | None) -> tenacity.Retrying:
        """Return the repetition of one request: attempts and time are both bounded."""
        back_off = tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)

        def worth_trying(state: tenacity.RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            if not isinstance(error, errors.TransientError) or interrupt.stop_requested():
                return False
            if tries is not None and error.scope == "text":
                return state.attempt_number < tries
            return error.tries is None or state.attempt_number < error.tries

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = getattr(error, "retry_after", None) or 0.0
            seconds = max(asked, back_off(state))
            if isinstance(error, errors.Overloaded):
                statistics = state.retry_object.statistics
                statistics["throttled"] = statistics.get("throttled", 0.0) + seconds
            return seconds

        return tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._retry.attempts)
            | tenacity.stop_before_delay(self._retry.total_seconds),
            wait=wait,
            retry=worth_trying,
            sleep=_sleep,
            reraise=True,
        )

    def _exchange(
        self, method: str, path: str, body: bytes | None, seconds: float, limit: int
    ) -> bytes:
        """Send one request and return its body; a token that was refused is read anew, once."""
        used = self._token
        try:
            return self._send(method, path, body, seconds, limit)
        except errors.Unauthorized as error:
            if error.status != 401:
                raise
            fresh = _token(self._endpoint)
            if fresh == used:
                raise
            self._token = fresh
            return self._send(method, path, body, seconds, limit)

    def _send(
        self, method: str, path: str, body: bytes | None, seconds: float, limit: int
    ) -> bytes:
        """Send one request; the answer is read with a deadline and a bound on its size."""
        headers = {"content-type": "application/json"} if body is not None else {}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        request = self._request(path, method)
        deadline = time.monotonic() + seconds
        timeout = httpx.Timeout(seconds, connect=self._endpoint.timeouts.connect)
        url = self._endpoint.masked_url + path  # httpx logs it; the password is in `auth`
        with (
            _transport_errors(request),
            self._http.stream(
                method, url, content=body, headers=headers, timeout=timeout
            ) as response,
        ):
            found = _read(response, deadline, limit, request)
        if response.status_code != 200:
            raise classify(response.status_code, response.headers, found, request)
        return found

    def _request(self, path: str, method: str = "POST") -> str:
        """Return method and address without secrets, to begin a message with."""
        return f"{method} {self._endpoint.masked_url}{path}"

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


def _sleep(seconds: float) -> None:
    """Wait before another try.

    Raises:
        InterruptedJobError: A stop was asked for.
    """
    if interrupt.wait(seconds):
        raise errors.InterruptedJobError("stopped while waiting for the endpoint")


def same_model(listed: object, asked: str) -> bool:
    """Tell whether an endpoint's name for a model is the one asked for.

    The tag defaults to `latest`, the origin to the endpoint's own library; case does not matter.
    """
    return isinstance(listed, str) and _full_name(listed) == _full_name(asked)


def _full_name(name: str) -> str:
    name = name.strip().lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _seconds_until(moment: str) -> float:
    """Return the seconds from now to an RFC 3339 time; far years (never) are infinite."""
    try:
        when = datetime.fromisoformat(moment)
    except (TypeError, ValueError):
        return 0.0
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return (when - datetime.now(UTC)).total_seconds()


def _basic_auth(endpoint: Endpoint) -> httpx.BasicAuth | None:
    """Return the user name and password of the address, or None where there are none."""
    parts = urlsplit(endpoint.url)
    if parts.username is None and parts.password is None:
        return None
    return httpx.BasicAuth(unquote(parts.username or ""), unquote(parts.password or ""))


def _token(endpoint: Endpoint) -> str | None:
    """Read the bearer token from where the settings say.

    Raises:
        ConfigError: The variable is not set, or the file cannot be read.
    """
    auth = endpoint.auth
    if auth is None:
        return None
    if auth.env is not None:
        token = os.environ.get(auth.env, "").strip()
        where = f"the environment variable {auth.env}"
    else:
        path = Path(str(auth.file))
        where = f"the file {path}"
        try:
            token = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise errors.ConfigError(f"endpoint.auth: cannot read {where}: {error}") from error
    if not token or not token.isascii() or not token.isprintable():
        raise errors.ConfigError(f"endpoint.auth: {where} holds no token")
    return token


def _verification(endpoint: Endpoint) -> Any:
    """Return how certificates are verified; always, if need be with one's own authority."""
    if endpoint.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(endpoint.ca_file))
    except (OSError, ssl.SSLError) as error:
        raise errors.ConfigError(
            f"endpoint.ca_file: cannot read {endpoint.ca_file}: {error}"
        ) from error


def _read(response: httpx.Response, deadline: float, limit: int, request: str) -> bytes:
    """Read a body, decompressed, up to `limit` bytes and until `deadline`."""
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > limit:
            raise errors.WrongAnswer(f"{request}: the answer is larger than {limit} bytes")
        if time.monotonic() > deadline:
            raise errors.RequestTimedOut(f"{request}: the answer did not end in time")
        chunks.append(chunk)
    return b"".join(chunks)


@contextmanager
def _transport_errors(request: str) -> Iterator[None]:
    """Turn httpx's exceptions into ours."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise transport_error(error, request) from error


def transport_error(error: Exception, request: str) -> errors.EndpointError:
    """Return the error of ours an exception of httpx stands for."""
    said = str(error) or type(error).__name__
    kind: type[errors.EndpointError]
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            kind, told = errors.ConnectionFailed, f"no connection in time ({said})"
        case httpx.TimeoutException():
            kind, told = errors.RequestTimedOut, f"no answer in time ({said})"
        case httpx.UnsupportedProtocol() | httpx.InvalidURL() | httpx.TooManyRedirects():
            kind, told = errors.NotAnEndpoint, f"{said}; correct endpoint.url"
        case httpx.ConnectError() if _NO_TRUST.search(said):
            cure = "correct endpoint.url, or name its certificate authority in endpoint.ca_file"
            kind, told = errors.NotAnEndpoint, f"{said}; {cure}"
        case httpx.LocalProtocolError():  # its text may hold a header's value
            kind, told = errors.RequestRejected, "it cannot be sent; correct endpoint.headers"
        case httpx.DecodingError():
            kind, told = errors.WrongAnswer, f"the answer cannot be decompressed ({said})"
        case _:
            cure = "is the endpoint running, and its address right?"
            kind, told = errors.ConnectionFailed, f"{said}; {cure}"
    return kind(f"{request}: {told}")
