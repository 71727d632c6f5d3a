"""Rows of Parquet files, and the attributes their schemas promise."""

from collections.abc import Callable, Iterator
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embed_pipeline import files
from embed_pipeline.attributes import AttributeType
from embed_pipeline.formats import Row, readable
from embed_pipeline.locations import split_options

BATCH_ROWS = 1024
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def hive_values(path: str) -> dict[str, str | None]:
    """Return the columns a path's `key=value` folders stand for, percent-decoded."""
    folders = split_options(path)[0].split("/")[:-1]
    pairs = (folder.partition("=") for folder in folders if "=" in folder)
    return {
        unquote(name): None if value == _HIVE_NULL else unquote(value)
        for name, _, value in pairs
        if name
    }


def read_footer(path: str) -> tuple[pa.Schema, list[int]]:
    """Return a file's schema and the number of rows in each of its row groups.

    Raises:
        DatasetError: The file cannot be read.
    """
    with readable(path), files.open_input(path) as stream:
        file = pq.ParquetFile(stream)
        metadata = file.metadata
        rows = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
        return file.schema_arrow, rows


def parquet_rows(
    path: str, reads: Callable[[str], bool], first: int = 0, last: int | None = None
) -> Iterator[Row]:
    """Yield the rows of a range of row groups, with the columns its folders stand for.

    Dates, times and decimals are strings, in ISO form; a column of the file goes before one of
    its folders. A row's line is its number in the file.

    Args:
        path: The file.
        reads: Says of a column's name whether it is needed; others are not read.
        first: The first row group.
        last: The row group behind the last one, or None for the end of the file.

    Raises:
        DatasetError: The file cannot be read.
    """
    constant = {name: value for name, value in hive_values(path).items() if reads(name)}
    with readable(path), files.open_input(path) as stream:
        file = pq.ParquetFile(stream)
        metadata = file.metadata
        groups = range(first, metadata.num_row_groups if last is None else last)
        number = 1 + sum(metadata.row_group(index).num_rows for index in range(first))
        wanted = [name for name in file.schema_arrow.names if reads(name)]
        if not wanted:  # iter_batches without columns loses the number of rows
            total = sum(metadata.row_group(index).num_rows for index in groups)
            yield from ((number + index, dict(constant)) for index in range(total))
            return
        for batch in file.iter_batches(BATCH_ROWS, row_groups=list(groups), columns=wanted):
            names = batch.schema.names
            columns = [_plain(column).to_pylist() for column in batch.columns]
            for values in zip(*columns, strict=True):
                yield number, {**constant, **dict(zip(names, values, strict=True))}
                number += 1


def _storage(kind: pa.DataType) -> pa.DataType:
    """Return the type behind extension and dictionary types."""
    while isinstance(kind, pa.BaseExtensionType | pa.DictionaryType):
        kind = kind.value_type if isinstance(kind, pa.DictionaryType) else kind.storage_type
    return kind


def is_string(kind: pa.DataType) -> bool:
    """Say whether a column of an Arrow type holds strings, dictionary-encoded or not."""
    types, kind = pa.types, _storage(kind)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_iso(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_temporal(kind) or types.is_decimal(kind)) and not (
        types.is_duration(kind) or types.is_interval(kind)
    )


def attribute_type(kind: pa.DataType) -> AttributeType | None:
    """Return the type an attribute of an Arrow type gets, or None where it cannot be one.

    Integers are int64 (an uint64 may hold values that do not fit), floats double, strings, dates,
    times, decimals and nested values string. Bytes and durations cannot be attributes.
    """
    kind = _storage(kind)
    if pa.types.is_integer(kind):
        return "int64"
    if pa.types.is_floating(kind):
        return "double"
    if pa.types.is_boolean(kind):
        return "bool"
    if is_string(kind) or _is_iso(kind) or pa.types.is_nested(kind) or pa.types.is_null(kind):
        return "string"
    return None


def _plain(column: pa.Array) -> pa.Array:
    """Return a column with its dates, times and decimals as strings."""
    while isinstance(column, pa.ExtensionArray):
        column = column.storage
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if not _is_iso(column.type):
        return column
    strings = pc.cast(column, pa.string())
    if pa.types.is_timestamp(column.type):
        return pc.replace_substring(strings, " ", "T", max_replacements=1)
    return strings
