"""What a report tells from the manifest: how the run ended, what ran, tokens, plan, files."""

import json
from collections.abc import Iterator, Mapping

from markupsafe import Markup

from embed_pipeline.counted import counted
from embed_pipeline.manifest import Counts, Manifest
from embed_pipeline.page.tables import (
    Column,
    duration,
    joined,
    moment,
    pairs,
    paragraph,
    percent,
    prose,
    section,
    size,
    span,
    table,
    told,
)
from embed_pipeline.provenance import ACCEPTED

SHOWN_INPUTS = 5
FLAGS = {"true": "cut: only the head was embedded", "false": "whole", "null": "not known"}
SOURCES = {
    "server": "the endpoint counted the text alone",
    "verified": "counted here, and the sum of its request is the endpoint's",
    "estimated": "a share of its request, not confirmed",
}


def what_ran(manifest: Manifest) -> Markup:
    """Return what ran, with what."""
    return section("What ran", pairs(_origin(manifest)), name="what")


def _origin(manifest: Manifest) -> Iterator[tuple[str, object]]:
    made = manifest.provenance
    yield "model", told(made.get("model", "unknown"))
    yield (
        "digest",
        Markup("<code>{}</code>").format(told(str(made.get("digest") or "unknown")[:16])),
    )
    known = (made.get("endpoint"), made.get("endpoint_kind"), made.get("endpoint_version"))
    yield "endpoint", told(", ".join(dict.fromkeys(str(one) for one in known if one)) or "unknown")
    context, source = made.get("context"), made.get("context_source")
    where = f" ({source})" if source else ""
    yield "context", told(f"{context:,} tokens{where}" if context else "unknown")
    asked = ", as asked" if made.get("dimensions_asked") else ""
    yield "dimension", told(f"{made.get('dimension', 'unknown')}{asked}")
    for key, label in (("prefix", "prefix"), ("query_prefix", "query prefix")):
        yield label, Markup("<code>{}</code>").format(told(made[key])) if made.get(key) else "none"
    if made.get("options"):
        yield (
            "options",
            Markup("<code>{}</code>").format(told(json.dumps(made["options"], ensure_ascii=False))),
        )
    yield "too long", told(made.get("on_too_long", "unknown"))
    tokenizer = made.get("tokenizer")
    yield (
        "tokenizer",
        told(f"from the {tokenizer.get('from')}, sha256 {str(tokenizer.get('sha256'))[:12]}")
        if isinstance(tokenizer, Mapping)
        else "none",
    )
    yield from (("engine", told(one)) for one in made.get(ACCEPTED, ()))
    beam = manifest.job.get("beam")
    if isinstance(beam, Mapping) and beam.get("runner"):
        yield "runner", told(beam["runner"])
    yield "version", told(made.get("embed_pipeline", "unknown"))
    yield "time", told(span(manifest.started, manifest.finished))
    yield "documents", _documents(manifest.counts)
    yield from _inputs(manifest.job.get("inputs"))


def _documents(counts: Counts) -> str:
    """Tell what came in, and how many pieces that was split into."""
    told, dropped = counts.documents_told, counts.duplicates_dropped
    return f"{told}; {dropped:,} dropped, as others have the same id" if dropped else told


def _inputs(inputs: object) -> Iterator[tuple[str, object]]:
    """Yield how much was read, and the paths of the first files."""
    listed = inputs if isinstance(inputs, list | tuple) else ()
    inputs = [one for one in listed if isinstance(one, Mapping)]  # a library's job may be anything
    if not inputs:
        return
    total = sum(one.get("size") or 0 for one in inputs)
    paths = [told(one.get("path", "")) for one in inputs[:SHOWN_INPUTS]]
    if len(inputs) > SHOWN_INPUTS:
        paths.append(prose(f"and {len(inputs) - SHOWN_INPUTS:,} more"))
    shown = joined(Markup("<li>{}</li>").format(path) for path in paths)
    yield (
        "input",
        Markup('{}<ul class="paths">{}</ul>').format(
            f"{counted(len(inputs), 'file')}, {size(total)}", shown
        ),
    )


