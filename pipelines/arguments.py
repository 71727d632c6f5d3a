"""What several commands make of their arguments, and of texts they show."""

import re
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem
from pydantic import ValidationError

from embed_pipeline.endpoint import Endpoint
from embed_pipeline.settings import explain

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


class Duration(click.ParamType[float]):
    """Take a time such as 7h, 90m, 45s or 1h30m; give seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        if isinstance(value, float):
            return value
        match = _DURATION.fullmatch(str(value))
        hours, minutes, seconds = (int(one or 0) for one in match.groups()) if match else (0, 0, 0)
        total = 3600 * hours + 60 * minutes + seconds
        if not total:
            self.fail(f"{value!r} is no time: write it as 7h, 90m, 45s or 1h30m", param, ctx)
        return float(total)


def named_endpoint(url: str, model: str) -> Endpoint:
    """Return the endpoint the flags name."""
    try:
        return Endpoint(url=url, model=model)
    except ValidationError as error:
        raise explain(error, Endpoint, "--url, --model") from error


def shortened(text: str, length: int = 100) -> str:
    """Return a text as one line of so many characters at most."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


class Folder(click.ParamType[str]):
    """Take a folder, here or on an object store; a shell completes folders."""

    name = "folder"

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 (as click calls it)
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Leave it to the shell."""
        return [CompletionItem(incomplete, type="dir")]


def telling_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags that say how much it tells."""
    quiet = click.option(
        "--quiet", is_flag=True, help="Tell only the summary, warnings and errors."
    )
    verbose = click.option(
        "--verbose", is_flag=True, help="Tell of each request, repetition and pause, too."
    )
    return quiet(verbose(command))


def check_telling(*, quiet: bool, verbose: bool) -> None:
    """Refuse to tell less and more at once.

    Raises:
        click.UsageError: Both are wanted.
    """
    if quiet and verbose:
        raise click.UsageError("--quiet and --verbose exclude each other: give one of them")
