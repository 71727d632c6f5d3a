"""The fields of a sample, from rows, Parquet schemas and folders, and the schema they make."""

from typing import Any

import pyarrow as pa
import pytest

from embed_pipeline.corpus import Corpus
from embed_pipeline.errors import ConfigError, UnreadableLine
from embed_pipeline.fields import Fields
from embed_pipeline.files import FileInfo
from embed_pipeline.formats import Row

THERE_ARE = "the fields are id, n, text"
CURE = 'set corpus.text and corpus.id ("" = made of the texts)'


def fields(**settings: Any) -> Fields:
    return Fields(Corpus(files="data", **settings))


def rows(*values: dict[str, Any]) -> list[Row]:
    return [(line, {"id": "1", "text": "t", **row}) for line, row in enumerate(values, 1)]


def columns(**types: pa.DataType) -> pa.Schema:
    return pa.schema({"id": pa.string(), "text": pa.string(), **types})


def folders(*paths: str) -> list[FileInfo]:
    return [FileInfo(path, 1, None) for path in paths]


def test_an_empty_sample_has_no_attributes() -> None:
    assert fields().finish() == {}


def test_attributes_stand_in_the_order_they_were_first_seen() -> None:
    found = fields()
    found.add_rows("a.jsonl", rows({"z": 1}, {"b": "x", "z": 2}, {"a": True}))
    assert list(found.finish().items()) == [("z", "int64"), ("b", "string"), ("a", "bool")]
    assert found.rows == 3
    assert found.seen == {"id", "text", "z", "b", "a"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([None], "string"),
        ([None, True], "bool"),
        ([True, None], "bool"),
        ([1, 0.5, 2], "double"),
        ([1, "a", 0.5], "double"),
        (["a", 1], "string"),
        ([{"x": 1}, 1], "string"),
    ],
)
def test_the_types_of_an_attribute_are_merged(values: list[Any], expected: str) -> None:
    found = fields()
    found.add_rows("a.jsonl", rows(*({"n": value} for value in values)))
    assert found.finish() == {"n": expected}


def test_untyped_values_are_strings() -> None:
    found = fields()
    found.add_rows("a.csv", rows({"n": "1", "new": "2"}), untyped=True)
    assert found.finish() == {"n": "string", "new": "string"}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (None, {"a": "int64", "b": "int64"}),
        (["b"], {"b": "int64"}),
        (["-b"], {"a": "int64"}),
        ([], {}),
        ({"b": "double", "c": "bool"}, {"b": "double", "c": "bool"}),
    ],
)
def test_only_the_attributes_that_are_asked_for_are_kept(
    attributes: Any, expected: dict[str, str]
) -> None:
    found = fields(attributes=attributes)
    found.add_rows("a.jsonl", rows({"a": 1, "b": 2}))
    assert found.finish() == expected


def test_the_fields_of_a_template_are_no_attributes() -> None:
    found = fields(text="{title} {text}", id="key")
    found.add_rows("a.jsonl", rows({"title": "x", "key": "k", "n": 1}))
    assert found.finish() == {"id": "string", "n": "int64"}


def test_the_first_row_that_cannot_be_read_is_the_fault() -> None:
    found = fields()
    found.add_rows("a.jsonl", [(1, UnreadableLine("is no JSON")), (2, UnreadableLine("is empty"))])
    found.add_rows("b.jsonl", [(1, UnreadableLine("is no object"))])
    assert (found.fault, found.rows) == ("a.jsonl:1: is no JSON", 0)
    with pytest.raises(ConfigError) as caught:
        found.finish()
    assert str(caught.value) == (
        "no row of the sample can be read; the first: a.jsonl:1: is no JSON"
    )


def test_a_fault_beside_a_good_row_is_left_to_the_reading() -> None:
    found = fields()
    found.add_rows("a.jsonl", [(1, UnreadableLine("is no JSON")), *rows({"n": 1})])
    assert found.finish() == {"n": "int64"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text": "body"}, f"'body'; {THERE_ARE}; {CURE}"),
        ({"text": "{text} {title}"}, f"'title'; {THERE_ARE}; {CURE}"),
        ({"id": "key"}, f"'key'; {THERE_ARE}; {CURE}"),
        (
            {"attributes": ["m"]},
            f"'m'; {THERE_ARE}; correct corpus.attributes, or declare it there with its type",
        ),
    ],
)
def test_a_field_that_no_row_has_is_named_with_those_there_are(
    settings: dict[str, Any], message: str
) -> None:
    found = fields(**settings)
    found.add_rows("a.jsonl", rows({"n": 1}))
    with pytest.raises(ConfigError) as caught:
        found.finish()
    assert str(caught.value) == f"no row of the sample has the field {message}"


@pytest.mark.parametrize(
    ("settings", "row"),
    [
        ({"id": ""}, [(1, {"text": "t", "n": 1})]),
        ({"attributes": ["-m"]}, [(1, {"id": "1", "text": "t", "n": 1})]),
    ],
)
def test_a_field_that_is_not_needed_may_be_missing(
    settings: dict[str, Any], row: list[Row]
) -> None:
    found = fields(**settings)
    found.add_rows("a.jsonl", row)
    assert found.finish() == {"n": "int64"}


