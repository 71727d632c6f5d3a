"""The page that shows a run: one HTML file without scripts, that loads nothing from anywhere."""

from typing import NamedTuple

from markupsafe import Markup

from embed_pipeline import __version__
from embed_pipeline.manifest import Manifest
from embed_pipeline.page.headline import headline, title
from embed_pipeline.page.origin import (
    planned,
    refreshed,
    tokens,
    what_ran,
    where,
)
from embed_pipeline.page.scope import scope
from embed_pipeline.page.style import STYLE
from embed_pipeline.page.tables import shown
from embed_pipeline.page.trouble import endpoints, failures, retries
from embed_pipeline.page_file import MARKER
from embed_pipeline.report import Report

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{marker}
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
<footer>{footer}</footer>
</body>
</html>
"""


def draw(manifest: Manifest, report: Report | None) -> str:
    """Return the page of a run.

    It is below 2 MB whatever the run, and the same for the same run and version.

    Args:
        manifest: Of the dataset.
        report: Its statistics; what they are needed for is left out where there are none, or where
            they are of another run.
    """
    if report and report.run_id != manifest.run_id:
        report = None
    of = scope(manifest, report)
    plots = _plots(manifest, report, of) if report else _Plots()
    parts = [
        headline(manifest, report),
        what_ran(manifest),
        refreshed(manifest),
        plots.over_time,
        plots.where_time_went,
        plots.spreads,
        tokens(manifest),
        failures(manifest, report),
        retries(manifest, report),
        endpoints(report, of),
        planned(manifest),
        plots.vector_map,
        where(manifest),
    ]
    return str(
        Markup(_HEAD).format(  # noqa: S704 (a literal)
            marker=Markup(MARKER),  # noqa: S704 (a literal)
            policy=POLICY,
            title=shown(f"{title(manifest)} – report of run {manifest.run_id}"),
            style=Markup(STYLE),  # noqa: S704 (a literal)
            body=Markup("\n").join(part for part in parts if part),
            footer=_footer(report),
        )
    )


class _Plots(NamedTuple):
    """Hold the parts with plots."""

    over_time: Markup = Markup("")
    where_time_went: Markup = Markup("")
    spreads: Markup = Markup("")
    vector_map: Markup = Markup("")


def _plots(manifest: Manifest, report: Report, of: Markup) -> _Plots:
    """Draw what is to be drawn; matplotlib, which takes its time to import, is so only for that.

    `of` says of what it is.
    """
    from embed_pipeline.page import figures, spreads, times  # noqa: PLC0415

    return _Plots(
        figures.over_time(report, of),
        times.where_time_went(manifest, report, of),
        spreads.spreads(report, of),
        figures.vector_map(manifest, report, of),
    )


def _footer(report: Report | None) -> str:
    if report is None:
        return (
            f"Drawn from manifest.json alone by embed_pipeline {__version__}: there is no "
            "report.json of this run."
        )
    return f"Drawn from manifest.json and report.json by embed_pipeline {__version__}."
