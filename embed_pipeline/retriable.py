"""Failed documents that may be embedded yet: read back from a dataset's failures."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embed_pipeline import errors, files
from embed_pipeline.attributes import AttributeTypes, from_strings
from embed_pipeline.manifest import DataFile
from embed_pipeline.records import NO_ATTRIBUTES, Document, Failed
from embed_pipeline.verify import RESTORE, UNREADABLE

BATCH_ROWS = 1_000  # failures that are Python objects at once
SHOWN = 5


def _leaves(kind: type[Exception]) -> set[str]:
    """Return the names of the errors below one in the tree."""
    return {kind.__name__}.union(*(_leaves(below) for below in kind.__subclasses__()))


# Found without asking an endpoint: no endpoint can change them. A text with a bad character is,
# besides, not stored as it was.
_LASTING = _leaves(errors.DocumentError)


def is_retriable(failure: Failed) -> bool:
    """Tell whether asking an endpoint again may give a failed document its vector."""
    named = failure.id is not None and failure.text is not None
    return named and failure.stage != "read" and failure.kind not in _LASTING


@contextmanager
def _naming_damage(path: str) -> Iterator[None]:
    """Turn what is wrong with a file of a dataset into a DatasetError that names it."""
    try:
        yield
    except UNREADABLE as error:
        raise errors.DatasetError(f"{path} cannot be read: {error}; {RESTORE}") from error


def read_failures(path: str) -> Iterator[Failed]:
    """Yield the failures of a file; BATCH_ROWS of them are in memory.

    Raises:
        DatasetError: The file cannot be read.
    """
    with _naming_damage(path), files.open_input(path) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(BATCH_ROWS, columns=Failed._fields):
            for row in batch.to_pylist():
                yield Failed(**row)


def restored(failure: Failed, types: AttributeTypes | None) -> Document:
    """Return the document of a retriable failure, its attributes in the types of the dataset.

    A string stands for a number or a boolean where the dataset's column is of that type; what
    does not fit is left for the writer to refuse.

    Raises:
        DatasetError: The failure's attributes are not a JSON object.
    """
    attributes: Mapping[str, Any] = NO_ATTRIBUTES
    if failure.attributes is not None:
        try:
            attributes = found = dict(orjson.loads(failure.attributes))
        except (orjson.JSONDecodeError, TypeError, ValueError) as error:
            raise errors.DatasetError(
                f"failures/: the attributes of {failure.id!r} are no JSON object; {RESTORE}"
            ) from error
        from_strings(found, types or {})
    return Document(failure.id or "", failure.text or "", attributes, failure.source, failure.line)


def retriable_ids(dataset: str, failed: Iterable[DataFile]) -> pa.StringArray:
    """Return the ids of the failed documents that may be embedded yet, in order."""
    ids = [
        failure.id
        for file in failed
        for failure in read_failures(files.join(dataset, file.path))
        if is_retriable(failure)
    ]
    return pa.array(ids, pa.string())


def refuse_known(dataset: str, data: Sequence[DataFile], column: str, ids: pa.StringArray) -> None:
    """Refuse ids that would stand twice among the rows.

    Args:
        dataset: The dataset's folder.
        data: Its files of rows.
        column: What the id column is called there.
        ids: Those of documents that are to become rows.

    Raises:
        RefusedError: An id is a row already, or stands twice among `ids`.
        DatasetError: A file cannot be read.
    """
    counted = pc.value_counts(ids)
    twice = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
    found = set(twice.to_pylist())
    for file in data:
        path = files.join(dataset, file.path)
        with _naming_damage(path), files.open_input(path) as stream:
            for batch in pq.ParquetFile(stream).iter_batches(columns=[column]):
                rows = batch.column(0)
                found.update(rows.filter(pc.is_in(rows, ids)).to_pylist())
    if found:
        shown = ", ".join(repr(one) for one in sorted(found)[:SHOWN])
        raise errors.RefusedError(
            f"{len(found)} of the failed documents' ids would stand twice in {dataset}: {shown}"
            f"{', ...' if len(found) > SHOWN else ''}; an id stands for one row, so nothing is "
            "tried again: make the ids unique, and the dataset again"
        )
