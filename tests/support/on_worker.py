"""Endpoints of a machine, as `endpoint.url: worker` starts them, and a fake `ollama` for them."""

import json
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from embed_pipeline.endpoint import Endpoint, Worker
from tests.support.ports import free_port
from tests.support.scripted import Reply, ScriptedEndpoint, error

ROOT = Path(__file__).parents[2]
LISTENS = "0A"  # a state in /proc/net/tcp


class FakeOllama:
    """An `ollama` on PATH: a real process that answers as a scripted endpoint does.

    Attributes:
        folder: Where it keeps what it knows, and writes the number of each of its processes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        binary = folder / "bin" / "ollama"
        binary.parent.mkdir()
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        code += f"from tests.support.on_worker import serve\nserve({str(folder)!r}, sys.argv[1:])\n"
        binary.write_text(f"#!{sys.executable}\n{code}")
        binary.chmod(0o755)
        self.know(models=["all-minilm:latest"], registry=[], dies_at={}, digests=[], fails="")

    @property
    def path(self) -> str:
        """Return a PATH with it, and without another one."""
        return f"{self.folder / 'bin'}:/usr/bin:/bin"

    def know(self, **facts: Any) -> None:
        """Set what its processes find when they start.

        Args:
            facts: "models", which it has; "registry", which it can pull; "dies_at", the embed
                request at which the process of that number (from 0) kills the named ones of
                "server" and "supervisor"; "digests", the model's in each process; "fails", what
                it says and ends with at its start.
        """
        file = self.folder / "facts.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps(known | facts))

    @property
    def starts(self) -> list[int]:
        """Return the numbers of its processes, in the order of their starts."""
        file = self.folder / "starts"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    @property
    def pulls(self) -> int:
        """Return how many requests to pull a model came."""
        file = self.folder / "pulls"
        return len(file.read_text()) if file.exists() else 0


class _Ollama(ScriptedEndpoint):
    """Answer as its folder says, at the address OLLAMA_HOST names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = json.loads((folder / "facts.json").read_text())
        with (folder / "starts").open("a") as file:
            file.write(f"{os.getpid()}\n")
        self._number = len((folder / "starts").read_text().split()) - 1
        super().__init__()
        self.models = self._known["models"]
        if self._number < len(self._known["digests"]):
            self.digest = self._known["digests"][self._number]
        self.script = self._die_if_due
        self._count = 0

    def _listen(self, port: int) -> None:
        super()._listen(port or int(os.environ["OLLAMA_HOST"].rpartition(":")[2]))

    def _die_if_due(self, _: list[str]) -> None:
        self._count += 1
        at, whom = self._known["dies_at"].get(str(self._number), (0, ()))
        if self._count == at:
            if "supervisor" in whom:
                os.kill(os.getppid(), signal.SIGKILL)
            if "server" in whom:
                os.kill(os.getpid(), signal.SIGKILL)

    def answer(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        if path != "/api/pull":
            return super().answer(path, body, headers)
        with (self._folder / "pulls").open("a") as file:
            file.write(".")
        if body["model"] not in self._known["registry"]:
            return error(500, "pull model manifest: file does not exist")
        self.models = [*self.models, f"{body['model']}:latest"]
        return Reply(200, b'{"status":"success"}')


def serve(folder: str, arguments: list[str]) -> None:
    """Be the fake `ollama`: serve until a signal comes."""
    fails = json.loads(Path(folder, "facts.json").read_text())["fails"]
    if fails:
        sys.exit(fails)
    assert arguments == ["serve"]
    _Ollama(Path(folder))
    signal.pause()


def listener(port: int) -> int | None:
    """Return the number of the process that listens at a port on loopback, or None."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {
        f"socket:[{fields[9]}]"
        for fields in lines
        if fields[3] == LISTENS and fields[1] == f"0100007F:{port:04X}"
    }
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(str(fd.readlink()) in inodes for fd in (process / "fd").iterdir()):
                return int(process.name)
    return None


def children(pid: int) -> list[int]:
    """Return the numbers of the processes a process has started."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in found for child in file.read_text().split()]


def await_end(pid: int) -> None:
    """Wait until a process that need not be our child has ended."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            ready, _, _ = select.select([handle], [], [], 60)
        finally:
            os.close(handle)
        assert ready, f"process {pid} goes on"


@contextmanager
def machine_port() -> Iterator[int]:
    """Name a port; end whoever serves there at the end."""
    port = free_port()
    try:
        yield port
    finally:
        pid = listener(port)
        if pid not in (None, os.getpid()):
            os.kill(pid or 0, signal.SIGTERM)
            await_end(pid or 0)


@pytest.fixture
def port() -> Iterator[int]:
    with machine_port() as found:
        yield found


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeOllama:
    folder = tmp_path / "ollama"
    folder.mkdir()
    found = FakeOllama(folder)
    monkeypatch.setenv("PATH", found.path)
    return found


def at_worker(port: int, server: str = "auto", model: str = "all-minilm", **more: Any) -> Endpoint:
    """Return the endpoint of this machine, at a port."""
    worker = Worker.model_validate({"port": port, "server": server, **more})
    return Endpoint(url="worker", model=model, worker=worker)
