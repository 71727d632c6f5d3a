"""Every command with its flags, from the command line itself."""

from collections.abc import Mapping
from typing import Any

import click

from embed_pipeline.exit_codes import ExitCode
from embed_pipeline.pipelines.cli import main
from tests.reference.keys import bounded, one_of
from tests.reference.markdown import table

KINDS = {"String": "string", "File": "file"}  # others are called in words by click


def regions() -> dict[str, str]:
    """Return what a command is and has, for each, and a table of the exit codes."""
    codes = table(
        ("Code", "Meaning", "A scheduler should"),
        [(str(int(code)), code.meaning, code.advice) for code in ExitCode],
    )
    commands = {f"command {name}": described(name, main.commands[name]) for name in main.commands}
    return {**commands, "exit codes": codes}


def described(name: str, command: click.Command) -> str:
    """Return how a command is called, what it does and a table of its flags."""
    context = click.Context(command, info_name=f"embed-pipeline {name}")
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    flags = table(
        ("Flag", "Type", "Default", "Meaning"), [_flag(option, context) for option in options]
    )
    pieces = [one for one in command.collect_usage_pieces(context) if options or one != "[OPTIONS]"]
    usage = " ".join([context.command_path, *pieces])
    first = " ".join((command.help or "").split("\n\n")[0].split())
    return "\n\n".join([f"`{usage}`", first, flags if options else "It has no flags.\n"])


def _flag(option: click.Option, context: click.Context) -> tuple[str, str, str, str]:
    info = option.to_info_dict()
    names = ", ".join([*option.opts, *option.secondary_opts])
    shown = f"`{names} {option.metavar}`" if option.metavar else f"`{names}`"
    return shown, _kind(info), _default(info), option.help or ""


def _kind(info: Mapping[str, Any]) -> str:
    """Return what a flag may be given, in words."""
    kind = info["type"]
    if info["is_flag"]:
        return "switch"
    name = kind["param_type"]
    if name in ("IntRange", "FloatRange"):
        number = "integer" if name == "IntRange" else "number"
        words = bounded(number, kind["min"], kind["max"], above=kind["min_open"])
    else:
        words = one_of(list(kind["choices"])) if name == "Choice" else KINDS.get(name, kind["name"])
    return f"{words}, repeatable" if info["multiple"] else words


def _default(info: Mapping[str, Any]) -> str:
    if info["required"]:
        return "required"
    default = info["default"]
    if info["is_flag"]:
        return "on" if default else "off"
    return "none" if default in (None, "", ()) else f"`{default}`"
