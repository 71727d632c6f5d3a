"""Footers: what a file says of its columns and origin, held against the manifest."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_pipeline.footers import find_layout, wrong_columns, wrong_origin
from tests.support.datasets import dataset
from tests.support.rows import row


def file(path: Path, table: pa.Table, **metadata: str) -> pq.ParquetFile:
    pq.write_table(table.replace_schema_metadata(metadata), path / "f.parquet")
    return pq.ParquetFile(path / "f.parquet")


@pytest.mark.parametrize("vector_type", ["float32", "float16", "list<float>"])
def test_the_layout_is_found_from_the_columns(tmp_path: Path, vector_type: str) -> None:
    manifest = dataset(tmp_path, [row("a")], vector_type=vector_type, columns={"id": "doc"})
    found = find_layout(manifest)
    assert found is not None
    assert (found.output.vector_type, found.output.column("id")) == (vector_type, "doc")
    assert found.dimension == 8


@pytest.mark.parametrize(
    "change",
    [
        {"columns": {"id": "string"}},
        {"provenance": {}},
        {"provenance": {"dimension": "many"}},
        {"job": {"output": {"text": "shred"}}},
    ],
)
def test_a_manifest_of_something_else_has_no_layout(
    tmp_path: Path, change: dict[str, object]
) -> None:
    assert find_layout(dataset(tmp_path, [row("a")]).model_copy(update=change)) is None


def test_a_manifest_without_a_job_has_the_names_of_the_start(tmp_path: Path) -> None:
    assert find_layout(dataset(tmp_path, [row("a")]).model_copy(update={"job": {}})) is not None


def test_columns_are_compared_by_name_type_and_order(tmp_path: Path) -> None:
    parquet = file(tmp_path, pa.table({"a": [1], "b": ["x"]}))
    assert wrong_columns(parquet, {"a": "int64", "b": "string"}) is None
    assert wrong_columns(parquet, {"b": "string", "a": "int64"}) == "their order or number differs"
    assert wrong_columns(parquet, {"a": "double", "c": "bool"}) == (
        "'a' is int64, not double; 'c' is missing, not bool; 'b' is string, not among them"
    )


def test_a_column_that_stands_twice_is_told(tmp_path: Path) -> None:
    twice = file(tmp_path, pa.Table.from_arrays([pa.array([1]), pa.array([1])], names=["a", "a"]))
    assert wrong_columns(twice, {"a": "int64"}) == "their order or number differs"


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"embed_pipeline": '{"b":[1.5],"a":null}'}, None),
        ({"embed_pipeline": '{"a":1,"c":2}'}, "a, b, c differ"),
        ({"embed_pipeline": '{"b":'}, "does not say what made its vectors"),
        ({"embed_pipeline": "[]"}, "does not say what made its vectors"),
        ({"other": "{}"}, "does not say what made its vectors"),
    ],
)
def test_the_origin_is_compared_key_by_key(
    tmp_path: Path, metadata: dict[str, str], told: str | None
) -> None:
    found = wrong_origin(file(tmp_path, pa.table({"a": [1]}), **metadata), {"a": None, "b": [1.5]})
    assert (found or "").endswith(told or "")
    assert (found is None) == (told is None)
