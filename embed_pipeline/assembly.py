"""The files of a snapshot: which rows become which file, and the making of each."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed_pipeline import accounts, files, interrupt, resume
from embed_pipeline.errors import InterruptedJobError, NothingSucceeds
from embed_pipeline.known import read_marks
from embed_pipeline.packing import packed
from embed_pipeline.parts import PartFile
from embed_pipeline.progress import tell_writing
from embed_pipeline.schema import fitted
from embed_pipeline.snapshot import Outcome, SnapshotTarget, check_bytes, fits, is_unchanged
from embed_pipeline.table_parts import TablePart, with_figures, write_index


class Piece(NamedTuple):
    """Name rows of a file that are to be in the snapshot.

    Attributes:
        part: The file.
        numbers: Those rows; None for all of them.
        fits: Whether the file may be taken as it is, if all its rows are.
    """

    part: PartFile
    numbers: NDArray[np.int64] | None
    fits: bool

    @property
    def whole(self) -> bool:
        """Return whether the file itself may be the snapshot's."""
        return self.fits and self.numbers is None

    @property
    def bytes(self) -> int:
        """Return about how many bytes the rows take."""
        rows = self.part.rows if self.numbers is None else len(self.numbers)
        return math.ceil(self.part.bytes * rows / max(1, self.part.rows))


class Task(NamedTuple):
    """Name what becomes one file of the snapshot."""

    number: int
    pieces: tuple[Piece, ...]


class Made(NamedTuple):
    """Hold one file of the snapshot, with the file of its rows' marks."""

    number: int
    rows: PartFile
    marks: PartFile


def plan(snapshot: SnapshotTarget, outcome: Outcome) -> list[Task]:
    """Decide which rows become which file; nothing where nothing has changed.

    Files that stay whole and are large enough are taken as they are; the others are brought
    together with their neighbors.

    Raises:
        InterruptedJobError: A stop was asked for, so that not everything is there.
        NothingSucceeds: There is no row, and texts have failed that the endpoint may be to blame
            for.
    """
    if interrupt.stop_requested():
        raise InterruptedJobError("stopped before everything was embedded; nothing is published")
    pieces = _pieces(snapshot, outcome)
    rows = [piece.part for piece in pieces]
    try:
        accounts.check_any_vector(outcome.written(rows))
    except NothingSucceeds:
        resume.forget(snapshot.target.run)
        raise
    if is_unchanged(snapshot, outcome):
        return []
    tell_writing(snapshot.target.run)
    output = snapshot.target.output
    large = output.part_bytes / 2
    sized = ((one, one.bytes, one.whole and one.part.bytes >= large) for one in pieces)
    groups = packed(sized, output.file_mb * 1_000_000)
    return [Task(number, tuple(group)) for number, group in enumerate(groups)]


def _pieces(snapshot: SnapshotTarget, outcome: Outcome) -> list[Piece]:
    layout = snapshot.target.layout(outcome.provenance)
    found = []
    for source, numbers in zip(snapshot.sources, outcome.kept, strict=True):
        if len(numbers):
            whole = len(numbers) == source.part.rows
            as_it_is = whole and fits(source.part, layout.schema(), outcome.provenance)
            found.append(Piece(source.part, None if whole else numbers, as_it_is))
    fresh = sorted([*outcome.embedded, *outcome.copied], key=lambda part: (part.first, part.path))
    return found + [Piece(part, None, fits=True) for part in fresh]


def merge(snapshot: SnapshotTarget, provenance: Mapping[str, Any], task: Task) -> Made:
    """Make one file of a task's rows, with the file of their marks; one row group is in memory.

    Raises:
        DatasetError: A file of the base is not as it was written.
    """
    target, number = snapshot.target, task.number
    index = target.run.part("index", "merged", number)
    first = task.pieces[0]
    if len(task.pieces) == 1 and first.whole:
        part = first.part if first.part.sources else with_figures(first.part, target.output)
        if snapshot.is_of_base(part):
            return Made(number, part, _described(part.origins))
        return Made(number, part, write_index(index, [read_marks(part)]))
    layout = target.layout(provenance)
    merged = TablePart(target.run.merged("data", number), layout, provenance, index)
    for piece in task.pieces:
        if snapshot.is_of_base(piece.part):
            check_bytes(piece.part)
        for rows, found in _rows(piece):
            merged.add(fitted(rows, layout.schema()), found)
    return Made(number, merged.close(), merged.marks)


def _rows(piece: Piece) -> Iterator[tuple[pa.Table, NDArray[np.uint64]]]:
    """Yield the rows that are meant, a row group at a time, and their marks.

    Those that are not meant are left out before anything else is done with them: a run that was
    stopped may have written values that have no place in the snapshot's schema.
    """
    found = read_marks(piece.part)
    numbers = np.arange(len(found)) if piece.numbers is None else piece.numbers
    begin = 0
    with files.open_input(piece.part.path) as stream:
        parquet = pq.ParquetFile(stream)
        for group in range(parquet.num_row_groups):
            rows = parquet.metadata.row_group(group).num_rows
            low, high = np.searchsorted(numbers, [begin, begin + rows])
            if high > low:
                chosen = numbers[low:high]
                table = parquet.read_row_group(group)
                whole = high - low == rows
                yield table if whole else table.take(pa.array(chosen - begin)), found[chosen]
            begin += rows


def _described(path: str) -> PartFile:
    """Return the description of a file as it stands."""
    content = files.read_bytes(path)
    with files.open_input(path) as stream:
        rows = pq.read_metadata(stream).num_rows
    return PartFile(path, rows, len(content), hashlib.sha256(content).hexdigest())


def empty(snapshot: SnapshotTarget, outcome: Outcome) -> Made:
    """Write a file without rows, so that the folder opens with the right types."""
    run = snapshot.target.run
    layout = snapshot.target.layout(outcome.provenance)
    index = run.part("index", "merged", 0)
    part = TablePart(run.merged("data", 0), layout, outcome.provenance, index)
    return Made(0, part.close(), part.marks)
