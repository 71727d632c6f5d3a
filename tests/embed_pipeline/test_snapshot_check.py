"""What a snapshot has beside a dataset: verifying it, from an adopted store on."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_pipeline.adopt import adopt
from embed_pipeline.manifest import DataFile, Manifest
from embed_pipeline.marks import mark_of
from embed_pipeline.provenance import footer
from embed_pipeline.records import Document
from embed_pipeline.schema import INDEX
from embed_pipeline.verify import verify
from tests.support.datasets import dataset
from tests.support.rows import row

FIRST = "index/part-00000.parquet"
CHANGES = "changes/part-00000.parquet"


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """Return the folder of a snapshot of two files, of two rows and one."""
    dataset(tmp_path, [row("a"), row("b")], [row("c")], failed=["d"])
    return Path(adopt(str(tmp_path)).snapshot(1))


def manifest_of(path: Path) -> Manifest:
    return Manifest.model_validate_json((path / "manifest.json").read_bytes())


def problems(path: Path, manifest: Manifest) -> list[str]:
    return [f"{one.file}: {one.what}" for one in verify(str(path), manifest).problems]


def written(path: Path, name: str, table: pa.Table) -> DataFile:
    """Write a table as a file of a snapshot; return its description."""
    (path / name).parent.mkdir(exist_ok=True)
    pq.write_table(table, path / name)
    content = (path / name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return DataFile(path=name, rows=table.num_rows, bytes=len(content), sha256=digest)


def with_index(path: Path, *ids: str) -> Manifest:
    """Write the marks of other ids as the first file of the index."""
    marks = [mark_of(Document(one, "text"), {}) for one in ids]
    file = written(path, FIRST, pa.table([marks], schema=INDEX))
    manifest = manifest_of(path)
    return manifest.model_copy(update={"index": [file, *manifest.index[1:]]})


def with_changes(path: Path, ops: list[str]) -> Manifest:
    manifest = manifest_of(path)
    nulls = {name: pa.nulls(len(ops)) for name in manifest.columns}
    file = written(path, CHANGES, pa.table({"op": ops, **nulls}))
    return manifest.model_copy(update={"changes": [file]})


def test_a_snapshot_as_it_was_written_holds(snapshot: Path) -> None:
    assert problems(snapshot, manifest_of(snapshot)) == []


def test_a_file_of_marks_that_is_missing_is_named(snapshot: Path) -> None:
    (snapshot / FIRST).unlink()
    assert problems(snapshot, manifest_of(snapshot)) == [f"{FIRST}: it is missing"]


def test_a_byte_that_changed_in_the_marks_is_noticed(snapshot: Path) -> None:
    content = bytearray((snapshot / FIRST).read_bytes())
    content[-20] ^= 1
    (snapshot / FIRST).write_bytes(content)
    assert f"{FIRST}: its bytes are not those that were written: their sha256 differs" in problems(
        snapshot, manifest_of(snapshot)
    )


def test_marks_of_other_rows_are_noticed(snapshot: Path) -> None:
    assert problems(snapshot, with_index(snapshot, "a", "x")) == [
        f"{FIRST}: row 2 is not the mark of that row of data/part-00000.parquet"
    ]


def test_marks_in_another_order_are_noticed(snapshot: Path) -> None:
    assert problems(snapshot, with_index(snapshot, "b", "a")) == [
        f"{FIRST}: row 1 is not the mark of that row of data/part-00000.parquet"
    ]


def test_more_marks_than_rows_are_noticed(snapshot: Path) -> None:
    assert problems(snapshot, with_index(snapshot, "a", "b", "c")) == [
        f"{FIRST}: it has 3 rows, and data/part-00000.parquet has 2"
    ]


def test_what_is_no_file_of_marks_is_noticed(snapshot: Path) -> None:
    file = written(snapshot, FIRST, pa.table({"mark": ["a", "b"]}))
    manifest = manifest_of(snapshot)
    manifest = manifest.model_copy(update={"index": [file, *manifest.index[1:]]})
    assert problems(snapshot, manifest) == [f"{FIRST}: its columns are not those of an index"]


@pytest.mark.parametrize("listed", [0, 1])
def test_an_index_that_is_not_of_all_files_is_noticed(snapshot: Path, listed: int) -> None:
    manifest = manifest_of(snapshot)
    manifest = manifest.model_copy(update={"index": manifest.index[:listed]})
    assert f"manifest.json: it lists 2 files of rows, but {listed} of marks" in problems(
        snapshot, manifest
    )


def test_damaged_rows_are_a_problem_of_theirs_not_of_their_marks(snapshot: Path) -> None:
    (snapshot / "data/part-00000.parquet").write_bytes(b"PAR1")
    found = verify(str(snapshot), manifest_of(snapshot)).problems
    assert {one.file for one in found} == {"data/part-00000.parquet"}


def test_pieces_have_the_marks_of_their_documents(tmp_path: Path) -> None:
    pieces = [row("a#0"), row("a#1")]
    manifest = dataset(tmp_path, pieces)
    table = pq.read_table(tmp_path / "data/part-00000.parquet")
    named = ["document_id", "chunk_index", "chunk_start", "chunk_end"]
    columns = {**manifest.columns, **dict.fromkeys(named, "int64"), "document_id": "string"}
    for name in named:
        values = pa.array(["a", "a"] if name == "document_id" else [0, 1])
        table = table.append_column(name, values)
    table = table.replace_schema_metadata(footer(manifest.provenance))
    file = written(tmp_path, "data/part-00000.parquet", table)
    counts = manifest.counts.model_copy(update={"chunked_documents": 1})
    manifest = manifest.model_copy(update={"data": [file], "columns": columns, "counts": counts})
    marks = [mark_of(Document("a", "whole"), {})] * 2
    index = written(tmp_path, FIRST, pa.table([marks], schema=INDEX))
    assert problems(tmp_path, manifest.model_copy(update={"index": [index]})) == []


def test_changes_as_a_refresh_writes_them_hold(snapshot: Path) -> None:
    manifest = with_changes(snapshot, ["insert", "update", "attributes", "delete"])
    assert problems(snapshot, manifest) == []


def test_an_unknown_op_is_named(snapshot: Path) -> None:
    assert problems(snapshot, with_changes(snapshot, ["insert", "drop"])) == [
        f"{CHANGES}: it has the op 'drop', which is none"
    ]


def test_other_columns_than_those_of_changes_are_noticed(snapshot: Path) -> None:
    file = written(snapshot, CHANGES, pa.table({"op": ["insert"], "id": ["a"]}))
    manifest = manifest_of(snapshot).model_copy(update={"changes": [file]})
    assert problems(snapshot, manifest) == [f"{CHANGES}: its columns are not those of changes"]


@pytest.mark.parametrize("folder", ["index", "changes"])
def test_a_file_the_manifest_does_not_list_is_noticed(snapshot: Path, folder: str) -> None:
    manifest = manifest_of(snapshot)
    (snapshot / folder).mkdir(exist_ok=True)
    (snapshot / folder / "part-00009.parquet").write_bytes(b"PAR1")
    (found,) = verify(str(snapshot), manifest).problems
    assert found.file == f"{folder}/part-00009.parquet"
    assert found.what.startswith("the manifest does not list it")


def test_folders_of_these_names_beside_a_dataset_of_no_store_are_not_looked_at(
    tmp_path: Path,
) -> None:
    manifest = dataset(tmp_path, [row("a")])
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "mine").write_bytes(b"x")
    assert problems(tmp_path, manifest) == []
