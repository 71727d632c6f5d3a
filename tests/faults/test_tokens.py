"""Jobs whose tokens expire, are rotated or cannot be had: nothing is lost, and no token is told."""

import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.faults.jobs import FaultJob, corpus_of
from tests.faults.test_secrets import told_in
from tests.support.promise import shown
from tests.support.scripted import Reply, embedded, error
from tests.support.token_server import (
    SECRET,
    GuardedEndpoint,
    TokenServer,
    asked_here,
    guarded,
    token_server,
)

TWO_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
CORPUS = corpus_of(64)
SLOW = [CORPUS[f"d{n}"] for n in (10, 20, 30, 40, 50, 60)]
PATIENT = {"timeouts": {"connect": 2, "read": 20, "load": 20}}
Action = Callable[[socket.socket], object]


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    with token_server() as server:
        asked_here(server, monkeypatch)
        yield server


@pytest.fixture
def endpoint(tokens: TokenServer) -> Iterator[GuardedEndpoint]:
    with guarded() as found:
        found.takes = lambda token: tokens.takes(token, found.url)
        yield found


def job_of(folder: Path, url: str, auth: dict[str, str], **settings: dict[str, Any]) -> FaultJob:
    endpoint = {**PATIENT, "auth": auth}
    return FaultJob(
        folder, CORPUS, url, endpoint=endpoint, **{"batching": {"max_texts": 4}, **settings}
    )


def held_until_expiry(
    endpoint: GuardedEndpoint, tokens: TokenServer, before: Callable[[], object] = lambda: None
) -> Callable[[list[str]], Action | None]:
    """Return a script that answers slow texts once the token they came with has expired."""

    def script(texts: list[str]) -> Action | None:
        if not set(texts) & set(SLOW):
            return None
        _, expiry = tokens.issued[endpoint.headers[-1]["authorization"].removeprefix("Bearer ")]
        body = embedded(texts).body
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"

        def act(connection: socket.socket) -> None:
            before()
            endpoint.stopping.wait(max(0.0, expiry - time.time()))
            connection.sendall(head.encode() + body)

        return act

    return script


def published(job: FaultJob) -> dict[str, Any]:
    """Return the manifest of a job that has published every document."""
    rows = pq.read_table(job.out / "data", columns=["id", "text"]).to_pylist()
    assert sorted((row["id"], row["text"]) for row in rows) == sorted(CORPUS.items())
    found: dict[str, Any] = json.loads((job.out / "manifest.json").read_text())
    return found


def nothing_is_told(job: FaultJob, tokens: TokenServer, capfd: pytest.CaptureFixture[str]) -> str:
    """Check that no token or secret was told or written; return what was said."""
    said = capfd.readouterr()
    told = f"{said.out}\n{said.err}\n{told_in(job.out)}"
    secret = [*tokens.issued, *tokens.access, *tokens.secrets.values()]
    assert [one for one in secret if one in told] == []
    return said.err


