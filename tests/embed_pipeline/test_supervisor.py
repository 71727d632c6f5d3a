"""A server is kept while it is needed: started anew when it dies or hangs, ended when idle."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast

import httpx
import pytest

from embed_pipeline.embedded.process import start_embedded
from embed_pipeline.errors import ConfigError
from embed_pipeline.forwarding import Forwarder
from embed_pipeline.ollama_server import start_ollama
from embed_pipeline.supervisor import TAKEN, Health, Server, listen, main, supervise
from tests.support.on_worker import (
    FakeOllama,
    await_end,
    children,
    fake,
    listener,
    port,
)
from tests.support.ports import free_port
from tests.support.scripted import ScriptedEndpoint

__all__ = ["fake", "port"]
ROOT = Path(__file__).parents[2]
QUICK = Health(every_s=0.05, answer_s=1.0, misses=3)


class InProcess(AbstractContextManager[Server]):
    """Be a server that is a scripted endpoint of this process."""

    pid = 0

    def __init__(self, endpoint: ScriptedEndpoint) -> None:
        self.url = endpoint.url
        self.closed = threading.Event()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()

    def ended(self, seconds: float) -> bool:
        return self.closed.wait(seconds)

    def kill(self) -> None:
        self.closed.set()

    def stderr_tail(self) -> str:
        return ""


@pytest.fixture
def front() -> Iterator[Forwarder]:
    forwarder = Forwarder(socket.create_server(("127.0.0.1", 0)))
    yield forwarder
    forwarder.stop_listening()


def url_of(forwarder: Forwarder) -> str:
    return f"http://127.0.0.1:{forwarder.port}"


def await_version(forwarder: Forwarder) -> None:
    """Ask until there is an answer; a question may still reach a server that is going away."""
    while True:
        try:
            found = httpx.get(f"{url_of(forwarder)}/api/version", timeout=60)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            continue
        if found.status_code == 200:
            return


def test_a_request_that_outlasts_the_idle_time_is_not_cut_off(
    front: Forwarder, endpoint: ScriptedEndpoint
) -> None:
    server = InProcess(endpoint)
    looked = threading.Event()

    def look(connection: socket.socket) -> None:
        looked.set()
        connection.close()

    answered = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

    def slow(connection: socket.socket) -> None:
        for _ in range(15):  # the supervisor looks every 0.1 s, so this is longer than it waits
            looked.clear()
            assert looked.wait(30)
        connection.sendall(answered)

    endpoint.paths.update({"/api/version": look, "/slow": slow})
    found: list[str] = []
    asking = threading.Thread(
        target=lambda: found.append(httpx.get(f"{url_of(front)}/slow", timeout=60).text)
    )
    asking.start()
    supervise(front, lambda: server, 1.0, Health(every_s=0.01, answer_s=5, misses=10**6))
    asking.join(30)

    assert found == ["ok"]
    assert server.closed.is_set()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url_of(front))


def test_a_server_that_dies_is_started_anew(front: Forwarder, fake: FakeOllama) -> None:
    killed = []

    def kill_the_first() -> None:
        httpx.get(f"{url_of(front)}/api/version")
        killed.append(fake.starts[0])
        os.kill(fake.starts[0], signal.SIGKILL)
        await_version(front)

    asking = threading.Thread(target=kill_the_first)
    asking.start()
    supervise(front, start_ollama, 1.0)
    asking.join(30)

    assert len(fake.starts) == 2
    assert killed == fake.starts[:1]


def test_a_server_that_hangs_is_started_anew(front: Forwarder, fake: FakeOllama) -> None:
    def stop_the_first() -> None:
        httpx.get(f"{url_of(front)}/api/version", headers={"connection": "close"})
        os.kill(fake.starts[0], signal.SIGSTOP)
        await_version(front)

    asking = threading.Thread(target=stop_the_first)
    asking.start()
    supervise(front, start_ollama, 1.5, QUICK)
    asking.join(30)

    assert len(fake.starts) == 2


def test_one_that_dies_again_and_again_is_given_up_with_what_it_said(
    front: Forwarder, fake: FakeOllama
) -> None:
    starts: list[int] = []

    def start() -> AbstractContextManager[Server]:
        if len(starts) > 0:
            fake.know(fails="no memory left")
        starts.append(1)
        server = start_ollama()
        server.kill()
        return cast("AbstractContextManager[Server]", server)

    with pytest.raises(ConfigError, match=r"(?s)died 3 times in a row\. .*no memory left"):
        supervise(front, start, 60, waits=(0.0, 0.0))
    assert len(starts) == 3


def test_one_that_never_started_is_given_up_at_once(front: Forwarder, fake: FakeOllama) -> None:
    fake.know(fails="no disk")
    with pytest.raises(ConfigError, match="no disk"):
        supervise(front, start_ollama, 60)


def test_the_embedded_endpoint_is_kept_as_well(front: Forwarder) -> None:
    pids = []

    def start() -> AbstractContextManager[Server]:
        process = start_embedded()
        pids.append(process.pid)
        return cast("AbstractContextManager[Server]", process)

    def kill_the_first() -> None:
        await_version(front)
        os.kill(pids[0], signal.SIGKILL)
        await_version(front)

    asking = threading.Thread(target=kill_the_first)
    asking.start()
    supervise(front, start, 0.5)
    asking.join(30)

    assert len(pids) == 2


def test_who_finds_the_port_taken_ends_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = taken.getsockname()[1]
        assert listen(where) is None
        assert main(str(where), "embedded", "1") == TAKEN


def started(port: int, fake: FakeOllama) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "embed_pipeline.supervisor", str(port), "ollama", "60"]
    supervisor = subprocess.Popen(command, cwd=ROOT)
    while supervisor.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{port}/api/version", timeout=60)
        except httpx.ConnectError:
            continue
        return supervisor
    raise AssertionError("it did not start")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_ends_with_its_supervisor(
    number: signal.Signals, port: int, fake: FakeOllama
) -> None:
    with started(port, fake) as supervisor:
        assert listener(port) == supervisor.pid
        (server,) = children(supervisor.pid)
        assert fake.starts == [server]
        supervisor.send_signal(number)
        await_end(server)
    assert listener(port) is None


def test_a_free_port_is_listened_at() -> None:
    found = listen(free_port())
    assert found is not None
    found.close()
