"""Whose the rows of a file are: by the column that says so, and by no other."""

from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_pipeline.errors import DatasetError
from embed_pipeline.owners import Found, Naming, any_owner, find, owners
from embed_pipeline.schema import id_hash

PLAIN = Naming("id", split=False)
SPLIT = Naming("id", split=True)


def found(path: Path, table: dict[str, Any], rule: Any, *ids: str) -> Found:
    where = path / "rows.parquet"
    pq.write_table(pa.table(table), where, row_group_size=2)
    return find(str(where), frozenset(map(id_hash, ids)), rule)


def rows(path: Path, folder: str, naming: Naming, table: dict[str, Any], *ids: str) -> list[bool]:
    chosen: list[bool] = found(path, table, partial(owners, folder, naming), *ids).rows.tolist()
    return chosen


def test_a_row_is_of_the_document_of_its_id(tmp_path: Path) -> None:
    table = {"id": ["a", "b", "a#0"], "document_id": ["b", "c", "b"], "text": ["b", "b", "b"]}
    assert rows(tmp_path, "data", PLAIN, table, "b", "a#0") == [False, True, True]


def test_the_id_column_may_have_another_name(tmp_path: Path) -> None:
    table = {"key": ["a", "b"], "id": ["b", "a"]}
    assert rows(tmp_path, "data", Naming("key", split=False), table, "b") == [False, True]
    assert rows(tmp_path, "changes", Naming("key", split=False), table, "b") == [False, True]


def test_a_piece_is_of_the_document_it_names(tmp_path: Path) -> None:
    table = {"id": ["a#0", "a#1", "a#1#0", "b#0"], "document_id": ["a", "a", "a#1", "b"]}
    assert rows(tmp_path, "data", SPLIT, table, "a") == [True, True, False, False]
    assert rows(tmp_path, "data", SPLIT, table, "a#1") == [False, False, True, False]


def test_a_piece_whose_attributes_have_no_columns_is_known_by_its_id(tmp_path: Path) -> None:
    table = {"id": ["a#0", "a#12", "a#1#0", "b#0"], "attributes": ["{}"] * 4}
    assert rows(tmp_path, "data", SPLIT, table, "a") == [True, True, False, False]


def test_the_deletion_of_a_piece_has_its_id_alone(tmp_path: Path) -> None:
    table = {"op": ["insert", "delete"], "id": ["b#0", "a#3"], "document_id": ["b", None]}
    assert rows(tmp_path, "changes", SPLIT, table, "a") == [False, True]


def test_a_failure_is_of_its_document_whole_or_in_pieces(tmp_path: Path) -> None:
    attributes = ['{"document_id": "a"}', None, "[]", '{"document_id": 7}', "document_id"]
    table = {"id": ["a#0", "a", "a#1", "b", "c"], "attributes": attributes}
    assert rows(tmp_path, "failures", SPLIT, table, "a") == [True, True, False, False, False]
    assert rows(tmp_path, "failures", PLAIN, table, "a", "a#1") == [False, True, True, False, False]


def test_failures_that_name_no_document_are_counted(tmp_path: Path) -> None:
    table = {"id": pa.array([None, "a", None], pa.string()), "attributes": [None, None, "{}"]}
    for naming in (PLAIN, SPLIT):
        assert found(tmp_path, table, partial(owners, "failures", naming), "a").unnamed == 2


def test_a_mark_begins_with_the_hash_of_its_document(tmp_path: Path) -> None:
    marks = pa.array([id_hash(one) + bytes(24) for one in "abc"], pa.binary(40))
    assert rows(tmp_path, "index", PLAIN, {"mark": marks}, "b") == [False, True, False]


def test_the_documents_that_have_a_row_are_told(tmp_path: Path) -> None:
    told = found(tmp_path, {"id": ["a", "b"]}, partial(owners, "data", PLAIN), "b", "c")
    assert told.documents == {id_hash("b")}


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["x", "gone"]),
        pa.array(["x", "gone#4"]),
        pa.array(["x", "gone"], pa.large_string()),
        pa.array(["x", "gone"]).dictionary_encode(),
        pa.array([bytes(16), id_hash("gone")], pa.binary(16)),
        pa.array([bytes(40), id_hash("gone") + bytes(24)], pa.binary(40)),
    ],
    ids=["string", "piece", "large", "dictionary", "hash", "mark"],
)
def test_any_column_may_tell_where_nothing_is_known(tmp_path: Path, column: pa.Array) -> None:
    told = found(tmp_path, {"n": [1, 2], "what": column}, any_owner, "gone")
    assert told.rows.tolist() == [False, True]
    assert told.documents == {id_hash("gone")}


def test_a_file_without_strings_is_nobody_s(tmp_path: Path) -> None:
    assert not found(tmp_path, {"n": [1, 2]}, any_owner, "1").rows.any()


def test_a_file_without_rows(tmp_path: Path) -> None:
    table = {"id": pa.array([], pa.string())}
    assert rows(tmp_path, "data", PLAIN, table, "a") == []


def test_a_file_that_cannot_be_read_or_lacks_a_column_is_told(tmp_path: Path) -> None:
    (tmp_path / "cut.parquet").write_bytes(b"PAR1")
    for name in ("cut", "missing"):
        with pytest.raises(DatasetError, match=f"{name}.parquet cannot be read"):
            find(str(tmp_path / f"{name}.parquet"), frozenset(), any_owner)
    with pytest.raises(DatasetError, match="cannot be read"):
        found(tmp_path, {"n": [1]}, partial(owners, "data", PLAIN), "a")
