"""Adding to a published dataset: the old one or the new one, whatever happens in between."""

import os
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from embed_pipeline import files, interrupt
from embed_pipeline.amend import Amendment, publish
from embed_pipeline.card import card
from embed_pipeline.claims import CLAIM, RetryRun, claimed, tidy_up_after_dead
from embed_pipeline.commit import Target
from embed_pipeline.errors import DatasetError, InterruptedJobError, RefusedError
from embed_pipeline.failure_parts import FailureWriter
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.output import Output
from embed_pipeline.page.draw import draw
from embed_pipeline.parts import PartFile, RowWriter, Written
from embed_pipeline.progress import read_progress, running
from embed_pipeline.records import Failed
from embed_pipeline.report import read_report
from embed_pipeline.verify import verify
from tests.support.datasets import dataset
from tests.support.rows import made_by, row

ROOT = Path(__file__).parent.parent.parent
RETRY_ID = "20260202T000000Z-def456"
OTHER_ID = "20260303T000000Z-abc789"
UNLISTED = "the manifest does not list it"


def amended(
    path: str, rows: tuple[str, ...] = ("b",), failed: tuple[str, ...] = ("c",), **changes: Any
) -> Manifest:
    """Add rows and failures to a dataset, each row in a part of its own."""
    manifest = read_manifest(path)
    run = RetryRun(path, RETRY_ID)
    output = Output.model_validate(manifest.job["output"])
    target = Target(run, "2026-02-02T00:00:00+00:00", output, {"n": "int64"}, "error", {})
    parts: list[PartFile] = []
    with claimed(run, manifest):
        for name in rows:
            writer = RowWriter(run, target.layout(made_by()), made_by())
            writer.add(row(name, truncated=True))
            parts += [part for part in writer.close() if isinstance(part, PartFile)]
        failures = FailureWriter(run)
        for name in failed:
            failures.add(Failed(name, "t", None, "f", 9, "embed", "RunnerCrashed", "server", "no"))
        written = Written(made_by(), 2, parts, list(failures.close()))
        return publish(Amendment(run, target, manifest), written._replace(**changes))


def names(path: Path | str, folder: str) -> list[str]:
    below = files.join(str(path), folder)
    return [info.path.partition("?")[0].rpartition("/")[2] for info in files.list_folder(below)]


def problems(path: Path | str, manifest: Manifest) -> list[str]:
    return [str(one) for one in verify(str(path), manifest).problems]


def test_rows_and_failures_join_the_dataset(tmp_path: Path) -> None:
    old = dataset(tmp_path, [row("a", token_count_source="server")], failed=["b", "c"])
    manifest = amended(str(tmp_path))
    assert manifest == read_manifest(str(tmp_path))
    assert problems(tmp_path, manifest) == []
    assert manifest.data[0] == old.data[0]
    assert pq.read_table(tmp_path / "data")["id"].to_pylist() == ["a", "b"]
    assert names(tmp_path, "failures") == [f"part-{RETRY_ID}-retried-00000.parquet"]
    counts = manifest.counts
    assert (counts.documents, counts.rows, counts.failed, counts.tokens) == (3, 2, 1, 10)
    assert counts.rows_by_token_count_source == {"estimated": 1, "server": 1}
    assert counts.rows_by_truncated == {"null": 1, "true": 1}
    assert counts.failed_by_blame_and_kind == {"server:RunnerCrashed": 1}
    assert (tmp_path / "README.md").read_text() == card(manifest)


def test_many_small_parts_become_one_file(tmp_path: Path) -> None:
    dataset(tmp_path, [row("a")], failed=["b", "c"])
    manifest = amended(str(tmp_path), rows=("b", "c"), failed=())
    assert [file.rows for file in manifest.data] == [1, 2]
    assert manifest.failures == []
    assert problems(tmp_path, manifest) == []


def test_what_was_found_out_on_the_way_is_added_up(tmp_path: Path) -> None:
    dataset(tmp_path, [row("a")], failed=["b", "c"])
    first = {"verified": {"asked": 2, "agreed": 2}}
    amended(str(tmp_path), recount=first, effort={"requests": 3, "waited_s": 0.5})
    again = {"estimated": {"asked": 1, "agreed": 0}, "verified": {"asked": 1, "agreed": 1}}
    manifest = amended(
        str(tmp_path), (), ("c",), recount=again, effort={"requests": 1}, documents=1
    )
    assert manifest.recount == {
        "estimated": {"asked": 1, "agreed": 0},
        "verified": {"asked": 3, "agreed": 3},
    }
    assert manifest.effort == {"requests": 4, "waited_s": 0.5}
    assert [(one.tried, one.succeeded) for one in manifest.retried] == [(2, 1), (1, 0)]


