"""Which job is asked for."""

from pathlib import Path

import click
import pytest

from embed_pipeline.errors import ConfigError
from embed_pipeline.pipelines.asked_job import asked_job

CONFIGS = Path(__file__).parents[2] / "configs"


def test_a_folder_needs_no_job_file() -> None:
    found, flags = asked_job(None, ["notes"], "out/notes", (), ())
    assert (found.job.corpus.files, found.job.output.path) == ("notes", "out/notes")
    assert flags == ()


def test_the_job_of_a_folder_is_that_of_the_file_in_configs() -> None:
    written, _ = asked_job(str(CONFIGS / "folder.yaml"), (), None, (), ())
    assert asked_job(None, ["docs/*.md"], "out/folder", (), ())[0] == written


def test_files_and_output_change_those_of_a_job_file() -> None:
    found, _ = asked_job(str(CONFIGS / "local.yaml"), ["a.jsonl", "b: c"], "out/#1", (), ())
    assert (found.job.corpus.files, found.job.output.path) == (["a.jsonl", "b: c"], "out/#1")
    assert found.job.endpoint.url == "auto"


def test_a_quoted_home_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found, _ = asked_job(None, ["~/notes/**/*.md"], "~/out", (), ())
    assert found.job.corpus.files == f"{tmp_path}/notes/**/*.md"
    assert found.job.output.path == f"{tmp_path}/out"


def test_a_setting_wins() -> None:
    found, _ = asked_job(None, ["a"], "out", ["job.corpus.files=b", "job.corpus.limit=3"], ())
    assert (found.job.corpus.files, found.job.corpus.limit) == ("b", 3)


def test_a_flag_of_beams_in_the_job_file_s_place_is_passed_on() -> None:
    first, second = "--temp_location=gs://b//c", "--direct_num_workers=2"
    _, flags = asked_job(first, ["a"], "out", (), (second,))
    assert flags == (first, second)


@pytest.mark.parametrize(
    ("job_file", "files", "output"),
    [(None, (), None), (None, ("a",), None), (None, (), "out"), ("--runner=Flink", (), None)],
)
def test_without_a_job_file_files_and_output_are_needed(
    job_file: str | None, files: tuple[str, ...], output: str | None
) -> None:
    with pytest.raises(click.UsageError, match="a JOB_FILE first, or --files and --output"):
        asked_job(job_file, files, output, (), ())


def test_a_folder_in_the_job_file_s_place_is_told_how_to_embed_it(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match=rf"--files {tmp_path} --output FOLDER"):
        asked_job(str(tmp_path), (), None, (), ())


def test_a_wrong_setting_without_a_job_file_is_told_with_the_flags() -> None:
    with pytest.raises(ConfigError, match=r"--files, --output, --set: job\.corpus\.format"):
        asked_job(None, ["a"], "out", ["job.corpus.format=pdf"], ())
