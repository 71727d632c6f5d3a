"""Failures read back: which may be tried again, and the documents they were."""

from pathlib import Path

import pyarrow as pa
import pytest

from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.documents import failed_document
from embed_pipeline.errors import (
    BadCharacter,
    DatasetError,
    EmptyText,
    RefusedError,
    RunnerCrashed,
    TextTooLong,
)
from embed_pipeline.failure_parts import FailureWriter
from embed_pipeline.manifest import DataFile
from embed_pipeline.records import Document, Failed
from embed_pipeline.retriable import (
    is_retriable,
    read_failures,
    refuse_known,
    restored,
    retriable_ids,
)
from embed_pipeline.staging import Run
from tests.support.datasets import dataset
from tests.support.rows import RUN_ID, row

DOCUMENT = Document("a", "text", {"n": 1}, "f.jsonl", 7)
CRASHED = failed_document(DOCUMENT, RunnerCrashed("EOF", 400), attempts=3, endpoint="http://x:1")


def test_failures_come_back_as_they_were_written(tmp_path: Path) -> None:
    unread = Failed(None, None, None, "f.jsonl", 8, "read", "UnreadableLine", "document", "cut")
    writer = FailureWriter(Run(str(tmp_path), RUN_ID))
    writer.add(CRASHED)
    writer.add(unread)
    (part,) = writer.close()
    assert list(read_failures(part.path)) == [CRASHED, unread]


def test_what_the_endpoint_failed_at_may_be_tried_again() -> None:
    assert is_retriable(CRASHED)
    assert is_retriable(failed_document(DOCUMENT, TextTooLong("too long", 400)))
    assert is_retriable(CRASHED._replace(kind="AKindOfAnotherVersion"))


@pytest.mark.parametrize(
    "failure",
    [
        failed_document(Document("a", " "), EmptyText("empty")),
        failed_document(Document("a", "\ud800"), BadCharacter("surrogate"), stage="chunk"),
        CRASHED._replace(stage="write", kind="BadAttribute"),
        CRASHED._replace(stage="read"),
        CRASHED._replace(id=None),
        CRASHED._replace(text=None),
    ],
)
def test_what_no_endpoint_can_change_may_not(failure: Failed) -> None:
    assert not is_retriable(failure)


def test_a_document_comes_back_with_its_place() -> None:
    assert restored(CRASHED, {"n": "int64"}) == DOCUMENT
    assert restored(CRASHED._replace(attributes=None), None).attributes == {}


@pytest.mark.parametrize(
    ("json", "value", "kind"),
    [
        ("5", 5, "int64"),
        ('"5"', 5, "int64"),
        ('"05"', "05", "string"),
        ("0.5", 0.5, "double"),
        ('"0.5"', 0.5, "double"),
        ("true", True, "bool"),
        ('"True"', True, "bool"),
        ('"é"', "é", "string"),
        ("null", None, "bool"),
        ('"many"', "many", "int64"),
    ],
)
def test_attributes_have_the_types_of_the_columns(json: str, value: object, kind: str) -> None:
    types: AttributeTypes = {"x": kind}  # type: ignore[dict-item]  # a literal of the table above
    found = restored(CRASHED._replace(attributes=f'{{"x":{json}}}'), types).attributes["x"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("attributes", ["[1]", "{", "5", '"x"'])
def test_damaged_attributes_are_told(attributes: str) -> None:
    with pytest.raises(DatasetError, match="attributes of 'a' are no JSON object"):
        restored(CRASHED._replace(attributes=attributes), {})


def test_a_missing_file_of_failures_is_told(tmp_path: Path) -> None:
    missing = DataFile(path="failures/x.parquet", rows=1, bytes=1, sha256="")
    with pytest.raises(DatasetError, match=r"failures/x\.parquet cannot be read.*from a copy"):
        retriable_ids(str(tmp_path), [missing])


def test_ids_of_rows_are_refused(tmp_path: Path) -> None:
    manifest = dataset(tmp_path, [row("a"), row("b")], [row("c")])
    refuse_known(str(tmp_path), manifest.data, "id", pa.array(["d", "e"]))
    with pytest.raises(RefusedError, match=r"2 of the failed documents' ids.*: 'a', 'c'; an id"):
        refuse_known(str(tmp_path), manifest.data, "id", pa.array(["c", "d", "a"]))


def test_an_id_that_failed_twice_is_refused(tmp_path: Path) -> None:
    manifest = dataset(tmp_path, [row("a")])
    with pytest.raises(RefusedError, match=r"1 of the failed documents' ids.*: 'd'; an id"):
        refuse_known(str(tmp_path), manifest.data, "id", pa.array(["d", "d"]))
