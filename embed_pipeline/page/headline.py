"""How a report begins: what it is of, how the run ended, and its main figures."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from markupsafe import Markup

from embed_pipeline.locations import name
from embed_pipeline.manifest import Manifest
from embed_pipeline.output import Output
from embed_pipeline.page.tables import duration, joined, percent, plural, prose, rate, told
from embed_pipeline.report import Report


def title(manifest: Manifest) -> str:
    """Return what the page is called: the dataset's folder, without the way to it."""
    path = str(_output(manifest).get("path") or "")
    return name(path.rstrip("/")) or "dataset"


def headline(manifest: Manifest, report: Report | None) -> Markup:
    """Return how the run ended, and its main figures."""
    word, kind = _ended(manifest)
    tiles = joined(
        Markup("<div><dt>{}</dt><dd>{}<small>{}</small></dd></div>").format(*one)
        for one in _tiles(manifest, report)
    )
    return Markup(
        '<header><p class="over">embed_pipeline · report of run {run}</p><h1>{title}</h1>'
        '<p class="ended {kind}">{word}</p><dl class="tiles">{tiles}</dl></header>'
    ).format(
        run=told(manifest.run_id), title=told(title(manifest)), kind=kind, word=word, tiles=tiles
    )


def _ended(manifest: Manifest) -> tuple[Markup, str]:
    """Return how the run ended, and whether that is "good", "fair" or "bad"."""
    counts = manifest.counts
    allowed = _output(manifest).get("max_failed_fraction")
    if not isinstance(allowed, int | float):
        allowed = Output.model_fields["max_failed_fraction"].default
    failed = f"{counts.failed:,} of {plural(counts.documents, 'document')} failed"
    if counts.too_many_failed(allowed):
        begun = "Published" if counts.rows else "Published without a row"
        return prose(f"{begun}: {failed}, more than allowed. Exit code 3."), "bad"
    if counts.failed:
        return prose(f"Published. {failed}, which is within what is allowed. Exit code 0."), "fair"
    if not counts.documents:
        return prose("Published. The corpus was empty. Exit code 0."), "fair"
    return prose("Published. Every document has its vector. Exit code 0."), "good"


def _tiles(manifest: Manifest, report: Report | None) -> Iterator[tuple[str, object, object]]:
    counts, seconds = manifest.counts, _seconds(manifest)
    rows, tokens = _embedded(manifest, report)
    reused = counts.rows - rows
    yield "rows", f"{counts.rows:,}", f"{reused:,} were there before" if reused > 0 else ""
    share = percent(counts.failed, counts.documents) if counts.failed else ""
    yield "failed", f"{counts.failed:,}", f"{share} of documents" if share else ""
    yield "time", duration(seconds), ""
    yield "texts/s", rate(rows, seconds), "over the whole run"
    yield "tokens/s", "–" if tokens is None else rate(tokens, seconds), "over the whole run"


def _embedded(manifest: Manifest, report: Report | None) -> tuple[int, int | None]:
    """Return the rows whose vectors this run made, and their tokens as far as they are known."""
    if manifest.refresh:
        return manifest.refresh.embedded, manifest.refresh.tokens
    reused = int(manifest.effort.get("reused", 0))
    if not reused:
        return manifest.counts.rows, manifest.counts.tokens
    tokens = sum(report.timeline.tokens) if report and report.timeline.tokens else None
    return manifest.counts.rows - reused, tokens


def _seconds(manifest: Manifest) -> float:
    try:
        took = datetime.fromisoformat(manifest.finished) - datetime.fromisoformat(manifest.started)
    except ValueError:
        return 0.0
    return max(0.0, took.total_seconds())


def _output(manifest: Manifest) -> Mapping[str, Any]:
    found = manifest.job.get("output")
    return found if isinstance(found, Mapping) else {}
