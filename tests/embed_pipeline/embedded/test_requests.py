"""The requests for vectors, read from their bodies."""

import math

import pytest

from embed_pipeline.embedded.body import Members
from embed_pipeline.embedded.faults import ContractError
from embed_pipeline.embedded.options import Runner
from embed_pipeline.embedded.requests import (
    EmbedRequest,
    input_texts,
    parse_embed,
    parse_legacy,
    parse_openai,
)

LATEST = "all-minilm:latest"
FIELD = "Go struct field"


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        (None, []),
        ("", []),
        ([], []),
        ("a", ["a"]),
        (" ", [" "]),
        ([""], [""]),
        (["b", "a", "b"], ["b", "a", "b"]),
        ("\ud800", ["�"]),
        (["a\udfff"], ["a�"]),
    ],
)
def test_an_input_stands_for_texts(given: object, texts: list[str]) -> None:
    assert input_texts(given) == texts


@pytest.mark.parametrize(
    "given", [0, False, 1.5, [1], ["a", None], [["a"]], Members(), Members([("a", "b")])]
)
def test_an_input_of_anything_else_is_refused(given: object) -> None:
    with pytest.raises(ContractError) as caught:
        input_texts(given)
    assert (caught.value.status, caught.value.message) == (400, "invalid input type")


def test_an_embed_request_with_every_field() -> None:
    body = (
        b'{"model":"ALL-minilm:22M","input":["a","b"],"truncate":false,"dimensions":64,'
        b'"keep_alive":-1,"options":{"num_ctx":512,"seed":1}}'
    )
    assert parse_embed(body) == EmbedRequest(
        model="ALL-minilm:22M",
        name="all-minilm:22m",
        texts=["a", "b"],
        truncate=False,
        dimensions=64,
        keep_alive=math.inf,
        runner=Runner(num_ctx=512),
    )


def test_an_embed_request_with_no_field_but_the_model() -> None:
    assert parse_embed(b'{"model":"all-minilm"}') == EmbedRequest(
        model="all-minilm",
        name=LATEST,
        texts=[],
        truncate=True,
        dimensions=0,
        keep_alive=None,
        runner=Runner(),
        base64=False,
    )


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "unexpected EOF"),
        (
            b'{"model":"!","dimensions":"1"}',
            400,
            f"json: cannot unmarshal string into {FIELD} EmbedRequest.dimensions of type int",
        ),
        (b'{"model":"!","input":1}', 400, "invalid model name"),
        (b'{"model":"x","input":1}', 400, "invalid input type"),
        (
            b'{"model":"x","options":{"seed":"x"}}',
            404,
            'model "x" not found, try pulling it first',
        ),
        (
            b'{"model":"all-minilm","options":{"seed":"x"}}',
            500,
            'option "seed" must be of type integer',
        ),
    ],
)
def test_embed_refuses_in_the_contracts_order(body: bytes, status: int, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse_embed(body)
    assert (caught.value.status, caught.value.message) == (status, message)


def test_a_legacy_request_has_one_text_that_is_never_cut() -> None:
    body = (
        b'{"model":"all-minilm","prompt":"a","input":"b","truncate":true,"dimensions":3,'
        b'"keep_alive":"90s","options":{"num_ctx":8}}'
    )
    assert parse_legacy(body) == EmbedRequest(
        model="all-minilm",
        name=LATEST,
        texts=["a"],
        truncate=False,
        dimensions=0,
        keep_alive=90.0,
        runner=Runner(num_ctx=8),
    )


@pytest.mark.parametrize("body", [b'{"model":"all-minilm"}', b'{"model":"all-minilm","prompt":""}'])
def test_a_legacy_request_without_a_prompt_has_no_text(body: bytes) -> None:
    assert parse_legacy(body).texts == []


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{}", 400, "model is required"),
        (
            b'{"model":"all-minilm","prompt":["a"]}',
            400,
            f"json: cannot unmarshal array into {FIELD} EmbeddingRequest.prompt of type string",
        ),
        (b'{"model":"x"}', 404, 'model "x" not found, try pulling it first'),
    ],
)
def test_legacy_refusals(body: bytes, status: int, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse_legacy(body)
    assert (caught.value.status, caught.value.message) == (status, message)


@pytest.mark.parametrize(
    ("encoding", "base64"),
    [("null", False), ('""', False), ('"float"', False), ('"Base64"', True)],
)
def test_an_openai_request(encoding: str, base64: bool) -> None:
    body = f'{{"model":"all-minilm","input":"a","dimensions":5,"encoding_format":{encoding}}}'
    assert parse_openai(body.encode()) == EmbedRequest(
        model="all-minilm", name=LATEST, texts=["a"], dimensions=5, base64=base64
    )


def test_an_openai_request_has_neither_options_nor_keep_alive() -> None:
    body = b'{"model":"all-minilm","input":["a"],"options":{"num_ctx":8},"keep_alive":0}'
    assert parse_openai(body) == EmbedRequest(model="all-minilm", name=LATEST, texts=["a"])


def test_an_empty_string_is_a_text_to_openai() -> None:
    assert parse_openai(b'{"model":"all-minilm","input":""}').texts == [""]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b" \n", 400, "EOF"),
        (b"null", 400, "invalid input"),
        (b'{"input":[]}', 400, "invalid input"),
        (b'{"model":"all-minilm","input":{}}', 400, "invalid input type"),
        (b'{"model":"all-minilm","input":[[1]]}', 400, "invalid input type"),
        (
            b'{"model":"all-minilm","input":"a","encoding_format":"hex"}',
            400,
            "encoding_format must be 'float' or 'base64'",
        ),
        (b'{"model":"x","input":"a"}', 404, 'model "x" not found, try pulling it first'),
    ],
)
def test_openai_refusals(body: bytes, status: int, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse_openai(body)
    assert (caught.value.status, caught.value.message) == (status, message)
