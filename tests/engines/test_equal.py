"""The same job makes the same dataset, whatever engine runs it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from embed_pipeline.pipelines.cli import invoke
from tests.engines import harness
from tests.engines.conftest import StartsEngine, need
from tests.engines.job import EMPTY, NO_OBJECT, ROWS, EngineJob, manifest, manifest_files, table
from tests.support.scripted import tokens_of, vector_of

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]
NEAR = 1e-5

ENGINES: dict[str, tuple[StartsEngine, str]] = {
    "one process": (harness.fn_api, ""),
    "two processes": (harness.fn_api_processes, ""),
    "Prism": (harness.prism, "prism"),
    "embedded Flink": (harness.embedded_flink, "flink"),
    "Flink cluster": (harness.flink_cluster, "flink"),
}


class Done(NamedTuple):
    """Hold a run that has ended."""

    code: int
    said: str
    dataset: Path


def run(job: EngineJob, engine: str, folder: Path) -> Done:
    """Run the job on an engine, once."""
    starts, needed = ENGINES[engine]
    if needed:
        need(needed)
    out = engine.replace(" ", "-")
    with ExitStack() as ends:
        if (job.folder / out).exists():
            return Done(0, "", job.folder / out)
        started = ends.enter_context(starts(folder))
        code, said = job.run(out, *started.flags)
    return Done(code, said, job.folder / out)


@pytest.fixture(scope="module")
def first(job: EngineJob, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Return the run in one process, which the others are held against."""
    return run(job, "one process", tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module", params=ENGINES)
def done(
    request: pytest.FixtureRequest,
    job: EngineJob,
    first: Done,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Done]:
    """Return the run on each engine."""
    if request.param == "one process":
        yield first
    else:
        yield run(job, request.param, tmp_path_factory.mktemp("engine"))


def comparable(rows: pa.Table) -> list[dict[str, Any]]:
    """Return rows without their vectors, which are compared by value."""
    return list(rows.drop_columns(["vector"]).to_pylist())


def vectors(rows: pa.Table) -> Any:
    column = rows["vector"].combine_chunks()
    return column.flatten().to_numpy().reshape(len(rows), -1)


def test_the_job_ends_well(done: Done) -> None:
    assert done.code == 0, done.said


def test_each_document_is_one_row_with_the_vector_and_the_tokens_of_its_text(done: Done) -> None:
    rows = table(done.dataset, "data")
    assert len(rows) == len(set(rows["id"].to_pylist())) == ROWS
    texts = rows["text"].to_pylist()
    assert np.abs(vectors(rows) - np.stack([vector_of(text) for text in texts])).max() <= NEAR
    assert rows["token_count"].to_pylist() == [tokens_of(text) for text in texts]


def test_the_rows_are_those_of_the_other_engines(done: Done, first: Done) -> None:
    rows, others = table(done.dataset, "data"), table(first.dataset, "data")
    assert comparable(rows) == comparable(others)
    assert np.abs(vectors(rows) - vectors(others)).max() <= NEAR


def test_the_failures_are_those_of_the_other_engines(done: Done, first: Done) -> None:
    failures = table(done.dataset, "failures").to_pylist()
    assert failures == table(first.dataset, "failures").to_pylist()
    assert len(failures) == len(EMPTY) + NO_OBJECT


def test_the_manifest_says_what_those_of_the_other_engines_say(done: Done, first: Done) -> None:
    assert manifest(done.dataset) == manifest(first.dataset)


def test_no_file_is_left_over(done: Done) -> None:
    listed = manifest_files(done.dataset)
    there = {str(path.relative_to(done.dataset)) for path in done.dataset.rglob("*.*")}
    beside = {"manifest.json", "README.md", "report.json", "report.html"}
    assert there == listed | beside


def test_inspect_finds_nothing_wrong(done: Done) -> None:
    assert invoke(["inspect", str(done.dataset)]) == 0


def test_nothing_but_our_own_words_is_told(done: Done) -> None:
    for foreign in ("Traceback", "Exception in thread", "ERROR:"):
        assert foreign not in done.said
