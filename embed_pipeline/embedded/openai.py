"""The answers of `/v1/embeddings`, shaped as that API's clients expect (contract, section 9)."""

import base64
from typing import Any

import orjson

from embed_pipeline.embedded.engine import Vectors
from embed_pipeline.embedded.faults import ContractError
from embed_pipeline.embedded.requests import EmbedRequest

ERROR_TYPES = {400: "invalid_request_error", 404: "not_found_error"}


def answer(call: EmbedRequest, vectors: Vectors, tokens: int) -> bytes:
    """Write a success.

    Args:
        call: What was asked for.
        vectors: float32 of shape (texts, dimensions), in C order.
        tokens: What all texts cost together.
    """
    data = [
        {"object": "embedding", "embedding": _base64(row) if call.base64 else row, "index": index}
        for index, row in enumerate(vectors)
    ]
    body = {
        "object": "list",
        "data": data,
        "model": call.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def error_body(error: ContractError) -> dict[str, Any]:
    """Say what went wrong."""
    kind = ERROR_TYPES.get(error.status, "api_error")
    return {"error": {"message": error.message, "type": kind, "param": None, "code": None}}


def _base64(row: Vectors) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode("ascii")
