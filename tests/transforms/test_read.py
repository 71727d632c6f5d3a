"""Reading a corpus in a pipeline: order, failures, several processes, stopping."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import test_pipeline
from apache_beam.testing.util import BeamAssertException, assert_that, equal_to

from embed_pipeline import interrupt
from embed_pipeline.corpus import Corpus, find_files
from embed_pipeline.records import Document, Failed
from embed_pipeline.shards import split
from embed_pipeline.transforms.read import ReadCorpus, ReadResult
from tests.support.bundles import CountBundles, sizes

PADDING = "x" * 1000


def write(folder: Path, files: int, rows: int) -> list[str]:
    """Write a corpus that is cut into several shards, and return its ids in order."""
    for file in range(files):
        with (folder / f"{file}.jsonl").open("w") as stream:
            for row in range(rows):
                stream.write(json.dumps({"id": f"{file}-{row}", "text": PADDING, "n": row}) + "\n")
    return [f"{file}-{row}" for file in range(files) for row in range(rows)]


def in_order(expected: list[str]) -> Callable[[list[str]], None]:
    """Return a matcher that, unlike equal_to, minds the order."""

    def check(actual: list[str]) -> None:
        if actual != expected:
            raise BeamAssertException(f"{len(actual)} ids, not in order: {actual[:20]}...")

    return check


def test_documents_come_in_the_order_of_the_corpus(tmp_path: Path) -> None:
    ids = write(tmp_path, files=3, rows=2500)
    corpus = Corpus(files=str(tmp_path))
    assert len(split(corpus, find_files(corpus))) == 9
    with test_pipeline.TestPipeline("FnApiRunner") as pipeline:
        read = pipeline | ReadCorpus(corpus)
        found = read.documents | beam.Map(lambda document: document.id)
        assert_that(found, in_order(ids))


def test_documents_and_failures_leave_apart_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1, "text": "a", "n": 0.5, "tags": ["t"]}\nbad\n')
    with test_pipeline.TestPipeline("FnApiRunner") as pipeline:
        read = pipeline | ReadCorpus(Corpus(files=str(path)))
        assert isinstance(read, ReadResult)
        document = Document("1", "a", {"n": 0.5, "tags": ["t"]}, str(path), 1)
        assert_that(read.documents, equal_to([document]), label="documents")
        places = read.failed | beam.Map(lambda failed: (type(failed), failed.kind, failed.line))
        assert_that(places, equal_to([(Failed, "UnreadableLine", 2)]), label="failures")


def test_two_processes_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    ids = write(tmp_path, files=2, rows=2500)
    (tmp_path / "bad.jsonl").write_text("bad\n")
    options = PipelineOptions(direct_running_mode="multi_processing", direct_num_workers=2)
    with test_pipeline.TestPipeline("FnApiRunner", options=options) as pipeline:
        read = pipeline | ReadCorpus(Corpus(files=str(tmp_path)))
        found = read.documents | beam.Map(lambda document: document.id)
        assert_that(found, equal_to(ids), label="documents")
        assert_that(read.failed | beam.combiners.Count.Globally(), equal_to([1]), label="failures")


@pytest.mark.parametrize("workers", [2, 4])
def test_shards_are_spread_evenly_over_workers(tmp_path: Path, workers: int) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    ids = write(folder, files=4, rows=2000)
    corpus = Corpus(files=str(folder))
    assert len(split(corpus, find_files(corpus))) == 8
    options = PipelineOptions(direct_num_workers=workers)
    with test_pipeline.TestPipeline("FnApiRunner", options=options) as pipeline:
        read = pipeline | ReadCorpus(corpus)
        _ = read.documents | beam.ParDo(CountBundles(tmp_path / "bundles"))
    found = sizes(tmp_path / "bundles")
    assert (len(found), sum(found)) == (workers, len(ids))
    assert max(found) <= 1.01 * len(ids) / workers


def test_a_limit_holds_over_the_whole_corpus(tmp_path: Path) -> None:
    ids = write(tmp_path, files=3, rows=1500)
    with test_pipeline.TestPipeline("FnApiRunner") as pipeline:
        read = pipeline | ReadCorpus(Corpus(files=str(tmp_path), limit=2000))
        found = read.documents | beam.Map(lambda document: document.id)
        assert_that(found, in_order(ids[:2000]))


def test_reading_ends_cleanly_once_a_stop_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, files=1, rows=100)

    def stop_at_the_tenth(document: Document) -> str:
        if document.id == "0-9":
            interrupt.request_stop(signal.SIGTERM)
        return document.id

    with test_pipeline.TestPipeline("FnApiRunner") as pipeline:
        read = pipeline | ReadCorpus(Corpus(files=str(tmp_path)))
        found = read.documents | beam.Map(stop_at_the_tenth)
        assert_that(found, in_order([f"0-{row}" for row in range(10)]))


def test_a_corpus_that_is_not_there_fails_the_pipeline_with_its_reason(tmp_path: Path) -> None:
    pipeline = test_pipeline.TestPipeline("FnApiRunner")
    pipeline | ReadCorpus(Corpus(files=str(tmp_path / "*.jsonl")))
    with pytest.raises(Exception, match="matches no file"):
        pipeline.run()


def test_both_outputs_have_types_that_later_steps_are_checked_against(tmp_path: Path) -> None:
    write(tmp_path, files=1, rows=1)
    with test_pipeline.TestPipeline("FnApiRunner") as pipeline:
        read = pipeline | ReadCorpus(Corpus(files=str(tmp_path)))
        assert read.documents.element_type is Document
        assert read.failed.element_type is Failed
