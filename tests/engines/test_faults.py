"""Parts of a Flink cluster are killed in mid-run: every row is there once, or nothing is shown."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embed_pipeline.pipelines.cli import invoke
from tests.engines.harness import Cluster
from tests.engines.job import ROWS, EngineJob, manifest_files, table
from tests.support.scripted import ScriptedEndpoint, embedded

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]
SECONDS = 240


class Gate:
    """Be a script that lets so many requests through and holds those behind them until it opens.

    Attributes:
        reached: Set once a request is held.
    """

    def __init__(self, requests: int) -> None:
        self._left = requests
        self._open = threading.Event()
        self.reached = threading.Event()

    def __call__(self, texts: list[str]) -> Callable[[socket.socket], object] | None:
        """Return the action that holds a request, where it is one to be held."""
        self._left -= 1
        if self._left >= 0 or self._open.is_set():
            return None
        self.reached.set()
        body = embedded(texts).body
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"

        def act(connection: socket.socket) -> None:
            self._open.wait(SECONDS)
            connection.sendall(head.encode() + body)

        return act

    def open(self) -> None:
        """Answer what is held, and hold nothing any more."""
        self._open.set()


@pytest.fixture
def gate(server: ScriptedEndpoint) -> Iterator[Gate]:
    """Let about a third of the corpus through."""
    found = Gate(100)
    server.script = found
    yield found
    found.open()
    server.script = lambda _: None


def run_with(
    job: EngineJob, cluster: Cluster, gate: Gate, out: str, fault: Callable[[int], object]
) -> tuple[int, str]:
    """Run the job, and do something when a third of it is done; return exit code and words.

    Args:
        job: The job.
        cluster: Where it runs.
        gate: What holds it.
        out: The dataset's name.
        fault: What is done; it is given the launcher's process id.
    """
    with job.start(out, *cluster.engine.flags) as process:
        try:
            assert gate.reached.wait(SECONDS), process.communicate(timeout=SECONDS)
            fault(process.pid)
            gate.open()
            said, _ = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    return process.returncode, said


def check_whole(dataset: Path) -> None:
    """Check that every row is there once, and nothing else in the dataset's folder."""
    rows = table(dataset, "data")["id"].to_pylist()
    assert len(rows) == len(set(rows)) == ROWS
    assert invoke(["inspect", str(dataset)]) == 0
    there = {str(path.relative_to(dataset)) for path in dataset.rglob("*.*")}
    beside = {"manifest.json", "README.md", "report.json", "report.html"}
    assert there == manifest_files(dataset) | beside


def test_a_killed_worker_costs_no_row_and_doubles_none(
    job: EngineJob, cluster: Cluster, gate: Gate
) -> None:
    def kill(_: int) -> None:
        (worker,) = cluster.workers()
        os.kill(worker, signal.SIGKILL)

    code, said = run_with(job, cluster, gate, "worker-killed", kill)
    assert code == 0, said
    check_whole(job.folder / "worker-killed")


def test_a_killed_task_manager_costs_no_row_and_doubles_none(
    job: EngineJob, cluster: Cluster, gate: Gate
) -> None:
    def kill(_: int) -> None:
        cluster.task_manager.kill()
        cluster.start_task_manager()

    code, said = run_with(job, cluster, gate, "task-manager-killed", kill)
    assert code == 0, said
    check_whole(job.folder / "task-manager-killed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_a_signal_the_cluster_publishes_nothing(
    job: EngineJob, cluster: Cluster, gate: Gate, number: signal.Signals
) -> None:
    def stop(launcher: int) -> None:
        os.kill(launcher, number)

    code, said = run_with(job, cluster, gate, f"stopped-by-{number.name}", stop)
    assert code == 128 + number, said
    assert f"stopped by {number.name}; nothing is published" in said
    cluster.until_all_have_ended()
    assert not (job.folder / f"stopped-by-{number.name}" / "manifest.json").exists()
