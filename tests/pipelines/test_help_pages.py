"""How the command line explains itself."""

import shlex

import click
import pytest
from click.testing import CliRunner

from embed_pipeline.pipelines.cli import COMMANDS, EXAMPLES, SECTIONS, main
from embed_pipeline.pipelines.help_pages import Command, Group, refuse_misspelt

LONG = "a-very-long-value-that-is-not-wrapped-in-a-window-of-eighty-columns"


@click.command(cls=Command, sections={"First": ("--one",)})
@click.option("--one", help="It is the first.")
@click.option("--two", help="It is the second.")
@click.option("-k", help="It is short.")
def numbered(one: str, two: str, k: str) -> None:
    """Count.

    Example: numbered --one a-very-long-value-that-is-not-wrapped-in-a-window-of-eighty-columns
        --two b
    """


def help_of(command: click.Command) -> list[str]:
    return CliRunner().invoke(command, ["--help"]).output.splitlines()


def test_flags_stand_in_sections_and_the_example_can_be_copied() -> None:
    assert help_of(numbered)[4:] == [
        "First:",
        "  --one TEXT  It is the first.",
        "",
        "Other:",
        "  --two TEXT  It is the second.",
        "  -k TEXT     It is short.",
        "  --help      Show this message and exit.",
        "",
        f"Example: numbered --one {LONG} --two b",
    ]


def test_commands_stand_in_sections_with_examples() -> None:
    group = Group(sections={"Count": ("numbered",)}, examples=["group numbered"])
    group.add_command(numbered)
    group.add_command(Command(help="Be there.\n\nExample: x", name="x"))
    assert help_of(group)[5:] == [
        "Count:",
        "  numbered  Count.",
        "",
        "Other:",
        "  x         Be there.",
        "",
        "Examples:",
        "  group numbered",
    ]


def test_every_command_stands_in_a_section() -> None:
    named = {name for names in SECTIONS.values() for name in names}
    assert {command.name for command in COMMANDS} <= named


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_group_parse(example: str) -> None:
    name, *arguments = shlex.split(example)[1:]
    command = main.commands[name]
    command.make_context(name, arguments)


def test_every_flag_of_a_section_exists() -> None:
    for command in COMMANDS:
        assert isinstance(command, Command)
        known = {flag for parameter in command.params for flag in parameter.opts}
        assert {flag for flags in command.sections.values() for flag in flags} <= known


@pytest.mark.parametrize(
    ("flags", "meant"),
    [(["--limt", "5"], "--limit"), (["--st=a=b"], "--set"), (["--quite"], "--quiet")],
)
def test_a_flag_of_ours_that_is_misspelt_is_refused(flags: list[str], meant: str) -> None:
    with pytest.raises(click.NoSuchOption) as refused:
        refuse_misspelt(main.commands["run"], flags)
    assert refused.value.format_message().endswith(f"Did you mean '{meant}'?")


@pytest.mark.parametrize("flags", [["--runner=x"], ["--runer=x"], ["--streaming"], ["limit"], []])
def test_flags_that_are_beam_s_or_closer_to_them_are_left_to_beam(flags: list[str]) -> None:
    refuse_misspelt(main.commands["refresh"], flags)
