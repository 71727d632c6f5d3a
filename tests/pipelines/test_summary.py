"""What a run tells at its end."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_pipeline import errors
from embed_pipeline.manifest import Counts, DataFile, Manifest
from embed_pipeline.pipelines.summary import pairs, some_failures
from tests.support.rows import RUN_ID, made_by


def manifest(**counts: object) -> Manifest:
    """Return the manifest of a dataset of ten rows."""
    found = {
        "documents": 10,
        "rows": 10,
        "failed": 0,
        "duplicates_dropped": 0,
        "tokens": 1_234,
        "rows_by_token_count_source": {"server": 1, "verified": 9},
        "rows_by_truncated": {"false": 10},
        "failed_by_blame_and_kind": {},
        **counts,
    }
    return Manifest(
        run_id=RUN_ID,
        started="2026-01-01T00:00:00.000+00:00",
        finished="2026-01-01T00:00:02.000+00:00",
        provenance=made_by(),
        job={},
        columns={"id": "string"},
        counts=Counts.model_validate(found),
        recount={"verified": {"asked": 9, "agreed": 8}},
        data=[DataFile(path="data/part-00000.parquet", rows=10, bytes=2_000_000, sha256="")],
        failures=[],
    )


def told(found: Manifest, path: str = "out", *, too_many: bool = False) -> dict[str, list[str]]:
    """Return the texts beside each name."""
    lines: dict[str, list[str]] = {}
    last = ""
    for name, text in pairs(path, found, 7.0, too_many=too_many):
        last = name or last
        lines.setdefault(last, []).append(text)
    return lines


def test_it_tells_what_ran_and_what_came_of_it() -> None:
    found = told(manifest())
    assert found["dataset"] == ["out"]
    assert found["run"] == [RUN_ID]
    assert found["rows"] == ["10 in 1 file, 2.0 MB"]
    assert found["time"] == [
        "2.0 s from start to publishing, 5 texts/s over that time",
        "7.0 s in all",
    ]


def test_where_rows_were_dropped_the_rate_is_of_those_that_were_kept() -> None:
    dropped = manifest(documents=14, duplicates_dropped=4)
    assert told(dropped)["time"][0] == "2.0 s from start to publishing, 5 rows/s over that time"


def test_it_tells_how_far_token_counts_are_known() -> None:
    assert told(manifest())["tokens"] == [
        "1,234 (1 row server, 9 rows verified)",
        "asked again alone: 8 of 9 verified ones agree with the endpoint's",
    ]


def test_it_tells_how_many_rows_were_cut() -> None:
    some = manifest(rows_by_truncated={"false": 6, "true": 4})
    unknown = manifest(rows_by_truncated={"null": 10})
    assert told(some)["truncated"] == ["4 rows (the model reads 256 tokens)"]
    assert told(unknown)["truncated"] == [
        "0 rows; of 10 it is not known (the model reads 256 tokens)"
    ]


def test_it_tells_documents_from_pieces() -> None:
    assert told(manifest())["documents"] == ["10"]
    assert told(manifest(chunked_documents=3))["documents"] == ["3, split into 10 pieces"]
    assert told(manifest(chunked_documents=10))["documents"] == ["10, none split"]


def test_it_tells_failures_by_kind_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors.EmptyText, "cure", "Give it a text.", raising=False)
    kinds = {"document:EmptyText": 2, "server:NoSuchKind": 1}
    assert told(manifest(failed=3, failed_by_blame_and_kind=kinds))["failed"] == [
        "3",
        "2 EmptyText (document)",
        "  Give it a text.",
        "1 NoSuchKind (server)",
    ]


def test_it_tells_which_files_there_are(tmp_path: Path) -> None:
    assert told(manifest(), str(tmp_path))["files"] == ["data/, manifest.json"]
    (tmp_path / "report.html").touch()
    assert told(manifest(), str(tmp_path))["files"] == ["data/, manifest.json, report.html"]


def test_it_tells_what_the_exit_code_means() -> None:
    assert told(manifest())["exit code"] == ["0: the dataset is published"]
    assert told(manifest(), too_many=True)["exit code"] == [
        "3: published, but more failed than output.max_failed_fraction allows"
    ]


def test_failures_are_told_by_kind_and_place_without_what_the_endpoint_says(
    tmp_path: Path,
) -> None:
    rows: list[dict[str, object]] = [
        {"source": "a.jsonl", "line": 3, "kind": "TextTooLong", "id": "x"},
        {"source": "b.txt", "line": None, "kind": "EmptyText", "id": "y"},
        {"source": None, "line": None, "kind": "ServerFault", "id": "z"},
    ]
    (tmp_path / "failures").mkdir()
    kept = [{**row, "message": "a secret text"} for row in rows]
    pq.write_table(pa.Table.from_pylist(kept), tmp_path / "failures/part.parquet")
    failures = [DataFile(path="failures/part.parquet", rows=3, bytes=1, sha256="")]
    found = manifest().model_copy(update={"failures": failures})
    assert some_failures(str(tmp_path), found).splitlines() == [
        "  TextTooLong: a.jsonl:3",
        "  EmptyText: b.txt",
        "  ServerFault: id z",
        f"  all of them, with messages: {tmp_path}/failures",
    ]


def test_without_failures_none_is_shown() -> None:
    assert some_failures("out", manifest()) == ""
