"""Part files: rows in, whole Parquet files out, bounded in memory, size and time."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from embed_pipeline import files, schema
from embed_pipeline.attributes import conform
from embed_pipeline.documents import failed_document
from embed_pipeline.errors import BadAttribute
from embed_pipeline.locations import naming
from embed_pipeline.output import Output
from embed_pipeline.progress import Progress, ProgressFile
from embed_pipeline.provenance import footer
from embed_pipeline.records import Document, Embedded, Failed
from embed_pipeline.schema import Layout
from embed_pipeline.staging import Folder, Run, new_writer

BATCH_ROWS = 1_000  # rows turned into Arrow at once; the Python objects are freed then
GROUP_BYTES = 64 << 20  # of a row group in memory; readers and viewers want 128 MB at most
CHECKPOINT_SECONDS = 60.0  # a file is closed after so long, so that a kill loses little
ROW_BYTES = 64  # of a row's small columns, about


class PartFile(NamedTuple):
    """Describe one whole file of rows.

    Attributes:
        path: Where it is.
        rows, bytes, sha256: Of the file.
        tokens: Sum of its rows' token counts.
        sources: Rows by token_count_source; of failures, rows by "blame:kind".
        origins: Path of the file that says where its rows were read from, or "".
        first: Source and line of its first row, by which parts are put in order.
        unread: Of failures, those that never became a document.
    """

    path: str
    rows: int
    bytes: int
    sha256: str
    tokens: int = 0
    sources: Mapping[str, int] = {}
    origins: str = ""
    first: tuple[str, int] = ("", 0)
    unread: int = 0


class Written(NamedTuple):
    """Hold what was written before the commit.

    Attributes:
        provenance: What made the vectors.
        documents: How many came in.
        parts: Files of rows.
        failures: Files of failures.
    """

    provenance: dict[str, Any]
    documents: int
    parts: list[PartFile]
    failures: list[PartFile]


class HashedParquet:
    """Write one Parquet file and hash its bytes on their way.

    Args:
        path: The file; its folder is made.
        arrow_schema: Of every batch to come.
        metadata: Key-value metadata of the footer.
        output: The settings of the vectors' encoding; None for a file without vectors.
    """

    def __init__(
        self,
        path: str,
        arrow_schema: pa.Schema,
        metadata: Mapping[str, str],
        output: Output | None = None,
    ) -> None:
        self.path = path
        self.rows = 0
        self._sink = _HashingSink(files.open_output(path), path)
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._sink, mode="w"),
            arrow_schema,
            compression="zstd",
            compression_level=3,
            **_encoding(arrow_schema, output),
        )
        self._writer.add_key_value_metadata(dict(metadata))

    def write(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Write batches as one row group."""
        table = pa.Table.from_batches(batches)
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self.rows += table.num_rows

    @property
    def bytes(self) -> int:
        """Return the bytes written so far."""
        return self._sink.bytes

    def close(self) -> str:
        """Finish the file; return its sha256."""
        self._writer.close()
        self._sink.close()
        return self._sink.hash.hexdigest()

    def abandon(self) -> None:
        """Close without a footer: what stands at the path is no Parquet file."""
        self._sink.close()


class _HashingSink:
    """Pass bytes on to a stream and hash them."""

    closed = False

    def __init__(self, stream: pa.NativeFile, path: str) -> None:
        self._stream = stream
        self._path = path
        self.hash = hashlib.sha256()
        self.bytes = 0

    def write(self, data: Any) -> int:
        with naming(self._path):
            self._stream.write(data)
        self.hash.update(data)
        self.bytes += len(data)
        return len(data)

    def flush(self) -> None:
        with naming(self._path):
            self._stream.flush()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            with naming(self._path):
                self._stream.close()


def _encoding(arrow_schema: pa.Schema, output: Output | None) -> dict[str, Any]:
    """Return the writer's options: vectors, texts and ids are not worth a dictionary."""
    if output is None:
        return {}
    vector = f"{output.column('vector')}.list.element"
    plain = {output.column(name) for name in ("id", "text", "vector")}
    split = output.vector_encoding == "byte_stream_split"
    return {
        "use_dictionary": [name for name in arrow_schema.names if name not in plain],
        "write_statistics": [name for name in arrow_schema.names if name not in plain],
        "column_encoding": {vector: "BYTE_STREAM_SPLIT"} if split else None,
    }


