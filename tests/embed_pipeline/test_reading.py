"""Documents and failures of shards, read from real files."""

import gzip
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline import files
from embed_pipeline.corpus import Corpus, find_files
from embed_pipeline.errors import DatasetError
from embed_pipeline.keys import key
from embed_pipeline.reading import read, read_part
from embed_pipeline.records import Document, Failed
from embed_pipeline.shards import Part, split


def read_all(path: Path | str, **settings: Any) -> list[Document | Failed]:
    corpus = Corpus(files=str(path), **settings)
    return [found for shard in split(corpus, find_files(corpus)) for found in read(corpus, shard)]


def jsonl(folder: Path, *rows: object, name: str = "a.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def failure(found: Document | Failed) -> Failed:
    assert isinstance(found, Failed)
    return found


def test_a_row_becomes_a_document_with_its_other_fields_and_its_place(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"id": "d1", "text": "hello", "year": 1999, "tags": ["x"]})
    assert read_all(path) == [Document("d1", "hello", {"year": 1999, "tags": ["x"]}, str(path), 1)]


def test_integer_ids_are_their_decimal_string(tmp_path: Path) -> None:
    found = read_all(jsonl(tmp_path, {"id": 2**63, "text": "a"}))
    assert [document.id for document in found] == ["9223372036854775808"]


def test_an_id_may_hold_any_character(tmp_path: Path) -> None:
    found = read_all(jsonl(tmp_path, {"id": "Zoë/1 😀", "text": "a"}))
    assert [document.id for document in found] == ["Zoë/1 😀"]


@pytest.mark.parametrize("empty", [None, ""])
def test_without_an_id_field_the_id_is_the_hash_of_name_and_text(
    tmp_path: Path, empty: str | None
) -> None:
    path = jsonl(tmp_path, {"id": "kept", "text": "a"})
    (found,) = read_all(path, id=empty)
    assert isinstance(found, Document)
    assert found.id == key("a.jsonl", "a")
    assert found.attributes == {"id": "kept"}


def test_text_and_id_may_have_other_names_or_be_a_template(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"key": "k", "title": "T", "body": "B", "n": 1})
    (found,) = read_all(path, text="{title}: {body}", id="key")
    assert found == Document("k", "T: B", {"n": 1}, str(path), 1)


def test_what_the_embed_step_checks_is_not_checked_here(tmp_path: Path) -> None:
    rows = [{"id": "1", "text": ""}, {"id": "2", "text": "\x00"}, {"id": "3", "text": "\ud800"}]
    found = read_all(jsonl(tmp_path, *rows))
    assert [document.text for document in found] == ["", "\x00", "\ud800"]


@pytest.mark.parametrize(
    ("row", "kind", "words"),
    [
        ({"id": "1"}, "MissingField", "'text'"),
        ({"id": "1", "text": None}, "MissingField", "corpus.text"),
        ({"id": "1", "text": 5}, "WrongType", "'text', is of type int"),
        ({"id": "1", "text": ["a"]}, "WrongType", "list"),
        ({"text": "a"}, "MissingField", "corpus.id"),
        ({"id": None, "text": "a"}, "MissingField", "'id'"),
        ({"id": "", "text": "a"}, "MissingField", "'id'"),
        ({"id": True, "text": "a"}, "WrongType", "bool"),
        ({"id": 1.0, "text": "a"}, "WrongType", "float"),
        ({"id": {"a": 1}, "text": "a"}, "WrongType", "dict"),
        ({"id": "\ud800", "text": "a"}, "BadCharacter", "surrogate"),
    ],
)
def test_a_bad_row_is_a_failure_between_its_neighbors(
    tmp_path: Path, row: dict[str, Any], kind: str, words: str
) -> None:
    good = {"id": "g", "text": "good"}
    path = jsonl(tmp_path, good, row, good)
    before, found, after = read_all(path)
    assert isinstance(before, Document)
    assert isinstance(after, Document)
    failed = failure(found)
    assert (failed.source, failed.line, failed.stage, failed.kind, failed.blame) == (
        str(path), 2, "read", kind, "document",
    )  # fmt: skip
    assert failed.message.startswith(f"{path}:2: ")
    assert words in failed.message


