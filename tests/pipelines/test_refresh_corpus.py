"""The pipeline of a refresh: its steps, its own job file, and the module as a command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.coders import BytesCoder, StrUtf8Coder, TupleCoder

from embed_pipeline.admission import Gate
from embed_pipeline.commit import Target
from embed_pipeline.job import Job, load
from embed_pipeline.pipelines.refresh_corpus import Way, build, main
from embed_pipeline.records import Embedded
from embed_pipeline.snapshot import SnapshotTarget
from embed_pipeline.staging import Run
from embed_pipeline.store import Store
from embed_pipeline.transforms.coders import EmbeddedCoder
from embed_pipeline.transforms.reuse import ComparedWith
from tests.support.rows import RUN_ID
from tests.support.scripted import ScriptedEndpoint
from tests.support.shuffles import shuffled, takers

ROOT = Path(__file__).parents[2]
NIGHTLY = ROOT / "configs/nightly.yaml"
ADDRESS = "job.endpoint.url=http://127.0.0.1:1"


def way(job: Job, path: Path) -> Way:
    """Return the way of a first refresh of an empty corpus."""
    run = Run(Store(str(path)).snapshot(1), RUN_ID)
    gate = Gate(
        job.corpus, [], job.endpoint, job.batching, job.retry, job.tokens, None, 0.5,
        accept=False, always=False, digest="",
    )  # fmt: skip
    target = Target(run, "2026-01-01T00:00:00+00:00", job.output, {}, "error", job.public())
    what = SnapshotTarget(Store(str(path)), 1, target, RUN_ID, None, (), (), "id", 2)
    compared = ComparedWith(run, (), (), (), (), {}, frozenset(), split=job.chunks)
    return Way([], compared, gate, what)


@pytest.mark.parametrize(
    ("on_too_long", "steps"),
    [
        ("truncate", ["Read", "Compare", "Admit", "Fold", "Embed", "Write"]),
        ("chunk", ["Read", "Compare", "Admit", "Fold", "Chunk", "Embed", "Write"]),
    ],
)
def test_the_flow_reads_as_its_steps(tmp_path: Path, on_too_long: str, steps: list[str]) -> None:
    job = load(NIGHTLY, [ADDRESS, f"job.tokens.on_too_long={on_too_long}"]).job
    pipeline = beam.Pipeline(runner="FnApiRunner")
    build(pipeline, job, way(job, tmp_path))
    labels: list[str] = []

    class Visitor(beam.pipeline.PipelineVisitor):
        def enter_composite_transform(self, node: beam.pipeline.AppliedPTransform) -> None:
            if node.full_label and "/" not in node.full_label:
                labels.append(node.full_label)

    pipeline.visit(Visitor())
    assert labels == steps


def test_what_is_shuffled_is_texts_and_places_of_rows_but_no_vectors(tmp_path: Path) -> None:
    job = load(NIGHTLY, [ADDRESS]).job
    pipeline = beam.Pipeline(runner="FnApiRunner")
    build(pipeline, job, way(job, tmp_path))
    found = shuffled(pipeline)
    assert set(found) == {
        "Read/Spread",
        "Fold/Same text",
        "Write/By file",
        "Write/Spread/ReshufflePerKey/GroupByKey",
    }
    assert found["Fold/Same text"] == {TupleCoder, BytesCoder}
    assert found["Write/By file"] == {TupleCoder, StrUtf8Coder, BytesCoder}
    for coders in found.values():
        assert EmbeddedCoder not in coders
    assert takers(pipeline, Embedded) == {"Write/Write rows/ParDo(WriteRows)"}  # it gives files


def test_the_job_file_of_nights_is_one_that_can_be_refreshed(
    tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    (tmp_path / "docs.jsonl").write_text('{"id": "a", "text": "one"}\n')
    settings = {
        "job.corpus.files": tmp_path / "docs.jsonl",
        "job.endpoint.url": endpoint.url,
        "job.output.path": tmp_path / "store",
    }
    assert main([str(NIGHTLY), *(f"--set={name}={one}" for name, one in settings.items())]) == 0
    assert Store(str(tmp_path / "store")).number() == 1


def test_the_module_is_the_command(tmp_path: Path, endpoint: ScriptedEndpoint) -> None:
    (tmp_path / "docs.jsonl").write_text('{"id": "a", "text": "one"}\n')
    job = tmp_path / "nightly.yaml"
    job.write_text(
        f"job: {{corpus: {{files: {tmp_path}/docs.jsonl}}, output: {{path: {tmp_path}/store}}, "
        f'endpoint: {{url: "{endpoint.url}", model: all-minilm}}}}'
    )
    done = subprocess.run(
        [sys.executable, "-m", "embed_pipeline.pipelines.refresh_corpus", job, "--summary=json"],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["embedded"] == 1
