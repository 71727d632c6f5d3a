"""WriteDataset on a real pipeline: one committed dataset that every reader opens."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import boto3
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from apache_beam.testing import test_stream
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.transforms.periodicsequence import PeriodicImpulse
from apache_beam.transforms.window import FixedWindows, TimestampedValue
from moto.server import ThreadedMotoServer

from embed_pipeline import resume
from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.done import Keying
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.errors import ConfigError, RefusedError, Unauthorized
from embed_pipeline.files import find
from embed_pipeline.kept import find_kept
from embed_pipeline.manifest import read_manifest
from embed_pipeline.output import Output
from embed_pipeline.ownership import check_free
from embed_pipeline.parts import RowWriter
from embed_pipeline.pipelines.execution import told
from embed_pipeline.records import Document
from embed_pipeline.report import read_report
from embed_pipeline.schema import Layout
from embed_pipeline.staging import Run
from embed_pipeline.tokens import Tokens
from embed_pipeline.transforms.embed import EmbedText
from embed_pipeline.transforms.read import ReadResult
from embed_pipeline.transforms.resume import SkipDone
from embed_pipeline.transforms.write import WriteDataset
from embed_pipeline.verify import verify
from tests.support.rows import made_by, row
from tests.support.scripted import DIGEST, Reply, ScriptedEndpoint, error, scripted, vector_of

DOCUMENTS = [{"id": f"d{n}", "text": f"text {n}", "n": n} for n in range(100)]


@pytest.fixture(autouse=True)
def _quiet_beam() -> None:
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)


def write(
    endpoint: ScriptedEndpoint, documents: list[Any], transform: WriteDataset, **options: Any
) -> None:
    where = Endpoint(url=endpoint.url, model="all-minilm")
    with TestPipeline("FnApiRunner", **options) as p:
        _ = p | beam.Create(documents, reshuffle=False) | EmbedText(where) | transform


def test_every_reader_opens_the_bare_folder(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    write(endpoint, DOCUMENTS, WriteDataset(str(tmp_path / "out"), attributes={"n": "int64"}))
    folder = tmp_path / "out" / "data"
    tables = [
        pq.read_table(folder).to_pandas(),
        pd.read_parquet(folder),
        pl.read_parquet(folder).to_pandas(),
        duckdb.sql(f"select * from '{folder}/*.parquet'").df(),
    ]
    for table in tables:
        assert table["id"].tolist() == [f"d{n}" for n in range(100)]
        assert table["n"].tolist() == list(range(100))
        assert np.array_equal(np.stack(table["vector"].tolist())[7], vector_of("text 7"))
    assert pl.read_parquet(folder).schema["vector"] == pl.Array(pl.Float32, 8)
    similar = duckdb.sql(
        "select array_cosine_similarity(vector::FLOAT[8], vector::FLOAT[8]) "
        f"from '{folder}/*.parquet'"
    ).fetchall()
    assert all(abs(one[0] - 1) < 1e-5 for one in similar)


def test_documents_are_rows_or_failures(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    documents = [*DOCUMENTS, {"id": "empty", "text": " "}, {"id": "typed", "text": "x", "n": "one"}]
    write(endpoint, documents, WriteDataset(str(tmp_path), attributes={"n": "int64"}))
    counts = read_manifest(str(tmp_path)).counts
    assert (counts.documents, counts.rows, counts.failed) == (102, 100, 2)
    failed = pq.read_table(tmp_path / "failures").sort_by("id").to_pylist()
    assert [(one["id"], one["stage"], one["kind"]) for one in failed] == [
        ("empty", "embed", "EmptyText"),
        ("typed", "write", "BadAttribute"),
    ]


def test_undeclared_attributes_are_kept_as_json(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    write(endpoint, DOCUMENTS[:2], WriteDataset(str(tmp_path)))
    assert pq.read_table(tmp_path / "data")["attributes"].to_pylist() == ['{"n":0}', '{"n":1}']


def test_plain_strings_get_an_id_of_their_own(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    write(endpoint, ["one", "two"], WriteDataset(str(tmp_path)))
    ids = pq.read_table(tmp_path / "data")["id"].to_pylist()
    assert len(set(ids)) == 2
    assert all(len(one) == 64 for one in ids)


def test_windows_of_the_input_do_not_matter(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    where = Endpoint(url=endpoint.url, model="all-minilm")
    with TestPipeline("FnApiRunner") as p:
        _ = (
            p
            | beam.Create(DOCUMENTS, reshuffle=False)
            | beam.Map(lambda document: TimestampedValue(document, document["n"]))
            | beam.WindowInto(FixedWindows(10))
            | EmbedText(where, Batching(max_texts=7))
            | WriteDataset(str(tmp_path))
        )
    assert read_manifest(str(tmp_path)).counts.rows == 100


@pytest.mark.parametrize(
    "source",
    [
        test_stream.TestStream().add_elements(["a"]).advance_watermark_to_infinity(),
        PeriodicImpulse(fire_interval=1),
    ],
    ids=["TestStream", "PeriodicImpulse"],
)
def test_a_stream_is_refused_at_construction(tmp_path: Path, source: beam.PTransform) -> None:
    where = Endpoint(url="http://127.0.0.1:1", model="all-minilm")
    stream = beam.Pipeline(runner="FnApiRunner") | source | beam.WindowInto(FixedWindows(10))
    rows = stream | beam.Map(str) | EmbedText(where)
    with pytest.raises(ConfigError, match=r"WriteDataset got an unbounded PCollection.*commits"):
        _ = rows | WriteDataset(str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_no_documents_give_an_empty_dataset(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    write(endpoint, [], WriteDataset(str(tmp_path)))
    assert pq.read_table(tmp_path / "data").num_rows == 0


def test_two_processes_lose_and_double_nothing(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    write(
        endpoint,
        DOCUMENTS,
        WriteDataset(str(tmp_path)),
        options=beam.options.pipeline_options.PipelineOptions(
            ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
        ),
    )
    ids = pq.read_table(tmp_path / "data")["id"].to_pylist()
    assert sorted(ids) == sorted(f"d{n}" for n in range(100))


@pytest.mark.parametrize("mode", ["in_memory", "multi_processing"])
def test_the_report_counts_what_the_manifest_counts(tmp_path: Path, mode: str) -> None:
    documents: list[Any] = [{**one, "even": n % 2 == 0} for n, one in enumerate(DOCUMENTS)]
    documents += [{"id": "empty", "text": " "}, {"id": "bad", "text": "poison"}]
    flags = [f"--direct_running_mode={mode}", f"--direct_num_workers={1 + (mode[0] == 'm')}"]
    options = beam.options.pipeline_options.PipelineOptions(flags)
    types: AttributeTypes = {"n": "int64", "even": "bool"}
    with scripted() as one, scripted() as two, TestPipeline("FnApiRunner", options=options) as p:
        busy = [error(503, "busy")] * 2
        two.script = lambda texts: busy.pop() if busy and "text" in texts[0] else poison(texts)
        one.script = poison
        where = Endpoint(url=[one.url, two.url], model="all-minilm")
        how = (Batching(max_texts=7), Retry(), Tokens(recount=0))  # the report has no recount
        rows = p | beam.Create(documents, reshuffle=False) | EmbedText(where, *how)
        _ = rows | WriteDataset(str(tmp_path), attributes=types)
        urls = {one.url, two.url}
    check_report(tmp_path, urls, overloaded=2 - len(busy))


def poison(texts: list[str]) -> Reply | None:
    return error(400, "refused") if "poison" in texts else None


def check_report(out: Path, urls: set[str], overloaded: int) -> None:
    """Check a report of 100 rows, a text that was never sent, one that failed, and some faults."""
    manifest, report = read_manifest(str(out)), read_report(str(out))
    assert report is not None
    counts, line, told = manifest.counts, report.timeline, report.endpoints
    assert (counts.rows, counts.failed) == (100, 2)
    assert (sum(line.texts), sum(line.failed)) == (counts.rows + 1, 1)
    assert sum(line.tokens) == report.token_counts.sum == counts.tokens
    assert sum(report.token_counts.counts) == sum(one.texts for one in told) == counts.rows
    requests = manifest.effort["requests"]
    assert sum(line.requests) == sum(one.requests for one in told) == requests
    faults = {kind: fault.count for kind, fault in report.faults.items()}
    noted = {f"faults.{kind}": count for kind, count in faults.items()}
    assert noted.items() <= manifest.effort.items()
    assert sum(line.faults) == sum(faults.values())
    assert faults["Overloaded"] == overloaded > 0
    assert {one.name for one in told} == urls
    for kind, count in faults.items():
        assert sum(one.faults.get(kind, 0) for one in told) == count
    lost = sum(one.lost_s for one in report.faults.values())
    assert lost == pytest.approx(manifest.effort["lost_s"], abs=0.001)
    spent = report.seconds
    assert spent.server + spent.load + spent.waiting + spent.own == pytest.approx(spent.wall)
    assert (report.map.of, len(report.map.x), report.map.color_by) == (100, 100, "even")
    assert {one.kind for one in report.places} == {"EmptyText", "RequestRejected"}
    assert report.run_id == manifest.run_id
    assert "text 1" not in (out / "report.json").read_text()


def test_an_attribute_that_there_is_not_colors_no_map(tmp_path: Path) -> None:
    output = Output(path=str(tmp_path), report_color="langauge")
    with pytest.raises(ConfigError, match="did you mean 'language'"):
        WriteDataset(output, attributes={"language": "string"})
    WriteDataset(output)  # which attributes there are is not known


def test_an_error_of_the_server_publishes_nothing(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.script = lambda texts: error(401, "no") if "text 50" in texts else None
    with pytest.raises(Exception, match="401 no") as found:
        write(endpoint, DOCUMENTS, WriteDataset(str(tmp_path)))
    assert type(told(found.value)) is Unauthorized
    assert not (tmp_path / "manifest.json").exists()


def test_an_existing_dataset_is_refused_before_anything_runs(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    write(endpoint, ["one"], WriteDataset(str(tmp_path)))
    asked = len(endpoint.requests)
    with pytest.raises(ConfigError, match="exists already"):
        WriteDataset(str(tmp_path))
    assert len(endpoint.requests) == asked


def test_an_attribute_cannot_take_a_column_s_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="vector"):
        WriteDataset(str(tmp_path), attributes={"vector": "string"})


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a local S3 server with one bucket; yield the URL of a folder in it."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    name = f"vectors-{tmp_path.name.replace('_', '-')}"  # the server's buckets outlive it
    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket=name)
    yield f"s3://{name}/out?endpoint_override={host}:{port}&scheme=http"
    server.stop()


def test_what_was_refused_on_an_object_store_can_be_committed_by_a_rerun(
    endpoint: ScriptedEndpoint, bucket: str
) -> None:
    twice = [{"id": "a", "text": "one"}, {"id": "a", "text": "two"}]
    with pytest.raises(RefusedError, match="1 ids stand more than once"):
        write(endpoint, twice, WriteDataset(bucket))
    check_free(Output(path=bucket))
    found = find_kept(bucket, {"output": Output(path=bucket).model_dump(mode="json")}, DIGEST)
    assert found is not None
    assert [part.rows for part in found.written.parts] == [2]


def test_a_dataset_on_an_object_store(endpoint: ScriptedEndpoint, bucket: str) -> None:
    write(endpoint, DOCUMENTS, WriteDataset(bucket, attributes={"n": "int64"}))
    first = read_manifest(bucket)
    write(
        endpoint,
        DOCUMENTS[:10],
        WriteDataset(Output(path=bucket, on_exists="overwrite"), attributes={"n": "int64"}),
    )
    second = read_manifest(bucket)
    name = bucket.removeprefix("s3://").partition("/")[0]
    server = f"http://{bucket.partition('endpoint_override=')[2].partition('&')[0]}"
    listed = boto3.client("s3", endpoint_url=server).list_objects_v2(Bucket=name)["Contents"]
    names = sorted(one["Key"] for one in listed if not one["Key"].endswith("/"))
    assert (first.counts.rows, second.counts.rows) == (100, 10)
    assert names == [
        "out/README.md",
        "out/" + second.data[0].path,
        "out/manifest.json",
        "out/report.html",
        "out/report.json",
    ]


@pytest.mark.parametrize("place", ["bucket", "tmp_path"])
def test_what_a_run_has_left_is_published_by_the_next(
    endpoint: ScriptedEndpoint, request: pytest.FixtureRequest, place: str
) -> None:
    out = str(request.getfixturevalue(place))
    job = {"inputs": ["f"]}
    documents = [Document(f"d{n}", f"text {n}", {"n": n}, "f", n + 1) for n in range(100)]
    layout = Layout(Output(path=out), 8, {"n": "int64"})
    first = Run(out, "20260101T000000Z-aaaaaa")
    resume.begin(first, job, DIGEST)
    writer = RowWriter(first, layout, made_by())
    for one in documents[:60]:
        writer.add(row(one.id, one.text, attributes=one.attributes, source="f", line=one.line))
    writer.close()
    orphan = RowWriter(first, layout, made_by())  # of a bundle that was repeated
    orphan.add(row("d7", "text 7", attributes={"n": 7}, source="f", line=8))
    orphan.close()
    left = resume.candidates(out, job, DIGEST)
    reused = resume.choose(left, made_by(), Keying(layout, whole=False))
    assert reused is not None
    run = Run(out, "20260102T000000Z-bbbbbb")
    resume.begin(run, job, DIGEST)
    where = Endpoint(url=endpoint.url, model="all-minilm")
    with TestPipeline("FnApiRunner") as p:
        found = p | "Documents" >> beam.Create(documents, reshuffle=False)
        unread = p | "Unread" >> beam.Create([], reshuffle=False)
        skipped = ReadResult(found, unread) | SkipDone(reused)
        embedded = skipped.joined(skipped.rest | EmbedText(where))
        _ = embedded | WriteDataset(out, attributes={"n": "int64"}, run=run, reused=reused)
    manifest = read_manifest(out)
    assert (manifest.counts.documents, manifest.counts.rows) == (100, 100)
    assert manifest.provenance == made_by()
    assert verify(out, manifest).problems == []
    assert not [one for one in find(out) if "/staging/" in one.path]
