"""Commands that take a dataset's folder.

pyarrow takes a quarter of a second to import, so it is imported when a command needs it.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import orjson
from rich.console import Console

from embed_pipeline import locate, prefixes
from embed_pipeline.client import Client
from embed_pipeline.counted import counted
from embed_pipeline.endpoint import Retry
from embed_pipeline.errors import DatasetError, RefusedError
from embed_pipeline.identity import find_digest
from embed_pipeline.pipelines.arguments import (
    Folder,
    check_telling,
    named_endpoint,
    shortened,
    telling_options,
)
from embed_pipeline.pipelines.help_pages import Command
from embed_pipeline.pipelines.printable import escape, printable
from embed_pipeline.tokens import PLACE, applied

if TYPE_CHECKING:
    from embed_pipeline.manifest import Manifest
    from embed_pipeline.search import Hit


@click.command("search", cls=Command)
@click.argument("dataset", type=Folder())
@click.argument("query")
@click.option(
    "-k", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many rows."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a row.")
@click.option("--url", help="Address of the endpoint; by default the kind the dataset was made by.")
@click.option(
    "--query-prefix",
    metavar="TEXT",
    help="Put before the query, or a template with {text}; by default what the dataset's job says.",
)
def search_command(
    dataset: str,
    query: str,
    count: int,
    url: str | None,
    query_prefix: str | None,
    *,
    as_json: bool,
) -> None:
    """Print the rows of a dataset that are nearest to a query, by cosine.

    Of a store, the current snapshot's.

    Example: embed-pipeline search out/python-docs "read a csv file" -k 5
    """
    if not query.strip():
        raise click.UsageError("the query is empty")
    from embed_pipeline.manifest import read_manifest
    from embed_pipeline.search import nearest_rows
    from embed_pipeline.store import resolved

    dataset = resolved(dataset)
    manifest = read_manifest(dataset)
    made = manifest.provenance
    wanted = named_endpoint(url or made["endpoint"].partition(", ")[0], made["model"]).model_copy(
        update={"dimensions": made["dimensions_asked"], "options": made["options"]}
    )
    with locate.opened(wanted) as endpoint, Client(endpoint, Retry(attempts=3)) as client:
        digest = find_digest(client, endpoint)
        if digest != made["digest"]:
            raise RefusedError(
                f"{endpoint.masked_url} has another '{made['model']}' (digest {digest[:12]}) than "
                f"the dataset was made with ({made['digest'][:12]}): their vectors do not compare; "
                f"give the address of the one it was made with: --url (it was: {made['endpoint']})"
            )
        vector = client.embed([_asked(query, query_prefix, made)]).answer.vectors[0]
    hits = nearest_rows(dataset, manifest, vector, count)
    if as_json:
        for hit in hits:
            click.echo(orjson.dumps({"score": hit.score, **hit.row}, default=str))
        return
    _print_hits(hits, manifest)


def _asked(query: str, query_prefix: str | None, made: Mapping[str, Any]) -> str:
    """Return a query as it is sent; say so where the dataset's texts had a prefix, and it has none.

    Args:
        query: What the user asks.
        query_prefix: What the user puts before it, or None.
        made: The dataset's provenance.
    """
    prefix = made.get("query_prefix", "") if query_prefix is None else query_prefix
    if prefix.count(PLACE) > 1:
        raise click.UsageError(f"--query-prefix: {PLACE} may stand once")
    missing = prefixes.warning(made["model"], query_prefix=prefix)
    if missing and query_prefix is None:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"[yellow]warning:[/yellow] {escape(missing)}")
    return applied(prefix, query)


def _print_hits(hits: list["Hit"], manifest: "Manifest") -> None:
    """Print each hit as its cosine and id, and below them the beginning of its text."""
    columns = manifest.job.get("output", {}).get("columns", {})
    console = Console(highlight=False, soft_wrap=True)
    for hit in hits:
        identity = str(hit.row[columns.get("id", "id")])
        console.print(f"[bold]{hit.score:.4f}[/bold]  {escape(identity)}")
        text = hit.row.get(columns.get("text", "text"))
        if text:
            console.print(f"        {escape(shortened(text))}", style="dim")


@click.command(cls=Command)
@click.argument("dataset", type=Folder())
def status(dataset: str) -> int:
    """Tell how far the runs into a dataset's folder are, and whether it is complete.

    Of a store, its current snapshot is told of, and the refresh under way. The exit code is 1 where
    there is neither a dataset nor a run.

    Example: embed-pipeline status out/python-docs
    """
    from embed_pipeline import files, reporting
    from embed_pipeline.health import read_health
    from embed_pipeline.manifest import read_manifest
    from embed_pipeline.pipelines.live_view import standing
    from embed_pipeline.progress import read_progress, running
    from embed_pipeline.staging import MANIFEST, Run
    from embed_pipeline.store import Store, resolved

    store, current = Store(dataset), resolved(dataset)
    complete = files.exists(files.join(current, MANIFEST))
    if complete:
        manifest = read_manifest(current)
        counts = manifest.counts
        missing = " and ".join(reporting.missing(current, manifest))
        told = (
            f"{current}: complete since {manifest.finished}: {counted(counts.rows, 'row')}, "
            f"{counts.failed:,} failed, {counted(counts.tokens, 'token')}"
        )
        if missing:
            told += f"\nit lacks {missing}, which `embed-pipeline report {dataset}` writes"
    else:
        told = f"{dataset}: no complete dataset"
    click.echo(printable(told))
    runs = [*running(dataset), *(r for n in store.numbers() for r in running(store.snapshot(n)))]
    if complete:  # a kill may come between the manifest and the end of the run's folder
        runs = [one for one in runs if one != Run(current, manifest.run_id)]
    for one in runs:
        first, *addresses = standing(read_progress(one), read_health(one))
        click.echo(printable("\n".join([f"run {one.run_id}: {first}", *addresses])))
    return 0 if complete or runs else 1


@click.command("inspect", cls=Command)
@click.argument("dataset", type=Folder())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect_command(dataset: str, *, as_json: bool) -> int:
    """Print how a dataset was made and what it holds, and verify all of it.

    Of a store, that is the current snapshot. The exit code is 1 where something does not hold.

    Example: embed-pipeline inspect out/python-docs
    """
    from embed_pipeline.pipelines.inspect_dataset import inspect_dataset
    from embed_pipeline.store import resolved

    return inspect_dataset(resolved(dataset), Console(highlight=False), as_json=as_json)


@click.command("report", cls=Command)
@click.argument("dataset", type=Folder())
def report_command(dataset: str) -> None:
    """Draw a dataset's report.html again from what stands beside it, and print its path.

    Where there is no README.md, the dataset card is written again, too. Of a store, that is done
    for the current snapshot.

    Example: embed-pipeline report out/python-docs
    """
    from embed_pipeline import files
    from embed_pipeline.card_file import CARD, write_card
    from embed_pipeline.manifest import read_manifest
    from embed_pipeline.page.draw import draw
    from embed_pipeline.page_file import in_the_way
    from embed_pipeline.report import PAGE, read_report
    from embed_pipeline.store import resolved

    dataset = resolved(dataset)
    page = files.join(dataset, PAGE)
    manifest = read_manifest(dataset)
    if not files.exists(files.join(dataset, CARD)):
        write_card(dataset, manifest)
    foreign = in_the_way(dataset)
    if foreign:
        raise DatasetError(foreign)
    drawn = draw(manifest, read_report(dataset))
    files.write_bytes(page, drawn.encode())
    click.echo(page, color=True)  # as it is: click drops escape sequences where it is piped


@click.command("retry-failures", cls=Command)
@click.argument("dataset", type=Folder())
@click.option(
    "--url",
    "urls",
    multiple=True,
    help="Another address of the endpoint; repeatable. By default what the dataset was made at.",
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME=VARIABLE",
    help="A header of every request, and the environment variable with its value; repeatable.",
)
@telling_options
def retry_failures_command(
    dataset: str,
    urls: tuple[str, ...],
    headers: tuple[str, ...],
    *,
    quiet: bool,
    verbose: bool,
) -> int:
    """Embed a dataset's failed documents again, and add to it what succeeds.

    Example: embed-pipeline retry-failures out/python-docs
    """
    check_telling(quiet=quiet, verbose=verbose)
    values = _from_environment(headers)
    logging.getLogger().setLevel(logging.ERROR)  # Beam warns of extras that are not installed
    from embed_pipeline.pipelines.retry_failures import retry_failures
    from embed_pipeline.pipelines.terminal import Terminal

    url = list(urls) if len(urls) > 1 else next(iter(urls), None)
    return retry_failures(dataset, Terminal(quiet=quiet, verbose=verbose), url, values)


def _from_environment(headers: Sequence[str]) -> dict[str, str]:
    """Return headers by name; their values are secrets, and so no part of a command line."""
    found = {}
    for header in headers:
        name, equals, variable = header.partition("=")
        if not name or not equals or variable not in os.environ:
            raise click.UsageError(
                f"--header {name}: write it as NAME=VARIABLE, with the name of an environment "
                "variable that is set"
            )
        found[name] = os.environ[variable]
    return found
