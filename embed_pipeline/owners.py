"""Whose the rows of a file are: the hashes of their documents' ids, as tombstones hold them."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed_pipeline import files
from embed_pipeline.errors import DatasetError
from embed_pipeline.manifest import Manifest
from embed_pipeline.schema import id_hash
from embed_pipeline.verify import BATCH_ROWS, UNREADABLE

DOCUMENT = "document_id"  # the attribute of a piece that names its document
Hashes = Sequence[bytes | None]


class Naming(NamedTuple):
    """Say how the rows of a dataset name their documents.

    Attributes:
        id: What the id column is called.
        split: Whether documents are split, so that a row is a piece of one.
    """

    id: str
    split: bool

    @classmethod
    def of(cls, manifest: Manifest) -> "Naming":
        """Return how the rows of a manifest's dataset do."""
        columns = (manifest.job.get("output") or {}).get("columns") or {}
        return cls(columns.get("id", "id"), manifest.counts.chunked_documents is not None)


class Owners(NamedTuple):
    """Say which columns tell whose a row is, and how.

    Attributes:
        columns: Their names.
        hashes: Returns for a batch of those columns one hash a row, None where the row names no
            document; or several such sequences, any of which may name one.
    """

    columns: list[str]
    hashes: Callable[[pa.RecordBatch], Iterable[Hashes]]


class Found(NamedTuple):
    """Hold which rows of a file are of given documents.

    Attributes:
        rows: Whether each row is; bool, shape (rows of the file,).
        documents: The hashes of those documents that have a row.
        unnamed: Rows that name no document.
    """

    rows: NDArray[np.bool_]
    documents: frozenset[bytes]
    unnamed: int


def owners(folder: str, naming: Naming, schema: pa.Schema) -> Owners:
    """Return how the files in a folder of a published dataset tell whose their rows are.

    Args:
        folder: "data", "index", "failures" or "changes".
        naming: How the dataset's rows name their documents.
        schema: The file's columns.
    """
    if folder == "index":
        return Owners(["mark"], lambda batch: [[one[:16] for one in batch["mark"].to_pylist()]])
    if folder == "failures":
        if naming.split:
            return Owners(["id", "attributes"], _of_failures)
        return Owners(["id"], partial(_of_column, column="id"))
    if not naming.split:
        return Owners([naming.id], partial(_of_column, column=naming.id))
    if DOCUMENT in schema.names:
        return Owners([naming.id, DOCUMENT], partial(_of_pieces, column=naming.id))
    return Owners([naming.id], partial(_of_names, column=naming.id))


def any_owner(schema: pa.Schema) -> Owners:
    """Return how a file of ours of which nothing is known may tell whose its rows are.

    Any string, whole or without the `#` and number of a piece, may be an id; any binary value of
    16 bytes the hash of one; any of 40 bytes a mark.
    """
    columns = [field.name for field in schema if _may_name(field.type)]
    return Owners(columns, _of_anything)


def find(path: str, hashes: frozenset[bytes], rule: Callable[[pa.Schema], Owners]) -> Found:
    """Find the rows of a file that are of given documents.

    Only the columns that tell it are read, BATCH_ROWS rows at once.

    Args:
        path: The file.
        hashes: Of the documents' ids.
        rule: What tells whose a row is, by the file's columns.

    Raises:
        DatasetError: The file cannot be read, or lacks a column.
    """
    rows: list[NDArray[np.bool_]] = []
    documents: set[bytes] = set()
    unnamed = 0
    try:
        with files.open_input(path) as stream:
            parquet = pq.ParquetFile(stream)
            columns, told = rule(parquet.schema_arrow)
            for group in range(parquet.num_row_groups):  # all of those named are read ahead
                for batch in parquet.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns):
                    lists = list(told(batch))
                    ours = np.zeros(batch.num_rows, bool)
                    for one in lists:
                        ours |= np.fromiter((item in hashes for item in one), bool, len(one))
                        documents.update(hashes.intersection(one))
                    unnamed += sum(not any(each) for each in zip(*lists, strict=True))
                    rows.append(ours)
    except (*UNREADABLE, KeyError) as error:
        raise DatasetError(
            f"{path} cannot be read, so nobody knows whose rows it holds: {error}"
        ) from error
    return Found(np.concatenate([np.empty(0, bool), *rows]), frozenset(documents), unnamed)


def _may_name(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return (
        pa.types.is_string(value)
        or pa.types.is_large_string(value)
        or (pa.types.is_fixed_size_binary(value) and value.byte_width in (16, 40))
    )


def _of_column(batch: pa.RecordBatch, column: str) -> list[Hashes]:
    return [[_hash(one) for one in batch[column].to_pylist()]]


def _of_names(batch: pa.RecordBatch, column: str) -> list[Hashes]:
    """Tell whose pieces are by their own ids."""
    return [[_hash(_whole(one)) for one in batch[column].to_pylist()]]


def _of_pieces(batch: pa.RecordBatch, column: str) -> list[Hashes]:
    """Tell whose pieces are; a change that deletes one has its own id alone."""
    pairs = zip(batch[column].to_pylist(), batch[DOCUMENT].to_pylist(), strict=True)
    return [[_hash(_whole(one) if document is None else document) for one, document in pairs]]


def _of_failures(batch: pa.RecordBatch) -> list[Hashes]:
    """Tell whose failures are where documents are split: of a piece, or of a document."""
    pairs = zip(batch["id"].to_pylist(), batch["attributes"].to_pylist(), strict=True)
    return [[_hash(_named(attributes) or identity) for identity, attributes in pairs]]


def _of_anything(batch: pa.RecordBatch) -> list[Hashes]:
    found: list[Hashes] = []
    for column in batch.columns:
        values = column.to_pylist()
        if pa.types.is_fixed_size_binary(column.type):
            found.append([one and one[:16] for one in values])
        else:
            found += [[_hash(one) for one in values], [_hash(_whole(one)) for one in values]]
    return found


def _hash(identity: str | None) -> bytes | None:
    return None if identity is None else id_hash(identity)


def _whole(identity: str | None) -> str | None:
    """Return the id of the document whose piece has an id."""
    if identity is None:
        return None
    document, _, number = identity.rpartition("#")
    return document if document and number.isdecimal() else identity


def _named(attributes: str | None) -> str | None:
    """Return the document that a failure's attributes name, None where it is no piece."""
    if attributes is None or DOCUMENT not in attributes:
        return None
    try:
        found: Any = orjson.loads(attributes).get(DOCUMENT)
    except (orjson.JSONDecodeError, AttributeError):
        return None
    return found if isinstance(found, str) else None
