"""Figures as OpenMetrics text: two real parsers read the same of it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import parser as classic
from prometheus_client.openmetrics import parser as openmetrics

from embed_pipeline.manifest import Manifest, Refresh
from embed_pipeline.open_metrics import open_metrics
from tests.support.datasets import dataset
from tests.support.rows import row
from tests.support.scripted import DIGEST

REFRESH = Refresh(
    run_id="nightly",
    snapshot=12,
    base=11,
    published=True,
    started="2026-01-02T03:00:00.000+00:00",
    finished="2026-01-02T03:04:05.500+00:00",
    rows=3,
    failed=2,
    embedded=1,
    reused=2,
    inserted=4,
    updated=5,
    relabeled=6,
    deleted=7,
    forgotten=8,
    tokens=9,
    seconds=245.5,
    server_seconds=0.1,
    bytes_added=12_345_678_901,
    exit_code=3,
)
FIGURES = {
    "documents": 5,
    "rows": 3,
    "failed": 2,
    "tokens": 15,
    "refresh_embedded_rows": 1,
    "refresh_reused_rows": 2,
    "refresh_inserted_rows": 4,
    "refresh_updated_rows": 5,
    "refresh_relabeled_rows": 6,
    "refresh_deleted_rows": 7,
    "refresh_forgotten_documents": 8,
    "refresh_tokens": 9,
    "refresh_duration_seconds": 245.5,
    "refresh_server_seconds": 0.1,
    "refresh_added_bytes": 12_345_678_901,
    "refresh_exit_code": 3,
    "refresh_finished_timestamp_seconds": 1767323045.5,
}
PARSERS = pytest.mark.parametrize("parser", [openmetrics, classic], ids=["openmetrics", "classic"])


@pytest.fixture
def snapshot(tmp_path: Path) -> Manifest:
    made = dataset(tmp_path, [row("a"), row("b"), row("c")], failed=["d", "e"])
    job = {"output": {"path": "s3://bucket/store?region=us-east-1"}}
    return made.model_copy(update={"refresh": REFRESH, "job": job})


def samples(parser: Any, text: str) -> list[Any]:
    families: Iterable[Any] = parser.text_string_to_metric_families(text)
    return [sample for family in families for sample in family.samples]


@PARSERS
def test_every_figure_is_read_by_a_parser(parser: Any, snapshot: Manifest) -> None:
    found = {
        sample.name.removeprefix("embed_pipeline_"): sample.value
        for sample in samples(parser, open_metrics(snapshot))
        if sample.labels.keys() == {"store"}
    }
    assert found == FIGURES


@PARSERS
def test_a_figure_s_only_label_is_the_store_without_the_options_of_its_url(
    parser: Any, snapshot: Manifest
) -> None:
    found = samples(parser, open_metrics(snapshot))
    assert {sample.labels["store"] for sample in found} == {"s3://bucket/store"}


@PARSERS
def test_model_digest_and_snapshot_are_labels_of_one_metric(
    parser: Any, snapshot: Manifest
) -> None:
    (info,) = (one for one in samples(parser, open_metrics(snapshot)) if "model" in one.labels)
    assert (info.name, info.value) == ("embed_pipeline_dataset_info", 1)
    told = {"model": "all-minilm", "digest": DIGEST, "snapshot": "000012"}
    assert info.labels == {"store": "s3://bucket/store", **told}


@PARSERS
def test_failures_are_told_by_blame_and_kind(parser: Any, snapshot: Manifest) -> None:
    kinds = {"server:RunnerCrashed": 4, "document:EmptyText": 2}
    counts = snapshot.counts.model_copy(update={"failed_by_blame_and_kind": kinds})
    text = open_metrics(snapshot.model_copy(update={"counts": counts}))
    found = [one for one in samples(parser, text) if one.name == "embed_pipeline_failures"]
    assert [(one.labels["blame"], one.labels["kind"], one.value) for one in found] == [
        ("document", "EmptyText", 2),
        ("server", "RunnerCrashed", 4),
    ]


def test_units_stand_beside_the_names_that_end_with_them(snapshot: Manifest) -> None:
    families = openmetrics.text_string_to_metric_families(open_metrics(snapshot))
    units = {one.name.removeprefix("embed_pipeline_"): one.unit for one in families if one.unit}
    assert units == {
        "refresh_duration_seconds": "seconds",
        "refresh_server_seconds": "seconds",
        "refresh_added_bytes": "bytes",
        "refresh_finished_timestamp_seconds": "seconds",
    }


@PARSERS
def test_a_dataset_of_no_store_tells_of_no_refresh(parser: Any, tmp_path: Path) -> None:
    found = samples(parser, open_metrics(dataset(tmp_path, [row("a")])))
    assert [sample.name.removeprefix("embed_pipeline_") for sample in found] == [
        "dataset_info",
        "documents",
        "rows",
        "failed",
        "tokens",
    ]
    assert found[0].labels["snapshot"] == ""


@PARSERS
@given(store=st.text(), model=st.text())
def test_any_name_comes_back_as_it_was(parser: Any, store: str, model: str) -> None:
    made = MANIFEST.model_copy(
        update={"provenance": {"model": model}, "job": {"output": {"path": f"/{store}"}}}
    )
    found = samples(parser, open_metrics(made))[0].labels
    assert (found["store"], found["model"]) == (f"/{store}", model)


MANIFEST = Manifest.model_validate(
    {
        "run_id": "r",
        "started": "",
        "finished": "",
        "provenance": {},
        "job": {},
        "columns": {},
        "counts": {
            "documents": 0,
            "rows": 0,
            "failed": 0,
            "duplicates_dropped": 0,
            "tokens": 0,
            "rows_by_token_count_source": {},
            "failed_by_blame_and_kind": {},
        },
        "data": [],
        "failures": [],
    }
)
