"""The manifest: read back, refused when damaged or newer, and who is to blame for failures."""

import json
from pathlib import Path

import pytest

from embed_pipeline.errors import DatasetError
from embed_pipeline.manifest import Counts, read_manifest


def counts(documents: int, **failed: int) -> Counts:
    return Counts(
        documents=documents,
        rows=documents - sum(failed.values()),
        failed=sum(failed.values()),
        duplicates_dropped=0,
        tokens=0,
        rows_by_token_count_source={},
        failed_by_blame_and_kind={f"{blame}:Kind": count for blame, count in failed.items()},
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (counts(100), False),
        (counts(100, document=1), False),
        (counts(100, document=2), True),
        (counts(100, server=1), True),
        (counts(0), False),
    ],
)
def test_documents_may_fail_up_to_a_fraction_servers_never(found: Counts, expected: bool) -> None:
    assert found.too_many_failed(0.01) is expected


def test_no_manifest_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"holds no complete dataset: manifest.json is missing"):
        read_manifest(str(tmp_path))


def test_a_manifest_of_a_version_that_counted_less_is_read(tmp_path: Path) -> None:
    file = {"path": "data/part-00000.parquet", "rows": 1, "bytes": 9, "sha256": "0" * 64}
    old = {
        "format": 1,
        "run_id": "20260101T000000Z-abc123",
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:00:01+00:00",
        "provenance": {},
        "job": {},
        "columns": {"id": "string"},
        "counts": {
            "documents": 1,
            "rows": 1,
            "failed": 0,
            "duplicates_dropped": 0,
            "tokens": 5,
            "rows_by_token_count_source": {"estimated": 1},
            "failed_by_blame_and_kind": {},
        },
        "data": [file],
        "failures": [],
    }
    (tmp_path / "manifest.json").write_text(json.dumps(old))
    found = read_manifest(str(tmp_path))
    assert (found.recount, found.plan) == ({}, None)
    assert (found.counts.rows_by_truncated, found.counts.chunked_documents) == ({}, None)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 1}'])
def test_a_damaged_manifest_is_an_error(tmp_path: Path, damage: str) -> None:
    (tmp_path / "manifest.json").write_text(damage)
    with pytest.raises(DatasetError, match="is damaged"):
        read_manifest(str(tmp_path))


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 2}')
    with pytest.raises(DatasetError, match=r"is of format 2.*install the newer version"):
        read_manifest(str(tmp_path))
