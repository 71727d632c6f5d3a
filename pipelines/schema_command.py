"""The command that prints the JSON Schema of job files.

Settings are imported when it is called, since pyarrow comes with them.
"""

import click

from embed_pipeline.pipelines.help_pages import Command


@click.command("config-schema", cls=Command)
def config_schema() -> None:
    """Print the JSON Schema of a job file, for editors and programs.

    Example: embed-pipeline config-schema > job.schema.json
    """
    from embed_pipeline import job_schema  # noqa: PLC0415 (as its docstring says)

    click.echo(job_schema.as_text(), nl=False)
