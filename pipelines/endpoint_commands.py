"""Commands that ask an endpoint, or are one."""

from typing import Any

import click
import numpy as np
import orjson
from rich.console import Console

from embed_pipeline import engine, locate, prefixes
from embed_pipeline.client import Client
from embed_pipeline.deep_check import deep_check
from embed_pipeline.endpoint import AUTO, Retry
from embed_pipeline.pipelines.arguments import named_endpoint, shortened
from embed_pipeline.pipelines.deep_check_report import as_object, report
from embed_pipeline.pipelines.help_pages import Command
from embed_pipeline.pipelines.pairs import print_pairs
from embed_pipeline.pipelines.printable import escape

DEFAULT_MODEL = "all-minilm"
SHOWN_VALUES = 6

url_option = click.option(
    "--url",
    default=AUTO,
    show_default=True,
    help="Address of the endpoint, `worker`, `embedded` or `auto`.",
)
model_option = click.option(
    "--model", default=DEFAULT_MODEL, show_default=True, help="Name of the model."
)


@click.command(cls=Command)
@click.option("--text", "texts", multiple=True, required=True, help="What to embed; repeatable.")
@click.option("--compare", metavar="TEXT", help="Add each text's cosine similarity to this one.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer, as JSON.")
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
        locate.opened(named_endpoint(url, model)) as endpoint,
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
        pairs += [("text", repr(shortened(text))), ("vector", _first_values(vector))]
        if similar is not None and index < len(similar):
            pairs.append(("cosine", f"{similar[index]:.4f} to {shortened(compare or '')!r}"))
    print_pairs(Console(highlight=False), pairs)


@click.command(cls=Command)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=11434,
    show_default=True,
    help="Port to listen on; 0 = a free one, which is printed.",
)
@click.option(
    "--keep-alive",
    default="5m",
    show_default=True,
    metavar="DURATION",
    help="How long an idle model stays loaded where no request says otherwise: seconds, or a "
    "duration such as 5m; -1 = for ever.",
)
def serve(host: str, port: int, keep_alive: str) -> None:
    """Serve the embedded endpoint: all-minilm, on this machine's processors.

    Example: embed-pipeline serve --port 11500
    """
    from embed_pipeline.embedded.durations import keep_alive_setting
    from embed_pipeline.embedded.server import serve as serve_embedded

    serve_embedded(host, port, keep_alive_setting(keep_alive))


@click.command(cls=Command)
def fetch() -> None:
    """Fetch and verify the weights of the embedded endpoint's model.

    Example: embed-pipeline fetch
    """
    from embed_pipeline.embedded import weights

    found = weights.locate() or weights.fetch()
    click.echo(f"the weights are in {found.tensors.parent}")


@click.command(cls=Command)
@click.option("--deep", is_flag=True, help="Also try whether it keeps what a run relies on.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@model_option
@url_option
def check(model: str, url: str, *, deep: bool, as_json: bool) -> int:
    """Look whether an endpoint is there and has the model, and what it makes of it.

    With --deep some 130 texts are embedded, to see order, batches, long texts, capitals, accents
    and more; the exit code is 1 where a promise does not hold. At the end the model is unloaded
    and loaded again, to see whether keep_alive is heeded: whoever else uses it waits for that
    once. It is not done where somebody has the model kept for longer than 30 minutes.

    Example: embed-pipeline check --url http://localhost:11434 --model all-minilm
    """
    retry = Retry(attempts=2)
    with locate.opened(named_endpoint(url, model)) as endpoint:
        found = engine.inspect(endpoint, retry)
        verdicts = deep_check(endpoint, retry, found) if deep else None
        if as_json:
            told = as_object(found, verdicts)
            click.echo(orjson.dumps(told))
            return 0 if told.get("holds", True) else 1
        _print_engine(found)
        if verdicts is None:
            return 0
        click.echo()
        return report(Console(highlight=False), verdicts)


def _print_engine(found: engine.Engine) -> None:
    """Print what was found of an endpoint, and warn where its model wants prefixes."""
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
    without_prefix = prefixes.warning(found.model, "", "")
    if without_prefix:
        Console(stderr=True, highlight=False, soft_wrap=True).print(escape(without_prefix))


_CONTEXT = {
    "server": "as the server tells",
    "probed": "found by asking with long texts",
    "assumed": "assumed: the server does not tell",
}


def _first_values(vector: np.ndarray[Any, np.dtype[np.float32]]) -> str:
    values = ", ".join(f"{value:.6f}" for value in vector[:SHOWN_VALUES].tolist())
    return f"[{values}, ...]" if len(vector) > SHOWN_VALUES else f"[{values}]"
