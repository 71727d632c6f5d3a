"""ReadFailures, EmbedText and AmendDataset on a real pipeline, in library use."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.testing.test_pipeline import TestPipeline

from embed_pipeline.amend import Amendment
from embed_pipeline.claims import RetryRun, claimed
from embed_pipeline.commit import Target
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.errors import RefusedError
from embed_pipeline.made_with import made_with
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.parts import PartFile
from embed_pipeline.records import Document, Embedded, Failed
from embed_pipeline.staging import new_run
from embed_pipeline.transforms.amend import AmendDataset, ReadFailures
from embed_pipeline.transforms.embed import EmbedResult, EmbedText
from embed_pipeline.transforms.write import WriteDataset
from embed_pipeline.verify import verify
from tests.support.collecting import Collect, seen
from tests.support.rows import row
from tests.support.scripted import ScriptedEndpoint, error

CRASH = error(400, 'do embedding request: Post "http://127.0.0.1:1/embedding": EOF')


@pytest.fixture
def made(tmp_path: Path, endpoint: ScriptedEndpoint) -> Manifest:
    """Write a dataset in which one text has crashed the endpoint and one was empty."""
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    endpoint.script = lambda texts: CRASH if "poison" in texts else None
    documents = [("a", "good"), ("b", "poison"), ("c", " ")]
    with TestPipeline("FnApiRunner") as p:
        _ = (
            p
            | beam.Create([{"id": i, "text": t, "n": {"deep": 1}} for i, t in documents])
            | EmbedText(Endpoint(url=endpoint.url, model="all-minilm"), retry=Retry(attempts=2))
            | WriteDataset(str(tmp_path / "out"))
        )
    endpoint.script = lambda _: None
    return read_manifest(str(tmp_path / "out"))


def amendment(path: str, manifest: Manifest) -> Amendment:
    run = RetryRun(*new_run(path))
    found = made_with(path, manifest)
    target = Target(run, manifest.started, found.output, found.attributes, "error", manifest.job)
    return Amendment(run, target, manifest)


def amend(path: str, manifest: Manifest) -> None:
    to = amendment(path, manifest)
    with claimed(to.run, manifest), TestPipeline("FnApiRunner") as p:
        where = made_with(path, manifest).endpoint
        _ = p | ReadFailures(to) | EmbedText(where) | AmendDataset(to)


def test_failures_are_documents_again_or_stay(tmp_path: Path, made: Manifest) -> None:
    with TestPipeline("FnApiRunner") as p:
        found = p | ReadFailures(amendment(str(tmp_path / "out"), made))
        _ = found.documents | "Documents" >> beam.ParDo(Collect(tmp_path / "documents"))
        _ = found.failed | "Failed" >> beam.ParDo(Collect(tmp_path / "failed"))
    (document,) = [one.value for one in seen(tmp_path / "documents")]
    assert document == Document("b", "poison", {"n": {"deep": 1}})
    (failed,) = [one.value for one in seen(tmp_path / "failed")]
    assert isinstance(failed, Failed)
    assert (failed.id, failed.kind) == ("c", "EmptyText")


def test_the_dataset_holds_what_succeeded_and_what_stays(tmp_path: Path, made: Manifest) -> None:
    path = tmp_path / "out"
    amend(str(path), made)
    manifest = read_manifest(str(path))
    assert pq.read_table(path / "data")["id"].to_pylist() == ["a", "b"]
    assert pq.read_table(path / "data")["attributes"].to_pylist() == ['{"n":{"deep":1}}'] * 2
    assert pq.read_table(path / "failures")["id"].to_pylist() == ["c"]
    assert (manifest.counts.rows, manifest.counts.failed) == (2, 1)
    assert verify(str(path), manifest).problems == []


def test_an_engine_that_changes_on_the_way_is_refused(tmp_path: Path, made: Manifest) -> None:
    changed = {**made.provenance, "context": 512}
    manifest = made.model_copy(update={"provenance": changed})
    (tmp_path / "out" / "manifest.json").write_bytes(manifest.to_json())
    with pytest.raises(RefusedError, match="context 256, not 512"):
        amend(str(tmp_path / "out"), manifest)
    assert read_manifest(str(tmp_path / "out")) == manifest


def test_what_a_bundle_that_fails_has_embedded_is_a_whole_file_all_the_same(
    tmp_path: Path, made: Manifest
) -> None:
    def give(_: int) -> Iterator[Embedded]:
        yield row("b", attributes={"n": {"deep": 1}})
        raise ArithmeticError("the bundle fails")

    def run(to: Amendment) -> None:
        with TestPipeline("FnApiRunner") as p:
            names = ("failed", "tally", "recount", "chunked", "statistics")
            none = {name: p | name >> beam.Create([], reshuffle=False) for name in names}
            rows = p | beam.Create([0], reshuffle=False) | beam.FlatMap(give)
            provenance = p | "Provenance" >> beam.Create([made.provenance], reshuffle=False)
            _ = EmbedResult(embedded=rows, provenance=provenance, **none) | AmendDataset(to)

    to = amendment(str(tmp_path / "out"), made)
    with pytest.raises(Exception, match="the bundle fails"):
        run(to)
    (note,) = Path(to.run.staging).glob("data-*.json")
    assert PartFile.noted(json.loads(note.read_bytes())).rows == 1
    assert read_manifest(str(tmp_path / "out")) == made