def refreshed(manifest: Manifest) -> Markup:
    """Return what the refresh did that made this snapshot, and each time failures were retried."""
    parts = []
    if found := manifest.refresh:
        base = "none before" if found.base is None else f"against snapshot {found.base:,}"
        pair = [("snapshot", told(f"{found.snapshot:,}, {base}"))]
        names = ("embedded", "reused", "inserted", "updated", "relabeled", "deleted")
        pair += [(key, told(f"{getattr(found, key):,}")) for key in names]
        if found.forgotten:
            pair.append(("forgotten", told(f"{found.forgotten:,}")))
        pair += [("note", told(note)) for note in found.notes]
        parts.append(pairs(pair))
    if manifest.retried:
        columns = [Column("tried again"), Column("documents", True), Column("rows now", True)]
        rows = [
            (told(moment(one.finished)), f"{one.tried:,}", f"{one.succeeded:,}")
            for one in manifest.retried
        ]
        parts.append(table(columns, rows, "Times failures were tried again"))
    return section("What has changed", *parts, name="changed")


def tokens(manifest: Manifest) -> Markup:
    """Return how many texts were cut, how their tokens were counted, and how far that is so."""
    counts = manifest.counts
    if not counts.rows:
        return Markup("")
    found = [
        (FLAGS[flag], counts.rows_by_truncated[flag])
        for flag in FLAGS
        if counts.rows_by_truncated.get(flag)
    ]
    sources = [
        (Markup("<code>{}</code> {}").format(told(source), SOURCES.get(source, "")), count)
        for source, count in counts.rows_by_token_count_source.items()
    ]
    parts = []
    for caption, rows in (("text", found), ("token count", sources)):
        columns = [Column(caption), Column("rows", True), Column("share", True)]
        cells = [(what, f"{count:,}", percent(count, counts.rows)) for what, count in rows]
        if cells:
            parts.append(table(columns, cells, f"Rows by {caption}"))
    for source, result in manifest.recount.items():
        text = "Of the sample that was sent again alone, {} of {} <code>{}</code> counts agreed."
        words = Markup(text).format(  # noqa: S704 (a literal)
            f"{result.get('agreed', 0):,}", f"{result.get('asked', 0):,}", told(source)
        )
        parts.append(Markup('<p class="note">{}</p>').format(words))
    return section("Token counts and truncation", *parts, name="tokens")


def planned(manifest: Manifest) -> Markup:
    """Return what was planned beside what it took."""
    plan = manifest.plan or {}
    if "seconds" not in plan:
        return Markup("")
    low, high = plan.get("low", plan["seconds"]), plan.get("high", plan["seconds"])
    rows = [("expected", duration(plan["seconds"]), f"{duration(low)} to {duration(high)}")]
    actual = plan.get("actual_seconds")
    if actual is not None:
        off = actual / plan["seconds"] - 1 if plan["seconds"] else 0.0
        inside = "within the range" if low <= actual <= high else "outside the range"
        rows.append(("taken", duration(actual), f"{100 * off:+.0f} %, {inside}".replace("-", "−")))
    columns = [Column("plan"), Column("time", True), Column("")]
    return section("Plan", table(columns, rows, "The plan and what it took"), name="plan")


def where(manifest: Manifest) -> Markup:
    """Return where the files are, and how to open them."""
    rows = [
        (prose(f"`{folder}/`"), f"{len(files):,}", f"{sum(one.rows for one in files):,}",
         size(sum(one.bytes for one in files)))
        for folder, files in (
            ("data", manifest.data), ("failures", manifest.failures), ("changes", manifest.changes)
        )
        if files
    ]  # fmt: skip
    columns = [
        Column("folder"),
        *(Column(text, True) for text in ("files", "rows", "size")),
    ]
    code = (
        'pyarrow.dataset.dataset("data").to_table()\nduckdb.sql("SELECT * FROM \'data/*.parquet\'")'
    )
    return section(
        "Files",
        table(columns, rows, "Files of the dataset"),
        paragraph(
            "They stand beside this page; `manifest.json` has their sha256. In Python, there:"
        ),
        Markup("<pre><code>{}</code></pre>").format(code),
        name="files",
    )
