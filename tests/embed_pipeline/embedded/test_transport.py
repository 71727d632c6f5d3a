"""A request's body within bounds, and clients that misbehave."""

import asyncio
import json
import socket
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Message

from embed_pipeline.embedded.faults import ContractError
from embed_pipeline.embedded.process import EmbeddedProcess
from embed_pipeline.embedded.transport import read_body, watch

MIB = 1 << 20


TOO_LARGE = "request body too large: at most 64 MiB are accepted; send fewer texts per request"
HANG_UP: Message = {"type": "http.disconnect"}


def part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def request_of(messages: Sequence[Message], **headers: str) -> Request:
    """Return a request whose messages a server would hand over one after the other, then none."""
    left = list(messages)

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


def body_of(*messages: Message, **headers: str) -> bytes:
    async def read() -> bytes:
        return await asyncio.wait_for(read_body(request_of(messages, **headers)), 60)

    return asyncio.run(read())


def is_alive(http: httpx.Client) -> bool:
    body = {"model": "all-minilm", "input": "a"}
    return http.post("/api/embed", json=body).status_code == 200


def test_the_parts_of_a_body_are_joined() -> None:
    assert body_of(part(b"a"), part(b""), part(b"bc"), part(b"", more=False)) == b"abc"


def test_a_body_may_be_empty() -> None:
    assert body_of(part(b"", more=False)) == b""


def test_a_body_may_be_as_large_as_the_limit() -> None:
    limit = part(b"x" * (64 * MIB), more=False)
    assert len(body_of(limit, content_length=str(64 * MIB))) == 64 * MIB


def test_one_byte_more_is_refused() -> None:
    with pytest.raises(ContractError) as caught:
        body_of(part(b"x" * (64 * MIB)), part(b"x"), part(b"", more=False))
    assert (caught.value.status, caught.value.message) == (413, TOO_LARGE)


def test_a_body_that_is_declared_too_large_is_refused_unread() -> None:
    with pytest.raises(ContractError) as caught:
        body_of(content_length=str(64 * MIB + 1))
    assert (caught.value.status, caught.value.message) == (413, TOO_LARGE)


def test_a_client_that_hangs_up_is_noticed_once_it_has() -> None:
    async def run() -> tuple[bool, bool]:
        asked, hanging_up, hung_up = asyncio.Event(), asyncio.Event(), asyncio.Event()
        left = [part(b"", more=False)]

        async def receive() -> Message:
            if left:
                return left.pop()
            asked.set()
            await hanging_up.wait()
            hung_up.set()
            return HANG_UP

        request = Request({"type": "http", "method": "POST", "headers": []}, receive)
        async with watch(request) as abandoned:
            await asyncio.wait_for(asked.wait(), 60)
            before = abandoned()
            hanging_up.set()
            await asyncio.wait_for(hung_up.wait(), 60)
            return before, abandoned()

    assert asyncio.run(run()) == (False, True)


def test_the_watch_ends_with_its_request() -> None:
    async def run() -> set[asyncio.Task[Any]]:
        async with watch(request_of([])):
            pass
        await asyncio.to_thread(bool)  # other tasks go on meanwhile
        return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}

    assert asyncio.run(run()) == set()


def test_a_declared_body_over_the_limit_is_refused_at_once(server: EmbeddedProcess) -> None:
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        head = f"POST /api/embed HTTP/1.1\r\nHost: localhost\r\nContent-Length: {100 * MIB}\r\n\r\n"
        connection.sendall(head.encode())
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_of_100_megabytes_gets_a_clear_413(http: httpx.Client) -> None:
    answer = http.post("/api/embed", content=b" " * (100 * MIB))
    assert answer.status_code == 413
    assert answer.json() == {
        "error": "request body too large: at most 64 MiB are accepted; send fewer texts per request"
    }
    assert is_alive(http)


def test_a_chunked_body_over_the_limit_is_refused(http: httpx.Client) -> None:
    answer = http.post("/api/embed", content=(b" " * MIB for _ in range(70)))
    assert answer.status_code == 413
    assert is_alive(http)


def test_a_chunked_body_is_read(http: httpx.Client) -> None:
    parts = (part for part in (b'{"model":"all-', b'minilm","input":"a"}'))
    assert http.post("/api/embed", content=parts).json()["prompt_eval_count"] == 3


def test_a_client_that_hangs_up_stops_its_work_and_nothing_else(
    server: EmbeddedProcess, http: httpx.Client
) -> None:
    port = int(server.url.rpartition(":")[2])
    body = json.dumps({"model": "all-minilm", "input": ["word " * 250] * 2000}).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        head = f"POST /api/embed HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
    # The 2,000 texts would take far longer than this test may: the next request gets its turn.
    assert is_alive(http)


def test_a_client_that_hangs_up_in_its_body_harms_nobody(
    server: EmbeddedProcess, http: httpx.Client
) -> None:
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(
            b'POST /api/embed HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n{"mod'
        )
    assert is_alive(http)
