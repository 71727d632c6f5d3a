"""Forgetting documents: nothing of them is left anywhere, and a kill at any step is made good."""

import shutil
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from embed_pipeline import files, resume, tombstones
from embed_pipeline.errors import DatasetError, RefusedError
from embed_pipeline.forget import forget
from embed_pipeline.manifest import read_manifest
from embed_pipeline.schema import id_hash
from embed_pipeline.staging import Run
from embed_pipeline.store import Store
from embed_pipeline.store_lock import locked
from embed_pipeline.verify import verify
from tests.support.datasets import dataset
from tests.support.rows import row
from tests.support.snapshots import NIGHT, Change, failure, holding, ids, marked, snapshot, stopped

GONE = ("gone-1", "gone-2")
SECRETS = (*GONE, "secret one", "secret two", "secret failure")
UNLISTED = "the manifest does not list it"
CHANGING = ("write_bytes", "open_output", "move", "delete", "delete_folder")


def filled(path: Path | str) -> Store:
    """Return a store of two snapshots, which share a file, and what a stopped run has left."""
    store = Store(str(path))
    first = [marked("a"), marked("gone-1", "secret one"), marked("b")]
    failures = [failure("gone-2", "secret failure"), failure("x", " ")]
    snapshot(store, 1, [first, [marked("c")]], failures)
    second = [marked("gone-2", "secret two"), marked("d")]
    changes: list[Change] = [("insert", marked("gone-2", "secret two"))]
    changes += [("delete", "z"), ("delete", "gone-1")]
    snapshot(store, 2, [first, second], [failure("x", " ")], changes)
    stopped(store, 3, [marked("gone-1", "secret one"), marked("e")], [marked("f")])
    if isinstance(path, Path):
        shared = path / "snapshots/000002/data/part-00000.parquet"
        shared.unlink()
        shared.hardlink_to(path / "snapshots/000001/data/part-00000.parquet")
    return store


def problems(store: Store, number: int) -> list[str]:
    path = store.snapshot(number)
    return [str(one) for one in verify(path, read_manifest(path)).problems]


def left(store: Store) -> list[str]:
    """Return the ids of what the next run takes from the stopped one."""
    found = resume.left(Run(store.snapshot(3), NIGHT)).parts
    return sorted(one for part in found for one in pq.read_table(part.path)["id"].to_pylist())


def test_nothing_is_left_of_documents_and_everything_is_of_the_others(tmp_path: Path) -> None:
    store = filled(tmp_path)
    assert holding(tmp_path, *SECRETS)
    told = forget(store, GONE)
    assert told.done
    assert (told.asked, told.known, told.found) == (2, 0, 2)
    assert {
        number: (one.rows, one.failures, one.changes) for number, one in told.snapshots.items()
    } == {2: (2, 0, 2), 1: (1, 1, 0)}
    assert told.leftovers == 3  # a part, where its rows were from, and its note
    assert holding(tmp_path, *SECRETS) == []
    assert ids(store.snapshot(1)) == ["a", "b", "c"]
    assert ids(store.snapshot(2)) == ["a", "b", "d"]
    assert left(store) == ["f"]
    assert [problems(store, number) for number in (1, 2)] == [[], []]
    counts = store.manifest()
    assert counts is not None
    assert (counts.counts.documents, counts.counts.rows, counts.counts.failed) == (4, 3, 1)


def test_the_ids_are_remembered_by_their_hashes(tmp_path: Path) -> None:
    store = filled(tmp_path)
    forget(store, ["gone-1", "never-there"])
    assert tombstones.read(store) == {id_hash("gone-1"), id_hash("never-there")}


def test_what_was_asked_before_and_what_was_not_found_is_told(tmp_path: Path) -> None:
    store = filled(tmp_path)
    forget(store, ["gone-1"])
    told = forget(store, ["gone-1", "gone-2", "gone-2", "never-there"])
    assert (told.asked, told.known, told.found) == (3, 1, 1)
    again = forget(store, ["gone-1", "gone-2", "never-there"])
    assert (again.asked, again.known, again.found, again.leftovers) == (3, 3, 0, 0)


def test_a_file_is_written_again_only_where_it_holds_a_document(tmp_path: Path) -> None:
    store = filled(tmp_path)
    before = read_manifest(store.snapshot(1))
    forget(store, ["never-there"])
    assert read_manifest(store.snapshot(1)) == before
    forget(store, ["gone-1"])
    after = read_manifest(store.snapshot(1))
    assert after.data[0] != before.data[0]
    assert (after.data[1], after.index[1]) == (before.data[1], before.index[1])
    assert after.failures == before.failures


class Killed(BaseException):
    """Stand for SIGKILL: nothing of ours catches it."""


