"""`/v1/embeddings`, in the shape that API's clients expect."""

import base64

import httpx
import numpy as np
import pytest

from embed_pipeline.embedded.faults import ContractError
from embed_pipeline.embedded.openai import answer, error_body
from embed_pipeline.embedded.requests import EmbedRequest

VECTORS = np.array([[0.5, -0.25], [0.1, 1]], np.float32)


def vector(http: httpx.Client, text: str) -> list[float]:
    answer = http.post("/api/embed", json={"model": "all-minilm", "input": [text]}).json()
    return list(answer["embeddings"][0])


def test_a_success_is_one_line_with_an_entry_for_each_text() -> None:
    call = EmbedRequest("All-MiniLM", "all-minilm:latest", ["a", "b"])
    assert answer(call, VECTORS, 7) == (
        b'{"object":"list","data":['
        b'{"object":"embedding","embedding":[0.5,-0.25],"index":0},'
        b'{"object":"embedding","embedding":[0.1,1.0],"index":1}],'
        b'"model":"All-MiniLM","usage":{"prompt_tokens":7,"total_tokens":7}}\n'
    )


def test_base64_is_little_endian_float32_with_padding() -> None:
    call = EmbedRequest("m", "all-minilm:latest", ["a"], base64=True)
    assert b'"embedding":"AAAAPwAAgL4=","index":0' in answer(call, VECTORS[:1], 3)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (404, "not_found_error"),
        (403, "api_error"),
        (500, "api_error"),
    ],
)
def test_an_error_has_a_type_for_its_status(status: int, kind: str) -> None:
    assert error_body(ContractError(status, "no")) == {
        "error": {"message": "no", "type": kind, "param": None, "code": None}
    }


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
