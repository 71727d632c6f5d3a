"""A proxy for benchmarks: it passes everything on, and notes what was counted for each request."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson

PASSED_ON = ("content-type", "retry-after")


class Noted(NamedTuple):
    """Hold one embed request: its texts, and what the endpoint counted; None where it failed."""

    texts: list[str]
    tokens: int | None


class Proxy(ThreadingHTTPServer):
    """Listen on a free loopback port.

    Args:
        url: The address of the endpoint behind it.
    """

    daemon_threads = True

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        parts = urlsplit(url)
        self.behind = (parts.hostname or "", parts.port)
        self.noted: list[Noted] = []


class Handler(BaseHTTPRequestHandler):
    """Pass on what comes over one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Proxy

    def setup(self) -> None:
        """Open a connection to the endpoint as well."""
        super().setup()
        self.behind = http.client.HTTPConnection(*self.server.behind, timeout=600)

    def finish(self) -> None:
        """Close both."""
        self.behind.close()
        super().finish()

    def do_GET(self) -> None:
        """Pass on a question."""
        self._pass_on(None)

    def do_POST(self) -> None:
        """Pass on a request with a body."""
        self._pass_on(self.rfile.read(int(self.headers.get("content-length") or 0)))

    def _pass_on(self, body: bytes | None) -> None:
        headers = {"content-type": "application/json"} if body is not None else {}
        self.behind.request(self.command, self.path, body, headers)
        with self.behind.getresponse() as answer:
            found = answer.read()
            kept = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
        if body is not None and self.path == "/api/embed":
            tokens = orjson.loads(found).get("prompt_eval_count")
            self.server.noted.append(Noted(orjson.loads(body)["input"], tokens))
        self.send_response(answer.status)
        for name, value in kept.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(found)))
        self.end_headers()
        self.wfile.write(found)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def noting(url: str) -> Iterator[tuple[str, list[Noted]]]:
    """Run a proxy before an endpoint; yield its address and the list it adds each request to."""
    with Proxy(url) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", server.noted
        server.shutdown()
