"""A real HTTP server on loopback that answers like an endpoint, and as a test's script says."""

import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed_pipeline.batch_checks import FEW_TEXTS
from embed_pipeline.identity import FINGERPRINT_TEXTS
from embed_pipeline.limits import PLAIN_TEXTS

DIMENSION = 8
DIGEST = "d1" * 32
TOO_LONG = "the input length exceeds the context length"
WORDS = ["[UNK]", "[CLS]", "[SEP]"]  # a vocabulary that counts plain words as `tokens_of` does


class Reply(NamedTuple):
    """Hold a raw answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = MappingProxyType({})


Script = Callable[[list[str]], "Reply | Callable[[socket.socket], object] | None"]


class Exchange(NamedTuple):
    """Hold a request that came."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]


def error(status: int, text: str, **headers: str) -> Reply:
    """Return an answer in the endpoint's own form of an error."""
    return Reply(status, json.dumps({"error": text}).encode(), headers)


def rotating(endpoint: "ScriptedEndpoint", file: Path) -> Callable[[list[str]], Reply | None]:
    """Write the token "old" to a file; return a script that takes "new" only, written meanwhile."""
    file.write_text("old\n")

    def script(_: list[str]) -> Reply | None:
        file.write_text("new\n")
        known = endpoint.headers[-1]["authorization"] == "Bearer new"
        return None if known else error(401, "unauthorized")

    return script


