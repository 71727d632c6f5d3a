"""A soak: one job after the other against the embedded endpoint, with a fault every second.

The endpoint stands behind the fault-injecting proxy of the tests, and the tests' own checker says
what became of each job (tests/support/promise.py). The corpus is 5,000 distinct short texts over
and over, so that the truth, each text embedded alone on the healthy endpoint, is found once. Faults
are drawn at random, by a seed; a job that stops, as it should for a model that is gone or
credentials that are refused, is run again until it has published.

    python -m benchmarks.soak            SOAK_MINUTES=60 python -m benchmarks.soak
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from benchmarks.results import record
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.locate import opened
from tests.support import fault_kinds as kinds
from tests.support.faulty import Fault, FaultyProxy, faulty
from tests.support.promise import STOPPED, Truth, Verdict, judge

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))
DISTINCT = 5_000
ROWS = 10_000  # of one job
SEED = 5
TRUTH_TEXTS = 64  # in a request, of those that find the truth
EVERY_SECONDS = 1.0
READ_SECONDS = 5  # that an answer may take, so that a hang costs little
STOPPING = (kinds.UNAUTHORIZED, kinds.REMOVED, kinds.REDIRECTED, kinds.REJECTED)
STOPPING_SHARE = 0.01
FAULTS = (*kinds.PASSING, *kinds.CRASHED_AS)
MOST_RUNS = 20  # of one job
LEAST_A_MINUTE = 5_000  # texts
WORDS = ("river", "stone", "harbor", "lamp", "winter", "garden", "copper", "signal", "paper")


@dataclass
class Tally:
    """Add up what was found.

    Attributes:
        injected: Faults by name.
        codes: Runs by exit code.
        effort: What the jobs told it took, from their manifests.
        rows, failed: In the datasets.
        unsettled: Failures that are blamed on the server: `retry-failures` is their cure.
        broken: What did not hold, by name of the promise's part.
        jobs: Datasets that were published.
    """

    injected: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    effort: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    failed: int = 0
    unsettled: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    jobs: int = 0

    def add(self, verdict: Verdict) -> None:
        """Add a run's verdict; tell of what does not hold."""
        self.rows += verdict.rows
        self.failed += verdict.failed
        self.unsettled += verdict.unsettled
        for name, found in verdict.broken.items():
            self.broken[name] += len(found)
            print(f"BROKEN: {name}: {found[:5]}", file=sys.stderr)


def distinct_texts(count: int) -> list[str]:
    """Return short texts, each different and always the same."""
    drawing = random.Random(SEED)  # noqa: S311 (no secret)
    return [f"{' '.join(drawing.choices(WORDS, k=6))} {number}" for number in range(count)]


def corpus_of(texts: Sequence[str], rows: int) -> dict[str, str]:
    """Return a corpus that repeats texts over and over: text by id."""
    return {f"row-{number}": texts[number % len(texts)] for number in range(rows)}


def truth_of(url: str, texts: Sequence[str]) -> Truth:
    """Ask the healthy endpoint for the vector of each text."""
    found: dict[str, NDArray[np.float32]] = {}
    with Client(Endpoint(url=url, model="all-minilm")) as client:
        for first in range(0, len(texts), TRUTH_TEXTS):
            some = texts[first : first + TRUTH_TEXTS]
            found.update(zip(some, client.embed(some).answer.vectors, strict=True))
    return found.__getitem__


@contextmanager
def raining(proxy: FaultyProxy, seed: int, until: float) -> Iterator[None]:
    """Inject a random fault every second, until the block ends or the time is up."""
    drawing = random.Random(seed)  # noqa: S311 (no secret)
    done = threading.Event()

    def rain() -> None:
        while not done.wait(EVERY_SECONDS) and time.monotonic() < until:
            if proxy.pending:
                continue  # nothing was sent meanwhile: the job waits, or starts
            stopping = drawing.random() < STOPPING_SHARE
            fault: Fault = drawing.choice(STOPPING if stopping else FAULTS)
            proxy.pending.append(fault)

    thread = threading.Thread(target=rain, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        proxy.pending.clear()


def job_file(folder: Path, url: str, corpus: Mapping[str, str]) -> Path:
    """Write a corpus and the file of its job."""
    with (folder / "corpus.jsonl").open("w") as file:
        for name, text in corpus.items():
            file.write(json.dumps({"id": name, "text": text}) + "\n")
    job = {
        "corpus": {"files": str(folder / "corpus.jsonl")},
        "endpoint": {
            "url": url,
            "model": "all-minilm",
            "timeouts": {"connect": 2, "read": READ_SECONDS, "load": 60},
        },
        "output": {"path": str(folder / "out")},
    }
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump({"job": job}))
    return path


def one_job(proxy: FaultyProxy, truth: Truth, corpus: Mapping[str, str], tally: Tally) -> None:
    """Run a job until it has published, and check the promise after each run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = job_file(folder, proxy.url, corpus)
        for _ in range(MOST_RUNS):
            proxy.asked.clear()
            command = [sys.executable, "-m", "embed_pipeline", "run", str(path), "--quiet"]
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, timeout=1800
            )
            proxy.removed = False
            tally.codes[done.returncode] += 1
            tally.injected.update(asked.fault for asked in proxy.asked if asked.fault)
            tally.add(
                judge(corpus, folder / "out", done.returncode, truth=truth, record=proxy.asked)
            )
            if done.returncode != STOPPED:
                break
        if (folder / "out" / "manifest.json").exists():
            tally.jobs += 1
            tally.effort.update(
                json.loads((folder / "out" / "manifest.json").read_bytes())["effort"]
            )
        else:
            tally.broken["ended without a dataset"] += 1
            print(done.stderr, file=sys.stderr)


def result(tally: Tally, seconds: float) -> dict[str, Any]:
    """Return what is recorded."""
    effort = {name: round(value, 1) for name, value in sorted(tally.effort.items())}
    return {
        "minutes": round(seconds / 60, 1),
        "texts": tally.rows + tally.failed,
        "distinct texts": DISTINCT,
        "jobs published": tally.jobs,
        "runs by exit code": {str(code): count for code, count in sorted(tally.codes.items())},
        "faults injected": tally.injected.total(),
        "faults by kind": dict(sorted(tally.injected.items())),
        "retries": effort.get("retries", 0),
        "seconds lost": effort.get("lost_s", 0),
        "effort": effort,
        "failures left to retry-failures": tally.unsettled,
        "rows lost": tally.broken["lost"],
        "rows doubled": tally.broken["doubled"],
        "wrong vectors": tally.broken["wrong"],
        "failures without a reason": tally.broken["accused"],
        "other promises broken": sum(
            count
            for name, count in tally.broken.items()
            if name not in ("lost", "doubled", "wrong", "accused")
        ),
    }


def main() -> None:
    """Soak, print and record."""
    texts = distinct_texts(DISTINCT)
    corpus = corpus_of(texts, ROWS)
    tally = Tally()
    with opened(Endpoint(url="embedded", model="all-minilm")) as endpoint:
        truth = truth_of(endpoint.address, texts)
        began = time.monotonic()
        until = began + 60 * MINUTES
        with faulty(endpoint.address, (), set(texts)) as proxy, raining(proxy, SEED, until):
            while time.monotonic() < until or tally.rows < LEAST_A_MINUTE * MINUTES:
                one_job(proxy, truth, corpus, tally)
        record("soak", result(tally, time.monotonic() - began), {"texts": texts})


if __name__ == "__main__":
    main()
