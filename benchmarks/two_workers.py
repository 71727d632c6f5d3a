"""Two worker processes beside one, where neither CPU nor the server is the limit.

The same job runs with one worker process and with two, in turn, against a canned endpoint that
takes a fixed time for each text and serves more requests at once than both have under way. What
counts is the time from the first text at the endpoint to the last answer, so that starting and
committing drop out, but not that one worker may have less to do than the other.

    python -m benchmarks.two_workers
"""

import json
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from benchmarks.canned import canned
from benchmarks.results import record

TEXTS = 30_000
FILLING = "x" * 480  # beside each text, for some 16 shards; texts of a request are to be short
MAX_TEXTS, IN_FLIGHT = 32, 2
MS_PER_TEXT = 2.0
ROUNDS = 5
WORKERS = (1, 2)


def texts() -> list[str]:
    """Return short texts, all different."""
    return [f"Document number {number}" for number in range(TEXTS)]


def corpus(path: Path) -> None:
    """Write the texts as JSON Lines."""
    with path.open("w") as file:
        for number, text in enumerate(texts()):
            document = {"id": f"doc-{number}", "text": text, "filling": FILLING}
            file.write(json.dumps(document) + "\n")


def rate(folder: Path, workers: int) -> float:
    """Return the texts a second of a run with so many worker processes."""
    out = folder / f"out-{workers}"
    job = {
        "corpus": {"files": str(folder / "corpus.jsonl"), "attributes": {}},
        "batching": {"max_texts": MAX_TEXTS, "in_flight": IN_FLIGHT},
        "tokens": {"recount": 0},
        "output": {"path": str(out), "on_exists": "overwrite"},
    }
    options = {"direct_running_mode": "multi_processing", "direct_num_workers": workers}
    with canned(MS_PER_TEXT, parallel=4 * IN_FLIGHT) as url:
        job["endpoint"] = {"url": url, "model": "all-minilm"}
        (folder / "job.yaml").write_text(yaml.safe_dump({"beam": options, "job": job}))
        command = [sys.executable, "-m", "embed_pipeline", "run", str(folder / "job.yaml")]
        subprocess.run([*command, "--fresh"], check=True, capture_output=True, timeout=600)
        with urllib.request.urlopen(f"{url}/texts") as answer:  # noqa: S310 (our own server)
            told: dict[str, Any] = json.load(answer)
    assert told["texts"] == TEXTS
    return TEXTS / float(told["seconds"])


def main() -> None:
    """Measure, print and record."""
    rates: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    with tempfile.TemporaryDirectory() as folder:
        corpus(Path(folder) / "corpus.jsonl")
        for _ in range(ROUNDS):
            for workers, found in rates.items():
                found.append(rate(Path(folder), workers))
    one, two = (statistics.median(rates[workers]) for workers in WORKERS)
    record(
        "two_workers",
        {
            "unit": f"texts a second, {TEXTS:,} texts, {MS_PER_TEXT} ms a text, {MAX_TEXTS} texts "
            f"a request, {IN_FLIGHT} requests in flight for each worker process",
            "rates": {str(workers): [round(x, 1) for x in rates[workers]] for workers in WORKERS},
            "at most, each": round(IN_FLIGHT / MS_PER_TEXT * 1000, 1),
            "one": round(one, 1),
            "two": round(two, 1),
            "two / one": round(two / one, 3),
        },
        {"corpus": texts()},
    )


if __name__ == "__main__":
    main()
