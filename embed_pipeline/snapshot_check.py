"""What a snapshot has beside a dataset, held against it: the index of its rows, and its changes."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embed_pipeline import files, marks
from embed_pipeline.changes import DELETE, INSERT, RELABEL, UPDATE
from embed_pipeline.chunking import CHUNK_TYPES
from embed_pipeline.errors import DatasetError
from embed_pipeline.manifest import DataFile, Manifest
from embed_pipeline.schema import INDEX, id_hash

FOLDERS = ("index", "changes")
BATCH_ROWS = 8192


def unpaired(manifest: Manifest) -> str | None:
    """Tell where a snapshot has not a file of marks for each file of rows."""
    of_store = manifest.refresh is not None or manifest.index
    if not of_store or len(manifest.index) == len(manifest.data):
        return None
    return f"it lists {len(manifest.data):,} files of rows, but {len(manifest.index):,} of marks"


def contents(
    dataset: str, manifest: Manifest, id_column: str
) -> list[tuple[DataFile, Callable[[pq.ParquetFile], Iterator[str]]]]:
    """Return the files a snapshot has beside a dataset's, each with what checks its content.

    Args:
        dataset: The dataset's folder.
        manifest: Its manifest.
        id_column: What the id column is called there.
    """
    index = [
        (file, partial(_index_faults, dataset, manifest, rows, id_column))
        for file, rows in zip(manifest.index, manifest.data, strict=False)
    ]
    changes = [(file, partial(_changes_faults, manifest)) for file in manifest.changes]
    return [*index, *changes]


def _index_faults(
    dataset: str, manifest: Manifest, rows: DataFile, id_column: str, parquet: pq.ParquetFile
) -> Iterator[str]:
    """Yield what is wrong with a file of marks: each is to begin with the hash of its row's id.

    Where documents are split, that is the id of the row's document. 40 bytes a row are in memory.

    Raises:
        DatasetError: It is no file of marks, or has not as many rows as the other.
        OSError, pa.ArrowException: It cannot be read.
    """
    if parquet.schema_arrow.remove_metadata() != INDEX:
        raise DatasetError("its columns are not those of an index")
    if parquet.metadata.num_rows != rows.rows:
        raise DatasetError(
            f"it has {parquet.metadata.num_rows:,} rows, and {rows.path} has {rows.rows:,}"
        )
    found = np.ascontiguousarray(marks.from_column(parquet.read()["mark"])[:, :2])
    known = found.astype("<u8").tobytes()
    split = CHUNK_TYPES.keys() <= manifest.columns.keys()
    column = "document_id" if split and manifest.counts.chunked_documents is not None else id_column
    at = 0
    for ids in _strings(files.join(dataset, rows.path), column):
        for number, identity in enumerate(ids.to_pylist(), at):
            if identity is None or known[16 * number : 16 * number + 16] != id_hash(identity):
                yield f"row {number + 1:,} is not the mark of that row of {rows.path}"
                return
        at += len(ids)


def _changes_faults(manifest: Manifest, parquet: pq.ParquetFile) -> Iterator[str]:
    """Yield what is wrong with a file of changes.

    Raises:
        DatasetError: It is no file of changes.
        OSError, pa.ArrowException: It cannot be read.
    """
    if parquet.schema_arrow.names != ["op", *manifest.columns]:
        raise DatasetError("its columns are not those of changes")
    known = pa.array([INSERT, UPDATE, RELABEL, DELETE])
    for batch in parquet.iter_batches(BATCH_ROWS, columns=["op"]):
        strange = pc.invert(pc.is_in(batch["op"], known))
        if pc.any(strange).as_py():
            yield f"it has the op {batch['op'].filter(strange)[0].as_py()!r}, which is none"
            return


def _strings(path: str, column: str) -> Iterator[pa.StringArray]:
    """Yield a column of a file of rows, as far as it can be read; its own check tells the rest."""
    damaged = suppress(OSError, pa.ArrowException, UnicodeDecodeError, KeyError)
    with damaged, files.open_input(path) as stream:
        parquet = pq.ParquetFile(stream)
        for group in range(parquet.num_row_groups):
            for batch in parquet.iter_batches(BATCH_ROWS, row_groups=[group], columns=[column]):
                yield batch[column]
