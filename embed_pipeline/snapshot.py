"""What a refresh is to become: a snapshot of what stays, what is copied and what was embedded."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed_pipeline import files, resume, retriable
from embed_pipeline.commit import Target
from embed_pipeline.errors import DatasetError
from embed_pipeline.footers import wrong_columns, wrong_origin
from embed_pipeline.known import Source
from embed_pipeline.manifest import DataFile, Manifest
from embed_pipeline.parts import PartFile, Written
from embed_pipeline.report import Report
from embed_pipeline.store import Store

METRICS = "metrics.prom"
_DAMAGED = (
    "the snapshot is damaged; put the file back from a copy, or go back to the snapshot before, in "
    "current.json"
)


class SnapshotTarget(NamedTuple):
    """Say what a refresh is to become.

    Attributes:
        store: The store.
        number: The new snapshot's.
        target: Its run, and its rows' layout.
        run_id: What the scheduler calls the refresh.
        base: The number of the snapshot before; None where there is none.
        before: The files of that snapshot's rows.
        sources: The files whose rows may be reused: those, or none of them, and what runs that
            were stopped have left.
        id_column: What the base calls the id.
        keep: Snapshots that are kept.
        notes: What is worth knowing of the refresh.
    """

    store: Store
    number: int
    target: Target
    run_id: str
    base: int | None
    before: tuple[PartFile, ...]
    sources: tuple[Source, ...]
    id_column: str
    keep: int
    notes: tuple[str, ...] = ()

    def is_of_base(self, part: PartFile) -> bool:
        """Tell whether a file of rows is one of the snapshot before."""
        return any(part.path == one.path for one in self.before)


class Outcome(NamedTuple):
    """Hold what a refresh has done before its commit.

    Attributes:
        provenance: Of the new snapshot.
        kept: For each source, the numbers of its rows that stay; ascending.
        embedded: Files of rows that were embedded.
        copied: Files of rows that got a vector that was there.
        failures: Files of failures.
        expected: How many rows and failures there must be.
        recount, chunked, effort: As in Written.
        forgotten: Documents that were left out.
        report: What the report shows of what was embedded; None where there is to be none.
    """

    provenance: dict[str, Any]
    kept: list[NDArray[np.int64]]
    embedded: list[PartFile]
    copied: list[PartFile]
    failures: list[PartFile]
    expected: int
    recount: Mapping[str, Mapping[str, int]]
    chunked: int | None
    effort: Mapping[str, float]
    forgotten: int
    report: Report | None = None

    def written(self, rows: Sequence[PartFile]) -> Written:
        """Return what was written, with these files of rows."""
        return Written(
            self.provenance,
            self.expected,
            list(rows),
            self.failures,
            self.recount,
            self.chunked,
            self.effort,
        )


def is_unchanged(snapshot: SnapshotTarget, outcome: Outcome) -> bool:
    """Tell whether the new snapshot would be the current one."""
    if snapshot.base is None or outcome.embedded or outcome.copied:
        return False
    for source, numbers in zip(snapshot.sources, outcome.kept, strict=True):
        if len(numbers) != (source.part.rows if snapshot.is_of_base(source.part) else 0):
            return False
    reusable = sum(source.part.rows for source in snapshot.sources if source.run == 0)
    if reusable != sum(part.rows for part in snapshot.before):
        return False
    schema = snapshot.target.layout(outcome.provenance).schema()
    if not all(fits(part, schema, outcome.provenance) for part in snapshot.before if part.rows):
        return False
    base = snapshot.store.snapshot(snapshot.base)
    manifest = snapshot.store.manifest()
    then = [files.join(base, one.path) for one in manifest.failures] if manifest else []
    return _failures(then) == _failures(part.path for part in outcome.failures)


def fits(part: PartFile, schema: pa.Schema, provenance: Mapping[str, Any]) -> bool:
    """Tell whether a file's columns and footer are those of a snapshot."""
    with files.open_input(part.path) as stream:
        parquet = pq.ParquetFile(stream)
        told = resume.told_provenance(parquet.metadata.metadata or {})
        same: bool = parquet.schema_arrow.remove_metadata() == schema
    return same and told == resume.as_told(provenance)


