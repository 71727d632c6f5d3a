"""Part files of failures."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from embed_pipeline.failure_parts import FailureWriter
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


def test_no_failures_no_file(run: Run) -> None:
    assert list(FailureWriter(run).close()) == []
