"""From the statistics of all bundles to the report of their run."""

import logging
import pickle
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from embed_pipeline import histogram, points, report
from embed_pipeline.coloring import colored
from embed_pipeline.output import Output
from embed_pipeline.points import Point
from embed_pipeline.projection import project
from embed_pipeline.ranks import lowest
from embed_pipeline.report import EndpointShare, Fault, Map, Report, Seconds
from embed_pipeline.statistics import FAULT, SECOND, Statistics, merged
from embed_pipeline.timeline import NAMES, Timeline

_log = logging.getLogger("embed_pipeline")


class Bundle(NamedTuple):
    """Hold what one bundle adds to the report; it travels pickled, as bytes."""

    statistics: Statistics
    points: list[Point]


def without_points(bundle: bytes) -> bytes:
    """Return what a bundle adds where it is not known which of its rows are in the dataset."""
    found: Bundle = pickle.loads(bundle)  # noqa: S301 (our own)
    return pickle.dumps(found._replace(points=[]), 5)


def draft(bundles: Iterable[bytes], output: Output, provenance: Mapping[str, Any]) -> Report | None:
    """Return the report of a run whose bundles have ended, but for what the commit knows.

    A report that cannot be made is no reason to lose a run: that is a warning.

    Args:
        bundles: What each has added.
        output: Says whether there is to be one, and what it shows.
        provenance: What made the vectors.

    Returns:
        None where no report is wanted, or none can be made.
    """
    if not output.report:
        return None
    try:
        found = [pickle.loads(one) for one in bundles]  # noqa: S301 (our own)
        return drafted(found, output, provenance)
    except Exception as error:  # noqa: BLE001 (whatever it is, the vectors are good)
        _log.warning("the run goes on without a report, which cannot be made: %r", error)
        return None


def drafted(bundles: Iterable[Bundle], output: Output, provenance: Mapping[str, Any]) -> Report:
    """Return the report of bundles; see `draft`."""
    found = list(bundles)
    total = merged(one.statistics for one in found)
    drawn = lowest((one for each in found for one in each.points), points.DRAWN, points.order)
    return Report(
        timeline=_timeline(total.timeline),
        seconds=_seconds(total.times, total.span or (0, 0)),
        request_ms=_histogram(total.request_ms),
        batch_texts=_histogram(total.batch_texts),
        token_counts=_histogram(total.token_counts),
        context=provenance.get("context"),
        endpoints=[_endpoint(name, total.endpoints[name]) for name in sorted(total.endpoints)],
        faults={
            kind: Fault(count=total.faults[kind], lost_s=total.lost[kind] / SECOND)
            for kind in sorted(total.faults)
        },
        map=_map(
            points.single(drawn), total.token_counts.count, output, int(provenance["dimension"])
        ),
    )


def _timeline(found: Timeline) -> report.Timeline:
    columns = dict(zip(NAMES, map(list, zip(*found.rows(), strict=True)), strict=False))
    return report.Timeline(start=min(found.buckets, default=0), width_s=found.width, **columns)


def _seconds(times: Mapping[str, int], span: tuple[int, int]) -> Seconds:
    wall, *others = (times[name] for name in ("wall", "server", "load", "waiting"))
    server, load, waiting = (one / SECOND for one in others)
    return Seconds(
        wall=wall / SECOND,
        server=server,
        load=load,
        waiting=waiting,
        own=max(0, wall - sum(others)) / SECOND,
        began=span[0] / SECOND,
        ended=span[1] / SECOND,
        told=not times["untold"],
    )


def _histogram(found: histogram.Histogram) -> report.Histogram:
    edges, counts = found.edges_and_counts()
    return report.Histogram(edges=edges, counts=counts, sum=found.total, max=found.most)


def _endpoint(name: str, amounts: Mapping[str, int]) -> EndpointShare:
    return EndpointShare(
        name=name,
        requests=amounts["requests"],
        texts=amounts["texts"],
        tokens=amounts["tokens"],
        seconds=amounts["busy"] / SECOND,
        faults={
            kind.removeprefix(FAULT): count
            for kind, count in sorted(amounts.items())
            if kind.startswith(FAULT)
        },
        rested_s=amounts["rested"] / SECOND,
    )


def _map(drawn: list[Point], of: int, output: Output, dimension: int) -> Map:
    fitting, vectors = points.vectors(drawn, dimension)
    plane = project(vectors)
    colors = colored([one.attributes for one in fitting], output.report_color)
    x, y = plane.points.round(5).T.tolist()
    return Map(
        of=of,
        x=x,
        y=y,
        explained=plane.explained,
        color_by=colors.by,
        categories=colors.categories,
        category=colors.category,
        texts=[one.text for one in fitting] if output.report_texts else [],
    )
