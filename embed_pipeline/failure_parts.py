"""Part files of failures: one row for each document without a vector."""

from collections import Counter
from collections.abc import Sequence

from embed_pipeline import schema
from embed_pipeline.hashed_parquet import HashedParquet
from embed_pipeline.parts import GROUP_BYTES, ROW_BYTES, PartFile
from embed_pipeline.progress import Progress, ProgressFile
from embed_pipeline.records import Failed
from embed_pipeline.staging import Folder, Run, new_writer


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
            unread=sum(failure.stage in ("read", "chunk") for failure in self._failures),
        )
        self._number += 1
        self._failures, self._size = [], 0
        self._progress.write(Progress(failed=self._count))
        return [part]

    def _kinds(self) -> dict[str, int]:
        """Count failures by "blame:kind"."""
        return dict(Counter(f"{failure.blame}:{failure.kind}" for failure in self._failures))
