"""Rows that get a vector which is there already."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from embed_pipeline import copying
from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.copying import Wanted, copy_rows
from embed_pipeline.known import read_marks
from embed_pipeline.parts import PartFile
from embed_pipeline.records import Document
from embed_pipeline.resume import is_sound, provenance_of
from embed_pipeline.schema import Layout
from embed_pipeline.staging import Run
from tests.support.marked import SPLIT, document, embedded, layout, part, piece, rows_of
from tests.support.rows import RUN_ID, made_by
from tests.support.scripted import vector_of


def wanted(number: int, identity: str, text: str, n: Any = 1, **fields: Any) -> Wanted:
    made = document(identity, text, {"n": n}, {"n": "double"} if isinstance(n, float) else None)
    return Wanted(number, made._replace(text="", **fields))


def copied(how: Layout, source: PartFile, *which: Wanted) -> list[PartFile]:
    return copy_rows(Run(how.output.path, RUN_ID), how, made_by(), source.path, which)


def test_a_copy_has_the_rows_vector_and_counts_and_the_documents_id_and_attributes(
    tmp_path: Path,
) -> None:
    how = layout(tmp_path)
    source = part(how, embedded("a", "one"), embedded("b", "two")._replace(token_count=7))
    found = copied(how, source, wanted(1, "new", "two", 5))
    (row,) = rows_of(found)
    assert row == {
        "id": "new",
        "text": "two",
        "vector": vector_of("two").tolist(),
        "model": "all-minilm",
        "token_count": 7,
        "token_count_source": "estimated",
        "truncated": None,
        "n": 5,
    }


def test_copies_have_their_documents_marks(tmp_path: Path) -> None:
    how = layout(tmp_path)
    source = part(how, embedded("a", "one"), embedded("b", "two"))
    (found,) = copied(how, source, wanted(1, "y", "two"), wanted(0, "x", "one"))
    assert read_marks(found).tobytes() == document("x", "one").mark + document("y", "two").mark


def test_a_row_may_be_wanted_by_many(tmp_path: Path) -> None:
    how = layout(tmp_path)
    source = part(how, embedded("a", "one"), embedded("b", "two"))
    found = copied(how, source, *(wanted(1, f"d{n}", "two", n) for n in range(4)))
    assert [(row["id"], row["n"]) for row in rows_of(found)] == [(f"d{n}", n) for n in range(4)]


def test_more_than_are_copied_at_once_come_back_in_the_rows_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "AT_ONCE", 2)
    how = layout(tmp_path)
    source = part(how, *(embedded(f"a{n}", f"t{n}") for n in range(7)))
    path = tmp_path / "groups.parquet"
    pq.write_table(pq.read_table(source.path), path, row_group_size=3)
    which = [wanted(n, f"d{n}", f"t{n}") for n in (6, 0, 4, 5, 1, 2)]
    found = copied(how, source._replace(path=str(path)), *which)
    assert [row["text"] for row in rows_of(found)] == ["t0", "t1", "t2", "t4", "t5", "t6"]
    assert [row["id"] for row in rows_of(found)] == ["d0", "d1", "d2", "d4", "d5", "d6"]


def test_a_file_is_closed_when_it_is_large_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "AT_ONCE", 1)
    how = layout(tmp_path, checkpoint_mb=1)
    long = "x" * 600_000
    source = part(how, embedded("a", long))
    found = copied(
        how, source, *(wanted(0, f"d{n}", long, source="f", line=n + 1) for n in range(3))
    )
    assert [one.rows for one in found] == [2, 1]
    assert [one.first for one in found] == [("f", 1), ("f", 3)]
    assert all(map(is_sound, found))
    assert (provenance_of(found[0]) or {})["model"] == "all-minilm"


def test_nothing_wanted_is_no_file(tmp_path: Path) -> None:
    how = layout(tmp_path)
    assert copied(how, part(how, embedded("a", "one"))) == []


@pytest.mark.parametrize("kind", ["list<float>", "float16"])
def test_every_type_of_vectors_is_copied(tmp_path: Path, kind: str) -> None:
    how = layout(tmp_path, vector_type=kind)
    source = part(how, embedded("a", "one"), embedded("b", "two"))
    found = copied(how, source, wanted(1, "x", "two"))
    assert pq.read_schema(found[0].path).remove_metadata() == how.schema()
    assert rows_of(found)[0]["vector"] == rows_of([source])[1]["vector"]


@pytest.mark.parametrize("text", ["hash", "drop"])
def test_the_text_is_as_the_row_has_it(tmp_path: Path, text: str) -> None:
    how = layout(tmp_path, text=text, columns={"id": "key", "vector": "embedding"})
    source = part(how, embedded("a", "one"))
    (row,) = rows_of(copied(how, source, wanted(0, "x", "one")))
    assert row == {**rows_of([source])[0], "key": "x"}


@pytest.mark.parametrize(
    ("before", "value", "now"),
    [
        ({}, {}, {"n": "int64"}),
        ({"n": "int64", "gone": "string"}, {"n": 1, "gone": "x"}, {"n": "int64"}),
        ({"n": "double"}, {"n": 0.5}, {"n": "int64"}),
        ({"n": "string"}, {"n": "no number"}, {"n": "int64"}),
    ],
)
def test_the_rows_own_attributes_do_not_matter(
    tmp_path: Path, before: AttributeTypes, value: dict[str, Any], now: AttributeTypes
) -> None:
    source = part(layout(tmp_path, before), embedded("a", "one", value, before))
    how = layout(tmp_path, now)
    found = copied(how, source, wanted(0, "x", "one", 5))
    assert [row["n"] for row in rows_of(found)] == [5]
    assert pq.read_schema(found[0].path).remove_metadata() == how.schema()


def test_an_attribute_is_converted_as_in_any_row(tmp_path: Path) -> None:
    how = layout(tmp_path, {"n": "double", "m": "string"})
    source = part(layout(tmp_path), embedded("a", "one"))
    (row,) = rows_of(copied(how, source, wanted(0, "x", "one", 2)))
    assert (row["n"], row["m"]) == (2.0, None)


def test_a_piece_keeps_its_place_in_the_whole(tmp_path: Path) -> None:
    how = layout(tmp_path, SPLIT)
    source = part(how, piece("a", "uv", 0), piece("a", "uv", 1))
    found = copied(how, source, *(wanted(n, "new#x", "uv", 9) for n in (0, 1)))
    assert [
        (row["id"], row["document_id"], row["chunk_index"], row["chunk_start"], row["chunk_end"])
        for row in rows_of(found)
    ] == [("new#x#0", "new#x", 0, 0, 1), ("new#x#1", "new#x", 1, 1, 2)]
    assert [(row["text"], row["n"]) for row in rows_of(found)] == [("u", 9), ("v", 9)]
    assert read_marks(found[0]).tobytes() == document("new#x", "uv", {"n": 9}).mark * 2


def test_what_is_wanted_travels_as_plain_tuples() -> None:
    one = Document("a", "", {"n": 1}, "f", 3, b"mark")
    assert Wanted.restored((4, tuple(one))) == Wanted(4, one)
