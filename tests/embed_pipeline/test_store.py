"""A store: which snapshot is current, what the log says, what is deleted, what is damaged."""

from pathlib import Path
from typing import Any

import pytest

from embed_pipeline.errors import DatasetError
from embed_pipeline.manifest import Manifest, Refresh
from embed_pipeline.store import Store, is_store, resolved
from tests.support.datasets import dataset
from tests.support.rows import RUN_ID, row


def entry(**told: Any) -> Refresh:
    values: dict[str, Any] = {
        "run_id": "r",
        "snapshot": 1,
        "base": None,
        "published": True,
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:01:00+00:00",
        "rows": 1,
        "failed": 0,
        **told,
    }
    return Refresh(**values)


def snapshot(path: Path, number: int, refresh: Refresh | None = None) -> Manifest:
    """Write a snapshot of one row."""
    folder = Path(Store(str(path)).snapshot(number))
    made = dataset(folder, [row("a")])
    made = made.model_copy(update={"refresh": refresh or entry(snapshot=number)})
    (folder / "manifest.json").write_bytes(made.to_json())
    return made


def published(path: Path, *numbers: int) -> Store:
    """Write snapshots and make the last one current."""
    store = Store(str(path))
    for number in numbers:
        snapshot(path, number)
    store.publish(numbers[-1])
    return store


def test_an_empty_folder_is_no_store(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "new"))
    assert not is_store(store.path)
    assert (store.number(), store.manifest(), store.numbers(), store.entries()) == (
        *(None, None),
        *([], []),
    )
    assert resolved(store.path) == store.path


def test_a_snapshot_is_invisible_until_it_is_published(tmp_path: Path) -> None:
    store = published(tmp_path, 1)
    snapshot(tmp_path, 2)
    assert (store.number(), store.numbers()) == (1, [1, 2])
    assert resolved(store.path) == f"{tmp_path}/snapshots/000001"
    store.publish(2)
    assert resolved(store.path) == f"{tmp_path}/snapshots/000002"
    assert is_store(store.path)


def test_the_manifest_is_that_of_the_current_snapshot(tmp_path: Path) -> None:
    made = [snapshot(tmp_path, number) for number in (1, 2)]
    store = Store(str(tmp_path))
    store.publish(2)
    assert store.manifest() == made[1]


def test_a_store_is_the_same_on_an_object_store(s3: str) -> None:
    place, options = s3.split("?")
    store = Store(f"{place}/store?{options}")
    made = dataset(store.snapshot(1), [row("a")])
    store.publish(1)
    store.record(entry())
    assert (store.number(), store.numbers(), store.manifest()) == (1, [1], made)
    assert store.entries() == [entry()]
    assert resolved(store.path) == f"{place}/store/snapshots/000001?{options}"


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "{}", '{"format": 1}', '{"format": 1, "snapshot": "x"}', '"format"'],
)
def test_a_damaged_current_json_is_named_with_its_cure(tmp_path: Path, content: str) -> None:
    store = published(tmp_path, 1)
    (tmp_path / "current.json").write_text(content)
    with pytest.raises(DatasetError, match=r'current.json is damaged; .*"snapshot": NUMBER'):
        store.number()


@pytest.mark.parametrize("content", ['{"format": 2, "snapshot": 1}', '{"format": 2, "at": "x"}'])
def test_a_store_of_a_newer_format_is_not_guessed_at(tmp_path: Path, content: str) -> None:
    store = published(tmp_path, 1)
    (tmp_path / "current.json").write_text(content)
    with pytest.raises(DatasetError, match=r"format 2, written by a newer version.*install"):
        store.number()


def test_a_current_snapshot_that_is_not_whole_is_named(tmp_path: Path) -> None:
    store = published(tmp_path, 1)
    (tmp_path / "snapshots/000001/manifest.json").unlink()
    with pytest.raises(DatasetError, match="names snapshot 1, which is not there, or not whole"):
        resolved(store.path)


def test_entries_come_in_the_order_they_were_recorded_in_whatever_the_clock_said(
    tmp_path: Path,
) -> None:
    store = Store(str(tmp_path))
    entries = [
        entry(run_id=day, started=f"2026-01-{day}T00:00:00+00:00") for day in ("09", "01", "05")
    ]
    for one in entries:
        store.record(one)
    assert store.entries() == entries


