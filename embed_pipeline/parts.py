"""Part files: rows in, whole Parquet files out, bounded in memory, size and time."""

import errno
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from embed_pipeline import files, schema
from embed_pipeline.attributes import conform, row_json
from embed_pipeline.documents import failed_document
from embed_pipeline.errors import BadAttribute
from embed_pipeline.hashed_parquet import HashedParquet
from embed_pipeline.progress import Progress, ProgressFile
from embed_pipeline.provenance import footer
from embed_pipeline.records import Document, Embedded, Failed
from embed_pipeline.report import Report
from embed_pipeline.schema import Layout
from embed_pipeline.staging import Run, new_writer

BATCH_ROWS = 1_000  # rows turned into Arrow at once; the Python objects are freed then
GROUP_BYTES = 64 << 20  # of a row group in memory; readers and viewers want 128 MB at most
TRUNCATED = {True: "true", False: "false", None: "null"}
UNKNOWN_LINE = 2**62  # of a row behind the first range of its file
ROW_BYTES = 64  # of a row's small columns, about


class PartFile(NamedTuple):
    """Describe one whole file of rows.

    Attributes:
        path: Where it is.
        rows, bytes, sha256: Of the file.
        tokens: Sum of its rows' token counts.
        sources: Rows by token_count_source; of failures, rows by "blame:kind".
        origins: Path of the file that says where its rows were read from, or "".
        first: Source and line of its first row, by which parts are put in order; UNKNOWN_LINE,
            which is behind all that are known, where it has none.
        unread: Of failures, those that never came to be embedded.
        truncated: Rows by what `truncated` says: "true", "false" or "null".
        closed: When it was whole, in seconds since the epoch.
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
    truncated: Mapping[str, int] = {}
    closed: float = 0.0

    def note(self, path: str) -> None:
        """Write this description; from then on a later run takes the file to be whole."""
        files.write_bytes(path, orjson.dumps(self._asdict()))

    @classmethod
    def noted(cls, found: Mapping[str, Any]) -> "PartFile":
        """Return what `note` has written, as it was parsed from JSON."""
        return cls(**{**found, "first": tuple(found["first"])})


class Written(NamedTuple):
    """Hold what was written before the commit.

    Attributes:
        provenance: What made the vectors.
        documents: How many came in.
        parts: Files of rows.
        failures: Files of failures.
        recount: How many token counts a sample of rows confirmed.
        chunked: How many documents were split into these, or None where there was no splitting.
        effort: What it took; see `outcomes.Effort`.
        repeated: Documents beyond the first that are the same, in all that can be told, as one
            whose row is reused from an earlier run.
        report: What the report shows of all this; None where there is to be none.
    """

    provenance: dict[str, Any]
    documents: int
    parts: list[PartFile]
    failures: list[PartFile]
    recount: Mapping[str, Mapping[str, int]] = {}
    chunked: int | None = None
    effort: Mapping[str, float] = {}
    repeated: int = 0
    report: Report | None = None


class RowWriter:
    """Write rows into part files of one run.

    Holds at most BATCH_ROWS rows as Python objects and one row group in Arrow; closes a file when
    it is `output.part_bytes` large or `output.checkpoint_seconds` old, so that a kill loses little.
    A whole file is noted beside its rows' origins; one that could not be written never is.

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
        self._begun = files.exists(run.begun)

    def add(self, row: Embedded) -> Sequence[PartFile | Failed]:
        """Take a row; return the file this completes, and the failures of rows that do not fit."""
        now = self._clock()
        if not self._rows and self._part is None:
            self._deadline = now + self._layout.output.checkpoint_seconds
        self._rows.append(row)
        self._rows_bytes += self._row_bytes + len(row.text)
        self._seen += 1
        self._tokens += row.token_count
        if now >= self._progress.due:
            self._progress.write(Progress(self._seen, self._tokens))
        if now >= self._deadline:
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

    def _flush(self) -> list[PartFile | Failed]:
        """Turn the buffered rows into Arrow; write a row group or close the file if it is time."""
        rows, failed = _fitting(self._layout, self._rows)
        self._rows, self._rows_bytes = [], 0
        finished: list[PartFile | Failed] = list(failed)
        if rows:
            part, self._part = self._part or self._open(rows[0]), None  # lost if this fails
            part.add(self._layout.batch(rows), rows)
            self._part = part
            if part.size >= self._layout.output.part_bytes:
                finished += self._close_part()
        return finished

    def _open(self, first: Embedded) -> "_OpenPart":
        path = self._run.part("data", self._name, self._number)
        origins = self._run.origins(self._name, self._number)
        note = self._run.note("data", self._name, self._number)
        self._number += 1
        file = HashedParquet(path, self._schema, self._footer, self._layout.output)
        return _OpenPart(
            file, origins, note, (first.source, UNKNOWN_LINE if first.line is None else first.line)
        )

    def _close_part(self) -> list[PartFile]:
        if self._begun and not files.exists(self._run.begun):
            raise FileNotFoundError(
                errno.ENOENT, "the run's own file has gone while it ran", self._run.begun
            )
        part, self._part = self._part, None
        return [] if part is None else [part.close()]


