"""The commands that ask an endpoint: what they print, in what form, and how they exit."""

import json

import pytest

from embed_pipeline.pipelines.cli import invoke
from tests.support.scripted import DIGEST, WORDS, ScriptedEndpoint, embedded, tokens_of, vector_of


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


def test_check_deep_tells_whether_the_promises_hold(
    capsys: Captured, endpoint: ScriptedEndpoint
) -> None:
    endpoint.scripts_check = True
    endpoint.script = lambda texts: embedded(texts[::-1]) if len(texts) > 1 else None
    assert invoke(["check", "--deep", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["holds"] is False


def test_fetch_tells_where_the_weights_are(capsys: Captured) -> None:
    assert invoke(["fetch"]) == 0
    assert capsys.readouterr().out.startswith("the weights are in /")


def test_serve_refuses_a_keep_alive_that_is_none(capsys: Captured) -> None:
    assert invoke(["serve", "--port", "0", "--keep-alive", "soon"]) == 2
    assert "soon" in capsys.readouterr().err
