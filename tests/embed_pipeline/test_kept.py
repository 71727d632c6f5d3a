"""Kept parts: which jobs they serve."""

from typing import Any

import pytest

from embed_pipeline.kept import identity

JOB: dict[str, Any] = {
    "inputs": [{"path": "a.jsonl", "size": 3, "modified": None}],
    "corpus": {"files": "a.jsonl", "on_duplicate": "error"},
    "endpoint": {"url": "http://one", "model": "all-minilm", "options": {}, "dimensions": None},
    "batching": {"max_texts": 32},
    "tokens": {"prefix": "", "query_prefix": "", "on_too_long": "truncate", "recount": 100},
    "chunking": {"max_tokens": None, "overlap": 0},
    "output": {"path": "out", "columns": {}, "text": "keep", "file_mb": 256},
}


def changed(group: str, **values: Any) -> dict[str, Any]:
    return {**JOB, group: {**JOB[group], **values}}


@pytest.mark.parametrize(
    "job",
    [
        changed("corpus", on_duplicate="first"),
        changed("endpoint", url="http://two"),
        changed("batching", max_texts=64),
        changed("tokens", recount=0),
        changed("tokens", query_prefix="query: "),
        changed("output", file_mb=1),
    ],
)
def test_how_rows_are_fetched_or_committed_does_not_matter(job: dict[str, Any]) -> None:
    assert identity(job) == identity(JOB)


@pytest.mark.parametrize(
    "job",
    [
        {**JOB, "inputs": []},
        changed("corpus", files="b.jsonl"),
        changed("endpoint", model="other"),
        changed("endpoint", options={"num_ctx": 512}),
        changed("tokens", prefix="passage: "),
        changed("tokens", on_too_long="fail"),
        changed("tokens", tokenizer="other/tokenizer.json"),
        changed("chunking", overlap=16),
        changed("output", text="hash"),
    ],
)
def test_what_decides_on_the_rows_does(job: dict[str, Any]) -> None:
    assert identity(job) != identity(JOB)
