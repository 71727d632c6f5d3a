"""`POST /api/embed`, row by row of the contract: literal bodies in, literal bodies out."""

import json
from typing import Any

import httpx
import pytest

LOADED_ONLY = {"model": "all-minilm", "embeddings": []}


def post(http: httpx.Client, body: object) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return http.post("/api/embed", content=content)


def ask(**fields: object) -> dict[str, object]:
    return {"model": "all-minilm", "input": "a", **fields}


def unmarshal(value: str, field: str, kind: str) -> str:
    return (
        f"json: cannot unmarshal {value} into Go struct field EmbedRequest.{field} of type {kind}"
    )


TOO_LONG = "the input length exceeds the context length"
NOTHING_LEFT = "input after truncation exceeds maximum context length"

ERRORS: list[tuple[Any, int, str]] = [
    # the body
    (b"", 400, "missing request body"),
    (b" \n\t", 400, "missing request body"),
    (b"null", 404, "model '' not found"),
    (b"{}", 404, "model '' not found"),
    (b"[]", 400, "json: cannot unmarshal array into Go value of type api.EmbedRequest"),
    (b'"x"', 400, "json: cannot unmarshal string into Go value of type api.EmbedRequest"),
    (b"5", 400, "json: cannot unmarshal number into Go value of type api.EmbedRequest"),
    (b'{"model":"all-minilm","input":', 400, "unexpected EOF"),
    (b'{"model":"all-minilm","input":"a', 400, "unexpected EOF"),
    (b'{"model":"all-minilm","input":["a"', 400, "unexpected EOF"),
    (b'{"model":nul', 400, "unexpected EOF"),
    (b"{,}", 400, "invalid character ',' looking for beginning of object key string"),
    (b"{'model':1}", 400, 'invalid character "\'" looking for beginning of object key string'),
    (b'{"model" 1}', 400, "invalid character '1' after object key"),
    (b'{"input":NaN}', 400, "invalid character 'N' looking for beginning of value"),
    (b'{"input":-Infinity}', 400, "invalid character 'I' looking for beginning of value"),
    (b'{"input":"a\nb"}', 400, "invalid character '\\n' in string literal"),
    (b"\xef\xbb\xbf{}", 400, "invalid character 'ï' looking for beginning of value"),
    (b"\x1f\x8b\x08", 400, "invalid character '\\x1f' looking for beginning of value"),
    (b"[" * 200_000, 400, "exceeded max depth"),
    # the model
    ({"input": "a"}, 404, "model '' not found"),
    (ask(model=""), 404, "model '' not found"),
    (ask(model=None), 404, "model '' not found"),
    (ask(model=5), 400, unmarshal("number", "model", "string")),
    (ask(model="nope-model"), 404, 'model "nope-model" not found, try pulling it first'),
    (ask(model="all-minilm:33m"), 404, 'model "all-minilm:33m" not found, try pulling it first'),
    (ask(model="x/all-minilm"), 404, 'model "x/all-minilm" not found, try pulling it first'),
    (ask(model="!!"), 400, "invalid model name"),
    (ask(model="all minilm"), 400, "invalid model name"),
    (ask(model="mödel"), 400, "invalid model name"),
    (ask(model="x" * 81), 400, "invalid model name"),
    (ask(model="x:y:z"), 400, "invalid model name"),
    (ask(model="x:"), 400, "invalid model name"),
    (ask(model="a/b/c/d"), 400, "invalid model name"),
    (
        ask(model="foo:cloud:local"),
        400,
        'use either :local or :cloud, not both: "foo:cloud:local"',
    ),
    (ask(model="x:cloud"), 403, "ollama cloud is disabled: remote model is unavailable"),
    (ask(model="x:1b-cloud"), 403, "ollama cloud is disabled: remote model is unavailable"),
    # the input
    (ask(input=1), 400, "invalid input type"),
    (ask(input=True), 400, "invalid input type"),
    (ask(input={"a": 1}), 400, "invalid input type"),
    (ask(input={}), 400, "invalid input type"),
    (ask(input=[1]), 400, "invalid input type"),
    (ask(input=["a", 1]), 400, "invalid input type"),
    (ask(input=[["a"]]), 400, "invalid input type"),
    (ask(input=[None]), 400, "invalid input type"),
    # the order of the checks
    (ask(model="nope-model", input=1), 400, "invalid input type"),
    (ask(model="nope-model", input=""), 404, 'model "nope-model" not found, try pulling it first'),
    (ask(model="", input=1), 404, "model '' not found"),
    (ask(model="!!", truncate=1), 400, unmarshal("number", "truncate", "bool")),
    (
        ask(model="nope-model", options={"num_ctx": "x"}),
        404,
        'model "nope-model" not found, try pulling it first',
    ),
    # the other fields
    (ask(truncate="true"), 400, unmarshal("string", "truncate", "bool")),
    (ask(truncate=1), 400, unmarshal("number", "truncate", "bool")),
    (ask(dimensions=3.5), 400, unmarshal("number 3.5", "dimensions", "int")),
    (ask(dimensions=128.0), 400, unmarshal("number 128.0", "dimensions", "int")),
    (ask(dimensions=10**30), 400, unmarshal(f"number {10**30}", "dimensions", "int")),
    (ask(dimensions="3"), 400, unmarshal("string", "dimensions", "int")),
    (ask(dimensions=True), 400, unmarshal("bool", "dimensions", "int")),
    (
        b'{"model":"all-minilm","input":"a","dimensions":1.28e2}',
        400,
        unmarshal("number 1.28e2", "dimensions", "int"),
    ),
    (ask(keep_alive="abc"), 400, 'time: invalid duration "abc"'),
    (ask(keep_alive=""), 400, 'time: invalid duration ""'),
    (ask(keep_alive="-1"), 400, 'time: missing unit in duration "-1"'),
    (ask(keep_alive="5"), 400, 'time: missing unit in duration "5"'),
    (ask(keep_alive="1d"), 400, 'time: unknown unit "d" in duration "1d"'),
    (ask(keep_alive=True), 400, "Unsupported type: 'bool'"),
    (ask(keep_alive={}), 400, "Unsupported type: 'map[string]interface {}'"),
    (ask(keep_alive=[]), 400, "Unsupported type: '[]interface {}'"),
    (ask(options=[]), 400, unmarshal("array", "options", "map[string]interface {}")),
    (ask(options="x"), 400, unmarshal("string", "options", "map[string]interface {}")),
    # option values
    (ask(options={"num_ctx": "256"}), 500, 'option "num_ctx" must be of type integer'),
    (ask(options={"num_ctx": True}), 500, 'option "num_ctx" must be of type integer'),
    (ask(input="", options={"num_ctx": []}), 500, 'option "num_ctx" must be of type integer'),
    (ask(options={"temperature": "hot"}), 500, 'option "temperature" must be of type float32'),
    (ask(options={"use_mmap": 1}), 500, 'option "use_mmap" must be of type boolean'),
    (ask(options={"stop": "x"}), 500, 'option "stop" must be of type array'),
    (ask(options={"stop": [1]}), 500, 'option "stop" must be of an array of strings'),
    # the context
    (ask(input="word " * 255, truncate=False), 400, TOO_LONG),
    (ask(input=["a", "word " * 255], truncate=False), 400, TOO_LONG),
    (ask(input="word " * 511, truncate=False, options={"num_ctx": 8192}), 400, TOO_LONG),
    (ask(input="word " * 3, options={"num_ctx": 2}), 400, NOTHING_LEFT),
    (ask(input="word " * 3, options={"num_ctx": -5}), 400, NOTHING_LEFT),
    (ask(input="word " * 3, truncate=False, options={"num_ctx": 0}), 400, TOO_LONG),
]


