"""The documents say what the code does: keys, flags, errors, links, and the README's own code."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from embed_pipeline.embedded.process import EmbeddedProcess, start_embedded
from embed_pipeline.pipelines.cli import main
from tests.reference import files as reference

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
DOCS += sorted((ROOT / "docs").glob("*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")

# Blocks of the README that are not run here, by a word of theirs, each with the reason.
NOT_RUN = {
    "make demo": "sets up an environment and runs this very test",
    "apache_beam.yaml.main": "reads other files; tests/transforms/test_yaml.py runs both",
    "embed-pipeline serve": "serves until it is stopped; has tests of its own, as fetch has",
}
LINK = re.compile(r"\]\(([^)\s]+)\)")
MACHINE_PATH = re.compile(r"(?<![\w:/.~*-])/(?:home|Users|root|work|tmp|var|mnt|srv|opt|usr)/")


@pytest.mark.parametrize("path", list(reference.made()), ids=lambda path: path.name)
def test_what_is_made_of_the_code_is_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == reference.made()[path], "run `make reference`"


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_stands_in_the_readme(command: str) -> None:
    assert f"embed-pipeline {command} " in README


@pytest.mark.parametrize("path", sorted((ROOT / "configs").iterdir()), ids=lambda path: path.name)
def test_every_job_file_stands_in_the_table_of_the_readme(path: Path) -> None:
    assert f"| [configs/{path.name}](configs/{path.name}) |" in README


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_relative_link_points_to_a_file_and_a_heading_that_exist(path: Path) -> None:
    for link in LINK.findall(path.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        name, _, heading = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        if heading:
            assert heading in headings(target), link


def headings(path: Path) -> set[str]:
    """Return the anchors of a document's headings."""
    found = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in found}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_no_document_holds_a_path_of_one_machine(path: Path) -> None:
    assert not MACHINE_PATH.search(path.read_text(encoding="utf-8"))


def test_the_readme_has_one_section_for_measured_numbers() -> None:
    assert re.findall(r"<!-- measured:\w+ -->", README) == [
        "<!-- measured:begin -->",
        "<!-- measured:end -->",
    ]


class Block(NamedTuple):
    """Hold a block of the README's code."""

    language: str
    code: str


BLOCKS = [
    Block(*found)
    for found in re.findall(r"^```(bash|python)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
]
RUN = [block for block in BLOCKS if not any(word in block.code for word in NOT_RUN)]


@pytest.mark.parametrize("word", NOT_RUN)
def test_a_block_that_is_not_run_exists(word: str) -> None:
    assert sum(word in block.code for block in BLOCKS) == 1


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedProcess]:
    with start_embedded() as process:
        yield process


@pytest.fixture(scope="module")
def workspace(server: EmbeddedProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as the README's reader has it: job files, documents, the demo's dataset."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "configs").symlink_to(ROOT / "configs")
    for name in ("docs/example.jsonl", "out/python-docs.jsonl"):
        path = folder / name
        path.parent.mkdir()
        path.write_text('{"id": "csv.reader", "text": "Read a csv file.", "year": 2024}\n')
    done = run(Block("bash", "embed-pipeline run configs/demo.yaml"), folder, server)
    assert done.returncode == 0, done.stderr
    return folder


def run(block: Block, folder: Path, server: EmbeddedProcess) -> "subprocess.CompletedProcess[str]":
    """Run a block as a reader would who has installed the project."""
    shell = f'embed-pipeline() {{ "{sys.executable}" -m embed_pipeline "$@"; }}\n{block.code}'
    arguments = {
        "bash": ["bash", "-euo", "pipefail", "-c", shell],
        "python": [sys.executable, "-c", block.code],
    }
    return subprocess.run(
        arguments[block.language],
        cwd=folder,
        env={**os.environ, "OLLAMA_HOST": server.url, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("block", RUN, ids=lambda block: block.code.strip().splitlines()[-1][:40])
def test_a_block_of_the_readme_runs(block: Block, workspace: Path, server: EmbeddedProcess) -> None:
    done = run(block, workspace, server)

    assert done.returncode == 0, done.stderr
