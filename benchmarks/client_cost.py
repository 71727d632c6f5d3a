"""CPU time a row: this pipeline, beside the floor and beside stock Beam.

Each way embeds short texts through a canned endpoint (384 dimensions, batches of 64) and writes
Parquet; this pipeline once more with the tokens of each row counted, which needs an endpoint that
tells its vocabulary, and which neither of the others does. Each run is a process of its own. Rounds
go through the ways in turn, at two sizes; the slope between the two sizes counts, so that start-up
drops out; of the rounds' slopes, and of their ratios within a round, the median.

    python -m benchmarks.client_cost
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.canned import DIMENSION, canned
from benchmarks.local_job import corpus, texts
from benchmarks.results import record
from benchmarks.spread import ratios, spread

SMALL, LARGE, ROUNDS = 30_000, 150_000, 5
BATCH = 64


def floor(url: str, folder: Path) -> None:
    """Embed with a bare loop of httpx, simdjson and one Parquet write."""
    import httpx
    import numpy as np
    import orjson
    import pyarrow as pa
    import pyarrow.parquet as pq
    import simdjson

    parser: Any = simdjson.Parser()
    schema = pa.schema(
        [("id", pa.string()), ("text", pa.string()), ("vector", pa.list_(pa.float32(), DIMENSION))]
    )
    lines = (folder / "corpus.jsonl").read_bytes().splitlines()
    documents = [orjson.loads(line) for line in lines]
    vectors = []
    with httpx.Client(timeout=60) as client:
        for start in range(0, len(documents), BATCH):
            texts = [document["text"] for document in documents[start : start + BATCH]]
            body = orjson.dumps({"model": "all-minilm", "input": texts})
            answer = parser.parse(client.post(f"{url}/api/embed", content=body).content)
            flat = np.frombuffer(answer["embeddings"].as_buffer(of_type="d"))
            vectors.append(flat.astype(np.float32))
            del answer
    table = pa.table(
        [
            pa.array([document["id"] for document in documents]),
            pa.array([document["text"] for document in documents]),
            pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate(vectors)), DIMENSION),
        ],
        schema=schema,
    )
    pq.write_table(table, folder / "out.parquet", compression="zstd", use_dictionary=False)


def stock(url: str, folder: Path, flags: Sequence[str] = ("--runner=FnApiRunner",)) -> None:
    """Embed with what Beam brings: RunInference, a RemoteModelHandler, WriteToParquet."""
    import apache_beam as beam
    import httpx
    import orjson
    import pyarrow as pa
    from apache_beam.ml.inference.base import PredictionResult, RemoteModelHandler, RunInference

    class Handler(RemoteModelHandler):
        def __init__(self) -> None:
            super().__init__(namespace="stock", retry_filter=lambda _: True)

        def batch_elements_kwargs(self) -> dict[str, int]:
            return {"min_batch_size": BATCH, "max_batch_size": BATCH}

        def create_client(self) -> httpx.Client:
            return httpx.Client(timeout=60)

        def request(self, batch: Any, client: Any, _: Any = None) -> Any:
            texts = [document["text"] for document in batch]
            body = orjson.dumps({"model": "all-minilm", "input": texts})
            found = client.post(f"{url}/api/embed", content=body).json()["embeddings"]
            return [PredictionResult(*pair) for pair in zip(batch, found, strict=True)]

    schema = pa.schema(
        [("id", pa.string()), ("text", pa.string()), ("vector", pa.list_(pa.float32(), DIMENSION))]
    )
    with beam.Pipeline(argv=list(flags)) as p:
        _ = (
            p
            | beam.io.ReadFromText(str(folder / "corpus.jsonl"))
            | beam.Map(orjson.loads)
            | RunInference(Handler())
            | beam.Map(lambda result: {**result.example, "vector": result.inference})
            | beam.io.WriteToParquet(str(folder / "out"), schema, codec="zstd")
        )


def ours(url: str, folder: Path) -> None:
    """Embed with this pipeline, as `embed-pipeline run` runs it."""
    import apache_beam as beam

    from embed_pipeline.job import Job
    from embed_pipeline.pipelines.embed_corpus import build
    from embed_pipeline.pipelines.execution import Attempt, execute
    from embed_pipeline.staging import new_run

    job = Job.model_validate(
        {
            "corpus": {"files": str(folder / "corpus.jsonl"), "attributes": {}},
            "endpoint": {"url": url, "model": "all-minilm"},
            "batching": {"max_texts": BATCH},
            "output": {"path": str(folder / "out")},
        }
    )
    run = new_run(job.output.path)
    pipeline = beam.Pipeline(runner="FnApiRunner")
    build(pipeline, job, run)
    execute(pipeline, Attempt(run, before=0, known=True))


COUNTED = "ours, tokens counted"
WAYS: dict[str, Callable[[str, Path], None]] = {
    "floor": floor,
    "stock Beam": stock,
    "ours": ours,
    COUNTED: ours,
}


def cpu_seconds(way: str, url: str, rows: int) -> float:
    """Return the CPU time of one run, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        corpus(Path(folder) / "corpus.jsonl", rows)
        command = [sys.executable, "-m", "benchmarks.client_cost", "--way", way]
        done = subprocess.run(
            [*command, "--url", url, "--folder", folder],
            check=True,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return float(done.stdout.splitlines()[-1])


def slopes_of(small: Sequence[float], large: Sequence[float]) -> list[float]:
    """Return each round's CPU microseconds a row, given its CPU seconds at the two sizes."""
    return [(more - few) / (LARGE - SMALL) * 1e6 for few, more in zip(small, large, strict=True)]


def main() -> None:
    """Measure, print and record."""
    seconds: dict[str, dict[int, list[float]]] = {way: {SMALL: [], LARGE: []} for way in WAYS}
    with canned() as plain, canned(counting=True) as counting:
        for _ in range(ROUNDS):
            for way, sizes in seconds.items():
                url = counting if way == COUNTED else plain
                for rows, found in sizes.items():
                    found.append(cpu_seconds(way, url, rows))
    slopes = {way: slopes_of(sizes[SMALL], sizes[LARGE]) for way, sizes in seconds.items()}
    beside = {
        f"ours / {way}": ratios(zip(slopes["ours"], slopes[way], strict=True)).median
        for way in ("floor", "stock Beam")
    }
    record(
        "client_cost",
        {
            "unit": "CPU microseconds a row: slope between two sizes, median of the rounds",
            "cpu_s": {
                way: {f"{rows:,}": [round(x, 2) for x in found] for rows, found in sizes.items()}
                for way, sizes in seconds.items()
            },
            "medians": {way: round(spread(found).median, 1) for way, found in slopes.items()},
            **{name: round(ratio, 3) for name, ratio in beside.items()},
        },
        {"corpus": list(texts(LARGE))},
    )


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--way", choices=list(WAYS))
    arguments.add_argument("--url", default="")
    arguments.add_argument("--folder", type=Path)
    asked = arguments.parse_args()
    if asked.way is None:
        main()
    else:
        WAYS[asked.way](asked.url, asked.folder)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        print(usage.ru_utime + usage.ru_stime)
