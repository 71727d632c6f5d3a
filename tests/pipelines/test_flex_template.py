"""The Flex Template: its parameters are the job's settings, and its main file parses them."""

import json
import re
from pathlib import Path

import pytest

from embed_pipeline.errors import ConfigError
from embed_pipeline.pipelines.flex_template import JOB_FILE, main, metadata, parameters, parse
from embed_pipeline.pipelines.options import split_known

METADATA = Path(__file__).parents[2] / "deploy/dataflow/metadata.json"
LEAST = ["--corpus_files=gs://b/c/*.jsonl", "--endpoint_model=m", "--output_path=gs://b/out"]


def test_the_metadata_is_that_of_the_settings() -> None:
    assert json.loads(METADATA.read_text()) == metadata(), "run `make flex-template`"


def test_every_name_is_there_once_and_is_a_name() -> None:
    names = [one["name"] for one in metadata()["parameters"]]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in names)


def test_no_name_is_one_of_beams_options() -> None:
    ours = [f"--{name}=x" for name in (JOB_FILE, *(one.name for one in parameters()))]

    assert split_known(ours) == ([], ours)


def test_every_regex_accepts_what_it_is_for() -> None:
    for one in metadata()["parameters"]:
        for regex in one.get("regexes", ()):
            assert re.match(regex, "gs://bucket/x")
            assert not re.match(regex, "folder/x")


def test_the_workers_image_can_be_told() -> None:
    names = {one["name"] for one in metadata()["parameters"]}

    assert "sdk_container_image" in names
    assert parse([*LEAST, "--sdk_container_image=i"])[1] == ["--sdk_container_image=i"]


def test_headers_are_no_parameter_since_everybody_would_see_them() -> None:
    assert "endpoint_headers" not in {one.name for one in parameters()}


def test_parameters_make_a_job() -> None:
    job_file, flags = parse([*LEAST, "--batching_in_flight=4", "--project=p"])

    assert job_file.job.corpus.files == "gs://b/c/*.jsonl"
    assert job_file.job.endpoint.model == "m"
    assert job_file.job.batching.in_flight == 4
    assert flags == ["--project=p"]


def test_parameters_change_the_settings_of_a_job_file(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(
        "beam: {region: r}\njob: {corpus: {files: a}, endpoint: {model: m}, output: {path: out}}\n"
    )

    job_file, _ = parse([f"--job_file={path}", "--endpoint_model=other"])

    assert job_file.job.endpoint.model == "other"
    assert job_file.job.corpus.files == "a"
    assert job_file.beam == {"region": "r"}


def test_a_parameter_that_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match=r"job\.output: Field required"):
        parse(LEAST[:2])


def test_an_error_is_told_with_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*LEAST, "--launched_by=x"]) == 2

    said = capsys.readouterr().err
    assert "the launcher gave --launched_by, which Beam does not know" in said
    assert "endpoint.url is 'auto', which workers of DataflowRunner cannot resolve" in said
