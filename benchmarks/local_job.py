"""One local job over a made-up corpus, in a process of its own.

    python -m benchmarks.local_job --url URL --rows N --folder FOLDER

Prints one JSON object: wall and CPU seconds of the pipeline's run, and the process' peak memory.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def texts(rows: int) -> Iterator[str]:
    """Yield short texts, all different."""
    for number in range(rows):
        yield f"Short text number {number} of many."


def corpus(path: Path, rows: int) -> None:
    """Write short texts as JSON Lines."""
    with path.open("w") as file:
        for number, text in enumerate(texts(rows)):
            file.write(json.dumps({"id": f"doc-{number}", "text": text}) + "\n")


def run(url: str, folder: Path, max_texts: int) -> None:
    """Run the job, from the corpus in a folder to a dataset beside it."""
    import apache_beam as beam

    from embed_pipeline.job import Job
    from embed_pipeline.pipelines.embed_corpus import build

    job = Job.model_validate(
        {
            "corpus": {"files": str(folder / "corpus.jsonl"), "attributes": {}},
            "endpoint": {"url": url, "model": "all-minilm"},
            "batching": {"max_texts": max_texts},
            "output": {"path": str(folder / "out")},
        }
    )
    pipeline = beam.Pipeline(runner="FnApiRunner")
    build(pipeline, job)
    began = time.perf_counter()
    pipeline.run().wait_until_finish()
    wall = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "peak_mb": usage.ru_maxrss / 1024}))


def measured(url: str, rows: int, max_texts: int = 64, timeout: float = 1800) -> dict[str, Any]:
    """Return what one job of so many rows took."""
    with tempfile.TemporaryDirectory() as folder:
        corpus(Path(folder) / "corpus.jsonl", rows)
        command = [sys.executable, "-m", "benchmarks.local_job", "--url", url]
        command += ["--folder", folder, "--max-texts", str(max_texts)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=timeout)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--max-texts", type=int, default=64)
    asked = arguments.parse_args()
    run(asked.url, asked.folder, asked.max_texts)
