"""Trying failures again, from a job's poisoned texts to the dataset that holds their rows."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from embed_pipeline.errors import (
    ConfigError,
    InterruptedJobError,
    ModelNotFound,
    RefusedError,
    Unauthorized,
)
from embed_pipeline.job import load
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.pipelines.launch import run_job
from embed_pipeline.pipelines.retry_failures import retry_failures
from embed_pipeline.pipelines.terminal import Terminal
from embed_pipeline.progress import read_progress, running
from embed_pipeline.verify import verify
from tests.support.scripted import (
    WORDS,
    Reply,
    ScriptedEndpoint,
    embedded,
    error,
    scripted,
    vector_of,
)

ROOT = Path(__file__).parent.parent.parent
CRASH = error(400, 'do embedding request: Post "http://127.0.0.1:1/embedding": EOF')
DOCUMENTS: list[dict[str, Any]] = [
    {"id": "a", "text": "good", "n": 1, "share": 0.5, "open": True, "tag": "x"},
    {"id": "b", "text": "poison one", "n": 2, "share": 2, "open": False, "tag": "é"},
    {"id": "c", "text": "poison two", "n": None, "share": None, "open": None, "tag": None},
]


class Made:
    """Make a dataset by a job, and try its failures again."""

    def __init__(self, folder: Path, endpoint: ScriptedEndpoint) -> None:
        self.out = folder / "out"
        self.endpoint = endpoint
        self._corpus = folder / "corpus.jsonl"
        self._file = folder / "job.yaml"
        self.settings: dict[str, Any] = {
            "corpus": {"files": str(self._corpus)},
            "endpoint": {"url": endpoint.url, "model": "all-minilm"},
            "retry": {"attempts": 2},
            "output": {"path": str(self.out)},
        }

    def make(self, *documents: Mapping[str, Any], poison: str = "poison") -> Manifest:
        """Make the dataset; texts with the poison in them crash the endpoint."""
        self._corpus.write_text("".join(json.dumps(one) + "\n" for one in documents))
        self._file.write_text(yaml.safe_dump({"job": self.settings}))
        self.poison(poison)
        run_job(load(self._file), (), Terminal(quiet=True))
        self.endpoint.requests.clear()
        self.endpoint.headers.clear()
        return self.manifest

    def poison(self, word: str) -> None:
        self.endpoint.script = lambda texts: CRASH if any(word in t for t in texts) else None

    def heal(self) -> None:
        self.endpoint.script = lambda _: None

    def retry(self, **options: Any) -> int:
        return retry_failures(str(self.out), Terminal(), **options)

    @property
    def manifest(self) -> Manifest:
        return read_manifest(str(self.out))

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in pq.read_table(self.out / "data").to_pylist()}

    @property
    def failures(self) -> dict[str, dict[str, Any]]:
        paths = [self.out / file.path for file in self.manifest.failures]
        return {row["id"]: row for path in paths for row in pq.read_table(path).to_pylist()}

    @property
    def content(self) -> dict[str, bytes]:
        """Return every file below the dataset's folder."""
        found = sorted(path for path in self.out.rglob("*") if path.is_file())
        return {str(path.relative_to(self.out)): path.read_bytes() for path in found}

    def problems(self) -> list[str]:
        return [str(one) for one in verify(str(self.out), self.manifest).problems]


@pytest.fixture(autouse=True)
def _quiet_beam() -> None:
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)


@pytest.fixture
def made(tmp_path: Path, endpoint: ScriptedEndpoint) -> Made:
    return Made(tmp_path, endpoint)


def test_who_watches_is_told_that_a_sample_is_checked(made: Made) -> None:
    made.make(*DOCUMENTS)
    told: list[int] = []

    def look(_: list[str]) -> None:
        told.extend(read_progress(run).checks for run in running(str(made.out)))

    made.endpoint.script = look
    made.retry()
    assert told[-2:] == [2, 2]
    assert told[0] == 0


def test_healed_documents_become_rows_with_their_attributes(made: Made) -> None:
    before = made.make(*DOCUMENTS)
    made.heal()
    assert made.retry() == 0
    rows = made.rows
    for document in DOCUMENTS:
        row = rows.pop(document["id"])
        assert {name: row[name] for name in document} == document
        assert np.array_equal(np.array(row["vector"], np.float32), vector_of(document["text"]))
    assert rows == {}
    assert made.problems() == []
    assert not (made.out / "failures").exists()
    assert not (made.out / "staging").exists()
    after = made.manifest
    assert after.data[0] == before.data[0]
    assert (after.provenance, after.job, after.run_id) == (
        before.provenance,
        before.job,
        before.run_id,
    )


