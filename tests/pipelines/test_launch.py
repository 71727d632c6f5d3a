"""Whole jobs as processes of their own: what they publish, what they say, how they exit."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from embed_pipeline.client import Client
from embed_pipeline.embedded.process import EmbeddedProcess, start_embedded
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.engine import CANARY_TEXTS
from embed_pipeline.errors import RefusedError
from embed_pipeline.job import load
from embed_pipeline.manifest import read_manifest
from embed_pipeline.pipelines.launch import run_job
from embed_pipeline.pipelines.terminal import Terminal
from embed_pipeline.progress import read_progress, running
from embed_pipeline.verify import verify
from tests.support.scripted import (
    WORDS,
    Reply,
    Script,
    ScriptedEndpoint,
    embedded,
    error,
    vector_of,
)

ROOT = Path(__file__).parent.parent.parent
TWO_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


class Job:
    """Run one job file again and again, each time in a process of its own."""

    def __init__(self, folder: Path, endpoint: ScriptedEndpoint) -> None:
        self.out = folder / "out"
        self.corpus = folder / "corpus.jsonl"
        self.file = folder / "job.yaml"
        self._environ = {**os.environ, "OLLAMA_HOST": endpoint.url}
        self.settings: dict[str, Any] = {
            "corpus": {"files": str(self.corpus)},
            "endpoint": {"url": "auto", "model": "all-minilm"},
            "retry": {"attempts": 2},
            "output": {"path": str(self.out)},
        }

    def documents(self, *found: dict[str, Any]) -> None:
        self.corpus.write_text("".join(json.dumps(one) + "\n" for one in found))

    def start(self, *flags: str, within: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        self.file.write_text(yaml.safe_dump({"job": self.settings}))
        command = [sys.executable, "-m", "embed_pipeline", "run", str(self.file), *flags]
        return subprocess.Popen(
            [*within, *command],
            cwd=ROOT,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *flags: str) -> tuple[int, str]:
        """Return the exit code and what was said."""
        with self.start(*flags) as process:
            out, err = process.communicate(timeout=100)
        assert out == ""
        return process.returncode, err

    @property
    def ids(self) -> list[str]:
        found: list[str] = pq.read_table(self.out / "data")["id"].to_pylist()
        return found


@pytest.fixture
def job(tmp_path: Path, endpoint: ScriptedEndpoint) -> Job:
    found = Job(tmp_path, endpoint)
    found.documents(*({"id": f"d{n}", "text": f"text {n}", "n": n} for n in range(100)))
    return found


def test_a_job_publishes_and_says_so(job: Job, endpoint: ScriptedEndpoint) -> None:
    code, said = job.run()
    assert code == 0
    assert f"endpoint: a server at {endpoint.url}, version 0.0.0-scripted" in said
    assert "WARNING" not in said
    assert "Traceback" not in said
    assert job.ids == [f"d{n}" for n in range(100)]
    manifest = read_manifest(str(job.out))
    assert manifest.columns["n"] == "int64"
    assert manifest.job["inputs"][0]["path"] == str(job.corpus)
    assert manifest.counts.documents == 100


def test_bad_documents_are_failures_with_file_and_line(job: Job) -> None:
    with job.corpus.open("ab") as file:
        file.write(b'{"id": "cut\n{"id": "e", "text": ""}\n{"id": "n", "text": 5}\n{"text": "x"}\n')
        file.write(b'{"id": "s", "text": "\\ud800"}\n{"id": "0", "text": "a\\u0000b"}\n\xff\n')
    job.settings["output"]["max_failed_fraction"] = 0.1
    code, said = job.run()
    assert code == 0, said
    failed = pq.read_table(job.out / "failures").to_pylist()
    assert {one["source"] for one in failed} == {str(job.corpus)}
    assert {(one["line"], one["kind"]) for one in failed} == {
        (101, "UnreadableLine"),
        (102, "EmptyText"),
        (103, "WrongType"),
        (104, "MissingField"),
        (105, "BadCharacter"),
        (106, "BadCharacter"),
        (107, "UnreadableLine"),
    }
    counts = read_manifest(str(job.out)).counts
    assert (counts.documents, counts.rows, counts.failed) == (107, 100, 7)


def test_more_failures_than_allowed_publish_with_exit_code_3(job: Job) -> None:
    job.documents({"id": "a", "text": "good"}, {"id": "b", "text": ""})
    code, said = job.run()
    assert (code, job.ids) == (3, ["a"])
    assert "max_failed_fraction" in said


def test_one_poison_text_costs_only_itself(job: Job, endpoint: ScriptedEndpoint) -> None:
    crash = error(400, 'do embedding request: Post "http://127.0.0.1:1/embedding": EOF')
    endpoint.script = lambda texts: crash if "text 50" in texts else None
    code, said = job.run()
    assert code == 0, said
    (failed,) = pq.read_table(job.out / "failures").to_pylist()
    assert (failed["id"], failed["kind"], failed["blame"]) == ("d50", "RunnerCrashed", "document")
    assert len(job.ids) == 99


def test_tokens_are_counted_verified_and_confirmed(job: Job, endpoint: ScriptedEndpoint) -> None:
    endpoint.vocabulary = WORDS
    job.settings["tokens"] = {"recount": 10}
    code, said = job.run()
    assert code == 0, said
    counts = read_manifest(str(job.out)).counts
    assert counts.rows_by_token_count_source == {"verified": 100}
    assert counts.rows_by_truncated == {"false": 100}
    assert counts.tokens == 400
    assert read_manifest(str(job.out)).recount == {"verified": {"asked": 10, "agreed": 10}}
    assert "400 (100 rows verified)" in said
    assert "10 of 10 verified ones agree" in said


@pytest.mark.parametrize("flags", [(), TWO_PROCESSES])
def test_who_watches_is_told_that_a_sample_is_checked(
    job: Job, endpoint: ScriptedEndpoint, flags: tuple[str, ...]
) -> None:
    job.settings["tokens"] = {"recount": 10}
    told: list[tuple[str, int]] = []

    def look(texts: list[str]) -> None:
        progress = [read_progress(run) for run in running(str(job.out))]
        told.extend((text, one.checks) for text in texts for one in progress)

    endpoint.script = look
    code, said = job.run(*flags)
    assert code == 0, said
    ours = [checks for text, checks in told if text.startswith("text ")]
    assert ours == [0] * 100 + [10] * 10


def test_long_texts_are_cut_which_is_told(job: Job, endpoint: ScriptedEndpoint) -> None:
    endpoint.vocabulary, endpoint.context, endpoint.told_context = WORDS, 40, 40
    job.documents({"id": "a", "text": "one two"}, {"id": "b", "text": "word " * 50})
    code, said = job.run()
    assert code == 0, said
    table = pq.read_table(job.out / "data")
    assert table["truncated"].to_pylist() == [False, True]
    assert table["token_count"].to_pylist() == [4, 40]
    assert "1 row (the model reads 40 tokens)" in said


def test_long_texts_are_split_into_pieces_that_are_whole(
    job: Job, endpoint: ScriptedEndpoint
) -> None:
    endpoint.vocabulary, endpoint.context, endpoint.told_context = WORDS, 40, 40
    job.settings["tokens"] = {"on_too_long": "chunk"}
    long = " ".join(f"word{n}" for n in range(100))
    job.documents({"id": "a", "text": "one two", "n": 1}, {"id": "b", "text": long, "n": 2})
    code, said = job.run()
    assert code == 0, said
    rows = pq.read_table(job.out / "data").to_pylist()
    assert [(row["id"], row["document_id"], row["n"]) for row in rows] == [
        ("a#0", "a", 1),
        ("b#0", "b", 2),
        ("b#1", "b", 2),
        ("b#2", "b", 2),
    ]
    assert all(row["text"] == long[row["chunk_start"] : row["chunk_end"]] for row in rows[1:])
    assert {row["truncated"] for row in rows} == {False}
    counts = read_manifest(str(job.out)).counts
    assert (counts.chunked_documents, counts.documents, counts.rows) == (2, 4, 4)
    assert "2, split into 4 pieces" in said


def test_long_texts_that_may_not_be_cut_are_failures(job: Job, endpoint: ScriptedEndpoint) -> None:
    endpoint.vocabulary, endpoint.context, endpoint.told_context = WORDS, 40, 40
    job.settings["tokens"] = {"on_too_long": "fail"}
    job.documents({"id": "a", "text": "one two"}, {"id": "b", "text": "word " * 50})
    code, said = job.run()
    assert (code, job.ids) == (3, ["a"]), said
    (failed,) = pq.read_table(job.out / "failures").to_pylist()
    assert (failed["kind"], failed["attempts"]) == ("TextTooLong", 0)
    assert "the text has 52 tokens and the model reads 40" in failed["message"]


@pytest.mark.parametrize("flags", [(), TWO_PROCESSES], ids=["one process", "two processes"])
def test_a_prefix_that_leaves_no_room_ends_the_job_before_any_document(
    job: Job, endpoint: ScriptedEndpoint, flags: tuple[str, ...]
) -> None:
    endpoint.vocabulary, endpoint.context, endpoint.told_context = WORDS, 40, 40
    job.settings["tokens"] = {"prefix": "word " * 50}
    code, said = job.run(*flags)
    assert code == 2, said
    assert "tokens.prefix has 52 tokens, and the model reads 40" in said
    assert not [text for text in endpoint.texts if "text" in text]


def test_what_is_assumed_is_warned_of_once(job: Job, endpoint: ScriptedEndpoint) -> None:
    endpoint.told_context, endpoint.tells_count = None, False
    code, said = job.run()
    assert code == 0, said
    assert said.count("256 are assumed") == 1


def test_a_limit_makes_a_trial_run(job: Job) -> None:
    assert job.run("--limit", "7")[0] == 0
    assert job.ids == [f"d{n}" for n in range(7)]


def test_an_existing_output_stops_before_any_request(job: Job, endpoint: ScriptedEndpoint) -> None:
    assert job.run()[0] == 0
    asked = len(endpoint.requests) + endpoint.loads
    code, said = job.run()
    assert code == 2
    assert "exists already" in said
    assert "on_exists" in said
    assert len(endpoint.requests) + endpoint.loads == asked


def test_duplicate_ids_are_refused_and_a_rerun_embeds_nothing_again(
    job: Job, endpoint: ScriptedEndpoint
) -> None:
    job.documents({"id": "a", "text": "one"}, {"id": "a", "text": "two"})
    code, said = job.run()
    assert code == 4
    assert f"'a' at {job.corpus}:1 and {job.corpus}:2" in said
    assert not (job.out / "manifest.json").exists()
    endpoint.requests.clear()
    job.settings["corpus"]["on_duplicate"] = "last"
    code, said = job.run()
    assert (code, job.ids) == (0, ["a"])
    assert "reusing 2 vectors" in said
    assert pq.read_table(job.out / "data")["text"].to_pylist() == ["two"]
    assert endpoint.texts == []


@pytest.mark.parametrize("policy", ["first", "last"])
def test_no_text_of_a_row_that_was_dropped_is_in_the_report(job: Job, policy: str) -> None:
    job.settings["output"]["report_texts"] = True
    job.settings["corpus"]["on_duplicate"] = policy
    job.documents(
        {"id": "a", "text": "twin one"}, {"id": "b", "text": "alone"}, {"id": "a", "text": "twin 2"}
    )
    assert job.run()[0] == 0
    assert read_manifest(str(job.out)).counts.duplicates_dropped == 1
    shown = [(job.out / name).read_text() for name in ("report.json", "report.html")]
    assert all("alone" in text and "twin" not in text for text in shown)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"corpus": {"files": "/no/such/folder/*.jsonl"}}, "/no/such/folder"),
        ({"endpoint": {"model": "other", "url": "auto"}}, "ollama pull other"),
        ({"endpoint": {"model": "all-minilm", "url": "ftp://x"}}, "is not an address"),
        (
            {"endpoint": {"modle": "x", "model": "y"}},
            "job.endpoint.modle: unknown key; did you mean",
        ),
    ],
)
def test_a_job_that_cannot_work_stops_at_once(
    job: Job, endpoint: ScriptedEndpoint, change: dict[str, Any], message: str
) -> None:
    job.settings.update(change)
    code, said = job.run()
    assert code == 2
    assert message in said
    assert endpoint.requests == []


def test_something_else_at_the_address_is_told(job: Job, endpoint: ScriptedEndpoint) -> None:
    job.settings["endpoint"]["url"] = f"{endpoint.url}/somewhere"
    code, said = job.run()
    assert code == 2
    assert "no embed endpoint answers there" in said


def test_wrong_credentials_end_the_job_with_exit_code_1(
    job: Job, endpoint: ScriptedEndpoint
) -> None:
    endpoint.script = lambda texts: error(401, "unauthorized") if "text 0" in texts else None
    code, said = job.run()
    assert code == 1
    assert "401 unauthorized" in said
    assert "Traceback" not in said
    assert not (job.out / "manifest.json").exists()


@pytest.mark.parametrize("flags", [(), TWO_PROCESSES], ids=["one process", "two processes"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_job_cleanly_and_keeps_its_parts(
    job: Job, endpoint: ScriptedEndpoint, number: signal.Signals, code: int, flags: tuple[str, ...]
) -> None:
    started: list[subprocess.Popen[str]] = []

    def stop(texts: list[str]) -> None:
        if "text 0" in texts:
            started[0].send_signal(number)

    endpoint.script = stop
    process = job.start(*flags)
    started.append(process)
    _, said = process.communicate(timeout=100)
    assert process.returncode == code, said
    assert "nothing is published" in said
    assert flags or "Traceback" not in said  # workers may tell of their end themselves
    assert not (job.out / "manifest.json").exists()


def test_two_processes_do_the_same_job(job: Job) -> None:
    code, said = job.run(*TWO_PROCESSES)
    assert code == 0, said
    assert "httpx" not in said
    assert "INFO:apache_beam" not in said
    told = "up to 4 requests at once at one address: 2 processes (direct_num_workers) x in_flight 2"
    assert told in said
    assert sorted(job.ids) == sorted(f"d{n}" for n in range(100))


def test_a_remote_runner_wants_an_address(job: Job) -> None:
    code, said = job.run("--runner=DataflowRunner")
    assert code == 2
    assert "workers of DataflowRunner cannot resolve" in said


def test_more_requests_at_once_than_allowed_are_refused_before_any(
    job: Job, endpoint: ScriptedEndpoint
) -> None:
    job.settings["batching"] = {"in_flight": 9}
    code, said = job.run(*TWO_PROCESSES)
    assert code == 2
    told = " ".join(said.split())  # a terminal wraps it
    assert "18 requests could be under way at once at one address (2 processes" in told
    assert "batching.max_at_address 18" in told
    assert (endpoint.exchanges, job.out.exists()) == ([], False)


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode != 0
    if shutil.which("unshare")
    else True,
    reason="a small disk of one's own needs unshare and user namespaces",
)
def test_a_full_disk_ends_the_job_and_says_where(job: Job) -> None:
    disk = job.corpus.parent / "disk"
    disk.mkdir()
    job.settings["output"]["path"] = str(disk / "out")
    job.documents(*({"id": f"d{n}", "text": Random(n).randbytes(900).hex()} for n in range(3_000)))
    mount = f"mount -t tmpfs -o size=1m tmpfs {disk} && exec"
    with job.start(within=("unshare", "-rm", "sh", "-c", f'{mount} "$@"', "sh")) as process:
        _, said = process.communicate(timeout=100)
    assert process.returncode == 1, said
    assert "No space left on device" in said
    assert "make room there and run the job again; nothing is published" in said
    assert str(disk / "out" / "staging") in said
    assert "Traceback" not in said


def large(job: Job, count: int = 3_000) -> None:
    """Give a job texts of which a thousand fill a part file, and that are not sent as a sample."""
    job.settings["tokens"] = {"recount": 0}
    job.settings["output"]["file_mb"] = 1
    job.documents(
        *({"id": f"d{n}", "text": f"<{n}> {Random(n).randbytes(900).hex()}"} for n in range(count))
    )


def sent(endpoint: ScriptedEndpoint) -> list[str]:
    """Return the texts of documents that were sent."""
    return [text for text in endpoint.texts if text not in CANARY_TEXTS]


def at(number: int, act: Callable[[], None]) -> Script:
    """Return a script that acts when a document comes."""

    def script(texts: list[str]) -> None:
        if any(text.startswith(f"<{number}>") for text in texts):
            act()

    return script


def stopped(
    job: Job, endpoint: ScriptedEndpoint, number: signal.Signals, place: int = 2_500
) -> tuple[int, str]:
    """Run a job that gets a signal when a document is sent."""
    started: list[subprocess.Popen[str]] = []
    endpoint.script = at(place, lambda: started[0].send_signal(number))
    with job.start() as process:
        started.append(process)
        _, said = process.communicate(timeout=100)
    endpoint.script = lambda _: None
    return process.returncode, said


def test_a_job_that_was_killed_goes_on_where_its_last_whole_file_ends(
    job: Job, endpoint: ScriptedEndpoint
) -> None:
    large(job)
    assert stopped(job, endpoint, signal.SIGKILL)[0] == -signal.SIGKILL
    assert not (job.out / "manifest.json").exists()
    before = set(sent(endpoint))
    endpoint.requests.clear()
    code, said = job.run()
    assert code == 0, said
    assert "reusing 2,000 vectors of run " in said
    assert len(before.intersection(sent(endpoint))) < 1_000
    assert len(sent(endpoint)) == 1_000
    assert job.ids == [f"d{n}" for n in range(3_000)]
    vectors = pq.read_table(job.out / "data", columns=["text", "vector"])
    for row in vectors.slice(1_990, 20).to_pylist():
        assert row["vector"] == vector_of(row["text"]).tolist()
    assert sorted(path.name for path in job.out.iterdir()) == [
        "README.md",
        "data",
        "manifest.json",
        "report.html",
        "report.json",
    ]
    counts = read_manifest(str(job.out)).counts
    assert (counts.documents, counts.rows, counts.duplicates_dropped) == (3_000, 3_000, 0)
    assert verify(str(job.out), read_manifest(str(job.out))).problems == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_done_before_a_signal_is_not_done_again(
    job: Job, endpoint: ScriptedEndpoint, number: signal.Signals
) -> None:
    large(job)
    code, said = stopped(job, endpoint, number)
    assert code == 128 + number
    assert "vectors are kept, and the next run of this job reuses them" in said
    done = len(sent(endpoint))
    code, said = job.run()
    assert code == 0, said
    assert job.ids == [f"d{n}" for n in range(3_000)]
    assert len(sent(endpoint)) == len(set(sent(endpoint))) == 3_000
    assert f"reusing {done:,} vectors" in said


def test_a_run_that_goes_on_can_be_gone_on_with(job: Job, endpoint: ScriptedEndpoint) -> None:
    large(job, 4_500)
    assert stopped(job, endpoint, signal.SIGKILL)[0] == -signal.SIGKILL
    assert stopped(job, endpoint, signal.SIGKILL, 4_200)[0] == -signal.SIGKILL
    endpoint.requests.clear()
    code, said = job.run()
    assert code == 0, said
    assert said.count("reusing 2,000 vectors of run ") == 2
    assert len(sent(endpoint)) == 500
    assert job.ids == [f"d{n}" for n in range(4_500)]
    assert not (job.out / "staging").exists()


def test_fresh_embeds_everything(job: Job, endpoint: ScriptedEndpoint) -> None:
    job.settings["tokens"] = {"recount": 0}
    job.settings["endpoint"]["url"] = endpoint.url
    endpoint.script = lambda texts: error(401, "no") if "text 70" in texts else None
    assert job.run()[0] == 1
    endpoint.script = lambda _: None
    endpoint.requests.clear()
    assert run_job(load(job.file), (), Terminal(quiet=True), fresh=True) == 0
    assert len(sent(endpoint)) == 100


def test_an_error_keeps_what_was_done(job: Job, endpoint: ScriptedEndpoint) -> None:
    large(job)
    unauthorized = error(401, "no")
    endpoint.script = lambda texts: (
        unauthorized if any(text.startswith("<2500>") for text in texts) else None
    )
    code, said = job.run()
    assert code == 1
    assert "401 no" in said
    assert "vectors are kept, and the next run of this job reuses them" in said
    endpoint.script = lambda _: None
    code, said = job.run()
    assert (code, sorted(job.ids)) == (0, sorted(f"d{n}" for n in range(3_000))), said
    again = len(sent(endpoint)) - len(set(sent(endpoint)))
    assert again <= 3 * 32  # what was under way when the error came


def test_a_text_that_failed_for_good_is_not_sent_again(
    job: Job, endpoint: ScriptedEndpoint
) -> None:
    crash = error(400, 'do embedding request: Post "http://127.0.0.1:1/embedding": EOF')
    no = error(401, "no")
    endpoint.script = lambda texts: (
        crash if "text 5" in texts else no if "text 99" in texts else None
    )
    job.settings["batching"] = {"max_texts": 4}
    assert job.run()[0] == 1
    endpoint.script = lambda _: None
    endpoint.requests.clear()
    code, said = job.run()
    assert code == 0, said
    assert "text 5" not in endpoint.texts
    (failed,) = pq.read_table(job.out / "failures").to_pylist()
    assert (failed["id"], failed["kind"], failed["line"]) == ("d5", "RunnerCrashed", 6)
    assert failed["attributes"] == '{"n":5}'
    assert sorted(job.ids) == sorted(f"d{n}" for n in range(100) if n != 5)


def test_pieces_are_reused(job: Job, endpoint: ScriptedEndpoint) -> None:
    endpoint.vocabulary, endpoint.context, endpoint.told_context = WORDS, 40, 40
    job.settings["tokens"] = {"on_too_long": "chunk", "recount": 0}
    job.settings["batching"] = {"max_texts": 1}
    job.documents(
        *({"id": f"d{d}", "text": " ".join(f"{d}-{n}" for n in range(30))} for d in range(9))
    )
    endpoint.script = lambda texts: error(401, "no") if "8-0" in texts[0] else None
    assert job.run()[0] == 1
    endpoint.script = lambda _: None
    code, said = job.run()
    assert code == 0, said
    assert "reusing " in said
    assert len(sent(endpoint)) - len(set(sent(endpoint))) <= 3
    counts = read_manifest(str(job.out)).counts
    assert counts.chunked_documents == 9
    assert counts.documents == counts.rows == len(set(sent(endpoint)))


@pytest.mark.parametrize(("policy", "kept"), [("first", 1), ("last", 3)])
def test_repeated_ids_are_reused_each_for_itself(
    job: Job, endpoint: ScriptedEndpoint, policy: str, kept: int
) -> None:
    job.settings["tokens"] = {"recount": 0}
    job.settings["corpus"]["on_duplicate"] = policy
    job.settings["batching"] = {"max_texts": 1, "in_flight": 1}
    job.documents(
        {"id": "a", "text": "same", "n": 1},
        {"id": "b", "text": "other", "n": 2},
        {"id": "a", "text": "same", "n": 3},
        {"id": "c", "text": "end", "n": 4},
    )
    endpoint.script = lambda texts: error(401, "no") if "end" in texts else None
    code, said = job.run()
    assert (code, "3 vectors are kept" in said) == (1, True), said
    endpoint.script = lambda _: None
    code, said = job.run()
    assert code == 0, said
    assert "reusing 3 vectors" in said
    rows = pq.read_table(job.out / "data").to_pylist()
    assert sorted((row["id"], row["n"]) for row in rows) == [("a", kept), ("b", 2), ("c", 4)]
    counts = read_manifest(str(job.out)).counts
    assert (counts.documents, counts.duplicates_dropped) == (4, 1)


def test_without_texts_repeated_ids_reuse_nothing_and_it_is_said(
    job: Job, endpoint: ScriptedEndpoint
) -> None:
    job.settings["corpus"]["on_duplicate"] = "first"
    job.settings["output"]["text"] = "drop"
    endpoint.script = lambda texts: error(401, "no") if "text 99" in texts else None
    assert job.run()[0] == 1
    endpoint.script = lambda _: None
    code, said = job.run()
    assert code == 0, said
    assert "nothing of earlier runs is reused: without texts" in said


def test_where_another_model_answers_nothing_is_reused(
    job: Job, endpoint: ScriptedEndpoint
) -> None:
    job.settings["tokens"] = {"recount": 0}
    endpoint.script = lambda texts: error(401, "no") if "text 99" in texts else None
    assert job.run()[0] == 1
    endpoint.script = lambda _: None
    endpoint.told_context = endpoint.context = 128
    endpoint.requests.clear()
    code, said = job.run()
    assert code == 0, said
    assert "nothing of run" in said
    assert len(sent(endpoint)) == 100


def test_where_nothing_of_a_run_is_reused_the_reason_is_told(
    job: Job, endpoint: ScriptedEndpoint
) -> None:
    endpoint.script = lambda texts: error(401, "no") if "text 99" in texts else None
    assert job.run()[0] == 1
    endpoint.script = lambda _: None
    job.settings["tokens"] = {"prefix": "passage: "}

    code, said = job.run()

    assert code == 0, said
    (line,) = [one for one in said.splitlines() if "nothing of run" in one]
    assert line.endswith(" is reused: it was of other input files or settings")


def test_a_commit_that_ended_after_the_first_part_sends_nothing_again(
    job: Job, endpoint: ScriptedEndpoint
) -> None:
    large(job)
    in_the_way = job.out / "data" / "part-00001.parquet" / "x"
    endpoint.script = at(2_500, lambda: in_the_way.mkdir(parents=True))
    code, said = job.run()
    assert code == 1, said
    assert (job.out / "data" / "part-00000.parquet").is_file()
    shutil.rmtree(in_the_way.parent)
    endpoint.requests.clear()
    endpoint.script = lambda _: None
    code, said = job.run()
    assert code == 0, said
    assert "reusing 3,000 vectors of run " in said
    assert sent(endpoint) == []
    assert job.ids == [f"d{n}" for n in range(3_000)]
    assert verify(str(job.out), read_manifest(str(job.out))).problems == []


def test_a_server_that_mixes_up_vectors_from_some_request_on_is_found_by_the_sample(
    job: Job, endpoint: ScriptedEndpoint
) -> None:
    job.settings["batching"] = {"max_texts": 10, "in_flight": 1}
    endpoint.script = lambda texts: (
        embedded(texts[::-1]) if texts[0].startswith("text ") and len(sent(endpoint)) > 50 else None
    )
    code, said = job.run()
    assert code == 1, said
    assert "a row's text, sent again alone, got another vector than the row has" in said
    assert "Traceback" not in said
    assert not (job.out / "manifest.json").exists()
    endpoint.script = lambda _: None
    endpoint.requests.clear()
    code, said = job.run()
    assert (code, job.ids) == (0, [f"d{n}" for n in range(100)]), said
    assert "reusing" not in said
    assert set(sent(endpoint)) == {f"text {n}" for n in range(100)}


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_an_output_that_may_not_be_written_any_more_ends_the_job(
    job: Job, endpoint: ScriptedEndpoint
) -> None:
    large(job)
    endpoint.script = at(1_500, lambda: next((job.out / "staging").iterdir()).chmod(0o500))
    code, said = job.run()
    assert code == 1
    assert "mend the permissions" in said


def test_an_output_that_vanishes_ends_the_job_and_says_so(
    job: Job, endpoint: ScriptedEndpoint
) -> None:
    large(job)
    endpoint.script = at(1_500, lambda: shutil.rmtree(job.out))
    code, said = job.run()
    assert code == 1, said
    assert "somebody has deleted it while the job ran; run the job again" in said
    assert "Traceback" not in said
    endpoint.script = lambda _: None
    code, said = job.run()
    assert (code, job.ids) == (0, [f"d{n}" for n in range(3_000)]), said


def test_a_worker_process_that_dies_ends_the_job(job: Job, endpoint: ScriptedEndpoint) -> None:
    large(job)
    started: list[subprocess.Popen[str]] = []
    endpoint.script = at(2_500, lambda: kill_worker(started[0].pid))
    with job.start(*TWO_PROCESSES) as process:
        started.append(process)
        _, said = process.communicate(timeout=100)
    assert process.returncode == 1, said
    assert "a worker process died" in said
    assert "nothing is published" in said
    endpoint.script = lambda _: None
    code, said = job.run()
    assert (code, sorted(job.ids)) == (0, sorted(f"d{n}" for n in range(3_000))), said


def kill_worker(launcher: int) -> None:
    """Kill one process of Beam's that a launcher has started."""
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(launcher)],
        capture_output=True,
        text=True,
        check=True,
    )
    workers = [line for line in listed.stdout.splitlines() if "sdk_worker" in line]
    os.kill(int(workers[0].split()[0]), signal.SIGKILL)


