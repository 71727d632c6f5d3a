"""The transport, against real servers: HTTP, TLS, secrets, and what httpx's exceptions become."""

import gzip
import inspect
import ipaddress
import logging
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from embed_pipeline import errors
from embed_pipeline.endpoint import Auth, Endpoint
from embed_pipeline.transport import Transport, transport_error
from tests.support.scripted import Reply, ScriptedEndpoint, embedded, error, rotating, scripted
from tests.support.token_server import asked_here, token_server

LIMIT = 4096


def transport(endpoint: ScriptedEndpoint, **values: Any) -> AbstractContextManager[Transport]:
    """Return a transport to a scripted endpoint, to be closed by the block."""
    return closing(Transport(Endpoint(url=endpoint.url, model="all-minilm", **values)))


def ask(found: Transport, seconds: float = 30.0, limit: int = LIMIT) -> bytes:
    """Send the smallest embed request."""
    return found.exchange("POST", "/api/embed", b'{"model":"m","input":["a"]}', seconds, limit)


def raw(status: str, body: bytes, *headers: str) -> Callable[[socket.socket], object]:
    """Return an action that writes an answer as it stands and leaves the connection to end."""
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, "connection: close", "", ""])
    return lambda connection: connection.sendall(head.encode() + body)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Return a port that is taken, so that nobody else gets it, but not listened to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


# What is sent


def test_the_answers_body_comes_back_as_it_is(endpoint: ScriptedEndpoint) -> None:
    with transport(endpoint) as found:
        assert ask(found) == embedded(["a"]).body
        assert found.exchange("GET", "/api/version", None, 30.0, LIMIT) == (
            b'{"version": "0.0.0-scripted"}'
        )
    assert [each.path for each in endpoint.exchanges] == ["/api/embed", "/api/version"]
    assert endpoint.exchanges[0].headers["content-type"] == "application/json"
    assert "content-type" not in endpoint.exchanges[1].headers


def test_a_path_in_the_address_is_kept(endpoint: ScriptedEndpoint) -> None:
    endpoint.url += "/base/"
    with transport(endpoint) as found:
        ask(found)
    assert [each.path for each in endpoint.exchanges] == ["/base/api/embed"]


