"""The writers of a bundle: what a bundle that fails has written is whole all the same."""

import threading
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline

from embed_pipeline import resume
from embed_pipeline.commit import Target
from embed_pipeline.output import Output
from embed_pipeline.records import Failed
from embed_pipeline.staging import Run
from embed_pipeline.transforms.write_parts import WriteFailures, WriteRows
from tests.support.rows import RUN_ID, made_by, row
from tests.support.scripted import DIGEST


def run_failing(elements: list[Any], step: beam.PTransform) -> None:
    """Run a step whose bundle fails after these elements."""

    def give(_: int) -> Any:
        yield from elements
        raise ArithmeticError("the bundle fails")

    with TestPipeline("FnApiRunner") as p:
        _ = p | beam.Create([0], reshuffle=False) | beam.FlatMap(give) | step


@pytest.fixture
def target(tmp_path: Path) -> Target:
    output = Output(path=str(tmp_path))
    found = Target(Run(output.path, RUN_ID), "2026-01-01T00:00:00Z", output, {}, "error", {})
    resume.begin(found.run, {}, DIGEST)
    return found


def test_the_rows_of_a_bundle_that_fails_are_kept(target: Target) -> None:
    with pytest.raises(Exception, match="the bundle fails"):
        run_failing([row("a"), row("b")], beam.ParDo(WriteRows(target), made_by()))
    assert [part.rows for part in resume.left(target.run).parts] == [2]


def test_the_failures_of_a_bundle_that_fails_are_kept(target: Target) -> None:
    failed = Failed("a", "t", None, "f", 1, "embed", "RunnerCrashed", "document", "no", 400, 3)
    with pytest.raises(Exception, match="the bundle fails"):
        run_failing([failed], beam.ParDo(WriteFailures(target)))
    assert [part.rows for part in resume.left(target.run).failures] == [1]


def beating() -> int:
    """Count the threads that tell of the endpoints."""
    return sum(thread.name == "heartbeat" for thread in threading.enumerate())


def test_a_bundle_tells_of_the_endpoints_from_its_start_to_its_end(target: Target) -> None:
    def check(element: object) -> object:
        assert beating() == 1
        return element

    with TestPipeline("FnApiRunner") as p:
        rows = p | beam.Create([row("a")], reshuffle=False) | beam.Map(check)
        _ = rows | beam.ParDo(WriteRows(target), made_by())
    assert beating() == 0


def test_a_bundle_that_fails_tells_no_longer(target: Target) -> None:
    with pytest.raises(Exception, match="the bundle fails"):
        run_failing([row("a")], beam.ParDo(WriteRows(target), made_by()))
    assert beating() == 0
