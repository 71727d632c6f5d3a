"""Rows of Parquet, read from real files."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_pipeline.errors import DatasetError
from embed_pipeline.parquet_rows import (
    BATCH_ROWS,
    attribute_type,
    hive_values,
    is_string,
    parquet_rows,
    read_footer,
)


def write(folder: Path, table: dict[str, Any] | pa.Table, **options: Any) -> str:
    path = folder / "a.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table) if isinstance(table, dict) else table, path, **options)
    return str(path)


def test_only_the_needed_columns_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": [1, 2], "text": ["a", None], "big": ["x", "y"]})
    rows = list(parquet_rows(path, lambda name: name != "big"))
    assert rows == [(1, {"id": 1, "text": "a"}), (2, {"id": 2, "text": None})]


def test_row_groups_are_read_by_range_with_their_row_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, {"n": list(range(10))}, row_group_size=3)
    assert read_footer(path)[1] == [3, 3, 3, 1]
    assert list(parquet_rows(path, bool, 1, 3)) == [(n + 1, {"n": n}) for n in range(3, 9)]


def test_rows_cross_batches_in_order(tmp_path: Path) -> None:
    count = BATCH_ROWS * 2 + 1
    path = write(tmp_path, {"n": list(range(count))})
    assert list(parquet_rows(path, bool)) == [(n + 1, {"n": n}) for n in range(count)]


def test_folders_are_columns_unless_the_file_has_them(tmp_path: Path) -> None:
    folder = tmp_path / "lang=en" / "year=2024" / "tag=a%2Fb"
    path = write(folder, {"text": ["a"], "lang": ["de"]})
    reads = {"text", "lang", "tag"}.__contains__
    assert list(parquet_rows(path, reads)) == [(1, {"text": "a", "lang": "de", "tag": "a/b"})]
    assert list(parquet_rows(path, {"year"}.__contains__)) == [(1, {"year": "2024"})]


def test_hive_null_is_null() -> None:
    assert hive_values("s3://b/a=__HIVE_DEFAULT_PARTITION__/b=/x=y.parquet?region=r") == {
        "a": None,
        "b": "",
    }


def test_dates_times_and_decimals_are_strings(tmp_path: Path) -> None:
    moment = datetime(2024, 1, 2, 3, 4, 5, 6, UTC)
    table = {
        "day": [date(2024, 1, 2)],
        "at": pa.array([moment.replace(tzinfo=None)], pa.timestamp("us")),
        "zoned": pa.array(
            [moment.replace(microsecond=7000)], pa.timestamp("ms", "UTC")),
        "clock": [time(1, 2, 3)],
        "price": [Decimal("1.50")],
        "none": pa.array([None], pa.date32()),
    }  # fmt: skip
    assert list(parquet_rows(write(tmp_path, table), bool)) == [
        (
            1,
            {
                "day": "2024-01-02",
                "at": "2024-01-02T03:04:05.000006",
                "zoned": "2024-01-02T03:04:05.007Z",
                "clock": "01:02:03.000000",
                "price": "1.50",
                "none": None,
            },
        )
    ]


def test_dictionaries_and_nested_values_are_read(tmp_path: Path) -> None:
    table = {"lang": pa.array(["en", "en"]).dictionary_encode(), "tags": [["a"], []]}
    assert [row for _, row in parquet_rows(write(tmp_path, table), bool)] == [
        {"lang": "en", "tags": ["a"]},
        {"lang": "en", "tags": []},
    ]


def test_extension_types_are_read_as_what_they_store(tmp_path: Path) -> None:
    table = {"meta": pa.array(['{"a": 1}'], pa.json_(pa.string()))}
    assert list(parquet_rows(write(tmp_path, table), bool)) == [(1, {"meta": '{"a": 1}'})]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.int8(), "int64"),
        (pa.uint64(), "int64"),
        (pa.float16(), "double"),
        (pa.float64(), "double"),
        (pa.bool_(), "bool"),
        (pa.large_string(), "string"),
        (pa.dictionary(pa.int32(), pa.string()), "string"),
        (pa.timestamp("ns", "UTC"), "string"),
        (pa.date32(), "string"),
        (pa.decimal128(9, 2), "string"),
        (pa.list_(pa.int64()), "string"),
        (pa.struct([("a", pa.int64())]), "string"),
        (pa.null(), "string"),
        (pa.binary(), None),
        (pa.duration("s"), None),
    ],
)
def test_the_type_an_attribute_gets(kind: pa.DataType, expected: str | None) -> None:
    assert attribute_type(kind) == expected


def test_strings_are_recognized_behind_dictionaries() -> None:
    assert is_string(pa.dictionary(pa.int32(), pa.large_string()))
    assert not is_string(pa.dictionary(pa.int32(), pa.int64()))


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"not parquet at all"])
def test_a_damaged_file_is_an_error_naming_it(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "bad.parquet").write_bytes(damage)
    with pytest.raises(DatasetError, match=r"bad\.parquet"):
        list(parquet_rows(str(tmp_path / "bad.parquet"), bool))


def test_a_truncated_file_is_an_error_naming_it(tmp_path: Path) -> None:
    path = Path(write(tmp_path, {"n": list(range(10_000)), "d": [timedelta(1)] * 10_000}))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError, match=r"a\.parquet"):
        read_footer(str(path))