def test_a_failure_keeps_what_is_known_and_can_be_stored(tmp_path: Path) -> None:
    found = read_all(jsonl(tmp_path, {"id": [1], "text": "a\ud800", "n": "\udfff"}))
    failed = failure(found[0])
    assert (failed.id, failed.text) == (None, "a\\ud800")
    assert failed.attributes == '{"n":"\\\\udfff"}'
    assert all(value.encode() for value in failed if isinstance(value, str) and value)


def test_an_unreadable_line_has_file_line_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": 1, "text": "a"}\n\xff\n{"id": 2, "text": "b"}\n')
    one, found, two = read_all(path)
    assert (one.id, two.id) == ("1", "2")
    failed = failure(found)
    assert (failed.kind, failed.line, failed.text) == ("UnreadableLine", 2, None)
    assert failed.message.startswith(f"{path}:2: byte 23: 0xff is not UTF-8")


def test_lines_of_later_ranges_are_counted_for_failures_only(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": 1, "text": "a"}\n\n{"id": 2, "text": "b"}\nbad\n{"id": 3}\n')
    found = list(read_part(Corpus(files="a"), Part(str(path), "a", "jsonl", None, 23, 60)))
    assert isinstance(found[0], Document)
    assert found[0].line is None
    assert [failure(each).line for each in found[1:]] == [4, 5]


@given(cuts=st.lists(st.integers(1, 400), max_size=5))
def test_failures_have_the_same_lines_however_a_file_is_cut(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.jsonl"
    data = b'{"id": 1, "text": "a"}\n\r\nbad\n{"id": 2, "text": "%s"}\n{}' % (b"x" * 200)
    path.write_bytes(data)
    corpus, whole = Corpus(files="a"), Part(str(path), "a", "jsonl", None)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    found = [
        each._replace(line=None) if isinstance(each, Document) else each
        for first, last in pairwise(edges)
        for each in read_part(corpus, replace(whole, first=first, last=last))
    ]
    expected = [
        each._replace(line=None) if isinstance(each, Document) else each
        for each in read_part(corpus, whole)
    ]
    assert found == expected


def test_csv_rows_are_documents_with_strings(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,text,year\n1,"a\nb",1999\n2,c\n')
    found = read_all(path)
    assert found[0] == Document("1", "a\nb", {"year": "1999"}, str(path), 2)
    assert failure(found[1]).kind == "UnreadableLine"
    assert failure(found[1]).message.startswith(f"{path}:4: 2 fields where the header names 3")


def test_csv_values_are_converted_where_types_are_declared(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("id\ttext\tyear\tok\n1\ta\t1999\ttrue\n2\tb\t\t\n3\tc\tlast\tfalse\n")
    found = read_all(path, attributes={"year": "int64", "ok": "bool"})
    assert [each.attributes for each in found[:2]] == [
        {"year": 1999, "ok": True},
        {"year": None, "ok": None},
    ]
    assert failure(found[2]).kind == "BadAttribute"
    assert "'year' holds a value of type string, but is int64" in failure(found[2]).message


def test_parquet_rows_are_documents_with_their_folders(tmp_path: Path) -> None:
    folder = tmp_path / "year=2024"
    folder.mkdir()
    table = pa.table({"id": [7], "text": ["a"], "big": [b"x"]})
    pq.write_table(table, folder / "a.parquet")
    corpus = Corpus(files=str(tmp_path), attributes=["-big"]).with_types({"year": "int64"})
    (shard,) = split(corpus, find_files(corpus))
    assert list(read(corpus, shard)) == [
        Document("7", "a", {"year": 2024}, str(folder / "a.parquet"), 1)
    ]


def test_a_text_file_is_a_document_named_by_its_place_in_the_corpus(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.md").write_text("one\ntwo\n")
    assert read_all(tmp_path) == [
        Document("sub/a.md", "one\ntwo\n", {}, str(tmp_path / "sub" / "a.md"), 1)
    ]
    (found,) = read_all(tmp_path, id="", text="passage: {text}")
    assert (found.id, found.text) == (key("sub/a.md", "one\ntwo\n"), "passage: one\ntwo\n")


def test_lines_of_a_text_file_have_ids_that_no_position_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("same\nother\n\nsame\n")
    before = read_all(path, text_per="line")
    assert [(each.id, each.text, each.line) for each in before] == [
        (key("a.txt", "same"), "same", 1),
        (key("a.txt", "other"), "other", 2),
        (key("a.txt", "same", "2"), "same", 4),
    ]
    path.write_text("new\nsame\nother\n\nsame\n")
    after = read_all(path, text_per="line")
    assert [each.id for each in after[1:]] == [each.id for each in before]


def test_a_text_file_of_wrong_encoding_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff")
    assert failure(read_all(tmp_path)[0]).kind == "UnreadableLine"


def test_named_attributes_are_all_there_is(tmp_path: Path) -> None:
    row = {"id": "1", "text": "t", "a": 1, "b": 2}
    found = [
        read_all(jsonl(tmp_path, row), attributes=attributes)[0].attributes
        for attributes in (["a", "missing"], [], ["-a"], {"b": "double", "c": "string"})
    ]
    assert found == [{"a": 1}, {}, {"b": 2}, {"b": 2.0, "c": None}]


def test_a_field_that_appears_after_the_sample_is_refused_not_lost(tmp_path: Path) -> None:
    rows = [{"id": "1", "text": "t", "a": 1}, {"id": "2", "text": "t", "late": 1}]
    path = jsonl(tmp_path, *rows, {"id": "3", "text": "t", "out": 1, "late": None})
    corpus = Corpus(files=str(path), attributes=["-out"]).with_types({"a": "int64"})
    (shard,) = split(corpus, find_files(corpus))
    one, two, three = read(corpus, shard)
    assert [one.attributes, three.attributes] == [{"a": 1}, {"a": None}]
    assert failure(two).kind == "BadAttribute"
    assert failure(two).id == "2"
    assert "'late' of type int64" in failure(two).message


def test_a_limit_counts_over_all_files_in_order_failures_too(tmp_path: Path) -> None:
    jsonl(tmp_path, {"id": "1", "text": "a"}, {"id": "2"}, name="a.jsonl")
    jsonl(tmp_path, {"id": "3", "text": "c"}, {"id": "4", "text": "d"}, name="b.jsonl")
    assert [found.id for found in read_all(tmp_path, limit=3)] == ["1", "2", "3"]
    assert len(read_all(tmp_path, limit=9)) == 4


def test_a_file_that_is_gone_stops_the_job_naming_it(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"id": "1", "text": "a"})
    corpus = Corpus(files=str(path))
    (shard,) = split(corpus, find_files(corpus))
    path.unlink()
    with pytest.raises(DatasetError, match=r"a\.jsonl"):
        list(read(corpus, shard))


def test_every_format_is_read_from_an_object_store(s3: str, tmp_path: Path) -> None:
    table = tmp_path / "d.parquet"
    pq.write_table(pa.table({"id": ["d"], "text": ["four"]}), table)
    rows = {
        "a.jsonl": b'{"id": "a", "text": "one"}\nbad\n',
        "b.csv.gz": gzip.compress(b"id,text\nb,two\n"),
        "c.txt": b"three",
        "sub/d.parquet": table.read_bytes(),
    }
    for name, data in rows.items():
        files.write_bytes(files.join(s3, name), data)
    found = read_all(s3)
    assert [(each.id, each.text, each.source, each.line) for each in found] == [
        ("a", "one", "s3://bucket/a.jsonl", 1),
        (None, None, "s3://bucket/a.jsonl", 2),
        ("b", "two", "s3://bucket/b.csv.gz", 2),
        ("c.txt", "three", "s3://bucket/c.txt", 1),
        ("d", "four", "s3://bucket/sub/d.parquet", 1),
    ]
