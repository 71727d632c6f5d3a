"""The documents say what the code does: keys, flags, errors, links."""

import re
from pathlib import Path

import pytest

from embed_pipeline.pipelines.cli import main
from tests.reference import files as reference

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
DOCS += sorted((ROOT / "docs").rglob("*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")

LINK = re.compile(r"\]\(([^)\s]+)\)")
MACHINE_PATH = re.compile(r"(?<![\w:/.~*-])/(?:home|Users|root|work|tmp|var|mnt|srv|opt|usr)/")


@pytest.mark.parametrize("path", list(reference.made()), ids=lambda path: path.name)
def test_what_is_made_of_the_code_is_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == reference.made()[path], "run `make reference`"


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_stands_in_the_readme(command: str) -> None:
    assert re.search(rf"embed-pipeline {command}[ `]", README)


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


COMMAND_LINE = re.compile(r"`embed-pipeline ([a-z][a-z-]*)([^`\n]*)`")


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_a_command_line_in_a_sentence_names_a_command_and_its_flags(path: Path) -> None:
    for name, rest in COMMAND_LINE.findall(path.read_text(encoding="utf-8")):
        assert name in main.commands, f"{name}{rest}"
        command = main.commands[name]
        known = {flag for one in command.params for flag in (*one.opts, *one.secondary_opts)}
        told = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest))
        assert told <= known or command.ignore_unknown_options, f"{name}{rest}"


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
