"""What the report of a run costs: drawing it, its page's weight, and collecting what it tells.

`embed-pipeline run` embeds a few rows and a million through a canned endpoint that counts tokens
and takes long enough for a run of over a minute. The page is drawn again from the finished dataset
in a process of its own, imports included, and held against the time of that run. What the report
costs in all, once a run and for each row, is told by the CPU time of runs with and without it, over
a few and over more rows, which alternate.

    python -m benchmarks.report_cost
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.canned import canned
from benchmarks.local_job import corpus, texts
from benchmarks.results import record
from benchmarks.spread import spread

FEW, LARGE = 20, 1_000_000
COMPARED, ROUNDS = 200_000, 5
WITHOUT, WITH = "rows without", "rows with"
MS_PER_TEXT = 0.06  # so that a run over LARGE rows is one over a minute
DRAW = """
import sys, time

began = time.perf_counter()
from embed_pipeline.manifest import read_manifest
from embed_pipeline.report import read_report
from embed_pipeline.page.draw import draw

assert draw(read_manifest(sys.argv[1]), read_report(sys.argv[1]))
print(time.perf_counter() - began)
"""


def run(url: str, folder: Path, rows: int, *, report: bool) -> dict[str, float]:
    """Run a job from FOLDER/corpus.jsonl to FOLDER/out; return its wall and CPU seconds."""
    corpus(folder / "corpus.jsonl", rows)
    job = {
        "corpus": {"files": str(folder / "corpus.jsonl"), "attributes": {}},
        "endpoint": {"url": url, "model": "all-minilm"},
        "batching": {"max_texts": 64},
        "output": {"path": str(folder / "out"), "on_exists": "overwrite", "report": report},
    }
    (folder / "job.yaml").write_text(json.dumps({"job": job}))
    command = [sys.executable, "-m", "embed_pipeline", "run", str(folder / "job.yaml")]
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(
        [*command, "--fresh", "--quiet"], check=False, capture_output=True, text=True, timeout=900
    )
    wall, after = time.perf_counter() - began, os.times()
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    user = after.children_user - before.children_user
    system = after.children_system - before.children_system
    return {"wall_s": round(wall, 2), "cpu_s": round(user + system, 2)}


def drawn(dataset: Path) -> list[float]:
    """Return the seconds of drawing, of some rounds in a process each."""
    command = [sys.executable, "-c", DRAW, str(dataset)]
    return [
        round(float(subprocess.check_output(command, text=True, timeout=120)), 3)
        for _ in range(ROUNDS)
    ]


def reported(url: str, rows: int) -> dict[str, Any]:
    """Return what a run with a report took, its page's bytes, and the seconds of drawing it."""
    with tempfile.TemporaryDirectory() as folder:
        took = run(url, Path(folder), rows, report=True)
        out = Path(folder) / "out"
        sizes = {
            f"{name} bytes": (out / f"report.{kind}").stat().st_size
            for name, kind in (("page", "html"), ("report.json", "json"))
        }
        return {**took, **sizes, "drawing_s": drawn(out)}


def compared(url: str) -> list[dict[str, float]]:
    """Return the CPU seconds of runs over few and more rows, without a report and with it."""
    with tempfile.TemporaryDirectory() as folder:
        run(url, Path(folder), FEW, report=True)  # warms the disk's cache up
        return [
            {
                f"{rows:,} {name}": run(url, Path(folder), rows, report=name == WITH)["cpu_s"]
                for rows in (FEW, COMPARED)
                for name in (WITHOUT, WITH)
            }
            for _ in range(ROUNDS)
        ]


def costs(one: Mapping[str, float]) -> dict[str, float]:
    """Return what the report costs in one round: once, and for each row."""
    few, more = (one[f"{rows:,} {WITH}"] - one[f"{rows:,} {WITHOUT}"] for rows in (FEW, COMPARED))
    return {
        "CPU s a run": round(few, 2),
        "CPU us a row": round((more - few) / (COMPARED - FEW) * 1e6, 2),
    }


def main() -> None:
    """Measure, print and record."""
    with canned(MS_PER_TEXT, counting=True) as url:
        runs = {rows: reported(url, rows) for rows in (FEW, LARGE)}
    with canned(counting=True) as url:
        rounds = compared(url)
    each = [costs(one) for one in rounds]
    by_cost = {name: [one[name] for one in each] for name in each[0]}
    large = runs[LARGE]
    record(
        "report_cost",
        {
            "unit": "seconds; CPU time is that of the run's processes, without the endpoint's",
            "runs": {f"{rows:,}": found for rows, found in runs.items()},
            "drawing / run, wall": round(spread(large["drawing_s"]).median / large["wall_s"], 4),
            "largest page, bytes": max(found["page bytes"] for found in runs.values()),
            "CPU s": rounds,
            "rounds": by_cost,
            **{name: spread(values).median for name, values in by_cost.items()},
        },
        {"corpus": list(texts(COMPARED))},
    )


if __name__ == "__main__":
    main()
