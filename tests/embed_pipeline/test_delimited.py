"""Rows of CSV and TSV, read from real files."""

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.delimited import delimited_rows
from embed_pipeline.errors import ConfigError, DatasetError, UnreadableLine


def read(folder: Path, data: bytes | str, delimiter: str = ",") -> list[tuple[int, Any]]:
    path = folder / "a.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    rows = delimited_rows(str(path), None, delimiter)
    return [(line, str(row) if isinstance(row, UnreadableLine) else row) for line, row in rows]


def test_rows_carry_the_line_they_begin_in(tmp_path: Path) -> None:
    data = 'id,text\r\n1,"two\r\nlines"\r\n\r\n2,"a ""quote"", and comma"\r\n'
    assert read(tmp_path, data) == [
        (2, {"id": "1", "text": "two\r\nlines"}),
        (5, {"id": "2", "text": 'a "quote", and comma'}),
    ]


def test_tabs_delimit_tsv(tmp_path: Path) -> None:
    assert read(tmp_path, "id\ttext\n1\ta, b", "\t") == [(2, {"id": "1", "text": "a, b"})]


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeffid,text\n1,a") == [(2, {"id": "1", "text": "a"})]


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"id\n1\n"))
    assert list(delimited_rows(str(tmp_path / "a.csv.gz"), "gzip", ",")) == [(2, {"id": "1"})]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("1", "1 field where the header names 2"),
        ("1,a,b", "3 fields where the header names 2"),
        ('1,"a"b', "expected after '\"'"),
    ],
)
def test_a_row_that_does_not_fit_the_header_stands_alone(
    tmp_path: Path, row: str, why: str
) -> None:
    rows = read(tmp_path, f"id,text\n0,x\n{row}\n2,y\n")
    assert [rows[0], rows[2]] == [(2, {"id": "0", "text": "x"}), (4, {"id": "2", "text": "y"})]
    assert rows[1][0] == 3
    assert why in rows[1][1]


def test_a_row_of_wrong_encoding_stands_alone(tmp_path: Path) -> None:
    rows = read(tmp_path, b'id,text\n1,"a\n\xff\nb"\n2,c\n')
    assert rows == [
        (2, "byte 13: 0xff is not UTF-8; save the file as UTF-8"),
        (5, {"id": "2", "text": "c"}),
    ]


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_a_quote_that_is_never_closed_costs_the_row_it_stands_in_alone(
    tmp_path: Path, delimiter: str
) -> None:
    data = 'id,text\n1,a\n2,"b\n3,c\n4,d'.replace(",", delimiter)
    assert read(tmp_path, data, delimiter) == [
        (2, {"id": "1", "text": "a"}),
        (
            3,
            (
                "a quote opens that is not closed before the end of the file; reading goes on with "
                "the next line; close the quote, or double the quotes inside a quoted field"
            ),
        ),
        (4, {"id": "3", "text": "c"}),
        (5, {"id": "4", "text": "d"}),
    ]


@pytest.mark.parametrize("delimiter", [",", "\t"])
@pytest.mark.parametrize("broken", [[10_000], [1], [20_000], [5_000, 5_001, 19_000]])
def test_stray_quotes_among_many_rows_cost_their_own_rows_alone(
    tmp_path: Path, delimiter: str, broken: list[int]
) -> None:
    texts = {number: f"text {number}" for number in range(1, 20_001)}
    texts.update((number, '"open quote') for number in broken)
    lines = ["id,text", *(f"{number},{text}" for number, text in texts.items())]
    rows = read(tmp_path, "\n".join(lines).replace(",", delimiter), delimiter)
    assert [line for line, _ in rows] == list(range(2, 20_002))
    assert [line - 1 for line, row in rows if isinstance(row, str)] == broken
    assert all(row["id"] == str(line - 1) for line, row in rows if not isinstance(row, str))


def test_lines_count_on_behind_a_stray_quote_and_a_field_of_many_lines(tmp_path: Path) -> None:
    rows = read(tmp_path, 'id,text\n1,"open\n2,"two\nlines"\n3,"c"\n')
    assert "expected after" in rows[0][1]
    assert [line for line, _ in rows] == [2, 3, 5]
    assert [row for _, row in rows[1:]] == [
        {"id": "2", "text": "two\nlines"},
        {"id": "3", "text": "c"},
    ]


def test_a_fault_of_encoding_behind_a_stray_quote_is_told_too(tmp_path: Path) -> None:
    rows = read(tmp_path, b'id,text\n1,"open\n2,\xff\n3,c\n')
    assert "a quote opens" in rows[0][1]
    assert rows[1:] == [
        (3, "byte 18: 0xff is not UTF-8; save the file as UTF-8"),
        (4, {"id": "3", "text": "c"}),
    ]


def test_a_field_may_span_ten_thousand_lines_and_no_more(tmp_path: Path) -> None:
    text = "a\n" * 9_999
    assert read(tmp_path, f'text\n"{text}"\nb') == [(2, {"text": text}), (10_002, {"text": "b"})]
    rows = read(tmp_path, f'text\n"a\n{text}"\nb')
    assert rows[0][1].startswith("a quote opens that is not closed within 10,000 lines and 64 MiB;")
    assert rows[1:10_000] == [(line, {"text": "a"}) for line in range(3, 10_002)]


def test_two_stray_quotes_that_pair_up_are_read_as_one_field(tmp_path: Path) -> None:
    assert read(tmp_path, 'id,text\n1,"a\n2,b"\n3,c') == [
        (2, {"id": "1", "text": "a\n2,b"}),
        (4, {"id": "3", "text": "c"}),
    ]


def test_a_text_of_a_megabyte_is_no_problem(tmp_path: Path) -> None:
    assert read(tmp_path, "text\n" + "x" * 1_000_000) == [(2, {"text": "x" * 1_000_000})]


def test_a_column_without_a_name_gets_one(tmp_path: Path) -> None:
    assert read(tmp_path, ",text\n0,a") == [(2, {"column_1": "0", "text": "a"})]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the file is empty"),
        (b"\nid,text\n", "blank line"),
        (b"id,text,id\n", "names a column twice: id"),
        (b"id,t\xffxt\n", "0xff is not UTF-8"),
        (b'id,"te"xt\n', "the header cannot be read"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(ConfigError, match=rf"a\.csv:1: .*{why}"):
        read(tmp_path, data)


def test_a_missing_file_is_an_error_naming_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.csv"):
        list(delimited_rows(str(tmp_path / "gone.csv"), None, ","))


FIELD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1)


@given(st.lists(st.tuples(FIELD, FIELD), max_size=10), st.sampled_from([",", "\t"]))
def test_what_the_csv_module_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str]], delimiter: str
) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([("a", "b"), *table])
    rows = read(tmp_path_factory.mktemp("csv"), text.getvalue(), delimiter)
    assert [tuple(row.values()) for _, row in rows] == table
