"""The main job: built from its file, and every job file in configs/ is one."""

from pathlib import Path

import apache_beam as beam
import pytest

from embed_pipeline.files import FileInfo
from embed_pipeline.job import load
from embed_pipeline.pipelines import cli
from embed_pipeline.pipelines.embed_corpus import build, described, main
from embed_pipeline.records import Document, Embedded
from embed_pipeline.transforms.coders import EmbeddedCoder, RecordCoder
from tests.support.shuffles import shuffled, takers

CONFIGS = sorted(
    path
    for path in (Path(__file__).parent.parent.parent / "configs").glob("*.yaml")
    if path.name != "providers.yaml" and not path.name.endswith(".beam.yaml")  # are Beam YAML's
)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_loads_and_dry_runs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(path), "--dry-run"]) == 0
    assert "the job file is good" in capsys.readouterr().err


def test_a_dry_run_touches_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    overrides = [f"--set=job.output.path={out}", "--set=job.corpus.files=/no/such/*.jsonl"]
    assert cli.invoke(["run", str(CONFIGS[0]), "--dry-run", *overrides]) == 0
    assert not out.exists()


@pytest.mark.parametrize(
    ("override", "steps"),
    [
        ("job.tokens.on_too_long=truncate", ["Read", "Embed", "Write"]),
        ("job.tokens.on_too_long=chunk", ["Read", "Chunk", "Embed", "Write"]),
    ],
)
def test_the_flow_reads_as_its_steps(tmp_path: Path, override: str, steps: list[str]) -> None:
    job = load(
        Path("configs/local.yaml"),
        ["job.endpoint.url=http://127.0.0.1:1", f"job.output.path={tmp_path}", override],
    ).job
    pipeline = beam.Pipeline(runner="FnApiRunner")
    build(pipeline, job)
    labels: list[str] = []

    class Visitor(beam.pipeline.PipelineVisitor):
        def enter_composite_transform(self, node: beam.pipeline.AppliedPTransform) -> None:
            if node.full_label and "/" not in node.full_label:
                labels.append(node.full_label)

    pipeline.visit(Visitor())
    assert labels == steps


@pytest.mark.parametrize("on_too_long", ["truncate", "chunk"])
def test_no_shuffle_carries_vectors_or_documents(tmp_path: Path, on_too_long: str) -> None:
    job = load(
        Path("configs/local.yaml"),
        [
            "job.endpoint.url=http://127.0.0.1:1",
            f"job.output.path={tmp_path}",
            f"job.tokens.on_too_long={on_too_long}",
        ],
    ).job
    pipeline = beam.Pipeline(runner="FnApiRunner")
    build(pipeline, job)
    found = shuffled(pipeline)
    assert set(found) == {"Read/Spread", "Write/Commit/Spread/ReshufflePerKey/GroupByKey"}
    for coders in found.values():
        assert not coders & {EmbeddedCoder, RecordCoder}
    assert takers(pipeline, Embedded) == {"Write/Write rows/ParDo(WriteRows)"}  # it gives files
    assert not [name for name in takers(pipeline, Document) if name.startswith("side ")]


def test_the_manifest_is_told_the_job_without_secrets() -> None:
    job = load(
        Path("configs/local.yaml"),
        [
            "job.endpoint.url=http://user:hunter2@127.0.0.1:1",
            "job.endpoint.headers={x-key: hunter3}",
        ],
    ).job
    found = described(job, [FileInfo("docs/a.jsonl", 3, None)])
    assert "hunter" not in str(found)
    assert found["inputs"] == [{"path": "docs/a.jsonl", "size": 3, "modified": None}]
    assert found["endpoint"]["headers"] == ["x-key"]
