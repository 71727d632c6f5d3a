"""Documents, vectors and failures as Rows with a schema, for pipelines that other steps are in."""

import math
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import PCollection
from apache_beam.typehints import typehints
from apache_beam.typehints.row_type import RowTypeConstraint
from numpy.typing import NDArray

from embed_pipeline.attributes import AttributeType
from embed_pipeline.documents import checked, failed_document
from embed_pipeline.errors import ConfigError, DocumentError, WrongType
from embed_pipeline.output import COLUMNS
from embed_pipeline.records import Document, Embedded, Failed

UNIT = 1e-3  # by how much a vector's length may differ from 1
_UNTOUCHED = "steps between EmbedText and WriteDataset must leave text and vector as they are"
_TEXT, _NUMBER = typehints.Optional[str], typehints.Optional[int]  # PEP 604 means Any to Beam
MADE = {
    "vector": Sequence[np.float32],
    "model": str,
    "token_count": int,
    "token_count_source": str,
    "truncated": typehints.Optional[bool],
}
PYTHON_TYPES: Mapping[AttributeType, Any] = {
    "int64": _NUMBER,
    "double": typehints.Optional[float],
    "bool": typehints.Optional[bool],
    "string": _TEXT,
}
ELEMENT = RowTypeConstraint.from_fields([("id", _TEXT), ("text", _TEXT), ("attributes", _TEXT)])
FAILURE = RowTypeConstraint.from_fields(
    [
        ("element", ELEMENT),
        ("msg", str),
        ("stack", str),
        ("stage", str),
        ("kind", str),
        ("blame", str),
        ("source", str),
        ("line", _NUMBER),
        ("http_status", _NUMBER),
        ("attempts", int),
        ("endpoint", str),
    ]
)


def fields(elements: PCollection, step: str) -> dict[str, Any]:
    """Return names and types of a PCollection's columns.

    Raises:
        ConfigError: Its elements have no schema.
    """
    kind = elements.element_type
    row = kind if isinstance(kind, RowTypeConstraint) else RowTypeConstraint.from_user_type(kind)
    if row is None:
        raise ConfigError(
            f"{step} takes Rows, whose columns are known, not {kind}: name them before, with "
            "MapToFields"
        )
    return dict(row._fields)


def document_type(attributes: Mapping[str, Any]) -> RowTypeConstraint:
    """Return the type of documents with attributes of such types."""
    return RowTypeConstraint.from_fields([("id", str), ("text", str), *attributes.items()])


def embedded_type(attributes: Mapping[str, Any]) -> RowTypeConstraint:
    """Return the type of embedded documents with attributes of such types."""
    columns = {"id": str, "text": str, **attributes, **MADE}
    return RowTypeConstraint.from_fields(list(columns.items()))


def attribute_type(name: str, kind: Any) -> AttributeType:
    """Return what a column becomes in a dataset; what is no number, bool or string is JSON.

    Raises:
        ConfigError: It holds bytes.
    """
    kinds = [kind]
    if get_origin(kind) in (Union, UnionType):
        kinds = [one for one in get_args(kind) if one is not NoneType]
    elif isinstance(kind, typehints.UnionConstraint):
        kinds = [one for one in kind.union_types if one is not NoneType]
    if bytes in kinds:
        raise ConfigError(
            f"the column {name!r} holds bytes, which an attribute cannot; leave it out "
            f'(attributes: ["-{name}"])'
        )
    one = kinds[0] if len(kinds) == 1 and isinstance(kinds[0], type) else object
    if issubclass(one, bool | np.bool_):
        return "bool"
    if issubclass(one, int | np.integer):
        return "int64"
    return "double" if issubclass(one, float | np.floating) else "string"


def nullable(kind: Any) -> Any:
    """Return a column's type as `plain` leaves it: a number that is NaN becomes null."""
    if isinstance(kind, type) and issubclass(kind, float | np.floating):
        return typehints.Optional[kind]
    return kind


def plain(value: Any) -> Any:
    """Return a column's value as Python has it: what data frames give for nothing is None."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if type(value) is float and math.isnan(value) else value


def document_row(document: Document) -> beam.Row:
    """Return a document as a Row."""
    return beam.Row(id=document.id, text=document.text, **document.attributes)


def embedded_row(record: Embedded) -> beam.Row:
    """Return an embedded document as a Row; the vector stays the array it is."""
    return beam.Row(
        id=record.id,
        text=record.text,
        **record.attributes,
        vector=record.vector,
        model=record.model,
        token_count=record.token_count,
        token_count_source=record.token_count_source,
        truncated=record.truncated,
    )


def embedded(row: Any, dimension: int) -> Embedded | Failed:
    """Return the record of a Row that `embedded_row` made, or its failure.

    Steps between may have made another Row of it: what a dataset's row needs is looked at again.

    Args:
        row: The Row.
        dimension: How many values a vector has.
    """
    values = row._asdict()
    made = {name: values.pop(name) for name in COLUMNS}
    attributes = {name: plain(value) for name, value in values.items()}
    try:
        made["id"], made["text"] = checked(made)
        made["vector"] = _vector(made["vector"], dimension)
    except DocumentError as error:
        document = Document(_shown(made["id"]), _shown(made["text"]), attributes)
        return failed_document(document, error, stage="write")
    return Embedded(**made, attributes=attributes, source="", line=None, mark=b"")


def _vector(values: Any, dimension: int) -> NDArray[np.float32]:
    """Return a vector (float32, shape (dimension,), unit length), or raise WrongType."""
    try:
        vector: NDArray[np.float32] = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise WrongType(f"the column 'vector' holds no numbers; {_UNTOUCHED}") from error
    if vector.shape != (dimension,):
        shape = f"{len(vector)} numbers" if vector.ndim == 1 else f"shape {vector.shape}"
        raise WrongType(f"the column 'vector' holds {shape}, not {dimension}; {_UNTOUCHED}")
    length = math.sqrt(np.dot(vector, vector))
    if not abs(length - 1) <= UNIT:  # not so, either, where a value is not finite
        raise WrongType(f"the column 'vector' is of length {length:.4g}, not 1; {_UNTOUCHED}")
    return vector


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def failure_row(failed: Failed) -> beam.Row:
    """Return a failure as a Row: Beam's element, msg and stack, and what else is known."""
    where = f", {failed.source}:{failed.line}" if failed.source else ""
    return beam.Row(
        element=beam.Row(id=failed.id, text=failed.text, attributes=failed.attributes),
        msg=failed.message,
        stack=f"{failed.kind} ({failed.stage}{where})",
        stage=failed.stage,
        kind=failed.kind,
        blame=failed.blame,
        source=failed.source,
        line=failed.line,
        http_status=failed.http_status,
        attempts=failed.attempts,
        endpoint=failed.endpoint,
    )


def failed(row: Any) -> Failed:
    """Return the failure of a Row that `failure_row` made."""
    values = row._asdict()
    element, message, _ = (values.pop(name) for name in ("element", "msg", "stack"))
    return Failed(
        id=element.id,
        text=element.text,
        attributes=element.attributes,
        message=message,
        **values,
    )
