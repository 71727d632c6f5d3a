"""The faults: what can befall one request, each under the name the tables call it."""

import gzip
import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from tests.support.faulty import Answer, Fault, Incident, head

JSON = {"content-type": "application/json"}
HTML = b"<html><body><h1>Bad Gateway</h1></body></html>"
OTHER_DIGEST = "ee" * 32
Vectors = list[list[Any]]


def replied(name: str, status: int, text: str, **headers: str) -> Fault:
    """Return a fault that answers with an error in the endpoint's own form."""
    answer = Answer(status, json.dumps({"error": text}).encode(), {**JSON, **headers})
    return Fault(name, lambda incident: incident.send(answer))


def raw(name: str, status: int, body: bytes, **headers: str) -> Fault:
    """Return a fault that answers with any body."""
    return Fault(name, lambda incident: incident.send(Answer(status, body, headers)))


def vectors(name: str, change: Callable[[Vectors], Vectors]) -> Fault:
    """Return a fault that changes the vectors of the endpoint's own answer."""

    def act(incident: Incident) -> None:
        answer = incident.behind()
        found = json.loads(answer.body)
        if "embeddings" in found:
            found["embeddings"] = change(found["embeddings"])
        incident.send(answer._replace(body=json.dumps(found).encode()))

    return Fault(name, act)


def swapped(name: str, change: Callable[[Incident], None]) -> Fault:
    """Return a fault that changes what stands behind, and lets the request pass."""

    def act(incident: Incident) -> None:
        change(incident)
        incident.send(incident.behind(), good=True)

    return Fault(name, act)


def _refuse(incident: Incident) -> None:
    incident.proxy.refuse(0.6)
    incident.reset()


def _reset(incident: Incident) -> None:
    incident.reset()


def _stall(incident: Incident) -> None:
    incident.wait_for_the_client_to_go()


def _scaled(vector: list[Any]) -> list[Any]:
    """Return a vector made of unit length."""
    norm = math.sqrt(sum(x * x for x in vector))
    return [x / norm for x in vector]


