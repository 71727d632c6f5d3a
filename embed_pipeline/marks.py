"""Marks: what a store knows documents by, 40 bytes each.

A mark is three hashes: of the id (16 bytes), of the text (16) and of the attributes (8). The text's
is only half of what a vector is known by: the other half, what made it, is the same for all rows of
a snapshot and stands once, in the manifest and the footers, where a difference can be named.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from embed_pipeline.attributes import AttributeTypes, conform
from embed_pipeline.records import Document
from embed_pipeline.schema import MARK_BYTES, id_hash

_TEXT = slice(16, 32)


def text_mark(text: str) -> bytes:
    """Return 16 bytes that stand for a text: the first half of its sha256 in UTF-8."""
    return hashlib.sha256(text.encode()).digest()[:16]


def attributes_mark(attributes: Mapping[str, Any]) -> bytes:
    """Return 8 bytes that stand for attributes; one that is null stands for none."""
    values = {name: value for name, value in attributes.items() if value is not None}
    if not values:
        return bytes(8)
    told = orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
    if b"null" in told:  # NaN and the infinities, which JSON does not tell apart
        told = repr(sorted(values.items())).encode("utf-8", "backslashreplace")
    return hashlib.blake2b(told, digest_size=8).digest()


def mark_of(document: Document, types: AttributeTypes) -> bytes:
    """Return a document's mark.

    Raises:
        BadAttribute: An attribute does not fit, so that there can be no row.
        UnicodeEncodeError: Id or text hold a lone surrogate, so that there can be none, either.
    """
    attributes = conform(document.attributes, types)
    return id_hash(document.id) + text_mark(document.text) + attributes_mark(attributes)


def text_of(mark: bytes) -> bytes:
    """Return the part of a mark that stands for the text."""
    return mark[_TEXT]


def words(marks: bytes) -> NDArray[np.uint64]:
    """Return marks, one behind the other, as shape (marks, 5): id 2, text 2, attributes 1."""
    return np.frombuffer(marks, "<u8").reshape(-1, 5)


def column(found: NDArray[np.uint64]) -> pa.Array:
    """Return marks of shape (n, 5) as a column of fixed-size binary values."""
    content = pa.py_buffer(np.ascontiguousarray(found, "<u8"))
    return pa.Array.from_buffers(pa.binary(MARK_BYTES), len(found), [None, content])


def from_column(found: pa.ChunkedArray) -> NDArray[np.uint64]:
    """Return a column of marks as `words` does."""
    chunks = [_chunk(chunk) for chunk in found.chunks]
    return np.concatenate([np.empty((0, 5), np.uint64), *chunks])


def _chunk(chunk: pa.Array) -> NDArray[np.uint64]:
    start, size = MARK_BYTES * chunk.offset, MARK_BYTES * len(chunk)
    return words(chunk.buffers()[1][start : start + size].to_pybytes())
