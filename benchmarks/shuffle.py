"""What a row with its vector costs to cross a shuffle: bytes, and CPU time.

Rows of 384 values cross a Reshuffle on the local runner three ways: with this pipeline's coder,
pickled as Beam does by itself, and with the vector as a list of Python floats, as the JSON of an
endpoint has it. Each way is a process of its own, which runs the same steps with and without the
Reshuffle in turn; the median difference counts, so that making the rows drops out. What is left is
encoding, decoding and Beam's own work for an element.

    python -m benchmarks.shuffle
"""

import json
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks.canned import DIMENSION
from benchmarks.local_job import texts
from benchmarks.results import record
from embed_pipeline.records import Embedded

ROWS, ROUNDS = 20_000, 5
OURS, PICKLED, FLOATS = "ours", "pickled", "python floats"
WAYS = (OURS, PICKLED, FLOATS)
CHILD = (
    "import json, sys; from benchmarks.shuffle import measure; "
    "print(json.dumps(measure(sys.argv[1])))"
)
_made: list[Embedded] = []  # where the steps, which are pickled, find the rows


def rows(count: int, way: str) -> list[Embedded]:
    """Return rows of short texts."""
    vectors = np.random.default_rng(7).standard_normal((count, DIMENSION)).astype(np.float32)
    made = []
    for number, (text, vector) in enumerate(zip(texts(count), vectors, strict=True)):
        held: Any = vector.tolist() if way == FLOATS else vector
        row = Embedded(
            f"doc-{number}", text, {}, "", None, b"", held, "all-minilm", 12, "estimated", False
        )
        made.append(row)
    return made


def first(count: int) -> list[Embedded]:
    """Return the first rows."""
    return _made[:count]


def cpu_seconds(count: int, kind: Any, *, shuffled: bool) -> float:
    """Return the CPU time of one pipeline, with its steps fused or with a Reshuffle between."""
    import apache_beam as beam

    with beam.Pipeline(runner="FnApiRunner") as p:
        found = (
            p | beam.Create([count], reshuffle=False) | beam.FlatMap(first).with_output_types(kind)
        )
        if shuffled:
            found |= beam.Reshuffle()
        _ = found | beam.Filter(lambda row: row.token_count < 0)
        began = time.process_time()
    return time.process_time() - began


def coded(coder: Any) -> dict[str, float]:
    """Return the CPU microseconds a row of encoding and of decoding alone, best of ROUNDS."""
    encode, decode = [], []
    for _ in range(ROUNDS):
        began = time.process_time()
        for row in _made:
            coder.encode(row)
        between = time.process_time()
        encoded = [coder.encode(row) for row in _made]
        filled = time.process_time()
        for one in encoded:
            coder.decode(one)
        decode.append(time.process_time() - filled)
        encode.append(between - began)
    return {
        "encode us": round(min(encode) / ROWS * 1e6, 2),
        "decode us": round(min(decode) / ROWS * 1e6, 2),
    }


def measure(way: str) -> dict[str, Any]:
    """Return the bytes of a row, and the CPU microseconds of its crossing."""
    from apache_beam import coders

    from embed_pipeline.transforms.coders import EmbeddedCoder

    kind: Any = Embedded if way == OURS else Any
    coder = coders.registry.get_coder(kind)
    assert isinstance(coder, EmbeddedCoder) == (way == OURS)
    _made.extend(rows(ROWS, way))
    encoded = statistics.fmean(len(coder.encode(row)) for row in _made)
    cpu_seconds(100, kind, shuffled=True)  # Beam's imports
    differences = [
        cpu_seconds(ROWS, kind, shuffled=True) - cpu_seconds(ROWS, kind, shuffled=False)
        for _ in range(ROUNDS)
    ]
    costs = [round(difference / ROWS * 1e6, 2) for difference in differences]
    return {
        "bytes a row": round(encoded, 1),
        "CPU us a row": statistics.median(costs),
        "rounds": {"CPU us a row": costs},
        **coded(coder),
    }


def measured(way: str) -> dict[str, Any]:
    """Return what one way costs, measured in a process of its own."""
    command = [sys.executable, "-c", CHILD, way]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure, print and record."""
    found = {way: measured(way) for way in WAYS}
    cpu, size = "CPU us a row", "bytes a row"
    record(
        "shuffle",
        {
            "unit": "of a row of 384 values that crosses a Reshuffle: bytes as encoded, and CPU "
            f"microseconds, median of {ROUNDS} differences over {ROWS:,} rows",
            **found,
            "ours / values": round(found[OURS][size] / (4 * DIMENSION), 3),
            "ours / pickled, CPU": round(found[OURS][cpu] / found[PICKLED][cpu], 3),
            "ours / python floats, CPU": round(found[OURS][cpu] / found[FLOATS][cpu], 3),
            "ours / python floats, bytes": round(found[OURS][size] / found[FLOATS][size], 3),
        },
        {"corpus": list(texts(ROWS))},
    )


if __name__ == "__main__":
    main()
