"""The part of a report on where the time of the run went."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from markupsafe import Markup

from embed_pipeline.manifest import Manifest
from embed_pipeline.page import plots
from embed_pipeline.page.tables import (
    NOTHING,
    Column,
    duration,
    paragraph,
    percent,
    section,
    swatch,
    table,
)
from embed_pipeline.report import Report, Seconds

PARTS = (
    ("server", "server", "the endpoint computed"),
    ("load", "loading", "the endpoint loaded its model"),
    (
        "waiting",
        "waiting",
        "checks of the model, network, the queue at the endpoint, pauses after faults",
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
AROUND = (
    (
        "before",
        "before",
        "before the first text: a look at the corpus and the endpoint, start of the workers",
    ),
    (
        "after",
        "after",
        "after the last: checking a sample of the token counts, writing the dataset",
    ),
)
_OVERLAPPING = (
    "Processes overlapped: together they took {} within {}, of which each part has its share."
)
_UNTOLD = "The endpoint does not tell how long it computes, so waiting for it is one part."


class _Times(NamedTuple):
    """Hold how a time was spent.

    Attributes:
        parts: Each part's name, its name on the page, and what it is.
        spent: Seconds, by name; they add up to `total`.
        total: The time, in seconds.
        what: What time that is.
        notes: What is worth knowing of it.
    """

    parts: tuple[tuple[str, str, str], ...]
    spent: Mapping[str, float]
    total: float
    what: str
    notes: tuple[str, ...]


def where_time_went(manifest: Manifest, report: Report, of: Markup = NOTHING) -> Markup:
    """Return how the time of the run was spent; `of` says of what these figures are."""
    if report.seconds.wall <= 0:
        return Markup("")
    parts, spent, total, what, notes = _of_run(manifest, report.seconds)
    label = ", ".join(f"{word} {percent(spent[name], total)}" for name, word, _ in parts)
    rows = [
        (
            Markup("{}{}").format(swatch(f"c{number}"), word),
            duration(spent[name]),
            percent(spent[name], total),
            meaning,
        )
        for number, (name, word, meaning) in enumerate(parts)
    ]
    rows.append((Markup("<strong>all</strong>"), duration(total), "", what))
    columns = [
        Column("part"),
        Column("time", True),
        Column("share", True),
        Column("", is_prose=True),
    ]
    bar = plots.stacked(
        "time", f"Where the time went: {label}", [spent[name] for name, _, _ in parts]
    )
    return section(
        "Where the time went",
        Markup('<div class="stacked">{}</div>').format(bar),
        table(columns, rows, "Time of the run"),
        *(paragraph(note, kind="note") for note in notes),
        of,
        name="time",
    )


def _of_run(manifest: Manifest, seconds: Seconds) -> _Times:
    """Return how the time of the run was spent, or that of its bundles alone where none knows more.

    Bundles that overlap are together longer than the time they take: then each part is its share of
    that. Between bundles nobody waits for the endpoint, so that time is our own.
    """
    found = _of_bundles(seconds)
    span, before = seconds.ended - seconds.began, seconds.began - _epoch(manifest.started)
    after = manifest.seconds - before - span
    if seconds.began <= 0 or min(span, before, after) < 0:
        return found
    spent, notes = dict(found.spent), found.notes
    if found.total > 1.01 * span:  # less is the grain of clocks
        notes = (*notes, _OVERLAPPING.format(duration(found.total), duration(span)))
    if found.total > span:
        spent = {name: part * span / found.total for name, part in spent.items()}
    spent["own"] += max(0.0, span - found.total)
    spent |= {"before": before, "after": after}
    return _Times(
        (*found.parts, *AROUND), spent, manifest.seconds, "from start to publishing", notes
    )


def _of_bundles(seconds: Seconds) -> _Times:
    """Return how the time of the bundles was spent."""
    spent = {name: max(0.0, getattr(seconds, name)) for name, _, _ in PARTS}
    what = "of the embed steps, summed over processes"
    if seconds.told:
        return _Times(PARTS, spent, seconds.wall, what, ())
    spent = {"waiting": sum(spent.values()) - spent["own"], "own": spent["own"]}
    return _Times(UNTOLD, spent, seconds.wall, what, (_UNTOLD,))


def _epoch(rfc3339: str) -> float:
    """Return a time in seconds since the epoch; infinite where it is none."""
    try:
        return datetime.fromisoformat(rfc3339).timestamp()
    except ValueError:
        return math.inf
