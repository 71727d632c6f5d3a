"""Plans of whole jobs: what is measured, printed and kept, and how the run is held against it."""

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from embed_pipeline import forecast
from embed_pipeline.corpus import find_files
from embed_pipeline.errors import ConfigError, ConnectionFailed, InterruptedJobError
from embed_pipeline.job import Job, JobFile
from embed_pipeline.manifest import read_manifest
from embed_pipeline.pipelines.embed_corpus import described
from embed_pipeline.pipelines.launch import run_job
from embed_pipeline.pipelines.options import beam_options
from embed_pipeline.pipelines.plan import plan_job, processes_of
from embed_pipeline.pipelines.terminal import Terminal
from embed_pipeline.scan import infer
from tests.support.ports import free_port
from tests.support.scripted import DIGEST, ScriptedEndpoint

Captured = pytest.CaptureFixture[str]
WORDS = ["[UNK]", "[CLS]", "[SEP]", "▁word"]


class Planned:
    """Plan one job again and again."""

    def __init__(self, folder: Path, endpoint: ScriptedEndpoint) -> None:
        self.out = folder / "out"
        self.corpus = folder / "corpus.jsonl"
        self.settings: dict[str, Any] = {
            "corpus": {"files": str(self.corpus)},
            "endpoint": {"url": endpoint.url, "model": "all-minilm"},
            "retry": {"attempts": 2},
            "output": {"path": str(self.out)},
        }

    def documents(self, *texts: str) -> None:
        rows = [{"id": f"d{n}", "text": text, "n": n} for n, text in enumerate(texts)]
        self.corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))

    @property
    def file(self) -> JobFile:
        return JobFile(job=Job.model_validate(self.settings))

    def plan(self, flags: Sequence[str] = (), **options: Any) -> dict[str, Any]:
        """Return the plan that was kept."""
        assert plan_job(self.file, flags, Terminal(), seconds=0.5, **options) == 0
        found: dict[str, Any] = json.loads((self.out / "plan.json").read_bytes())
        return found


@pytest.fixture
def job(tmp_path: Path, endpoint: ScriptedEndpoint) -> Planned:
    found = Planned(tmp_path, endpoint)
    found.documents(*(f"some text {n}" for n in range(120)))
    return found


def test_a_plan_tells_what_there_is_to_do(job: Planned) -> None:
    found = job.plan()
    assert found["documents"] == {"value": 120, "low": 120, "high": 120}
    assert found["texts"]["value"] == 120
    assert found["tokens"]["value"] == 600
    assert found["failed"] == 0
    assert found["limits"] == {"context": 256, "context_source": "server"}
    assert found["endpoint"]["kind"] == "server"
    assert found["endpoint"]["digest"] == DIGEST


def test_a_plan_tells_what_to_expect(job: Planned) -> None:
    found = job.plan()
    (own,) = [rate for rate in found["rates"] if rate["own"]]
    assert (own["max_texts"], own["in_flight"]) == (32, 2)
    assert own["low"] <= own["seconds"] <= own["high"]
    assert own["seconds"] == found["start_seconds"] + 600 / own["tokens_per_second"]
    assert len([rate for rate in found["rates"] if rate["chosen"]]) == 1
    assert found["workers"] >= 1


def test_the_expected_size_is_that_of_the_run(job: Planned) -> None:
    expected = job.plan()["bytes"]
    assert run_job(job.file, [], Terminal(quiet=True)) == 0
    (written,) = read_manifest(str(job.out)).data
    assert expected == pytest.approx(written.bytes, rel=0.1)


def test_a_plan_is_printed(job: Planned, capsys: Captured) -> None:
    job.plan()
    captured = capsys.readouterr()
    assert "documents  120, 120 of them sampled" in captured.out
    assert "max_texts  in_flight  texts/s  tokens/s  whole run" in captured.out
    assert str(job.out / "plan.json") in captured.err


def test_a_plan_is_printed_as_json_and_nothing_else(job: Planned, capsys: Captured) -> None:
    kept = job.plan(as_json=True)
    assert json.loads(capsys.readouterr().out) == kept


def test_the_run_of_the_same_job_finds_its_estimate(job: Planned) -> None:
    plan = job.plan()
    (own,) = [rate for rate in plan["rates"] if rate["own"]]
    settings = job.file.job
    files = find_files(settings.corpus)
    typed = settings.corpus.with_types(infer(settings.corpus, files).types)
    run = described(settings.model_copy(update={"corpus": typed}), files)
    expected = {name: own[name] for name in ("seconds", "low", "high")}
    assert forecast.expected(str(job.out), run, DIGEST) == expected


def test_the_trial_s_dataset_is_thrown_away(job: Planned) -> None:
    job.plan()
    assert [path.name for path in job.out.iterdir()] == ["plan.json"]


