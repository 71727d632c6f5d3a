"""What a refresh is to become: whether it is new, and the files of the one before."""

from pathlib import Path
from typing import Any

import pytest

from embed_pipeline import files
from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.errors import DatasetError
from embed_pipeline.snapshot import data_files, fits, is_unchanged
from embed_pipeline.store import Store
from tests.support.marked import embedded, failed, failures, layout, source
from tests.support.refreshing import Night, began
from tests.support.rows import made_by


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(str(tmp_path / "store"))
    began(found, [embedded("a", "one"), embedded("b", "two")], [embedded("c", "three")], file_mb=1)
    return found


def test_where_everything_stays_nothing_has_changed(store: Store) -> None:
    night = Night(store)
    assert is_unchanged(night.target, night.outcome())


def test_the_first_snapshot_is_always_new(tmp_path: Path) -> None:
    night = Night(Store(str(tmp_path / "empty")))
    assert not is_unchanged(night.target, night.outcome())


def test_a_row_that_is_gone_is_a_change(store: Store) -> None:
    night = Night(store)
    assert not is_unchanged(night.target, night.outcome([[0, 2]]))


def test_all_rows_gone_is_a_change(store: Store) -> None:
    night = Night(store)
    assert not is_unchanged(night.target, night.outcome([[]]))


def test_new_rows_are_a_change(store: Store) -> None:
    night = Night(store)
    part = night.embedded(embedded("x", "new"))
    assert not is_unchanged(night.target, night.outcome(embedded=[part]))
    assert not is_unchanged(night.target, night.outcome(copied=[part]))


def test_rows_of_a_stopped_run_are_a_change_where_they_are_taken(
    store: Store, tmp_path: Path
) -> None:
    left = source(layout(tmp_path / "left"), embedded("x", "new"), run=1)
    night = Night(store, left)
    assert not is_unchanged(night.target, night.outcome())
    assert is_unchanged(night.target, night.outcome([[0, 1, 2], []]))


def test_rows_of_a_stopped_run_in_place_of_the_snapshots_are_a_change(
    store: Store, tmp_path: Path
) -> None:
    left = source(layout(tmp_path / "left"), embedded("c", "three"), run=1)
    night = Night(store, left)
    assert not is_unchanged(night.target, night.outcome([[0, 1], [0]]))


def test_where_nothing_is_reused_everything_is_new(store: Store) -> None:
    night = Night(store, reuses=False)
    assert not is_unchanged(night.target, night.outcome())


@pytest.mark.parametrize(
    "types", [{}, {"n": "double"}, {"n": "int64", "m": "string"}, {"m": "int64"}]
)
def test_another_schema_is_a_change(store: Store, types: AttributeTypes) -> None:
    night = Night(store, types=types)
    assert not is_unchanged(night.target, night.outcome())


@pytest.mark.parametrize("change", [{"query_prefix": "q: "}, {"canary": {}}])
def test_another_provenance_is_a_change(store: Store, change: dict[str, Any]) -> None:
    night = Night(store)
    assert not is_unchanged(night.target, night.outcome(provenance={**made_by(), **change}))


def test_a_new_failure_is_a_change_until_it_is_there(store: Store, tmp_path: Path) -> None:
    night = Night(store)
    lost = failures(tmp_path / "1", failed("p", "poison"))
    assert not is_unchanged(night.target, night.outcome(failures=lost))
    night.publish(night.outcome(failures=lost))
    later = Night(store)
    moved = failed("p", "poison", line=77, message="in other words", attempts=5)
    again = failures(tmp_path / "2", moved)
    assert is_unchanged(later.target, later.outcome(failures=again))


@pytest.mark.parametrize(
    "change", [{"kind": "Overloaded"}, {"blame": "server"}, {"attributes": '{"n":1}'}]
)
def test_a_failure_of_another_kind_is_a_change(
    store: Store, tmp_path: Path, change: dict[str, Any]
) -> None:
    night = Night(store)
    night.publish(night.outcome(failures=failures(tmp_path / "1", failed("p", "t"))))
    later = Night(store)
    again = failures(tmp_path / "2", failed("p", "t", **change))
    assert not is_unchanged(later.target, later.outcome(failures=again))


def test_a_failure_that_is_gone_is_a_change(store: Store, tmp_path: Path) -> None:
    night = Night(store)
    night.publish(night.outcome(failures=failures(tmp_path / "1", failed("p", "poison"))))
    later = Night(store)
    assert not is_unchanged(later.target, later.outcome())


def test_an_empty_snapshot_that_stays_empty_is_unchanged(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    began(store)
    night = Night(store)
    assert is_unchanged(night.target, night.outcome())


def test_a_file_fits_where_columns_and_footer_are_the_same(tmp_path: Path) -> None:
    how = layout(tmp_path)
    made = source(how, embedded("a", "one")).part
    assert fits(made, how.schema(), made_by())
    assert not fits(made, how.schema(), {**made_by(), "context": 512})
    assert not fits(made, layout(tmp_path, {"n": "double"}).schema(), made_by())


def test_each_file_of_rows_has_its_file_of_marks(store: Store) -> None:
    manifest = store.manifest()
    assert manifest is not None
    (found,) = data_files(store.snapshot(1), manifest.data, manifest.index)
    assert (found.rows, found.path) == (3, f"{store.path}/snapshots/000001/data/part-00000.parquet")
    assert found.origins == f"{store.path}/snapshots/000001/index/part-00000.parquet"


def test_files_that_are_not_paired_are_refused(store: Store) -> None:
    manifest = store.manifest()
    assert manifest is not None
    with pytest.raises(DatasetError, match="names 1 files of rows, but 0 of their marks"):
        data_files(store.snapshot(1), manifest.data, [])


@pytest.mark.parametrize("folder", ["data", "index"])
@pytest.mark.parametrize(("content", "told"), [(None, "is missing"), (b"cut", "has 3 bytes, not")])
def test_a_file_that_is_not_there_or_not_whole_is_refused(
    store: Store, folder: str, content: bytes | None, told: str
) -> None:
    manifest = store.manifest()
    assert manifest is not None
    path = files.join(store.snapshot(1), folder, "part-00000.parquet")
    files.delete(path)
    if content is not None:
        files.write_bytes(path, content)
    with pytest.raises(DatasetError, match=f"{folder}/part-00000.parquet {told}"):
        data_files(store.snapshot(1), manifest.data, manifest.index)
