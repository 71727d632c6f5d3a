"""Rows of JSON Lines and plain text, read from real files."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from embed_pipeline.errors import ConfigError, DatasetError, UnreadableLine
from embed_pipeline.formats import detect, json_rows, text_lines, whole_text


def write(folder: Path, data: bytes, name: str = "a.jsonl") -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def faults(rows: list[tuple[int, Any]]) -> list[tuple[int, str]]:
    return [(line, str(row)) for line, row in rows if isinstance(row, UnreadableLine)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.jsonl", ("jsonl", None)),
        ("a.NDJSON", ("jsonl", None)),
        ("a.json-lines", ("jsonl", None)),
        ("a.jsonl.gz", ("jsonl", "gzip")),
        ("a.b.csv.zst", ("csv", "zstd")),
        ("a.tsv", ("tsv", None)),
        ("dir.csv/a.parquet", ("parquet", None)),
        ("README.md", ("text", None)),
        ("a.rst.gz", ("text", "gzip")),
        ("s3://bucket/a.csv?endpoint_override=http://127.0.0.1:1", ("csv", None)),
    ],
)
def test_the_extension_says_the_format(path: str, expected: tuple[str, str | None]) -> None:
    assert detect(path) == expected


def test_a_declared_format_beats_the_extension_but_not_the_compression() -> None:
    assert detect("a.txt.gz", "jsonl") == ("jsonl", "gzip")
    assert detect("noextension", "csv") == ("csv", None)


@pytest.mark.parametrize("path", ["a.json", "a", "a.docx", "a.gz", "s3://bucket/x"])
def test_an_unknown_extension_names_the_setting(path: str) -> None:
    with pytest.raises(ConfigError, match=r"corpus\.format"):
        detect(path)


def test_compressed_parquet_is_refused() -> None:
    with pytest.raises(ConfigError, match="decompress"):
        detect("a.parquet.gz")


def test_blank_lines_are_left_out_but_counted(tmp_path: Path) -> None:
    path = write(tmp_path, b'{"a": 1}\r\n\n  \t\r\n{"a": 2}')
    assert list(json_rows(path)) == [(1, {"a": 1}), (4, {"a": 2})]


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    assert list(json_rows(write(tmp_path, b""))) == []


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    assert list(json_rows(write(tmp_path, b'\xef\xbb\xbf{"a": 1}'))) == [(1, {"a": 1})]


def test_escapes_of_lone_surrogates_are_read(tmp_path: Path) -> None:
    rows = list(json_rows(write(tmp_path, b'{"a": "\\ud800"}\n{"\\udfff": 1}')))
    assert rows == [(1, {"a": "\ud800"}), (2, {"\udfff": 1})]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"a": 1', "not JSON: Expecting ',' delimiter at character 7"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": "\xe9t\xe9"}', "byte 16: 0xe9 is not UTF-8"),
        (b"[1, 2]", "a JSON array, not an object"),
        (b'"text"', "a JSON string"),
        (b"null", "a JSON null"),
        (b"1.5", "a JSON number"),
        (b"[" * 100_000 + b"]" * 100_000, "not JSON"),
    ],
)
def test_a_line_that_is_no_object_stands_alone(tmp_path: Path, line: bytes, why: str) -> None:
    rows = list(json_rows(write(tmp_path, b'{"a": 0}\n' + line + b'\n{"a": 2}\n')))
    assert [rows[0], rows[2]] == [(1, {"a": 0}), (3, {"a": 2})]
    ((number, message),) = faults(rows)
    assert number == 2
    assert message.startswith("byte ")
    assert why in message


@pytest.mark.parametrize("data", [b'[{"a": 1}]', b"[\n1\n]", b'\xef\xbb\xbf [{"a": 1},\n{"a":2}]'])
def test_a_json_array_is_refused_as_a_whole(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"a\.jsonl is one JSON array.*jq"):
        list(json_rows(write(tmp_path, data)))


def test_compressed_files_are_read_whole_with_all_their_members(tmp_path: Path) -> None:
    one, two = b'{"a": 1}\n', b'{"a": 2}\n'
    gz = write(tmp_path, gzip.compress(one) + gzip.compress(two), "a.jsonl.gz")
    zst = write(tmp_path, zstandard.compress(one) + zstandard.compress(two), "a.jsonl.zst")
    assert list(json_rows(gz, "gzip")) == [(1, {"a": 1}), (2, {"a": 2})]
    assert list(json_rows(zst, "zstd")) == [(1, {"a": 1}), (2, {"a": 2})]


@pytest.mark.parametrize(("name", "compression"), [("a.jsonl.gz", "gzip"), ("a.jsonl.zst", "zstd")])
@pytest.mark.parametrize("damage", ["cut", "not compressed"])
def test_a_damaged_compressed_file_is_an_error_naming_it(
    tmp_path: Path, name: str, compression: str, damage: str
) -> None:
    plain = "\n".join(json.dumps({"a": str(number) * 50}) for number in range(5000)).encode()
    packed = gzip.compress(plain) if compression == "gzip" else zstandard.compress(plain)
    path = write(tmp_path, packed[: len(packed) // 2] if damage == "cut" else plain, name)
    with pytest.raises(DatasetError, match=name):
        list(json_rows(path, compression))


def test_a_missing_file_is_an_error_naming_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.jsonl"):
        list(json_rows(str(tmp_path / "gone.jsonl")))


def test_text_lines_lose_their_ends_and_blank_ones_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xef\xbb\xbfone \r\n\n \t\n two", "a.txt")
    assert list(text_lines(path)) == [(1, "one "), (4, " two")]


def test_a_text_line_of_wrong_encoding_stands_alone(tmp_path: Path) -> None:
    rows = list(text_lines(write(tmp_path, b"one\n\xfftwo\nthree", "a.txt")))
    assert [rows[0], rows[2]] == [(1, "one"), (3, "three")]
    assert faults(rows) == [(2, "byte 4: 0xff is not UTF-8; save the file as UTF-8")]


def test_a_whole_text_is_left_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, gzip.compress("\ufeffa\r\n\u00e9\n".encode()), "a.txt.gz")
    assert whole_text(path, "gzip") == "a\r\n\u00e9\n"


def test_a_whole_text_of_wrong_encoding_is_a_fault(tmp_path: Path) -> None:
    assert str(whole_text(write(tmp_path, b"a\xff", "a.txt"))).startswith("byte 1: 0xff")
