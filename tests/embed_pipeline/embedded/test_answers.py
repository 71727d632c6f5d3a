"""What an answer in JSON looks like, and what each kind of error is answered with."""

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from embed_pipeline.embedded.answers import EXCEPTION_HANDLERS, json_answer
from embed_pipeline.embedded.engine import InputTooLong
from embed_pipeline.embedded.faults import ContractError

ERRORS = {
    "contract": ContractError(403, "not here"),
    "length": InputTooLong("the input is too long"),
    "404": HTTPException(404, "the detail", {"Allow": "POST"}),
    "405": HTTPException(405, "the detail", {"Allow": "POST"}),
    "409": HTTPException(409, "the detail", {"Allow": "POST"}),
    "gone": ClientDisconnect(),
    "unforeseen": RuntimeError("a secret text"),
}


async def fail(request: Request) -> Response:
    raise ERRORS[request.path_params["name"]]


@pytest.fixture(scope="module")
def client(serve_app: Callable[[ASGIApp], httpx.Client]) -> httpx.Client:
    """Return a client of an application that answers with the named error."""
    return serve_app(
        Starlette(routes=[Route("/{name}", fail)], exception_handlers=dict(EXCEPTION_HANDLERS))
    )


def test_an_answer_is_compact_json_in_the_contracts_type() -> None:
    answer = json_answer({"b": [1, "é"], "a": None}, 201)
    assert answer.body == '{"b":[1,"é"],"a":null}'.encode()
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("dtype", "body"),
    [
        (np.float32, b'{"v":[0.1,-1.0]}'),
        (np.float64, b'{"v":[0.10000000149011612,-1.0]}'),
    ],
)
def test_arrays_have_the_fewest_digits_that_tell_their_numbers(
    dtype: type[np.floating[Any]], body: bytes
) -> None:
    singles = np.array([0.1, -1], np.float32)
    assert json_answer({"v": np.asarray(singles, dtype)}).body == body


def test_a_contract_error_has_its_own_status_and_message(client: httpx.Client) -> None:
    answer = client.get("/contract")
    assert (answer.status_code, answer.json()) == (403, {"error": "not here"})
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


def test_a_text_that_is_too_long_is_400(client: httpx.Client) -> None:
    answer = client.get("/length")
    assert (answer.status_code, answer.json()) == (400, {"error": "the input is too long"})


@pytest.mark.parametrize(
    ("status", "text"),
    [(404, "404 page not found"), (405, "405 method not allowed"), (409, "the detail")],
)
def test_the_routers_errors_are_plain_text_and_keep_their_headers(
    client: httpx.Client, status: int, text: str
) -> None:
    answer = client.get(f"/{status}")
    assert (answer.status_code, answer.text, answer.headers["allow"]) == (status, text, "POST")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_client_that_has_gone_is_no_failure(client: httpx.Client) -> None:
    answer = client.get("/gone")
    assert (answer.status_code, answer.content) == (499, b"")


def test_an_unforeseen_error_is_500_and_tells_nothing_but_its_type(client: httpx.Client) -> None:
    answer = client.get("/unforeseen")
    assert (answer.status_code, answer.json()) == (500, {"error": "internal error: RuntimeError"})