def test_a_lost_document_is_noticed_and_nothing_is_published(tmp_path: Path) -> None:
    old = dataset(tmp_path, [row("a")], failed=["b", "c"])
    with pytest.raises(DatasetError, match="2 failures became 0 rows and 1 failures: 1 are miss"):
        amended(str(tmp_path), rows=())
    assert read_manifest(str(tmp_path)) == old
    assert problems(tmp_path, old) == []
    assert not (tmp_path / "staging").exists()


def test_a_stopped_run_is_not_published(tmp_path: Path) -> None:
    old = dataset(tmp_path, [row("a")], failed=["b", "c"])
    interrupt.request_stop(15)
    with pytest.raises(InterruptedJobError, match="nothing is published"):
        amended(str(tmp_path))
    assert read_manifest(str(tmp_path)) == old


def test_a_dataset_another_run_has_published_meanwhile_is_left_alone(tmp_path: Path) -> None:
    manifest = dataset(tmp_path, [row("a")], failed=["b", "c"])
    run = RetryRun(str(tmp_path), RETRY_ID)
    target = Target(run, "", Output(path=str(tmp_path)), {"n": "int64"}, "error", {})
    with claimed(run, manifest):
        failures = FailureWriter(run)
        for name in ("b", "c"):
            failures.add(Failed(name, "t", None, "f", 9, "embed", "NaN", "document", "no"))
        other = dataset(tmp_path, [row("z")], run_id=OTHER_ID, on_exists="overwrite")
        written = Written(made_by(), 2, [], list(failures.close()))
        with pytest.raises(RefusedError, match="another run has published"):
            publish(Amendment(run, target, manifest), written)
        assert read_progress(run).writing
    assert read_manifest(str(tmp_path)) == other
    assert problems(tmp_path, other) == []


def test_a_file_operation_that_fails_leaves_the_old_dataset(tmp_path: Path) -> None:
    old = dataset(tmp_path, [row("a")], failed=["b", "c"])
    in_the_way = tmp_path / "failures" / f"part-{RETRY_ID}-retried-00000.parquet"
    in_the_way.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        amended(str(tmp_path))
    assert read_manifest(str(tmp_path)) == old
    assert problems(tmp_path, old) == []
    in_the_way.rmdir()
    assert problems(tmp_path, amended(str(tmp_path))) == []


def amended_until(path: str, steps: int) -> None:
    """Add to a dataset, and die right before the given step.

    Steps are: a file gets its name, the claim's among them, but nothing else in the staging
    folder; the dataset's folder is synced after that, once the manifest has been replaced.
    """
    left = steps

    def die(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        named = str(arguments[1]) if event == "os.rename" else f"{path}/staging/"
        synced = event == "open" and str(arguments[0]) == path
        if f"{path}/staging/" not in named or named.endswith(CLAIM) or synced:
            left -= 1
            if not left:
                os._exit(9)

    sys.addaudithook(die)
    amended(path)


def test_a_kill_at_any_step_leaves_the_old_or_the_new_dataset(tmp_path: Path) -> None:
    outcomes = []
    for steps in count(1):
        path = tmp_path / str(steps)
        old = dataset(path, [row("a")], failed=["b", "c"])
        code = f"from {__name__} import amended_until as a; a({str(path)!r}, {steps})"
        ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False)
        found = read_manifest(str(path))
        assert found == old or found.counts.rows == 2
        assert [one for one in problems(path, found) if UNLISTED not in one] == []
        tidy_up_after_dead(str(path), found)
        assert problems(path, found) == []
        assert running(str(path)) == []
        outcomes.append((ended.returncode, found == old))
        if not ended.returncode:
            break
    assert set(outcomes) == {(9, True), (9, False), (0, False)}
    assert outcomes == sorted(outcomes, reverse=True)


def test_a_dataset_on_an_object_store(s3: str) -> None:
    path = files.join(s3, "out")
    old = dataset(path, [row("a")], failed=["b", "c"])
    manifest = amended(path)
    assert problems(path, manifest) == []
    assert names(path, "data") == [
        old.data[0].path.removeprefix("data/"),
        f"part-{RETRY_ID}-retried-00000.parquet",
    ]
    assert names(path, "failures") == [f"part-{RETRY_ID}-retried-00000.parquet"]
    assert not files.exists(files.join(path, "staging"))


def test_the_report_is_kept_with_the_failures_there_are_now(tmp_path: Path) -> None:
    dataset(tmp_path, [row("a")], failed=["b", "c"])
    before = read_report(str(tmp_path))
    assert before is not None
    assert [one.kind for one in before.places] == ["EmptyText"] * 2
    manifest = amended(str(tmp_path))
    found = read_report(str(tmp_path))
    assert found is not None
    assert [one.kind for one in found.places] == ["RunnerCrashed"]
    assert found == before.model_copy(update={"places": found.places})
    assert (tmp_path / "report.html").read_text() == draw(manifest, found)
