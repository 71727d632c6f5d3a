"""One bundle of everything, many of one, and bundles that are run again: the same dataset."""

import logging
from collections import defaultdict
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from embed_pipeline.commit import Target, now
from embed_pipeline.endpoint import Batching, Endpoint
from embed_pipeline.footers import wrong_origin
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.outcomes import added_up
from embed_pipeline.output import Output
from embed_pipeline.parts import Written
from embed_pipeline.records import Document
from embed_pipeline.staging import new_run
from embed_pipeline.transforms.embed import EmbedDoFn, EmbedText
from embed_pipeline.transforms.write import Commit, WriteDataset
from embed_pipeline.transforms.write_parts import WriteFailures, WriteRows
from embed_pipeline.verify import verify
from tests.support.bundles import CountBundles, Worker, sizes
from tests.support.rows import made_by
from tests.support.scripted import ScriptedEndpoint, vector_of

COUNT = 1_000
DOCUMENTS = [Document(f"d{n}", f"text {n}", {"n": n}, "f.jsonl", n + 1) for n in range(COUNT)]
EMPTY = {"d7", "d700"}


@pytest.fixture(autouse=True)
def _quiet_beam() -> None:
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)


def documents(count: int = COUNT) -> list[Document]:
    """Return documents, two of which have nothing to embed."""
    found = DOCUMENTS[:count]
    return [one._replace(text=" ") if one.id in EMPTY else one for one in found]


def check(out: Path, count: int = COUNT, failed: int = 2) -> Manifest:
    """Prove that a dataset has each document once, in order, with its vector and its footers."""
    manifest = read_manifest(str(out))
    assert verify(str(out), manifest).problems == []
    assert (manifest.counts.documents, manifest.counts.failed) == (count, failed)
    rows = [row for file in manifest.data for row in pq.read_table(out / file.path).to_pylist()]
    wanted = [one for one in documents(count) if one.text.strip()]
    assert [row["id"] for row in rows] == [one.id for one in wanted]
    assert [row["text"] for row in rows] == [one.text for one in wanted]
    assert all(row["vector"] == vector_of(row["text"]).tolist() for row in rows)
    for file in manifest.data:
        with pq.ParquetFile(out / file.path) as parquet:
            assert wrong_origin(parquet, manifest.provenance) is None
    on_disk = {path.name for path in (out / "data").iterdir()}
    assert on_disk == {Path(file.path).name for file in manifest.data}
    assert not (out / "staging").exists() or not list((out / "staging").iterdir())
    return manifest


def run(endpoint: ScriptedEndpoint, folder: Path, runner: Any, count: int, *flags: str) -> None:
    """Embed and write documents, whose bundles are counted."""
    where = Endpoint(url=endpoint.url, model="all-minilm")
    options = PipelineOptions(list(flags))
    with beam.Pipeline(runner=runner, options=options) as p:
        spread = p | beam.Create(documents(count), reshuffle=False).with_output_types(Document)
        if flags:
            spread |= beam.Reshuffle()
        _ = (
            spread
            | "Count" >> beam.ParDo(CountBundles(folder / "bundles")).with_output_types(Document)
            | EmbedText(where)
            | WriteDataset(str(folder / "out"))
        )


def test_one_bundle_of_everything(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    run(endpoint, tmp_path, "FnApiRunner", COUNT)
    assert sizes(tmp_path / "bundles") == [COUNT]
    assert len(check(tmp_path / "out").data) == 1


def test_bundles_at_the_same_time(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    run(endpoint, tmp_path, "FnApiRunner", 10, "--direct_num_workers=10")
    assert sizes(tmp_path / "bundles") == [1] * 10
    manifest = check(tmp_path / "out", 10, failed=1)
    assert len(manifest.data) == 1  # of nine parts
    assert manifest.effort["requests"] == 9


def test_bundles_that_are_run_again_give_each_row_once(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    run(endpoint, tmp_path, FnApiRunner(bundle_repeat=2), 100)
    assert sizes(tmp_path / "bundles") == [100] * 3
    assert endpoint.texts.count("text 1") == 2 * 3  # with the sample, which is sent again, too
    check(tmp_path / "out", 100, failed=1)


def test_a_thousand_bundles_of_one(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    provenance = {**made_by(), "endpoint": endpoint.url}
    where = Endpoint(url=endpoint.url, model="all-minilm")
    output = Output(path=str(tmp_path / "out"))
    target = Target(new_run(output.path), now(), output, None, "error", {})
    found = defaultdict[str, list[Any]](list)
    with (
        Worker(EmbedDoFn(where, batching=Batching(), failures="failed")) as embed,
        Worker(WriteRows(target), provenance) as write,
        Worker(WriteFailures(target)) as fail,
    ):
        for document in documents():
            for tag, value in embed.bundle([document], windowed=True):
                if tag == "":
                    found["parts"] += [one.value for one in write.bundle([value])]
                elif tag == "failed":
                    found["failures"] += [one.value for one in fail.bundle([value])]
                else:
                    found[tag].append(value)
    assert (len(found["parts"]), len(found["failures"])) == (COUNT - 2, 2)  # a file a bundle
    assert len(found["tally"]) == len(found["sampled"]) == COUNT
    effort = added_up(found["tally"])
    texts = [request["input"] for request in endpoint.requests]
    asked = [batch for batch in texts if batch and batch[0].startswith("text ")]
    assert effort["requests"] == len(asked) == COUNT - 2  # a request a bundle
    received = int(effort.pop("documents"))
    written = Written(provenance, received, found["parts"], found["failures"], effort=effort)
    with beam.Pipeline(runner="FnApiRunner") as p:
        _ = p | beam.Create([(target, written)], reshuffle=False) | Commit()
    manifest = check(tmp_path / "out")
    assert [file.rows for file in manifest.data] == [COUNT - 2]  # one file of all
    with pq.ParquetFile(tmp_path / "out" / manifest.data[0].path) as parquet:
        assert parquet.num_row_groups == 1
    assert [file.rows for file in manifest.failures] == [2]