def test_an_entry_gets_a_number_no_other_has_also_where_old_ones_were_deleted(
    tmp_path: Path,
) -> None:
    store = Store(str(tmp_path))
    for name in ("a", "b", "c"):
        store.record(entry(run_id=name))
    (tmp_path / "log/000001.json").unlink()
    store.record(entry(run_id="d"))
    assert [one.run_id for one in store.entries()] == ["b", "c", "d"]


def test_other_files_in_the_log_are_passed_over(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.record(entry())
    (tmp_path / "log/notes.txt").write_text("mine")
    assert store.entries() == [entry()]


@pytest.mark.parametrize("content", ["", "{", "{}", "[]"])
def test_a_damaged_entry_is_warned_of(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(str(tmp_path))
    caplog.set_level("WARNING")
    store.record(entry())
    store.record(entry())
    (tmp_path / "log/000001.json").write_text(content)

    assert store.entries() == [entry()]
    assert "log/000001.json is damaged; it is not needed" in caplog.text


def test_old_snapshots_go_and_so_many_stay(tmp_path: Path) -> None:
    store = published(tmp_path, 1, 2, 3, 4)
    store.tidy(keep=2)
    assert store.numbers() == [3, 4]


def test_what_stands_behind_the_current_snapshot_stays(tmp_path: Path) -> None:
    store = published(tmp_path, 1, 2)
    left = tmp_path / "snapshots/000003/staging" / RUN_ID / "run.json"
    left.parent.mkdir(parents=True)
    left.write_text("{}")
    store.tidy(keep=1)
    assert (store.numbers(), left.exists()) == ([2, 3], True)


def test_what_a_killed_run_has_left_in_the_snapshot_it_published_goes(tmp_path: Path) -> None:
    store = published(tmp_path, 1)
    left = tmp_path / "snapshots/000001/staging" / RUN_ID / "data-x-00000.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"PAR1")
    store.tidy(keep=1)
    assert not (tmp_path / "snapshots/000001/staging").exists()


@pytest.mark.parametrize(
    "name",
    [
        ".current.json.0123abcd",
        "log/.000002.json.0123abcd",
        "snapshots/000001/.manifest.json.0123abcd",
        "snapshots/000001/staging/.progress-w.json.0123abcd",
    ],
)
def test_files_of_which_a_killed_run_has_written_a_part_go(name: str, tmp_path: Path) -> None:
    store = published(tmp_path, 1)
    left = tmp_path / name
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"{")
    store.tidy(keep=2)
    assert not left.exists()


def test_hidden_files_that_are_not_ours_stay(tmp_path: Path) -> None:
    store = published(tmp_path, 1)
    (tmp_path / ".gitignore").write_text("*")
    store.tidy(keep=2)
    assert (tmp_path / ".gitignore").exists()


def test_what_a_refresh_did_is_told_by_the_snapshot_it_made_else_by_the_log(tmp_path: Path) -> None:
    store = published(tmp_path, 1)
    assert store.done("r", 1) == entry()
    store.record(entry(published=False, rows=7))
    assert store.done("r", 2).rows == 7
    with pytest.raises(DatasetError, match="changed by another job"):
        store.done("another", 1)


def test_a_refresh_that_was_killed_before_the_log_is_told_there_once(tmp_path: Path) -> None:
    store = published(tmp_path, 1)
    for _ in range(2):
        store.tidy(keep=1)
    assert store.entries() == [entry(snapshot=1)]


def test_a_scheduler_s_run_id_may_stand_in_the_log_for_several_snapshots(tmp_path: Path) -> None:
    store = published(tmp_path, 1)
    store.tidy(keep=2)
    snapshot(tmp_path, 2)
    store.publish(2)
    store.tidy(keep=2)
    assert [one.snapshot for one in store.entries()] == [1, 2]


def test_there_is_nothing_to_tidy_up_where_nothing_was_published(tmp_path: Path) -> None:
    snapshot(tmp_path, 1)
    store = Store(str(tmp_path))
    store.tidy(keep=1)
    assert (store.numbers(), store.entries()) == ([1], [])


def test_a_store_below_a_folder_called_snapshots_counts_its_own(tmp_path: Path) -> None:
    store = published(tmp_path / "snapshots" / "000009" / "store", 3)
    assert store.numbers() == [3]
