"""Which job is asked for: that of a file, or that of a folder."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from embed_pipeline.job import JobFile


def files_and_output(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the two flags that need no job file."""
    output = click.option("--output", metavar="FOLDER", help="The dataset: job.output.path.")
    files = click.option(
        "--files",
        multiple=True,
        metavar="PATTERN",
        help="What to read: a file, a folder or a quoted pattern (job.corpus.files); repeatable.",
    )
    return files(output(command))


def asked_job(
    job_file: str | None,
    files: Sequence[str],
    output: str | None,
    overrides: Sequence[str],
    beam_flags: tuple[str, ...],
) -> tuple["JobFile", tuple[str, ...]]:
    """Return the job that is asked for, and Beam's flags.

    Args:
        job_file: The first argument: the job file, or, where there is none, a flag of Beam's.
        files: What --files says.
        output: What --output says.
        overrides: What --set says; it wins.
        beam_flags: The other arguments.

    Raises:
        click.UsageError: The job is not said.
        ConfigError: As of `embed_pipeline.job.load`.
    """
    from embed_pipeline.job import load  # noqa: PLC0415 (pyarrow takes a quarter of a second)

    if job_file and job_file.startswith("-"):
        beam_flags = (job_file, *beam_flags)
        job_file = None
    if job_file and Path(job_file).is_dir():
        raise click.UsageError(
            f"{job_file} is a folder, no job file; to embed the files in it: "
            f"--files {job_file} --output FOLDER"
        )
    if not job_file and not (files and output):
        raise click.UsageError("give a JOB_FILE first, or --files and --output")
    said = []
    if files:  # shells expand no ~ in what is quoted
        paths = [os.path.expanduser(one) for one in files]  # noqa: PTH111 (URLs stay as they are)
        said.append(f"job.corpus.files={json.dumps(paths[0] if len(paths) == 1 else paths)}")
    if output:
        said.append(f"job.output.path={json.dumps(os.path.expanduser(output))}")  # noqa: PTH111
    return load(job_file, [*said, *overrides]), beam_flags
