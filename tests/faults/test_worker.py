"""Jobs whose endpoint is started on the machine that embeds, and killed there."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow.parquet as pq
import pytest
from apache_beam.testing import test_pipeline

from embed_pipeline.manifest import read_manifest
from embed_pipeline.pipelines.cli import invoke
from embed_pipeline.transforms.embed import EmbedText
from tests.faults.jobs import FaultJob, corpus_of
from tests.support.on_worker import FakeOllama, at_worker, await_end, children, fake, listener, port
from tests.support.scripted import Reply, ScriptedEndpoint, vector_of

__all__ = ["fake", "port"]
TWO_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
LONG_WORD = "x" * 1_500  # so that the corpus is large enough for two processes


def job_at(folder: Path, port: int, corpus: dict[str, str], **worker: Any) -> FaultJob:
    endpoint = {
        "url": "worker",
        "worker": {"port": port, **worker},
        "timeouts": {"connect": 2, "read": 20, "load": 20},
    }
    return FaultJob(folder, corpus, "", endpoint=endpoint)


def is_whole(job: FaultJob) -> bool:
    """Tell whether each text has its own vector, once."""
    table = pq.read_table(job.out / "data")
    assert sorted(table["id"].to_pylist()) == sorted(job.corpus)
    return all(
        np.allclose(vector, vector_of(text), atol=1e-6)
        for text, vector in zip(table["text"].to_pylist(), table["vector"].to_pylist(), strict=True)
    )


@pytest.mark.parametrize(
    "whom", [["server"], ["supervisor"], ["server", "supervisor"]], ids="+".join
)
def test_a_job_outlives_its_endpoint_and_starts_one_more_not_two(
    whom: list[str], tmp_path: Path, port: int, fake: FakeOllama
) -> None:
    fake.know(dies_at={"0": [40, whom]})
    corpus = {name: f"{text} {LONG_WORD}" for name, text in corpus_of(1_600).items()}
    job = job_at(tmp_path, port, corpus)
    code, said = job.run(*TWO_PROCESSES)

    assert code == 0, said
    assert is_whole(job)
    supervisor = listener(port)
    assert supervisor is not None
    assert fake.starts[1:] == children(supervisor)
    assert len(fake.starts) == 2


def test_a_dataset_says_worker_where_others_say_an_address(
    tmp_path: Path, port: int, fake: FakeOllama
) -> None:
    job = job_at(tmp_path, port, corpus_of(20))
    assert job.run_here() == 0
    manifest = read_manifest(str(job.out))
    assert manifest.job["endpoint"]["url"] == "worker"
    assert manifest.provenance["endpoint"] == "worker"
    assert manifest.provenance["endpoint_kind"] == "server"


def test_the_endpoint_stays_for_the_next_run_and_ends_by_itself(
    tmp_path: Path, port: int, fake: FakeOllama
) -> None:
    job = job_at(tmp_path, port, corpus_of(20), idle_minutes=0.15)
    assert job.run_here() == 0
    assert job.run_here("--set", f"job.output.path={tmp_path / 'other'}") == 0
    (server,) = fake.starts
    supervisor = listener(port)
    assert supervisor is not None
    assert children(supervisor) == [server]
    await_end(supervisor)
    await_end(server)


def test_another_model_after_the_endpoint_has_died_is_noticed(
    tmp_path: Path, port: int, fake: FakeOllama
) -> None:
    fake.know(dies_at={"0": [5, ["server", "supervisor"]]}, digests=["aa" * 32, "bb" * 32])
    job = job_at(tmp_path, port, corpus_of(200))
    code, said = job.run()
    assert code == 1
    assert "worker has the digest bbbbbbbbbbbb" in said
    assert not (job.out / "manifest.json").exists()


def test_a_machine_with_another_model_than_the_provenance_fails_the_job(
    endpoint: ScriptedEndpoint,
) -> None:
    here = at_worker(int(endpoint.url.rpartition(":")[2]))
    pipeline = test_pipeline.TestPipeline("FnApiRunner")
    elsewhere = pipeline | "Elsewhere" >> beam.Create([{"digest": "ee" * 32}])
    documents = pipeline | beam.Create([{"id": "a", "text": "a text"}])
    _ = documents | EmbedText(here, provenance=elsewhere)
    with pytest.raises(Exception, match="vectors were made by a model of the digest d1d1d1d1d1d1"):
        pipeline.run()


def test_the_embedded_endpoint_serves_a_job_without_a_binary(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    job = job_at(tmp_path, port, corpus_of(40))
    code, said = job.run(*TWO_PROCESSES)
    assert code == 0, said
    manifest = read_manifest(str(job.out))
    assert manifest.provenance["endpoint"] == "embedded"
    assert manifest.counts.rows == 40


def test_plans_refreshes_and_retries_work_with_it_as_well(
    tmp_path: Path, port: int, fake: FakeOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    long = " ".join(["word"] * 300)
    job = job_at(tmp_path, port, corpus_of(20, long=long))
    job.settings["tokens"] = {"on_too_long": "fail", "recount": 0}
    path = str(job.written())
    assert invoke(["plan", path, "--seconds", "1", "--json"]) == 0
    assert '"url": "worker"' in capsys.readouterr().out
    assert job.run_here() == 0
    assert invoke(["retry-failures", str(job.out)]) == 0
    refreshed = ["refresh", path, "--set", f"job.output.path={tmp_path / 'store'}"]
    assert invoke(refreshed) == 0
    assert invoke(refreshed) == 0
    assert len(fake.starts) == 1


def test_a_run_whose_port_is_another_services_is_refused(
    tmp_path: Path, endpoint: ScriptedEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.paths["/api/version"] = Reply(404, b"no such page")
    job = job_at(tmp_path, int(endpoint.url.rpartition(":")[2]), corpus_of(3))
    assert job.run_here() == 2
    assert "set endpoint.worker.port to a free one" in capsys.readouterr().err
