"""The same job on every engine, this pipeline beside stock Beam: rows a second, CPU, memory.

Each job is a process of its own against a canned endpoint. Rows a second and CPU time a row are
slopes between the smallest and the largest size, so that start-up drops out; a first job of each
engine, which warms it up, does not count. CPU time is that of all processes of the job
and of its engine together (launcher, workers, JVMs), without the endpoint's. Memory is the peak of
each kind of process; an engine that stays keeps its peak, so sizes go from small to large. What a
job shuffles is what the Flink cluster counts as passed on between its tasks.
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
from benchmarks.client_cost import BATCH, corpus, stock
from benchmarks.results import record
from tests.engines import harness

OURS, STOCK = "ours", "stock Beam"
SIZES = {OURS: (10_000, 100_000, 1_000_000), STOCK: (10_000, 100_000)}
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
    found: dict[str, Any] = {}
    measured(OURS, url, endpoint, SIZES[OURS][0], flags)
    for way, sizes in SIZES.items():
        took = {}
        for rows in sizes:
            before = passed_on() if passed_on else 0
            took[rows] = measured(way, url, endpoint, rows, flags)
            if passed_on:
                took[rows]["shuffled_bytes"] = passed_on() - before
        more = sizes[-1] - sizes[0]
        found[way] = {
            "rows a second": round(more / _more(took, "wall_s")),
            "CPU us a row": round(_more(took, "cpu_s") / more * 1e6, 1),
            **(_shuffled(took, more) if passed_on else {}),
            "jobs": {f"{rows:,}": one for rows, one in took.items()},
        }
    found["CPU, ours / stock Beam"] = round(
        found[OURS]["CPU us a row"] / found[STOCK]["CPU us a row"], 3
    )
    return found


def _more(took: dict[int, dict[str, Any]], what: str) -> float:
    """Return what the largest size took more than the smallest."""
    return float(took[max(took)][what] - took[min(took)][what])


def _shuffled(took: dict[int, dict[str, Any]], more: int) -> dict[str, float]:
    return {"shuffled bytes a row": round(_more(took, "shuffled_bytes") / more, 1)}


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
