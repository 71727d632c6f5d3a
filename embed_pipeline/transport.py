"""HTTP: one request out, one body in, and every way that can fail as an error of ours.

The only module that imports httpx.
"""

import logging
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from embed_pipeline import errors
from embed_pipeline.address import masked
from embed_pipeline.auth import Bearer
from embed_pipeline.classify import classify
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.masking import secrets_of, without

LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")
logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of each request at INFO
_NO_TRUST = re.compile("CERTIFICATE_VERIFY_FAILED|WRONG_VERSION_NUMBER")


class Transport:
    """Exchange requests and bodies with one endpoint; threads may share it.

    Args:
        endpoint: With one concrete address.

    Raises:
        ConfigError: The token or the certificate authority cannot be read.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._bearer = Bearer(endpoint.auth)
        self._http = httpx.Client(
            headers=endpoint.headers,
            timeout=httpx.Timeout(endpoint.timeouts.read, connect=endpoint.timeouts.connect),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=64),
            auth=_basic_auth(endpoint),
            mounts=dict.fromkeys(LOOPBACK),  # never by way of a proxy
            verify=_verification(endpoint),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def exchange(
        self, method: str, path: str, body: bytes | None, seconds: float, limit: int
    ) -> bytes:
        """Send one request and return the body of its answer.

        A token that is refused is renewed, once.

        Args:
            method: "GET" or "POST".
            path: Below the endpoint's address.
            body: JSON, or None.
            seconds: How long the answer may take, to its end.
            limit: Bytes the answer may have, decompressed.

        Raises:
            EndpointError: There is no answer, another status than 200, or no token to send.
        """
        token = self._bearer.current()
        try:
            return self._send(method, path, body, seconds, limit, token=token)
        except errors.Unauthorized as error:
            if error.status != 401:
                raise
            fresh = self._bearer.renewed(token)
            if fresh == token:
                raise
            return self._send(method, path, body, seconds, limit, token=fresh)

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        seconds: float,
        limit: int,
        *,
        token: str | None,
    ) -> bytes:
        """Send one request; the answer is read with a deadline and a bound on its size."""
        headers = {"content-type": "application/json"} if body is not None else {}
        if token:
            headers["authorization"] = f"Bearer {token}"
        request = self.request(path, method)
        deadline = time.monotonic() + seconds
        timeout = httpx.Timeout(seconds, connect=self._endpoint.timeouts.connect)
        url = masked(self._endpoint.address) + path  # httpx logs it; the password is in `auth`
        with (
            _transport_errors(request),
            self._http.stream(
                method, url, content=body, headers=headers, timeout=timeout
            ) as response,
        ):
            found = _read(response, deadline, limit, request)
        if response.status_code != 200:
            told = {name: self.masked(value) for name, value in response.headers.items()}
            body = self.masked(found.decode("utf-8", "replace")).encode()
            raise _advised(classify(response.status_code, told, body, request), self._endpoint)
        return found

    def masked(self, text: str) -> str:
        """Return what a server says without the secrets it was sent."""
        return without(secrets_of(self._endpoint, self._bearer.secrets), text)

    def request(self, path: str, method: str = "POST") -> str:
        """Return method and address without secrets, to begin a message with."""
        return f"{method} {self._endpoint.masked_url}{path}"


def _advised(error: errors.EndpointError, endpoint: Endpoint) -> errors.EndpointError:
    """Say of an identity token that is refused what it was made for."""
    audience = endpoint.auth.google_id_token if endpoint.auth else None
    if audience is None or not isinstance(error, errors.Unauthorized):
        return error
    return errors.Unauthorized(
        f"{error.message}; the identity token is for the audience {audience}: is it this service's "
        "URL, and may the workers' service account invoke it?",
        error.status,
    )


def _basic_auth(endpoint: Endpoint) -> httpx.BasicAuth | None:
    """Return the user name and password of the address, or None where there are none."""
    parts = urlsplit(endpoint.address)
    if parts.username is None and parts.password is None:
        return None
    return httpx.BasicAuth(unquote(parts.username or ""), unquote(parts.password or ""))


def _verification(endpoint: Endpoint) -> Any:
    """Return how certificates are verified; always, if need be with one's own authority."""
    if endpoint.address.startswith("http://"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # unused, and trusts nobody
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
    running = "is the endpoint running, and its address right?"
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
        case httpx.ConnectError() | httpx.ProxyError():
            kind, told = errors.ConnectionFailed, f"{said}; {running}"
        case _:
            kind, told = errors.ConnectionLost, f"the connection broke ({said})"
    return kind(f"{request}: {told}")
