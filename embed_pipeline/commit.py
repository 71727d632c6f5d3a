"""The commit: parts become data files; the manifest, written after them, makes them a dataset."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from embed_pipeline import accounts, failure_parts, files, interrupt, kept, reporting, resume
from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.card_file import drop_card, write_card
from embed_pipeline.duplicates import IN_JOB, IN_PIPELINE, find_duplicates
from embed_pipeline.errors import InterruptedJobError, NothingSucceeds, RefusedError
from embed_pipeline.locations import name, parse
from embed_pipeline.manifest import Counts, DataFile, Manifest, read_manifest
from embed_pipeline.output import Output
from embed_pipeline.ownership import clean_up, is_part
from embed_pipeline.packing import packed
from embed_pipeline.page_file import drop_page
from embed_pipeline.parts import PartFile, Written
from embed_pipeline.progress import tell_writing
from embed_pipeline.report import Map, Report
from embed_pipeline.schema import Layout
from embed_pipeline.staging import Folder, Run, check_wanted
from embed_pipeline.table_parts import TablePart

_log = logging.getLogger("embed_pipeline")


class Target(NamedTuple):
    """Say what a run is to become.

    Attributes:
        run: The run.
        started: When it started, RFC 3339.
        output: The output's settings.
        attributes: The attributes' types, or None where they were not declared.
        on_duplicate: "error", "first" or "last".
        job: What the manifest tells of the job; no secrets.
        expected: What was planned for this job, in seconds: "seconds", "low" and "high"; or None.
        reused: Runs some of whose parts it takes.
    """

    run: Run
    started: str
    output: Output
    attributes: AttributeTypes | None
    on_duplicate: str
    job: Mapping[str, Any]
    expected: Mapping[str, float] | None = None
    reused: tuple[Run, ...] = ()

    def layout(self, provenance: Mapping[str, Any]) -> Layout:
        """Return what the rows look like."""
        return Layout(self.output, provenance["dimension"], self.attributes)


class MergeTask(NamedTuple):
    """Name parts that become one file, and the rows (by number) each part must lose.

    Attributes:
        number: Place of the file among the data files.
        parts: The parts, in order.
        dropped: For each part, the numbers of rows to leave out, ascending.
    """

    number: int
    parts: tuple[PartFile, ...]
    dropped: tuple[tuple[int, ...], ...]


class Merged(NamedTuple):
    """Hold a file that takes its place among the data files at publication."""

    number: int
    file: PartFile
    dropped: int


def plan(target: Target, written: Written) -> list[MergeTask]:
    """Decide which parts become which file.

    Parts are put in the order of their first rows. Those of half the size at which parts are closed
    stay as they are, so that most rows are written once; smaller neighbors are merged until the
    target size.

    Raises:
        RefusedError: Ids stand more than once and `on_duplicate` is "error". The parts are kept.
        InterruptedJobError: A stop was asked for, so that the parts may not be all, or the launcher
            has given the run up.
        NothingSucceeds: There is no row, and texts have failed that the endpoint may be to blame
            for. What they failed of is forgotten.
    """
    if interrupt.stop_requested():
        raise InterruptedJobError("stopped before everything was embedded; nothing is published")
    tell_writing(target.run)
    try:
        accounts.check_any_vector(written)
    except NothingSucceeds:
        resume.forget(target.run)
        raise
    ordered = sorted(written.parts, key=lambda part: (part.first, part.path))
    try:
        dropped = find_duplicates(
            ordered,
            written.failures,
            target.output,
            target.on_duplicate,
            IN_JOB if "corpus" in target.job else IN_PIPELINE,
        )
    except RefusedError:
        kept.keep(target.run, target.job, written, target.reused)
        raise
    if target.on_duplicate == "error":
        accounts.check_not_repeated(written)
    large = target.output.part_bytes / 2
    sized = ((part, part.bytes, part.bytes >= large) for part in ordered)
    groups = packed(sized, target.output.file_mb * 1_000_000)
    return [
        MergeTask(number, tuple(group), tuple(dropped.get(part.path, ()) for part in group))
        for number, group in enumerate(groups)
    ]


def merge(target: Target, provenance: Mapping[str, Any], task: MergeTask) -> Merged:
    """Make one file of a task's parts; a single part that loses nothing is taken as it is.

    Small row groups, as checkpoints leave them, are put together; one of GROUP_BYTES, at most twice
    that, is in memory.
    """
    lost = sum(map(len, task.dropped))
    if len(task.parts) == 1 and not lost:
        return Merged(task.number, task.parts[0], 0)
    path = target.run.merged("data", task.number)
    merged = TablePart(path, target.layout(provenance), provenance)
    for part, dropped in zip(task.parts, task.dropped, strict=True):
        for table in _row_groups(part, set(dropped)):
            merged.add(table)
    return Merged(task.number, merged.close(), lost)


def _row_groups(part: PartFile, dropped: set[int]) -> Iterable[pa.Table]:
    """Read a part's row groups, without the rows to drop."""
    with files.open_input(part.path) as stream:
        parquet = pq.ParquetFile(stream)
        start = 0
        for index in range(parquet.num_row_groups):
            table = parquet.read_row_group(index)
            numbers = range(start, start + table.num_rows)
            start += table.num_rows
            if dropped.intersection(numbers):
                table = table.filter(pa.array([number not in dropped for number in numbers]))
            yield table.replace_schema_metadata(None)


