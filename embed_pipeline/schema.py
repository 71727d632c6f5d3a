"""The dataset's rows in Arrow: one schema, and record batches of it."""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from embed_pipeline.attributes import AttributeTypes, row_json
from embed_pipeline.output import Output
from embed_pipeline.records import Embedded, Failed

ARROW_TYPES = {
    "int64": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "string": pa.string(),
}
OP = "op"  # the column that says what has happened to a row, in changes
UNDECLARED = "attributes"  # the column of attributes nobody declared, as a JSON object

FAILURES = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("text", pa.string()),
        pa.field("attributes", pa.string()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("line", pa.int64()),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("blame", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("http_status", pa.int32()),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("endpoint", pa.string(), nullable=False),
    ]
)
ORIGINS = pa.schema(
    [
        pa.field("hash", pa.binary(16), nullable=False),
        pa.field("source", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("line", pa.int64()),
    ]
)

MARK_BYTES = 40
INDEX = pa.schema([pa.field("mark", pa.binary(MARK_BYTES), nullable=False)])
MARKED_ORIGINS = pa.unify_schemas([ORIGINS, INDEX])


class Layout(NamedTuple):
    """Say what a dataset's rows look like.

    Attributes:
        output: Names and types of our own columns.
        dimension: Values in a vector.
        attributes: The attributes' types; None where they were not declared, so that they go
            into one column of JSON objects.
    """

    output: Output
    dimension: int
    attributes: AttributeTypes | None

    def schema(self) -> pa.Schema:
        """Return the Arrow schema; no metadata."""
        name = self.output.column
        fields = [
            pa.field(name("id"), pa.string(), nullable=False),
            pa.field(name("text"), pa.string(), nullable=False),
            pa.field(name("vector"), self._vector_type(), nullable=False),
            pa.field(name("model"), pa.string(), nullable=False),
            pa.field(name("token_count"), pa.int32(), nullable=False),
            pa.field(name("token_count_source"), pa.string(), nullable=False),
            pa.field(name("truncated"), pa.bool_()),
        ]
        if self.output.text == "drop":
            del fields[1]
        if self.attributes is None:
            fields.append(pa.field(UNDECLARED, pa.string()))
        else:
            fields += [pa.field(key, ARROW_TYPES[kind]) for key, kind in self.attributes.items()]
        return pa.schema(fields)

    def changes(self) -> pa.Schema:
        """Return the schema of changes: what happened, and the row, whose vector may be missing.

        The vector is a list of no fixed size, since lists of a fixed one that are null cannot be
        read back by current pyarrow.
        """
        identity, vector = self.output.column("id"), self.output.column("vector")
        values = pa.field("element", self._vector_type().value_type, nullable=False)
        fields = [pa.field(OP, pa.string(), nullable=False)]
        for field in self.schema():
            kind = pa.list_(values) if field.name == vector else field.type
            fields.append(pa.field(field.name, kind, nullable=field.name != identity))
        return pa.schema(fields)

    def _vector_type(self) -> pa.DataType:
        value = pa.float16() if self.output.vector_type == "float16" else pa.float32()
        item = pa.field("element", value, nullable=False)
        if self.output.vector_type == "list<float>":
            return pa.list_(item)
        return pa.list_(item, self.dimension)

    def batch(self, rows: Sequence[Embedded]) -> pa.RecordBatch:
        """Return rows as one record batch of `schema()`.

        Raises:
            pa.ArrowException, TypeError, OverflowError: An attribute does not fit its type.
            BadAttribute: One that nobody declared has no JSON.
        """
        schema = self.schema()
        ids, texts, attributes, _, _, _, vectors, models, counts, sources, truncated = zip(
            *rows, strict=True
        )
        columns: list[Any] = [ids, vectors, models, counts, sources, truncated]
        if self.output.text != "drop":
            columns.insert(1, [_hashed(t) for t in texts] if self.output.text == "hash" else texts)
        if self.attributes is None:
            columns.append([row_json(values) for values in attributes])
        else:
            columns += [[values.get(key) for values in attributes] for key in self.attributes]
        arrays = [
            self._vectors(column) if column is vectors else pa.array(column, type=field.type)
            for column, field in zip(columns, schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _vectors(self, vectors: Sequence[Any]) -> pa.Array:
        """Return vectors (float32, shape (dimension,) each) as a list array, without a copy."""
        kind = self._vector_type()
        flat = np.concatenate(vectors)
        if self.output.vector_type == "float16":
            flat = flat.astype(np.float16)
        if self.output.vector_type == "list<float>":
            ends = np.arange(0, flat.size + 1, self.dimension, dtype=np.int32)
            return pa.ListArray.from_arrays(pa.array(ends), pa.array(flat), type=kind)
        return pa.FixedSizeListArray.from_arrays(pa.array(flat), type=kind)


def origins(rows: Sequence[Embedded]) -> pa.RecordBatch:
    """Return each row's id, hashed to 16 bytes, where it was read from, and its mark if it has one.

    The schema is ORIGINS, or MARKED_ORIGINS where the first row has a mark, as then all have.
    """
    columns = [
        pa.array([id_hash(row.id) for row in rows], type=pa.binary(16)),
        pa.array([row.source for row in rows]).dictionary_encode(),
        pa.array([row.line for row in rows], type=pa.int64()),
    ]
    if not rows[0].mark:
        return pa.RecordBatch.from_arrays(columns, schema=ORIGINS)
    marks = pa.array([row.mark for row in rows], type=pa.binary(MARK_BYTES))
    return pa.RecordBatch.from_arrays([*columns, marks], schema=MARKED_ORIGINS)


def fitted(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """Return a table of an older schema in a newer one.

    Columns that are new are null, those that are gone are left out, integers become floats where
    they must.
    """
    found = table.replace_schema_metadata(None)
    if found.schema == wanted:
        return found
    names = set(found.column_names)
    columns = [
        found[field.name].cast(field.type)
        if field.name in names
        else pa.nulls(found.num_rows, field.type)
        for field in wanted
    ]
    return pa.Table.from_arrays(columns, schema=wanted)


def id_hash(identity: str) -> bytes:
    """Return 16 bytes that stand for an id (blake2b of its UTF-8)."""
    return hashlib.blake2b(identity.encode(), digest_size=16).digest()


def failures_batch(failures: Sequence[Failed]) -> pa.RecordBatch:
    """Return failures as one record batch of the schema FAILURES."""
    columns = zip(*failures, strict=True)
    arrays = [
        pa.array(column, type=field.type) for column, field in zip(columns, FAILURES, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=FAILURES)


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
