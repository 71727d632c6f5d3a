"""A launcher's whole way on Dataflow, with Dataflow's interface on loopback in its place."""

import json
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from apache_beam.internal import pickler
from apache_beam.internal.gcp import auth
from apache_beam.portability.api import beam_runner_api_pb2

from embed_pipeline import errors
from embed_pipeline.job import load
from embed_pipeline.manifest import read_manifest
from embed_pipeline.pipelines.flex_template import main
from embed_pipeline.pipelines.launch import run_job
from embed_pipeline.pipelines.terminal import Terminal
from tests.support.dataflow_service import JOB_ID, DataflowService, dataflow_service, run_here
from tests.support.scripted import ScriptedEndpoint

ROOT = Path(__file__).parents[2]
CONSOLE = f"https://console.cloud.google.com/dataflow/jobs/europe-west1/{JOB_ID}?project=my-project"
pytestmark = [
    pytest.mark.dataflow,
    pytest.mark.filterwarnings("ignore"),  # Google's libraries warn of many things
]
Run = Callable[..., int]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[DataflowService]:
    with dataflow_service() as found:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", found.url)
        # A minute would be spent with looking for credentials, which nobody asks for here.
        monkeypatch.setattr(auth._Credentials, "_credentials_init", True)  # noqa: SLF001 (Beam's)
        monkeypatch.chdir(ROOT)
        yield found


@pytest.fixture
def run(service: DataflowService, endpoint: ScriptedEndpoint, tmp_path: Path) -> Run:
    """Return a function that runs configs/dataflow.yaml, with settings of its own."""
    corpus = tmp_path / "corpus.jsonl"
    texts = [{"id": str(n), "text": f"text {n}"} for n in range(50)]
    corpus.write_text("".join(json.dumps(text) + "\n" for text in texts))

    def start(*overrides: str) -> int:
        ours = [
            f"job.corpus={{files: {corpus}}}",
            f"job.endpoint.url={endpoint.url}",
            f"job.output.path={tmp_path / 'out'}",
        ]
        found = load(ROOT / "configs/dataflow.yaml", [*ours, *overrides])
        return run_job(found, ["--no_auth", f"--dataflow_endpoint={service.url}"], Terminal())

    return start


