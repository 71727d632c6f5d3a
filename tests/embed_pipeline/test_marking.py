"""Marks of rows that are there already: those their documents have in a refresh."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from embed_pipeline.errors import DatasetError, RefusedError
from embed_pipeline.manifest import Manifest
from embed_pipeline.marking import rows_marks, told_by
from embed_pipeline.marks import mark_of
from embed_pipeline.records import Document
from tests.support.datasets import dataset, replaced
from tests.support.rows import row

FIRST = "data/part-00000.parquet"
DOCUMENTS = [
    Document("a", "one"),
    Document("ü", "two\n", {"n": None}),
    Document("c", "one", {"n": -3}),
    Document("d", "", {"n": 2**62}),
]


def made(path: Path, **output: Any) -> Manifest:
    rows = [row(one.id, one.text, attributes=one.attributes) for one in DOCUMENTS]
    rows[3] = rows[3]._replace(text="")
    return dataset(path, rows, **output)


def marked(path: Path, manifest: Manifest) -> tuple[list[str], bytes]:
    ids: list[str] = []
    found = b""
    for names, marks in rows_marks(str(path / FIRST), manifest, told_by(str(path), manifest)):
        ids += names.to_pylist()
        found += marks.tobytes()
    return ids, found


@pytest.mark.parametrize("text", ["keep", "hash"])
def test_a_row_has_the_mark_of_its_document(tmp_path: Path, text: str) -> None:
    names = {"id": "doc", "text": "body"}
    ids, found = marked(tmp_path, made(tmp_path, text=text, columns=names))
    assert ids == ["a", "ü", "c", "d"]
    assert found == b"".join(mark_of(one, {"n": "int64"}) for one in DOCUMENTS)


def test_many_rows_come_in_batches_in_their_order(tmp_path: Path) -> None:
    manifest = dataset(tmp_path, [row(f"d{number}") for number in range(2_500)])
    told = told_by(str(tmp_path), manifest)
    sizes = [len(marks) for _, marks in rows_marks(str(tmp_path / FIRST), manifest, told)]
    assert (max(sizes), sum(sizes)) == (1_000, 2_500)


def test_dropped_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"output.text is drop.*refresh` into an empty folder"):
        told_by(str(tmp_path), made(tmp_path, text="drop"))


def test_split_documents_are_refused(tmp_path: Path) -> None:
    manifest = made(tmp_path)
    counts = manifest.counts.model_copy(update={"chunked_documents": 2})
    with pytest.raises(RefusedError, match="pieces do not tell whole texts"):
        told_by(str(tmp_path), manifest.model_copy(update={"counts": counts}))


@pytest.mark.parametrize(("job", "refused"), [({}, True), ({"corpus": {}}, False)])
def test_one_column_for_all_attributes_is_refused_but_not_an_attribute_of_its_name(
    tmp_path: Path, job: dict[str, object], refused: bool
) -> None:
    manifest = made(tmp_path)
    columns = {name: kind for name, kind in manifest.columns.items() if name != "n"}
    manifest = manifest.model_copy(
        update={"columns": {**columns, "attributes": "string"}, "job": {**manifest.job, **job}}
    )
    if refused:
        with pytest.raises(RefusedError, match="stand in one column"):
            told_by(str(tmp_path), manifest)
    else:
        assert told_by(str(tmp_path), manifest).attributes == {"attributes": "string"}


def test_a_manifest_that_contradicts_itself_is_named(tmp_path: Path) -> None:
    manifest = made(tmp_path).model_copy(update={"columns": {"id": "int64"}})
    with pytest.raises(DatasetError, match=r"manifest.json: the columns it names are not those"):
        told_by(str(tmp_path), manifest)


def test_a_file_that_was_made_by_another_model_is_named(tmp_path: Path) -> None:
    manifest = made(tmp_path)
    other = manifest.model_copy(update={"provenance": {**manifest.provenance, "digest": "00" * 32}})
    with pytest.raises(DatasetError, match="another origin than the manifest: digest differ"):
        marked(tmp_path, other)


def test_a_file_with_other_columns_is_named(tmp_path: Path) -> None:
    manifest = made(tmp_path)
    replaced(tmp_path, manifest, pq.read_table(tmp_path / FIRST).drop_columns(["n"]))
    with pytest.raises(DatasetError, match="'n' is missing, not int64"):
        marked(tmp_path, manifest)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    manifest = made(tmp_path)
    (tmp_path / FIRST).write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match=f"{FIRST} cannot be read"):
        marked(tmp_path, manifest)


def test_what_is_no_hash_of_a_text_is_noticed(tmp_path: Path) -> None:
    manifest = made(tmp_path, text="hash")
    table = pq.read_table(tmp_path / FIRST)
    place = table.schema.get_field_index("text")
    short = table.set_column(place, table.schema.field(place), [["ab"] * len(table)])
    replaced(tmp_path, manifest, short)
    with pytest.raises(DatasetError, match="'ab' is no sha256"):
        marked(tmp_path, manifest)


def test_an_empty_file_has_no_marks(tmp_path: Path) -> None:
    manifest = dataset(tmp_path)
    told = told_by(str(tmp_path), manifest)
    assert list(rows_marks(str(tmp_path / FIRST), manifest, told)) == []
