"""Names of a run's files: staged where renaming is cheap, final where it is a copy."""

from pathlib import Path

import pytest

from embed_pipeline.errors import InterruptedJobError
from embed_pipeline.staging import (
    Run,
    check_wanted,
    give_up,
    new_run,
    new_writer,
    take_up,
)


def test_local_parts_are_staged(tmp_path: Path) -> None:
    run = Run(str(tmp_path), "r1")
    assert run.part("data", "w", 3) == f"{tmp_path}/staging/r1/data-w-00003.parquet"
    assert run.merged("data", 0) == f"{tmp_path}/staging/r1/data-merged-00000.parquet"
    assert run.begun == f"{tmp_path}/staging/r1/run.json"


def test_parts_on_an_object_store_have_their_final_names() -> None:
    run = Run("s3://bucket/out", "r1")
    assert run.part("data", "w", 3) == "s3://bucket/out/data/part-r1-w-00003.parquet"
    assert run.origins("w", 3) == "s3://bucket/out/staging/r1/origins-w-00003.parquet"


def test_no_two_runs_or_writers_share_a_name(tmp_path: Path) -> None:
    assert new_run(str(tmp_path)).run_id != new_run(str(tmp_path)).run_id
    assert new_writer() != new_writer()


def test_a_run_that_is_given_up_stops_until_it_is_taken_up(tmp_path: Path) -> None:
    run = Run(str(tmp_path), "r1")
    check_wanted(run)
    give_up(run)
    with pytest.raises(InterruptedJobError, match="has given this run up; nothing is published"):
        check_wanted(run)
    take_up(run)
    take_up(run)
    check_wanted(run)
