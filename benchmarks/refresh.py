"""Refreshing a store: nothing changed and 1 % changed, beside the first fill.

Each night is a process of its own, over a canned endpoint that counts the texts it is sent. What is
told of a night is its round of median wall time; the larger size has one round, for its memory. On
the first night all texts are shuffled, to embed each once.

    python -m benchmarks.refresh
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.canned import canned
from benchmarks.results import record
from benchmarks.spread import ratios

ROWS, LARGE, ROUNDS = 200_000, 1_000_000, 5
EACH = 100  # of so many documents one is changed


def texts(rows: int, *, changed: bool) -> Iterator[str]:
    """Yield texts of some thirty words, all different."""
    for number in range(rows):
        version = ", revised" if changed and number % EACH == 0 else ""
        words = " ".join(f"word{number * 31 % 9973 + place}" for place in range(24))
        yield f"Document number {number} of many{version}: {words}."


def corpus(path: Path, rows: int, *, changed: bool) -> None:
    """Write the texts as JSON Lines, each with an attribute."""
    with path.open("w") as file:
        for number, text in enumerate(texts(rows, changed=changed)):
            file.write(json.dumps({"id": f"doc-{number}", "text": text, "n": number}) + "\n")


def night(job_file: Path) -> None:
    """Refresh once; print what it took as JSON."""
    from embed_pipeline.pipelines.cli import invoke

    began = time.perf_counter()
    code = invoke(["refresh", str(job_file), "--quiet"])
    wall = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    found = {"code": code, "wall_s": round(wall, 1), "peak_mb": round(usage.ru_maxrss / 1024)}
    print(json.dumps({**found, "cpu_s": round(usage.ru_utime + usage.ru_stime, 1)}))


def nights(url: str, rows: int) -> dict[str, dict[str, Any]]:
    """Fill a store and refresh it twice; return what each night took."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        job = {
            "corpus": {"files": str(here / "corpus.jsonl")},
            "endpoint": {"url": url, "model": "all-minilm"},
            "batching": {"max_texts": 64},
            "output": {"path": str(here / "store")},
        }
        (here / "job.yaml").write_text(json.dumps({"job": job}))
        found = {}
        for name, changed in (("first", False), ("unchanged", False), ("1 % changed", True)):
            corpus(here / "corpus.jsonl", rows, changed=changed)
            before = _sent(url)
            command = [sys.executable, "-m", "benchmarks.refresh", "--job", str(here / "job.yaml")]
            done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=1800)
            took = json.loads(done.stdout.splitlines()[-1])
            if took.pop("code"):
                raise RuntimeError(done.stderr)
            found[name] = {**took, "texts sent": _sent(url) - before, **_log(here / "store")}
        return found


def _sent(url: str) -> int:
    """Return how many texts of the corpus the endpoint was sent so far."""
    with urllib.request.urlopen(f"{url}/texts", timeout=10) as answer:  # noqa: S310 (our own)
        return int(json.load(answer)["texts"])


def _log(store: Path) -> dict[str, Any]:
    """Return what the log tells of the last night."""
    entry = json.loads(max((store / "log").glob("*.json")).read_text())
    return {name: entry[name] for name in ("published", "rows", "embedded", "bytes_added")}


def _middle(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the round of median wall time."""
    return sorted(rounds, key=lambda one: float(one["wall_s"]))[len(rounds) // 2]


def _beside_first(rounds: Sequence[dict[str, Any]], name: str) -> float:
    """Return the median of a night's wall time beside the first night's."""
    pairs = ((one[name]["wall_s"], one["first"]["wall_s"]) for one in rounds)
    return round(ratios(pairs).median, 3)


def main() -> None:
    """Measure, print and record."""
    with canned(counting=True) as url:
        rounds = [nights(url, ROWS) for _ in range(ROUNDS)]
        large = nights(url, LARGE)
    usual = {name: _middle([one[name] for one in rounds]) for name in rounds[0]}
    record(
        "refresh",
        {
            "unit": "seconds of wall and CPU time, MB of resident memory at the peak",
            "rows": ROWS,
            "nights": usual,
            "rounds": rounds,
            "unchanged / first, wall": _beside_first(rounds, "unchanged"),
            "1 % changed / first, wall": _beside_first(rounds, "1 % changed"),
            "bytes a row": round(usual["first"]["bytes_added"] / ROWS),
            "large": {"rows": LARGE, "nights": large},
            "peak_mb of a refresh": max(
                one["peak_mb"] for name, one in large.items() if name != "first"
            ),
        },
        {"corpus": list(texts(ROWS, changed=False))},
    )


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--job", type=Path)
    asked = arguments.parse_args()
    if asked.job is None:
        main()
    else:
        night(asked.job)
