"""Part files of failures: one row for each document without a vector."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from embed_pipeline import files, schema
from embed_pipeline.hashed_parquet import HashedParquet
from embed_pipeline.output import Output
from embed_pipeline.parts import GROUP_BYTES, ROW_BYTES, PartFile
from embed_pipeline.progress import Progress, ProgressFile
from embed_pipeline.records import Failed
from embed_pipeline.staging import Run, new_writer

CHECKPOINT_SECONDS = float(Output.model_fields["checkpoint_seconds"].default)


class FailureWriter:
    """Write failures into part files of one run.

    Closes a file every GROUP_BYTES or so, and with the first failure that comes so long after the
    last file: a failure that comes alone is safe at once, and many make no file each.

    Args:
        run: The run.
        checkpoint_seconds: How long after the last file the next may be closed.
        clock: Seconds from any point on.
    """

    def __init__(
        self,
        run: Run,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._checkpoint_seconds = checkpoint_seconds
        self._clock = clock
        self._deadline = clock() + checkpoint_seconds
        self._name = new_writer()
        self._progress = ProgressFile(run, self._name, clock)
        self._number = 0
        self._failures: list[Failed] = []
        self._size = 0
        self._count = 0
        self._kinds: Counter[str] = Counter()

    def add(self, failure: Failed) -> Sequence[PartFile]:
        """Take a failure; return the file this completes."""
        self._failures.append(failure)
        self._count += 1
        self._kinds[failure.kind] += 1
        self._size += len(failure.text or "") + len(failure.message) + ROW_BYTES
        now = self._clock()
        if now >= self._progress.due:
            self._tell()
        return self.close() if self._size >= GROUP_BYTES or now >= self._deadline else ()

    def close(self) -> Sequence[PartFile]:
        """Write what is buffered."""
        if not self._failures:
            return ()
        failures, self._failures, self._size = self._failures, [], 0
        name, number = self._name, self._number
        self._number += 1
        file = HashedParquet(self._run.part("failures", name, number), schema.FAILURES, {})
        file.write([schema.failures_batch(failures)])
        digest = file.close()
        part = PartFile(
            file.path,
            file.rows,
            file.bytes,
            digest,
            sources=dict(Counter(f"{one.blame}:{one.kind}" for one in failures)),
            unread=sum(one.stage in ("read", "chunk") for one in failures),
            closed=time.time(),
        )
        part.note(self._run.note("failures", name, number))
        self._tell()
        self._deadline = self._clock() + self._checkpoint_seconds
        return [part]

    def _tell(self) -> None:
        """Write the progress."""
        self._progress.write(Progress(failed=self._count, kinds=self._kinds))


def merged(run: Run, parts: Sequence[PartFile]) -> list[PartFile]:
    """Make one file of a run's parts of failures; one that stands alone is taken as it is.

    About GROUP_BYTES of them, or one part, are in memory.
    """
    if len(parts) < 2:
        return list(parts)
    file = HashedParquet(run.merged("failures", 0), schema.FAILURES, {})
    sources: Counter[str] = Counter()
    group: list[pa.RecordBatch] = []
    for part in parts:
        with files.open_input(part.path) as stream:
            table = pq.read_table(stream)
        group += table.replace_schema_metadata(None).to_batches()
        sources.update(part.sources)
        if sum(batch.nbytes for batch in group) >= GROUP_BYTES:
            file.write(group)
            group = []
    if group:
        file.write(group)
    digest = file.close()
    return [PartFile(file.path, file.rows, file.bytes, digest, sources=dict(sources))]
