"""What a report tells from the manifest: what ran, token counts, refreshes, the plan, files."""

import re

import pytest
from markupsafe import Markup

from embed_pipeline.manifest import DataFile, Refresh, Retried
from embed_pipeline.page.origin import planned, refreshed, tokens, what_ran, where
from tests.support import reports


def text(page: Markup) -> str:
    """Return a page's text, a space at each tag."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def pairs(page: Markup) -> dict[str, str]:
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page)
    return {name: text(Markup(value)) for name, value in found}  # noqa: S704 (is a page)


def test_it_tells_what_ran_with_what() -> None:
    job = {"beam": {"runner": "FlinkRunner"}, "inputs": reports.inputs(7, size=1_000_000)}
    made = {"options": {"num_ctx": 512}, "dimensions_asked": 8, "accepted_engine_changes": ["<x>"]}
    manifest = reports.manifest(20, job=job)
    manifest = manifest.model_copy(update={"provenance": {**manifest.provenance, **made}})

    assert pairs(what_ran(manifest)) == {
        "model": "all-minilm",
        "digest": "d1" * 8,
        "endpoint": "http://127.0.0.1:1, server, 1.2.3",
        "context": "256 tokens (server)",
        "dimension": "8, as asked",
        "prefix": "none",
        "query prefix": "search_query:",
        "options": "{&#34;num_ctx&#34;: 512}",
        "too long": "truncate",
        "tokenizer": "from the server, sha256 abababababab",
        "engine": "&lt;x&gt;",
        "runner": "FlinkRunner",
        "version": "0.1.0",
        "time": "2026-01-01 00:00:00 to 00:00:02 UTC",
        "documents": "20",
        "input": "7 files, 7.0 MB docs/2026/part-0000.jsonl docs/2026/part-0001.jsonl "
        "docs/2026/part-0002.jsonl docs/2026/part-0003.jsonl docs/2026/part-0004.jsonl and 2 more",
    }


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"chunked_documents": 8}, "8, split into 257 pieces"),
        ({"chunked_documents": 257}, "257, none split"),
        ({"duplicates_dropped": 3}, "257; 3 dropped, as others have the same id"),
    ],
)
def test_it_tells_what_came_in(changed: dict[str, int], words: str) -> None:
    made = reports.manifest(257)
    counts = made.counts.model_copy(update=changed)

    found = pairs(what_ran(made.model_copy(update={"counts": counts})))
    assert found["documents"] == words


def test_what_an_older_manifest_does_not_tell_is_unknown_or_left_out() -> None:
    found = pairs(what_ran(reports.manifest(20, provenance={}, job={})))

    assert found["model"] == found["digest"] == found["context"] == "unknown"
    assert "input" not in found
    assert "runner" not in found


def test_a_job_that_a_pipeline_of_ones_own_has_described_otherwise_is_borne() -> None:
    manifest = reports.manifest(20, job={"inputs": ["a.jsonl"], "beam": "local"})

    assert "input" not in pairs(what_ran(manifest))


def test_it_tells_how_many_texts_were_cut_and_how_their_tokens_were_counted() -> None:
    found = text(tokens(reports.manifest(200)))

    assert "cut: only the head was embedded 10 5.0 %" in found
    assert "whole 190 95.0 %" in found
    assert "estimated a share of its request, not confirmed 2 1.0 %" in found
    assert "sent again alone, 100 of 100 verified counts agreed" in found


def test_without_rows_there_are_no_token_counts() -> None:
    assert tokens(reports.manifest(0, 5)) == ""


def test_it_tells_what_a_refresh_did() -> None:
    done = Refresh(
        run_id="r", snapshot=12, base=11, published=True, started="", finished="", rows=9, failed=0,
        embedded=3, reused=6, inserted=2, updated=1, deleted=4, forgotten=5, notes=["a < b"],
    )  # fmt: skip
    found = pairs(refreshed(reports.manifest(9, refresh=done)))

    assert found["snapshot"] == "12, against snapshot 11"
    assert (found["embedded"], found["reused"], found["deleted"]) == ("3", "6", "4")
    assert (found["forgotten"], found["note"]) == ("5", "a &lt; b")


def test_it_tells_each_time_failures_were_tried_again() -> None:
    again = Retried(
        run_id="r", started="2026-01-02T00:00:00+00:00", finished="2026-01-02T00:00:05+00:00",
        tried=7, succeeded=5, endpoint="", endpoint_version="", embed_pipeline="",
    )  # fmt: skip
    found = text(refreshed(reports.manifest(9, retried=[again])))

    assert found.endswith("2026-01-02 00:00:05 UTC 7 5")


@pytest.mark.parametrize(
    ("actual", "words"),
    [
        (90.0, "1 min 30 s −10 %, within the range"),
        (200.0, "3 min 20 s +100 %, outside the range"),
    ],
)
def test_it_holds_the_plan_against_what_it_took(actual: float, words: str) -> None:
    plan = {"seconds": 100.0, "low": 80.0, "high": 120.0, "actual_seconds": actual}
    found = text(planned(reports.manifest(9, plan=plan)))

    assert "expected 1 min 40 s 1 min 20 s to 2 min 00 s" in found
    assert words in found


def test_without_a_plan_there_is_nothing_to_hold_against() -> None:
    assert planned(reports.manifest(9, plan=None)) == ""


def test_it_tells_where_the_files_are() -> None:
    def files(folder: str) -> list[DataFile]:
        return [DataFile(path=f"{folder}/a.parquet", rows=5, bytes=1000, sha256="")] * 3

    found = text(where(reports.manifest(15, data=files("data"), changes=files("changes"))))

    assert "data/ 3 15 3.0 kB" in found
    assert "changes/ 3 15 3.0 kB" in found
    assert "failures/" not in found
