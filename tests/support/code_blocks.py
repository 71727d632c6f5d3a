"""The code blocks of the documents: found, held against their markers, and run as a reader would.

A comment before a block says what becomes of it, where it is not simply run:

    <!-- not run: REASON -->
    <!-- run by: make TARGET -->, or a file with tests
    <!-- first: COMMANDS -->, which readers have done already, or need not see

A block of the language `text` is what the block of commands before it prints.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import yaml
from pydantic import ValidationError

from embed_pipeline.job import JobFile

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "deploy").rglob("*.md")),
)
SECONDS = 200  # a command takes 20 at most where nothing else is at work
MARKERS = ("not run", "run by", "first")
LANGUAGES = ("bash", "python", "sql", "text", "yaml", "json")

_PART = re.compile(
    r"^<!--\s(?P<marker>[a-z ]+):(?P<said>.*?)-->\n"
    r"|^(?P<fence>```+)(?P<language>[^\n`]*)\n(?P<code>.*?)^(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_SMALLEST = {
    "corpus": {"files": "docs/*.jsonl"},
    "endpoint": {"model": "all-minilm"},
    "output": {"path": "out/"},
}
# What is another one in each run: times, rates, ports, runs' names, digests, cosines.
_VARYING = re.compile(
    r"\d{4}-\d\d-\d\d[T ][\d:.+]+|\d{8}T\d{6}Z-\w+|\b[\da-f]{12,}\b|(?<=127\.0\.0\.1:)\d+"
    r"|[\d,]+(?= (?:texts|tokens)/s)|[\d,]*\.\d+"
)


class Block(NamedTuple):
    """Hold a block of code, its line in the document, and what its markers say."""

    line: int
    language: str
    code: str
    markers: dict[str, str]


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a document; markers belong to the next block.

    Raises:
        AssertionError: There is a fence that is none of theirs, such as an indented one.
    """
    _refuse_other_fences(text)
    markers: dict[str, str] = {}
    for part in _PART.finditer(text):
        if part["marker"]:
            if part["marker"] in MARKERS:
                markers[part["marker"]] = part["said"].strip()
            continue
        line = text.count("\n", 0, part.start()) + 1
        yield Block(line, part["language"].strip(), part["code"], markers)
        markers = {}


def _refuse_other_fences(text: str) -> None:
    rest = _PART.sub(lambda part: "\n" * part[0].count("\n"), text)
    other = re.search(r"^[ >*\d.-]*(```|~~~)", rest, re.MULTILINE)
    line = rest.count("\n", 0, other.start()) + 1 if other else 0
    assert not other, f"line {line}: a fence that is indented, or has no other end"


def unmarked(block: Block) -> str:
    """Return what is wrong with a block that is neither run nor marked, or "" if nothing is."""
    if "not run" in block.markers:
        return "" if block.markers["not run"] else "its marker gives no reason"
    if "run by" in block.markers:
        return _unknown(block.markers["run by"])
    if block.language in LANGUAGES:
        return ""
    return f"no test runs a block of the language '{block.language}': mark it, with the reason"


def _unknown(runs_it: str) -> str:
    """Return what is wrong with the name of whatever runs a block."""
    target = runs_it.removeprefix("make ")
    if target != runs_it:
        found = re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return "" if found else f"the Makefile has no target {target}"
    tested = runs_it.startswith("tests/") and (ROOT / runs_it).is_file()
    return "" if tested else f"{runs_it} is neither a target of the Makefile nor a file with tests"


class Workspace:
    """Stand for a copy of the clone in which the blocks of one document are run in their order.

    Args:
        folder: An empty folder.
        server: The address of a server that has all-minilm, for OLLAMA_HOST.
    """

    def __init__(self, folder: Path, server: str) -> None:
        self._home = folder / "home"
        self._clone = folder / "clone"
        self._commands = folder / "bin"
        self._server = server
        self._told = ""
        self._home.mkdir()
        self._clone.mkdir()
        self._commands.mkdir()
        for name in ("configs", "deploy", "docs"):
            shutil.copytree(ROOT / name, self._clone / name)
        for name, module in (("embed-pipeline", " -m embed_pipeline"), ("python", "")):
            command = self._commands / name
            command.write_text(f'#!/bin/sh\nexec "{sys.executable}"{module} "$@"\n')
            command.chmod(0o755)

    def run(self, block: Block) -> None:
        """Run a block, or check what is not to be run.

        Raises:
            AssertionError: It fails, or does not print what the document shows.
        """
        code = block.code
        if "first" in block.markers and block.language == "bash":
            code = f"{block.markers['first']}\n{code}"  # one shell, for the variables
        elif "first" in block.markers:
            self._bash(block.markers["first"])
        if not {"not run", "run by"} & block.markers.keys():
            self._run(block.language, code)

    def _run(self, language: str, code: str) -> None:
        match language:
            case "bash":
                self._bash(code)
            case "python":
                self._told = self._output([sys.executable, "-c", code])
            case "sql":
                self._sql(code)
            case "text":
                self._shown(code)
            case "yaml":
                _check_job(code)
            case "json":
                json.loads(code)

    def _bash(self, code: str) -> None:
        self._told = self._output(["bash", "-euo", "pipefail", "-c", code])

    def _sql(self, code: str) -> None:
        with duckdb.connect() as connection:
            connection.execute(f"SET file_search_path = '{self._clone}'")
            connection.execute(code)

    def _output(self, command: list[str]) -> str:
        """Return what a command prints, both ways together, as a reader sees it."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        environment = {
            "HOME": str(self._home),
            "OLLAMA_HOST": self._server,
            "PATH": f"{self._commands}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "XDG_CACHE_HOME": str(cache),  # where the weights are
        }
        done = subprocess.run(
            command,
            cwd=self._clone,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"exit code {done.returncode}:\n{done.stdout}"
        return done.stdout

    def _shown(self, text: str) -> None:
        """Hold what a document shows against what the last command has printed.

        Each line must be there, in this order; a line `...` stands for those that are left out.
        """
        told = iter([_plain(line) for line in self._told.splitlines()])
        for line in text.splitlines():
            if line.strip() != "...":
                assert _plain(line) in told, f"not printed here: {line}\nbut:\n{self._told}"


def _check_job(code: str) -> None:
    """Take YAML as a job file, or as a part of one."""
    found = yaml.safe_load(code) or {}  # a block of comments
    if found.keys() <= {"beam", "job"}:
        whole = {"job": _SMALLEST, **found}
    else:
        whole = {"job": {**_SMALLEST, **found}}
    try:
        JobFile.model_validate(whole)
    except ValidationError as error:
        raise AssertionError(str(error)) from error


def _plain(line: str) -> str:
    """Return a line without what varies: numbers of a run, blanks between columns, the folder."""
    return " ".join(_VARYING.sub("#", re.sub(r"\S*/clone/", "", line)).split())
