"""The change feed: what takes a copy of a store from one snapshot to the next.

Rows that are inserted or updated stand in it whole, those that only have other attributes with
these, and those that are deleted with their ids.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed_pipeline import files
from embed_pipeline.hashed_parquet import HashedParquet
from embed_pipeline.known import read_marks
from embed_pipeline.parts import GROUP_BYTES, PartFile
from embed_pipeline.schema import OP, Layout, fitted
from embed_pipeline.staging import Run

INSERT, UPDATE, RELABEL, DELETE = "insert", "update", "attributes", "delete"
DELETED_AT_ONCE = 100_000


class Partly(NamedTuple):
    """Name rows of a file.

    Attributes:
        part: The file.
        numbers: The rows that are meant, ascending; int64.
        has_old_vectors: Whether a row whose id had the same text before has its old vector.
    """

    part: PartFile
    numbers: NDArray[np.int64]
    has_old_vectors: bool = False


class Feed(NamedTuple):
    """Hold the files of a change feed, and how many rows of each operation they have."""

    parts: list[PartFile]
    counts: Mapping[str, int]


def write_changes(
    run: Run, layout: Layout, gone: Sequence[Partly], fresh: Sequence[Partly], id_column: str
) -> Feed:
    """Write the change feed of a snapshot.

    In memory are one row group, and id and text hash of each row that is gone or replaced.

    Args:
        run: The run.
        layout: What the snapshot's rows look like.
        gone: The rows of the base that are not in the snapshot as they were.
        fresh: The rows of the snapshot that are not in the base as they are.
        id_column: What the base calls the id.
    """
    before: dict[str, bytes] = {}
    for one in gone:
        for ids, found in _ids(one, id_column):
            before.update(zip(ids, found, strict=True))
    writer = _Writer(run, layout)
    for one in fresh:
        for table, found in _rows(one, layout):
            ops = _ops(table[layout.output.column("id")].to_pylist(), found, before)
            if not one.has_old_vectors:
                ops[ops == RELABEL] = UPDATE
            _add(writer, layout, table, ops)
    left = list(before)
    for start in range(0, len(left), DELETED_AT_ONCE):
        writer.add(DELETE, _only_ids(layout, left[start : start + DELETED_AT_ONCE]))
    return writer.close()


def _ops(ids: list[str], texts: list[bytes], before: dict[str, bytes]) -> NDArray[np.str_]:
    """Return what has happened to rows; they leave what was before."""
    ops = []
    for identity, text in zip(ids, texts, strict=True):
        then = before.pop(identity, None)
        ops.append(INSERT if then is None else RELABEL if then == text else UPDATE)
    return np.array(ops)


def _add(writer: "_Writer", layout: Layout, table: pa.Table, ops: NDArray[np.str_]) -> None:
    """Add rows by what has happened to them."""
    for op in (INSERT, UPDATE, RELABEL):
        chosen = np.flatnonzero(ops == op)
        if len(chosen):
            rows = table if len(chosen) == len(ops) else table.take(pa.array(chosen))
            writer.add(op, _bare(layout, rows) if op == RELABEL else _whole(layout, rows))


def _ids(one: Partly, id_column: str) -> Iterator[tuple[list[str], list[bytes]]]:
    """Yield ids and text hashes of rows, a row group at a time."""
    texts = _texts(one)
    for table, inside in _groups(one, [id_column]):
        yield table[id_column].to_pylist(), [texts[number] for number in inside]


def _rows(one: Partly, layout: Layout) -> Iterator[tuple[pa.Table, list[bytes]]]:
    """Yield rows and their text hashes, a row group at a time."""
    texts = _texts(one)
    for table, inside in _groups(one, None):
        yield fitted(table, layout.schema()), [texts[number] for number in inside]


def _texts(one: Partly) -> list[bytes]:
    """Return the hashes of the texts of the rows that are meant."""
    found = read_marks(one.part)[one.numbers, 2:4]
    content = np.ascontiguousarray(found, "<u8").tobytes()
    return [content[start : start + 16] for start in range(0, len(content), 16)]


def _groups(one: Partly, columns: list[str] | None) -> Iterator[tuple[pa.Table, range]]:
    """Yield the rows that are meant, a row group at a time, with their places among those."""
    if not len(one.numbers):
        return
    begin = 0
    with files.open_input(one.part.path) as stream:
        parquet = pq.ParquetFile(stream)
        for group in range(parquet.num_row_groups):
            rows = parquet.metadata.row_group(group).num_rows
            low, high = np.searchsorted(one.numbers, [begin, begin + rows])
            if high > low:
                table = parquet.read_row_group(group, columns)
                if high - low < rows:
                    table = table.take(pa.array(one.numbers[low:high] - begin))
                yield table, range(int(low), int(high))
            begin += rows


def _whole(layout: Layout, rows: pa.Table) -> dict[str, pa.Array]:
    """Return rows' columns; the vectors as lists of no fixed size."""
    columns = {name: rows[name].combine_chunks() for name in rows.column_names}
    name = layout.output.column("vector")
    vectors, kind = columns[name], layout.changes().field(name).type
    if pa.types.is_fixed_size_list(vectors.type):
        ends = layout.dimension * np.arange(len(vectors) + 1, dtype=np.int32)
        columns[name] = pa.ListArray.from_arrays(pa.array(ends), vectors.flatten(), type=kind)
    return columns


def _bare(layout: Layout, rows: pa.Table) -> dict[str, pa.Array]:
    """Return rows' ids and attributes."""
    own = {layout.output.column("id"), *(layout.attributes or {})}
    return {name: rows[name].combine_chunks() for name in rows.column_names if name in own}


def _only_ids(layout: Layout, ids: list[str]) -> dict[str, pa.Array]:
    return {layout.output.column("id"): pa.array(ids, pa.string())}


class _Writer:
    """Write changes into files of the target size."""

    def __init__(self, run: Run, layout: Layout) -> None:
        self._run = run
        self._layout = layout
        self._schema = layout.changes()
        self._counts = dict.fromkeys((INSERT, UPDATE, RELABEL, DELETE), 0)
        self._group: list[pa.RecordBatch] = []
        self._file: HashedParquet | None = None
        self._parts: list[PartFile] = []

    def add(self, op: str, columns: Mapping[str, pa.Array]) -> None:
        """Take rows of one operation; columns that are not given are null."""
        rows = len(next(iter(columns.values())))
        self._counts[op] += rows
        arrays = [
            pa.array([op] * rows)
            if field.name == OP
            else columns.get(field.name, pa.nulls(rows, field.type))
            for field in self._schema
        ]
        self._group.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        if sum(batch.nbytes for batch in self._group) >= GROUP_BYTES:
            self._write_group()

    def close(self) -> Feed:
        """Write what is left; return what there is."""
        if self._group:
            self._write_group()
        self._close_file()
        return Feed(self._parts, self._counts)

    def _write_group(self) -> None:
        if self._file is None:
            path = self._run.part("changes", "changes", len(self._parts))
            self._file = HashedParquet(path, self._schema, {}, self._layout.output)
        self._file.write(self._group)
        self._group = []
        if self._file.bytes >= self._layout.output.file_mb * 1_000_000:
            self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            digest = self._file.close()
            file, self._file = self._file, None
            self._parts.append(PartFile(file.path, file.rows, file.bytes, digest))
