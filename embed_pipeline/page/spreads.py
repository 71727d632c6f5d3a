"""The part of a report on latency, batch sizes and token lengths."""

from typing import NamedTuple

from markupsafe import Markup

from embed_pipeline.page import plots
from embed_pipeline.page.plots import Bins
from embed_pipeline.page.tables import (
    NOTHING,
    Column,
    figure,
    grid,
    numbers,
    paragraph,
    section,
    table,
)
from embed_pipeline.report import Histogram, Report, quantile

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_SAID = "The area of each bar is its share of all. Requests are those that were answered well."


class _Spread(NamedTuple):
    """Describe a histogram of the report."""

    name: str
    title: str
    brief: str
    unit: str
    found: Histogram
    limit: tuple[str, float] | None = None

    @property
    def is_counted(self) -> bool:
        """Tell whether the values are whole numbers, which need no unit beside their name."""
        return self.unit != "ms"


def spreads(report: Report, of: Markup = NOTHING) -> Markup:
    """Return latency, batch sizes and token lengths, with the context's limit.

    `of` says of what these figures are.
    """
    limit = (f"context {report.context:,}", float(report.context)) if report.context else None
    shown = [
        one
        for one in (
            _Spread("latency", "Request latency", "latency, ms", "ms", report.request_ms),
            _Spread("batches", "Texts in a request", "texts", "texts", report.batch_texts),
            _Spread("lengths", "Tokens of a text", "tokens", "tokens", report.token_counts, limit),
        )
        if sum(one.found.counts)
    ]
    if not shown:
        return Markup("")
    columns = [Column(""), *(Column(name, True) for name in (*QUANTILES, "max", "mean", "count"))]
    return section(
        "Requests and texts",
        grid(
            *(_histogram(one) for one in shown),
            table(columns, [_figures(one) for one in shown], "Quantiles"),
        ),
        paragraph(_SAID, kind="note"),
        of,
        name="spreads",
    )


def _histogram(one: _Spread) -> Markup:
    points, bins = _quantiles(one.found), _bins(one.found)
    said = ", ".join(f"{name} {plots.short(value)}" for name, value in points.items())
    plot = plots.spread(
        one.name,
        f"{one.title} in {one.unit}: {said}",
        bins,
        shares=points,
        unit=one.unit,
        limit=one.limit,
    )
    rows = [
        (f"{low:,.0f} to {high - 1:,.0f}" if high - low > 1 else f"{low:,.0f}", f"{count:,}")
        for low, high, count in zip(bins.edges, bins.edges[1:], bins.counts, strict=False)
        if count
    ]
    behind = table([Column(one.unit), Column("count", True)], rows, one.title)
    return figure(one.title, plot, numbers(behind))


def _bins(found: Histogram) -> Bins:
    """Return the bins without what is empty at their ends: the last one ends at the highest value.

    Where that makes it narrower than half of the one before, they are one: else the texts that are
    cut at the context would be a needle.
    """
    filled = [number for number, count in enumerate(found.counts) if count]
    edges = list(found.edges[filled[0] : filled[-1] + 2])
    counts = list(found.counts[filled[0] : filled[-1] + 1])
    edges[-1] = max(edges[-2] + 1, min(edges[-1], found.max + 1))
    if len(counts) > 1 and 2 * (edges[-1] - edges[-2]) < edges[-2] - edges[-3]:
        last = counts.pop()
        counts[-1] += last
        del edges[-2]
    return Bins(edges, counts)


def _figures(one: _Spread) -> tuple[object, ...]:
    points, count = _quantiles(one.found), sum(one.found.counts)
    whole = [*points.values(), one.found.max]
    cells = [f"{value:,.0f}" if one.is_counted else plots.short(value) for value in whole]
    return (one.brief, *cells, plots.short(one.found.sum / count), f"{count:,}")


def _quantiles(found: Histogram) -> dict[str, float]:
    return {name: quantile(found, share) for name, share in QUANTILES.items()}
