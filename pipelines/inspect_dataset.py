"""What `embed-pipeline inspect` prints: where a dataset comes from, its figures, what is wrong."""

from collections.abc import Iterator

import orjson
from rich.bar import Bar
from rich.console import Console
from rich.table import Table

from embed_pipeline.counted import counted
from embed_pipeline.figures import Figures, TokenFigures
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.pipelines.pairs import print_pairs
from embed_pipeline.pipelines.printable import escape
from embed_pipeline.provenance import ACCEPTED
from embed_pipeline.verify import Report, verify

BAR_WIDTH = 36  # leaves room for the buckets and their rows on a line of 80
Pair = tuple[str, str]


def inspect_dataset(dataset: str, console: Console, *, as_json: bool) -> int:
    """Print a dataset's provenance and figures, verify it, and tell what does not hold.

    Args:
        dataset: The dataset's folder.
        console: Where to print.
        as_json: Print one JSON object instead; it has everything but the canary's vectors, which
            the manifest holds.

    Returns:
        The exit code: 0 where every check holds, else 1.

    Raises:
        DatasetError: There is no complete dataset, or its manifest is damaged.
    """
    manifest = read_manifest(dataset)
    if as_json:
        report = verify(dataset, manifest)
        console.out(_json(dataset, manifest, report), highlight=False)
        return 1 if report.problems else 0
    print_pairs(console, [("dataset", dataset), *origin(manifest)])
    with console.status("reading every file"):  # shown on a terminal only
        report = verify(dataset, manifest)
    console.print()
    print_pairs(console, figure_pairs(report.figures))
    if report.figures.tokens:
        console.print("\nrows by tokens", style="bold")
        console.print(histogram(report.figures.tokens))
    console.print()
    for problem in report.problems:
        console.print(escape(str(problem)), style="red", soft_wrap=True)
    if not report.problems:
        console.print("every check holds", style="green")
    return 1 if report.problems else 0


def origin(manifest: Manifest) -> Iterator[Pair]:
    """Yield what a manifest tells of how the dataset was made, as far as it does."""
    made = manifest.provenance
    size = sum(file.bytes for file in manifest.data)
    stored = counted(len(manifest.data), "file")
    yield "run", manifest.run_id
    yield "made", f"{manifest.started} to {manifest.finished}"
    yield "data", f"{stored}, {size / 1e6:,.1f} MB"
    yield "model", str(made.get("model", "unknown"))
    yield "digest", str(made.get("digest") or "unknown")
    yield "endpoint", _words(made.get("endpoint", "unknown"), made.get("endpoint_version"))
    if made.get("context"):
        source = made.get("context_source")
        yield "context", f"{made['context']:,} tokens{f' ({source})' if source else ''}"
    else:
        yield "context", "unknown"
    asked = " (as asked)" if made.get("dimensions_asked") else ""
    yield "dimension", f"{made.get('dimension', 'unknown')}{asked}"
    for name in ("options", "prefix", "query_prefix", "on_too_long"):
        if made.get(name):
            value = made[name]
            yield name, value if name == "on_too_long" else orjson.dumps(value).decode()
    yield from (("engine", told) for told in made.get(ACCEPTED, ()))
    tokenizer = made.get("tokenizer")
    if "tokenizer" in made:
        told = (
            f"from the {tokenizer.get('from')}, sha256 {tokenizer['sha256'][:16]}"
            if tokenizer
            else ""
        )
        yield "tokenizer", told or "none: tokens are shares of the endpoint's counts"
    yield "embed_pipeline", str(made.get("embed_pipeline", "unknown"))
    if manifest.counts.chunked_documents is not None:
        yield "documents", manifest.counts.documents_told
    yield from _checked(manifest)


def _checked(manifest: Manifest) -> Iterator[Pair]:
    """Yield how the token counts and the plan came out, where the manifest tells."""
    name = "recount"
    for source, found in manifest.recount.items():
        agreed = f"{found.get('agreed', 0):,} of {found.get('asked', 0):,}"
        yield name, f"{agreed} {source} rows agreed when they were sent alone"
        name = ""
    plan = manifest.plan or {}
    if "seconds" in plan:
        low, high = (f"{plan.get(end, plan['seconds']):,.1f}" for end in ("low", "high"))
        told = f"{plan['seconds']:,.1f} s expected ({low} to {high})"
        actual = plan.get("actual_seconds")
        yield "plan", told if actual is None else f"{told}, {actual:,.1f} s taken"


def figure_pairs(figures: Figures) -> Iterator[Pair]:
    """Yield the figures of what the files hold."""
    yield "rows", f"{figures.rows:,}"
    yield "failed", f"{figures.failed:,}"
    for failure, count in figures.failed_by_blame_and_kind.items():
        blame, _, kind = failure.partition(":")
        yield "", f"{count:,} {kind} ({blame})"
    if not figures.rows:
        return
    flags = {"true": "truncated", "false": "whole", "null": "not known"}
    shares = [(flags[flag], count) for flag, count in figures.rows_by_truncated.items() if count]
    yield "truncated", _shares(shares, figures.rows)
    yield "token counts", _shares(list(figures.rows_by_token_count_source.items()), figures.rows)
    if figures.tokens:
        found = figures.tokens
        spread = f"{found.min:,} to {found.max:,} a row"
        middle = f"median {found.median:,.10g}, mean {found.mean:,.1f}"
        yield "tokens", f"{found.total:,}; {spread}, {middle}"
    if figures.norms:
        yield "norms", f"{figures.norms.min:.6f} to {figures.norms.max:.6f}"


def histogram(tokens: TokenFigures) -> Table:
    """Return the rows in each bucket of token counts, with a bar for each."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        grid.add_column(justify="right", no_wrap=True)
    total = sum(bucket.rows for bucket in tokens.histogram)
    most = max(bucket.rows for bucket in tokens.histogram)
    for first, last, rows in tokens.histogram:
        span = f"{first:,}" if first == last else f"{first:,} - {last:,}"
        bar = Bar(most, 0, rows, width=BAR_WIDTH)
        grid.add_row(span, f"{rows:,}", _share(rows, total), bar)
    return grid


def _shares(counts: list[tuple[str, int]], total: int) -> str:
    return ", ".join(f"{count:,} {name} ({_share(count, total)})" for name, count in counts)


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %"


def _words(*values: object) -> str:
    return " ".join(str(value) for value in values if value)


def _json(dataset: str, manifest: Manifest, report: Report) -> str:
    """Return everything as one JSON object."""
    made = {name: value for name, value in manifest.provenance.items() if name != "canary"}
    figures = report.figures._asdict()
    if report.figures.tokens:
        tokens = report.figures.tokens
        buckets = [bucket._asdict() for bucket in tokens.histogram]
        figures["tokens"] = {**tokens._asdict(), "histogram": buckets}
    if report.figures.norms:
        figures["norms"] = report.figures.norms._asdict()
    found = {
        "dataset": dataset,
        "run_id": manifest.run_id,
        "started": manifest.started,
        "finished": manifest.finished,
        "provenance": made,
        "counts": manifest.counts.model_dump(),
        "recount": manifest.recount,
        "plan": manifest.plan,
        "figures": figures,
        "holds": not report.problems,
        "problems": [problem._asdict() for problem in report.problems],
    }
    return orjson.dumps(found).decode()