def test_loopback_is_never_reached_by_way_of_a_proxy(
    endpoint: ScriptedEndpoint, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    for host in ("127.0.0.1", "localhost"):
        endpoint.url = endpoint.url.replace("127.0.0.1", host)
        with transport(endpoint) as found:
            ask(found)
    assert endpoint.texts == ["a", "a"]


# Secrets


def test_user_name_and_password_of_the_address_are_sent_but_not_logged(
    endpoint: ScriptedEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.url = endpoint.url.replace("http://", "http://alice:p%40ss@")
    with transport(endpoint) as found:
        ask(found)
        endpoint.script = lambda _: error(500, "broken")
        with pytest.raises(errors.ServerFault) as caught:
            ask(found)
    assert endpoint.headers[0]["authorization"] == "Basic YWxpY2U6cEBzcw=="
    for shown in (str(caught.value), repr(caught.value), caplog.text):
        assert "p%40ss" not in shown
        assert "p@ss" not in shown
        assert "alice" not in shown


def test_a_token_is_neither_in_errors_nor_in_logs(
    endpoint: ScriptedEndpoint, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("EMBED_TOKEN", "t0ken")
    endpoint.script = lambda _: error(401, "unauthorized")
    with (
        transport(endpoint, auth=Auth(env="EMBED_TOKEN"), headers={"X-Key": "hidden"}) as found,
        pytest.raises(errors.Unauthorized) as caught,
    ):
        ask(found)
    for shown in (str(caught.value), repr(caught.value), caplog.text):
        assert "t0ken" not in shown
        assert "hidden" not in shown


def test_a_token_in_a_file_is_read_again_when_it_is_refused(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    endpoint.script = rotating(endpoint, file)
    with transport(endpoint, auth=Auth(file=str(file))) as found:
        ask(found)
        ask(found)
    assert [headers["authorization"] for headers in endpoint.headers] == [
        "Bearer old",
        "Bearer new",
        "Bearer new",
    ]


def test_the_same_token_is_not_tried_twice(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    endpoint.script = lambda _: error(401, "unauthorized")
    with (
        transport(endpoint, auth=Auth(file=str(file))) as found,
        pytest.raises(errors.Unauthorized, match=r"401 unauthorized \(set endpoint.auth"),
    ):
        ask(found)
    assert len(endpoint.requests) == 1


def test_an_identity_token_that_is_refused_is_told_of_with_its_audience(
    endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.script = lambda _: error(403, "forbidden")
    with token_server() as tokens:
        asked_here(tokens, monkeypatch)
        with (
            transport(endpoint, auth=Auth(google_id_token="https://mine")) as found,
            pytest.raises(
                errors.Unauthorized, match=r"403 forbidden .*for the audience https://mi"
            ),
        ):
            ask(found)
        assert len(tokens.issued) == 1
        assert endpoint.headers[0]["authorization"].removeprefix("Bearer ") in tokens.issued


def test_a_token_that_cannot_be_read_is_an_error_at_once(tmp_path: Path) -> None:
    auth = Auth(file=str(tmp_path / "token"))
    with pytest.raises(errors.ConfigError, match=r"endpoint\.auth: cannot read the file .*token"):
        Transport(Endpoint(url="http://127.0.0.1:1", model="m", auth=auth))


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate of one's own for 127.0.0.1; returns its folder."""
    folder = tmp_path_factory.mktemp("authority")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


@pytest.fixture
def tls_endpoint(authority: Path) -> Iterator[ScriptedEndpoint]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "ca.pem", authority / "key.pem")
    with scripted(context) as found:
        yield found


def test_an_authority_of_ones_own_is_trusted_if_it_is_named(
    tls_endpoint: ScriptedEndpoint, authority: Path
) -> None:
    with transport(tls_endpoint, ca_file=authority / "ca.pem") as found:
        assert ask(found) == embedded(["a"]).body


def test_an_unknown_authority_is_refused_at_once_with_the_cure(
    tls_endpoint: ScriptedEndpoint,
) -> None:
    with (
        transport(tls_endpoint) as found,
        pytest.raises(errors.NotAnEndpoint, match=r"CERTIFICATE_VERIFY_FAILED.*endpoint\.ca_file"),
    ):
        ask(found)
    assert tls_endpoint.exchanges == []


def test_https_to_a_server_without_tls_is_refused_at_once(endpoint: ScriptedEndpoint) -> None:
    endpoint.url = endpoint.url.replace("http:", "https:")
    with (
        transport(endpoint) as found,
        pytest.raises(errors.NotAnEndpoint, match=r"correct endpoint\.url"),
    ):
        ask(found)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_a_certificate_is_an_error_that_names_it(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(errors.ConfigError, match=r"endpoint.ca_file: cannot read .*ca\.pem"):
        Transport(Endpoint(url="https://127.0.0.1:1", model="m", ca_file=file))


# What goes wrong on the way


def test_nobody_listening_is_a_failed_connection(closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}"
    with (
        closing(Transport(Endpoint(url=url, model="m"))) as found,
        pytest.raises(errors.ConnectionFailed, match=f"POST {url}/api/embed: .*refused.*running"),
    ):
        ask(found)


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(reset, id="reset"),
        pytest.param(lambda _: None, id="closed without an answer"),
        pytest.param(raw("200 OK", b'{"emb', "content-length: 500"), id="cut short"),
        pytest.param(
            raw("200 OK", b'50\r\n{"emb', "transfer-encoding: chunked"), id="cut short in a chunk"
        ),
        pytest.param(lambda connection: connection.sendall(b"?\r\n\r\n"), id="not HTTP"),
    ],
)
def test_a_connection_that_ends_before_the_answer_is_a_lost_connection(
    endpoint: ScriptedEndpoint, action: Callable[[socket.socket], object]
) -> None:
    endpoint.script = lambda _: action
    with transport(endpoint) as found, pytest.raises(errors.ConnectionLost, match="broke"):
        ask(found)


def test_no_answer_in_time_is_a_timeout(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: lambda _: endpoint.stopping.wait(30)
    with (
        transport(endpoint) as found,
        pytest.raises(errors.RequestTimedOut, match="no answer in time"),
    ):
        ask(found, seconds=0.3)


def test_an_answer_that_trickles_ends_at_the_deadline(endpoint: ScriptedEndpoint) -> None:
    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not endpoint.stopping.wait(0.02):
            connection.sendall(b" ")

    endpoint.script = lambda _: trickle
    with (
        transport(endpoint) as found,
        pytest.raises(errors.RequestTimedOut, match="the answer did not end in time"),
    ):
        ask(found, seconds=0.3)


def test_an_answer_that_is_too_large_is_given_up(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: Reply(200, b" " * 1001)
    with (
        transport(endpoint) as found,
        pytest.raises(errors.WrongAnswer, match="larger than 1000 bytes"),
    ):
        ask(found, limit=1000)


def test_an_answer_of_the_largest_size_is_read(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: Reply(200, b" " * 1000)
    with transport(endpoint) as found:
        assert ask(found, limit=1000) == b" " * 1000


def test_an_answer_that_is_too_large_when_decompressed_is_given_up(
    endpoint: ScriptedEndpoint,
) -> None:
    bomb = gzip.compress(b" " * 1001)
    endpoint.script = lambda _: Reply(200, bomb, {"content-encoding": "gzip"})
    with transport(endpoint) as found, pytest.raises(errors.WrongAnswer, match="larger than"):
        ask(found, limit=1000)


def test_a_compressed_answer_is_read(endpoint: ScriptedEndpoint) -> None:
    body = gzip.compress(embedded(["a"]).body)
    endpoint.script = lambda _: Reply(200, body, {"content-encoding": "gzip"})
    with transport(endpoint) as found:
        assert ask(found) == embedded(["a"]).body


def test_an_answer_that_cannot_be_decompressed_is_a_wrong_answer(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.script = lambda _: Reply(200, b"plain", {"content-encoding": "gzip"})
    with (
        transport(endpoint) as found,
        pytest.raises(errors.WrongAnswer, match="cannot be decompressed"),
    ):
        ask(found)


# The exceptions of httpx

HTTPX = {
    "CloseError": errors.ConnectionLost,
    "ConnectError": errors.ConnectionFailed,
    "ConnectTimeout": errors.ConnectionFailed,
    "CookieConflict": errors.ConnectionLost,
    "DecodingError": errors.WrongAnswer,
    "HTTPError": errors.ConnectionLost,
    "HTTPStatusError": errors.ConnectionLost,
    "InvalidURL": errors.NotAnEndpoint,
    "LocalProtocolError": errors.RequestRejected,
    "NetworkError": errors.ConnectionLost,
    "PoolTimeout": errors.ConnectionFailed,
    "ProtocolError": errors.ConnectionLost,
    "ProxyError": errors.ConnectionFailed,
    "ReadError": errors.ConnectionLost,
    "ReadTimeout": errors.RequestTimedOut,
    "RemoteProtocolError": errors.ConnectionLost,
    "RequestError": errors.ConnectionLost,
    "RequestNotRead": errors.ConnectionLost,
    "ResponseNotRead": errors.ConnectionLost,
    "StreamClosed": errors.ConnectionLost,
    "StreamConsumed": errors.ConnectionLost,
    "StreamError": errors.ConnectionLost,
    "TimeoutException": errors.RequestTimedOut,
    "TooManyRedirects": errors.NotAnEndpoint,
    "TransportError": errors.ConnectionLost,
    "UnsupportedProtocol": errors.NotAnEndpoint,
    "WriteError": errors.ConnectionLost,
    "WriteTimeout": errors.RequestTimedOut,
}


def test_every_public_exception_of_httpx_is_accounted_for() -> None:
    public = {
        name
        for name, kind in inspect.getmembers(httpx, inspect.isclass)
        if issubclass(kind, Exception)
    }
    assert public == set(HTTPX)


def descendants(kind: type[Exception]) -> set[type[Exception]]:
    """Return a class with all classes below it."""
    return {kind}.union(*map(descendants, kind.__subclasses__()))


def test_every_exception_httpx_may_raise_is_accounted_for() -> None:
    roots = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)
    raised = set().union(*map(descendants, roots))
    assert {kind.__name__ for kind in raised} == set(HTTPX) - {"CookieConflict"}


@pytest.mark.parametrize("name", HTTPX)
def test_an_exception_of_httpx_is_a_leaf_of_ours(name: str) -> None:
    kind = getattr(httpx, name)
    found = transport_error(kind.__new__(kind, "said"), "POST URL")
    assert type(found) is HTTPX[name]
    assert str(found).startswith("POST URL: ")


def test_an_exception_without_words_is_named() -> None:
    assert "ReadError" in str(transport_error(httpx.ReadError(""), "POST URL"))


def test_a_request_that_cannot_be_sent_does_not_show_its_headers() -> None:
    found = transport_error(httpx.LocalProtocolError("Illegal header value b'secret'"), "POST URL")
    assert "secret" not in str(found)