class _OpenPart:
    """Collect a part's batches into row groups, with where each row was read from."""

    def __init__(
        self, file: HashedParquet, origins: str, note: str, first: tuple[str, int]
    ) -> None:
        self.file = file
        self._origins_path = origins
        self._note = note
        self._first = first
        self._group: list[pa.RecordBatch] = []
        self._group_bytes = 0
        self._origins: list[pa.RecordBatch] = []
        self._tokens = 0
        self._sources: Counter[str] = Counter()
        self._truncated: Counter[bool | None] = Counter()

    def add(self, batch: pa.RecordBatch, rows: Sequence[Embedded]) -> None:
        """Take a batch; write a row group when enough has come."""
        self._group.append(batch)
        self._group_bytes += batch.nbytes
        self._origins.append(schema.origins(rows))
        self._tokens += sum(row.token_count for row in rows)
        self._sources.update(row.token_count_source for row in rows)
        self._truncated.update([row.truncated for row in rows])
        if self._group_bytes >= GROUP_BYTES:
            self._write_group()

    @property
    def size(self) -> int:
        """Return the bytes written and waiting."""
        return self.file.bytes + self._group_bytes

    def close(self) -> PartFile:
        """Write the last row group, the footer, the rows' origins, and the note on them."""
        if self._group:
            self._write_group()
        digest = self.file.close()
        origins = HashedParquet(self._origins_path, self._origins[0].schema, {})
        origins.write(pa.Table.from_batches(self._origins).unify_dictionaries().to_batches())
        origins.close()
        part = PartFile(
            self.file.path,
            self.file.rows,
            self.file.bytes,
            digest,
            self._tokens,
            dict(self._sources),
            self._origins_path,
            self._first,
            truncated={TRUNCATED[value]: count for value, count in self._truncated.items()},
            closed=time.time(),
        )
        part.note(self._note)
        return part

    def _write_group(self) -> None:
        self.file.write(self._group)
        self._group, self._group_bytes = [], 0


def _fitting(layout: Layout, rows: Sequence[Embedded]) -> tuple[list[Embedded], list[Failed]]:
    """Bring attributes into the schema's types; tell the rows that cannot be."""
    fitting, failed = [], []
    for row in rows:
        try:
            values = _conforming(row.attributes, layout)
        except BadAttribute as error:
            document = Document(*row[:6])
            failed.append(failed_document(document, error, stage="write"))
        else:
            fitting.append(row if values is row.attributes else row._replace(attributes=values))
    return fitting, failed


def _conforming(attributes: Mapping[str, Any], layout: Layout) -> Mapping[str, Any]:
    if layout.attributes is not None:
        return conform(attributes, layout.attributes)
    row_json(attributes)  # which refuses what has no JSON
    return attributes
