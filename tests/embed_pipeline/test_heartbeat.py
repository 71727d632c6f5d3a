"""The heartbeat: it tells while no row is written, and stops with its last user."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from embed_pipeline import embedder, files, heartbeat
from embed_pipeline.embedder import Embedder
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.health import read_health
from embed_pipeline.heartbeat import Heartbeat, tell_once
from embed_pipeline.staging import Run
from embed_pipeline.tokens import Tokens
from tests.support.rows import RUN_ID
from tests.support.scripted import ScriptedEndpoint


@pytest.fixture
def run(tmp_path: Path) -> Run:
    found = Run(str(tmp_path), RUN_ID)
    files.write_bytes(found.begun, b"{}")
    return found


@pytest.fixture
def at_work(endpoint: ScriptedEndpoint) -> Iterator[Embedder]:
    settings = (Endpoint(url=endpoint.url, model="all-minilm"), Batching(), Retry(), Tokens())
    yield embedder.acquire(*settings)
    embedder.release(*settings)


def beating() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "heartbeat"]


def test_it_tells_though_nothing_was_answered(run: Run, at_work: Embedder) -> None:
    heart = Heartbeat(run, 0.001)
    while not read_health(run).addresses:  # the test's time-out ends this
        pass
    heart.stop()
    (address,) = read_health(run).addresses
    assert (address.state, address.in_flight) == ("not asked yet", 0)


def test_where_a_run_is_committed_nothing_is_written(run: Run, at_work: Embedder) -> None:
    files.delete_folder(run.staging)
    tell_once(run, 0.5)
    assert not Path(run.staging).exists()


def test_a_process_that_embeds_nothing_tells_nothing(run: Run) -> None:
    tell_once(run, 0.5)
    assert [path.name for path in Path(run.staging).iterdir()] == ["run.json"]


def test_it_beats_until_the_last_user_stops_it(run: Run) -> None:
    heartbeat.start(run)
    heartbeat.start(run)
    assert len(beating()) == 1
    heartbeat.stop(run)
    assert len(beating()) == 1
    heartbeat.stop(run)
    assert beating() == []