def killed_at(
    step: int, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> bool:
    """Act, but die before or right after the given operation that changes a file."""
    steps = 0

    def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == step and not after:
                raise Killed
            result = call(*arguments)
            if steps == step:
                raise Killed
            return result

        return counted

    with monkeypatch.context() as patch:
        for name in CHANGING:
            patch.setattr(files, name, deadly(getattr(files, name)))
        try:
            act()
        except Killed:
            return True
    return False


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_at_any_step_leaves_whole_snapshots_and_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    filled(tmp_path / "new")
    old = {
        number: read_manifest(str(tmp_path / f"new/snapshots/00000{number}")) for number in (1, 2)
    }
    for step in count(1):
        path = tmp_path / str(step)
        shutil.copytree(tmp_path / "new", path)
        store = Store(str(path))
        killed = killed_at(step, partial(forget, store, GONE), monkeypatch, after=after)
        assert store.number() == 2
        for number in (1, 2):
            found = [one for one in problems(store, number) if UNLISTED not in one]
            assert found == []
            if read_manifest(store.snapshot(number)) != old[number]:
                assert tombstones.read(store) == {id_hash(one) for one in GONE}
        begun = bool(tombstones.read(store))
        assert begun == (step > 1 or after)  # they are the first that is written
        ending = ["another"] if begun else GONE  # whichever ids it is given
        assert forget(store, ending).done
        assert holding(path, *SECRETS) == []
        assert [problems(store, number) for number in (1, 2)] == [[], []]
        assert (ids(store.snapshot(1)), ids(store.snapshot(2))) == (
            ["a", "b", "c"],
            ["a", "b", "d"],
        )
        assert left(store) in ([], ["f"])
        if not killed:
            break
    assert step > 25


def test_a_file_that_cannot_be_read_is_a_problem_and_the_others_are_done(tmp_path: Path) -> None:
    store = filled(tmp_path)
    damaged = tmp_path / "snapshots/000002/data/part-00000.parquet"
    damaged.unlink()
    damaged.write_bytes(b"PAR1")
    told = forget(store, GONE)
    assert not told.done
    beside = "snapshots/000002/index/part-00000.parquet"  # which stays with its file
    assert [one.partition(" cannot")[0] for one in told.problems] == [
        str(damaged),
        f"{tmp_path / beside}: 1 rows of 1 documents",
    ]
    assert told.found == 2
    damaged.unlink()
    assert holding(tmp_path, *SECRETS) == [beside]


def test_a_damaged_manifest_is_a_problem_and_the_other_snapshots_are_done(tmp_path: Path) -> None:
    store = filled(tmp_path)
    (tmp_path / "snapshots/000001/manifest.json").write_text("{}")
    told = forget(store, GONE)
    assert "000001/manifest.json is damaged" in " ".join(told.problems)
    assert ids(store.snapshot(2)) == ["a", "b", "d"]


def test_a_run_that_was_killed_right_before_publishing_is_no_snapshot_yet(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.publish(1)
    told = forget(store, GONE)
    assert told.done
    assert list(told.snapshots) == [1]
    assert not (tmp_path / "snapshots/000002/manifest.json").exists()
    assert holding(tmp_path, *SECRETS) == []


def test_a_store_without_a_snapshot_yet(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    stopped(store, 1, [marked("gone-1", "secret one")], [marked("f")])
    told = forget(store, GONE)
    assert (told.done, told.found, told.snapshots) == (True, 1, {})
    assert holding(tmp_path, *SECRETS) == []


def test_what_a_kill_has_left_of_small_files_is_deleted(tmp_path: Path) -> None:
    store = filled(tmp_path)
    unfinished = tmp_path / "snapshots/000001/.manifest.json.0123abcd"
    unfinished.write_text("{")
    planned = tmp_path / "plan.json"
    planned.write_text('{"job": {"inputs": [{"path": "/corpus/gone-1"}]}}')
    forget(store, GONE)
    assert not unfinished.exists()
    assert not planned.exists()


def test_a_store_in_use_is_left_alone(tmp_path: Path) -> None:
    store = filled(tmp_path)
    with locked(store.path), pytest.raises(RefusedError, match="in use"):
        forget(store, GONE)
    assert tombstones.read(store) == frozenset()


def test_a_dataset_is_no_store(tmp_path: Path) -> None:
    dataset(tmp_path, [row("a")])
    with pytest.raises(RefusedError, match="embed-pipeline adopt"):
        forget(Store(str(tmp_path)), GONE)


def test_a_folder_without_a_store_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no store"):
        forget(Store(str(tmp_path / "none")), GONE)
    assert not (tmp_path / "none").exists()


def test_a_store_on_an_object_store(s3: str) -> None:
    store = filled(files.join(s3, "store"))
    told = forget(store, GONE)
    assert told.done
    assert told.found == 2
    assert ids(store.snapshot(1)) == ["a", "b", "c"]
    assert ids(store.snapshot(2)) == ["a", "b", "d"]
    assert [problems(store, number) for number in (1, 2)] == [[], []]
    assert left(store) == ["f"]
