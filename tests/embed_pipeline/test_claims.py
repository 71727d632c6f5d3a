"""Claims: one job in a dataset at a time, and only what a dead one has left is deleted."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from embed_pipeline.claims import CLAIM, RetryRun, claimed, tidy_up_after_dead
from embed_pipeline.errors import RefusedError
from embed_pipeline.manifest import Manifest
from tests.support.datasets import dataset
from tests.support.rows import row

RUN = "20260202T000000Z-def456"
OTHER = "20260101T000000Z-abc123"
HERE = socket.gethostname()
MINE = f"part-{OTHER}-retried-00000.parquet"


@pytest.fixture
def made(tmp_path: Path) -> Manifest:
    return dataset(tmp_path, [row("a")], failed=["b"])


@pytest.fixture
def dead() -> int:
    """Return the id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(60)
    return process.pid


def left(path: Path, host: str, pid: int, *, files: tuple[str, ...] = (MINE,)) -> Path:
    """Leave what a retry leaves: its claim, a staged part, and files in the dataset."""
    staging = path / "staging" / OTHER
    staging.mkdir(parents=True)
    claim: dict[str, Any] = {"host": host, "pid": pid, "replaces": ["failures/old.parquet"]}
    (staging / CLAIM).write_bytes(orjson.dumps(claim))
    (staging / "data-w-00000.parquet").write_bytes(b"part")
    (path / "failures" / "old.parquet").write_bytes(b"old")
    for name in files:
        (path / "data" / name).write_bytes(b"new")
    return staging


def try_to_claim(path: Path, manifest: Manifest) -> None:
    with claimed(RetryRun(str(path), RUN), manifest):
        pass


def test_a_claim_is_gone_at_the_end(tmp_path: Path, made: Manifest) -> None:
    with claimed(RetryRun(str(tmp_path), RUN), made):
        assert (tmp_path / "staging" / RUN / CLAIM).exists()
    assert not (tmp_path / "staging").exists()


def test_what_a_dead_retry_has_left_is_deleted_and_nothing_else(
    tmp_path: Path, made: Manifest, dead: int
) -> None:
    left(tmp_path, HERE, dead)
    mine = tmp_path / "data" / "mine.parquet"
    mine.write_bytes(b"mine")
    tidy_up_after_dead(str(tmp_path), made)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "mine.parquet",
        "part-00000.parquet",
    ]
    assert [path.name for path in (tmp_path / "failures").iterdir()] == ["part-00000.parquet"]
    assert not (tmp_path / "staging").exists()


def test_what_the_manifest_lists_stays(tmp_path: Path, made: Manifest, dead: int) -> None:
    left(tmp_path, HERE, dead)
    (file,) = made.data
    listed = made.model_copy(
        update={"data": [file, file.model_copy(update={"path": f"data/{MINE}"})]}
    )
    tidy_up_after_dead(str(tmp_path), listed)
    assert (tmp_path / "data" / MINE).exists()
    assert not (tmp_path / "failures" / "old.parquet").exists()


def test_where_nothing_failed_in_the_end_no_folder_of_failures_is_left(
    tmp_path: Path, made: Manifest, dead: int
) -> None:
    (tmp_path / made.failures[0].path).unlink()
    left(tmp_path, HERE, dead)
    tidy_up_after_dead(str(tmp_path), made.model_copy(update={"failures": []}))
    assert not (tmp_path / "failures").exists()


def test_a_retry_that_runs_is_not_disturbed(tmp_path: Path, made: Manifest) -> None:
    staging = left(tmp_path, HERE, os.getppid())
    tidy_up_after_dead(str(tmp_path), made)
    with pytest.raises(RefusedError, match=f"another job is running in {tmp_path}: {OTHER}"):
        try_to_claim(tmp_path, made)
    assert (staging / CLAIM).exists()
    assert (tmp_path / "data" / MINE).exists()
    assert not (tmp_path / "staging" / RUN).exists()


def test_of_another_machine_s_retry_its_age_must_tell(tmp_path: Path, made: Manifest) -> None:
    staging = left(tmp_path, "elsewhere", 1)
    with pytest.raises(RefusedError, match="another job is running"):
        try_to_claim(tmp_path, made)
    for path in staging.iterdir():
        os.utime(path, (0, 0))
    tidy_up_after_dead(str(tmp_path), made)
    assert not staging.exists()


def test_what_another_kind_of_run_has_left_is_not_touched(tmp_path: Path, made: Manifest) -> None:
    staging = tmp_path / "staging" / OTHER
    staging.mkdir(parents=True)
    part = staging / "data-w-00000.parquet"
    part.write_bytes(b"part")
    os.utime(part, (0, 0))
    tidy_up_after_dead(str(tmp_path), made)
    try_to_claim(tmp_path, made)
    assert part.exists()
