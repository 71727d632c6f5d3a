"""Listening, announcing, and ending when a signal says so."""

import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from embed_pipeline.embedded.server import listen, make_server, run, url_of
from embed_pipeline.errors import ConfigError

SERVE = "from embed_pipeline.embedded.server import serve; serve('127.0.0.1', {port}, {kept})"


def start_serve(port: int, kept: float = 300) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SERVE.format(port=port, kept=kept)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


def test_a_free_port_is_found_and_named() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        assert url_of(listener) == f"http://127.0.0.1:{port}"
        socket.create_connection(("127.0.0.1", port), timeout=60).close()


def test_an_ipv6_address_has_brackets_in_its_url() -> None:
    with socket.socket(socket.AF_INET6) as listener:
        try:
            listener.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        assert url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"


def test_a_taken_port_is_an_error_with_its_cure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            listen("127.0.0.1", port)
    assert str(caught.value) == (
        f"cannot listen at 127.0.0.1:{port}: Address already in use. The port is taken: choose"
        " another one, or stop what listens there."
    )


@pytest.mark.parametrize(
    ("host", "port"), [("256.0.0.1", 0), ("192.0.2.1", 0), ("127.0.0.1", -1), ("127.0.0.1", 2**70)]
)
def test_an_address_that_is_not_here_is_an_error_with_its_cure(host: str, port: int) -> None:
    with pytest.raises(ConfigError) as caught:
        listen(host, port)
    message = str(caught.value)
    assert message.startswith(f"cannot listen at {host}:{port}: ")
    assert message.endswith(". Check the host and the port.")


def test_requests_are_accepted_when_the_server_announces_itself() -> None:
    with listen("127.0.0.1", 0) as listener:
        happened = []

        def announce() -> None:
            happened.append(server.started)
            server.should_exit = True

        server = make_server(Starlette(), announce)
        run(server, listener)
    assert happened == [True]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_but_not_its_process(number: signal.Signals) -> None:
    caught = []

    def handler(number: int, _: object) -> None:
        caught.append(number)

    before = signal.signal(number, handler)
    try:
        with listen("127.0.0.1", 0) as listener:
            run(make_server(Starlette(), lambda: signal.raise_signal(number)), listener)
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)
    assert caught == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_its_address_and_ends_cleanly(number: signal.Signals) -> None:
    with start_serve(0) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        url = line.removeprefix("serving all-minilm at ").strip()
        assert httpx.get(url).status_code == 200
        server.send_signal(number)
        rest, errors = server.communicate(timeout=60)
    assert (server.returncode, rest, errors) == (0, "", "")


def test_serve_says_that_the_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start_serve(port) as server:
            _, errors = server.communicate(timeout=60)
    assert f"cannot listen at 127.0.0.1:{port}: Address already in use" in errors
    assert "The port is taken" in errors


def test_its_own_keep_alive_is_for_requests_that_say_nothing() -> None:
    with start_serve(0, kept=3600) as server:
        assert server.stdout is not None
        url = server.stdout.readline().removeprefix("serving all-minilm at ").strip()
        with httpx.Client(base_url=url, timeout=60) as client:
            client.post("/api/embed", json={"model": "all-minilm", "input": []})
            (entry,) = client.get("/api/ps").json()["models"]
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    left = datetime.fromisoformat(entry["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=50) < left <= timedelta(hours=1)
