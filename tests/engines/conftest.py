"""Fixtures of the engines: the job, its corpus, the endpoint, and each engine once a module."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from tests.engines import harness
from tests.engines.job import EngineJob
from tests.support.scripted import WORDS, ScriptedEndpoint, scripted


class StartsEngine(Protocol):
    def __call__(self, folder: Path) -> AbstractContextManager[harness.Engine]: ...


def need(engine: str) -> None:
    """Skip where an engine ("prism" or "flink") is not there; fail where it must be."""
    reason = harness.missing(engine)
    if reason and os.environ.get("ENGINES_REQUIRED"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedEndpoint]:
    with scripted() as found:
        found.vocabulary = WORDS
        yield found


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, server: ScriptedEndpoint) -> EngineJob:
    return EngineJob(tmp_path_factory.mktemp("job"), server.url)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[harness.Cluster]:
    need("flink")
    with harness.cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found