def test_columns_of_parquet_have_the_attributes_types() -> None:
    found = fields()
    found.add_schema(
        "a.parquet",
        columns(
            n=pa.uint16(),
            x=pa.float32(),
            b=pa.bool_(),
            day=pa.date32(),
            tags=pa.list_(pa.string()),
            kind=pa.dictionary(pa.int32(), pa.string()),
            none=pa.null(),
        ),
    )
    assert found.finish() == {
        "n": "int64",
        "x": "double",
        "b": "bool",
        "day": "string",
        "tags": "string",
        "kind": "string",
        "none": "string",
    }


def test_columns_that_merge_may_differ_from_file_to_file() -> None:
    found = fields()
    found.add_schema("a.parquet", columns(n=pa.int8(), none=pa.null(), s=pa.string()))
    found.add_schema("b.parquet", columns(n=pa.float64(), none=pa.int64(), s=pa.int64()))
    assert found.finish() == {"n": "double", "none": "int64", "s": "string"}
    assert found.origin == {"n": "a.parquet", "none": "b.parquet", "s": "a.parquet"}


def test_columns_that_contradict_each_other_are_named_with_their_files() -> None:
    found = fields()
    found.add_schema("a.parquet", columns(n=pa.null()))
    found.add_schema("b.parquet", columns(n=pa.int8()))
    with pytest.raises(ConfigError) as caught:
        found.add_schema("c.parquet", columns(n=pa.string()))
    assert str(caught.value) == (
        "column 'n' is int64 in b.parquet, but string in c.parquet; declare it in"
        " corpus.attributes (n: string), or leave it out (-n)"
    )


@pytest.mark.parametrize("kind", [pa.binary(), pa.duration("s")])
def test_a_column_that_cannot_be_an_attribute_has_to_be_left_out(kind: pa.DataType) -> None:
    with pytest.raises(ConfigError) as caught:
        fields().add_schema("a.parquet", columns(raw=kind))
    assert str(caught.value) == (
        f"a.parquet: column 'raw' is of type {kind}, which an attribute cannot have; leave it out"
        ' (corpus.attributes: ["-raw"])'
    )
    left_out = fields(attributes=["-raw"])
    left_out.add_schema("a.parquet", columns(raw=kind))
    assert left_out.finish() == {}


def test_declared_types_go_before_those_of_the_columns() -> None:
    found = fields(attributes={"n": "string"})
    found.add_schema("a.parquet", columns(n=pa.int64(), raw=pa.binary()))
    found.add_schema("b.parquet", columns(n=pa.bool_()))
    assert found.finish() == {"n": "string"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text": "body"}, f"a.parquet has no column 'body', but id, text, n, x; {CURE}"),
        ({"text": "n"}, "a.parquet: column 'n' is of type int64, not string"),
        ({"text": "{text} {x}"}, "a.parquet: column 'x' is of type double, not string"),
        ({"id": "x"}, "a.parquet: column 'x' is of type double, not string"),
    ],
)
def test_a_text_or_id_that_a_parquet_file_cannot_give_is_named(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        fields(**settings).add_schema("a.parquet", columns(n=pa.int64(), x=pa.float64()))
    assert str(caught.value) == message


@pytest.mark.parametrize("settings", [{"id": "n"}, {"text": "{text} {n}"}])
def test_an_integer_may_be_an_id_or_part_of_a_template(settings: dict[str, Any]) -> None:
    found = fields(**settings)
    found.add_schema("a.parquet", columns(n=pa.int64()))
    assert "n" not in found.finish()


def test_a_folder_may_give_what_a_file_has_no_column_for() -> None:
    found = fields(text="{text} {lang}")
    found.add_schema("lang=en/a.parquet", columns())
    found.add_folders(folders("lang=en/a.parquet"))
    assert found.finish() == {}


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["y=2023/a.parquet", "y=-1/a.parquet"], "int64"),
        (["y=2023/a.parquet", "y=__HIVE_DEFAULT_PARTITION__/a.parquet"], "int64"),
        (["y=__HIVE_DEFAULT_PARTITION__/a.parquet"], "string"),
        (["y=2023/a.parquet", "y=x/a.parquet", "y=2024/a.parquet"], "string"),
        (["y=007/a.parquet"], "string"),
        (["y=-0/a.parquet"], "string"),
        (["y=9223372036854775807/a.parquet"], "int64"),
        (["y=9223372036854775808/a.parquet"], "string"),
        (["y=/a.parquet"], "string"),
    ],
)
def test_a_folder_is_an_integer_only_where_nothing_is_lost(paths: list[str], expected: str) -> None:
    found = fields()
    found.add_folders(folders(*paths))
    assert found.finish() == {"y": expected}


def test_folders_of_other_formats_are_only_folders() -> None:
    found = fields()
    found.add_folders(folders("y=1/a.jsonl", "y=2/a.csv.gz"))
    assert found.finish() == {}


@pytest.mark.parametrize(
    ("kind", "expected"), [(pa.bool_(), "bool"), (pa.float64(), "double"), (pa.null(), "string")]
)
def test_a_column_of_the_file_goes_before_one_of_its_folders(
    kind: pa.DataType, expected: str
) -> None:
    found = fields()
    found.add_schema("y=1/a.parquet", columns(y=kind))
    found.add_folders(folders("y=1/a.parquet"))
    assert found.finish() == {"y": expected}
