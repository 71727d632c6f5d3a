"""Read a request's body within bounds, and notice when the client hangs up."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.requests import Request

from embed_pipeline.embedded.faults import ContractError

BODY_LIMIT = 64 << 20  # bytes


async def read_body(request: Request) -> bytes:
    """Return the request's body.

    Raises:
        ContractError: 413, it is larger than BODY_LIMIT; the rest of it is not kept.
    """
    refusal = ContractError(
        413,
        f"request body too large: at most {BODY_LIMIT >> 20} MiB are accepted; send fewer texts"
        " per request",
    )
    if int(request.headers.get("content-length", "0")) > BODY_LIMIT:
        raise refusal
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise refusal
    return bytes(body)


@asynccontextmanager
async def watch(request: Request) -> AsyncIterator[Callable[[], bool]]:
    """Give a function that tells, in any thread, whether the client has hung up."""
    gone = threading.Event()

    async def listen() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    listener = asyncio.create_task(listen())
    try:
        yield gone.is_set
    finally:
        listener.cancel()
