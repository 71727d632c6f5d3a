"""The plots of a run's report: each a plain function from its statistics to an <svg> element.

matplotlib takes 0.7 s to import, so whoever draws no page does not import this module.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from embed_pipeline.page.svg import CATEGORIES, PAINT, WIDTH, drawing, inline

ROUND = [1, 2, 5, 10]  # steps between the numbers at an axis
UNITS = ((7_200, 3_600, "hours"), (120, 60, "minutes"), (0, 1, "seconds"))


class Bins(NamedTuple):
    """Hold how many whole numbers are from each edge up to the next."""

    edges: Sequence[float]
    counts: Sequence[int]


def rates(
    name: str, label: str, counts: Sequence[int], width_s: int, marked: Sequence[int]
) -> Markup:
    """Return a rate over a run, with a tick where requests failed.

    Args:
        name: Unique on the page.
        label: What the plot shows, in words.
        counts: Of each stretch of time.
        width_s: Seconds each stretch lasts.
        marked: Faults of each stretch.
    """
    span = len(counts) * width_s
    unit, unit_name = next((unit, word) for least, unit, word in UNITS if span >= least)
    edges = np.arange(len(counts) + 1) * width_s / unit
    values = np.asarray(counts, float) / width_s
    with drawing() as figure:
        axes = figure.subplots()
        axes.stairs(values, edges, fill=True, color=PAINT["accent"], alpha=0.18, linewidth=0)
        axes.stairs(values, edges, baseline=None, color=PAINT["accent"], linewidth=1.4)
        _count_axis(axes, 1.04 * values.max(initial=0))
        at = ((edges[:-1] + edges[1:]) / 2)[np.resize(marked or [0], len(counts)) > 0]
        axes.plot(
            at, np.zeros(len(at)), "|", color=PAINT["bad"], markersize=9, clip_on=False, zorder=9
        )
        axes.set_xlim(0, edges[-1])
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=ROUND))
        axes.xaxis.set_major_formatter(FuncFormatter(_tick))
        axes.set_xlabel(f"{unit_name} since the first text")
        return inline(figure, name, label)


def spread(
    name: str,
    label: str,
    bins: Bins,
    *,
    shares: Mapping[str, float],
    unit: str,
    limit: tuple[str, float] | None = None,
) -> Markup:
    """Return a histogram of whole numbers, each bar as large as its share of all.

    The scale is logarithmic where half of the numbers would be in an eighth of it otherwise.

    Args:
        name: Unique on the page.
        label: What the plot shows, in words.
        bins: What is drawn.
        shares: Quantiles that are drawn as lines, by what stands at them.
        unit: What the numbers are.
        limit: A number that is drawn as a line, and what stands at it.
    """
    most = max(bins.edges[-1], limit[1] if limit else 0)
    logarithmic = most > 8 * max(shares.get("p50", most), 1)
    edges = np.asarray(bins.edges, float) - 0.5  # a whole number stands in the middle of its bar
    edges = np.maximum(edges, 0)  # but nothing is below 0
    if logarithmic:
        edges = np.maximum(edges, [0.25, *[0.5] * (len(edges) - 1)])  # nor at 0
    widths = np.diff(np.log2(edges) if logarithmic else edges)
    with drawing() as figure:
        axes = figure.subplots()
        heights = np.asarray(bins.counts) / np.maximum(widths, 1e-9)
        axes.stairs(heights, edges, fill=True, color=PAINT["accent"], alpha=0.75, linewidth=0)
        axes.set_ylim(0, heights.max() * 1.25)
        axes.set_yticks([])
        _scale(axes, edges[0], max(edges[-1], most + 0.5 if limit else 0), logarithmic)
        axes.set_xlabel(unit)
        _lines(axes, shares)
        if limit:
            _limit(axes, *limit)
        return inline(figure, name, label)


def _scale(axes: Axes, low: float, high: float, logarithmic: bool) -> None:
    if logarithmic:
        axes.set_xscale("log")
        decades = np.log10(high / low)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 3 else (1,)))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        margin = max(0.0, 6 - (high - low)) / 2  # a single bar is not to fill the plot
        low = max(0.0, low - margin)
        high = max(high + margin, low + 6)
        ticks = list(MaxNLocator(7, steps=ROUND, integer=True).tick_values(low, high))
        if low == 0.5:  # the first bar is that of 1, where no step may be
            ticks = [1.0, *(tick for tick in ticks if tick > 1)]
        axes.xaxis.set_major_locator(FixedLocator([one for one in ticks if low <= one <= high]))
    axes.set_xlim(low, high)
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))


def _limit(axes: Axes, text: str, value: float) -> None:
    """Draw a line that nothing should exceed, and what it is beside it."""
    axes.axvline(value + 0.5, color=PAINT["bad"], linewidth=1.4)
    at, _ = axes.transAxes.inverted().transform(axes.transData.transform((value, 0)))
    left = at > 0.5
    axes.annotate(
        text,
        (value + 0.5, 0.97),
        xycoords=axes.get_xaxis_transform(),
        xytext=(-4 if left else 4, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="top",
        color=PAINT["bad"],
        bbox={"facecolor": PAINT["back"], "edgecolor": "none", "pad": 1.5},
    )


def _lines(axes: Axes, values: Mapping[str, float]) -> None:
    """Draw a line at each value, and its name above it unless that is too near to the one before.

    The axes' limits are set.
    """
    before = -1.0
    for text, value in values.items():
        axes.axvline(value, color=PAINT["ink"], linewidth=0.9, linestyle=(0, (3, 2)))
        at, _ = axes.transAxes.inverted().transform(axes.transData.transform((value, 0)))
        if at - before > 0.09:
            axes.text(
                value, 1.02, text, transform=axes.get_xaxis_transform(), ha="center", va="bottom"
            )
            before = at


def stacked(name: str, label: str, values: Sequence[float]) -> Markup:
    """Return one bar of parts, in the colors of the categories."""
    with drawing(2 * WIDTH, 28) as figure:
        figure.set_layout_engine("none")  # it fills its frame
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        begins = np.concatenate([[0], np.cumsum(values)])
        colors = [PAINT[f"c{number}"] for number in range(len(values))]
        axes.barh([0] * len(values), values, left=begins[:-1], color=colors, height=1)
        axes.set_xlim(0, max(begins[-1], 1e-9))
        axes.set_ylim(-0.5, 0.5)
        return inline(figure, name, label)


def scatter(
    name: str,
    label: str,
    *,
    points: tuple[Sequence[float], Sequence[float]],
    category: Sequence[int],
    names: tuple[str, str],
    titles: Sequence[str],
) -> Markup:
    """Return points in two dimensions, to one scale.

    Args:
        name: Unique on the page.
        label: What the plot shows, in words.
        points: Their x and their y.
        category: Of each point, -1 for none; empty where there are none.
        names: Of the two axes.
        titles: What each point is; empty where that is not told.
    """
    colors = [PAINT[f"c{one}"] if 0 <= one < CATEGORIES else PAINT["none-c"] for one in category]
    with drawing(height=340) as figure:
        axes = figure.subplots()
        axes.scatter(
            *points,
            s=9 if len(points[0]) > 300 else 16,
            c=colors or [PAINT["accent"]] * len(points[0]),
            linewidths=0,
            alpha=0.8,
            gid="points",
            clip_on=False,
        )
        axes.margins(0.04)
        axes.set_aspect("equal", adjustable="datalim")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines["left"].set_visible(True)
        axes.set_xlabel(names[0])
        axes.set_ylabel(names[1])
        return inline(figure, name, label, titles)


def short(value: float) -> str:
    """Return a number as it stands at an axis."""
    for least, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= least:
            return f"{value / (1e3 if unit == 'k' else least):.3g}{unit}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _count_axis(axes: Axes, top: float) -> None:
    axes.set_ylim(0, top or 1)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=ROUND))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    axes.grid(axis="y")


def _tick(value: float, _: int) -> str:
    return short(value)
