"""The application: its routes, much work at once, and the official client.

Every row of `/api/embed` is in test_embed_contract.py, the vectors are in test_fidelity.py.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import ollama
import onnx
import pytest
from onnx import TensorProto, helper
from starlette.routing import Route
from starlette.types import ASGIApp

from embed_pipeline.embedded.app import create_app
from embed_pipeline.embedded.model import Model
from embed_pipeline.embedded.process import EmbeddedProcess


def vector(http: httpx.Client, text: str) -> list[float]:
    answer = http.post("/api/embed", json={"model": "all-minilm", "input": [text]}).json()
    return list(answer["embeddings"][0])


def graph_of_zero_over_zero(path: Path) -> Path:
    """Write a graph that computes 384 values for each text, none of them a number."""
    nodes = [
        helper.make_node("Constant", [], ["zeros"], value_floats=[0.0] * 384),
        helper.make_node("Cast", ["ids"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["rows"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["rows", "zeros"], ["zero"]),
        helper.make_node("Div", ["zero", "zero"], ["vectors"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT32, ["batch", "length"])
        for name in ("ids", "mask")
    ]
    outputs = [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["batch", 384])]
    graph = helper.make_graph(nodes, "nan", inputs, outputs)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    return path


def test_the_routes_are_those_of_the_contract(model: Model) -> None:
    routes = create_app(model).routes
    assert {
        (route.path, *sorted(route.methods or ())) for route in routes if isinstance(route, Route)
    } == {
        ("/", "GET", "HEAD"),
        ("/api/version", "GET", "HEAD"),
        ("/api/tags", "GET", "HEAD"),
        ("/api/ps", "GET"),
        ("/api/show", "POST"),
        ("/api/pull", "POST"),
        ("/api/embed", "POST"),
        ("/api/embeddings", "POST"),
        ("/v1/embeddings", "POST"),
    }


@pytest.mark.parametrize(("loopback", "status"), [(True, 403), (False, 200)])
def test_a_foreign_host_is_refused_on_loopback_only(
    model: Model,
    serve_app: Callable[[ASGIApp], httpx.Client],
    loopback: bool,
    status: int,
) -> None:
    client = serve_app(create_app(model, loopback=loopback))
    assert client.get("/", headers={"host": "embeddings.example"}).status_code == status


def test_requests_that_wait_for_their_turn_have_not_waited_for_a_load(
    model: Model, serve_app: Callable[[ASGIApp], httpx.Client]
) -> None:
    http = serve_app(create_app(model))
    body = {"model": "all-minilm", "input": ["a few words of a text"] * 32}
    cold = http.post("/api/embed", json=body).json()
    with ThreadPoolExecutor(8) as pool:
        warm = [
            one.json() for one in pool.map(lambda _: http.post("/api/embed", json=body), range(8))
        ]
    assert max(one["load_duration"] for one in warm) < cold["load_duration"]
    assert all(one["total_duration"] > one["load_duration"] > 0 for one in warm)


@pytest.mark.parametrize("path", ["/api/embed", "/api/embeddings"])
def test_a_vector_that_is_none_is_an_error_and_not_an_answer(
    model: Model, serve_app: Callable[[ASGIApp], httpx.Client], tmp_path: Path, path: str
) -> None:
    broken = Model(model.weights, graph_of_zero_over_zero(tmp_path / "graph.onnx"))
    body = {"model": "all-minilm", "input": "a", "prompt": "a"}
    answer = serve_app(create_app(broken)).post(path, json=body)
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "failed to encode response: json: unsupported value: NaN"},
    )


def test_a_graph_that_cannot_be_loaded_is_an_error_of_its_own(
    model: Model, serve_app: Callable[[ASGIApp], httpx.Client], tmp_path: Path
) -> None:
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"damaged")
    client = serve_app(create_app(Model(model.weights, graph)))
    answer = client.post("/api/embed", json={"model": "all-minilm", "input": "a"})
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("model failed to load, this may be due to resource")
    assert client.get("/api/ps").json() == {"models": []}


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


def test_the_legacy_route_gives_one_vector(http: httpx.Client) -> None:
    answer = http.post("/api/embeddings", json={"model": "all-minilm", "prompt": "a"}).json()
    assert list(answer) == ["embedding"]
    np.testing.assert_allclose(answer["embedding"], vector(http, "a"), rtol=0, atol=1e-6)


def test_the_legacy_route_has_the_digits_of_the_float64(http: httpx.Client) -> None:
    answer = http.post("/api/embeddings", json={"model": "all-minilm", "prompt": "a"}).json()
    values = np.array(answer["embedding"], np.float64)
    np.testing.assert_array_equal(values, values.astype(np.float32).astype(np.float64))


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


def test_ten_thousand_texts_in_one_request(http: httpx.Client) -> None:
    texts = [f"{number % 100}" for number in range(10_000)]
    answer = http.post("/api/embed", json={"model": "all-minilm", "input": texts}).json()
    vectors = np.array(answer["embeddings"], np.float32)
    assert vectors.shape == (10_000, 384)
    assert answer["prompt_eval_count"] == 30_000
    np.testing.assert_allclose(vectors[:100], vectors[-100:], rtol=0, atol=1e-6)


def test_two_hundred_clients_at_once_all_get_their_own_answer(server: EmbeddedProcess) -> None:
    async def run() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=server.url, timeout=100, limits=limits) as client:
            return await asyncio.gather(
                *(
                    client.post("/api/embed", json={"model": "all-minilm", "input": "x " * (1 + n)})
                    for n in range(200)
                )
            )

    answers = asyncio.run(run())
    assert [answer.json()["prompt_eval_count"] for answer in answers] == list(range(3, 203))


def test_a_word_of_a_million_letters_is_one_unknown_token(http: httpx.Client) -> None:
    body = {"model": "all-minilm", "input": "x" * 1_000_000}
    assert http.post("/api/embed", json=body).json()["prompt_eval_count"] == 3


def test_nothing_was_logged(server: EmbeddedProcess, http: httpx.Client) -> None:
    body = {"model": "all-minilm", "input": "a secret text", "options": {"num_ctx": "bad"}}
    assert http.post("/api/embed", json=body).status_code == 500
    assert server.stderr_tail() == ""


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
