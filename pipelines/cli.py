"""The command line: its commands, and how errors leave it.

Each command imports what it needs when it is called: Beam takes two seconds to import and pyarrow a
quarter of one, which `embed` and `check` would pay for nothing.
"""

from collections.abc import Sequence
from io import StringIO

import click
from rich.console import Console

from embed_pipeline import __version__
from embed_pipeline.errors import EmbedPipelineError
from embed_pipeline.exit_codes import ExitCode, listed
from embed_pipeline.pipelines.dataset_commands import (
    inspect_command,
    report_command,
    retry_failures_command,
    search_command,
    status,
)
from embed_pipeline.pipelines.endpoint_commands import check, embed, fetch, serve
from embed_pipeline.pipelines.forget_command import forget_command
from embed_pipeline.pipelines.help_pages import Group
from embed_pipeline.pipelines.job_commands import plan, refresh, run
from embed_pipeline.pipelines.printable import escape, printable
from embed_pipeline.pipelines.schema_command import config_schema
from embed_pipeline.pipelines.store_commands import adopt_command, log, path

COMMANDS = (
    run,
    refresh,
    plan,
    embed,
    serve,
    fetch,
    check,
    search_command,
    status,
    inspect_command,
    report_command,
    retry_failures_command,
    config_schema,
    path,
    log,
    adopt_command,
    forget_command,
)

SECTIONS = {
    "Make datasets": ("run", "refresh", "plan", "retry-failures", "config-schema"),
    "Use them": ("search", "status", "inspect", "report"),
    "Stores of nightly refreshes": ("path", "log", "adopt", "forget"),
    "Endpoints": ("embed", "check", "serve", "fetch"),
}
EXAMPLES = (
    'embed-pipeline embed --text "Why is the sky blue?"',
    "embed-pipeline run configs/local.yaml --limit 100",
    "embed-pipeline status out",
    'embed-pipeline search out "blue skies" -k 5',
)


def invoke(argv: Sequence[str]) -> int:
    """Run the command line with these arguments; return its exit code."""
    try:
        return int(main.main(list(argv), prog_name="embed-pipeline", standalone_mode=False) or 0)
    except click.ClickException as error:
        said = StringIO()
        error.show(said)
        click.echo(printable(said.getvalue()), nl=False, err=True)
        return ExitCode.WRONG
    except click.exceptions.Abort:
        return ExitCode.INTERRUPTED
    except (EmbedPipelineError, OSError) as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"[red]error:[/red] {escape(str(error))}")
        return error.exit_code if isinstance(error, EmbedPipelineError) else ExitCode.FAILED


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    sections=SECTIONS,
    examples=EXAMPLES,
)
@click.version_option(__version__, prog_name="embed-pipeline")
def main() -> None:
    """Turn a corpus into a Parquet dataset of embedding vectors."""


for command in COMMANDS:
    main.add_command(command)
main.epilog = f"\b\nExit codes of run, refresh and retry-failures:\n{listed()}"
