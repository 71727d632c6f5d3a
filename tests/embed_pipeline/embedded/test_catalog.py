"""What the endpoint says about itself and its model."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from embed_pipeline.embedded.catalog import Catalog, pull, rfc3339
from embed_pipeline.embedded.engine import Engine, TextTokenizer
from embed_pipeline.embedded.faults import ContractError
from embed_pipeline.embedded.model import Model
from embed_pipeline.embedded.options import Runner
from embed_pipeline.embedded.residency import Resident


@pytest.fixture
def catalog(model: Model) -> Catalog:
    return Catalog(model, TextTokenizer(model.weights.tokenizer))


def test_size_and_date_are_those_of_the_files(model: Model, tmp_path: Path) -> None:
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"graph")
    os.utime(graph, (1_700_000_000, 1_700_000_000))
    catalog = Catalog(Model(model.weights, graph), TextTokenizer(model.weights.tokenizer))
    for entry in catalog.tags()["models"]:
        assert entry["size"] == 5 + model.weights.tokenizer.stat().st_size
        assert entry["modified_at"] == "2023-11-14T22:13:20.000000Z"


def test_tags_tell_what_the_model_is(catalog: Catalog) -> None:
    for entry in catalog.tags()["models"]:
        assert entry["model"] == entry["name"]
        assert entry["capabilities"] == ["embedding"]
        assert entry["details"] == {
            "parent_model": "",
            "format": "onnx",
            "family": "bert",
            "families": ["bert"],
            "parameter_size": "22.57M",
            "quantization_level": "F16",
            "context_length": 512,
            "embedding_length": 384,
        }


def test_nothing_is_loaded_without_a_resident(catalog: Catalog) -> None:
    assert catalog.loaded(None) == {"models": []}


@pytest.mark.parametrize(("num_ctx", "length"), [(256, 256), (1, 4), (9999, 512)])
def test_the_resident_is_shown_with_its_effective_context(
    catalog: Catalog, model: Model, num_ctx: int, length: int
) -> None:
    date = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    engine = Engine(model.graph)
    resident = Resident(engine, Runner(num_ctx=num_ctx), 300, "all-minilm:l6-v2", 1300, date)
    (entry,) = catalog.loaded(resident)["models"]
    assert entry["name"] == entry["model"] == "all-minilm:l6-v2"
    assert (entry["expires_at"], entry["size_vram"]) == ("2026-01-02T03:04:05.000000Z", 0)
    assert entry["context_length"] == length
    assert entry["digest"] == catalog.tags()["models"][0]["digest"]


def test_show_names_the_base_and_the_context(catalog: Catalog) -> None:
    shown = catalog.show(b'{"name":"all-minilm:22m"}')
    assert shown["modelfile"] == "FROM all-minilm\nPARAMETER num_ctx 256\n"
    assert shown["template"] == "{{ .Prompt }}"
    assert shown["license"] == "Apache-2.0"
    assert shown["model_info"]["tokenizer.ggml.seperator_token_id"] == 102


def test_show_takes_model_before_name(catalog: Catalog) -> None:
    with pytest.raises(ContractError) as caught:
        catalog.show(b'{"name":"all-minilm","model":"other"}')
    assert (caught.value.status, caught.value.message) == (404, "model 'other' not found")


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (
            b'{"model":"all-minilm:l6-v2"}',
            ([{"status": "pulling manifest"}, {"status": "success"}], True),
        ),
        (b'{"model":"all-minilm","stream":false}', ([{"status": "success"}], False)),
        (
            b'{"model":"all-minilm:33m"}',
            (
                [
                    {"status": "pulling manifest"},
                    {"error": "pull model manifest: file does not exist"},
                ],
                True,
            ),
        ),
    ],
)
def test_pull_answers_at_once(body: bytes, answer: tuple[list[dict[str, str]], bool]) -> None:
    assert pull(body) == answer


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "missing request body"),
        (b"{}", 400, "invalid model name"),
        (b'{"model":"x","stream":false}', 500, "pull model manifest: file does not exist"),
    ],
)
def test_pull_refusals(body: bytes, status: int, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        pull(body)
    assert (caught.value.status, caught.value.message) == (status, message)


def test_a_date_has_microseconds_and_a_z() -> None:
    assert rfc3339(datetime(2026, 1, 2, 3, 4, 5, 6, UTC)) == "2026-01-02T03:04:05.000006Z"


def test_tags_list_the_model_under_each_of_its_names(http: httpx.Client) -> None:
    models = http.get("/api/tags").json()["models"]
    assert [model["name"] for model in models] == [
        "all-minilm:latest",
        "all-minilm:22m",
        "all-minilm:l6-v2",
    ]
    for model in models:
        assert len(model["digest"]) == 64
        assert model["details"]["families"] == ["bert"]
        assert model["details"]["parameter_size"] == "22.57M"
        assert model["details"]["quantization_level"] == "F16"


def test_ps_shows_the_digest_of_tags_and_the_effective_context(http: httpx.Client) -> None:
    http.post(
        "/api/embed", json={"model": "all-minilm:22m", "input": "a", "options": {"num_ctx": 9999}}
    )
    (loaded,) = http.get("/api/ps").json()["models"]
    assert loaded["digest"] == http.get("/api/tags").json()["models"][0]["digest"]
    assert (loaded["name"], loaded["context_length"], loaded["size_vram"]) == (
        "all-minilm:22m",
        512,
        0,
    )


def test_show_describes_the_model(http: httpx.Client) -> None:
    answer = http.post("/api/show", json={"model": "all-minilm"}).json()
    assert answer["capabilities"] == ["embedding"]
    assert answer["parameters"] == "num_ctx                        256"
    info = answer["model_info"]
    assert info["general.architecture"] == "bert"
    assert info["general.parameter_count"] == 22565376
    assert (info["bert.context_length"], info["bert.embedding_length"]) == (512, 384)
    assert info["tokenizer.ggml.tokens"] is None


def test_show_verbose_lists_the_vocabulary(http: httpx.Client) -> None:
    body = {"name": "all-minilm", "verbose": True}
    tokens = http.post("/api/show", json=body).json()["model_info"]["tokenizer.ggml.tokens"]
    assert len(tokens) == 30522
    assert (tokens[0], tokens[101], tokens[1996], tokens[2015]) == ("[PAD]", "[CLS]", "▁the", "s")


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "missing request body"),
        (b"{}", 400, "model is required"),
        (b'{"model":"!!"}', 400, "invalid model name"),
        (b'{"model":"nope-model"}', 404, "model 'nope-model' not found"),
    ],
)
def test_show_refusals(http: httpx.Client, body: bytes, status: int, message: str) -> None:
    answer = http.post("/api/show", content=body)
    assert (answer.status_code, answer.json()) == (status, {"error": message})


def test_pull_of_the_model_streams_success(http: httpx.Client) -> None:
    answer = http.post("/api/pull", json={"model": "all-minilm"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines == [{"status": "pulling manifest"}, {"status": "success"}]


def test_pull_of_the_model_without_a_stream(http: httpx.Client) -> None:
    answer = http.post("/api/pull", json={"name": "all-minilm", "stream": False})
    assert (answer.status_code, answer.json()) == (200, {"status": "success"})


def test_pull_of_another_model_streams_an_error_line(http: httpx.Client) -> None:
    answer = http.post("/api/pull", json={"model": "nope"})
    assert answer.status_code == 200
    assert json.loads(answer.text.splitlines()[-1]) == {
        "error": "pull model manifest: file does not exist"
    }


def test_pull_of_another_model_without_a_stream_is_500(http: httpx.Client) -> None:
    answer = http.post("/api/pull", json={"model": "nope", "stream": False})
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "pull model manifest: file does not exist"},
    )
