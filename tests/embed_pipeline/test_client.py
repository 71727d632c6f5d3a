"""The client, against real servers: what it sends, what it repeats, and what errors become."""

import gzip
import inspect
import ipaddress
import json
import logging
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from embed_pipeline import errors
from embed_pipeline.client import SMALL_BODY, VECTOR_BYTES, Client, same_model, transport_error
from embed_pipeline.endpoint import Auth, Endpoint, Retry, Timeouts
from tests.support.scripted import Reply, ScriptedEndpoint, embedded, error, scripted, vector_of

ONCE = Retry(attempts=1)
BUSY = "server busy, please try again.  maximum pending requests exceeded"
CRASH = 'do embedding request: Post "http://127.0.0.1:38653/embedding": EOF'
SHORT = Timeouts(connect=1, load=1, read=0.3)


def client(endpoint: ScriptedEndpoint, retry: Retry = ONCE, **values: Any) -> Client:
    """Return a client of a scripted endpoint."""
    return Client(Endpoint(url=endpoint.url, model="all-minilm", **values), retry)


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


def test_the_load_request_and_the_embed_request_carry_the_same_fields_and_headers(
    endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBED_TOKEN", "t0ken")
    with client(
        endpoint,
        options={"num_ctx": 512},
        dimensions=4,
        keep_alive="10m",
        headers={"X-Team": "search"},
        auth=Auth(env="EMBED_TOKEN"),
    ) as found:
        found.load()
        found.embed(["a", "b"])
        found.get("/api/version")
    assert [each.path for each in endpoint.exchanges] == [
        "/api/ps",
        "/api/embed",
        "/api/embed",
        "/api/version",
    ]
    fields = {
        "model": "all-minilm",
        "dimensions": 4,
        "options": {"num_ctx": 512},
        "keep_alive": "10m",
    }
    assert endpoint.exchanges[1].body == {**fields, "input": []}
    assert endpoint.exchanges[2].body == {**fields, "input": ["a", "b"]}
    for each in endpoint.exchanges:
        assert each.headers["x-team"] == "search"
        assert each.headers["authorization"] == "Bearer t0ken"


def test_what_is_not_set_is_not_sent(endpoint: ScriptedEndpoint) -> None:
    with client(endpoint) as found:
        found.embed(["a"])
    assert endpoint.requests == [{"model": "all-minilm", "keep_alive": "30m", "input": ["a"]}]


@pytest.mark.parametrize(
    ("keep_alive", "model", "expires_at"),
    [
        ("30m", "all-minilm:latest", "2318-12-01T10:00:00.123456789+02:00"),
        (0, "library/All-MiniLM", "2318-12-01T10:00:00Z"),
    ],
)
def test_keep_alive_is_not_sent_where_the_model_stays_longer(
    endpoint: ScriptedEndpoint, keep_alive: Any, model: str, expires_at: str
) -> None:
    endpoint.models, endpoint.expires_at = [model], expires_at
    with client(endpoint, keep_alive=keep_alive) as found:
        found.load()
        found.embed(["a"])
    sent = [each.body for each in endpoint.exchanges if each.path == "/api/embed"]
    assert [sorted(body) for body in sent] == [["input", "model"]] * 2


@pytest.mark.parametrize(
    ("keep_alive", "model", "expires_at"),
    [
        ("30m", "all-minilm:latest", "2020-01-01T00:00:00Z"),
        ("30m", "other:latest", "2318-12-01T10:00:00Z"),
        ("30m", "all-minilm:22m", "2318-12-01T10:00:00Z"),
        ("30m", "all-minilm:latest", "never"),
        ("30m", "all-minilm:latest", None),
        (-1, "all-minilm:latest", "2318-12-01T10:00:00Z"),
    ],
)
def test_keep_alive_is_sent_where_it_shortens_nothing(
    endpoint: ScriptedEndpoint, keep_alive: Any, model: str, expires_at: Any
) -> None:
    endpoint.models, endpoint.expires_at = [model], expires_at
    with client(endpoint, keep_alive=keep_alive) as found:
        found.load()
        found.embed(["a"])
    sent = [each.body for each in endpoint.exchanges if each.path == "/api/embed"]
    assert [body["keep_alive"] for body in sent] == [keep_alive] * 2


def test_a_server_without_a_list_of_loaded_models_is_sent_keep_alive(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.paths["/api/ps"] = Reply(404, b"404 page not found")
    with client(endpoint) as found:
        found.load()
        found.embed(["a"])
    assert endpoint.requests[0]["keep_alive"] == "30m"


def test_a_path_in_the_address_is_kept(endpoint: ScriptedEndpoint) -> None:
    endpoint.url += "/base/"
    with client(endpoint) as found:
        found.embed(["a"])
    assert [each.path for each in endpoint.exchanges] == ["/base/api/embed"]


def test_loopback_is_never_reached_by_way_of_a_proxy(
    endpoint: ScriptedEndpoint, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    for host in ("127.0.0.1", "localhost"):
        endpoint.url = endpoint.url.replace("127.0.0.1", host)
        with client(endpoint) as found:
            found.embed(["a"])
    assert endpoint.texts == ["a", "a"]


# Secrets


def test_user_name_and_password_of_the_address_are_sent_but_not_logged(
    endpoint: ScriptedEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.url = endpoint.url.replace("http://", "http://alice:p%40ss@")
    with client(endpoint) as found:
        found.embed(["a"])
        endpoint.script = lambda _: error(500, "broken")
        with pytest.raises(errors.ServerFault) as caught:
            found.embed(["a"])
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
        client(endpoint, auth=Auth(env="EMBED_TOKEN"), headers={"X-Key": "hidden"}) as found,
        pytest.raises(errors.Unauthorized) as caught,
    ):
        found.embed(["a"])
    for shown in (str(caught.value), repr(caught.value), caplog.text):
        assert "t0ken" not in shown
        assert "hidden" not in shown


def test_a_token_in_a_file_is_read_again_when_it_is_refused(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")

    def rotate(_: list[str]) -> Reply | None:
        file.write_text("new\n")
        known = endpoint.headers[-1]["authorization"] == "Bearer new"
        return None if known else error(401, "unauthorized")

    endpoint.script = rotate
    with client(endpoint, auth=Auth(file=str(file))) as found:
        assert found.embed(["a"]).attempts == 1
        found.embed(["b"])
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
        client(endpoint, Retry(), auth=Auth(file=str(file))) as found,
        pytest.raises(errors.Unauthorized, match=r"401 unauthorized \(set endpoint.auth"),
    ):
        found.embed(["a"])
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("content", [None, "", " \n", "sec ret\nmore", "secrét", b"\xff"])
def test_a_file_without_a_token_is_an_error_that_names_it(
    tmp_path: Path, content: str | bytes | None
) -> None:
    file = tmp_path / "token"
    if isinstance(content, str):
        file.write_text(content, encoding="utf-8")
    elif content is not None:
        file.write_bytes(content)
    with pytest.raises(errors.ConfigError, match=r"endpoint\.auth: .*token") as caught:
        Client(Endpoint(url="http://127.0.0.1:1", model="m", auth=Auth(file=str(file))))
    assert "sec" not in str(caught.value)


def test_a_variable_that_is_not_set_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("EMBED_TOKEN", raising=False)
    with pytest.raises(errors.ConfigError, match="environment variable EMBED_TOKEN holds no token"):
        Client(Endpoint(url="http://127.0.0.1:1", model="m", auth=Auth(env="EMBED_TOKEN")))


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
    with client(tls_endpoint, ca_file=authority / "ca.pem") as found:
        assert found.embed(["a"]).attempts == 1


def test_an_unknown_authority_is_refused_at_once_with_the_cure(
    tls_endpoint: ScriptedEndpoint,
) -> None:
    with (
        client(tls_endpoint, Retry()) as found,
        pytest.raises(errors.NotAnEndpoint, match=r"CERTIFICATE_VERIFY_FAILED.*endpoint\.ca_file"),
    ):
        found.embed(["a"])
    assert tls_endpoint.exchanges == []


def test_https_to_a_server_without_tls_is_refused_at_once(endpoint: ScriptedEndpoint) -> None:
    endpoint.url = endpoint.url.replace("http:", "https:")
    with (
        client(endpoint, Retry()) as found,
        pytest.raises(errors.NotAnEndpoint, match=r"correct endpoint\.url"),
    ):
        found.embed(["a"])


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_a_certificate_is_an_error_that_names_it(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(errors.ConfigError, match=r"endpoint.ca_file: cannot read .*ca\.pem"):
        Client(Endpoint(url="https://127.0.0.1:1", model="m", ca_file=file))


# What transport does to answers


def test_nobody_listening_is_a_failed_connection(closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}"
    with (
        Client(Endpoint(url=url, model="m"), ONCE) as found,
        pytest.raises(errors.ConnectionFailed, match=f"POST {url}/api/embed: .*refused.*running"),
    ):
        found.embed(["a"])


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
def test_a_connection_that_ends_before_the_answer_is_a_failed_connection(
    endpoint: ScriptedEndpoint, action: Callable[[socket.socket], object]
) -> None:
    endpoint.script = lambda _: action
    with client(endpoint) as found, pytest.raises(errors.ConnectionFailed):
        found.embed(["a"])


def test_no_answer_in_time_is_a_timeout(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: lambda _: endpoint.stopping.wait(30)
    with (
        client(endpoint, timeouts=SHORT) as found,
        pytest.raises(errors.RequestTimedOut, match="no answer in time"),
    ):
        found.embed(["a"])


def test_an_answer_that_trickles_ends_at_the_deadline(endpoint: ScriptedEndpoint) -> None:
    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not endpoint.stopping.wait(0.02):
            connection.sendall(b" ")

    endpoint.script = lambda _: trickle
    with (
        client(endpoint, timeouts=SHORT) as found,
        pytest.raises(errors.RequestTimedOut, match="the answer did not end in time"),
    ):
        found.embed(["a"])


def test_an_answer_that_is_too_large_is_given_up(endpoint: ScriptedEndpoint) -> None:
    limit = SMALL_BODY + VECTOR_BYTES
    endpoint.script = lambda _: Reply(200, b" " * (limit + 1))
    with (
        client(endpoint) as found,
        pytest.raises(errors.WrongAnswer, match=f"larger than {limit} bytes"),
    ):
        found.embed(["a"])


def test_an_answer_that_is_too_large_when_decompressed_is_given_up(
    endpoint: ScriptedEndpoint,
) -> None:
    bomb = gzip.compress(b" " * (SMALL_BODY + VECTOR_BYTES + 1))
    endpoint.script = lambda _: Reply(200, bomb, {"content-encoding": "gzip"})
    with client(endpoint) as found, pytest.raises(errors.WrongAnswer, match="larger than"):
        found.embed(["a"])


def test_a_compressed_answer_is_read(endpoint: ScriptedEndpoint) -> None:
    body = gzip.compress(embedded(["a"]).body)
    endpoint.script = lambda _: Reply(200, body, {"content-encoding": "gzip"})
    with client(endpoint) as found:
        assert found.embed(["a"]).answer.vectors.tolist() == [vector_of("a").tolist()]


def test_an_answer_that_cannot_be_decompressed_is_a_wrong_answer(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.script = lambda _: Reply(200, b"plain", {"content-encoding": "gzip"})
    with (
        client(endpoint) as found,
        pytest.raises(errors.WrongAnswer, match="cannot be decompressed"),
    ):
        found.embed(["a"])


@pytest.mark.parametrize("body", [b"", b"<html>Sign in</html>"])
def test_a_page_instead_of_vectors_is_a_wrong_answer(
    endpoint: ScriptedEndpoint, body: bytes
) -> None:
    endpoint.script = lambda _: Reply(200, body, {"content-type": "text/html"})
    with client(endpoint) as found, pytest.raises(errors.WrongAnswer, match="is a proxy"):
        found.embed(["a"])


def test_a_page_instead_of_facts_is_no_endpoint(endpoint: ScriptedEndpoint) -> None:
    endpoint.paths["/api/version"] = Reply(200, b"<html>Sign in</html>")
    with client(endpoint) as found, pytest.raises(errors.NotAnEndpoint, match="JSON object"):
        found.get("/api/version")


def test_show_returns_what_the_endpoint_knows_of_the_model(endpoint: ScriptedEndpoint) -> None:
    endpoint.paths["/api/show"] = Reply(200, b'{"capabilities":["embedding"]}')
    with client(endpoint) as found:
        assert found.show() == {"capabilities": ["embedding"]}
    assert endpoint.exchanges[0].body == {"model": "all-minilm"}


def test_every_vector_has_the_dimension_of_the_first(endpoint: ScriptedEndpoint) -> None:
    with client(endpoint) as found:
        found.embed(["a"])
        endpoint.script = lambda texts: embedded(texts, 4)
        with pytest.raises(errors.WrongAnswer, match="4 values came back where 8 were expected"):
            found.embed(["b"])


def test_every_vector_has_the_dimension_that_was_asked_for(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda texts: embedded(texts, 8)
    with (
        client(endpoint, dimensions=4) as found,
        pytest.raises(errors.WrongAnswer, match="8 values came back where 4 were expected"),
    ):
        found.embed(["b"])


# What is repeated


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(400, "the input length exceeds the context length"), errors.TextTooLong),
        (error(400, "invalid input type"), errors.RequestRejected),
        (error(500, 'option "num_ctx" must be of type integer'), errors.RequestRejected),
        (error(401, "unauthorized"), errors.Unauthorized),
        (Reply(403, b""), errors.Unauthorized),
        (error(404, 'model "m" not found, try pulling it first'), errors.ModelNotFound),
        (Reply(404, b"404 page not found"), errors.NotAnEndpoint),
        (Reply(405, b"405 method not allowed"), errors.NotAnEndpoint),
        (Reply(307, b"", {"location": "/api/embed"}), errors.NotAnEndpoint),
        (error(501, "this model does not support embeddings"), errors.CannotEmbed),
    ],
)
def test_a_permanent_error_is_sent_once(
    endpoint: ScriptedEndpoint, reply: Reply, kind: type[errors.PermanentError]
) -> None:
    endpoint.script = lambda _: reply
    with client(endpoint, Retry()) as found, pytest.raises(kind) as caught:
        found.embed(["a"])
    assert len(endpoint.requests) == 1
    assert caught.value.attempts == 1


def replies(endpoint: ScriptedEndpoint, *first: Reply) -> None:
    """Let an endpoint answer so at first, and as usual afterwards."""
    waiting = list(first)
    endpoint.script = lambda _: waiting.pop(0) if waiting else None


def test_a_busy_endpoint_is_asked_again_and_the_wait_is_counted(
    endpoint: ScriptedEndpoint,
) -> None:
    replies(endpoint, error(503, BUSY))
    with client(endpoint, Retry(attempts=2)) as found:
        tries = found.embed(["a"])
    assert (len(endpoint.requests), tries.attempts) == (2, 2)
    assert tries.throttled_s > 0
    assert endpoint.requests[0] == endpoint.requests[1]


def test_the_tries_are_bounded(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: error(503, BUSY)
    with client(endpoint, Retry(attempts=2)) as found, pytest.raises(errors.Overloaded) as caught:
        found.embed(["a"])
    assert (len(endpoint.requests), caught.value.attempts) == (2, 2)


def test_a_wait_that_is_asked_for_and_exceeds_the_time_is_not_begun(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.script = lambda _: error(503, BUSY, **{"retry-after": "61"})
    retry = Retry(attempts=8, total_seconds=60)
    with client(endpoint, retry) as found, pytest.raises(errors.Overloaded) as caught:
        found.embed(["a"])
    assert (len(endpoint.requests), caught.value.retry_after) == (1, 61.0)


@pytest.mark.parametrize(
    "reply",
    [
        error(500, "failed to encode response: json: unsupported value: NaN"),
        Reply(200, b'{"embeddings":[[0.5,null]]}'),
        Reply(200, b'{"embeddings":[]}'),
    ],
    ids=["NaN", "null", "too few"],
)
def test_what_one_text_may_cause_is_tried_twice_only(
    endpoint: ScriptedEndpoint, reply: Reply
) -> None:
    endpoint.script = lambda _: reply
    kinds = (errors.VectorNotFinite, errors.WrongAnswer)
    with client(endpoint, Retry(attempts=8)) as found, pytest.raises(kinds):
        found.embed(["a"])
    assert len(endpoint.requests) == 2


def test_a_wrong_answer_and_then_a_good_one_is_a_success(endpoint: ScriptedEndpoint) -> None:
    replies(endpoint, Reply(200, b'{"embeddings":[[3.0,4.0]]}'))
    with client(endpoint, Retry(attempts=2)) as found:
        assert found.embed(["a"]).attempts == 2


def test_one_try_is_one_try_where_a_text_may_be_the_cause(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: error(400, CRASH)
    with client(endpoint, Retry()) as found, pytest.raises(errors.RunnerCrashed):
        found.embed(["a", "b"], tries=1)
    assert len(endpoint.requests) == 1


def test_one_try_does_not_count_while_the_endpoint_is_busy(endpoint: ScriptedEndpoint) -> None:
    replies(endpoint, error(503, BUSY))
    with client(endpoint, Retry(attempts=2)) as found:
        assert found.embed(["a", "b"], tries=1).attempts == 2


def test_loading_is_tried_again(endpoint: ScriptedEndpoint) -> None:
    endpoint.loading = [error(503, BUSY)]
    with client(endpoint, Retry(attempts=2)) as found:
        found.load()
    assert endpoint.loads == 2


def test_a_model_that_is_not_there_is_asked_for_once(endpoint: ScriptedEndpoint) -> None:
    endpoint.loading = [error(404, 'model "m" not found, try pulling it first')]
    with client(endpoint, Retry()) as found, pytest.raises(errors.ModelNotFound):
        found.load()
    assert endpoint.loads == 1


# Names, and httpx's exceptions


@pytest.mark.parametrize(
    ("listed", "asked", "same"),
    [
        ("all-minilm:latest", "all-minilm", True),
        ("all-minilm:latest", "All-MiniLM", True),
        ("all-minilm:latest", " all-minilm:latest ", True),
        ("all-minilm:latest", "library/all-minilm", True),
        ("all-minilm:latest", "registry.ollama.ai/library/all-minilm", True),
        ("all-minilm:22m", "all-minilm", False),
        ("all-minilm:22m", "all-minilm:22M", True),
        ("me/all-minilm:latest", "all-minilm", False),
        ("host:5000/me/model:latest", "host:5000/me/model", True),
        (None, "all-minilm", False),
    ],
)
def test_names_of_the_same_model(listed: object, asked: str, same: bool) -> None:
    assert same_model(listed, asked) == same


HTTPX = {
    "CloseError": errors.ConnectionFailed,
    "ConnectError": errors.ConnectionFailed,
    "ConnectTimeout": errors.ConnectionFailed,
    "CookieConflict": errors.ConnectionFailed,
    "DecodingError": errors.WrongAnswer,
    "HTTPError": errors.ConnectionFailed,
    "HTTPStatusError": errors.ConnectionFailed,
    "InvalidURL": errors.NotAnEndpoint,
    "LocalProtocolError": errors.RequestRejected,
    "NetworkError": errors.ConnectionFailed,
    "PoolTimeout": errors.ConnectionFailed,
    "ProtocolError": errors.ConnectionFailed,
    "ProxyError": errors.ConnectionFailed,
    "ReadError": errors.ConnectionFailed,
    "ReadTimeout": errors.RequestTimedOut,
    "RemoteProtocolError": errors.ConnectionFailed,
    "RequestError": errors.ConnectionFailed,
    "RequestNotRead": errors.ConnectionFailed,
    "ResponseNotRead": errors.ConnectionFailed,
    "StreamClosed": errors.ConnectionFailed,
    "StreamConsumed": errors.ConnectionFailed,
    "StreamError": errors.ConnectionFailed,
    "TimeoutException": errors.RequestTimedOut,
    "TooManyRedirects": errors.NotAnEndpoint,
    "TransportError": errors.ConnectionFailed,
    "UnsupportedProtocol": errors.NotAnEndpoint,
    "WriteError": errors.ConnectionFailed,
    "WriteTimeout": errors.RequestTimedOut,
}


def test_every_public_exception_of_httpx_is_accounted_for() -> None:
    public = {
        name
        for name, kind in inspect.getmembers(httpx, inspect.isclass)
        if issubclass(kind, Exception)
    }
    assert public == set(HTTPX)


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


def test_the_body_is_utf8_json(endpoint: ScriptedEndpoint) -> None:
    with client(endpoint) as found:
        found.embed(["é \U0001f600 \"'\n"])
    assert json.dumps(endpoint.texts) == json.dumps(["é \U0001f600 \"'\n"])