@pytest.mark.parametrize(("body", "status", "message"), ERRORS)
def test_refusals(http: httpx.Client, body: object, status: int, message: str) -> None:
    answer = post(http, body)
    assert (answer.status_code, answer.json()) == (status, {"error": message})
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("given", ["", [], None])
def test_no_input_only_loads_the_model(http: httpx.Client, given: object) -> None:
    answer = post(http, ask(input=given))
    assert (answer.status_code, answer.json()) == (200, LOADED_ONLY)


def test_prompt_is_not_input(http: httpx.Client) -> None:
    assert post(http, {"model": "all-minilm", "prompt": "a"}).json() == LOADED_ONLY


@pytest.mark.parametrize(
    ("given", "vectors", "tokens"),
    [
        ("text", 1, 3),
        (["a", "b"], 2, 6),
        ([""], 1, 2),
        (["   "], 1, 2),
        ("\n", 1, 2),
        (["a", ""], 2, 5),
        (["Why is the sky blue?"] * 3, 3, 24),
    ],
)
def test_input_forms(http: httpx.Client, given: object, vectors: int, tokens: int) -> None:
    answer = post(http, ask(input=given)).json()
    assert [len(vector) for vector in answer["embeddings"]] == [384] * vectors
    assert answer["prompt_eval_count"] == tokens