def _half(incident: Incident) -> None:
    answer = incident.behind()
    incident.connection.sendall(head(answer, len(answer.body)))
    incident.connection.sendall(answer.body[: len(answer.body) // 2])


def _reset_in_response(incident: Incident) -> None:
    _half(incident)
    incident.reset()


def _stall_in_response(incident: Incident) -> None:
    _half(incident)
    incident.wait_for_the_client_to_go()


def _trickle(incident: Incident) -> None:
    answer = incident.behind()
    incident.connection.sendall(head(answer, len(answer.body)))
    for place in range(len(answer.body)):
        incident.connection.sendall(answer.body[place : place + 1])
        if incident.wait_for_the_client_to_go(0.02):
            return


def _unbounded(incident: Incident) -> None:
    incident.connection.sendall(head(Answer(200, b"", JSON), None) + b'{"embeddings": [[')
    while not incident.proxy.closing.is_set():
        incident.connection.sendall(b"0.25, " * 10_000)


def _zipped(incident: Incident) -> None:
    answer = incident.behind()
    headers = {**answer.headers, "content-encoding": "gzip"}
    incident.send(Answer(answer.status, gzip.compress(answer.body), headers), good=True)


def _zipped_badly(incident: Incident) -> None:
    answer = incident.behind()
    headers = {**answer.headers, "content-encoding": "gzip"}
    body = bytearray(gzip.compress(answer.body))
    body[len(body) // 2] ^= 0xFF
    incident.send(Answer(answer.status, bytes(body), headers))


def _mislabeled(incident: Incident) -> None:
    answer = incident.behind()
    incident.send(answer._replace(headers={"content-type": "text/plain"}), good=True)


def _busy_until(incident: Incident) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    body = json.dumps({"error": BUSY_TEXT}).encode()
    incident.send(Answer(503, body, {**JSON, "retry-after": when}))


def _wants_cutting(incident: Incident) -> None:
    """Refuse long texts whatever `truncate` says, as servers do whose cut text is too long."""
    if any(len(text.split()) > 38 for text in incident.asked.texts):
        incident.send(Answer(400, json.dumps({"error": TOO_LONG_TEXT}).encode(), JSON))
    else:
        incident.send(incident.behind(), good=True)


def _echo(incident: Incident) -> None:
    """Answer as a chatty server does: with the request's own headers in the error's text."""
    told = json.dumps({"error": f"cannot serve {incident.request.headers}"}).encode()
    incident.send(Answer(500, told, JSON))


def _redirect_back(incident: Incident) -> None:
    """Answer as a proxy does that puts the credentials into the address."""
    known = incident.request.headers.get("authorization", "").replace(" ", ":")
    where = f"http://{known}@127.0.0.1:9{incident.request.path}"
    incident.send(Answer(307, b"", {"location": where}))


def _unauthorized_echo(incident: Incident) -> None:
    told = json.dumps({"error": f"unauthorized: {incident.request.headers}"}).encode()
    incident.send(Answer(401, told, JSON))


def _set_digest(incident: Incident) -> None:
    incident.proxy.digest = OTHER_DIGEST


def _unset_digest(incident: Incident) -> None:
    incident.proxy.digest = None


def _replace(incident: Incident) -> None:
    incident.proxy.digest, incident.proxy.replaced = OTHER_DIGEST, True


def _restart_with_another(incident: Incident) -> None:
    incident.proxy.lives += 1
    incident.proxy.refuse(0.3)
    incident.proxy.digest, incident.proxy.replaced = OTHER_DIGEST, True
    incident.reset()


def _remove(incident: Incident) -> None:
    incident.proxy.removed = True
    body = json.dumps({"error": 'model "all-minilm" not found, try pulling it first'}).encode()
    incident.send(Answer(404, body, JSON))


BUSY_TEXT = "server busy, please try again.  maximum pending requests exceeded"
TOO_LONG_TEXT = "the input length exceeds the context length"
EOF_TEXT = 'do embedding request: Post "http://127.0.0.1:38653/embedding": EOF'
CRASHES = (
    EOF_TEXT,
    "error reading embed response: unexpected EOF",
    "unexpected server status: llm server loading model",
    "llama runner process no longer running: -1 signal: killed",
    'health resp: Get "http://127.0.0.1:38653/health": EOF',
    "server not responding",
    "dial tcp 127.0.0.1:38653: connect: connection refused",
    "no slots available after 10 retries",
    "unmarshal tokenize response: unexpected end of JSON input",
    'Post "http://127.0.0.1:38653/embedding": context canceled',
)

REFUSED = Fault("connection refused for a while", _refuse)
RESET_IN_REQUEST = Fault("reset in mid-request", _reset, early=True)
RESET = Fault("reset before the answer", _reset)
RESET_IN_RESPONSE = Fault("reset in mid-response", _reset_in_response)
CUT_SHORT = Fault("a response cut short", _half)
STALLED = Fault("no answer at all", _stall)
STALLED_IN_RESPONSE = Fault("an answer that stalls half way", _stall_in_response)
TRICKLED = Fault("a slow trickle", _trickle)
HTML_200 = raw("a proxy's HTML page with status 200", 200, HTML, **{"content-type": "text/html"})
HTML_502 = raw("a proxy's HTML page with status 502", 502, HTML, **{"content-type": "text/html"})
REDIRECTED = raw("a redirect", 307, b"", location="http://127.0.0.1:9/elsewhere")
REDIRECTED_BACK = Fault("a redirect that repeats the credentials", _redirect_back)
MISLABELED = Fault("the right answer with a wrong content type", _mislabeled)
ZIPPED = Fault("an answer in gzip", _zipped)
ZIPPED_BADLY = Fault("an answer in damaged gzip", _zipped_badly)
UNBOUNDED = Fault("an unbounded body", _unbounded)
EMPTY_BODY = raw("an empty body with status 200", 200, b"", **JSON)

BUSY = replied("503", 503, BUSY_TEXT)
BUSY_FOR_SECONDS = replied(
    "503 with Retry-After in seconds", 503, BUSY_TEXT, **{"retry-after": "1"}
)
BUSY_UNTIL = Fault("503 with Retry-After as a date", _busy_until)
TOO_MANY = replied("429", 429, "too many requests", **{"retry-after": "1"})
NOT_LOADED = replied(
    "500, the model does not load", 500, "model failed to load, this may be due to resource limits"
)
SERVER_FAULT = replied("500, any other", 500, "something went wrong")
CRASHED = replied("400, the model's process crashed", 400, EOF_TEXT)
CRASHED_AS = tuple(replied(f"400: {text}", 400, text) for text in CRASHES)
REMOVED = Fault("404, the model was removed", _remove)
UNAUTHORIZED = replied("401", 401, "unauthorized")
FORBIDDEN = raw("403 without a body", 403, b"")
CANNOT = replied("501, the model cannot embed", 501, "this model does not support embeddings")
REJECTED = replied("400, a request it never accepts", 400, "invalid input type")
TOO_LARGE = raw("413", 413, HTML)
UNAUTHORIZED_ECHO = Fault("401 that repeats the request's headers", _unauthorized_echo)
ECHO = Fault("500 that repeats the request's headers", _echo)

SWAPPED = swapped("another digest in the model list", _set_digest)
REPLACED = swapped("another model under the same name", _replace)
RESTARTED_WITH_ANOTHER = Fault(
    "the server is started anew, with another model", _restart_with_another
)
SWAPPED_BACK = swapped("the right digest again", _unset_digest)
OTHER_DIMENSION = vectors(
    "vectors of another dimension", lambda found: [_scaled(v[:-1]) for v in found]
)
REFUSES_TO_CUT = Fault("a text that is too long, refused even where it may be cut", _wants_cutting)

TOO_FEW = vectors("too few vectors", lambda found: found[:-1])
TOO_MANY_VECTORS = vectors("too many vectors", lambda found: [*found, found[0]])
NO_VECTORS = vectors("no vectors at all", lambda _: [])
ZEROS = vectors("vectors of zeros", lambda found: [[0.0] * len(v) for v in found])
NAN = vectors("NaN in the JSON", lambda found: [[float("nan")] * len(v) for v in found])
INFINITY = vectors("Infinity in the JSON", lambda found: [[float("inf"), *v[1:]] for v in found])
NULLS = vectors("null elements", lambda found: [[None, *v[1:]] for v in found])
NULL_VECTOR = vectors("null in a vector's place", lambda found: [None, *found[1:]])  # type: ignore[list-item]
LONG = vectors("norms far from 1", lambda found: [[3 * x for x in v] for v in found])
RAGGED = vectors("vectors of different dimensions", lambda found: [found[0][:-1], *found[1:]])
ALIKE = vectors("one vector for different texts", lambda found: [found[0]] * len(found))
NAN_500 = replied("500, NaN", 500, "failed to encode response: json: unsupported value: NaN")

PASSING: Sequence[Fault] = (
    REFUSED, RESET_IN_REQUEST, RESET, RESET_IN_RESPONSE, CUT_SHORT, STALLED, STALLED_IN_RESPONSE,
    TRICKLED, HTML_200, HTML_502, MISLABELED, ZIPPED, ZIPPED_BADLY, UNBOUNDED, EMPTY_BODY, BUSY,
    BUSY_FOR_SECONDS, BUSY_UNTIL, TOO_MANY, NOT_LOADED, SERVER_FAULT, CRASHED, TOO_FEW,
    TOO_MANY_VECTORS, NO_VECTORS, ZEROS, NAN, INFINITY, NULLS, NULL_VECTOR, LONG, RAGGED, ALIKE,
    NAN_500,
)  # fmt: skip
