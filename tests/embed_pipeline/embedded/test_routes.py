"""The routes beside `/api/embed`, and what is refused before a route is reached."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing

import httpx
import numpy as np
import ollama
import pytest

from embed_pipeline.embedded.process import EmbeddedProcess


def vector(http: httpx.Client, text: str) -> list[float]:
    answer = http.post("/api/embed", json={"model": "all-minilm", "input": [text]}).json()
    return list(answer["embeddings"][0])


def test_the_root_says_what_is_running(http: httpx.Client) -> None:
    answer = http.get("/")
    assert answer.text == "Ollama is running"
    assert answer.headers["content-type"].startswith("text/plain")


def test_the_version_names_the_engine(http: httpx.Client) -> None:
    assert http.get("/api/version").json() == {"version": "0.30.0-embedded.0.1.0"}


@pytest.mark.parametrize("path", ["/", "/api/version", "/api/tags"])
def test_head_is_answered_without_a_body(http: httpx.Client, path: str) -> None:
    answer = http.head(path)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/api/embed", "POST"),
        ("HEAD", "/api/embed", "POST"),
        ("PUT", "/api/embed", "POST"),
        ("GET", "/v1/embeddings", "POST"),
        ("HEAD", "/api/ps", "GET"),
    ],
)
def test_a_wrong_method_is_405(http: httpx.Client, method: str, path: str, allow: str) -> None:
    answer = http.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == ("" if method == "HEAD" else "405 method not allowed")


@pytest.mark.parametrize("path", ["/nope", "/api", "/api/embed/x", "/v1/api/embed"])
def test_a_wrong_path_is_a_plain_404(http: httpx.Client, path: str) -> None:
    answer = http.post(path, json={})
    assert (answer.status_code, answer.text) == (404, "404 page not found")
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_trailing_slash_is_redirected(http: httpx.Client) -> None:
    answer = http.post("/api/embed/", json={"model": "all-minilm", "input": "a"})
    assert (answer.status_code, answer.content) == (307, b"")
    assert answer.headers["location"].endswith("/api/embed")


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("host", "evil.example", 403),
        ("host", "evil.example:11434", 403),
        ("host", "8.8.8.8", 403),
        ("host", "localhost:1234", 200),
        ("host", "box.localhost", 200),
        ("host", "box.local", 200),
        ("host", "box.internal", 200),
        ("host", "10.1.2.3:80", 200),
        ("host", "[::1]:11434", 200),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("origin", "http://localhost:3000", 200),
        ("origin", "app://x", 200),
    ],
)
def test_foreign_hosts_and_origins_get_an_empty_403(
    http: httpx.Client, header: str, value: str, status: int
) -> None:
    answer = http.get("/api/version", headers={header: value})
    assert answer.status_code == status
    assert (answer.content == b"") == (status == 403)


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


def test_the_legacy_route_gives_one_vector(http: httpx.Client) -> None:
    answer = http.post("/api/embeddings", json={"model": "all-minilm", "prompt": "a"}).json()
    assert list(answer) == ["embedding"]
    np.testing.assert_allclose(answer["embedding"], vector(http, "a"), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"model": "all-minilm"}, 200, {"embedding": []}),
        ({"model": "all-minilm", "prompt": ""}, 200, {"embedding": []}),
        ({"prompt": "a"}, 400, {"error": "model is required"}),
        (
            {"model": "nope", "prompt": "a"},
            404,
            {"error": 'model "nope" not found, try pulling it first'},
        ),
        (
            {"model": "all-minilm", "prompt": "word " * 300, "truncate": True},
            500,
            {"error": "the input length exceeds the context length"},
        ),
    ],
)
def test_the_legacy_routes_other_answers(
    http: httpx.Client, body: dict[str, str], status: int, expected: dict[str, object]
) -> None:
    answer = http.post("/api/embeddings", json=body)
    assert (answer.status_code, answer.json()) == (status, expected)


def test_v1_floats(http: httpx.Client) -> None:
    answer = http.post(
        "/v1/embeddings", json={"model": "all-minilm", "input": ["a", "b"], "encoding_format": None}
    )
    body = answer.json()
    assert answer.text.endswith("}\n")
    assert (body["object"], body["model"]) == ("list", "all-minilm")
    assert body["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    assert [item["index"] for item in body["data"]] == [0, 1]
    assert body["data"][1]["object"] == "embedding"
    np.testing.assert_allclose(body["data"][1]["embedding"], vector(http, "b"), rtol=0, atol=1e-6)


def test_v1_base64_is_little_endian_float32(http: httpx.Client) -> None:
    body = {"model": "all-minilm", "input": "a", "dimensions": 3, "encoding_format": "BASE64"}
    encoded = http.post("/v1/embeddings", json=body).json()["data"][0]["embedding"]
    values = np.frombuffer(base64.b64decode(encoded), "<f4")
    # From a server with float16 activations, so only near ours.
    reference = np.frombuffer(base64.b64decode("bZ8Iv+0SAj9FEC2/"), "<f4")
    np.testing.assert_allclose(values, reference, rtol=0, atol=1e-3)


def test_v1_an_empty_string_is_a_text(http: httpx.Client) -> None:
    answer = http.post("/v1/embeddings", json={"model": "all-minilm", "input": ""}).json()
    assert answer["usage"]["prompt_tokens"] == 2


@pytest.mark.parametrize(
    ("body", "status", "message", "kind"),
    [
        (b"", 400, "EOF", "invalid_request_error"),
        (b'{"model":"all-minilm"}', 400, "invalid input", "invalid_request_error"),
        (b'{"model":"all-minilm","input":[]}', 400, "invalid input", "invalid_request_error"),
        (b'{"model":"all-minilm","input":[1]}', 400, "invalid input type", "invalid_request_error"),
        (
            b'{"model":"nope","input":"a"}',
            404,
            'model "nope" not found, try pulling it first',
            "not_found_error",
        ),
        (b'{"input":"a"}', 404, "model '' not found", "not_found_error"),
    ],
)
def test_v1_refusals(http: httpx.Client, body: bytes, status: int, message: str, kind: str) -> None:
    answer = http.post("/v1/embeddings", content=body)
    error = {"message": message, "type": kind, "param": None, "code": None}
    assert (answer.status_code, answer.json()) == (status, {"error": error})


@pytest.fixture
def client(server: EmbeddedProcess) -> Iterator[ollama.Client]:
    with closing(ollama.Client(server.url)) as official:
        yield official


def test_the_official_client_works(client: ollama.Client) -> None:
    answer = client.embed("all-minilm", ["a", "b"], dimensions=8, keep_alive="10m")
    assert [len(row) for row in answer.embeddings] == [8, 8]
    assert answer.prompt_eval_count == 6
    assert client.show("all-minilm").capabilities == ["embedding"]
    assert client.list().models[0].model == "all-minilm:latest"
    assert client.ps().models[0].model == "all-minilm:latest"
    assert client.pull("all-minilm").status == "success"
    assert len(client.embeddings("all-minilm", "a").embedding) == 384


def test_the_official_client_gets_the_contracts_error(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="not found, try pulling it first") as caught:
        client.embed("nope", "a")
    assert caught.value.status_code == 404
