"""The commands that take a job file: their flags, and what becomes of them."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from embed_pipeline.pipelines.cli import invoke
from tests.support.scripted import ScriptedEndpoint, error

ROOT = Path(__file__).parent.parent.parent
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def arguments(tmp_path: Path, endpoint: ScriptedEndpoint) -> list[str]:
    """Return a job file and settings: a job of twenty documents, one a request."""
    corpus = tmp_path / "c.jsonl"
    corpus.write_text("".join(f'{{"id": "{n}", "text": "text {n}"}}\n' for n in range(20)))
    return [
        str(ROOT / "configs" / "local.yaml"),
        f"--set=job.corpus.files={corpus}",
        f"--set=job.output.path={tmp_path / 'out'}",
        f"--set=job.endpoint.url={endpoint.url}",
        "--set=job.batching.max_texts=1",
        "--set=job.tokens.recount=0",
    ]


def ids(folder: Path) -> list[str]:
    found: list[str] = pq.read_table(folder / "out" / "data")["id"].to_pylist()
    return found


def times_sent(endpoint: ScriptedEndpoint) -> list[int]:
    """Return how often each document was sent."""
    return [endpoint.texts.count(f"text {n}") for n in range(20)]


def stopped(arguments: list[str], endpoint: ScriptedEndpoint) -> list[int]:
    """Run a job that fails at its last document; return how often each was sent."""
    endpoint.script = lambda texts: error(401, "no") if "text 19" in texts else None
    assert invoke(["run", *arguments, "--quiet"]) == 1
    endpoint.script = lambda _: None
    return times_sent(endpoint)


def test_a_limit_embeds_the_first_documents(tmp_path: Path, arguments: list[str]) -> None:
    assert invoke(["run", *arguments, "--limit", "3"]) == 0
    assert ids(tmp_path) == ["0", "1", "2"]


def test_a_dry_run_asks_nobody(
    tmp_path: Path, arguments: list[str], endpoint: ScriptedEndpoint, capsys: Captured
) -> None:
    assert invoke(["run", *arguments, "--dry-run"]) == 0
    assert "nothing was read, asked or written" in capsys.readouterr().err
    assert endpoint.exchanges == []
    assert not (tmp_path / "out").exists()


def test_quiet_tells_only_the_summary(arguments: list[str], capsys: Captured) -> None:
    assert invoke(["run", *arguments, "--quiet"]) == 0
    said = capsys.readouterr().err
    assert "endpoint: a server at" not in said
    assert "texts/s" in said


def test_a_run_reuses_what_an_earlier_one_has_left(
    tmp_path: Path, arguments: list[str], endpoint: ScriptedEndpoint, capsys: Captured
) -> None:
    before = stopped(arguments, endpoint)
    assert invoke(["run", *arguments]) == 0
    assert "reusing " in capsys.readouterr().err
    again = [after - once for after, once in zip(times_sent(endpoint), before, strict=True)]
    assert 1 <= sum(again) < 20
    assert sorted(ids(tmp_path), key=int) == [str(n) for n in range(20)]


def test_a_fresh_run_reuses_nothing(
    tmp_path: Path, arguments: list[str], endpoint: ScriptedEndpoint, capsys: Captured
) -> None:
    before = stopped(arguments, endpoint)
    assert invoke(["run", *arguments, "--fresh"]) == 0
    assert "reusing" not in capsys.readouterr().err
    again = [after - once for after, once in zip(times_sent(endpoint), before, strict=True)]
    assert again == [1] * 20
    assert sorted(ids(tmp_path), key=int) == [str(n) for n in range(20)]


def test_a_plan_is_printed_as_one_object(arguments: list[str], capsys: Captured) -> None:
    assert invoke(["plan", *arguments, "--sample", "5", "--seconds", "0.1", "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


@pytest.mark.parametrize("seconds", ["0", "nan", "inf"])
def test_a_plan_takes_a_finite_time(arguments: list[str], capsys: Captured, seconds: str) -> None:
    assert invoke(["plan", *arguments, "--seconds", seconds]) == 2
    assert "--seconds" in capsys.readouterr().err


def test_verbose_tells_of_requests_and_repetitions_without_texts(
    arguments: list[str], endpoint: ScriptedEndpoint, capsys: Captured
) -> None:
    fails = [error(503, "busy with text 7", **{"retry-after": "0"})]
    endpoint.script = lambda texts: fails.pop() if fails and texts == ["text 7"] else None
    assert invoke(["run", *arguments, "--verbose"]) == 0
    said = capsys.readouterr().err
    assert f"POST {endpoint.url}/api/embed: 1 texts, 6 characters, 4 tokens in " in said
    assert f"Overloaded (503) at {endpoint.url} after " in said
    assert f"Overloaded (503) at {endpoint.url}; waiting " in said
    assert f"{endpoint.url} gets 1 requests at once at most now" in said
    assert f"{endpoint.url} rests for " in said
    assert "text 7" not in said


def test_a_run_tells_nothing_of_single_requests_by_itself(
    arguments: list[str], capsys: Captured
) -> None:
    assert invoke(["run", *arguments]) == 0
    assert "/api/embed" not in capsys.readouterr().err
