"""Answers in JSON, and what an error is answered with (contract, section 6)."""

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ExceptionHandler

from embed_pipeline.embedded.engine import InputTooLong
from embed_pipeline.embedded.faults import ContractError

JSON = "application/json; charset=utf-8"
NOBODY_THERE = 499  # seen by nobody: the client has gone
ROUTER_TEXTS = {404: "404 page not found", 405: "405 method not allowed"}


def json_answer(content: object, status: int = 200) -> Response:
    """Answer with JSON; numpy arrays are arrays of numbers."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, media_type=JSON)


async def _contract_error(_: Request, error: Exception) -> Response:
    if isinstance(error, ContractError):
        return json_answer({"error": error.message}, error.status)
    raise error


async def _too_long(_: Request, error: Exception) -> Response:
    return json_answer({"error": str(error)}, 400)


async def _router_error(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        content = ROUTER_TEXTS.get(error.status_code, error.detail)
        return PlainTextResponse(content, error.status_code, headers=error.headers)
    raise error


async def _disconnected(_: Request, __: Exception) -> Response:
    return Response(status_code=NOBODY_THERE)


async def _failure(_: Request, error: Exception) -> Response:
    return json_answer({"error": f"internal error: {type(error).__name__}"}, 500)


EXCEPTION_HANDLERS: dict[type[Exception], ExceptionHandler] = {
    ContractError: _contract_error,
    InputTooLong: _too_long,
    HTTPException: _router_error,
    ClientDisconnect: _disconnected,
    Exception: _failure,
}
