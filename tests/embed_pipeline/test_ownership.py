"""What a run may write over and delete."""

import os
from datetime import datetime
from pathlib import Path

import pytest

from embed_pipeline.errors import ConfigError
from embed_pipeline.files import find
from embed_pipeline.output import Output
from embed_pipeline.ownership import check_apart, check_free, check_writable, clean_up
from embed_pipeline.report import Report
from embed_pipeline.staging import Run
from tests.support.datasets import dataset
from tests.support.rows import RUN_ID, row

OTHER = "20260101T000000Z-def456"


def file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def settings(path: Path, on_exists: str = "error") -> Output:
    return Output.model_validate({"path": str(path), "on_exists": on_exists})


def test_an_empty_place_is_free(tmp_path: Path) -> None:
    check_free(settings(tmp_path / "new"))


@pytest.mark.parametrize("name", ["manifest.json", "data/part-00000.parquet"])
def test_a_dataset_is_only_written_over_when_told(tmp_path: Path, name: str) -> None:
    file(tmp_path / name)
    with pytest.raises(ConfigError, match=r"exists already.*set output.on_exists to overwrite"):
        check_free(settings(tmp_path))
    check_free(settings(tmp_path, "overwrite"))


@pytest.mark.parametrize("on_exists", ["error", "overwrite"])
@pytest.mark.parametrize("name", ["data/mine.txt", "data/corpus.parquet", "failures/a.csv"])
def test_foreign_files_are_never_written_over(tmp_path: Path, name: str, on_exists: str) -> None:
    file(tmp_path / name)
    file(tmp_path / "staging" / RUN_ID / "progress-x.json")
    with pytest.raises(ConfigError, match=f"not a dataset's, such as .*{name}"):
        check_free(settings(tmp_path, on_exists))


def test_what_an_unfinished_run_left_may_be_written_over(tmp_path: Path) -> None:
    file(tmp_path / "staging" / RUN_ID / "data-x-00000.parquet")
    file(tmp_path / "data" / f"part-{RUN_ID}-0123456789ab-00000.parquet")
    check_free(settings(tmp_path))


def test_a_folder_called_staging_makes_no_run(tmp_path: Path) -> None:
    file(tmp_path / "staging" / "old" / "notes.txt")
    file(tmp_path / "data" / "part-00000.parquet")
    with pytest.raises(ConfigError, match="exists already"):
        check_free(settings(tmp_path))


def test_a_corpus_is_not_written_over_by_its_own_dataset(tmp_path: Path) -> None:
    file(tmp_path / "data" / "a.jsonl")
    inputs = find(str(tmp_path / "data"))
    with pytest.raises(ConfigError, match=r"a.jsonl is read as a document, and stands below"):
        check_apart(settings(tmp_path), inputs)
    check_apart(settings(tmp_path / "dat"), inputs)
    check_apart(settings(tmp_path / "out"), inputs)


def test_a_place_that_cannot_be_written_is_told_before_any_work(tmp_path: Path) -> None:
    file(tmp_path / "afile")
    with pytest.raises(ConfigError, match=r"output.path: .*afile/out cannot be written"):
        check_writable(settings(tmp_path / "afile" / "out"))


def test_the_proof_leaves_nothing(tmp_path: Path) -> None:
    check_writable(settings(tmp_path / "out"))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_committed_run_s_folder_goes_and_with_it_those_of_dead_runs(tmp_path: Path) -> None:
    file(tmp_path / "staging" / RUN_ID / "progress-x.json")
    old = file(tmp_path / "staging" / OTHER / "progress-y.json")
    long_ago = datetime(2026, 1, 1).timestamp()  # noqa: DTZ001
    os.utime(old, (long_ago, long_ago))
    clean_up(Run(str(tmp_path), RUN_ID))
    assert list(tmp_path.iterdir()) == []


def test_runs_whose_parts_were_taken_go_as_well(tmp_path: Path) -> None:
    file(tmp_path / "staging" / OTHER / "data-x-00000.json")
    clean_up(Run(str(tmp_path), RUN_ID), [Run(str(tmp_path), OTHER)])
    assert list(tmp_path.iterdir()) == []


def test_a_run_under_way_and_foreign_files_are_left_alone(tmp_path: Path) -> None:
    file(tmp_path / "staging" / RUN_ID / "progress-x.json")
    alive = file(tmp_path / "staging" / OTHER / "progress-y.json")
    notes = file(tmp_path / "staging" / "old" / "notes.txt")
    clean_up(Run(str(tmp_path), RUN_ID))
    assert (alive.exists(), notes.exists()) == (True, True)
    assert not (tmp_path / "staging" / RUN_ID).exists()


@pytest.mark.parametrize("on_exists", ["error", "overwrite"])
def test_a_report_of_somebody_else_is_never_written_over(tmp_path: Path, on_exists: str) -> None:
    file(tmp_path / "report.json")
    with pytest.raises(ConfigError, match=r"report\.json is not the report of a dataset"):
        check_free(settings(tmp_path, on_exists))


def test_a_report_that_a_run_left_which_was_killed_right_before_it_published_may_be(
    tmp_path: Path,
) -> None:
    (tmp_path / "report.json").write_bytes(Report(run_id=RUN_ID).to_json())
    file(tmp_path / "report.html")
    check_free(settings(tmp_path))


def test_a_page_of_somebody_else_is_no_hindrance(tmp_path: Path) -> None:
    file(tmp_path / "report.html")
    check_free(settings(tmp_path))


def test_what_a_kill_right_after_the_manifest_left_out_is_told_with_the_command_that_writes_it(
    tmp_path: Path,
) -> None:
    dataset(tmp_path, [row("a")])
    with pytest.raises(ConfigError, match=r"set output.on_exists to overwrite$"):
        check_free(settings(tmp_path))
    (tmp_path / "report.html").unlink()
    (tmp_path / "README.md").unlink()
    told = f"it lacks report.html and README.md, which `embed-pipeline report {tmp_path}` writes"
    with pytest.raises(ConfigError, match=f"overwrite; {told}$"):
        check_free(settings(tmp_path))


def test_the_report_of_a_dataset_goes_with_it(tmp_path: Path) -> None:
    file(tmp_path / "manifest.json")
    file(tmp_path / "report.html")
    check_free(settings(tmp_path, "overwrite"))
