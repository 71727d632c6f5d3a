"""The rows' schema: types, optional columns, and batches without Python floats."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from embed_pipeline.output import Output
from embed_pipeline.records import Failed
from embed_pipeline.schema import (
    FAILURES,
    MARKED_ORIGINS,
    ORIGINS,
    Layout,
    failures_batch,
    fitted,
    id_hash,
    origins,
)
from tests.support.rows import row
from tests.support.scripted import DIMENSION, vector_of


def layout(**output: object) -> Layout:
    return Layout(Output.model_validate({"path": "out", **output}), DIMENSION, {"year": "int64"})


def test_columns_and_types_in_order() -> None:
    schema = layout().schema()
    assert [(field.name, str(field.type), field.nullable) for field in schema] == [
        ("id", "string", False),
        ("text", "string", False),
        ("vector", "fixed_size_list<element: float not null>[8]", False),
        ("model", "string", False),
        ("token_count", "int32", False),
        ("token_count_source", "string", False),
        ("truncated", "bool", True),
        ("year", "int64", True),
    ]


def test_a_batch_holds_the_rows() -> None:
    batch = layout().batch([row("a", "hello", attributes={"year": 7}), row("b", "world")])
    assert batch.to_pylist() == [
        {
            "id": "a",
            "text": "hello",
            "vector": vector_of("hello").tolist(),
            "model": "all-minilm",
            "token_count": 5,
            "token_count_source": "estimated",
            "truncated": None,
            "year": 7,
        },
        {
            "id": "b",
            "text": "world",
            "vector": vector_of("world").tolist(),
            "model": "all-minilm",
            "token_count": 5,
            "token_count_source": "estimated",
            "truncated": None,
            "year": None,
        },
    ]


def test_text_can_be_hashed() -> None:
    found = layout(text="hash").batch([row("a", "hello")]).to_pylist()[0]
    assert found["text"] == hashlib.sha256(b"hello").hexdigest()


def test_text_can_be_dropped() -> None:
    assert "text" not in layout(text="drop").batch([row("a")]).schema.names


def test_columns_can_be_renamed() -> None:
    names = layout(columns={"vector": "embedding", "id": "doc"}).schema().names
    assert names[:3] == ["doc", "text", "embedding"]


@pytest.mark.parametrize(
    ("kind", "arrow", "error"),
    [
        ("float16", "fixed_size_list<element: halffloat not null>[8]", 1e-3),
        ("list<float>", "list<element: float not null>", 0.0),
    ],
)
def test_other_vector_types(kind: str, arrow: str, error: float) -> None:
    batch = layout(vector_type=kind).batch([row("a", "x"), row("b", "y")])
    assert str(batch.schema.field("vector").type) == arrow
    assert np.allclose(batch["vector"][1].as_py(), vector_of("y"), atol=error, rtol=0)


def test_undeclared_attributes_become_one_json_column() -> None:
    batch = Layout(Output(path="out"), DIMENSION, None).batch(
        [row("a", attributes={"n": 1, "tags": ["x"]}), row("b")]
    )
    assert batch["attributes"].to_pylist() == ['{"n":1,"tags":["x"]}', None]


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(pa.ArrowInvalid):
        layout().batch([row("a", attributes={"year": "MMXX"})])


def test_origins_say_where_each_row_was_read_from() -> None:
    batch = origins([row("a", source="f.jsonl", line=3), row("b")])
    assert batch.to_pylist() == [
        {"hash": id_hash("a"), "source": "f.jsonl", "line": 3},
        {"hash": id_hash("b"), "source": "", "line": None},
    ]


def test_origins_tell_the_marks_of_rows_that_have_one() -> None:
    marked = origins([row("a", mark=b"m" * 40), row("b", mark=b"n" * 40)])
    assert marked["mark"].to_pylist() == [b"m" * 40, b"n" * 40]
    assert marked.schema == MARKED_ORIGINS
    assert origins([row("a")]).schema == ORIGINS


@pytest.mark.parametrize(
    ("kind", "values"), [("float32", "float"), ("list<float>", "float"), ("float16", "halffloat")]
)
def test_changes_have_what_happened_and_a_vector_that_may_be_missing(
    kind: str, values: str
) -> None:
    schema = layout(vector_type=kind, columns={"id": "key", "vector": "embedding"}).changes()
    assert [(field.name, str(field.type), field.nullable) for field in schema] == [
        ("op", "string", False),
        ("key", "string", False),
        ("text", "string", True),
        ("embedding", f"list<element: {values} not null>", True),
        ("model", "string", True),
        ("token_count", "int32", True),
        ("token_count_source", "string", True),
        ("truncated", "bool", True),
        ("year", "int64", True),
    ]


def test_a_table_of_the_same_schema_is_fitting_but_for_its_metadata() -> None:
    table = pa.table({"n": [1]}).replace_schema_metadata({"a": "b"})
    found = fitted(table, pa.schema([("n", pa.int64())]))
    assert (found.to_pylist(), found.schema.metadata) == ([{"n": 1}], None)


def test_columns_come_go_and_are_widened() -> None:
    table = pa.table({"gone": ["x", "y"], "n": [1, None], "id": ["a", "b"]})
    wanted = pa.schema(
        [pa.field("id", pa.string(), nullable=False), ("n", pa.float64()), ("m", pa.bool_())]
    )
    found = fitted(table, wanted)
    assert found.schema == wanted
    assert found.to_pylist() == [
        {"id": "a", "n": 1.0, "m": None},
        {"id": "b", "n": None, "m": None},
    ]


def test_a_value_that_does_not_fit_is_an_error_and_not_cut() -> None:
    with pytest.raises(pa.ArrowInvalid):
        fitted(pa.table({"n": [0.5]}), pa.schema([("n", pa.int64())]))


def test_failures_keep_every_field() -> None:
    failed = Failed(
        "a",
        None,
        '{"n":1}',
        "f.jsonl",
        3,
        "read",
        "WrongType",
        "document",
        "no",
        400,
        2,
        "http://h",
    )
    assert failures_batch([failed]).to_pylist() == [failed._asdict()]
    assert failures_batch([failed]).schema == FAILURES