def vector_of(text: str, dimension: int = DIMENSION) -> NDArray[np.float32]:
    """Return the vector this server gives a text: random, but always the same."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).standard_normal(dimension)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def tokens_of(text: str) -> int:
    """Return the tokens this server counts: the words, and two."""
    return len(text.split()) + 2


class ScriptedEndpoint:
    """Answer `/api/embed` and its neighbors; `script` may answer an embed request first.

    Attributes:
        url: Where it listens.
        script: Called with each embed request's input; returns a Reply, None for the usual one, or
            a function that is given the socket, outside of any lock, to write or do what it likes.
        loading: The answers to the first load-only requests.
        paths: Answers to other paths, instead of the usual ones; those of a list once each. A
            function is given the socket, as `script`'s are.
        exchanges: Every request of every path, in order of arrival.
        connections: Those that are open.
        stopping: Set when the server is to end; a stalling script waits for it.
        requests: The embed requests' bodies, in order of arrival; load-only ones, and those that
            find out what bounds a text or which model answers, left out.
        headers: Each embed request's headers.
        loads: How many load-only requests came.
        models: What `/api/tags` lists.
        digest: Their digest.
        engine: What its vectors depend on beside the texts, as on a server's version.
        expires_at: The expiry `/api/ps` tells once the model is loaded.
        context: Tokens the model reads.
        told_context: What `/api/ps` tells of that; None: nothing.
        refuses: Whether a text that is too long is refused where it may not be cut.
        refuses_to_cut: Whether it is refused even where it may be cut.
        vocabulary: The pieces of a WordPiece tokenizer that `/api/show` tells; None: no such path.
        counts: What it counts for a text.
        tells_count: Whether its answers say what it counted.
        dimension: Values in a vector where a request does not say how many.
        scripts_check: Whether `script` answers, and `requests` lists, the short check of a run's
            start, too.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.script: Script = lambda _: None
        self.loading: list[Reply] = []
        self.paths: dict[str, Reply | list[Reply] | Callable[[socket.socket], object]] = {}
        self.exchanges: list[Exchange] = []
        self.stopping = threading.Event()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.loads = 0
        self.models = ["all-minilm:latest"]
        self.digest = DIGEST
        self.engine = ""
        self.expires_at = "2000-01-01T00:00:00Z"
        self.context = 256
        self.told_context: int | None = 256
        self.refuses = True
        self.refuses_to_cut = False
        self.vocabulary: list[str] | None = None
        self.counts: Callable[[str], int] = tokens_of
        self.tells_count = True
        self.scripts_check = False
        self.dimension = DIMENSION
        self._lock = threading.Lock()
        self._tls = tls
        self.connections: set[socket.socket] = set()
        self._listen(0)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"

    def _listen(self, port: int) -> None:
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", port), type("Handler", (_Handler,), {"endpoint": self})
        )
        self._server.daemon_threads = True
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def go_down(self) -> None:
        """Stop listening, and cut every connection."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for connection in tuple(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        """Listen at the same address again."""
        self._listen(self._server.server_port)

    @property
    def texts(self) -> list[str]:
        """Return every text that was sent, in order of arrival."""
        return [text for request in self.requests for text in request["input"]]

    def answer(
        self, path: str, body: dict[str, Any], headers: dict[str, str]
    ) -> Reply | Callable[[socket.socket], object]:
        """Return the answer to one request."""
        self.exchanges.append(Exchange(path, body, headers))
        found = self.paths.get(path)
        if isinstance(found, list):
            found = found.pop(0) if found else None
        if found is not None:
            return found
        if path.startswith("/base/"):
            path = path.removeprefix("/base")
        if path == "/api/embed":
            return self._embed(body, headers)
        facts = self._facts().get(path)
        if facts is None:
            return Reply(404, b"404 page not found", {"content-type": "text/plain"})
        return _json(facts)

    def _facts(self) -> dict[str, dict[str, Any]]:
        """Return what it tells of itself, by path."""
        loaded: dict[str, Any] = {"name": self.models[0], "expires_at": self.expires_at}
        if self.told_context is not None:
            loaded["context_length"] = self.told_context
        found: dict[str, dict[str, Any]] = {
            "/api/version": {"version": "0.0.0-scripted"},
            "/api/tags": {
                "models": [{"name": name, "digest": self.digest} for name in self.models]
            },
            "/api/ps": {"models": [loaded]},
        }
        if self.vocabulary is not None:
            found["/api/show"] = {"model_info": model_info(self.vocabulary)}
        return found

    def _embed(
        self, body: dict[str, Any], headers: dict[str, str]
    ) -> Reply | Callable[[socket.socket], object]:
        texts = body["input"]
        with self._lock:
            if not texts:
                self.loads += 1
                if self.loading:
                    return self.loading.pop(0)
                return _json({"model": body["model"], "embeddings": []})
            scripted = None
            if not _finds_limits(texts) and (self.scripts_check or not _checks(texts)):
                self.requests.append(body)
                self.headers.append(headers)
                scripted = self.script(texts)
        if scripted:
            return scripted
        counts = [self.counts(text) for text in texts]
        refuses = self.refuses_to_cut if body.get("truncate", True) else self.refuses
        if max(counts) > self.context and refuses:
            return error(400, TOO_LONG)
        read = [
            " ".join(text.split()[: self.context - 2]) if count > self.context else text
            for text, count in zip(texts, counts, strict=True)
        ]
        total = sum(min(count, self.context) for count in counts)
        made_of = [self.engine + text for text in read]
        reply = embedded(made_of, body.get("dimensions") or self.dimension, total)
        return reply if self.tells_count else _without_count(reply)


def _finds_limits(texts: list[str]) -> bool:
    """Tell whether a request only finds out what bounds a text, or which model answers."""
    if texts in (list(PLAIN_TEXTS), list(FINGERPRINT_TEXTS)):
        return True
    return len(texts) == 1 and set(texts[0]) == {"a", " "}


def _checks(texts: list[str]) -> bool:
    """Tell whether a request is of the short check at the start of a run."""
    return set(texts) <= set(FEW_TEXTS)


def model_info(vocabulary: list[str]) -> dict[str, Any]:
    """Return what `/api/show` tells of a WordPiece vocabulary that begins with [UNK]."""
    return {
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.tokens": vocabulary,
        "tokenizer.ggml.unknown_token_id": 0,
    }


def embedded(texts: list[str], dimension: int = DIMENSION, total: int | None = None) -> Reply:
    """Return the usual answer to texts, with this token count, or the usual one."""
    return _json(
        {
            "model": "all-minilm",
            "embeddings": [vector_of(text, dimension).tolist() for text in texts],
            "total_duration": 5_000_000,
            "load_duration": 1_000_000,
            "prompt_eval_count": sum(map(tokens_of, texts)) if total is None else total,
        }
    )


def _without_count(reply: Reply) -> Reply:
    found = json.loads(reply.body)
    del found["prompt_eval_count"]
    return _json(found)


class Together:
    """Be a script that answers the first requests only once so many are under way together.

    Those after them are answered at once: how many there will be at an address, nobody knows.

    Attributes:
        most: How many were under way at once, at most.
    """

    def __init__(self, parties: int) -> None:
        self.most = 0
        self._under_way = 0
        self._waiting = parties
        self._lock = threading.Lock()
        self._barrier = threading.Barrier(parties, timeout=30)

    def __call__(self, texts: list[str]) -> Callable[[socket.socket], object]:
        """Return the action that waits for the others, if it is one of the first, and answers."""
        body = embedded(texts).body
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"

        def act(connection: socket.socket) -> None:
            with self._lock:
                self._under_way += 1
                self.most = max(self.most, self._under_way)
                self._waiting, waits = self._waiting - 1, self._waiting > 0
            if waits:
                self._barrier.wait()
            with self._lock:
                self._under_way -= 1
            connection.sendall(head.encode() + body)

        return act


def _json(found: dict[str, Any]) -> Reply:
    return Reply(200, json.dumps(found).encode(), {"content-type": "application/json"})


class _Handler(BaseHTTPRequestHandler):
    """Answer as its endpoint says."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    endpoint: ScriptedEndpoint

    def setup(self) -> None:
        super().setup()
        self.endpoint.connections.add(self.connection)

    def finish(self) -> None:
        self.endpoint.connections.discard(self.connection)
        with suppress(OSError):  # the connection may have been cut
            super().finish()

    def do_GET(self) -> None:
        self._reply(b"")

    def do_POST(self) -> None:
        self._reply(self.rfile.read(int(self.headers.get("content-length", 0))))

    def _reply(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        found = json.loads(body) if body else {}
        reply = self.endpoint.answer(self.path, found, headers)
        if not isinstance(reply, Reply):
            reply(self.connection)
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def scripted(tls: ssl.SSLContext | None = None) -> Iterator[ScriptedEndpoint]:
    """Run a scripted endpoint until the block ends."""
    endpoint = ScriptedEndpoint(tls)
    try:
        yield endpoint
    finally:
        endpoint.close()
