"""Progress: written now and then by each writer, added up by readers."""

from pathlib import Path

import pytest

from embed_pipeline.errors import InterruptedJobError
from embed_pipeline.progress import (
    LOCAL_INTERVAL,
    Progress,
    ProgressFile,
    read_progress,
    running,
    tell_writing,
)
from embed_pipeline.staging import Run, give_up


def test_writers_add_up(tmp_path: Path) -> None:
    run = Run(str(tmp_path), "r1")
    ProgressFile(run, "one").write(Progress(3, 30, 0))
    ProgressFile(run, "two").write(Progress(4, 40, 1))
    assert read_progress(run) == Progress(7, 70, 1)


def test_what_is_done_after_the_last_text_is_told(tmp_path: Path) -> None:
    run = Run(str(tmp_path), "r1")
    ProgressFile(run, "recount").write(Progress(checked=4, checks=10))
    assert read_progress(run) == Progress(checked=4, checks=10)
    tell_writing(run)
    assert read_progress(run) == Progress(checked=4, checks=10, writing=True)


def test_nothing_written_yet_is_no_progress(tmp_path: Path) -> None:
    assert read_progress(Run(str(tmp_path), "r1")) == Progress(0, 0, 0)


def test_it_is_due_after_a_while_and_not_again_at_once(tmp_path: Path) -> None:
    times = iter([0.0, LOCAL_INTERVAL])
    file = ProgressFile(Run(str(tmp_path), "r1"), "one", lambda: next(times))
    assert file.due == LOCAL_INTERVAL
    file.write(Progress())
    assert file.due == 2 * LOCAL_INTERVAL


def test_runs_that_left_something_are_listed_oldest_first(tmp_path: Path) -> None:
    for name in ("20260102T000000Z-bbbbbb", "20260101T000000Z-aaaaaa"):
        ProgressFile(Run(str(tmp_path), name), "one").write(Progress())
    assert running(str(tmp_path)) == [
        Run(str(tmp_path), "20260101T000000Z-aaaaaa"),
        Run(str(tmp_path), "20260102T000000Z-bbbbbb"),
    ]


def test_a_writer_nobody_waits_for_stops(tmp_path: Path) -> None:
    run = Run(str(tmp_path), "r1")
    file = ProgressFile(run, "one")
    give_up(run)
    with pytest.raises(InterruptedJobError):
        file.write(Progress())
    with pytest.raises(InterruptedJobError):
        ProgressFile(run, "two")


def test_failures_add_up_by_kind(tmp_path: Path) -> None:
    run = Run(str(tmp_path), "r1")
    ProgressFile(run, "one").write(Progress(failed=3, kinds={"EmptyText": 2, "TextTooLong": 1}))
    ProgressFile(run, "two").write(Progress(failed=1, kinds={"EmptyText": 1}))
    assert read_progress(run) == Progress(0, 0, 4, {"EmptyText": 3, "TextTooLong": 1})


def test_files_of_other_versions_are_read_as_far_as_they_are_known(tmp_path: Path) -> None:
    run = Run(str(tmp_path), "r1")
    staging = Path(run.staging)
    staging.mkdir(parents=True)
    (staging / "progress-old.json").write_text('{"rows": 3, "tokens": 30, "failed": 1}')
    (staging / "progress-new.json").write_text('{"rows": 4, "bytes": 7}')
    assert read_progress(run) == Progress(7, 30, 1)
