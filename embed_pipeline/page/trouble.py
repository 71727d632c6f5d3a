"""What a report tells of trouble: failures and retries by kind with the cure, and each endpoint."""

from collections.abc import Iterator, Mapping

from markupsafe import Markup

from embed_pipeline import errors
from embed_pipeline.counted import counted
from embed_pipeline.manifest import Manifest
from embed_pipeline.page.scope import noun
from embed_pipeline.page.tables import (
    NOTHING,
    Column,
    bar,
    duration,
    joined,
    paragraph,
    percent,
    prose,
    section,
    table,
    told,
)
from embed_pipeline.report import FailurePlace, Report

PLACES_OF_A_KIND = 3
_SUMMED = "Time lost is summed over requests, of which several are under way at once."


def failures(manifest: Manifest, report: Report | None) -> Markup:
    """Return the documents that have no vector, by kind."""
    counts = manifest.counts
    if not counts.failed:
        return section(
            "Failures",
            paragraph(f"No {noun(counts)} failed.") if counts.documents else Markup(""),
            name="failures",
        )
    places = report.places if report else ()
    rows = []
    for failure, count in _largest_first(counts.failed_by_blame_and_kind):
        blame, _, kind = failure.partition(":")
        found = [place for place in places if place.kind == kind][:PLACES_OF_A_KIND]
        share = percent(count, counts.documents)
        rows.append((_named(kind), f"{count:,}", share, told(blame), _help(kind) + _at(found)))
    columns = [
        Column("kind"), Column(f"{noun(counts)}s", True), Column("share", True), Column("blame"),
        Column("what happened, and what to do", is_prose=True),
    ]  # fmt: skip
    where = "Each is a row in `failures/`, with its message."
    if any(not name.startswith("document:") for name in counts.failed_by_blame_and_kind):
        where += " `embed-pipeline retry-failures` tries those again that failed at the endpoint."
    return section(
        "Failures",
        table(columns, rows, f"{noun(counts).capitalize()}s that failed, by kind"),
        paragraph(where, kind="note"),
        name="failures",
    )


def _at(places: list[FailurePlace]) -> Markup:
    """Return where a few documents stand that failed."""
    return joined(
        Markup('<p class="place">{}{}</p>').format(
            told(place.source if place.line is None else f"{place.source}:{place.line}"),
            "" if place.text is None else Markup(" <q>{}</q>").format(told(place.text)),
        )
        for place in places
    )


def retries(manifest: Manifest, report: Report | None) -> Markup:
    """Return the tries that failed, by kind; most of them were repeated and succeeded."""
    found = list(_faults(manifest, report))
    total, repeated, halved = (
        int(manifest.effort.get(name, 0)) for name in ("requests", "retries", "isolated")
    )
    again = f"{repeated:,} of them repeated" if repeated else "none of them repeated"
    apart = f", {halved:,} cut in halves to tell their texts apart" if halved else ""
    said = paragraph(f"{counted(total, 'request')}, {again}{apart}.{_later(manifest, report)}")
    if not found:
        return section("Retries", said if total else Markup(""), name="retries")
    rows = [
        (_named(kind), f"{count:,}", "–" if lost is None else duration(lost), _help(kind))
        for kind, count, lost in found
    ]
    columns = [
        Column("kind"), Column("tries", True), Column("time lost", True),
        Column("what happened, and what to do", is_prose=True),
    ]  # fmt: skip
    summed = any(lost is not None for _, _, lost in found)
    return section(
        "Retries",
        said,
        table(columns, rows, "Tries that failed, by kind"),
        paragraph(_SUMMED, kind="note") if summed else Markup(""),
        name="retries",
    )


def _later(manifest: Manifest, report: Report | None) -> str:
    """Tell what of the requests is not the run's, as failures were tried again later."""
    if not manifest.retried:
        return ""
    if report is None or not report.timeline.requests:
        return " Those of later tries of failures are among them."
    later = int(manifest.effort.get("requests", 0)) - sum(report.timeline.requests)
    alone = "; the table is of the run alone" if report.faults else ""
    return f" {later:,} of the requests came later, when failures were tried again{alone}."


def _faults(manifest: Manifest, report: Report | None) -> Iterator[tuple[str, int, float | None]]:
    """Yield each kind of fault, how often it was met, and the seconds that took if known."""
    if report and report.faults:
        for kind, fault in sorted(report.faults.items(), key=lambda one: -one[1].count):
            yield kind, fault.count, fault.lost_s
        return
    counted = {
        name.removeprefix("faults."): int(number)
        for name, number in manifest.effort.items()
        if name.startswith("faults.")
    }
    for kind, count in _largest_first(counted):
        yield kind, count, None


def endpoints(report: Report | None, of: Markup = NOTHING) -> Markup:
    """Return what each address did, and how well; `of` says of what these figures are."""
    if not report or not report.endpoints:
        return Markup("")
    total = sum(one.texts for one in report.endpoints)
    rows = []
    for one in sorted(report.endpoints, key=lambda one: (-one.texts, one.name)):
        share = one.texts / total if total else 0.0
        met = ", ".join(f"{count:,} {kind}" for kind, count in _largest_first(one.faults))
        rows.append((
            told(one.name),
            Markup("{}{}").format(bar(share), percent(one.texts, total)),
            f"{one.texts:,}",
            f"{one.tokens:,}",
            f"{one.requests:,}",
            duration(one.seconds / one.requests) if one.requests else "–",
            told(met or "none"),
            duration(one.rested_s) if one.rested_s else "–",
        ))  # fmt: skip
    numbers = ("share", "texts", "tokens", "requests", "a request")
    columns = [
        Column("endpoint"), *(Column(name, True) for name in numbers), Column("faults"),
        Column("rested", True),
    ]  # fmt: skip
    return section(
        "Endpoints", table(columns, rows, "What each endpoint did"), of, name="endpoints"
    )


def _largest_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def _named(kind: str) -> Markup:
    return Markup("<code>{}</code>").format(told(kind))


def _help(kind: str) -> Markup:
    """Return what the tree of errors says of a kind, and where it was met."""
    error = getattr(errors, kind, None)
    happened, cure = (str(getattr(error, what, "")) for what in ("happened", "cure"))
    return joined(
        Markup('<p class="{}">{}</p>').format(kind, prose(words))
        for kind, words in (("happened", happened), ("cure", cure))
        if words
    )