def publish(target: Target, written: Written, merged: Iterable[Merged]) -> Manifest:
    """Make merged files and failures the dataset; the manifest is written after them.

    A runner may run a bundle again that has ended well: what the run has published stays.

    Raises:
        DatasetError: Rows and failures are not as many as the documents that came in; nothing is
            published, the parts are kept.
        RefusedError: Another run has published there meanwhile, and `on_exists` is "error".
        InterruptedJobError: The launcher has given the run up.

    An engine may do it again, from the first step on, after it was done: then nothing is changed.
    """
    if (manifest := _published_before(target)) is not None:
        return manifest
    ordered = sorted(merged, key=lambda one: one.number)
    failures = sorted(written.failures, key=lambda part: part.path)
    failed = failure_parts.merged(target.run, failures)
    counts = accounts.counts(
        [one.file for one in ordered], sum(one.dropped for one in ordered), failed, written
    )
    accounts.check_complete(counts, target.run, reused=bool(target.reused))
    schema = target.layout(written.provenance).schema()
    check_wanted(target.run)
    if files.exists(target.run.manifest):
        if target.output.on_exists == "error":
            raise RefusedError(
                f"another run has published a dataset in {target.run.path} meanwhile; what this "
                f"one has embedded stands in {target.run.staging}"
            )
        _drop_description(target.run.path)
        files.delete(target.run.manifest)  # from here on there is no complete dataset
    if not ordered:
        ordered = [Merged(0, _empty(target, written.provenance), 0)]
    data = placed(target.run, "data", [one.file for one in ordered])
    failure_files = placed(target.run, "failures", failed)
    finished = now()
    manifest = Manifest(
        run_id=target.run.run_id,
        started=target.started,
        finished=finished,
        provenance=written.provenance,
        job=target.job,
        columns={field.name: str(field.type) for field in schema},
        counts=counts,
        recount=written.recount,
        effort=written.effort,
        plan=accounts.held_against_plan(target.expected, target.started, finished),
        data=data,
        failures=failure_files,
    )
    reporting.write(target.run.path, manifest, _of_rows(target, written, counts), target.output)
    files.write_bytes(target.run.manifest, manifest.to_json())
    _describe(target.run.path, manifest)
    clean_up(target.run, target.reused)
    return manifest


def _drop_description(folder: str) -> None:
    """Delete what tells people of a dataset, before it is none; a job never fails for it."""
    try:
        drop_page(folder)
        drop_card(folder)
    except OSError as error:
        _log.warning("the old page or card in %s cannot be deleted: %r", folder, error)


def _describe(folder: str, manifest: Manifest) -> None:
    """Write what tells people of a dataset, once it is one."""
    reporting.redraw(folder, manifest)
    write_card(folder, manifest)


def _of_rows(target: Target, written: Written, counts: Counts) -> Report | None:
    """Return the report, without its map where that may show a row that was dropped.

    Of ids that stand twice among what was embedded, the map has none; but one may stand at a row of
    an earlier run that is reused.
    """
    if written.report and counts.duplicates_dropped and target.reused:
        return written.report.model_copy(update={"map": Map(of=written.report.map.of)})
    return written.report


def _published_before(target: Target) -> Manifest | None:
    """Return the manifest where this very run has published, and delete what came after.

    Its page and its card are written where a kill came before them.
    """
    if not files.exists(target.run.manifest):
        return None
    manifest = read_manifest(target.run.path)
    if manifest.run_id != target.run.run_id:
        return None
    listed = {files.join(target.run.path, one.path) for one in (*manifest.data, *manifest.failures)}
    for folder in ("data", "failures"):
        for info in files.list_folder(files.join(target.run.path, folder)):
            if info.path not in listed and is_part(info):
                files.delete(info.path)
    _describe(target.run.path, manifest)
    clean_up(target.run, target.reused)
    return manifest


def now() -> str:
    """Return the time, RFC 3339 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _empty(target: Target, provenance: Mapping[str, Any]) -> PartFile:
    """Write a file without rows, so that the folder opens with the right types."""
    path = target.run.merged("data", 0)
    return TablePart(path, target.layout(provenance), provenance).close()


def placed(run: Run, folder: Folder, parts: Sequence[PartFile]) -> list[DataFile]:
    """Give files their final names, and delete the parts of older runs in their folder.

    Those of another dataset stay there: they are shared where that is possible, else copied.
    """
    cheap = files.rename_is_cheap(run.path)
    ours = {part.path for part in parts}
    below = files.join(run.path, folder)
    for info in files.list_folder(below):
        if info.path not in ours and is_part(info):
            files.delete(info.path)
    found = []
    for number, part in enumerate(parts):
        path = part.path
        if not parse(path).is_below(parse(run.path)):
            path = files.join(below, f"part-{number:05d}.parquet" if cheap else name(path))
            files.share(part.path, path)
        elif cheap:
            path = files.join(below, f"part-{number:05d}.parquet")
            files.move(part.path, path)
        where = f"{folder}/{name(path)}"
        found.append(DataFile(path=where, rows=part.rows, bytes=part.bytes, sha256=part.sha256))
    return found
