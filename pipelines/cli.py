"""The command line.

Each command imports what it needs when it is called: Beam takes two seconds to import and pyarrow a
quarter of one, which `embed` and `check` would pay for nothing.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import orjson
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from embed_pipeline import __version__, engine, locate, prefixes
from embed_pipeline.client import Client
from embed_pipeline.endpoint import AUTO, Endpoint, Retry
from embed_pipeline.errors import EmbedPipelineError, RefusedError
from embed_pipeline.identity import find_digest
from embed_pipeline.pipelines.pairs import print_pairs
from embed_pipeline.settings import explain
from embed_pipeline.tokens import PLACE, applied

if TYPE_CHECKING:
    from embed_pipeline.manifest import Manifest
    from embed_pipeline.search import Hit

DEFAULT_MODEL = "all-minilm"
SHOWN_VALUES = 6

url_option = click.option(
    "--url", default=AUTO, show_default=True, help="Address of the endpoint, `embedded` or `auto`."
)
model_option = click.option(
    "--model", default=DEFAULT_MODEL, show_default=True, help="Name of the model."
)


def invoke(argv: Sequence[str]) -> int:
    """Run the command line with these arguments; return its exit code."""
    try:
        return int(main.main(list(argv), prog_name="embed-pipeline", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return 2
    except click.exceptions.Abort:
        return 130
    except (EmbedPipelineError, OSError) as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"[red]error:[/red] {escape(str(error))}")
        return error.exit_code if isinstance(error, EmbedPipelineError) else 1


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="embed-pipeline")
def main() -> None:
    """Turn a corpus into a Parquet dataset of embedding vectors."""


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("job_file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change a setting.")
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

    return run_job(found, beam_flags, Terminal(quiet=quiet), dry_run=dry_run)


@main.command(context_settings={"ignore_unknown_options": True})
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


@main.command()
@click.option("--text", "texts", multiple=True, required=True, help="What to embed; repeatable.")
@click.option("--compare", metavar="TEXT", help="Add each text's cosine similarity to this one.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer.")
@model_option
@url_option
def embed(
    texts: tuple[str, ...], compare: str | None, model: str, url: str, *, as_json: bool
) -> None:
    """Embed texts, all in one request, and print what came back.

    Example: embed-pipeline embed --text "Why is the sky blue?" --compare "Blue skies"
    """
    inputs = [*texts, *([compare] if compare is not None else [])]
    if any("\udc80" <= character <= "\udcff" for text in inputs for character in text):
        raise click.UsageError("a text is not UTF-8")  # as Python marks such bytes of a command
    with (
        locate.opened(_endpoint(url, model)) as endpoint,
        Client(endpoint, Retry(attempts=3)) as client,
    ):
        answer = client.embed(inputs).answer
    similar = None if compare is None else (answer.vectors[:-1] @ answer.vectors[-1]).tolist()
    if as_json:
        found: dict[str, Any] = {
            "model": model,
            "embeddings": answer.vectors,
            "total_duration": answer.total_ns,
            "load_duration": answer.load_ns,
            "prompt_eval_count": answer.token_count,
        }
        if similar is not None:
            found["cosine_similarities"] = similar
        click.echo(orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY))
        return
    load = f"{answer.load_ns / 1e6:.1f} ms of it loading"
    pairs = [
        ("model", model),
        ("dimensions", str(answer.vectors.shape[1])),
        ("tokens", str(answer.token_count)),
        ("duration", f"{answer.total_ns / 1e6:.1f} ms, {load}"),
    ]
    for index, (text, vector) in enumerate(zip(inputs, answer.vectors, strict=True)):
        pairs += [("text", repr(_short(text))), ("vector", _first_values(vector))]
        if similar is not None and index < len(similar):
            pairs.append(("cosine", f"{similar[index]:.4f} to {_short(compare or '')!r}"))
    print_pairs(Console(highlight=False), pairs)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=11434,
    show_default=True,
    help="Port to listen on; 0 = a free one.",
)
def serve(host: str, port: int) -> None:
    """Serve the embedded endpoint: all-minilm, on this machine's processors.

    Example: embed-pipeline serve --port 11500
    """
    from embed_pipeline.embedded.server import serve as serve_embedded

    serve_embedded(host, port)


@main.command()
def fetch() -> None:
    """Fetch and verify the weights of the embedded endpoint's model.

    Example: embed-pipeline fetch
    """
    from embed_pipeline.embedded import weights

    found = weights.locate() or weights.fetch()
    click.echo(f"the weights are in {found.tensors.parent}")


@main.command()
@model_option
@url_option
def check(model: str, url: str) -> None:
    """Look whether an endpoint is there and has the model, and what it makes of it.

    Example: embed-pipeline check --url http://localhost:11434 --model all-minilm
    """
    with locate.opened(_endpoint(url, model)) as endpoint:
        found = engine.inspect(endpoint, Retry(attempts=2))
    pairs = [
        ("endpoint", found.url),
        ("version", found.version or "unknown"),
        ("model", found.model),
        ("digest", found.digest or "unknown"),
        ("dimension", str(found.dimension)),
        ("context", f"{found.limits.context} tokens ({_CONTEXT[found.limits.context_source]})"),
        ("tokenizer", "known" if found.limits.tokenizer else "unknown: set tokens.tokenizer"),
    ]
    print_pairs(Console(highlight=False), pairs)
    without_prefix = prefixes.warning(model, "", "")
    if without_prefix:
        Console(stderr=True, highlight=False, soft_wrap=True).print(escape(without_prefix))


_CONTEXT = {
    "server": "as the server tells",
    "probed": "found by asking with long texts",
    "assumed": "assumed: the server does not tell",
}


@main.command("search")
@click.argument("dataset")
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

    Example: embed-pipeline search out/python-docs "read a csv file" -k 5
    """
    if not query.strip():
        raise click.UsageError("the query is empty")
    from embed_pipeline.manifest import read_manifest
    from embed_pipeline.search import nearest_rows

    manifest = read_manifest(dataset)
    made = manifest.provenance
    wanted = _endpoint(url or made["endpoint"].partition(", ")[0], made["model"]).model_copy(
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
            console.print(f"        {escape(_short(text))}", style="dim")


@main.command()
@click.argument("dataset")
def status(dataset: str) -> int:
    """Tell how far the runs into a dataset's folder are, and whether it is complete.

    The exit code is 1 where there is neither a dataset nor a run.

    Example: embed-pipeline status out/python-docs
    """
    from embed_pipeline import files
    from embed_pipeline.manifest import read_manifest
    from embed_pipeline.progress import read_progress, running
    from embed_pipeline.staging import MANIFEST

    complete = files.exists(files.join(dataset, MANIFEST))
    if complete:
        manifest = read_manifest(dataset)
        counts = manifest.counts
        click.echo(
            f"{dataset}: complete since {manifest.finished}: {counts.rows:,} rows, "
            f"{counts.failed:,} failed, {counts.tokens:,} tokens"
        )
    else:
        click.echo(f"{dataset}: no complete dataset")
    runs = running(dataset)
    for one in runs:
        done = read_progress(one)
        click.echo(
            f"run {one.run_id}: {done.rows:,} texts, {done.tokens:,} tokens, {done.failed:,} failed"
        )
    return 0 if complete or runs else 1


@main.command("inspect")
@click.argument("dataset")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect_command(dataset: str, *, as_json: bool) -> int:
    """Print how a dataset was made and what it holds, and verify all of it.

    The exit code is 1 where something does not hold.

    Example: embed-pipeline inspect out/python-docs
    """
    from embed_pipeline.pipelines.inspect_dataset import inspect_dataset

    return inspect_dataset(dataset, Console(highlight=False), as_json=as_json)


def _endpoint(url: str, model: str) -> Endpoint:
    """Return the endpoint the flags name."""
    try:
        return Endpoint(url=url, model=model)
    except ValidationError as error:
        raise explain(error, Endpoint, "--url, --model") from error


def _short(text: str, length: int = 100) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _first_values(vector: np.ndarray[Any, np.dtype[np.float32]]) -> str:
    values = ", ".join(f"{value:.6f}" for value in vector[:SHOWN_VALUES].tolist())
    return f"[{values}, ...]" if len(vector) > SHOWN_VALUES else f"[{values}]"
