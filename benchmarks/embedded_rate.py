"""Tokens a second of the embedded endpoint over HTTP, beside a bare ONNX Runtime loop.

Both embed the same texts, short ones and long ones, in the same requests or batches of 64: the loop
tokenizes a batch, pads it, and runs the model on it, all in one process. The client has two
requests under way, as the pipeline does. Rounds alternate; the median of the ratios counts. The
engine in a loop of its own, with its micro-batches but without HTTP, is shown beside them.

    python -m benchmarks.embedded_rate
"""

import pydoc
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import record
from embed_pipeline.client import Client
from embed_pipeline.embedded.engine import Context, Engine, TextTokenizer
from embed_pipeline.embedded.model import prepare
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.locate import opened

BATCH, ROUNDS = 64, 7
Embed = Callable[[Sequence[str]], int]


def texts() -> dict[str, list[str]]:
    """Return real texts: lines, and longer pieces, of the documentation of Python's keywords."""
    topics = sorted(pydoc.Helper.topics)
    words = " ".join(str(pydoc.Helper.topics[topic]) for topic in topics)
    source = Path(pydoc.__file__).read_text(encoding="utf-8").split() + words.split()
    short = [" ".join(source[at : at + 5]) for at in range(0, 10_000, 5)]
    long = [" ".join(source[at : at + 60]) for at in range(0, 10_200, 34)][:300]
    return {"short": short, "long": long}


def bare_loop(graph: Path, tokenizer: Path) -> Embed:
    """Return the loop one would write: tokenize, pad, run."""
    import onnxruntime as ort
    from tokenizers import Tokenizer

    session: Any = ort.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    encoder = Tokenizer.from_file(str(tokenizer))
    encoder.enable_truncation(256)
    encoder.enable_padding()

    def embed(batch: Sequence[str]) -> int:
        encoded = encoder.encode_batch_fast(list(batch))
        ids = np.array([one.ids for one in encoded], np.int32)
        mask = np.array([one.attention_mask for one in encoded], np.int32)
        session.run(None, {"ids": ids, "mask": mask})
        return int(mask.sum())

    return embed


def engine_loop(graph: Path, tokenizer: Path) -> Embed:
    """Return the engine's own loop, without HTTP."""
    engine, encoder = Engine(graph), TextTokenizer(tokenizer)

    def embed(batch: Sequence[str]) -> int:
        tokens = encoder.encode(batch, Context(), truncate=True)
        engine.embed(tokens)
        return sum(map(len, tokens))

    return embed


def rate(embed: Embed, corpus: list[str], in_flight: int) -> float:
    """Return tokens a second over a corpus."""
    batches = [corpus[at : at + BATCH] for at in range(0, len(corpus), BATCH)]
    began = time.perf_counter()
    with ThreadPoolExecutor(in_flight) as pool:
        tokens = sum(pool.map(embed, batches))
    return tokens / (time.perf_counter() - began)


def main() -> None:
    """Measure, print and record."""
    model = prepare()
    bare = bare_loop(model.graph, model.weights.tokenizer)
    engine = engine_loop(model.graph, model.weights.tokenizer)
    found: dict[str, Any] = {}
    with (
        opened(Endpoint(url="embedded", model="all-minilm")) as endpoint,
        Client(endpoint) as client,
    ):

        def served(batch: Sequence[str]) -> int:
            return client.embed(batch, truncate=True).answer.token_count or 0  # as the loops do

        for name, corpus in texts().items():
            for embed in (bare, engine, served):
                tokens = sum(  # the first calls allocate
                    embed(corpus[at : at + BATCH]) for at in range(0, len(corpus), BATCH)
                )
            rounds = [
                [rate(bare, corpus, 1), rate(served, corpus, 2), rate(engine, corpus, 1)]
                for _ in range(ROUNDS)
            ]
            found[name] = {
                "texts": len(corpus),
                "tokens": tokens,
                "bare / HTTP / engine, tokens/s": [[round(x) for x in one] for one in rounds],
                "HTTP / bare": round(statistics.median(one[1] / one[0] for one in rounds), 3),
                "HTTP / engine": round(statistics.median(one[1] / one[2] for one in rounds), 3),
            }
    record("embedded_rate", found, texts())


if __name__ == "__main__":
    main()
