"""The schema and the number of documents, from a sample of real files."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_pipeline.corpus import Corpus, find_files
from embed_pipeline.errors import ConfigError, DatasetError
from embed_pipeline.scan import Scan, infer


def scan(path: Path, **settings: Any) -> Scan:
    corpus = Corpus(files=str(path), **settings)
    return infer(corpus, find_files(corpus))


def jsonl(folder: Path, rows: list[dict[str, Any]], name: str = "a.jsonl") -> Path:
    path = folder / name
    path.write_text(
        "".join(json.dumps({"id": str(n), "text": "t", **row}) + "\n" for n, row in enumerate(rows))
    )
    return path


def parquet(folder: Path, name: str = "a.parquet", **columns: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": ["1"], "text": ["t"], **columns}), path)
    return path


def test_json_values_have_their_types_in_the_order_they_appear(tmp_path: Path) -> None:
    row = {"s": "a", "n": 1, "x": 0.5, "b": True, "list": [1], "none": None, "object": {}}
    found = scan(jsonl(tmp_path, [row]))
    assert found.types == {
        "s": "string", "n": "int64", "x": "double", "b": "bool", "list": "string",
        "none": "string", "object": "string",
    }  # fmt: skip
    assert list(found.types) == list(row)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 0.5], "double"),
        ([0.5, 1], "double"),
        ([None, 1], "int64"),
        ([1, "a"], "int64"),
        (["a", 1], "string"),
        ([True, 1], "bool"),
        ([2**63], "string"),
    ],
)
def test_types_that_differ(tmp_path: Path, values: list[Any], expected: str) -> None:
    assert scan(jsonl(tmp_path, [{"a": value} for value in values])).types == {"a": expected}


def test_declared_types_are_taken_as_they_are(tmp_path: Path) -> None:
    path = jsonl(tmp_path, [{"a": 1, "b": 2}])
    assert scan(path, attributes={"b": "string", "c": "bool"}).types == {"b": "string", "c": "bool"}


def test_what_is_always_null_is_a_string_by_guess(tmp_path: Path) -> None:
    path = jsonl(tmp_path, [{"a": None, "b": 1}, {"a": None, "b": None}])
    assert scan(path).types == {"a": "string", "b": "int64"}
    assert scan(path).nulls == frozenset({"a"})
    assert scan(path, attributes={"a": "int64"}).nulls == frozenset()


def test_only_what_is_asked_for_is_in_the_schema(tmp_path: Path) -> None:
    path = jsonl(tmp_path, [{"a": 1, "b": 2}])
    assert scan(path, attributes=["b"]).types == {"b": "int64"}
    assert scan(path, attributes=["-b"]).types == {"a": "int64"}
    assert scan(path, id="").types == {"id": "string", "a": "int64", "b": "int64"}


def test_csv_columns_are_strings(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text,year\n1,a,1999\n")
    assert scan(tmp_path) == Scan({"year": "string"}, documents=1, exact=True)


def test_parquet_columns_keep_the_types_of_their_schema(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        n=pa.array([1], pa.uint8()),
        x=pa.array([1], pa.float32()),
        at=pa.array([1], pa.timestamp("s")),
        none=pa.array([None]),
        tags=[["a"]],
    )
    assert scan(path) == Scan(
        {"n": "int64", "x": "double", "at": "string", "none": "string", "tags": "string"},
        documents=1,
        exact=True,
        nulls=frozenset({"none"}),
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2023", "2024"], "int64"),
        (["-1", "__HIVE_DEFAULT_PARTITION__"], "int64"),
        (["01", "02"], "string"),
        (["2023", "unknown"], "string"),
        (["9223372036854775808"], "string"),
        (["__HIVE_DEFAULT_PARTITION__"], "string"),
    ],
)
def test_hive_folders_are_integers_only_where_nothing_is_lost(
    tmp_path: Path, values: list[str], expected: str
) -> None:
    for value in values:
        parquet(tmp_path, f"key={value}/a.parquet")
    assert scan(tmp_path).types == {"key": expected}


def test_parquet_files_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    parquet(tmp_path, "a.parquet", n=[1])
    parquet(tmp_path, "b.parquet", n=["x"])
    with pytest.raises(ConfigError, match=r"'n' is int64 in .*a\.parquet, but string in .*b\.parq"):
        scan(tmp_path)
    assert scan(tmp_path, attributes={"n": "string"}).types == {"n": "string"}


def test_parquet_files_may_differ_in_what_merges(tmp_path: Path) -> None:
    parquet(tmp_path, "a.parquet", n=[1], none=pa.array([None]))
    parquet(tmp_path, "b.parquet", n=[0.5], none=[True])
    assert scan(tmp_path).types == {"n": "double", "none": "bool"}


def test_bytes_cannot_be_an_attribute(tmp_path: Path) -> None:
    path = parquet(tmp_path, image=[b"x"])
    with pytest.raises(ConfigError, match=r"'image' is of type binary.*\[\"-image\"\]"):
        scan(path)
    assert scan(path, attributes=["-image"]).types == {}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"text": "body"}, "'body'; the fields are id, n, text; set corpus.text"),
        ({"text": "{text} {title}"}, "'title'"),
        ({"id": "key"}, "'key'"),
        ({"attributes": ["m"]}, "'m'.*corpus.attributes"),
    ],
)
def test_a_field_that_no_row_has_is_an_error_before_any_work(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        scan(jsonl(tmp_path, [{"n": 1}]), **settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"text": "body"}, "no column 'body', but id, text, n, x; set corpus.text"),
        ({"text": "n"}, "column 'n' is of type int64, not string"),
        ({"id": "x"}, "column 'x' is of type double"),
    ],
)
def test_a_parquet_file_without_a_usable_text_or_id_is_named(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    path = parquet(tmp_path, n=[1], x=[0.5])
    with pytest.raises(ConfigError, match=words):
        scan(path, **settings)


def test_a_template_may_have_numbers_of_parquet(tmp_path: Path) -> None:
    assert scan(parquet(tmp_path, n=[1]), text="{text} {n}").types == {}


def test_a_sample_in_which_nothing_can_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{\n  "text": "pretty"\n}\n')
    with pytest.raises(ConfigError, match=r"no row of the sample can be read.*a\.jsonl:1: "):
        scan(tmp_path)


def test_one_bad_line_among_good_ones_is_left_to_the_reading(tmp_path: Path) -> None:
    path = jsonl(tmp_path, [{"n": 1}])
    path.write_text("bad\n" + path.read_text())
    assert scan(path) == Scan({"n": "int64"}, documents=2, exact=True)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.csv.gz", "a.parquet"])
def test_a_damaged_file_is_an_error_naming_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises(DatasetError, match=name):
        scan(tmp_path)


def test_text_files_are_one_document_each(tmp_path: Path) -> None:
    for index in range(3):
        (tmp_path / f"{index}.txt").write_text("a\nb\n")
    assert scan(tmp_path) == Scan({}, documents=3, exact=True)
    assert scan(tmp_path, text_per="line") == Scan({}, documents=6, exact=True)


def test_an_empty_file_has_no_documents(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    assert scan(tmp_path) == Scan({}, documents=0, exact=True)


@pytest.mark.parametrize("packed", [False, True])
def test_more_rows_than_the_sample_are_estimated_from_their_bytes(
    tmp_path: Path, packed: bool
) -> None:
    path = jsonl(tmp_path, [{"n": f"{n:05}" * 50} for n in range(20_000)])
    if packed:
        (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        path.unlink()
    found = scan(tmp_path)
    assert not found.exact
    assert found.documents == pytest.approx(20_000, rel=0.1)


def test_files_outside_the_sample_are_estimated_from_those_in_it(tmp_path: Path) -> None:
    for index in range(250):
        jsonl(tmp_path, [{"n": 1}] * 4, f"{index:03}.jsonl")
    assert scan(tmp_path) == Scan({"n": "int64"}, documents=1000, exact=False)


def test_the_sample_reaches_files_beyond_the_first_hundred(tmp_path: Path) -> None:
    for index in range(102):
        jsonl(tmp_path, [{"late": 1} if index > 100 else {"n": 1}], f"{index:03}.jsonl")
    assert scan(tmp_path).types == {"n": "int64", "late": "int64"}


def test_a_limit_bounds_the_number_and_may_make_it_exact(tmp_path: Path) -> None:
    path = jsonl(tmp_path, [{}] * 3000)
    assert scan(path, limit=500) == Scan({}, documents=500, exact=True)
    assert scan(path, limit=2000) == Scan({}, documents=2000, exact=False)
    assert scan(jsonl(tmp_path, [{}] * 3), limit=5) == Scan({}, documents=3, exact=True)
