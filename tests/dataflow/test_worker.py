"""What Beam stages for `setup_file: ./setup.py` installs and works in its worker image."""

import json
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms import environments

from embed_pipeline.job import load
from embed_pipeline.manifest import read_manifest
from embed_pipeline.pipelines.embed_corpus import build
from embed_pipeline.pipelines.options import beam_options
from tests.support.scripted import ScriptedEndpoint, vector_of
from tests.support.worker_image import WorkerImage

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.dataflow


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> WorkerImage:
    return WorkerImage(tmp_path_factory.mktemp("image"), ROOT / ".dataflow/container")


@pytest.fixture(scope="module")
def staged(image: WorkerImage) -> Iterator[environments.DockerEnvironment]:
    """Return the environment of the job file: an image, and what Beam has staged for it."""
    options = beam_options(load(ROOT / "configs/dataflow.yaml").beam, [])
    with image.instead_of_docker():
        yield environments.DockerEnvironment.from_container_image(
            "beam", artifacts=environments.python_sdk_dependencies(options)
        )


@pytest.mark.timeout(300)
def test_a_job_runs_in_an_environment_with_nothing_but_beam_and_what_was_staged(
    staged: environments.DockerEnvironment,
    image: WorkerImage,
    endpoint: ScriptedEndpoint,
    tmp_path: Path,
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    texts = [f"text {n}" for n in range(100)]
    corpus.write_text("".join(json.dumps({"id": text, "text": text}) + "\n" for text in texts))
    job = load(
        ROOT / "configs/dataflow.yaml",
        [
            f"job.corpus={{files: {corpus}, attributes: {{}}}}",
            f"job.endpoint.url={endpoint.url}",
            f"job.output.path={tmp_path / 'out'}",
        ],
    ).job

    pipeline = beam.Pipeline(FnApiRunner(default_environment=staged))
    build(pipeline, job)
    pipeline.run().wait_until_finish()

    assert read_manifest(str(tmp_path / "out")).counts.rows == 100
    rows = pq.read_table(tmp_path / "out/data").to_pylist()
    assert [row["vector"] for row in rows] == [vector_of(row["text"]).tolist() for row in rows]
    installed = json.loads(image.pip("inspect"))["installed"]
    (ours,) = (one for one in installed if one["metadata"]["name"] == "embed_pipeline")
    assert ours["direct_url"]["url"].endswith("/workflow.tar.gz")
