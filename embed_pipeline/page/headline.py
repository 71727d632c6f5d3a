"""How a report begins: what it is of, how the run ended, and its main figures."""

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from embed_pipeline.counted import counted
from embed_pipeline.locations import name
from embed_pipeline.manifest import Manifest
from embed_pipeline.output import Output
from embed_pipeline.page.scope import embedded, forgotten, noun
from embed_pipeline.page.tables import (
    duration,
    joined,
    percent,
    prose,
    rate,
    told,
)
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
    what = noun(counts)
    failed = f"{counts.failed:,} of {counted(counts.documents, what)} failed"
    dropped = counts.duplicates_dropped
    were = "was" if dropped == 1 else "were"
    said = (
        f" {counted(dropped, what)} {were} dropped, as others have the same id." if dropped else ""
    )
    if lost := forgotten(manifest):
        said += f" {counted(lost, 'row')} {'was' if lost == 1 else 'were'} forgotten since."
    if counts.too_many_failed(allowed):
        begun = "Published" if counts.rows else "Published without a row"
        return prose(f"{begun}: {failed}, more than allowed.{said} Exit code 3."), "bad"
    if counts.failed:
        within = f"Published. {failed}, which is within what is allowed.{said} Exit code 0."
        return prose(within), "fair"
    if not counts.documents:
        return prose("Published. The corpus was empty. Exit code 0."), "fair"
    each = f"Every other {what}" if said else f"Every {what}"
    return prose(f"Published.{said} {each} has its vector. Exit code 0."), "good"


def _tiles(manifest: Manifest, report: Report | None) -> Iterator[tuple[str, object, object]]:
    counts, seconds = manifest.counts, manifest.seconds
    tokens = _tokens(manifest, report)
    how = "reused" if manifest.is_of_refresh else "were there before"
    added = sum(one.succeeded for one in manifest.retried)
    reused = counts.rows - manifest.embedded - added
    made = embedded(manifest, report)
    others = {how: reused, "added later": added}
    notes = ", ".join(f"{count:,} {name}" for name, count in others.items() if count > 0)
    yield "rows", f"{counts.rows:,}", notes
    share = percent(counts.failed, counts.documents) if counts.failed else ""
    yield "failed", f"{counts.failed:,}", f"{share} of {noun(counts)}s" if share else ""
    yield "time", duration(seconds), "from start to publishing"
    yield "texts/s", rate(made, seconds), "over that time"
    yield "tokens/s", "–" if tokens is None else rate(tokens, seconds), "over that time"


def _tokens(manifest: Manifest, report: Report | None) -> int | None:
    """Return the tokens of the rows whose vectors the run made, as far as they are known."""
    if manifest.refresh and manifest.is_of_refresh:
        return manifest.refresh.tokens
    if report and report.embedded:
        return int(report.token_counts.sum)
    if manifest.embedded == manifest.counts.rows:
        return manifest.counts.tokens
    return sum(report.timeline.tokens) if report and report.timeline.tokens else None


def _output(manifest: Manifest) -> Mapping[str, Any]:
    found = manifest.job.get("output")
    return found if isinstance(found, Mapping) else {}
