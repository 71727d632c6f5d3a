"""Rows of records, and back."""

import re
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.coders import registry
from apache_beam.typehints import typehints
from apache_beam.utils.timestamp import Timestamp

from embed_pipeline.errors import ConfigError
from embed_pipeline.records import Document, Embedded, Failed
from embed_pipeline.transforms import rows
from tests.support.rows import row
from tests.support.scripted import DIMENSION

KINDS = {"n": rows.PYTHON_TYPES["int64"]}
FAILED = Failed(None, "t", '{"n":1}', "f", 3, "embed", "TextTooLong", "server", "why", 400, 2, "u")


def across(kind: Any, element: beam.Row) -> Any:
    """Return an element as it comes out of a shuffle."""
    coder = registry.get_coder(kind)
    return coder.decode(coder.encode(element))


@pytest.mark.parametrize("n", [7, None])
def test_an_embedded_document_is_a_row_and_back_across_a_shuffle(n: int | None) -> None:
    record = row("a", attributes={"n": n}, truncated=False)
    found = rows.embedded(across(rows.embedded_type(KINDS), rows.embedded_row(record)), DIMENSION)
    assert isinstance(found, Embedded)
    assert found.vector.dtype == np.float32
    assert found.vector.tolist() == record.vector.tolist()
    assert found._replace(vector=record.vector) == record


def test_the_vector_of_a_row_is_the_array_itself() -> None:
    record = row("a")
    assert rows.embedded_row(record).vector is record.vector
    found = rows.embedded(rows.embedded_row(record), DIMENSION)
    assert isinstance(found, Embedded)
    assert found.vector is record.vector


@pytest.mark.parametrize(
    ("changed", "kind", "message"),
    [
        ({"vector": 2 * row("a").vector}, "WrongType", "'vector' is of length 2, not 1; steps"),
        ({"vector": row("a").vector[1:]}, "WrongType", f"{DIMENSION - 1} numbers, not {DIMENSION}"),
        ({"vector": [float("nan")] * DIMENSION}, "WrongType", "of length nan, not 1"),
        ({"vector": [float("inf")] * DIMENSION}, "WrongType", "of length inf, not 1"),
        ({"vector": None}, "WrongType", r"shape \(\), not"),
        ({"vector": ["x"]}, "WrongType", "holds no numbers"),
        ({"id": ""}, "MissingField", "id is empty"),
        ({"id": 1.5}, "WrongType", "id is of type float"),
        ({"text": None}, "MissingField", "text is null"),
    ],
)
def test_a_row_that_was_made_something_else_of_is_a_failure(
    changed: dict[str, Any], kind: str, message: str
) -> None:
    made = rows.embedded_row(row("a", attributes={"n": 1}))
    found = rows.embedded(beam.Row(**{**made.as_dict(), **changed}), DIMENSION)
    assert isinstance(found, Failed)
    assert (found.kind, found.stage, found.attributes) == (kind, "write", '{"n":1}')
    assert re.search(message, found.message)


def test_a_document_is_a_row_of_its_attributes() -> None:
    made = rows.document_row(Document("a", "t", {"n": 1}, "file", 3))
    assert made == beam.Row(id="a", text="t", n=1)
    assert across(rows.document_type(KINDS), made)._asdict() == {"id": "a", "text": "t", "n": 1}


def test_a_failure_is_a_row_and_back_with_all_that_is_known() -> None:
    found = across(rows.FAILURE, rows.failure_row(FAILED))
    assert rows.failed(found) == FAILED
    assert found.element._asdict() == {"id": None, "text": "t", "attributes": '{"n":1}'}
    assert (found.msg, found.stack) == ("why", "TextTooLong (embed, f:3)")


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (int, "int64"),
        (np.int32, "int64"),
        (typehints.Optional[int], "int64"),
        (int | None, "int64"),
        (typehints.Optional[np.int64], "int64"),
        (np.float32, "double"),
        (typehints.Optional[float], "double"),
        (bool, "bool"),
        (str, "string"),
        (Timestamp, "string"),
        (list[int], "string"),
        (Any, "string"),
        (int | str, "string"),
    ],
)
def test_columns_have_the_types_of_attributes(kind: Any, wanted: str) -> None:
    assert rows.attribute_type("x", kind) == wanted


def test_a_column_of_bytes_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"column 'x' holds bytes.*attributes: \[\"-x\"\]"):
        rows.attribute_type("x", typehints.Optional[bytes])


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(np.int64(3), 3), (np.float32(0.5), 0.5), (float("nan"), None), ("x", "x"), (None, None)],
)
def test_values_of_data_frames_become_pythons(value: object, wanted: object) -> None:
    found = rows.plain(value)
    assert (type(found), found) == (type(wanted), wanted)


def test_elements_without_a_schema_are_refused() -> None:
    elements = beam.Pipeline("FnApiRunner") | beam.Create(["a"])
    with pytest.raises(ConfigError, match=r"EmbedText takes Rows.*not <class 'str'>"):
        rows.fields(elements, "EmbedText")
