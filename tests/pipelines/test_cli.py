"""The command line: what each command prints, in what form, and how it exits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from embed_pipeline import __version__
from embed_pipeline.pipelines.cli import invoke
from embed_pipeline.progress import Progress, ProgressFile
from embed_pipeline.staging import Run
from tests.support.rows import RUN_ID
from tests.support.scripted import DIGEST, WORDS, ScriptedEndpoint, tokens_of, vector_of

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _server(endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", endpoint.url)
    monkeypatch.setenv("COLUMNS", "200")


Captured = pytest.CaptureFixture[str]


def test_embed_prints_what_came_back(capsys: Captured) -> None:
    assert invoke(["embed", "--text", "hello big world"]) == 0
    lines = capsys.readouterr().out.splitlines()
    values = ", ".join(f"{value:.6f}" for value in vector_of("hello big world")[:6].tolist())
    assert lines == [
        "model       all-minilm",
        "dimensions  8",
        "tokens      5",
        "duration    5.0 ms, 1.0 ms of it loading",
        "text        'hello big world'",
        f"vector      [{values}, ...]",
    ]


def test_embed_compares(capsys: Captured) -> None:
    assert invoke(["embed", "--text", "a", "--text", "b", "--compare", "c"]) == 0
    out = capsys.readouterr().out
    for text in "ab":
        assert f"cosine      {float(vector_of(text) @ vector_of('c')):.4f} to 'c'" in out


def test_embed_sends_all_texts_in_one_request(endpoint: ScriptedEndpoint) -> None:
    assert invoke(["embed", "--text", "a", "--text", "b", "--compare", "c"]) == 0
    assert [request["input"] for request in endpoint.requests] == [["a", "b", "c"]]


def test_embed_prints_the_whole_answer_as_json(capsys: Captured) -> None:
    assert invoke(["embed", "--text", "a b", "--compare", "c", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["embeddings"][0] == pytest.approx(vector_of("a b").tolist())
    assert found["cosine_similarities"] == [pytest.approx(float(vector_of("a b") @ vector_of("c")))]
    assert found["prompt_eval_count"] == tokens_of("a b") + tokens_of("c")
    assert (found["total_duration"], found["load_duration"]) == (5_000_000, 1_000_000)


def test_check_tells_what_there_is(capsys: Captured, endpoint: ScriptedEndpoint) -> None:
    assert invoke(["check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"endpoint   {endpoint.url}",
        "version    0.0.0-scripted",
        "model      all-minilm",
        f"digest     {DIGEST}",
        "dimension  8",
        "context    256 tokens (as the server tells)",
        "tokenizer  unknown: set tokens.tokenizer",
    ]


def test_check_tells_where_the_context_is_from_and_that_the_tokenizer_is_known(
    capsys: Captured, endpoint: ScriptedEndpoint
) -> None:
    endpoint.told_context, endpoint.context, endpoint.vocabulary = None, 512, WORDS
    assert invoke(["check"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "context    512 tokens (found by asking with long texts)",
        "tokenizer  known",
    ]


def test_check_tells_of_the_prefixes_a_model_needs(
    capsys: Captured, endpoint: ScriptedEndpoint
) -> None:
    endpoint.models = ["nomic-embed-text:latest"]
    assert invoke(["check", "--model", "nomic-embed-text"]) == 0
    said = capsys.readouterr().err
    assert "tokens.prefix: 'search_document: '" in said
    assert "tokens.query_prefix: 'search_query: '" in said


def test_check_tells_how_to_get_a_model(capsys: Captured, endpoint: ScriptedEndpoint) -> None:
    assert invoke(["check", "--url", endpoint.url, "--model", "other"]) == 1
    assert "ollama pull other" in capsys.readouterr().err


def test_check_tells_where_nobody_answers(capsys: Captured) -> None:
    assert invoke(["check", "--url", "http://127.0.0.1:9"]) == 1
    said = capsys.readouterr().err
    assert "http://127.0.0.1:9/api/tags" in said
    assert "is the endpoint running" in said


def test_status_tells_of_a_run_under_way(capsys: Captured, tmp_path: Path) -> None:
    ProgressFile(Run(str(tmp_path), RUN_ID), "w").write(Progress(1200, 34_000, 2))
    assert invoke(["status", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path}: no complete dataset",
        f"run {RUN_ID}: 1,200 texts, 34,000 tokens, 2 failed",
    ]


def test_status_of_nothing_is_exit_code_1(capsys: Captured, tmp_path: Path) -> None:
    assert invoke(["status", str(tmp_path)]) == 1
    assert "no complete dataset" in capsys.readouterr().out


def test_a_dataset_can_be_searched_and_asked_for_its_status(
    capsys: Captured, tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"id": "a", "text": "apples"}\n{"id": "b", "text": "bears"}\n')
    settings = [f"--set=job.corpus.files={corpus}", f"--set=job.output.path={tmp_path / 'out'}"]
    assert invoke(["run", str(ROOT / "configs" / "local.yaml"), *settings]) == 0
    capsys.readouterr()
    assert invoke(["search", str(tmp_path / "out"), "bears", "-k", "1"]) == 0
    assert capsys.readouterr().out.split() == ["1.0000", "b", "bears"]
    assert invoke(["search", str(tmp_path / "out"), "bears", "-k", "1", "--json"]) == 0
    hit = json.loads(capsys.readouterr().out)
    assert (hit["id"], hit["score"], "vector" in hit) == ("b", pytest.approx(1.0), False)
    assert invoke(["status", str(tmp_path / "out")]) == 0
    assert "2 rows, 0 failed, 6 tokens" in capsys.readouterr().out
    endpoint.models = ["other:latest", "all-minilm:latest"]


@pytest.mark.parametrize(
    ("flags", "sent"),
    [
        ([], "q: bears"),
        (["--query-prefix", "<{text}>"], "<bears>"),
        (["--query-prefix", ""], "bears"),
    ],
)
def test_a_query_is_sent_with_the_prefix_of_the_dataset_s_job_or_another(
    tmp_path: Path, endpoint: ScriptedEndpoint, flags: list[str], sent: str
) -> None:
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"id": "a", "text": "apples"}\n')
    settings = [f"--set=job.corpus.files={corpus}", f"--set=job.output.path={tmp_path / 'out'}"]
    prefix = '--set=job.tokens.query_prefix="q: "'
    assert invoke(["run", str(ROOT / "configs" / "local.yaml"), *settings, prefix]) == 0
    assert invoke(["search", str(tmp_path / "out"), "bears", *flags]) == 0
    assert endpoint.texts[-1] == sent


@pytest.mark.parametrize(("flags", "warns"), [([], True), (["--query-prefix", ""], False)])
def test_a_query_without_the_prefix_its_model_needs_is_told_unless_that_is_meant(
    capsys: Captured, tmp_path: Path, endpoint: ScriptedEndpoint, flags: list[str], warns: bool
) -> None:
    endpoint.models = ["nomic-embed-text:latest"]
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"id": "a", "text": "apples"}\n')
    settings = [f"--set=job.corpus.files={corpus}", f"--set=job.output.path={tmp_path / 'out'}"]
    model = "--set=job.endpoint.model=nomic-embed-text"
    assert invoke(["run", str(ROOT / "configs" / "local.yaml"), *settings, model]) == 0
    assert "recommend tokens.prefix" in capsys.readouterr().err
    assert invoke(["search", str(tmp_path / "out"), "bears", *flags]) == 0
    assert ("tokens.query_prefix: 'search_query: '" in capsys.readouterr().err) is warns


def test_another_model_of_the_same_name_is_not_searched_with(
    capsys: Captured, tmp_path: Path
) -> None:
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"id": "a", "text": "apples"}\n')
    settings = [f"--set=job.corpus.files={corpus}", f"--set=job.output.path={tmp_path / 'out'}"]
    assert invoke(["run", str(ROOT / "configs" / "local.yaml"), *settings]) == 0
    manifest = tmp_path / "out" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(DIGEST, "e2" * 32))
    assert invoke(["search", str(tmp_path / "out"), "apples"]) == 4
    assert "their vectors do not compare" in capsys.readouterr().err


def test_a_folder_without_a_dataset_cannot_be_searched(capsys: Captured, tmp_path: Path) -> None:
    assert invoke(["search", str(tmp_path), "x"]) == 1
    assert "holds no complete dataset" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["embed"], "Missing option '--text'"),
        (["no-such"], "No such command 'no-such'"),
        (["run", "no-such.yaml"], "cannot read no-such.yaml"),
        (["embed", "--text", "x", "--url", "nowhere"], "is not an address"),
        (["embed", "--text", "caf\udce9"], "a text is not UTF-8"),
        (["serve", "--port", "80000"], "80000"),
        (["run", "configs/local.yaml", "--runner=NoSuchRunner"], "beam.runner: "),
    ],
)
def test_wrong_usage_is_exit_code_2(capsys: Captured, arguments: list[str], said: str) -> None:
    assert invoke(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "embed", "serve", "fetch", "check", "search", "status"])
def test_every_command_s_help_has_an_example(capsys: Captured, command: str) -> None:
    assert invoke([command, "--help"]) == 0
    assert f"Example: embed-pipeline {command}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "command", [("-m", "embed_pipeline"), ("-m", "embed_pipeline.pipelines.embed_corpus", "--help")]
)
def test_both_ways_in_are_the_same_command_line(command: tuple[str, ...]) -> None:
    arguments = [*command] if command[-1] == "--help" else [*command, "run", "--help"]
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "Embed a corpus into a dataset, as a job file says." in done.stdout


def test_version(capsys: Captured) -> None:
    assert invoke(["--version"]) == 0
    assert capsys.readouterr().out == f"embed-pipeline, version {__version__}\n"