def _failures(paths: Iterable[str]) -> list[bytes]:
    """Return what stands for each failure, but for its place and its message, in order."""
    found = []
    for path in paths:
        for one in retriable.read_failures(path):
            told = (one.id, one.text, one.attributes, one.stage, one.kind, one.blame)
            found.append(hashlib.blake2b(repr(told).encode(), digest_size=16).digest())
    return sorted(found)


def data_files(
    folder: str, listed: Sequence[DataFile], index: Sequence[DataFile]
) -> list[PartFile]:
    """Return the files of a snapshot's rows, each with the one of their marks.

    The marks are what everything is decided on, so their bytes are looked at, too.

    Raises:
        DatasetError: The manifest does not name a file of marks for each file of rows, or one is
            not there, or has another size; or marks are not as they were written.
    """
    found = []
    if len(listed) != len(index):
        raise DatasetError(
            f"{folder}: its manifest names {len(listed)} files of rows, but {len(index)} of their "
            "marks; put it back from a copy, or refresh an empty store"
        )
    for data, marks_file in zip(listed, index, strict=True):
        check_sizes(folder, (data, marks_file))
        path = files.join(folder, data.path)
        origins = files.join(folder, marks_file.path)
        check_bytes(PartFile(origins, marks_file.rows, marks_file.bytes, marks_file.sha256))
        found.append(PartFile(path, data.rows, data.bytes, data.sha256, origins=origins))
    return found


def check_sizes(folder: str, listed: Iterable[DataFile]) -> None:
    """Look whether files of a snapshot are there, as large as they were written.

    Raises:
        DatasetError: One is not.
    """
    for one in listed:
        path = files.join(folder, one.path)
        sizes = [info.size for info in files.find(path)]
        if sizes != [one.bytes]:
            what = "is missing" if not sizes else f"has {sizes[0]:,} bytes, not {one.bytes:,}"
            raise DatasetError(f"{path} {what}: {_DAMAGED}")


def check_bytes(part: PartFile) -> None:
    """Look whether a file of a snapshot has the bytes that were written, before they go on.

    Raises:
        DatasetError: It has not; what is wrong there would be right in the next snapshot's eyes.
    """
    if not resume.is_sound(part):
        raise DatasetError(f"{part.path} has other bytes than were written (sha256): {_DAMAGED}")


def check_footers(parts: Sequence[PartFile], manifest: Manifest) -> None:
    """Look whether the files of a snapshot's rows tell of themselves what its manifest does.

    Only footers are read. A file of another model would else become part of the next snapshot.

    Raises:
        DatasetError: One does not, or has not as many rows as the file of their marks.
    """
    for part in parts:
        with _opened(part.path) as parquet:
            rows = parquet.metadata.num_rows
            wrong = wrong_origin(parquet, manifest.provenance)
            wrong = wrong or wrong_columns(parquet, manifest.columns)
        with _opened(part.origins) as parquet:
            marked = parquet.metadata.num_rows
        if rows != part.rows:
            wrong = f"it has {rows:,} rows, and the manifest says {part.rows:,}"
        elif marked != rows and not wrong:
            wrong = f"it has {rows:,} rows, and {part.origins} the marks of {marked:,}"
        if wrong:
            raise DatasetError(f"{part.path}: {wrong}; {_DAMAGED}")


@contextmanager
def _opened(path: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file of a snapshot.

    Raises:
        DatasetError: It is none.
    """
    with files.open_input(path) as stream:
        try:
            parquet = pq.ParquetFile(stream)
        except pa.ArrowException as error:
            raise DatasetError(
                f"{path} cannot be read ({error}): the snapshot is damaged; put the file back from "
                "a copy, or go back to the snapshot before, in current.json"
            ) from error
        yield parquet
