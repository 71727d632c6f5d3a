"""Marks of the rows of a dataset made without them, as far as its rows tell their documents."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed_pipeline import files, marks
from embed_pipeline.attributes import AttributeType, AttributeTypes
from embed_pipeline.errors import DatasetError, RefusedError
from embed_pipeline.footers import find_layout, wrong_columns, wrong_origin
from embed_pipeline.manifest import Manifest
from embed_pipeline.output import Output
from embed_pipeline.schema import ARROW_TYPES, UNDECLARED, id_hash
from embed_pipeline.staging import MANIFEST
from embed_pipeline.verify import RESTORE, UNREADABLE

BATCH_ROWS = 1_000  # that are Python objects at once
SHA256_BYTES = 32
_TYPES: dict[str, AttributeType] = {str(kind): one for one, kind in ARROW_TYPES.items()}  # type: ignore[misc]


class Told(NamedTuple):
    """Say where a dataset's rows tell the documents they were made of."""

    output: Output
    attributes: AttributeTypes

    @property
    def columns(self) -> list[str]:
        """Return the columns a mark is made of: id, text, attributes."""
        return [self.output.column("id"), self.output.column("text"), *self.attributes]


def told_by(path: str, manifest: Manifest) -> Told:
    """Return where the rows of a dataset tell id, text and attributes of their documents.

    Raises:
        RefusedError: They do not: texts were dropped, documents split, or attributes not declared.
        DatasetError: The manifest contradicts itself.
    """
    split = manifest.counts.chunked_documents is not None
    layout = find_layout(manifest)
    if layout is None:
        raise DatasetError(
            f"{files.join(path, MANIFEST)}: the columns it names are not those of a dataset of its "
            f"job and dimension; {RESTORE}"
        )
    types = {
        column: _TYPES[kind]
        for column, kind in manifest.columns.items()
        if column not in layout.output.taken and kind in _TYPES
    }
    why = ""
    if split:
        why = "its documents were split, and pieces do not tell whole texts (tokens.on_too_long)"
    elif layout.output.text == "drop":
        why = "its rows do not tell their texts (output.text is drop)"
    elif list(types) == [UNDECLARED] and "corpus" not in manifest.job:
        why = f"its attributes were not declared, but stand in one column ({UNDECLARED})"
    if why:
        raise RefusedError(
            f"{path} cannot become a store: {why}; `embed-pipeline refresh` into an empty folder "
            "embeds anew"
        )
    return Told(layout.output, types)


def rows_marks(
    path: str, manifest: Manifest, told: Told
) -> Iterator[tuple[pa.Array, NDArray[np.uint64]]]:
    """Yield the ids of a data file's rows, and their marks, shape (rows, 5), batch by batch.

    One row group of the columns it takes is in memory, and BATCH_ROWS rows as Python objects.

    Raises:
        DatasetError: The file is damaged, or not what the manifest says.
    """
    try:
        with files.open_input(path) as stream:
            parquet = pq.ParquetFile(stream)
            wrong = wrong_columns(parquet, manifest.columns)
            wrong = wrong or wrong_origin(parquet, manifest.provenance)
            if wrong:
                raise DatasetError(f"{path} is not what the manifest says: {wrong}; {RESTORE}")
            for group in range(parquet.num_row_groups):
                found = parquet.iter_batches(BATCH_ROWS, row_groups=[group], columns=told.columns)
                for batch in found:
                    batch.validate(full=True)
                    yield batch[told.columns[0]], _marks(batch, told)
    except (*UNREADABLE, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {error}; {RESTORE}") from error


def _marks(batch: pa.RecordBatch, told: Told) -> NDArray[np.uint64]:
    ids, texts, *attributes = (batch[name].to_pylist() for name in told.columns)
    text_mark = _of_sha256 if told.output.text == "hash" else marks.text_mark
    names = list(told.attributes)
    values: Iterator[Sequence[object]] = zip(*attributes, strict=True)
    rows = values if names else iter([()] * len(ids))
    return marks.words(
        b"".join(
            id_hash(identity)
            + text_mark(text)
            + marks.attributes_mark(dict(zip(names, row, strict=True)))
            for identity, text, row in zip(ids, texts, rows, strict=True)
        )
    )


def _of_sha256(text: str) -> bytes:
    """Return the mark of a text by its sha256 in hexadecimal digits."""
    found = bytes.fromhex(text)
    if len(found) != SHA256_BYTES:
        raise ValueError(f"{text!r} is no sha256")
    return found[:16]