def test_a_job_outlives_many_identity_tokens(
    tokens: TokenServer,
    endpoint: GuardedEndpoint,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    tokens.lifetime = 2
    endpoint.script = held_until_expiry(endpoint, tokens)
    headers = {"x-key": "a-header"}
    job = job_of(tmp_path, endpoint.url, {"google_id_token": endpoint.url})
    job.settings["endpoint"]["headers"] = headers
    assert job.run_here() == 0
    published(job)
    assert len({one["authorization"] for one in endpoint.headers}) > len(SLOW) / 2
    assert {one["x-key"] for one in endpoint.headers} == {"a-header"}
    assert set(endpoint.brought) == set(tokens.issued)  # none was fetched in vain
    assert len(tokens.issued) < len(endpoint.brought)
    nothing_is_told(job, tokens, capfd)


def test_each_process_has_a_token_of_its_own(
    tokens: TokenServer,
    endpoint: GuardedEndpoint,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    job = job_of(tmp_path, endpoint.url, {"google_id_token": endpoint.url})
    lines = [json.dumps({"id": name, "text": text}) for name, text in CORPUS.items()]
    for n in range(8):
        (tmp_path / f"part-{n}.jsonl").write_text("\n".join(lines[n::8]))
    job.settings["corpus"]["files"] = str(tmp_path / "part-*.jsonl")
    assert job.run_here(*TWO_PROCESSES) == 0
    published(job)
    assert len({one["authorization"] for one in endpoint.headers}) == 2
    assert endpoint.refused == []
    nothing_is_told(job, tokens, capfd)


def test_a_token_server_that_is_down_for_a_while_is_waited_for(
    tokens: TokenServer,
    endpoint: GuardedEndpoint,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    tokens.lifetime = 2
    left = [tokens.go_down]
    endpoint.script = held_until_expiry(endpoint, tokens, lambda: left and left.pop()())

    class BackWhenMissed(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "before try" in record.getMessage() and back:
                back.pop()()

    back = [tokens.come_back]
    log, handler = logging.getLogger("embed_pipeline"), BackWhenMissed()
    log.addHandler(handler)
    try:
        job = job_of(tmp_path, endpoint.url, {"google_id_token": endpoint.url})
        assert job.run_here() == 0
    finally:
        log.removeHandler(handler)
    manifest = published(job)
    assert manifest["effort"]["faults.TokenUnavailable"] >= 3
    assert manifest["counts"]["failed"] == 0
    assert "identity: no answer" in nothing_is_told(job, tokens, capfd)


def test_a_token_that_is_refused_for_good_ends_the_job_which_can_go_on(
    tokens: TokenServer,
    endpoint: GuardedEndpoint,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    tokens.lifetime = 2

    def revoke() -> None:
        reply = Reply(404, b"the service account is gone")
        tokens.trouble = lambda path: reply if path.endswith("identity") else None

    endpoint.script = held_until_expiry(endpoint, tokens, revoke)
    job = job_of(tmp_path, endpoint.url, {"google_id_token": endpoint.url})
    assert job.run_here() == 1
    assert not shown(job.out)
    told = nothing_is_told(job, tokens, capfd)
    assert "404 the service account is gone (attach a service account to the workers" in told
    tokens.trouble, endpoint.script = lambda _: None, lambda _: None
    assert job.run_here() == 0
    published(job)


def test_a_token_for_another_audience_ends_the_job_with_the_audience(
    tokens: TokenServer,
    endpoint: GuardedEndpoint,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    audience = "https://another.example.run.app"
    job = job_of(tmp_path, endpoint.url, {"google_id_token": audience})
    assert job.run_here() == 1
    assert not shown(job.out)
    assert len(tokens.issued) == len(endpoint.brought) <= 4  # of two clients, each two
    told = nothing_is_told(job, tokens, capfd)
    assert f"the identity token is for the audience {audience}: is it this service's URL" in told


def test_a_secret_that_is_rotated_in_mid_run_is_fetched_again_once(
    tokens: TokenServer,
    endpoint: GuardedEndpoint,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    tokens.secrets = {f"{SECRET}/versions/1": "token-of-old-4c1d"}
    endpoint.takes = lambda token: token == list(tokens.secrets.values())[-1]

    def rotate(texts: list[str]) -> None:
        if SLOW[2] in texts:
            tokens.secrets[f"{SECRET}/versions/2"] = "token-of-new-9e7a"
            rotated_after.append(tokens.times(":access"))

    rotated_after: list[int] = []
    endpoint.script = rotate
    job = job_of(
        tmp_path,
        endpoint.url,
        {"secret_manager": SECRET},
        batching={"max_texts": 1, "in_flight": 8},
    )
    assert job.run_here() == 0
    published(job)
    assert set(endpoint.refused) == {"token-of-old-4c1d"}
    assert tokens.times(":access") - rotated_after[0] == 1
    nothing_is_told(job, tokens, capfd)


def test_an_endpoint_that_repeats_the_token_in_its_errors_does_not_tell_it(
    tokens: TokenServer,
    endpoint: GuardedEndpoint,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    poison = CORPUS["d7"]

    def repeat(texts: list[str]) -> Reply | None:
        said = endpoint.headers[-1]["authorization"]
        return error(400, f"no good: {said}") if poison in texts else None

    endpoint.script = repeat
    job = job_of(
        tmp_path,
        endpoint.url,
        {"google_id_token": endpoint.url},
        output={"max_failed_fraction": 0.1},
    )
    assert job.run_here() == 0
    nothing_is_told(job, tokens, capfd)
    assert "no good: Bearer ***" in told_in(job.out)
