"""Connections are passed on to a server that may be started anew."""

import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from embed_pipeline.forwarding import Forwarder
from tests.support.scripted import ScriptedEndpoint, embedded


class Front(Forwarder):
    """Know its own address."""

    def __init__(self, hold_seconds: float) -> None:
        super().__init__(socket.create_server(("127.0.0.1", 0)), hold_seconds)
        self.url = f"http://127.0.0.1:{self.port}"

    def name(self, endpoint: ScriptedEndpoint) -> None:
        self.forward_to(urlsplit(endpoint.url).port)


@pytest.fixture
def front() -> Iterator[Front]:
    forwarder = Front(30)
    yield forwarder
    forwarder.stop_listening()


def test_requests_and_answers_pass_unchanged(front: Front, endpoint: ScriptedEndpoint) -> None:
    front.name(endpoint)
    texts = [f"text {number}" * 100 for number in range(1000)]
    with httpx.Client() as client:
        for _ in range(2):
            found = client.post(f"{front.url}/api/embed", json={"model": "m", "input": texts})
            assert found.content == embedded(texts).body
    assert endpoint.texts == texts + texts


def test_nobody_is_idle_while_an_answer_is_awaited_and_a_kept_connection_is_no_use(
    front: Front, endpoint: ScriptedEndpoint
) -> None:
    front.name(endpoint)
    seen = []

    def script(_: list[str]) -> None:
        seen.append((front.in_flight, front.idle_seconds))

    endpoint.script = script
    with httpx.Client() as client:
        assert client.post(f"{front.url}/api/embed", json={"model": "m", "input": ["x"]})
        assert seen == [(1, 0.0)]
        assert front.in_flight == 0
        assert front.idle_seconds > 0


def test_a_connection_waits_for_a_server_that_is_starting(
    front: Front, endpoint: ScriptedEndpoint
) -> None:
    with socket.create_connection(("127.0.0.1", front.port)) as early:
        early.sendall(b"GET /api/version HTTP/1.1\r\nhost: x\r\n\r\n")
        front.name(endpoint)
        assert early.recv(15) == b"HTTP/1.1 200 OK"


def test_a_client_is_told_to_wait_where_no_server_comes_in_time() -> None:
    front = Front(0)
    try:
        answer = httpx.post(front.url, content=b"x" * 1_000_000)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
    finally:
        front.stop_listening()


def test_a_connection_breaks_with_its_server_and_the_next_one_meets_the_new_server(
    front: Front, endpoint: ScriptedEndpoint
) -> None:
    front.name(endpoint)
    asked = threading.Event()

    def stall(_: socket.socket) -> None:
        asked.set()
        endpoint.stopping.wait()

    endpoint.paths["/slow"] = stall
    broken = []

    def ask() -> None:
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            httpx.get(f"{front.url}/slow", timeout=30)
        broken.append(caught.value)

    asking = threading.Thread(target=ask)
    asking.start()
    assert asked.wait(30)
    endpoint.go_down()
    asking.join(30)
    assert broken
    endpoint.stopping.set()

    endpoint.come_back()
    assert httpx.get(f"{front.url}/api/version").status_code == 200


def test_it_takes_no_connections_once_it_has_stopped_listening(front: Front) -> None:
    front.stop_listening()
    with pytest.raises(httpx.ConnectError):
        httpx.get(front.url)
    front.stop_listening()  # once more is harmless
