"""A plan beside an output: which runs are held against it."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from embed_pipeline import forecast
from embed_pipeline.output import Output
from embed_pipeline.ownership import check_free

JOB: dict[str, Any] = {
    "inputs": [{"path": "a.jsonl", "size": 3, "modified": None}],
    "corpus": {"files": "a.jsonl", "on_duplicate": "error", "limit": None},
    "endpoint": {"url": "http://one", "model": "all-minilm", "options": {}, "dimensions": None},
    "batching": {"max_texts": 32, "max_chars": 16000, "max_tokens": 8192, "in_flight": 2},
    "tokens": {"tokenizer": None, "on_too_long": "truncate", "prefix": "", "query_prefix": ""},
    "chunking": {"max_tokens": None, "overlap": 0},
    "retry": {"attempts": 30},
    "output": {"path": "out"},
}
SERVER = {"kind": "server", "digest": "d1"}
EMBEDDED = {"kind": "embedded", "digest": "e1"}


def plan(endpoint: dict[str, str], job: dict[str, Any] = JOB) -> dict[str, Any]:
    faster = {**job["batching"], "in_flight": 4}
    return {
        "job": forecast.identity(job, endpoint, endpoint["digest"]),
        "endpoint": endpoint,
        "estimates": [
            forecast.estimate_of(job["batching"], (16.0, 14.0, 19.0)),
            forecast.estimate_of(faster, (12.0, 10.0, 13.0)),
        ],
    }


def changed(group: str, **values: Any) -> dict[str, Any]:
    return {**JOB, group: {**JOB[group], **values}}


@pytest.fixture
def out(tmp_path: Path) -> str:
    forecast.keep(str(tmp_path / "out"), plan(SERVER))
    return str(tmp_path / "out")


def test_the_same_job_is_held_against_its_plan(out: str) -> None:
    assert forecast.expected(out, JOB, "d1") == {"seconds": 16.0, "low": 14.0, "high": 19.0}


def test_settings_that_were_measured_beside_the_job_s_own_have_estimates(out: str) -> None:
    found = forecast.expected(out, changed("batching", in_flight=4), "d1")
    assert found == {"seconds": 12.0, "low": 10.0, "high": 13.0}


@pytest.mark.parametrize(
    "job",
    [
        {**JOB, "inputs": [{"path": "a.jsonl", "size": 4, "modified": None}]},
        changed("corpus", limit=10),
        changed("endpoint", url="http://two"),
        changed("endpoint", model="other"),
        changed("endpoint", options={"num_ctx": 512}),
        changed("batching", max_texts=33),
        changed("batching", max_chars=100),
        changed("tokens", prefix="query: "),
        changed("chunking", overlap=10),
    ],
)
def test_a_plan_for_something_else_is_ignored(out: str, job: dict[str, Any]) -> None:
    assert forecast.expected(out, job, "d1") is None


@pytest.mark.parametrize(
    "job",
    [
        changed("corpus", on_duplicate="first"),
        changed("output", path="elsewhere"),
        changed("retry", attempts=3),
        changed("tokens", query_prefix="query: "),
    ],
)
def test_what_does_not_change_the_time_does_not_matter(out: str, job: dict[str, Any]) -> None:
    assert forecast.expected(out, job, "d1") is not None


def test_the_embedded_endpoint_is_the_same_at_any_address(tmp_path: Path) -> None:
    first = changed("endpoint", url="http://127.0.0.1:1111")
    second = changed("endpoint", url="http://127.0.0.1:2222")
    forecast.keep(str(tmp_path), plan(EMBEDDED, first))
    assert forecast.expected(str(tmp_path), second, "e1") is not None
    assert forecast.expected(str(tmp_path), second, "d1") is None


def test_without_a_plan_there_is_no_estimate(tmp_path: Path) -> None:
    assert forecast.expected(str(tmp_path / "nowhere"), JOB) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"job": 1, "endpoint": 2}', b"\xff"])
def test_a_file_that_is_no_plan_is_ignored(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    assert forecast.expected(str(tmp_path), JOB, "d1") is None


def test_a_plan_does_not_make_a_folder_a_dataset(out: str) -> None:
    check_free(Output(path=out))


def test_a_plan_is_readable(out: str) -> None:
    assert orjson.loads(Path(out, "plan.json").read_bytes())["endpoint"] == SERVER
