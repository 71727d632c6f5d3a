"""Of what the figures of a page are, where that is not all of the dataset."""

from markupsafe import Markup

from embed_pipeline.counted import counted
from embed_pipeline.manifest import Counts, Manifest
from embed_pipeline.page.tables import NOTHING, paragraph
from embed_pipeline.report import Report


def embedded(manifest: Manifest, report: Report | None) -> int:
    """Return the texts the run embedded, those whose rows were dropped or forgotten among them."""
    return (report.embedded if report else 0) or manifest.embedded


def scope(manifest: Manifest, report: Report | None) -> Markup:
    """Return of what a run's figures are, where that is not all of the dataset."""
    made, rows = embedded(manifest, report), manifest.counts.rows
    if made == rows:
        return NOTHING
    whose = "this run alone, which embedded" if made < rows else "all that this run embedded,"
    text = f"Of {whose} {counted(made, 'text')}"
    return paragraph(f"{text}; the dataset has {counted(rows, 'row')}.", kind="note")


def forgotten(manifest: Manifest) -> int:
    """Return the rows a snapshot has lost since its refresh, as documents were forgotten."""
    if manifest.refresh is None:
        return 0
    held = manifest.refresh.embedded + manifest.refresh.reused
    return max(0, held - manifest.counts.rows)


def noun(counts: Counts) -> str:
    """Return what is counted: pieces where documents were split."""
    return "document" if counts.chunked_documents is None else "piece"
