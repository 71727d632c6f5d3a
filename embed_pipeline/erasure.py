"""One snapshot without the documents that are to be forgotten: files, figures and manifest.

Until the manifest is replaced, the old snapshot is whole: what is new stands in the staging folder,
then under names the old manifest does not list. After that the new one is, and what it does not
list is deleted. A kill leaves files that no manifest lists; the next time deletes them first.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import ValidationError

from embed_pipeline import files, quotes, reporting
from embed_pipeline.card_file import CARD, drop_card, write_card
from embed_pipeline.deductions import Deductions
from embed_pipeline.errors import DatasetError
from embed_pipeline.filtering import without
from embed_pipeline.locations import name
from embed_pipeline.manifest import DataFile, Manifest, read_manifest
from embed_pipeline.open_metrics import open_metrics
from embed_pipeline.output import Output
from embed_pipeline.owners import Found, Naming, find, owners
from embed_pipeline.ownership import is_part
from embed_pipeline.proof import METRICS
from embed_pipeline.staging import STAGING, new_run

FOLDERS = ("data", "index", "failures", "changes")
_WITH_VECTORS = ("data", "changes")
_LAYOUT = ("columns", "text", "vector_type", "vector_encoding")
Count = Callable[[pa.Table], None]


class Erased(NamedTuple):
    """Hold what was erased from a snapshot.

    Attributes:
        rows, failures, changes: How many of them.
        documents: The hashes of the documents they were of.
        problems: What could not be looked into, and so may still hold some.
    """

    rows: int
    failures: int
    changes: int
    documents: frozenset[bytes]
    problems: tuple[str, ...]


def erase(snapshot: str, hashes: frozenset[bytes]) -> Erased:
    """Erase documents from a snapshot; its manifest is replaced after its files, or not at all.

    The report shows single rows, so of these nothing is left in it; it is drawn again.
    Files that hold none of them stay as they are. Of each other file one row group at a time is in
    memory. Rows keep their order, and files their order in the manifest.

    Args:
        snapshot: The folder; nothing else may be writing there.
        hashes: Of the documents' ids.

    Raises:
        DatasetError: The manifest is damaged, or an index is not of its rows.
        OSError: A file cannot be written. The snapshot is as it was.
    """
    old = read_manifest(snapshot)
    _tidy(snapshot, old)
    erasure = _Erasure(snapshot, old, hashes)
    manifest = erasure.manifest()
    if manifest != old:
        reporting.forget(snapshot, old)
        drop_card(snapshot)
        erasure.place(manifest)
        files.write_bytes(erasure.run.manifest, manifest.to_json())
        _tidy(snapshot, manifest)
    _measure(snapshot, manifest)
    reporting.redraw(snapshot, manifest)
    if not files.exists(files.join(snapshot, CARD)):
        write_card(snapshot, manifest)
    return erasure.erased()


def _tidy(snapshot: str, manifest: Manifest) -> None:
    """Delete parts that a manifest does not list, and what stands in its snapshot's staging."""
    listed = {file.path for kind in FOLDERS for file in getattr(manifest, kind)}
    for folder in FOLDERS:
        for info in files.list_folder(files.join(snapshot, folder)):
            if is_part(info) and f"{folder}/{name(info.path)}" not in listed:
                files.delete(info.path)
    files.delete_folder(files.join(snapshot, STAGING))


def _measure(snapshot: str, manifest: Manifest) -> None:
    """See to it that the figures beside a manifest are its own."""
    path = files.join(snapshot, METRICS)
    told = open_metrics(manifest).encode()
    if files.exists(path) and files.read_bytes(path) != told:
        files.write_bytes(path, told)


