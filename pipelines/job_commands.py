"""Commands that take a job file.

Beam takes two seconds to import, so it is imported when a command needs it.
"""

import logging
import math
from pathlib import Path

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("job_file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change a setting.")
@click.option("--fresh", is_flag=True, help="Embed everything, whatever earlier runs have left.")
@click.option("--limit", type=click.IntRange(min=1), help="Embed only the first N documents.")
@click.option("--dry-run", is_flag=True, help="Check the job file, then stop.")
@click.option("--quiet", is_flag=True, help="Tell only the summary.")
@click.argument("beam_flags", nargs=-1, type=click.UNPROCESSED, metavar="[BEAM FLAGS]")
def run(
    job_file: Path,
    overrides: tuple[str, ...],
    limit: int | None,
    beam_flags: tuple[str, ...],
    *,
    fresh: bool,
    dry_run: bool,
    quiet: bool,
) -> int:
    """Embed a corpus into a dataset, as a job file says.

    Flags that are not listed here are Beam's own.

    Example: embed-pipeline run configs/local.yaml --set job.output.path=out/trial --limit 100
    """
    if limit is not None:
        overrides = (*overrides, f"job.corpus.limit={limit}")
    from embed_pipeline.job import load

    found = load(job_file, overrides)
    logging.getLogger().setLevel(logging.ERROR)  # Beam warns of extras that are not installed
    from embed_pipeline.pipelines.launch import run_job
    from embed_pipeline.pipelines.terminal import Terminal

    return run_job(found, beam_flags, Terminal(quiet=quiet), dry_run=dry_run, fresh=fresh)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("job_file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change a setting.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=2_000,
    show_default=True,
    help="Documents to look at.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="How long the endpoint is measured, about.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.argument("beam_flags", nargs=-1, type=click.UNPROCESSED, metavar="[BEAM FLAGS]")
def plan(
    job_file: Path,
    overrides: tuple[str, ...],
    sample: int,
    seconds: float,
    beam_flags: tuple[str, ...],
    *,
    as_json: bool,
) -> int:
    """Tell a job's tokens, time and size in advance, and the settings to choose.

    Flags that are not listed here are Beam's own.

    Example: embed-pipeline plan configs/local.yaml
    """
    if not math.isfinite(seconds):
        raise click.UsageError("--seconds must be a finite number")
    from embed_pipeline.job import load

    found = load(job_file, overrides)
    logging.getLogger().setLevel(logging.ERROR)  # Beam warns of extras that are not installed
    from embed_pipeline.pipelines.plan import plan_job
    from embed_pipeline.pipelines.terminal import Terminal

    return plan_job(found, beam_flags, Terminal(), sample=sample, seconds=seconds, as_json=as_json)
