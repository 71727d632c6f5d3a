"""Part files of failures."""

from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from embed_pipeline.failure_parts import FailureWriter, merged
from embed_pipeline.parts import PartFile
from embed_pipeline.progress import Progress, read_progress
from embed_pipeline.records import Failed
from embed_pipeline.staging import Run
from tests.support.rows import RUN_ID


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(str(tmp_path / "out"), RUN_ID)


def test_failures_are_counted_by_blame_and_kind(run: Run) -> None:
    failures = FailureWriter(run)
    for number, stage in enumerate(("read", "chunk", "embed", "write")):
        failures.add(
            Failed(f"d{number}", "t", None, "f", 1, stage, "EmptyText", "document", "empty")  # type: ignore[arg-type]
        )
    (part,) = failures.close()
    assert (part.rows, part.sources, part.unread) == (4, {"document:EmptyText": 4}, 2)
    assert pq.read_table(part.path)["id"].to_pylist() == ["d0", "d1", "d2", "d3"]


def failure(name: str) -> Failed:
    return Failed(name, "t", None, "f", 1, "embed", "EmptyText", "document", "empty")


def test_a_failure_that_comes_long_after_the_last_file_is_written_at_once(run: Run) -> None:
    now = [0.0]
    failures = FailureWriter(run, 60, lambda: now[0])
    closed = []
    for time in (10.0, 60.0, 61.0, 119.0, 120.0):
        now[0] = time
        closed.append([part.rows for part in failures.add(failure(f"d{time}"))])
    assert closed == [[], [2], [], [], [3]]


def test_a_whole_file_is_noted_with_what_it_holds(run: Run) -> None:
    failures = FailureWriter(run)
    failures.add(failure("a"))
    (part,) = failures.close()
    (note,) = Path(run.staging).glob("failures-*.json")
    assert PartFile.noted(orjson.loads(note.read_bytes())) == part


def test_files_of_failures_become_one(run: Run) -> None:
    failures = FailureWriter(run)
    parts: list[PartFile] = []
    for name in "abc":
        failures.add(failure(name))
        parts += failures.close()
    (one,) = merged(run, parts)
    assert pq.read_table(one.path)["id"].to_pylist() == ["a", "b", "c"]
    assert (one.rows, one.sources) == (3, {"document:EmptyText": 3})
    assert merged(run, [one]) == [one]
    assert merged(run, []) == []


def test_no_failures_no_file(run: Run) -> None:
    assert list(FailureWriter(run).close()) == []


def test_progress_tells_failures_by_kind(run: Run) -> None:
    failures = FailureWriter(run)
    for name in ("a", "b"):
        failures.add(failure(name))
    failures.close()
    assert read_progress(run) == Progress(failed=2, kinds={"EmptyText": 2})
