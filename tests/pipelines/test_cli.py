"""The command line: its commands, how errors leave it, and both ways in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from embed_pipeline import __version__
from embed_pipeline.pipelines.cli import COMMANDS, invoke
from tests.support.scripted import ScriptedEndpoint

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _server(endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", endpoint.url)
    monkeypatch.setenv("COLUMNS", "200")


Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["embed"], "Missing option '--text'"),
        (["no-such"], "No such command 'no-such'"),
        (["rum"], "Did you mean 'run'?"),
        (["embed", "--txt", "x"], "Did you mean '--text'?"),
        (["run", "configs/local.yaml", "--limt", "5"], "Did you mean '--limit'?"),
        (["run", "x.yaml", "--quiet", "--verbose"], "exclude each other"),
        (["refresh", "x.yaml", "--quiet", "--verbose"], "exclude each other"),
        (["plan", "x.yaml", "--quiet", "--verbose"], "exclude each other"),
        (["retry-failures", "x", "--quiet", "--verbose"], "exclude each other"),
        (["run", "no-such.yaml"], "cannot read no-such.yaml"),
        (["embed", "--text", "x", "--url", "nowhere"], "is not an address"),
        (["embed", "--text", "caf\udce9"], "a text is not UTF-8"),
        (["serve", "--port", "80000"], "80000"),
        (["run", "configs/local.yaml", "--runner=NoSuchRunner"], "beam.runner: "),
    ],
)
def test_wrong_usage_is_exit_code_2(capsys: Captured, arguments: list[str], said: str) -> None:
    assert invoke(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["run", "\x1b[2J\u202e.yaml"], ["\x1b[2J\u202e"], ["status", "\x1b[2J\u202e"]]
)
def test_control_characters_from_outside_are_shown_not_obeyed(
    capsys: Captured, arguments: list[str]
) -> None:
    assert invoke(arguments) != 0
    captured = capsys.readouterr()
    said = captured.out + captured.err
    assert r"\x1b[2J\u202e" in said
    assert "\x1b" not in said


@pytest.mark.parametrize("command", [str(command.name) for command in COMMANDS])
def test_every_command_s_help_has_an_example(capsys: Captured, command: str) -> None:
    assert invoke([command, "--help"]) == 0
    assert f"Example: embed-pipeline {command}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "command", [("-m", "embed_pipeline"), ("-m", "embed_pipeline.pipelines.embed_corpus", "--help")]
)
def test_both_ways_in_are_the_same_command_line(command: tuple[str, ...]) -> None:
    arguments = [*command] if command[-1] == "--help" else [*command, "run", "--help"]
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "Embed a corpus into a dataset, as a job file says." in done.stdout


def test_version(capsys: Captured) -> None:
    assert invoke(["--version"]) == 0
    assert capsys.readouterr().out == f"embed-pipeline, version {__version__}\n"


def test_help_tells_the_exit_codes(capsys: Captured) -> None:
    assert invoke(["--help"]) == 0
    assert "\n      4  Refused: going on would damage or mix datasets" in capsys.readouterr().out


BASH = """
eval "$(_EMBED_PIPELINE_COMPLETE=bash_source embed-pipeline)"
compopt() { echo "compopt -o $2"; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_embed_pipeline_completion embed-pipeline
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the installed command."""
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "embed-pipeline"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m embed_pipeline "$@"\n')
    command.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["re"], ["refresh", "report", "retry-failures"]),
        (["run", "--l"], ["--limit"]),
        (["refresh", "--summary", ""], ["json"]),
        (["run", "con"], ["compopt -o default", ""]),
        (["search", "con"], ["compopt -o dirnames", ""]),
    ],
)
def test_bash_completes_commands_flags_files_and_folders(
    commands: Path, words: list[str], completed: list[str]
) -> None:
    done = subprocess.run(
        ["bash", "-c", BASH, "bash", "embed-pipeline", *words],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{commands}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == completed