def test_a_success_has_the_contracts_keys_in_its_order(http: httpx.Client) -> None:
    answer = post(http, ask())
    assert list(answer.json()) == [
        "model",
        "embeddings",
        "total_duration",
        "load_duration",
        "prompt_eval_count",
    ]
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.content.endswith(b"}")
    assert answer.json()["total_duration"] >= answer.json()["load_duration"] > 0


@pytest.mark.parametrize(
    "name",
    [
        "all-minilm",
        "all-minilm:latest",
        "all-minilm:22m",
        "all-minilm:l6-v2",
        "ALL-MiniLM:22M",
        "library/all-minilm",
        "registry.ollama.ai/library/all-minilm:latest",
        "all-minilm:local",
        " all-minilm ",
    ],
)
def test_the_models_names_are_accepted_and_echoed_verbatim(http: httpx.Client, name: str) -> None:
    answer = post(http, ask(model=name))
    assert (answer.status_code, answer.json()["model"]) == (200, name)


@pytest.mark.parametrize(
    "body",
    [
        b'{"MODEL":"all-minilm","Input":"a"}',
        b'{"model":"nope","model":"all-minilm","input":"b","input":"a"}',
        b'{"model":"nope","MODEL":"nope","model":"all-minilm","INPUT":"a"}',
        b'{"model":"all-minilm","model":null,"input":"a"}',
        b'{"model":"all-minilm","input":"a"} trailing { bytes',
        b' \r\n\t{"model":"all-minilm","input":"a"}',
        b'{"model":"all-minilm","input":"a","stream":"yes","unknown":[{}]}',
        b'{"model":"all-minilm","input":"a","truncate":null,"dimensions":null,"options":null}',
        b'{"model":"all-minilm","input":"a","keep_alive":null}',
        b'{"model":"all-minilm","input":"a","options":{"num_ctx":256.7,"seed":null}}',
        b'{"model":"all-minilm","input":"a","options":{"temperature":0,"stop":["x"],"other":{}}}',
    ],
)
def test_bodies_read_leniently(http: httpx.Client, body: bytes) -> None:
    expected = post(http, ask()).json()["embeddings"]
    assert post(http, body).json()["embeddings"] == expected


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"model":"all-minilm","input":"a \xff b"}', "a � b"),
        (rb'{"model":"all-minilm","input":"a \ud800 b"}', "a � b"),
        (rb'{"model":"all-minilm","input":["\ud83d\ude00 x"]}', "😀 x"),
    ],
)
def test_what_is_no_text_becomes_the_replacement_character(
    http: httpx.Client, body: bytes, text: str
) -> None:
    expected = post(http, ask(input=text)).json()["embeddings"]
    assert post(http, body).json()["embeddings"] == expected


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_the_content_type_is_not_looked_at(http: httpx.Client, content_type: str) -> None:
    answer = http.post(
        "/api/embed", content=json.dumps(ask()), headers={"content-type": content_type}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("words", "options", "tokens"),
    [
        (254, {}, 256),
        (255, {}, 256),
        (600, {}, 256),
        (510, {"num_ctx": 512}, 512),
        (511, {"num_ctx": 512}, 512),
        (511, {"num_ctx": 8192}, 512),
        (30, {"num_ctx": 10}, 10),
        (2, {"num_ctx": 3}, 4),
        (5, {"num_ctx": 3}, 3),
        (2, {"num_ctx": 0}, 4),
    ],
)
def test_the_context_is_filled_and_no_more(
    http: httpx.Client, words: int, options: dict[str, int], tokens: int
) -> None:
    answer = post(http, ask(input="word " * words, options=options))
    assert (answer.status_code, answer.json()["prompt_eval_count"]) == (200, tokens)


def test_the_head_of_a_long_text_is_kept(http: httpx.Client) -> None:
    words = [f"{number}" for number in range(2000)]
    cut = post(http, ask(input=" ".join(words), options={"num_ctx": 6})).json()
    head = post(http, ask(input=" ".join(words[:4]), options={"num_ctx": 6})).json()
    assert cut["embeddings"] == head["embeddings"]


def test_a_text_that_fits_exactly_passes_untruncated(http: httpx.Client) -> None:
    answer = post(http, ask(input="word " * 254, truncate=False))
    assert answer.json()["prompt_eval_count"] == 256


def test_over_long_text_of_unknown_words_is_cut_too(http: httpx.Client) -> None:
    answer = post(http, ask(input="🫠 “x” — " * 400))
    assert answer.json()["prompt_eval_count"] == 256
