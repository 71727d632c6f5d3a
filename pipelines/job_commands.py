"""Commands that take a job file.

Beam takes two seconds to import, so it is imported when a command needs it.
"""

import logging
import math
from contextlib import suppress

import click

from embed_pipeline.pipelines.arguments import Duration, check_telling, telling_options
from embed_pipeline.pipelines.asked_job import asked_job, files_and_output
from embed_pipeline.pipelines.help_pages import Command, refuse_misspelt


@click.command(
    cls=Command,
    context_settings={"ignore_unknown_options": True},
    sections={
        "What is embedded": ("--files", "--output", "--set", "--limit", "--fresh"),
        "What is told": ("--quiet", "--verbose", "--dry-run"),
    },
)
@click.argument("job_file", type=click.Path(), required=False)
@files_and_output
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change a setting.")
@click.option("--fresh", is_flag=True, help="Embed everything, whatever earlier runs have left.")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Embed only the first N documents."
)
@click.option("--dry-run", is_flag=True, help="Check the job file, then stop.")
@telling_options
@click.argument("beam_flags", nargs=-1, type=click.UNPROCESSED, metavar="[BEAM FLAGS]")
def run(
    job_file: str | None,
    files: tuple[str, ...],
    output: str | None,
    overrides: tuple[str, ...],
    beam_flags: tuple[str, ...],
    *,
    limit: int | None,
    fresh: bool,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Embed a corpus into a dataset, as a job file says.

    Without one, --files and --output say what is embedded and where to, as configs/folder.yaml
    does: by the embedded endpoint's all-minilm, long documents split. Flags that are not listed
    here are Beam's own.

    Example: embed-pipeline run --files notes --output out/notes
    """
    from embed_pipeline.pipelines.terminal import Terminal

    terminal = Terminal(quiet=quiet, verbose=verbose)
    _check(beam_flags, quiet=quiet, verbose=verbose)
    if limit is not None:
        overrides = (*overrides, f"job.corpus.limit={limit}")
    found, beam_flags = asked_job(job_file, files, output, overrides, beam_flags)
    from embed_pipeline.pipelines.launch import run_job

    return run_job(found, beam_flags, terminal, dry_run=dry_run, fresh=fresh)


@click.command(
    cls=Command,
    context_settings={"ignore_unknown_options": True},
    sections={
        "What is embedded": (
            *("--files", "--output", "--set"),
            *("--fresh", "--reembed", "--retry-failures"),
        ),
        "When it ends": ("--max-runtime", "--accept-engine-change", "--run-id"),
        "What is told": ("--quiet", "--verbose", "--summary"),
    },
)
@click.argument("job_file", type=click.Path(), required=False)
@files_and_output
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change a setting.")
@click.option(
    "--run-id", default="", metavar="NAME", help="What it is called; again, it does nothing."
)
@click.option("--fresh", is_flag=True, help="Reuse nothing of refreshes that were stopped.")
@click.option("--reembed", is_flag=True, help="Embed everything anew.")
@click.option(
    "--accept-engine-change",
    "accept",
    is_flag=True,
    help="Mix vectors with those of an engine that computes otherwise.",
)
@click.option(
    "--retry-failures", "again", is_flag=True, help="Send texts again that failed for good."
)
@click.option(
    "--max-runtime",
    type=Duration(),
    help="Stop after so long, such as 7h, and keep what is done (exit code 5).",
)
@click.option("--summary", type=click.Choice(["json"]), help="Print what was done as JSON.")
@telling_options
@click.argument("beam_flags", nargs=-1, type=click.UNPROCESSED, metavar="[BEAM FLAGS]")
def refresh(
    job_file: str | None,
    files: tuple[str, ...],
    output: str | None,
    overrides: tuple[str, ...],
    beam_flags: tuple[str, ...],
    *,
    run_id: str,
    max_runtime: float | None,
    summary: str | None,
    fresh: bool,
    reembed: bool,
    accept: bool,
    again: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Embed what is new in a corpus into a store, and publish a snapshot of all of it.

    Flags that are not listed here are Beam's own.

    Example: embed-pipeline refresh configs/nightly.yaml --max-runtime 7h
    """
    _check(beam_flags, quiet=quiet, verbose=verbose)
    found, beam_flags = asked_job(job_file, files, output, overrides, beam_flags)
    from embed_pipeline.pipelines.refresh import Wishes, refresh_store
    from embed_pipeline.pipelines.terminal import Terminal

    wishes = Wishes(run_id, fresh, reembed, accept, again, max_runtime)
    done = refresh_store(found, beam_flags, Terminal(quiet=quiet, verbose=verbose), wishes)
    if summary:
        with suppress(BrokenPipeError):  # the scheduler may have gone
            click.echo(done.model_dump_json())
    return done.exit_code


@click.command(
    cls=Command,
    context_settings={"ignore_unknown_options": True},
    sections={
        "What is measured": ("--files", "--output", "--set", "--sample", "--seconds"),
        "What is told": ("--quiet", "--verbose", "--json"),
    },
)
@click.argument("job_file", type=click.Path(), required=False)
@files_and_output
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change a setting.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    default=2_000,
    show_default=True,
    help="Documents to look at.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    default=30.0,
    show_default=True,
    help="How long the endpoint is measured, about.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@telling_options
@click.argument("beam_flags", nargs=-1, type=click.UNPROCESSED, metavar="[BEAM FLAGS]")
def plan(
    job_file: str | None,
    files: tuple[str, ...],
    output: str | None,
    overrides: tuple[str, ...],
    beam_flags: tuple[str, ...],
    *,
    sample: int,
    seconds: float,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Tell a job's tokens, time and size in advance, and the settings to choose.

    Flags that are not listed here are Beam's own.

    Example: embed-pipeline plan configs/local.yaml
    """
    _check(beam_flags, quiet=quiet, verbose=verbose)
    if not math.isfinite(seconds):
        raise click.UsageError("--seconds must be a finite number")
    found, beam_flags = asked_job(job_file, files, output, overrides, beam_flags)
    from embed_pipeline.pipelines.plan import plan_job
    from embed_pipeline.pipelines.terminal import Terminal

    terminal = Terminal(quiet=quiet, verbose=verbose)
    return plan_job(found, beam_flags, terminal, sample=sample, seconds=seconds, as_json=as_json)


def _check(beam_flags: tuple[str, ...], *, quiet: bool, verbose: bool) -> None:
    """Refuse flags that do not go together, or are misspelt; get ready for Beam."""
    logging.getLogger().setLevel(logging.ERROR)  # Beam warns of extras that are not installed
    check_telling(quiet=quiet, verbose=verbose)
    refuse_misspelt(click.get_current_context().command, beam_flags)
