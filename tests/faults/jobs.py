"""Jobs for the tests of faults: a corpus, a job file, and a run of the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from embed_pipeline.pipelines.cli import invoke

ROOT = Path(__file__).parents[2]
ALLOWED = 0.1  # of the documents may fail
READ_SECONDS = 0.5  # that an answer may take: what hangs is given up soon


class FaultJob:
    """Run one job again and again, in this process or in one of its own.

    Args:
        folder: Where corpus, job file and dataset go.
        corpus: Text by id.
        url: Of the endpoint.
        settings: Groups of the job file, merged into those of every job here.
    """

    def __init__(
        self,
        folder: Path,
        corpus: Mapping[str, str],
        url: str | list[str],
        **settings: Mapping[str, Any],
    ) -> None:
        self.corpus = dict(corpus)
        self.out = folder / "out"
        self._folder = folder
        lines = (json.dumps({"id": name, "text": text}) + "\n" for name, text in corpus.items())
        (folder / "corpus.jsonl").write_text("".join(lines))
        self.settings: dict[str, dict[str, Any]] = {
            "corpus": {"files": str(folder / "corpus.jsonl")},
            "endpoint": {
                "url": url,
                "model": "all-minilm",
                "timeouts": {"connect": 2, "read": READ_SECONDS, "load": 5},
            },
            "batching": {"max_texts": 8},
            "retry": {"attempts": 10, "total_seconds": 20},
            "tokens": {"recount": 0},
            "output": {"path": str(self.out), "max_failed_fraction": ALLOWED},
        }
        for group, values in settings.items():
            self.settings.setdefault(group, {}).update(values)

    def written(self) -> Path:
        """Return the job file, written anew."""
        path = self._folder / "job.yaml"
        path.write_text(yaml.safe_dump({"job": self.settings}))
        return path

    def run_here(self, *flags: str) -> int:
        """Run it in this process; return the exit code."""
        return invoke(["run", str(self.written()), "--quiet", *flags])

    def start(
        self, *flags: str, within: tuple[str, ...] = (), environ: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        """Start it as a process of its own, which may be another program's to run."""
        command = [sys.executable, "-m", "embed_pipeline", "run", str(self.written()), *flags]
        return subprocess.Popen(
            [*within, *command],
            cwd=ROOT,
            env={**os.environ, **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *flags: str, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run it as a process of its own; return the exit code and all that was said."""
        with self.start(*flags, environ=environ) as process:
            out, err = process.communicate(timeout=100)
        return process.returncode, out + err


def corpus_of(count: int, **others: str) -> dict[str, str]:
    """Return so many short texts by id, each different, and others."""
    return {f"d{n}": f"text {n} of many" for n in range(count)} | others
