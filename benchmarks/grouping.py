"""What requests of texts of similar length gain, beside requests of texts as they come.

Texts are cut into windows; within each, they are sorted by their tokens and cut into requests of
32 texts and 8,192 tokens at most, two of which are under way at once; the long ones go first, so
that no long request is left to go alone at the end. Only the sending is timed; the requests are the
same in every round. Rounds alternate; the median of the ratios counts.

    python -m benchmarks.grouping

With OLLAMA_HOST set, the server that answers there is measured too, on fewer texts in smaller
requests, into a result of its own.
"""

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from benchmarks.mixed_texts import mixed_texts
from benchmarks.results import record
from embed_pipeline import address
from embed_pipeline.batching import Batcher
from embed_pipeline.client import Client
from embed_pipeline.embedder import Embedder
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.engine import find_version
from embed_pipeline.errors import TextTooLong
from embed_pipeline.locate import opened
from embed_pipeline.pipelines.python_docs import entries
from embed_pipeline.tokens import Tokens

MAX_TOKENS, IN_FLIGHT = 8_192, 2


class Size(NamedTuple):
    """Say how much is measured; a window is a number of texts, and 0 means as they come."""

    texts: int
    max_texts: int
    rounds: int
    windows: tuple[int, ...]


EMBEDDED = Size(texts=1_024, max_texts=32, rounds=7, windows=(0, 256, 1_024))
SERVER = Size(texts=48, max_texts=8, rounds=5, windows=(0, 256))


class Sized(NamedTuple):
    """Hold a text as it is sent, and its tokens."""

    text: str
    tokens: int


def sized(endpoint: Endpoint, texts: Sequence[str]) -> list[Sized]:
    """Return texts as the pipeline sends them: cut to the context, and counted.

    Those the endpoint still refuses, because it counts otherwise, are left out.
    """
    embedder = Embedder(endpoint, Batching(in_flight=IN_FLIGHT), Retry(), Tokens())
    try:
        found = [one for one in embedder.prepare(texts) if not isinstance(one, TextTooLong)]
        half = embedder.limits.context // 2
    finally:
        embedder.close()
    sizes = [Sized(one.text, one.tokens or 0) for one in found]
    with Client(endpoint) as client:
        return [one for one in sizes if one.tokens <= half or _accepted(client, one.text)]


def _accepted(client: Client, text: str) -> bool:
    try:
        client.embed([text], tries=1)
    except TextTooLong:
        return False
    return True


def requests(texts: Sequence[Sized], window: int, max_texts: int) -> Iterator[list[str]]:
    """Yield the requests: in windows of so many texts, each sorted, or as they come."""
    for start in range(0, len(texts), window or len(texts)):
        part = texts[start : start + (window or len(texts))]
        batcher: Batcher[str] = Batcher(max_texts, MAX_TOKENS)
        for text, tokens in sorted(part, key=lambda one: -one.tokens) if window else part:
            if full := batcher.add(text, tokens):
                yield full
        if last := batcher.flush():
            yield last


def seconds(client: Client, batches: Sequence[list[str]]) -> float:
    """Return the wall time of all requests."""
    began = time.perf_counter()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        list(pool.map(client.embed, batches))
    return time.perf_counter() - began


def measured(client: Client, texts: Sequence[Sized], size: Size) -> dict[str, Any]:
    """Compare the windows over the same texts."""
    ways = [list(requests(texts, window, size.max_texts)) for window in size.windows]
    client.embed(max(ways[0], key=lambda batch: sum(map(len, batch))))  # the first call allocates
    rounds: list[list[float]] = []
    for number in range(size.rounds):
        taken = [0.0] * len(ways)
        for place in range(len(ways)):
            way = (number + place) % len(ways)
            taken[way] = seconds(client, ways[way])
        rounds.append(taken)
    names = ["as they come", *(f"windows of {window:,}" for window in size.windows[1:])]
    found: dict[str, Any] = {
        "texts": len(texts),
        "tokens": sum(text.tokens for text in texts),
        "requests": dict(zip(names, map(len, ways), strict=True)),
        f"{' / '.join(names)}, s": [[round(x, 3) for x in one] for one in rounds],
    }
    best = [min(taken) for taken in zip(*rounds, strict=True)]
    for way, name in enumerate(names[1:], 1):
        ratio = statistics.median(one[0] / one[way] for one in rounds)
        found[f"as they come / {name}"] = round(ratio, 3)
        found[f"as they come / {name}, fastest rounds"] = round(best[0] / best[way], 3)
    return found


def corpora(size: Size) -> dict[str, list[str]]:
    """Return the texts of both corpora."""
    return {
        "demo corpus": [entry.text for entry in entries()][: size.texts],
        "mixed texts": mixed_texts()[: size.texts],
    }


def compared(endpoint: Endpoint, size: Size) -> dict[str, Any]:
    """Measure both corpora on one endpoint."""
    found: dict[str, Any] = {"texts in a request": size.max_texts, "in flight": IN_FLIGHT}
    with Client(endpoint) as client:
        found["server"] = find_version(client)
        for name, texts in corpora(size).items():
            found[name] = measured(client, sized(endpoint, texts), size)
    return found


def main() -> None:
    """Measure, print and record."""
    with opened(Endpoint(url="embedded", model="all-minilm")) as endpoint:
        record("grouping", compared(endpoint, EMBEDDED), corpora(EMBEDDED))
    if os.environ.get("OLLAMA_HOST"):
        url = address.from_environment()
        found = compared(Endpoint(url=url, model="all-minilm"), SERVER)
        record("grouping_server", found, corpora(SERVER))


if __name__ == "__main__":
    main()
