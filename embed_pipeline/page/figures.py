"""The parts of a report that hold plots, each with the numbers behind it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from embed_pipeline.page import plots
from embed_pipeline.page.svg import CATEGORIES
from embed_pipeline.page.tables import (
    NOTHING,
    Column,
    duration,
    figure,
    grid,
    numbers,
    paragraph,
    percent,
    rate,
    section,
    shown,
    swatch,
    table,
    told,
)
from embed_pipeline.report import Map, Report, Timeline

TITLE = 80  # characters of a text, where texts are told
LEAST_STEPS = 3  # of a run whose course is worth a plot
PARTS = (
    ("server", "server", "the endpoint computed"),
    ("load", "loading", "the endpoint loaded its model"),
    (
        "waiting",
        "waiting",
        "first and last checks, network, the queue at the endpoint, pauses after faults",
    ),
    ("own", "ours", "reading, counting tokens, writing"),
)
UNTOLD = (
    (
        "waiting",
        "endpoint",
        "waiting for the endpoint: checks, loading, computing, network, its queue",
    ),
    PARTS[-1],
)
_UNTOLD = "The endpoint does not tell how long it computes, so waiting for it is one part."


def over_time(report: Report, of: Markup = NOTHING) -> Markup:
    """Return texts/s and tokens/s over the run; `of` says of what these figures are."""
    if not sum(report.timeline.texts):
        return Markup("")
    line = report.timeline
    if len(line.texts) < LEAST_STEPS:
        short = paragraph("It was over too soon for a plot: the figures above are all there is.")
        return section("Over the run", short, of, name="rates")
    faults = sum(line.faults)
    drawn = [
        figure(
            f"{what}/s",
            plots.rates(
                f"rate-{what}",
                f"{what} a second over the run: {rate(sum(counts), len(counts) * line.width_s)} "
                f"on average, {rate(max(counts), line.width_s)} at most",
                counts=counts,
                width_s=line.width_s,
                marked=line.faults,
            ),
        )
        for what, counts in (("texts", line.texts), ("tokens", line.tokens))
        if counts
    ]
    begun = datetime.fromtimestamp(line.start, UTC)
    said = f"From {begun:%Y-%m-%d %H:%M:%S} UTC, in steps of {duration(line.width_s)}."
    marks = " Red ticks: requests failed." if faults else ""
    return section(
        "Over the run",
        grid(*drawn),
        paragraph(said + marks, kind="note"),
        of,
        numbers(_timeline_table(line)),
        name="rates",
    )


def _timeline_table(line: Timeline) -> Markup:
    """Return the timeline in at most 30 rows."""
    together = -(-len(line.texts) // 30)
    rows = []
    for begin in range(0, len(line.texts), together):
        cells = [sum(counts[begin : begin + together]) for counts in _counts(line).values()]
        rows.append((duration(begin * line.width_s), *(f"{cell:,}" for cell in cells)))
    columns = [Column("from"), *(Column(name, True) for name in _counts(line))]
    return table(columns, rows, "What was done over the run")


def _counts(line: Timeline) -> dict[str, list[int]]:
    names = ("texts", "tokens", "failed", "requests", "faults")
    return {name: list(getattr(line, name)) for name in names}


def where_time_went(report: Report, of: Markup = NOTHING) -> Markup:
    """Return how the time of the embed steps was spent; `of` says of what these figures are."""
    if report.seconds.wall <= 0:
        return Markup("")
    spent = {name: max(0.0, getattr(report.seconds, name)) for name, _, _ in PARTS}
    parts: Sequence[tuple[str, str, str]] = PARTS
    said = NOTHING
    if not report.seconds.told:
        parts, said = UNTOLD, paragraph(_UNTOLD, kind="note")
        spent = {"waiting": sum(spent.values()) - spent["own"], "own": spent["own"]}
    wall = report.seconds.wall
    label = ", ".join(f"{word} {percent(spent[name], wall)}" for name, word, _ in parts)
    rows = [
        (
            Markup("{}{}").format(swatch(f"c{number}"), word),
            duration(spent[name]),
            percent(spent[name], wall),
            meaning,
        )
        for number, (name, word, meaning) in enumerate(parts)
    ]
    rows.append((Markup("<strong>all</strong>"), duration(wall), "", "summed over processes"))
    columns = [
        Column("part"),
        Column("time", True),
        Column("share", True),
        Column("", is_prose=True),
    ]
    bar = plots.stacked("time", f"Where the time went: {label}", list(spent.values()))
    return section(
        "Where the time went",
        Markup('<div class="stacked">{}</div>').format(bar),
        table(columns, rows, "Time of the embed steps"),
        said,
        of,
        name="time",
    )


def vector_map(report: Report, of: Markup = NOTHING) -> Markup:
    """Return the map of a sample of the vectors, with its legend; `of` says of what it is."""
    if not report.map.x:
        return Markup("")
    found = report.map
    shares = [*found.explained, 0.0, 0.0][:2]
    names = (
        f"1st component, {percent(shares[0], 1)} of the variance",
        f"2nd component, {percent(shares[1], 1)}",
    )
    sampled = len(found.x)
    label = f"Map of {sampled:,} vectors by their two principal components"
    if found.color_by is not None:
        label += ", colored by an attribute"
    plot = plots.scatter(
        "map",
        label,
        points=(found.x, found.y),
        category=found.category,
        names=names,
        titles=[shown(text[:TITLE]) for text in found.texts],
    )
    said = (
        "{} of {} vectors, projected on the two directions in which they differ most (PCA). Points "
        "near each other have similar vectors."
    )
    return section(
        "Map of the vectors",
        Markup('<div class="map">{}{}</div>').format(figure("", plot), _legend(found)),
        paragraph(said, f"{sampled:,}", f"{found.of:,}", kind="note"),
        of,
        name="map-of",
    )


def _legend(found: Map) -> Markup:
    """Return what the colors stand for."""
    if found.color_by is None or not found.categories:
        return Markup("")
    counts: Mapping[int, int] = {
        number: list(found.category).count(number) for number in (-1, *range(len(found.categories)))
    }
    rows = [
        (Markup("{}{}").format(swatch(f"c{number}"), told(name)), f"{counts[number]:,}")
        for number, name in enumerate(found.categories[:CATEGORIES])
    ]
    if counts[-1]:
        rows.append((Markup("{}no value").format(swatch("none-c")), f"{counts[-1]:,}"))
    columns = [Column(shown(found.color_by)), Column("points", True)]
    return table(columns, rows, "What the colors of the map stand for")
