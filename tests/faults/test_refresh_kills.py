"""Refreshes whose process is killed, or whose time is up: real ones, against real endpoints."""

import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from benchmarks.kills import A_REQUEST, command, corpus_of, kept, killed, moments, rows_of
from embed_pipeline.embedded.process import start_embedded
from tests.faults.jobs import ROOT
from tests.support.scripted import ScriptedEndpoint, embedded

TWO_PROCESSES = {"direct_running_mode": "multi_processing", "direct_num_workers": 2}
CORPUS = corpus_of(1_600)


@pytest.mark.timeout(300)  # five processes, and an engine that computes
def test_a_refresh_that_is_killed_embeds_at_most_a_checkpoint_twice(tmp_path: Path) -> None:
    with start_embedded() as process:
        found = killed(tmp_path, process.url, corpus_of(2_000), [(10, 0.0), (25, 0.1), (15, 0.05)])
    assert len(found.kills) == 3
    assert found.kept_but_sent == 0
    assert found.difference <= 1e-6
    under_way = 2 * A_REQUEST * len(found.kills)  # sent, but not answered when they were killed
    assert found.embedded_twice <= sum(one.lost for one in found.kills) + under_way
    assert found.beyond <= 0


def test_moments_are_random_always_the_same_and_before_a_refresh_ends() -> None:
    found = list(moments(10, 20_000))
    assert found == list(moments(10, 20_000))
    assert len(set(found)) == 10
    assert sum(at for at, _ in found) * A_REQUEST < 20_000


# The time is up.


def job_of(folder: Path, url: str, beam: dict[str, object] | None = None) -> list[str]:
    """Write a job; return the command that refreshes its store, and tells what is reused."""
    *found, quiet = command(folder, url, CORPUS)
    assert quiet == "--quiet"
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "beam": beam}))
    return found


def start(job: list[str], *flags: str) -> "subprocess.Popen[str]":
    """Start a refresh as a process of its own."""
    return subprocess.Popen(
        [*job, *flags], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def goes_on(job: list[str], store: Path, endpoint: ScriptedEndpoint) -> None:
    """Check that parts are kept and nothing is shown, and that the next refresh reuses them."""
    assert not (store / "current.json").exists()
    whole = set().union(*kept(store))
    assert whole
    endpoint.requests.clear()
    with start(job) as process:
        said, _ = process.communicate(timeout=100)
    assert process.returncode == 0, said
    assert f"reusing {len(whole):,} vectors of run " in said
    assert not whole.intersection(endpoint.texts)
    assert rows_of(store).keys() == CORPUS.keys()


@pytest.mark.parametrize("beam", [None, TWO_PROCESSES], ids=["one process", "two processes"])
def test_a_refresh_whose_time_is_up_keeps_what_was_done_and_goes_on_the_next_time(
    beam: dict[str, object] | None, tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    job = job_of(tmp_path / "job", endpoint.url, beam)
    running: list[subprocess.Popen[str]] = []

    def time_is_up(texts: list[str]) -> None:
        if len(endpoint.requests) == 12:
            running[0].send_signal(signal.SIGALRM)  # what its own timer sends

    endpoint.script = time_is_up
    with start(job, "--max-runtime", "1h") as process:
        running.append(process)
        said, _ = process.communicate(timeout=100)
    assert process.returncode == 5, said
    assert "the time is up" in said
    endpoint.script = lambda _: None
    goes_on(job, tmp_path / "job" / "store", endpoint)


def test_a_refresh_of_a_slow_endpoint_ends_when_its_time_is_up(
    tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    job = job_of(tmp_path / "job", endpoint.url)

    def slowly(texts: list[str]) -> Callable[[socket.socket], object]:
        answer = embedded(texts).body
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(answer)}\r\nconnection: close\r\n\r\n"

        def act(connection: socket.socket) -> None:
            endpoint.stopping.wait(0.5)
            connection.sendall(head.encode() + answer)

        return act

    endpoint.script = slowly
    with start(job, "--max-runtime", "4s") as process:
        said, _ = process.communicate(timeout=100)
    assert process.returncode == 5, said
    endpoint.script = lambda _: None
    goes_on(job, tmp_path / "job" / "store", endpoint)
