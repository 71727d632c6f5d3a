"""What preparing texts for their requests costs, beside a bare loop that only tokenizes them.

The pipeline prepares texts in batches of 32: it counts their tokens, decides which are too long,
and cuts those. The bare loop calls `encode_batch_fast` on the same batches and drops what comes
back. Counting alone is shown beside them, and all of it over those texts that need no cut. Rounds
alternate in one process; the median of the ratios counts.

    python -m benchmarks.token_counting
"""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from tokenizers import Tokenizer

from benchmarks.mixed_texts import mixed_texts
from benchmarks.results import record
from embed_pipeline.embedded.model import prepare
from embed_pipeline.embedder import Embedder
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.locate import opened
from embed_pipeline.tokenizer import ModelTokenizer, read_tokenizer
from embed_pipeline.tokens import Tokens

TEXTS, BATCH, ROUNDS = 5_000, 32, 9
WAYS = ("bare", "count", "prepare")
Way = Callable[[list[str]], object]
Seconds = tuple[float, float]


def bare_loop(path: str) -> Way:
    """Return what the bare loop does with a batch."""
    encoder = Tokenizer.from_file(path)
    encoder.no_truncation()
    encoder.no_padding()

    def encode(batch: list[str]) -> object:
        return encoder.encode_batch_fast(batch)

    return encode


def seconds(way: Way, texts: Sequence[str]) -> Seconds:
    """Return the wall and the CPU time one way takes over all texts."""
    batches = [list(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]
    wall, cpu = time.perf_counter(), time.process_time()
    for batch in batches:
        way(batch)
    return time.perf_counter() - wall, time.process_time() - cpu


def compared(ways: Sequence[Way], texts: Sequence[str]) -> dict[str, Any]:
    """Let the ways take turns, each beginning as often as the others, and compare their times."""
    rounds: list[list[Seconds]] = []
    for number in range(ROUNDS):
        taken: dict[int, Seconds] = {}
        for place in range(len(ways)):
            way = (number + place) % len(ways)
            taken[way] = seconds(ways[way], texts)
        rounds.append([taken[way] for way in range(len(ways))])
    found: dict[str, Any] = {"texts": len(texts)}
    for clock, name in enumerate(("wall", "CPU")):
        times = [[one[clock] for one in taken] for taken in rounds]
        found[f"{' / '.join(WAYS)}, {name} s"] = [[round(x, 4) for x in one] for one in times]
        for way in (1, 2):
            ratios = [one[way] / one[0] for one in times]
            found[f"{WAYS[way]} / bare, {name}"] = round(statistics.median(ratios), 3)
    return found


def main() -> None:
    """Measure, print and record."""
    path = str(prepare().weights.tokenizer)
    tokenizer: ModelTokenizer = read_tokenizer(path)
    texts = mixed_texts()[:TEXTS]
    with opened(Endpoint(url="embedded", model="all-minilm")) as endpoint:
        embedder = Embedder(endpoint, Batching(), Retry(), Tokens())
        try:
            context = embedder.limits.context
            counts = tokenizer.count(texts)
            short = [text for text, count in zip(texts, counts, strict=True) if count <= context]
            ways = (bare_loop(path), tokenizer.count, embedder.prepare)
            for way in ways:
                seconds(way, texts)  # the first calls allocate
            found = {
                "tokens": sum(counts),
                "all texts": compared(ways, texts),
                "texts that fit": compared(ways, short),
            }
        finally:
            embedder.close()
    unit = f"seconds over all texts, in batches of {BATCH}"
    record("token_counting", {"unit": unit, **found}, {"all texts": texts, "texts that fit": short})


if __name__ == "__main__":
    main()