class _Erasure:
    """Write a snapshot's files without some documents, and count what is left out."""

    def __init__(self, snapshot: str, old: Manifest, hashes: frozenset[bytes]) -> None:
        self.run = new_run(snapshot)
        self._old = old
        self._hashes = hashes
        self._naming = Naming.of(old)
        self._output = _output(old, snapshot)
        self._gone = Deductions(self._output, self._naming)
        self._staged: dict[str, str] = {}
        self._documents: set[bytes] = set()
        self._problems: list[str] = []

    def manifest(self) -> Manifest:
        """Write what is to be written into the staging folder; return the manifest of all of it."""
        old, gone = self._old, self._gone
        data, index = self._rows()
        update: dict[str, Any] = {
            "data": data,
            "index": index,
            "failures": self._files("failures", old.failures, gone.count_failures),
            "changes": self._files("changes", old.changes, gone.count_changes),
        }
        update["counts"] = counts = gone.counts(old.counts)
        inputs = old.job.get("inputs") or []
        others = [one for one in inputs if not quotes.named(one, self._hashes)]
        if len(others) < len(inputs):
            update["job"] = {**old.job, "inputs": others}
        if old.refresh is not None and (gone.rows or gone.failed):
            held = {"rows": counts.rows, "failed": counts.failed}
            update["refresh"] = old.refresh.model_copy(update=held)
        return old.model_copy(update=update)

    def place(self, manifest: Manifest) -> None:
        """Move what a manifest lists of it into the snapshot, where the old one lists nothing."""
        for file in (file for kind in FOLDERS for file in getattr(manifest, kind)):
            if file.path in self._staged:
                files.move(self._staged[file.path], files.join(self.run.path, file.path))

    def erased(self) -> Erased:
        """Return what was left out."""
        gone = self._gone
        documents = frozenset(self._documents)
        return Erased(gone.rows, gone.failed, gone.changes, documents, tuple(self._problems))

    def _rows(self) -> tuple[Sequence[DataFile], Sequence[DataFile]]:
        """Write files of rows, each with its index; one without a row is left where it is alone."""
        old = self._old
        data, index = list(old.data), list(old.index)
        if index and len(index) != len(data):
            raise DatasetError(
                f"{self.run.manifest} names {len(data)} files of rows, but {len(index)} of their "
                "marks; put it back from a copy of the store"
            )
        for number, file in enumerate(old.data):
            found = self._find("data", file)
            if found is None or not found.rows.any():
                continue
            self._gone.split |= found.documents
            data[number] = self._write("data", file, number, found.rows, self._gone.count_rows)
            if index:
                marks = index[number]
                index[number] = self._write("index", marks, number, found.rows, _nothing)
        places = [n for n, file in enumerate(data) if file.rows or file == old.data[n]] or [0]
        return [data[n] for n in places if data], [index[n] for n in places if index]

    def _files(self, folder: str, listed: Sequence[DataFile], count: Count) -> Sequence[DataFile]:
        """Write a folder's files; one of which no row is left is left out."""
        kept = []
        for number, file in enumerate(listed):
            found = self._find(folder, file)
            if found is None or not found.rows.any():
                kept.append(file)
                continue
            new = self._write(folder, file, number, found.rows, count)
            kept += [new] if new.rows else []
        return kept

    def _find(self, folder: str, file: DataFile) -> Found | None:
        """Find the rows to leave out; None where a file cannot be read, which is a problem."""
        path = files.join(self.run.path, file.path)
        try:
            found = find(path, self._hashes, partial(owners, folder, self._naming))
        except DatasetError as error:
            self._problems.append(str(error))
            return None
        self._documents |= found.documents
        return found

    def _write(
        self, folder: str, file: DataFile, number: int, gone: NDArray[np.bool_], count: Count
    ) -> DataFile:
        """Write a file without some rows into the staging folder, under the name it will have."""
        staged = files.join(self.run.staging, f"{folder}-forgotten-{number:05d}.parquet")
        path = f"{folder}/part-{self.run.run_id}-forgotten-{number:05d}.parquet"
        output = self._output if folder in _WITH_VECTORS else None
        new = without(files.join(self.run.path, file.path), staged, gone, output, count)
        self._staged[path] = staged
        return new.model_copy(update={"path": path})


def _nothing(gone: pa.Table) -> None:
    """Count nothing: the rows of an index are counted as those of its data file."""


def _output(manifest: Manifest, snapshot: str) -> Output:
    """Return how a manifest's rows are laid out."""
    settings = manifest.job.get("output") or {}
    try:
        known = {key: settings[key] for key in _LAYOUT if key in settings}
        return Output.model_validate({"path": snapshot, **known})
    except ValidationError as error:
        wrong = ", ".join(sorted({str(one["loc"][0]) for one in error.errors()}))
        raise DatasetError(
            f"{snapshot}: its manifest names no layout of rows ({wrong}); put it back from a copy "
            "of the store"
        ) from error
