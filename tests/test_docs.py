"""The documents say what the code does: keys, flags, errors, links, and the README's own code."""

import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from embed_pipeline import errors
from embed_pipeline.embedded.process import EmbeddedProcess, start_embedded
from embed_pipeline.endpoint import Retry
from embed_pipeline.errors import EmbedPipelineError, EndpointError, TransientError
from embed_pipeline.job import JobFile
from embed_pipeline.pipelines.cli import main

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
DOCS += sorted((ROOT / "docs").glob("*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
ERRORS = (ROOT / "docs/errors.md").read_text(encoding="utf-8")

# Blocks of the README that are not run here, by a word of theirs, each with the reason.
NOT_RUN = {
    "make demo": "sets up an environment and runs this very test",
    "apache_beam.yaml.main": "reads other files; tests/transforms/test_yaml.py runs both",
    "embed-pipeline serve": "serves until it is stopped; has tests of its own, as fetch has",
}
LINK = re.compile(r"\]\(([^)\s]+)\)")
MACHINE_PATH = re.compile(r"(?<![\w:/.~*-])/(?:home|Users|root|work|tmp|var|mnt|srv|opt|usr)/")


def models(annotation: Any) -> list[type[BaseModel]]:
    """Return the groups of settings in an annotation."""
    kinds = getattr(annotation, "__args__", None) or (annotation,)
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield prefix + name, field
        for inner in models(field.annotation):
            yield from settings(inner, f"{prefix}{name}.")


def table_rows(text: str) -> dict[str, list[str]]:
    """Return the cells of every table row, by what stands in backticks in its first cell."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and cells[0].startswith("`"):
            found[cells[0].strip("`")] = [html.unescape(c.replace("\\|", "|")) for c in cells]
    return found


GROUPS = {
    "job",
    "job.corpus",
    "job.endpoint",
    "job.batching",
    "job.retry",
    "job.tokens",
    "job.chunking",
    "job.output",
    "job.store",
}
KEYS = [(name, field) for name, field in settings(JobFile) if name not in GROUPS]


@pytest.mark.parametrize(("name", "field"), KEYS, ids=[name for name, _ in KEYS])
def test_every_key_stands_in_the_configuration_with_its_own_words(
    name: str, field: FieldInfo
) -> None:
    assert table_rows(CONFIGURATION)[name][3] == field.description


@pytest.mark.parametrize(("name", "field"), KEYS, ids=[name for name, _ in KEYS])
def test_every_key_stands_in_the_configuration_with_its_default(
    name: str, field: FieldInfo
) -> None:
    default = field.get_default(call_default_factory=True, validated_data={})
    if field.is_required():
        shown = "required"
    elif default is None:
        shown = "none"
    elif isinstance(default, BaseModel):
        shown = "its keys' own"
    else:
        shown = f"`{default if isinstance(default, str) else json.dumps(default)}`"

    assert table_rows(CONFIGURATION)[name][2] == shown


def test_the_configuration_tells_of_no_key_that_does_not_exist() -> None:
    told = {name for name in table_rows(CONFIGURATION) if name.startswith("job.")}

    assert told == {name for name, _ in KEYS if name.startswith("job.")}


@pytest.mark.parametrize("group", sorted(GROUPS - {"job"}))
def test_every_group_stands_in_the_configuration_with_its_own_words(group: str) -> None:
    field = dict(settings(JobFile))[group]

    assert f"`{group}`: {field.description}." in CONFIGURATION


def section(command: str) -> str:
    return CONFIGURATION.partition(f"### embed-pipeline {command}\n")[2].partition("\n##")[0]


FLAGS = [
    (command.name or "", flag)
    for command in main.commands.values()
    for parameter in command.params
    if isinstance(parameter, click.Option)
    for flag in (*parameter.opts, *parameter.secondary_opts)
]


@pytest.mark.parametrize(("command", "flag"), FLAGS)
def test_every_flag_stands_in_the_configuration_below_its_command(command: str, flag: str) -> None:
    assert re.search(rf"^\| `{flag}[ `]", section(command), re.MULTILINE)


@pytest.mark.parametrize("command", sorted(main.commands))
def test_the_configuration_tells_of_no_flag_that_does_not_exist(command: str) -> None:
    told = set(re.findall(r"^\| `(--?[a-z-]+)", section(command), re.MULTILINE))

    assert told == {flag for name, flag in FLAGS if name == command}


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_stands_in_the_readme(command: str) -> None:
    assert f"embed-pipeline {command} " in README


def leaves(kind: type[EmbedPipelineError]) -> Iterator[type[EmbedPipelineError]]:
    below = [one for one in kind.__subclasses__() if one.__module__ == errors.__name__]
    for one in below:
        yield from leaves(one)
    if not below or kind in (errors.InterruptedJobError, errors.RefusedError):  # raised as they are
        yield kind


LEAVES = sorted(set(leaves(EmbedPipelineError)), key=lambda kind: kind.__name__)
ENDPOINT_LEAVES = [kind for kind in LEAVES if issubclass(kind, EndpointError)]


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_every_error_stands_in_the_table_of_errors(kind: type[EmbedPipelineError]) -> None:
    assert kind.__name__ in table_rows(ERRORS)


@pytest.mark.parametrize("kind", ENDPOINT_LEAVES, ids=lambda kind: kind.__name__)
def test_the_table_of_errors_tells_how_often_a_request_is_tried_and_what_fails(
    kind: type[EndpointError],
) -> None:
    tries = 1
    if issubclass(kind, TransientError):
        tries = kind.tries or Retry().attempts

    assert table_rows(ERRORS)[kind.__name__][2:4] == [str(tries), kind.scope]


def test_the_table_of_errors_tells_of_no_error_that_does_not_exist() -> None:
    assert set(table_rows(ERRORS)) == {kind.__name__ for kind in LEAVES}


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
