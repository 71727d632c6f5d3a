"""Files of rows that are there already: written from tables, without a Python object a row."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed_pipeline import files, marks
from embed_pipeline.hashed_parquet import HashedParquet
from embed_pipeline.output import Output
from embed_pipeline.parts import GROUP_BYTES, TRUNCATED, PartFile
from embed_pipeline.provenance import footer
from embed_pipeline.schema import INDEX, Layout

MOST_SMALL = 1_000  # batches that wait apart: one of a single row takes several times its bytes


class TablePart:
    """Write tables into one file; one row group of GROUP_BYTES, at most twice that, is in memory.

    Args:
        path: The file.
        layout: What the rows look like; of every table to come.
        provenance: For the footer.
        index: Path of the file of the rows' marks, or "" where they have none.

    Attributes:
        marks: What describes that file, once it is closed.
    """

    marks: PartFile

    def __init__(
        self, path: str, layout: Layout, provenance: Mapping[str, Any], index: str = ""
    ) -> None:
        self._file = HashedParquet(path, layout.schema(), footer(provenance), layout.output)
        self._output = layout.output
        self._index = index
        self._group: list[pa.RecordBatch] = []
        self._group_bytes = 0
        self._together = 0  # batches of the group that have been brought together
        self._marks: list[NDArray[np.uint64]] = []
        self._figures = Figures()

    def add(self, table: pa.Table, rows_marks: NDArray[np.uint64] | None = None) -> None:
        """Take rows, and their marks, shape (rows, 5), if they have any."""
        if not table.num_rows:
            return
        batches = table.to_batches()
        self._group += batches
        self._group_bytes += sum(batch.nbytes for batch in batches)
        if rows_marks is not None:
            self._marks.append(rows_marks)
        self._figures.add(table, self._output)
        if self._group_bytes >= GROUP_BYTES:
            self._write_group()
        elif len(self._group) - self._together >= MOST_SMALL:
            small = pa.Table.from_batches(self._group[self._together :])
            self._group[self._together :] = small.combine_chunks().to_batches()
            self._together = len(self._group)

    @property
    def size(self) -> int:
        """Return the bytes written and waiting."""
        return self._file.bytes + self._group_bytes

    def close(self) -> PartFile:
        """Write what is left, the footer, and the marks."""
        if self._group:
            self._write_group()
        digest = self._file.close()
        if self._index:
            self.marks = write_index(self._index, self._marks)
        part = PartFile(self._file.path, self._file.rows, self._file.bytes, digest)
        return self._figures.told(part._replace(origins=self._index))

    def _write_group(self) -> None:
        self._file.write(self._group)
        self._group, self._group_bytes, self._together = [], 0, 0


class Figures:
    """Add up what a manifest tells of rows."""

    def __init__(self) -> None:
        self._tokens = 0
        self._sources: Counter[str] = Counter()
        self._truncated: Counter[str] = Counter()

    def add(self, table: pa.Table, output: Output) -> None:
        """Take rows: the columns of token counts, their sources and truncation."""
        self._tokens += pc.sum(table[output.column("token_count")]).as_py() or 0
        self._sources.update(_tally(table[output.column("token_count_source")]))
        cut = _tally(table[output.column("truncated")])
        self._truncated.update({TRUNCATED[value]: count for value, count in cut.items()})

    def told(self, part: PartFile) -> PartFile:
        """Return the description of a file with the figures of its rows."""
        return part._replace(
            tokens=self._tokens, sources=dict(self._sources), truncated=dict(self._truncated)
        )


def with_figures(part: PartFile, output: Output) -> PartFile:
    """Return the description of a file with the figures of its rows, read from three columns."""
    figures = Figures()
    columns = [output.column(name) for name in ("token_count", "token_count_source", "truncated")]
    with files.open_input(part.path) as stream:
        parquet = pq.ParquetFile(stream)
        for group in range(parquet.num_row_groups):
            figures.add(parquet.read_row_group(group, columns), output)
    return figures.told(part)


def write_index(path: str, found: list[NDArray[np.uint64]]) -> PartFile:
    """Write the marks of a file's rows, shape (rows, 5) each; return the description."""
    every = np.concatenate([np.empty((0, 5), np.uint64), *found])
    file = HashedParquet(path, INDEX, {})
    if len(every):
        file.write([pa.RecordBatch.from_arrays([marks.column(every)], schema=INDEX)])
    digest = file.close()
    return PartFile(path, file.rows, file.bytes, digest)


def _tally(column: pa.ChunkedArray) -> dict[Any, int]:
    """Return how often each value stands in a column."""
    return {one["values"]: one["counts"] for one in pc.value_counts(column).to_pylist()}