class RowWriter:
    """Write rows into part files of one run.

    Holds at most BATCH_ROWS rows as Python objects and one row group in Arrow; closes a file when
    it is `output.file_mb` large or CHECKPOINT_SECONDS old.

    Args:
        run: The run.
        layout: What the rows look like.
        provenance: For the footers.
        clock: Seconds from any point on.
    """

    def __init__(
        self,
        run: Run,
        layout: Layout,
        provenance: dict[str, Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._layout = layout
        self._schema = layout.schema()
        self._footer = footer(provenance)
        self._clock = clock
        self._name = new_writer()
        self._progress = ProgressFile(run, self._name, clock)
        self._seen = 0
        self._tokens = 0
        self._number = 0
        self._rows: list[Embedded] = []
        self._rows_bytes = 0
        self._row_bytes = ROW_BYTES + 4 * layout.dimension
        self._part: _OpenPart | None = None
        self._deadline = 0.0

    def add(self, row: Embedded) -> Sequence[PartFile | Failed]:
        """Take a row; return the file this completes, and the failures of rows that do not fit."""
        if not self._rows and self._part is None:
            self._deadline = self._clock() + CHECKPOINT_SECONDS
        self._rows.append(row)
        self._rows_bytes += self._row_bytes + len(row.text)
        self._seen += 1
        self._tokens += row.token_count
        if self._progress.is_due():
            self._progress.write(Progress(self._seen, self._tokens))
            if self._clock() >= self._deadline:
                return [*self._flush(), *self._close_part()]
        if len(self._rows) < BATCH_ROWS and self._rows_bytes < GROUP_BYTES:
            return ()
        return self._flush()

    def close(self) -> Sequence[PartFile | Failed]:
        """Write what is buffered and close the file."""
        finished = [*self._flush(), *self._close_part()]
        if self._seen:
            self._progress.write(Progress(self._seen, self._tokens))
        return finished

    def abandon(self) -> None:
        """Leave an unfinished file as it is, after an error."""
        if self._part is not None:
            self._part.file.abandon()

    def _flush(self) -> list[PartFile | Failed]:
        """Turn the buffered rows into Arrow; write a row group or close the file if it is time."""
        rows, failed = _fitting(self._layout, self._rows)
        self._rows, self._rows_bytes = [], 0
        finished: list[PartFile | Failed] = list(failed)
        if rows:
            if self._part is None:
                self._part = self._open(rows[0])
            self._part.add(self._layout.batch(rows), rows)
            if self._part.size >= self._layout.output.file_mb * 1_000_000:
                finished += self._close_part()
        return finished

    def _open(self, first: Embedded) -> "_OpenPart":
        path = self._run.part("data", self._name, self._number)
        origins = self._run.origins(self._name, self._number)
        self._number += 1
        file = HashedParquet(path, self._schema, self._footer, self._layout.output)
        return _OpenPart(file, origins, (first.source, first.line or 0))

    def _close_part(self) -> list[PartFile]:
        part, self._part = self._part, None
        return [] if part is None else [part.close()]


class _OpenPart:
    """Collect a part's batches into row groups, with where each row was read from."""

    def __init__(self, file: HashedParquet, origins: str, first: tuple[str, int]) -> None:
        self.file = file
        self._origins_path = origins
        self._first = first
        self._group: list[pa.RecordBatch] = []
        self._group_bytes = 0
        self._origins: list[pa.RecordBatch] = []
        self._tokens = 0
        self._sources: Counter[str] = Counter()

    def add(self, batch: pa.RecordBatch, rows: Sequence[Embedded]) -> None:
        """Take a batch; write a row group when enough has come."""
        self._group.append(batch)
        self._group_bytes += batch.nbytes
        self._origins.append(schema.origins(rows))
        self._tokens += sum(row.token_count for row in rows)
        self._sources.update(row.token_count_source for row in rows)
        if self._group_bytes >= GROUP_BYTES:
            self._write_group()

    @property
    def size(self) -> int:
        """Return the bytes written and waiting."""
        return self.file.bytes + self._group_bytes

    def close(self) -> PartFile:
        """Write the last row group, the footer and the rows' origins."""
        if self._group:
            self._write_group()
        digest = self.file.close()
        origins = HashedParquet(self._origins_path, schema.ORIGINS, {})
        origins.write(pa.Table.from_batches(self._origins).unify_dictionaries().to_batches())
        origins.close()
        return PartFile(
            self.file.path,
            self.file.rows,
            self.file.bytes,
            digest,
            self._tokens,
            dict(self._sources),
            self._origins_path,
            self._first,
        )

    def _write_group(self) -> None:
        self.file.write(self._group)
        self._group, self._group_bytes = [], 0


def _fitting(layout: Layout, rows: Sequence[Embedded]) -> tuple[list[Embedded], list[Failed]]:
    """Bring attributes into the schema's types; tell the rows that cannot be."""
    if layout.attributes is None:
        return list(rows), []
    fitting, failed = [], []
    for row in rows:
        try:
            values = conform(row.attributes, layout.attributes)
        except BadAttribute as error:
            document = Document(*row[:5])
            failed.append(failed_document(document, error, stage="write"))
        else:
            fitting.append(row if values is row.attributes else row._replace(attributes=values))
    return fitting, failed


class FailureWriter:
    """Write failures into part files of one run; closes a file every GROUP_BYTES or so."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._name = new_writer()
        self._progress = ProgressFile(run, self._name)
        self._number = 0
        self._failures: list[Failed] = []
        self._size = 0
        self._count = 0

    def add(self, failure: Failed) -> Sequence[PartFile]:
        """Take a failure; return the file this completes."""
        self._failures.append(failure)
        self._count += 1
        self._size += len(failure.text or "") + len(failure.message) + ROW_BYTES
        if self._progress.is_due():
            self._progress.write(Progress(failed=self._count))
        return self.close() if self._size >= GROUP_BYTES else ()

    def close(self) -> Sequence[PartFile]:
        """Write what is buffered."""
        if not self._failures:
            return ()
        folder: Folder = "failures"
        file = HashedParquet(self._run.part(folder, self._name, self._number), schema.FAILURES, {})
        file.write([schema.failures_batch(self._failures)])
        digest = file.close()
        part = PartFile(
            file.path,
            file.rows,
            file.bytes,
            digest,
            sources=self._kinds(),
            unread=sum(failure.stage == "read" for failure in self._failures),
        )
        self._number += 1
        self._failures, self._size = [], 0
        self._progress.write(Progress(failed=self._count))
        return [part]

    def _kinds(self) -> dict[str, int]:
        """Count failures by "blame:kind"."""
        return dict(Counter(f"{failure.blame}:{failure.kind}" for failure in self._failures))
