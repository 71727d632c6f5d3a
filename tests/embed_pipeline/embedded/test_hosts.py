"""Which Host and Origin headers pass."""

import socket
from collections.abc import Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from embed_pipeline.embedded.hosts import HostGuard, host_allowed, origin_allowed


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


@pytest.fixture(scope="module")
def clients(serve_app: Callable[[ASGIApp], httpx.Client]) -> dict[bool, httpx.Client]:
    """Return clients of a guarded application, by whether it is on loopback only."""
    app = Starlette(routes=[Route("/", hello)])
    return {loopback: serve_app(HostGuard(app, loopback=loopback)) for loopback in (False, True)}


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("", True),
        ("localhost", True),
        ("LOCALHOST:11434", True),
        ("127.0.0.1", True),
        ("127.9.9.9:1", True),
        ("0.0.0.0:11434", True),
        ("[::1]", True),
        ("[::1]:11434", True),
        ("::1", True),
        ("10.0.0.1", True),
        ("192.168.1.2:80", True),
        ("a.localhost", True),
        ("a.LOCAL:80", True),
        ("a.b.internal", True),
        (f"{socket.gethostname().upper()}:80", True),
        ("evil.example", False),
        ("evil.example:11434", False),
        ("localhost.evil.example", False),
        ("notlocalhost", False),
        ("localhost:port", False),
        ("127.0.0.1.evil.example", False),
        ("127.0.0.1:80:80", False),
        ("8.8.8.8", False),
        ("[2001:4860:4860::8888]:80", False),
        ("256.0.0.1", False),
    ],
)
def test_a_host_has_to_be_this_machine_or_its_network(host: str, allowed: bool) -> None:
    assert host_allowed(host) is allowed


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("", True),
        ("http://localhost", True),
        ("https://localhost:3000", True),
        ("http://127.0.0.1:8080", True),
        ("http://0.0.0.0", True),
        ("http://[::1]:3000", True),
        ("http://box.example:11434", True),
        ("tauri://localhost", True),
        ("vscode-webview://abc", True),
        ("file://", True),
        ("null", False),
        ("http://box.example:8080", False),
        ("http://box.example", False),
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://localhost@evil.example", False),
        ("ftp://localhost", False),
        ("http://[", False),
    ],
)
def test_an_origin_has_to_be_this_machine_or_the_server_itself(origin: str, allowed: bool) -> None:
    assert origin_allowed(origin, "box.example:11434") is allowed


@pytest.mark.parametrize(
    ("loopback", "headers", "status"),
    [
        (True, {}, 200),
        (True, {"host": "box.example"}, 403),
        (False, {"host": "box.example"}, 200),
        (False, {"host": "box.example", "origin": "http://box.example"}, 200),
        (False, {"host": "box.example", "origin": "http://evil.example"}, 403),
    ],
)
def test_the_host_counts_on_loopback_and_the_origin_everywhere(
    clients: dict[bool, httpx.Client], loopback: bool, headers: dict[str, str], status: int
) -> None:
    answer = clients[loopback].get("/", headers=headers)
    assert (answer.status_code, answer.text) == (status, "hello" if status == 200 else "")


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("host", "evil.example", 403),
        ("host", "evil.example:11434", 403),
        ("host", "8.8.8.8", 403),
        ("host", "localhost:1234", 200),
        ("host", "box.localhost", 200),
        ("host", "box.local", 200),
        ("host", "box.internal", 200),
        ("host", "10.1.2.3:80", 200),
        ("host", "[::1]:11434", 200),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("origin", "http://localhost:3000", 200),
        ("origin", "app://x", 200),
    ],
)
def test_foreign_hosts_and_origins_get_an_empty_403(
    http: httpx.Client, header: str, value: str, status: int
) -> None:
    answer = http.get("/api/version", headers={header: value})
    assert answer.status_code == status
    assert (answer.content == b"") == (status == 403)
