"""What answers mean: every row of the contract's table, with the server's literal texts."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline import errors
from embed_pipeline.answer import parse
from embed_pipeline.classify import MAX_SHOWN, classify, retry_after
from embed_pipeline.transport import transport_error

JSON = {"content-type": "application/json; charset=utf-8"}
PLAIN = {"content-type": "text/plain"}
HTML = {"content-type": "text/html"}

CRASHES = [
    'do embedding request: Post "http://127.0.0.1:38653/embedding": EOF',
    'do embedding request: Post "http://127.0.0.1:38653/embedding": read: connection reset by peer',
    "error reading embed response: unexpected EOF",
    "unexpected server status: llm server loading model",
    "llama runner process no longer running: -1 ",
    'health resp: Get "http://127.0.0.1:38653/health": dial tcp: connect: connection refused',
    "server not responding",
    "dial tcp 127.0.0.1:38653: connect: connection refused",
    "no slots available after 10 retries",
    "unmarshal tokenize response: unexpected end of JSON input",
    "context canceled",
    'Post "http://127.0.0.1:40123/v1/embeddings": EOF',
]
TOO_LONG = [
    "the input length exceeds the context length",
    "input after truncation exceeds maximum context length",
    "input exceeds maximum context length and cannot be truncated further",
]
REFUSED = [
    "missing request body",
    "unexpected EOF",
    "invalid character 'o' in literal null (expecting 'u')",
    "json: cannot unmarshal string into Go struct field EmbedRequest.truncate of type bool",
    "json: cannot unmarshal number 3.5 into Go struct field EmbedRequest.dimensions of type int",
    "invalid input type",
    "invalid model name",
    'time: missing unit in duration "-1"',
    'time: unknown unit "d" in duration "1d"',
    "Unsupported type: 'bool'",
    'use either :local or :cloud, not both: "foo:cloud:local"',
]
LOADING = [
    (
        "model failed to load, this may be due to resource limitations or an internal error, check "
        "ollama server logs for details"
    ),
    "model requires more system memory (8.5 GiB) than is available (3.1 GiB)",
    "timed out waiting for llama runner to start - progress 0.00 - ",
    "llama runner process has terminated: exit status 2",
    "unable to load model: /models/blobs/sha256-aa",
]
BUSY = "server busy, please try again.  maximum pending requests exceeded"


def text(said: str) -> bytes:
    return json.dumps({"error": said}).encode()


ROWS = [
    *[(400, JSON, text(said), errors.RunnerCrashed) for said in CRASHES],
    *[(400, JSON, text(said), errors.TextTooLong) for said in TOO_LONG],
    (500, JSON, text("the input length exceeds the context length"), errors.TextTooLong),
    (413, HTML, b"<html>413 Request Entity Too Large</html>", errors.TextTooLong),
    *[(400, JSON, text(said), errors.RequestRejected) for said in REFUSED],
    (400, HTML, b"<html>400 Bad Request</html>", errors.RequestRejected),
    (422, JSON, b'{"detail":"nope"}', errors.RequestRejected),
    (404, JSON, text('model "nope" not found, try pulling it first'), errors.ModelNotFound),
    (404, JSON, text("model '' not found"), errors.ModelNotFound),
    (404, JSON, b'{"error":{"message":"model \\"nope\\" not found"}}', errors.ModelNotFound),
    (404, PLAIN, b"404 page not found", errors.NotAnEndpoint),
    (404, JSON, b'{"detail":"Not Found"}', errors.NotAnEndpoint),
    (405, PLAIN, b"405 method not allowed", errors.NotAnEndpoint),
    (307, {"location": "/api/embed"}, b"", errors.NotAnEndpoint),
    (301, {"location": "https://host/api/embed"}, b"", errors.NotAnEndpoint),
    (204, {}, b"", errors.NotAnEndpoint),
    (401, JSON, text("unauthorized"), errors.Unauthorized),
    (403, JSON, text("ollama cloud is disabled: remote model is unavailable"), errors.Unauthorized),
    (403, {}, b"", errors.Unauthorized),
    (500, JSON, text('option "num_ctx" must be of type integer'), errors.RequestRejected),
    (500, JSON, text('option "stop" must be of type array'), errors.RequestRejected),
    (
        500,
        JSON,
        text("failed to encode response: json: unsupported value: NaN"),
        errors.VectorNotFinite,
    ),
    (
        500,
        JSON,
        text("failed to encode response: json: unsupported value: +Inf"),
        errors.VectorNotFinite,
    ),
    (400, JSON, text("embedding contains NaN or Inf values"), errors.VectorNotFinite),
    *[(500, JSON, text(said), errors.ModelLoadFailed) for said in LOADING],
    (500, JSON, text("something else"), errors.ServerFault),
    (500, HTML, b"<html>oops</html>", errors.ServerFault),
    (500, {}, b"", errors.ServerFault),
    (500, JSON, text('Post "http://127.0.0.1:38653/embedding": EOF'), errors.RunnerCrashed),
    (501, JSON, text("this model does not support embeddings"), errors.CannotEmbed),
    (503, JSON, text(BUSY), errors.Overloaded),
    (502, HTML, b"<html>Bad Gateway</html>", errors.Overloaded),
    (504, HTML, b"<html>Gateway Time-out</html>", errors.Overloaded),
    (429, JSON, text("too many requests"), errors.Overloaded),
    (408, {}, b"", errors.Overloaded),
]

MEANINGS = [
    (errors.ConnectionFailed, True, "job", None),
    (errors.ConnectionLost, True, "text", 3),
    (errors.RequestTimedOut, True, "text", 1),
    (errors.Overloaded, True, "job", None),
    (errors.TokenUnavailable, True, "job", None),
    (errors.ModelLoadFailed, True, "job", None),
    (errors.RunnerCrashed, True, "text", 3),
    (errors.VectorNotFinite, True, "text", 2),
    (errors.WrongAnswer, True, "text", 2),
    (errors.ServerFault, True, "text", 3),
    (errors.TextTooLong, False, "text", None),
    (errors.ModelNotFound, False, "job", None),
    (errors.NotAnEndpoint, False, "job", None),
    (errors.Unauthorized, False, "job", None),
    (errors.CannotEmbed, False, "job", None),
    (errors.RequestRejected, False, "text", None),
    (errors.ModelChanged, False, "job", None),
    (errors.VectorsContradicted, False, "job", None),
    (errors.NothingSucceeds, False, "job", None),
]

# What a client is to do, row by row of the contract's table: the outcomes, the errors they are,
# whether they are tried again, and whether a text or the job is concerned in the end.
Outcome = httpx.TransportError | tuple[int, dict[str, str], bytes]
DO: list[tuple[str, list[Outcome], type[errors.EndpointError], bool, str]] = [
    (
        "no connection",
        [
            httpx.ConnectError("[Errno 111] Connection refused"),
            httpx.ConnectError("[Errno 104] Connection reset by peer"),
            httpx.ConnectError("[Errno -2] Name or service not known"),
            httpx.ConnectTimeout("timed out"),
            httpx.PoolTimeout("timed out"),
        ],
        errors.ConnectionFailed,
        True,
        "job",
    ),
    (
        "a connection that broke",
        [
            httpx.RemoteProtocolError("Server disconnected without sending a response."),
            httpx.RemoteProtocolError("peer closed connection without sending complete message"),
            httpx.ReadError("[Errno 104] Connection reset by peer"),
            httpx.WriteError("[Errno 32] Broken pipe"),
        ],
        errors.ConnectionLost,
        True,
        "text",
    ),
    ("read timeout", [httpx.ReadTimeout("timed out")], errors.RequestTimedOut, True, "text"),
    ("503", [(503, JSON, text(BUSY))], errors.Overloaded, True, "job"),
    (
        "502, 504, 429, 408",
        [
            (502, HTML, b"<html>Bad Gateway</html>"),
            (502, JSON, text("dial tcp: lookup ollama.com: no such host")),
            (504, HTML, b"<html>Gateway Time-out</html>"),
            (429, JSON, text("too many requests")),
            (408, {}, b""),
        ],
        errors.Overloaded,
        True,
        "job",
    ),
    (
        "400 of a crashed runner",
        [(400, JSON, text(said)) for said in CRASHES],
        errors.RunnerCrashed,
        True,
        "text",
    ),
    (
        "400 of a text that is too long",
        [(400, JSON, text(said)) for said in TOO_LONG],
        errors.TextTooLong,
        False,
        "text",
    ),
    (
        "400 of a request that is wrong",
        [(400, JSON, text(said)) for said in REFUSED],
        errors.RequestRejected,
        False,
        "text",
    ),
    (
        "404 of the model",
        [
            (404, JSON, text('model "nope" not found, try pulling it first')),
            (404, JSON, text("model '' not found")),
        ],
        errors.ModelNotFound,
        False,
        "job",
    ),
    (
        "404 text/plain, 405, 307",
        [
            (404, PLAIN, b"404 page not found"),
            (405, {**PLAIN, "allow": "POST"}, b"405 method not allowed"),
            (307, {"location": "/api/embed"}, b""),
        ],
        errors.NotAnEndpoint,
        False,
        "job",
    ),
    (
        "401, 403",
        [
            (401, JSON, b'{"error":"unauthorized","signin_url":"https://host/connect?key=k"}'),
            (403, {}, b""),
            (403, JSON, text("ollama cloud is disabled: remote model is unavailable")),
        ],
        errors.Unauthorized,
        False,
        "job",
    ),
    (
        "500 of an option",
        [
            (500, JSON, text('option "num_ctx" must be of type integer')),
            (500, JSON, text('option "temperature" must be of type float32')),
            (500, JSON, text('option "stop" must be of an array of strings')),
        ],
        errors.RequestRejected,
        False,
        "text",
    ),
    (
        "500 of NaN",
        [(500, JSON, text("failed to encode response: json: unsupported value: NaN"))],
        errors.VectorNotFinite,
        True,
        "text",
    ),
    (
        "500 of loading",
        [(500, JSON, text(said)) for said in LOADING],
        errors.ModelLoadFailed,
        True,
        "job",
    ),
    (
        "other 500",
        [(500, JSON, text("something else")), (500, HTML, b"<html>oops</html>"), (500, {}, b"")],
        errors.ServerFault,
        True,
        "text",
    ),
    (
        "501",
        [(501, JSON, text("this model does not support embeddings"))],
        errors.CannotEmbed,
        False,
        "job",
    ),
]
WRONG_VECTORS = [
    (b'{"embeddings":[]}', errors.WrongAnswer),
    (b'{"embeddings":[[1.0],[1.0],[1.0]]}', errors.WrongAnswer),
    (b'{"embeddings":[[0.6,0.8],[1.0]]}', errors.WrongAnswer),
    (b'{"embeddings":[[0.0,0.0],[0.0,0.0]]}', errors.WrongAnswer),
    (b'{"embeddings":[[NaN,0.8],[0.6,0.8]]}', errors.VectorNotFinite),
    (b'{"embeddings":[[null,0.8],[0.6,0.8]]}', errors.VectorNotFinite),
]


@pytest.mark.parametrize(
    ("outcomes", "kind", "retried", "scope"), [row[1:] for row in DO], ids=[row[0] for row in DO]
)
def test_a_row_of_the_contracts_table_is_done_as_it_says(
    outcomes: list[Outcome], kind: type[errors.EndpointError], retried: bool, scope: str
) -> None:
    for outcome in outcomes:
        if isinstance(outcome, httpx.TransportError):
            error = transport_error(outcome, "POST URL")
        else:
            error = classify(*outcome, "POST URL")
        assert type(error) is kind, outcome
        assert isinstance(error, errors.TransientError) is retried
        assert error.scope == scope


@pytest.mark.parametrize(("body", "kind"), WRONG_VECTORS)
def test_vectors_that_are_not_those_asked_for_are_tried_again_and_concern_the_text(
    body: bytes, kind: type[errors.EndpointError]
) -> None:
    with pytest.raises(errors.TransientError) as caught:
        parse(body, 2, 2, "POST URL")
    assert type(caught.value) is kind
    assert (caught.value.scope, caught.value.tries) == ("text", 2)


@pytest.mark.parametrize(("status", "headers", "body", "kind"), ROWS)
def test_an_answer_is_this_error(
    status: int, headers: dict[str, str], body: bytes, kind: type[errors.EndpointError]
) -> None:
    error = classify(status, headers, body, "POST http://host/api/embed")
    assert type(error) is kind
    assert error.status == status
    assert str(error).startswith(f"POST http://host/api/embed: {status}")


@pytest.mark.parametrize(("kind", "transient", "scope", "tries"), MEANINGS)
def test_an_error_is_retried_and_concerns_the_text_or_the_job(
    kind: type[errors.EndpointError], transient: bool, scope: str, tries: int | None
) -> None:
    assert issubclass(kind, errors.TransientError) == transient
    assert issubclass(kind, errors.PermanentError) != transient
    assert kind.scope == scope
    assert getattr(kind, "tries", None) == tries


def test_no_leaf_is_without_a_stated_meaning() -> None:
    found = errors.TransientError.__subclasses__() + errors.PermanentError.__subclasses__()
    assert {kind for kind, *_ in MEANINGS} == set(found)


def test_the_servers_text_and_the_cure_are_in_the_message() -> None:
    error = classify(404, JSON, text('model "nope" not found, try pulling it first'), "POST URL")
    assert str(error) == (
        'POST URL: 404 model "nope" not found, try pulling it first '
        "(pull the model there, or correct endpoint.model)"
    )


def test_a_redirect_says_where_it_points_without_secrets() -> None:
    headers = {"location": "https://alice:secret@host/login?next=secret"}
    error = classify(302, headers, b"", "POST URL")
    assert "it points to https://host/login)" in str(error)
    assert "secret" not in str(error)


def test_a_long_body_is_shortened_to_one_line() -> None:
    error = classify(500, HTML, b"<p>\n" * 10_000, "POST URL")
    assert "\n" not in str(error)
    assert len(str(error)) < MAX_SHOWN + 100


def test_a_body_that_is_no_utf8_is_shown_as_far_as_can_be() -> None:
    assert "500 caf\ufffd" in str(classify(500, {}, b"caf\xe9", "POST URL"))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0.0), ("7", 7.0), (" 120 ", 120.0), ("", None), ("soon", None), ("-5", None)],
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}) == seconds


def test_retry_after_as_a_date_that_is_over_means_at_once() -> None:
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0


def test_retry_after_as_a_date_to_come_means_the_time_until_then() -> None:
    moment = datetime.now(UTC) + timedelta(days=2)
    seconds = retry_after({"retry-after": format_datetime(moment, usegmt=True)})
    assert seconds is not None
    assert 86_400 < seconds <= 2 * 86_400


def test_without_retry_after_nothing_is_asked() -> None:
    assert retry_after({}) is None


def test_retry_after_travels_with_the_error() -> None:
    assert classify(503, {"retry-after": "3"}, text(BUSY), "POST URL").retry_after == 3.0


@pytest.mark.parametrize("value", ["Mon, 01 Jan 2024 00:00:00 +9999999999999999999", "٣"])
def test_a_strange_retry_after_is_ignored(value: str) -> None:
    assert retry_after({"retry-after": value}) is None


@given(st.integers(201, 599), st.binary(max_size=50), st.text(max_size=20))
def test_any_answer_is_a_leaf_of_the_tree(status: int, body: bytes, wait: str) -> None:
    error = classify(status, {"retry-after": wait}, body, "POST URL")
    assert type(error) in {kind for kind, *_ in MEANINGS}