def test_where_nothing_succeeds_nothing_is_published(job: Job, endpoint: ScriptedEndpoint) -> None:
    job.documents({"id": "a", "text": "poison one"}, {"id": "b", "text": "poison two"})
    crash = error(400, 'do embedding request: Post "http://127.0.0.1:1/embedding": EOF')
    endpoint.script = lambda texts: crash if any("poison" in text for text in texts) else None
    code, said = job.run()
    assert code == 1
    assert "not one text has got a vector: 2 have failed at the endpoint, 2 of them with" in said
    assert "RunnerCrashed" in said
    assert not (job.out / "manifest.json").exists()
    endpoint.script = lambda _: None
    assert job.run()[0] == 0
    assert job.ids == ["a", "b"]


# The model on the endpoint


@pytest.fixture
def quick(job: Job, endpoint: ScriptedEndpoint) -> Callable[[str], int]:
    """Return a function that runs a job of three documents in this process, at an address."""
    job.documents(*({"id": f"d{n}", "text": f"text {n}"} for n in range(3)))
    job.settings["tokens"] = {"recount": 0}
    job.settings["batching"] = {"max_texts": 1, "in_flight": 1}

    def run(url: str) -> int:
        job.settings["endpoint"]["url"] = url
        job.file.write_text(yaml.safe_dump({"job": job.settings}))
        return run_job(load(job.file), (), Terminal(quiet=True))

    return run