def test_the_manifest_counts_and_tells_of_it(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    before = made.make(*DOCUMENTS)
    made.heal()
    made.retry()
    manifest = made.manifest
    counts = manifest.counts
    assert (counts.documents, counts.rows, counts.failed) == (3, 3, 0)
    assert counts.failed_by_blame_and_kind == {}
    assert counts.tokens == before.counts.tokens + 8
    (told,) = manifest.retried
    assert (told.tried, told.succeeded) == (2, 2)
    assert told.endpoint == made.endpoint.url
    assert told.endpoint_version == "0.0.0-scripted"
    assert before.started < told.started < told.finished
    assert manifest.effort["requests"] > before.effort["requests"]
    said = capsys.readouterr().err
    assert "tried 2 of 2 failed documents again, 2 new rows; 3 rows, 0 failed" in said


def test_only_failed_texts_are_sent_again(made: Made) -> None:
    made.settings["tokens"] = {"recount": 0}
    made.make(*DOCUMENTS)
    made.heal()
    made.retry()
    assert "good" not in made.endpoint.texts
    assert made.endpoint.texts.count("poison one") == 1


def test_what_still_fails_stays_with_a_fresh_reason(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    made.make(*DOCUMENTS)
    nan = error(400, "failed to encode response: json: unsupported value: NaN")
    made.endpoint.script = lambda texts: nan if any("two" in text for text in texts) else None
    assert made.retry() == 3
    assert sorted(made.rows) == ["a", "b"]
    assert {name: row["kind"] for name, row in made.failures.items()} == {"c": "VectorNotFinite"}
    assert made.failures["c"]["attributes"] is not None
    assert made.problems() == []
    assert "max_failed_fraction allows (exit code 3)" in capsys.readouterr().err


def test_as_many_failures_as_allowed_are_no_error(made: Made) -> None:
    made.settings["output"]["max_failed_fraction"] = 0.5
    made.make(*DOCUMENTS)
    made.poison("two")
    assert made.retry() == 0


def test_it_can_be_done_again_and_again(made: Made) -> None:
    made.make(*DOCUMENTS)
    made.poison("two")
    made.retry()
    made.heal()
    assert made.retry() == 0
    assert sorted(made.rows) == ["a", "b", "c"]
    assert [(one.tried, one.succeeded) for one in made.manifest.retried] == [(2, 1), (1, 1)]
    assert made.problems() == []


def test_what_needs_no_endpoint_to_fail_stays_as_it_was(made: Made) -> None:
    made.settings["corpus"]["attributes"] = {"n": "int64"}
    bad = [{"id": "e", "text": " "}, {"id": "u", "text": "\ud800"}, {"text": "no id"}]
    made.make(*DOCUMENTS, *bad, {"id": "m", "text": "misfit", "n": "many"})
    before = made.failures
    made.heal()
    assert made.retry() == 3
    del before["b"], before["c"]
    assert made.failures == before
    assert made.manifest.retried[0].tried == 2
    assert made.problems() == []


def test_nothing_to_try_again_touches_and_asks_nothing(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    made.make(DOCUMENTS[0], {"id": "e", "text": " "})
    before, asked = made.content, len(made.endpoint.exchanges)
    assert made.retry() == 0
    assert made.content == before
    assert len(made.endpoint.exchanges) == asked
    assert "has 1 document that failed, none of them by the endpoint" in capsys.readouterr().err


def test_another_digest_is_refused(made: Made) -> None:
    made.make(*DOCUMENTS)
    before = made.content
    listed = {"models": [{"name": "all-minilm:latest", "digest": "e2" * 32}]}
    made.endpoint.paths["/api/tags"] = Reply(200, json.dumps(listed).encode())
    with pytest.raises(RefusedError, match="digest e2e2e2e2e2e2, not d1d1d1d1d1d1"):
        made.retry()
    assert made.content == before


def test_other_vectors_of_the_same_digest_are_refused(made: Made) -> None:
    made.make(*DOCUMENTS)
    before = made.content
    made.endpoint.script = lambda texts: embedded([f"{text}!" for text in texts])
    with pytest.raises(
        RefusedError, match=r"computes otherwise: the vectors of .* have the cosine"
    ):
        made.retry()
    assert made.content == before
    assert "poison one" not in made.endpoint.texts


def test_a_model_that_reads_more_is_refused(made: Made) -> None:
    made.make(*DOCUMENTS)
    made.endpoint.context = made.endpoint.told_context = 512
    with pytest.raises(RefusedError, match="context 512, not 256"):
        made.retry()


def test_another_address_of_the_same_engine_will_do(made: Made) -> None:
    made.make(*DOCUMENTS)
    with scripted() as other:
        assert made.retry(url=other.url) == 0
        assert made.manifest.retried[0].endpoint == other.url
    assert made.endpoint.requests == []


def test_headers_must_be_given_again(made: Made) -> None:
    made.settings["endpoint"]["headers"] = {"X-Key": "hunter2"}
    made.make(*DOCUMENTS)
    made.heal()
    with pytest.raises(ConfigError, match=r"sent the header 'X-Key'.*--header 'X-Key=NAME'"):
        made.retry()
    assert made.retry(headers={"x-key": "hunter2"}) == 0
    assert {headers["x-key"] for headers in made.endpoint.headers} == {"hunter2"}
    assert not any(b"hunter2" in content for content in made.content.values())


def test_an_id_that_is_a_row_already_is_refused(made: Made) -> None:
    made.settings["corpus"]["on_duplicate"] = "last"
    made.make({"id": "a", "text": "poison"}, {"id": "a", "text": "good"})
    before = made.content
    made.heal()
    with pytest.raises(
        RefusedError, match=r"1 of the failed documents' ids would stand twice.*'a'"
    ):
        made.retry()
    assert made.content == before


def test_an_error_of_the_server_leaves_the_dataset_as_it_was(made: Made) -> None:
    made.make(*DOCUMENTS)
    before = made.content
    made.endpoint.script = lambda texts: error(401, "no") if "poison one" in texts else None
    with pytest.raises(Unauthorized, match="401 no"):
        made.retry()
    assert made.content == before


def test_a_signal_leaves_the_dataset_as_it_was(made: Made) -> None:
    made.make(*DOCUMENTS)
    before = made.content

    def stop(texts: list[str]) -> None:
        if "poison one" in texts:
            os.kill(os.getpid(), signal.SIGTERM)

    made.endpoint.script = stop
    with pytest.raises(InterruptedJobError, match="stopped by SIGTERM; the dataset is as") as found:
        made.retry()
    assert found.value.exit_code == 143
    assert made.content == before


def test_after_a_kill_the_next_one_does_it_all(made: Made) -> None:
    made.make(*DOCUMENTS)
    before = made.content
    started: list[subprocess.Popen[bytes]] = []

    def kill(texts: list[str]) -> None:
        if "poison one" in texts:
            started[0].kill()

    made.endpoint.script = kill
    code = (
        "from embed_pipeline.pipelines.retry_failures import retry_failures as r; "
        "from embed_pipeline.pipelines.terminal import Terminal; "
        f"r({str(made.out)!r}, Terminal())"
    )
    started.append(subprocess.Popen([sys.executable, "-c", code], cwd=ROOT))
    assert started[0].wait(60) == -signal.SIGKILL
    assert before.items() < made.content.items()
    assert made.problems() == []
    made.heal()
    assert made.retry() == 0
    assert sorted(made.rows) == ["a", "b", "c"]
    assert made.problems() == []
    assert not (made.out / "staging").exists()


def test_a_model_that_is_gone_leaves_the_dataset_as_it_was(made: Made) -> None:
    made.make(*DOCUMENTS)
    before = made.content
    made.endpoint.models = ["other:latest"]
    with pytest.raises((ConfigError, ModelNotFound), match="no model 'all-minilm'"):
        made.retry()
    assert made.content == before


def test_a_job_that_runs_there_is_not_disturbed(made: Made) -> None:
    made.make(*DOCUMENTS)
    made.heal()
    other = made.out / "staging" / "20260101T000000Z-abc123"
    other.mkdir(parents=True)
    (other / "progress-x.json").write_text("{}")
    before = made.content
    with pytest.raises(RefusedError, match=r"another job is running.*20260101T000000Z-abc123"):
        made.retry()
    assert made.content == before
    os.utime(other / "progress-x.json", (0, 0))
    assert made.retry() == 0


def test_pieces_of_split_documents_are_tried_again(made: Made) -> None:
    endpoint = made.endpoint
    endpoint.vocabulary, endpoint.context, endpoint.told_context = WORDS, 40, 40
    made.settings["tokens"] = {"on_too_long": "chunk"}
    long = " ".join(f"word{n}" for n in range(100))
    made.make({"id": "b", "text": long, "n": 2}, poison="word60")
    assert list(made.failures) == ["b#1"]
    made.heal()
    assert made.retry() == 0
    row = made.rows["b#1"]
    assert (row["document_id"], row["chunk_index"], row["n"]) == ("b", 1, 2)
    assert row["text"] == long[row["chunk_start"] : row["chunk_end"]]
    assert made.manifest.counts.chunked_documents == 1
    assert made.problems() == []


def test_the_output_s_own_form_is_kept(made: Made) -> None:
    made.settings["output"] |= {
        "columns": {"vector": "embedding", "id": "key"},
        "text": "hash",
        "vector_type": "float16",
    }
    made.make(*DOCUMENTS)
    made.heal()
    assert made.retry() == 0
    assert sorted(pq.read_table(made.out / "data")["key"].to_pylist()) == ["a", "b", "c"]
    assert made.problems() == []
