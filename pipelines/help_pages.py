"""How the command line explains itself: sections of commands and flags, and each one's example."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import click
from click.formatting import HelpFormatter

EXAMPLE = "Example: "
LONGEST = 200  # characters a command's first sentence may have, which are wrapped
OTHER = "Other"  # the section of what no section names
Sections = Mapping[str, Sequence[str]]


class Command(click.Command):
    """Show flags in sections, and the example as one line that can be copied.

    Args:
        sections: Flags by the heading they stand below; the others stand below "Other", or below
            "Options" where there are no sections.
        **given: As click's own command takes them. The last paragraph of the help is the example.
    """

    def __init__(self, *, sections: Sections | None = None, **given: Any) -> None:
        help_text, _, example = str(given.pop("help", "") or "").partition(EXAMPLE)
        self.example = " ".join(example.split())
        self.sections = sections or {}
        super().__init__(help=help_text.strip(), **given)

    def format_options(self, ctx: click.Context, formatter: HelpFormatter) -> None:
        """Write the flags, section by section, then the example."""
        rest: list[tuple[str, str]] = []
        found: dict[str, list[tuple[str, str]]] = {title: [] for title in self.sections}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and record[1]:  # an argument stands in the usage line
                title = _section(self.sections, parameter.opts)
                found.get(title, rest).append(record)
        for title, records in (*found.items(), (OTHER if found else "Options", rest)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
        if self.example:
            formatter.write(f"\n{EXAMPLE}{self.example}\n")


class Group(click.Group):
    """Show commands in sections, and examples of the first things to do.

    Args:
        sections: Names of commands by the heading they stand below.
        examples: Lines that can be copied.
        **given: As click's own group takes them.
    """

    def __init__(self, *, sections: Sections, examples: Sequence[str], **given: Any) -> None:
        self.sections = sections
        self.examples = examples
        super().__init__(**given)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 (as click calls it)
        formatter: HelpFormatter,
    ) -> None:
        """Write the commands, section by section, then the examples."""
        found: dict[str, list[tuple[str, str]]] = {title: [] for title in (*self.sections, OTHER)}
        width = max(map(len, self.commands))
        for name, command in self.commands.items():
            told = command.get_short_help_str(LONGEST)
            found[_section(self.sections, [name])].append((name.ljust(width), told))
        for title, records in found.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
        formatter.write("\nExamples:\n" + "".join(f"  {one}\n" for one in self.examples))


def _section(sections: Sections, names: Sequence[str]) -> str:
    """Return the heading that one of the names stands below."""
    return next((title for title, ours in sections.items() if set(ours) & set(names)), OTHER)


def refuse_misspelt(command: click.Command, flags: Sequence[str]) -> None:
    """Refuse a flag that was passed on to Beam, but is one of the command's own, misspelt.

    Raises:
        click.NoSuchOption: Beam has no such flag, nor one that is closer.
    """
    ours = [flag for parameter in command.params for flag in parameter.opts if flag[:2] == "--"]
    for flag in (one.partition("=")[0] for one in flags if one.startswith("--")):
        if difflib.get_close_matches(flag, ours):
            from embed_pipeline.pipelines.options import known_flags  # noqa: PLC0415 (Beam)

            (nearest,) = difflib.get_close_matches(flag, [*known_flags(), *ours], n=1)
            if nearest in ours:
                raise click.NoSuchOption(flag, possibilities=[nearest])