def test_texts_are_counted_with_the_model_s_tokenizer(
    job: Planned, endpoint: ScriptedEndpoint
) -> None:
    endpoint.vocabulary = WORDS
    job.documents(*["word word"] * 30, *["word " * 300] * 10)
    found = job.plan()
    assert (found["tokens"]["value"], found["tokens_counted"]) == (30 * 4 + 10 * 256, True)
    assert found["too_long"] == 0.25


def test_documents_that_are_split_are_more_texts(job: Planned, endpoint: ScriptedEndpoint) -> None:
    endpoint.vocabulary = WORDS
    job.documents("word word", "word " * 300)
    job.settings["tokens"] = {"on_too_long": "chunk"}
    job.settings["chunking"] = {"max_tokens": 102}
    found = job.plan()
    assert (found["documents"]["value"], found["texts"]["value"]) == (2, 4)
    assert found["too_long"] == 0.5


def test_a_sample_may_be_small(job: Planned) -> None:
    found = job.plan(sample=10)
    assert found["sampled_documents"] == 10
    assert found["documents"]["value"] == 120


def test_what_would_stop_the_run_is_told(job: Planned, capsys: Captured) -> None:
    assert run_job(job.file, [], Terminal(quiet=True)) == 0
    job.plan()
    assert "a run would be refused:" in capsys.readouterr().err


def test_a_distributed_run_is_planned_from_here(job: Planned, capsys: Captured) -> None:
    flags = ["--runner=DataflowRunner", "--machine_type=n1-standard-2", "--max_num_workers=3"]
    found = job.plan(flags)
    assert (found["start_is_local"], found["processes"]) == (False, 2)
    told = capsys.readouterr()
    assert "workers take longer" in told.out
    assert "up to 12 requests at once at one address: 3 workers (max_num_workers) x " in told.err


def test_more_requests_at_once_than_allowed_are_told(job: Planned, capsys: Captured) -> None:
    flags = ["--runner=DataflowRunner", "--machine_type=n1-standard-4", "--max_num_workers=4"]
    job.plan(flags)
    told = capsys.readouterr().err
    assert "a run would be refused: 32 requests could be under way at once at one address" in told


def test_an_address_workers_cannot_resolve_is_told(
    job: Planned,
    endpoint: ScriptedEndpoint,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", endpoint.url)
    job.settings["endpoint"]["url"] = "auto"
    job.plan(["--runner=DataflowRunner"])
    assert "workers cannot resolve endpoint.url 'auto'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], 1),
        (["--direct_running_mode=multi_processing", "--direct_num_workers=3"], 3),
        (["--direct_num_workers=3"], 1),
        (["--runner=DataflowRunner"], 1),
        (["--runner=DataflowRunner", "--machine_type=n1-standard-4"], 4),
        (["--runner=FlinkRunner", "--environment_type=DOCKER", "--sdk_worker_parallelism=4"], 4),
    ],
)
def test_processes_that_send_requests_are_counted(flags: list[str], expected: int) -> None:
    assert processes_of(beam_options({}, flags)) == expected


def test_a_corpus_without_documents_cannot_be_planned(job: Planned) -> None:
    job.documents(" ", "")
    with pytest.raises(ConfigError, match="2 rows were read, and 2 of them are no"):
        job.plan()


def test_a_corpus_of_which_everything_is_too_long_cannot_be_planned(
    job: Planned, endpoint: ScriptedEndpoint
) -> None:
    endpoint.vocabulary = WORDS
    job.documents("word " * 300)
    job.settings["tokens"] = {"on_too_long": "fail"}
    with pytest.raises(ConfigError, match="every document of the sample is too long"):
        job.plan()


def test_a_model_that_is_not_there_is_told(job: Planned) -> None:
    job.settings["endpoint"]["model"] = "other"
    with pytest.raises(ConfigError, match="ollama pull other"):
        job.plan()


def test_a_signal_ends_it_without_a_plan(job: Planned, endpoint: ScriptedEndpoint) -> None:
    def stop(texts: list[str]) -> None:
        if len(texts) == 8:  # the measuring, as the job's own requests have 32
            os.kill(os.getpid(), signal.SIGTERM)

    endpoint.script = stop
    with pytest.raises(InterruptedJobError, match="stopped by SIGTERM; there is no plan") as caught:
        job.plan()
    assert caught.value.exit_code == 143
    assert not (job.out / "plan.json").exists()


def test_an_endpoint_that_is_not_there_is_told_before_the_trial_run(job: Planned) -> None:
    job.settings["endpoint"]["url"] = f"http://127.0.0.1:{free_port()}"
    job.settings["retry"] = {"attempts": 30}
    with pytest.raises(ConnectionFailed, match="/api/version"):
        job.plan()
