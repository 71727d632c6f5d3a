"""Tombstones: hashes in one small file, which is whole or not read at all."""

from pathlib import Path

import pytest

from embed_pipeline import tombstones
from embed_pipeline.errors import DatasetError
from embed_pipeline.schema import id_hash
from embed_pipeline.store import Store


def test_a_store_without_tombstones_has_none(tmp_path: Path) -> None:
    assert tombstones.read(Store(str(tmp_path))) == frozenset()


def test_hashes_are_added_to_those_there_are(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    assert tombstones.add(store, [id_hash("a")]) == {id_hash("a")}
    both = {id_hash("a"), id_hash("b")}
    assert tombstones.add(store, [id_hash("b"), id_hash("a")]) == both
    assert tombstones.read(store) == both


def test_the_file_holds_hashes_and_no_ids(tmp_path: Path) -> None:
    tombstones.add(Store(str(tmp_path)), [id_hash("somebody")])
    assert (tmp_path / "forgotten.json").read_text() == (
        '{\n  "format": 1,\n  "hashes": [\n    "' + id_hash("somebody").hex() + '"\n  ]\n}\n'
    )


def test_nothing_is_written_where_nothing_is_added(tmp_path: Path) -> None:
    assert tombstones.add(Store(str(tmp_path)), []) == frozenset()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"format": 1}',
        '{"format": 1, "hashes": [1]}',
        '{"format": 1, "hashes": ["00"]}',
        '{"format": 1, "hashes": ["zz"]}',
        '{"format": null, "hashes": []}',
    ],
)
def test_a_damaged_file_is_told_with_its_cure(tmp_path: Path, content: str) -> None:
    (tmp_path / "forgotten.json").write_text(content)
    with pytest.raises(DatasetError, match=r"forgotten\.json is damaged.*forget` again with every"):
        tombstones.read(Store(str(tmp_path)))
    with pytest.raises(DatasetError, match="damaged"):
        tombstones.add(Store(str(tmp_path)), [id_hash("a")])


def test_a_newer_format_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "forgotten.json").write_text('{"format": 2, "hashes": []}')
    with pytest.raises(DatasetError, match="format 2, written by a newer version"):
        tombstones.read(Store(str(tmp_path)))


def test_tombstones_on_an_object_store(s3: str) -> None:
    store = Store(s3)
    tombstones.add(store, [id_hash("a")])
    assert tombstones.read(store) == {id_hash("a")}