def test_the_staged_pipeline_embeds_the_corpus_and_the_launcher_tells_of_it(
    service: DataflowService, run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    service.work = run_here

    assert run() == 0

    assert read_manifest(str(tmp_path / "out")).counts.rows == 50
    said = capfd.readouterr().err
    assert f"running as job {JOB_ID}: {CONSOLE}" in said
    assert "rows       50 in 1 file" in said


def test_the_description_of_the_job_is_what_the_job_file_says(
    service: DataflowService, run: Run
) -> None:
    service.work = lambda _: None  # which publishes nothing
    with pytest.raises(errors.DatasetError):
        run()

    environment = service.job["environment"]
    (pool,) = environment["workerPools"]
    assert pool["autoscalingSettings"] == {"maxNumWorkers": 4}
    assert "workflow.tar.gz" in {package["name"] for package in pool["packages"]}
    assert "no_use_multiple_sdk_containers" in environment["experiments"]
    assert "use_multiple_sdk_containers" not in environment["experiments"]
    options = environment["sdkPipelineOptions"]["options"]
    assert options["project"] == "my-project"
    assert options["region"] == "europe-west1"


def unpacked(pipeline: beam_runner_api_pb2.Pipeline) -> bytes:
    """Return everything a pipeline holds, its pickles without their compression."""
    found = [pipeline.SerializeToString()]
    for transform in pipeline.components.transforms.values():
        payload = transform.spec.payload
        if transform.spec.urn == "beam:transform:pardo:v1":
            parsed = beam_runner_api_pb2.ParDoPayload.FromString(payload)
            payload = parsed.do_fn.payload
        if transform.spec.urn in ("beam:transform:pardo:v1", "beam:transform:pickled_python:v1"):
            found.append(pickler.dumps(pickler.loads(payload), enable_trace=False))
            found.append(repr(_inside(pickler.loads(payload))).encode())
    return b"\n".join(found)


def _inside(thing: Any, depth: int = 6) -> Any:
    """Return an object as plain values, as deep as settings lie in a step."""
    if depth == 0 or isinstance(thing, str | bytes | int | float | None):
        return thing
    if isinstance(thing, dict):
        return {str(key): _inside(value, depth - 1) for key, value in thing.items()}
    if isinstance(thing, tuple | list):
        return [_inside(value, depth - 1) for value in thing]
    return _inside(vars(thing), depth - 1) if hasattr(thing, "__dict__") else thing


def test_a_token_is_in_nothing_that_leaves_the_launcher(
    service: DataflowService, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBED_TOKEN", "hunter2")
    service.work = run_here

    assert run("job.endpoint.auth={env: EMBED_TOKEN}") == 0

    held = unpacked(service.pipeline)
    assert b"EMBED_TOKEN" in held
    assert b"hunter2" not in held
    assert "hunter2" not in json.dumps(service.job)
    assert all(b"hunter2" not in data for data in service.objects.values())


def test_a_header_is_in_no_description_of_the_job(service: DataflowService, run: Run) -> None:
    service.work = run_here

    assert run("job.endpoint.headers={x-key: hunter2}") == 0

    assert "hunter2" not in json.dumps(service.job)
    shown = [
        data.SerializeToString()
        for transform in service.pipeline.components.transforms.values()
        for data in transform.display_data
    ]
    assert all(b"hunter2" not in data for data in shown)


def test_an_error_of_a_worker_comes_out_as_the_error_it_was(
    service: DataflowService, run: Run
) -> None:
    error = errors.ModelNotFound("no 'all-minilm' there")
    traced = "".join(traceback.format_exception(error)).rstrip()
    service.work = Mock(
        side_effect=RuntimeError(f"{traced} [while running 'Embed/Embed-ptransform-4711']")
    )

    with pytest.raises(errors.ModelNotFound, match=r"^no 'all-minilm' there; nothing is published"):
        run()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_job(
    service: DataflowService, run: Run, number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    service.created = lambda: os.kill(os.getpid(), number)

    with pytest.raises(errors.InterruptedJobError, match="nothing is published") as caught:
        run()

    assert caught.value.exit_code == 128 + number
    assert service.state == "JOB_STATE_CANCELLED"
    assert "canceling the job" in capfd.readouterr().err


def test_a_job_that_somebody_else_cancels_is_told_as_such(
    service: DataflowService, run: Run
) -> None:
    service.created = lambda: setattr(service, "state", "JOB_STATE_CANCELLED")

    with pytest.raises(errors.EmbedPipelineError, match="the state CANCELLED"):
        run()


def test_a_template_makes_a_job_and_does_not_wait_for_it(
    service: DataflowService, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"id": "a", "text": "a text"}\n')
    ours = {
        "corpus_files": tmp_path / "corpus.jsonl",
        "endpoint_url": endpoint.url,
        "endpoint_model": "all-minilm",
        "output_path": tmp_path / "out",
    }
    beams = {
        "project": "my-project",
        "max_num_workers": 2,
        "region": "europe-west1",
        "temp_location": "gs://my-bucket/tmp",
        "staging_location": "gs://my-bucket/staging",
        "template_location": "gs://my-bucket/launched/job_object",
        "dataflow_endpoint": service.url,
    }
    flags = [f"--{name}={value}" for name, value in {**ours, **beams}.items()]

    assert main([*flags, "--no_auth"]) == 0

    assert json.loads(service.staged("job_object"))["type"] == "JOB_TYPE_BATCH"
    steps = {one.unique_name for one in service.pipeline.components.transforms.values()}
    assert {"Read", "Embed", "Write"} <= steps
    assert service.job == {}
    assert "a text" not in endpoint.texts  # the model is looked at, no document is sent