def test_a_load_of_the_model_on_the_way_is_told(
    quick: Callable[[str], int], endpoint: ScriptedEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    def load_again(texts: list[str]) -> Reply | None:
        if texts != ["text 1"]:
            return None
        found = {**json.loads(embedded(texts).body), "load_duration": 2_000_000_000}
        return Reply(200, json.dumps(found).encode())

    endpoint.script = load_again
    assert quick(endpoint.url) == 0
    lines = [line.split() for line in capsys.readouterr().err.splitlines()]
    assert ["model", "reloads", "1"] in lines


def test_without_a_load_on_the_way_none_is_told(
    quick: Callable[[str], int], endpoint: ScriptedEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quick(endpoint.url) == 0
    assert "model reloads" not in capsys.readouterr().err


@pytest.fixture
def server() -> Iterator[EmbeddedProcess]:
    with start_embedded() as process:
        yield process


@pytest.mark.parametrize("loaded_before", [False, True])
def test_a_model_that_the_job_has_loaded_goes_with_it_and_another_client_s_stays(
    job: Job, quick: Callable[[str], int], server: EmbeddedProcess, loaded_before: bool
) -> None:
    with Client(Endpoint(url=server.url, model="all-minilm")) as client:
        if loaded_before:
            client.load()
        assert len(client.get("/api/ps")["models"]) == loaded_before
        assert quick(server.url) == 0
        assert len(client.get("/api/ps")["models"]) == loaded_before
    assert job.ids == ["d0", "d1", "d2"]


def test_a_model_that_a_job_has_loaded_goes_though_the_job_fails(
    job: Job, quick: Callable[[str], int], server: EmbeddedProcess
) -> None:
    job.settings["corpus"]["on_duplicate"] = "error"
    job.documents({"id": "a", "text": "one"}, {"id": "a", "text": "two"})
    with pytest.raises(RefusedError):
        quick(server.url)
    with Client(Endpoint(url=server.url, model="all-minilm")) as client:
        assert client.get("/api/ps")["models"] == []
