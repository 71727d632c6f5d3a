"""A machine has one endpoint with the model, once somebody has made sure of it."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from embed_pipeline import errors, interrupt
from embed_pipeline.client import Client
from embed_pipeline.ensuring import ensure, server_kind
from tests.support.on_worker import (
    FakeOllama,
    at_worker,
    await_end,
    children,
    fake,
    listener,
    port,
)
from tests.support.scripted import Reply, ScriptedEndpoint

__all__ = ["fake", "port"]
ROOT = Path(__file__).parents[2]
ENSURE = """
import sys
from embed_pipeline.ensuring import ensure
from tests.support.on_worker import at_worker
endpoint = at_worker(int(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
ensure(endpoint)
print("there", flush=True)
sys.stdin.readline()
ensure(endpoint)
"""


def port_of(endpoint: ScriptedEndpoint) -> int:
    return int(endpoint.url.rpartition(":")[2])


def test_five_processes_at_once_start_one_endpoint(port: int, fake: FakeOllama) -> None:
    command = [sys.executable, "-c", ENSURE, str(port)]
    pipe = subprocess.PIPE
    users = [
        subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe) for _ in range(5)
    ]
    try:
        for state in ("ready", "there"):
            for user in users:
                assert user.stdout is not None
                assert user.stdout.readline().strip() == state
            for user in users:
                assert user.stdin is not None
                user.stdin.write("go\n")
                user.stdin.flush()
        assert [user.wait(60) for user in users] == [0] * 5
    finally:
        for user in users:
            user.kill()
            user.communicate()
    supervisor = listener(port)
    assert supervisor is not None
    assert fake.starts == children(supervisor)
    assert len(fake.starts) == 1


def test_it_goes_on_without_whoever_started_it_and_ends_by_itself(
    port: int, fake: FakeOllama
) -> None:
    code = (
        "from embed_pipeline.ensuring import ensure; "
        "from tests.support.on_worker import at_worker; "
        f"ensure(at_worker({port}, idle_minutes=0.1))"
    )
    # It has none of the pipes of whoever started it, or this would wait for it.
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    supervisor = listener(port)
    assert supervisor is not None
    (server,) = children(supervisor)
    await_end(supervisor)
    await_end(server)
    assert fake.starts == [server]


def test_the_embedded_endpoint_is_started_where_there_is_no_binary(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with Client(at_worker(port)) as client:
        assert "embedded" in client.get("/api/version")["version"]
        assert client.embed(["a text"]).answer.vectors.shape == (1, 384)


def test_a_model_that_is_missing_is_pulled(port: int, fake: FakeOllama) -> None:
    fake.know(registry=["nomic-embed-text"])
    ensure(at_worker(port, model="nomic-embed-text"))
    assert fake.pulls == 1
    ensure(at_worker(port, model="nomic-embed-text"))
    assert fake.pulls == 1


def test_a_model_that_cannot_be_pulled_is_told_with_the_servers_words(
    port: int, fake: FakeOllama
) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        ensure(at_worker(port, model="nomic-embed-txt"))
    said = str(caught.value)
    assert f"port {port} of this machine has no model 'nomic-embed-txt'" in said
    assert "pull model manifest: file does not exist" in said
    assert "endpoint.worker.port" in said


def test_another_jobs_endpoint_without_the_model_is_told(endpoint: ScriptedEndpoint) -> None:
    with pytest.raises(errors.ConfigError, match=r"give this job another endpoint\.worker\.port"):
        ensure(at_worker(port_of(endpoint), model="nomic-embed-text"))


def test_a_server_that_is_there_is_used_as_it_is(endpoint: ScriptedEndpoint) -> None:
    ensure(at_worker(port_of(endpoint)))
    assert [one.path for one in endpoint.exchanges] == ["/api/version", "/api/tags"]


@pytest.mark.parametrize("reply", [Reply(404, b"no"), Reply(200, b"<html>"), Reply(200, b"{}")])
def test_a_port_that_is_another_services_is_named(endpoint: ScriptedEndpoint, reply: Reply) -> None:
    endpoint.paths["/api/version"] = reply
    port = port_of(endpoint)
    with pytest.raises(errors.ConfigError, match=f"port {port} of this machine is taken, but not"):
        ensure(at_worker(port))


def test_a_service_that_hangs_up_on_us_is_no_endpoint(endpoint: ScriptedEndpoint) -> None:
    endpoint.paths["/api/version"] = lambda _: None
    with pytest.raises(errors.ConfigError, match=r"set endpoint\.worker\.port to a free one"):
        ensure(at_worker(port_of(endpoint)))


def test_a_port_that_is_bound_but_takes_no_connections_is_taken(fake: FakeOllama) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(errors.ConfigError, match="it takes no connections"):
            ensure(at_worker(bound.getsockname()[1]))
    assert fake.starts == []


def test_a_server_that_cannot_start_is_told_with_its_own_words(port: int, fake: FakeOllama) -> None:
    fake.know(fails="Error: mkdir models: read-only file system")
    with pytest.raises(errors.ConfigError) as caught:
        ensure(at_worker(port))
    assert "the endpoint on this machine did not start (exit status 2)" in str(caught.value)
    assert "Error: mkdir models: read-only file system" in str(caught.value)


def test_a_start_is_bounded_in_time(endpoint: ScriptedEndpoint) -> None:
    endpoint.paths["/api/version"] = Reply(503, b"{}")
    with pytest.raises(errors.ConfigError, match="was not ready after 0 s"):
        ensure(at_worker(port_of(endpoint)), start_seconds=0)


def test_a_stop_is_heeded_while_waiting(endpoint: ScriptedEndpoint) -> None:
    endpoint.paths["/api/version"] = Reply(503, b"{}")
    with interrupt.stop_on_signals():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(errors.InterruptedJobError):
            ensure(at_worker(port_of(endpoint)))


def test_threads_of_one_process_start_one_endpoint(port: int, fake: FakeOllama) -> None:
    threads = [threading.Thread(target=ensure, args=(at_worker(port),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(fake.starts) == 1


@pytest.mark.parametrize(
    ("server", "model", "expected"),
    [
        ("auto", "all-minilm", "ollama"),
        ("auto", "nomic-embed-text", "ollama"),
        ("ollama", "all-minilm", "ollama"),
        ("embedded", "all-minilm:22m", "embedded"),
    ],
)
def test_the_binary_serves_where_it_is(
    server: str, model: str, expected: str, fake: FakeOllama
) -> None:
    assert server_kind(at_worker(1, server, model)) == expected


def test_the_embedded_endpoint_serves_where_there_is_no_binary(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert server_kind(at_worker(1)) == "embedded"


@pytest.mark.parametrize(
    ("server", "model", "said"),
    [
        (
            "auto",
            "nomic-embed-text",
            "there is no 'ollama' on PATH, and the embedded endpoint serves all-minilm only, not",
        ),
        ("ollama", "all-minilm", "there is no 'ollama' on PATH; put"),
        (
            "embedded",
            "nomic-embed-text",
            "the embedded endpoint serves all-minilm only, not 'nomic-embed-text'; put",
        ),
    ],
)
def test_a_machine_without_a_server_for_the_model_is_told_what_it_lacks(
    server: str, model: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.ConfigError) as caught:
        server_kind(at_worker(1, server, model))
    assert said in str(caught.value)


def test_killed_with_its_server_it_is_there_again(port: int, fake: FakeOllama) -> None:
    ensure(at_worker(port))
    supervisor = listener(port)
    assert supervisor is not None
    (server,) = children(supervisor)
    os.kill(supervisor, signal.SIGKILL)
    os.kill(server, signal.SIGKILL)
    await_end(server)
    ensure(at_worker(port))
    assert len(fake.starts) == 2
    assert listener(port) not in (None, supervisor)
