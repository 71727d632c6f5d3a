"""`ollama serve` as a process: how it starts, and that it never outlives its parent."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from embed_pipeline.errors import ConfigError
from embed_pipeline.ollama_server import answers, start_ollama
from tests.support.on_worker import FakeOllama, await_end, fake

__all__ = ["fake"]
PARENT = """
import sys
from embed_pipeline.ollama_server import start_ollama
server = start_ollama()
print(server.pid, server.url, flush=True)
sys.stdin.read()
"""


def test_it_answers_once_started_and_ends_when_closed(fake: FakeOllama) -> None:
    with start_ollama() as server:
        assert httpx.get(f"{server.url}/api/version").status_code == 200
        assert not server.ended(0)
    assert server.ended(0)
    assert fake.starts == [server.pid]
    server.close()  # once more is harmless


def test_killed_it_has_ended(fake: FakeOllama) -> None:
    with start_ollama() as server:
        server.kill()
        assert server.ended(30)
        assert not answers(server.url)


def test_it_ends_when_its_parent_is_killed(fake: FakeOllama) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as parent:
        assert parent.stdout is not None
        pid, url = parent.stdout.readline().split()
        assert httpx.get(f"{url}/api/version").status_code == 200
        parent.send_signal(signal.SIGKILL)
        await_end(int(pid))


def test_one_that_does_not_come_up_says_why(fake: FakeOllama) -> None:
    fake.know(fails="Error: no room for models")
    with pytest.raises(
        ConfigError, match=r"did not come up \(exit status 1\). It said:\nError: no room for models"
    ):
        start_ollama()


def test_without_the_binary_there_is_nothing_to_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="there is no 'ollama' on PATH"):
        start_ollama()
