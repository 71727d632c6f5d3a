"""Marks: the same for the same document, another for any other, and whole in their column."""

import hashlib
import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.errors import BadAttribute
from embed_pipeline.marks import (
    attributes_mark,
    column,
    from_column,
    mark_of,
    text_mark,
    text_of,
    words,
)
from embed_pipeline.records import Document
from embed_pipeline.schema import INDEX, id_hash

TYPES: Any = {"n": "int64", "x": "double", "open": "bool", "tag": "string"}
MARKS = st.lists(st.binary(min_size=40, max_size=40), max_size=50)


def test_a_mark_is_the_hashes_of_id_text_and_attributes() -> None:
    mark = mark_of(Document("a", "text", {"n": 1}), TYPES)
    assert len(mark) == 40
    assert mark[:16] == id_hash("a")
    assert mark[16:32] == text_of(mark) == text_mark("text")
    assert mark[32:] == attributes_mark({"n": 1})


def test_values_that_json_cannot_tell_apart_have_different_marks() -> None:
    values = [float("nan"), float("inf"), float("-inf")]
    assert len({attributes_mark({"x": value}) for value in values}) == len(values)
    assert attributes_mark({"x": float("nan")}) == attributes_mark({"x": float("nan")})


def test_a_text_s_mark_is_the_first_half_of_its_sha256() -> None:
    assert text_mark("é").hex() == hashlib.sha256("é".encode()).hexdigest()[:32]


def test_marks_never_change_between_versions() -> None:
    document = Document("a", "text", {"n": 1, "x": 0.5, "open": True, "tag": "é"})
    assert mark_of(document, TYPES).hex() == GOLDEN


GOLDEN = (
    "27c35e6e9373877f29e562464e46497e"  # of the id
    "982d9e3eb996f559e633f4d194def376"  # of the text
    "c3f1f8ce65c07231"  # of the attributes
)


@pytest.mark.parametrize(
    "other",
    [
        Document("b", "text", {"n": 1}),
        Document("a", "Text", {"n": 1}),
        Document("a", "text", {"n": 2}),
        Document("a", "text", {"x": 1.0}),
        Document("a", "text", {"tag": "1"}),
        Document("a", "text", {"open": True}),
        Document("a", "text", {"n": 1, "tag": ""}),
        Document("a", "text"),
        Document("atext", "", {"n": 1}),
    ],
)
def test_whatever_is_another_gives_another_mark(other: Document) -> None:
    assert mark_of(other, TYPES) != mark_of(Document("a", "text", {"n": 1}), TYPES)


@pytest.mark.parametrize(
    "same",
    [
        Document("a", "text", {"tag": "t", "n": 1}),
        Document("a", "text", {"n": 1, "tag": "t", "x": None}),
        Document("a", "text", {"n": 1.0, "tag": "t"}),
        Document("a", "text", {"n": 1, "tag": "t"}, "elsewhere.jsonl", 7),
    ],
    ids=["order", "null", "type", "place"],
)
def test_what_does_not_change_the_row_does_not_change_the_mark(same: Document) -> None:
    assert mark_of(same, TYPES) == mark_of(Document("a", "text", {"n": 1, "tag": "t"}), TYPES)


def test_an_attribute_that_does_not_fit_has_no_mark() -> None:
    with pytest.raises(BadAttribute, match="'n' holds a value of type string"):
        mark_of(Document("a", "text", {"n": "one"}), TYPES)


@pytest.mark.parametrize("document", [Document("\ud800", "t"), Document("a", "\ud800")])
def test_a_lone_surrogate_has_no_mark(document: Document) -> None:
    with pytest.raises(UnicodeEncodeError):
        mark_of(document, TYPES)


def test_the_words_of_a_mark_are_two_of_the_id_two_of_the_text_one_of_the_attributes() -> None:
    (found,) = words(bytes(range(40))).tolist()
    assert [one.to_bytes(8, "little") for one in found] == [
        bytes(range(start, start + 8)) for start in range(0, 40, 8)
    ]


@given(found=MARKS, chunks=st.integers(1, 4), offset=st.integers(0, 3))
def test_marks_come_back_from_a_column_however_it_is_cut(
    found: list[bytes], chunks: int, offset: int
) -> None:
    arrays = [column(words(b"".join(found)))] * chunks
    wanted = words(b"".join(found[offset:]) * chunks)
    back = from_column(pa.chunked_array([one.slice(offset) for one in arrays], INDEX[0].type))
    assert back.shape == (len(wanted), 5)
    assert back.dtype == np.dtype("<u8")
    assert back.tobytes() == wanted.tobytes()


@given(found=MARKS)
def test_marks_come_back_from_a_file(found: list[bytes]) -> None:
    table = pa.Table.from_arrays([column(words(b"".join(found)))], schema=INDEX)
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=7)
    read = pq.read_table(file)
    assert read["mark"].to_pylist() == found
    assert from_column(read["mark"]).tobytes() == b"".join(found)
