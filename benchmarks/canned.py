"""A canned endpoint for benchmarks: answers at once, or serves so many requests at a time.

    python -m benchmarks.canned [--ms-per-text 1.0] [--parallel 1] [--counting]

It listens on a free loopback port, prints it, and ends when its standard input closes. Vectors are
random but well-formed (384 values, unit length), and each text has its own. `GET /busy` tells the
seconds it spent serving, `GET /texts` how many texts that begin with "Document" it was sent, and in
how many seconds from the first of these requests to the last answer.
With `--counting` it tells the vocabulary of all-minilm, and counts tokens with it; else 12 a text.
"""

import argparse
import asyncio
import math
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import orjson

from embed_pipeline.embedded.engine import Context, TextTokenizer
from embed_pipeline.embedded.model import prepare

DIMENSION = 384
VARIETY = 997  # different vectors but for their first two values
FIRST = 0.1  # length of the first two values, whose direction is the text's own


def canned_vectors() -> list[bytes]:
    """Return the JSON of some unit vectors, from their third value on."""
    found = np.random.default_rng(7).standard_normal((VARIETY, DIMENSION - 2))
    found *= math.sqrt(1 - FIRST**2) / np.linalg.norm(found, axis=1, keepdims=True)
    rows = found.astype("f4")
    return [orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)[1:] for row in rows]


class Canned(asyncio.Protocol):
    """Speak just enough HTTP/1.1 for a client that keeps its connection."""

    vectors = canned_vectors()
    seconds_per_text = 0.0
    busy = 0.0
    documents = 0
    first = last = 0.0
    turn: asyncio.Semaphore
    tokenizer: TextTokenizer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the connection."""
        self.transport = transport
        self.buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.buffer[:end]).lower()
            length = 0
            if (at := head.find(b"content-length:")) >= 0:
                length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(self.buffer) < end + 4 + length:
                return
            body = bytes(self.buffer[end + 4 : end + 4 + length])
            del self.buffer[: end + 4 + length]
            self._answer(head.split(b" ", 2)[1], body)

    def _answer(self, path: bytes, body: bytes) -> None:
        if path != b"/api/embed":
            self._send(self._other(path))
            return
        texts = orjson.loads(body)["input"]
        count = len(texts)
        if texts and texts[0].startswith("Document"):  # requests of a corpus are of nothing else
            Canned.first = Canned.first or time.monotonic()
            Canned.documents += count
        answer = self._embedded(texts, self._tokens(texts))
        if self.seconds_per_text and count:
            self.serving = asyncio.ensure_future(self._serve(count, answer))
        else:
            self._send(answer)

    async def _serve(self, count: int, answer: bytes) -> None:
        """Serve so many requests at a time, each for as long as its texts take."""
        loop = asyncio.get_running_loop()
        async with Canned.turn:
            began = loop.time()
            await asyncio.sleep(self.seconds_per_text * count)
            Canned.busy += loop.time() - began
            Canned.last = time.monotonic()
        self._send(answer)

    def _tokens(self, texts: list[str]) -> int:
        if self.tokenizer is None:
            return 12 * len(texts)
        return sum(map(len, self.tokenizer.encode(texts, Context(), truncate=True)))

    def _embedded(self, texts: list[str], tokens: int) -> bytes:
        vectors = b",".join(map(self._vector, texts))
        return (
            b'{"model":"all-minilm","embeddings":[%b],"total_duration":1,"load_duration":1,'
            b'"prompt_eval_count":%d}' % (vectors, tokens)
        )

    def _vector(self, text: str) -> bytes:
        number = zlib.crc32(text.encode())
        angle = number * math.tau / 2**32
        first = FIRST * math.cos(angle), FIRST * math.sin(angle)
        return b"[%.9g,%.9g,%b" % (*first, self.vectors[number % VARIETY])

    def _other(self, path: bytes) -> bytes:
        entry = {"name": "all-minilm:latest", "digest": "c" * 64, "context_length": 256}
        known = {
            b"/api/version": {"version": "canned"},
            b"/api/tags": {"models": [entry]},
            b"/api/ps": {"models": [entry]},
            b"/busy": {"seconds": Canned.busy},
            b"/texts": {"texts": Canned.documents, "seconds": Canned.last - Canned.first},
        }
        if self.tokenizer is not None:
            known[b"/api/show"] = {"model_info": model_info(self.tokenizer)}
        return orjson.dumps(known.get(path, {"error": "no such path"}))

    def _send(self, body: bytes) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            % len(body)
        )
        self.transport.write(body)


def model_info(tokenizer: TextTokenizer) -> dict[str, Any]:
    """Return what `/api/show` tells of a tokenizer."""
    return {
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.tokens": tokenizer.vocabulary(),
        "tokenizer.ggml.unknown_token_id": 100,
    }


async def serve(ms_per_text: float, parallel: int, *, counting: bool) -> None:
    """Serve until standard input closes."""
    Canned.seconds_per_text = ms_per_text / 1000
    Canned.tokenizer = TextTokenizer(prepare().weights.tokenizer) if counting else None
    Canned.turn = asyncio.Semaphore(parallel)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Canned, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


@contextmanager
def canned(ms_per_text: float = 0.0, *, parallel: int = 1, counting: bool = False) -> Iterator[str]:
    """Run a canned endpoint in a process of its own; yield its address."""
    command = [sys.executable, "-m", "benchmarks.canned", "--ms-per-text", str(ms_per_text)]
    command += ["--parallel", str(parallel), *["--counting"] * counting]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--ms-per-text", type=float, default=0.0)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--counting", action="store_true")
    asked = parser.parse_args()
    asyncio.run(serve(asked.ms_per_text, asked.parallel, counting=asked.counting))
