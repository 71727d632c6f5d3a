"""The report beside a dataset: written when that is published, redrawn when it changes.

What the page is drawn from is written before the manifest, the page after it: no page tells of a
dataset that is not there. Where a kill has come between, `embed-pipeline report` draws it.

No report is a reason to fail a job: whatever goes wrong here is a warning. A report.html that is
somebody's own is never touched.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embed_pipeline import files
from embed_pipeline.card_file import CARD
from embed_pipeline.errors import DatasetError
from embed_pipeline.locations import split_options
from embed_pipeline.manifest import Manifest
from embed_pipeline.output import Output
from embed_pipeline.page_file import drop_page, in_the_way, is_page
from embed_pipeline.points import head
from embed_pipeline.report import PAGE, REPORT, FailurePlace, Map, Report, read_report

PLACES = 3  # failures of a kind whose place is told
BATCH_ROWS = 1_000  # failures that are Python objects at once
_log = logging.getLogger("embed_pipeline")


def write(folder: str, manifest: Manifest, report: Report | None, output: Output) -> None:
    """Write what the page of a dataset is drawn from, in the place of an older report.

    The dataset is about to be published; then `redraw` draws the page.

    Args:
        folder: The dataset's, where its files have their names already.
        manifest: What is to be published.
        report: What the bundles have told; None where nobody counted.
        output: Whether there is to be one, and what it shows.
    """

    def do() -> None:
        delete(folder)
        if not output.report:
            return
        complete = (report or Report()).model_copy(
            update={"run_id": manifest.run_id, "places": _places(folder, manifest, output)}
        )
        files.write_bytes(files.join(folder, REPORT), complete.to_json())

    _try(folder, do)


def renew(folder: str, manifest: Manifest, output: Output) -> None:
    """Draw the report again, of a dataset some of whose failures are rows now."""

    def do() -> None:
        report = _of(folder, manifest)
        if report is not None:
            report = report.model_copy(update={"places": _places(folder, manifest, output)})
            files.write_bytes(files.join(folder, REPORT), report.to_json())
        if output.report:
            _draw(folder, manifest, report)

    _try(folder, do)


def has(folder: str, manifest: Manifest) -> bool:
    """Tell whether a report of a dataset stands in a folder."""
    try:
        return _of(folder, manifest) is not None
    except DatasetError:
        return False


def missing(folder: str, manifest: Manifest) -> list[str]:
    """Name what a dataset lacks that describes it, as after a kill right after its manifest.

    Args:
        folder: The dataset's.
        manifest: What it holds; a page is missing where there is what it is drawn from.
    """
    wanted = [PAGE, CARD] if has(folder, manifest) else [CARD]
    return [name for name in wanted if not files.exists(files.join(folder, name))]


def copy(folder: str, other: str, manifest: Manifest) -> None:
    """Copy a dataset's report, where there is one, beside the same dataset in another folder."""
    if not has(folder, manifest):
        return
    for name in (REPORT, PAGE) if is_page(files.join(folder, PAGE)) else (REPORT,):
        files.write_bytes(files.join(other, name), files.read_bytes(files.join(folder, name)))


def delete(folder: str) -> None:
    """Delete a report: the page and what it is drawn from."""
    drop_page(folder)
    path = files.join(folder, REPORT)
    if files.exists(path):
        files.delete(path)


def forget(folder: str, manifest: Manifest) -> None:
    """See to it that a report shows nothing of single documents: no map, no places, no page.

    Raises:
        OSError: That cannot be written.
    """
    try:
        report = _of(folder, manifest)
    except DatasetError:  # what cannot be read may show anything
        report = None
    drop_page(folder)
    path = files.join(folder, REPORT)
    if report is not None:
        less = report.model_copy(update={"map": Map(of=report.map.of), "places": []})
        files.write_bytes(path, less.to_json())
    elif files.exists(path):
        files.delete(path)


def redraw(folder: str, manifest: Manifest) -> None:
    """Draw the page again where one is missing beside the data it is drawn from."""

    def do() -> None:
        report = _of(folder, manifest)
        if report is not None and not is_page(files.join(folder, PAGE)):
            _draw(folder, manifest, report)

    _try(folder, do)


def _of(folder: str, manifest: Manifest) -> Report | None:
    """Return what a dataset's report is drawn from; None where that is of another run."""
    report = read_report(folder)
    return report if report is not None and report.run_id == manifest.run_id else None


def _draw(folder: str, manifest: Manifest, report: Report | None) -> None:
    """Draw the page over an older one of ours; where something else stands there, say so."""
    foreign = in_the_way(folder)
    if foreign:
        _log.warning("%s", foreign)
        return
    from embed_pipeline.page.draw import draw  # noqa: PLC0415 (plots take their time to import)

    page = draw(manifest, report)
    files.write_bytes(files.join(folder, PAGE), page.encode())


def _try(folder: str, do: Callable[[], None]) -> None:
    """Write a report, or tell why there is none."""
    try:
        do()
    except Exception as error:  # noqa: BLE001 (whatever it is, the dataset is good)
        _log.warning("%s is good, but its report cannot be written: %r", folder, error)


def _places(folder: str, manifest: Manifest, output: Output) -> list[FailurePlace]:
    """Return where some of the failures of each kind stand; no more is read than it takes."""
    left: Counter[str] = Counter()
    for name, count in manifest.counts.failed_by_blame_and_kind.items():
        left[name.partition(":")[2]] += count
    left = Counter({kind: min(PLACES, count) for kind, count in left.items()})
    found: list[FailurePlace] = []
    for row in _failures(folder, manifest, left, ["text"] if output.report_texts else []):
        left[row["kind"]] -= 1
        found.append(
            FailurePlace(
                kind=row["kind"],
                source=split_options(row["source"])[0],
                line=row["line"],
                text=head(row["text"]) if row.get("text") else None,
            )
        )
    return sorted(found, key=lambda one: one.kind)


def _failures(
    folder: str, manifest: Manifest, left: Mapping[str, int], more: Sequence[str]
) -> Iterator[Mapping[str, Any]]:
    """Yield failures, as long as and of those kinds of which some are left to be found."""
    columns = ["kind", "source", "line", *more]
    for file in manifest.failures:
        with files.open_input(files.join(folder, file.path)) as stream:
            for batch in pq.ParquetFile(stream).iter_batches(BATCH_ROWS, columns=columns):
                wanted = pa.array([kind for kind, count in left.items() if count], pa.string())
                if not len(wanted):
                    return
                for row in batch.filter(pc.is_in(batch["kind"], wanted)).to_pylist():
                    if left[row["kind"]]:
                        yield row
