"""The same job on every engine, this pipeline beside stock Beam: rows a second, CPU, memory.

Each job is a process of its own against a canned endpoint. Rows a second and CPU time a row are
slopes between two sizes, so that start-up drops out; of the rounds' slopes, the median. A first job
of each engine, which warms it up, does not count. Our job runs once over many more rows, to tell
what becomes of its slope and its memory. CPU time is that of all processes of the job and of its
engine together (launcher, workers, JVMs), without the endpoint's. Memory is the peak of each kind
of process in the first round; an engine that stays keeps its peak, so sizes go from small to large
there. What a job shuffles is what the Flink cluster counts as passed on between its tasks.
`make .engines` fetches the engines.

    python -m benchmarks.engines
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from benchmarks import process_tree
from benchmarks.canned import canned
from benchmarks.client_cost import BATCH, stock
from benchmarks.local_job import corpus, texts
from benchmarks.results import record
from benchmarks.spread import ratios, spread
from tests.engines import harness

Jobs = dict[int, list[dict[str, Any]]]  # what each took, by its rows
OURS, STOCK = "ours", "stock Beam"
FEW, MANY, ONCE, ROUNDS = 10_000, 100_000, 1_000_000, 5
SIZES = {OURS: (FEW, MANY, ONCE), STOCK: (FEW, MANY)}
ENGINES = (
    harness.fn_api,
    harness.fn_api_processes,
    harness.prism,
    harness.embedded_flink,
)


def ours_command(url: str, folder: Path) -> list[str]:
    """Return the command that runs our job."""
    job = {
        "corpus": {"files": str(folder / "corpus.jsonl"), "attributes": {}},
        "endpoint": {"url": url, "model": "all-minilm"},
        "batching": {"max_texts": BATCH},
        "output": {"path": str(folder / "out")},
    }
    (folder / "job.yaml").write_text(json.dumps({"job": job}))
    return [sys.executable, "-m", "embed_pipeline", "run", str(folder / "job.yaml"), "--quiet"]


def stock_command(url: str, folder: Path) -> list[str]:
    """Return the command that runs stock Beam's."""
    command = [sys.executable, "-m", "benchmarks.engines", "--url", url]
    return [*command, "--folder", str(folder)]


COMMANDS = {OURS: ours_command, STOCK: stock_command}


def measured(
    way: str, url: str, endpoint: Collection[int], rows: int, flags: Sequence[str]
) -> dict[str, Any]:
    """Return what one job took: wall and CPU seconds, peaks of memory in MB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus(folder / "corpus.jsonl", rows)
        command = [*COMMANDS[way](url, folder), *flags]
        before, began = process_tree.cpu_seconds(endpoint), time.perf_counter()
        with process_tree.watching_memory(endpoint) as peaks:
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, timeout=1800
            )
        wall = time.perf_counter() - began
        cpu = process_tree.cpu_seconds(endpoint) - before
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
        memory = {kind: round(peak) for kind, peak in sorted(peaks.items())}
        return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "peak_mb": memory}


def compared(
    url: str,
    endpoint: Collection[int],
    flags: Sequence[str],
    passed_on: Callable[[], int] | None = None,
) -> dict[str, Any]:
    """Return what both ways take on one engine that runs.

    Args:
        url: The canned endpoint's address.
        endpoint: Its process.
        flags: The engine's.
        passed_on: Tells how many bytes the engine has passed on between steps so far.
    """
    measured(OURS, url, endpoint, FEW, flags)
    jobs: dict[str, Jobs] = {way: {rows: [] for rows in sizes} for way, sizes in SIZES.items()}
    for number in range(ROUNDS):
        for way, sizes in jobs.items():
            for rows, took in sizes.items():
                if rows <= MANY or number == 0:
                    before = passed_on() if passed_on else 0
                    took.append(measured(way, url, endpoint, rows, flags))
                    if passed_on:
                        took[-1]["shuffled_bytes"] = passed_on() - before
    found: dict[str, Any] = {way: told(took, passed_on is not None) for way, took in jobs.items()}
    ours, stock_beam = (found[way]["rounds"]["CPU us a row"] for way in (OURS, STOCK))
    ratio = ratios(zip(ours, stock_beam, strict=True)).median
    return {**found, "CPU, ours / stock Beam": round(ratio, 3)}


def told(jobs: Jobs, shuffled: bool) -> dict[str, Any]:
    """Return what the jobs of one way come to: slopes, medians of the rounds, and each job."""
    rounds: dict[str, list[float]] = {
        "rows a second": [round(1 / slope) for slope in slopes(jobs, "wall_s")],
        "CPU us a row": [round(slope * 1e6, 1) for slope in slopes(jobs, "cpu_s")],
    }
    if shuffled:
        rounds["shuffled bytes a row"] = [round(one, 1) for one in slopes(jobs, "shuffled_bytes")]
    found: dict[str, Any] = {name: spread(values).median for name, values in rounds.items()}
    if ONCE in jobs:
        more = jobs[ONCE][0]["cpu_s"] - jobs[MANY][0]["cpu_s"]
        found[f"CPU us a row, {MANY:,} to {ONCE:,}"] = round(more / (ONCE - MANY) * 1e6, 1)
    return {**found, "rounds": rounds, "jobs": {f"{rows:,}": took for rows, took in jobs.items()}}


def slopes(jobs: Jobs, what: str) -> list[float]:
    """Return what a row takes in each round, by what more rows take more."""
    pairs = zip(jobs[FEW], jobs[MANY], strict=True)
    return [(many[what] - few[what]) / (MANY - FEW) for few, many in pairs]


def main() -> None:
    """Measure, print and record."""
    found = {}
    with canned() as url:
        endpoint = [process.pid for process in process_tree.below(os.getpid())[1:]]
        for start in ENGINES:
            with tempfile.TemporaryDirectory() as folder, start(Path(folder)) as engine:
                found[engine.name] = compared(url, endpoint, engine.flags)
                print(engine.name, json.dumps(found[engine.name]), flush=True)
        with tempfile.TemporaryDirectory() as folder, harness.cluster(Path(folder)) as cluster:
            engine = cluster.engine
            found[engine.name] = compared(url, endpoint, engine.flags, cluster.bytes_passed_on)
    record(
        "engines",
        {
            "unit": "seconds of all processes but the endpoint's; MB of resident memory, the peak",
            "engines": found,
        },
        {"corpus": list(texts(MANY))},
    )


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--url")
    arguments.add_argument("--folder", type=Path)
    asked, beam_flags = arguments.parse_known_args()
    if asked.url is None:
        main()
    else:
        stock(asked.url, asked.folder, beam_flags)
