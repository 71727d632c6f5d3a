"""The parts of a report that hold plots, each with the numbers behind it."""

from collections.abc import Mapping
from datetime import UTC, datetime

from markupsafe import Markup

from embed_pipeline.manifest import Manifest
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
LEAST_POINTS = 3  # that differ, of a map
LEAST_STEPS = 3  # of a run whose course is worth a plot


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


def vector_map(manifest: Manifest, report: Report, of: Markup = NOTHING) -> Markup:
    """Return the map of a sample of the vectors, with its legend; `of` says of what it is."""
    found = report.map
    if not found.of:
        return Markup("")
    if why := _no_map(manifest, found):
        return section("Map of the vectors", paragraph(f"There is no map: {why}."), name="map-of")
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
    if manifest.counts.duplicates_dropped:
        said += " Rows whose ids stood twice are left out."
    return section(
        "Map of the vectors",
        Markup('<div class="map">{}{}</div>').format(figure("", plot), _legend(found)),
        paragraph(said, f"{sampled:,}", f"{found.of:,}", kind="note"),
        of,
        name="map-of",
    )


def _no_map(manifest: Manifest, found: Map) -> str:
    """Return why nothing is to be seen on a map; "" where something is."""
    if len(set(zip(found.x, found.y, strict=True))) >= LEAST_POINTS:
        return ""
    if manifest.counts.duplicates_dropped:
        return "rows whose ids stood twice are not shown on it"
    if found.x:
        return f"it would show fewer than {LEAST_POINTS} different vectors"
    if manifest.refresh is not None:
        return "documents were forgotten since, and it shows single ones"
    return "which of the vectors are in the dataset is not known"  # other steps came in between


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
