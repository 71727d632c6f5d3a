"""SkipDone on a real pipeline: what is done does not come again, and everything is counted."""

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from embed_pipeline.done import Keying
from embed_pipeline.failure_parts import FailureWriter
from embed_pipeline.output import Output
from embed_pipeline.parts import PartFile, RowWriter
from embed_pipeline.records import Document, Failed
from embed_pipeline.resume import Reused
from embed_pipeline.schema import Layout
from embed_pipeline.staging import Run
from embed_pipeline.transforms.chunk import ChunkResult
from embed_pipeline.transforms.read import ReadResult
from embed_pipeline.transforms.resume import SkipDone
from tests.support.rows import RUN_ID, made_by, row
from tests.support.scripted import DIMENSION

CRASH = Failed("x", "poison", None, "g", 9, "embed", "RunnerCrashed", "document", "no", 400, 3)
UNREAD = Failed(None, None, None, "f", 4, "read", "UnreadableLine", "document", "no")


@pytest.fixture
def reused(tmp_path: Path) -> Reused:
    """Return what a run left that has embedded a and b and failed with the text "poison"."""
    run = Run(str(tmp_path), RUN_ID)
    layout = Layout(Output(path=run.path), DIMENSION, {})
    writer = RowWriter(run, layout, made_by())
    for line, name in enumerate("ab", 1):
        writer.add(row(name, source="f", line=line))
    (part,) = writer.close()
    assert isinstance(part, PartFile)
    failures = FailureWriter(run)
    failures.add(CRASH)
    (failed,) = failures.close()
    return Reused(made_by(), (run,), (part,), (failed.path,), Keying(layout, whole=False))


@pytest.mark.parametrize("split", [False, True])
def test_the_rest_goes_on_and_the_others_are_counted(reused: Reused, *, split: bool) -> None:
    documents = [
        Document("a", "one", {}, "f", 1),
        Document("b", "two", {}, "f", 2),
        Document("c", "three", {}, "f", 3),
        Document("d", "poison", {}, "f", 5),
    ]
    with TestPipeline("FnApiRunner") as p:
        found = p | beam.Create(documents, reshuffle=False)
        unread = p | "Unread" >> beam.Create([UNREAD], reshuffle=False)
        pieces = p | "Pieces" >> beam.Create([2], reshuffle=False)
        result = (
            ChunkResult(found, unread, pieces) if split else ReadResult(found, unread)
        ) | SkipDone(reused)
        failed = CRASH._replace(id="d", source="f", line=5)
        assert_that(result.rest.documents, equal_to([documents[2]]), "rest")
        assert_that(result.rest.failed, equal_to([UNREAD, failed]), "failed")
        assert_that(result.tally, equal_to([{"documents": 3, "reused": 2}]), "tally")
