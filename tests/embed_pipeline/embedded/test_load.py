"""Much at once, and clients that misbehave."""

import asyncio
import json
import socket

import httpx
import numpy as np

from embed_pipeline.embedded.process import EmbeddedProcess

MIB = 1 << 20


def is_alive(http: httpx.Client) -> bool:
    body = {"model": "all-minilm", "input": "a"}
    return http.post("/api/embed", json=body).status_code == 200


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


def test_a_word_of_a_million_letters_is_one_unknown_token(http: httpx.Client) -> None:
    body = {"model": "all-minilm", "input": "x" * 1_000_000}
    assert http.post("/api/embed", json=body).json()["prompt_eval_count"] == 3


def test_nothing_was_logged(server: EmbeddedProcess, http: httpx.Client) -> None:
    body = {"model": "all-minilm", "input": "a secret text", "options": {"num_ctx": "bad"}}
    assert http.post("/api/embed", json=body).status_code == 500
    assert server.stderr_tail() == ""
