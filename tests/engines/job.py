"""The job that every engine runs: configs/flink.yaml over 10,000 documents, some of which fail."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.engines.harness import ROOT

FILES = 4
DOCUMENTS = 10_000
EMPTY = {f"d{number}" for number in range(7, DOCUMENTS, 1_000)}  # whose texts are
TWICE = {f"d{number}": f"d{number + 5_000}" for number in range(2, 4_000, 1_000)}  # first: later
NO_OBJECT = FILES  # lines that are none, one a file
ROWS = DOCUMENTS - len(EMPTY) - len(TWICE)


class EngineJob:
    """Hold the corpus and run the job over it, each time into a dataset of its own.

    Args:
        folder: Where all of it goes.
        url: Of the endpoint.
        twice: Whether some ids stand twice.

    Attributes:
        folder, corpus: Where all of it is, and where the files are that are read.
    """

    def __init__(self, folder: Path, url: str, *, twice: bool = True) -> None:
        self.folder = folder
        self._url = url
        self.corpus = folder / "corpus"
        self.corpus.mkdir()
        later = {second: first for first, second in TWICE.items()} if twice else {}
        for file in range(FILES):
            lines = []
            for number in range(file, DOCUMENTS, FILES):
                name = f"d{number}"
                lines.append(json.dumps(_document(later.get(name, name), number)))
            lines.insert(9, "this is no object")
            (self.corpus / f"{file}.jsonl").write_text("\n".join(lines) + "\n")

    def command(self, out: str, *flags: str, verb: str = "run") -> list[str]:
        """Return the command that runs the job into a dataset of this name."""
        settings = {
            "corpus.files": f"{self.corpus}/*.jsonl",
            "endpoint.url": self._url,
            "output.path": str(self.folder / out),
        }
        every = [one for item in settings.items() for one in ("--set", "job.{}={}".format(*item))]
        command = [sys.executable, "-m", "embed_pipeline", verb, "configs/flink.yaml"]
        return [*command, *every, *flags]

    def start(self, out: str, *flags: str, verb: str = "run") -> "subprocess.Popen[str]":
        """Start the job in a process of its own."""
        command = self.command(out, *flags, verb=verb)
        return subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, out: str, *flags: str, verb: str = "run") -> tuple[int, str]:
        """Run the job in a process of its own; return the exit code and all that was said."""
        with self.start(out, *flags, verb=verb) as process:
            try:
                said, _ = process.communicate(timeout=300)
            finally:
                process.kill()
        return process.returncode, said


def table(dataset: Path, folder: str) -> pa.Table:
    """Return the rows of a dataset's folder, in the order of their ids, or of where they stood."""
    found = pa.concat_tables(pq.read_table(path) for path in sorted(dataset.glob(f"{folder}/*")))
    keys = ("id",) if folder == "data" else ("source", "line")
    return found.sort_by([(key, "ascending") for key in keys])


def manifest(dataset: Path) -> dict[str, Any]:
    """Return what a dataset's manifest says that another run must say, too."""
    found: dict[str, Any] = json.loads((dataset / "manifest.json").read_bytes())
    found["job"]["output"].pop("path")
    kept = ("provenance", "job", "columns", "counts", "recount")
    return {name: found[name] for name in kept}


def manifest_files(dataset: Path) -> set[str]:
    """Return the files that a dataset's manifest lists."""
    found = json.loads((dataset / "manifest.json").read_bytes())
    return {one["path"] for kind in ("data", "failures") for one in found[kind]}


def _document(name: str, number: int) -> dict[str, Any]:
    """Return the document of a number; where its id stands twice, its text does not."""
    text = "" if name in EMPTY else f"document {number} of many " + "word " * (number % 30)
    return {"id": name, "text": text, "title": f"Title {number}", "year": 1900 + number % 100}
