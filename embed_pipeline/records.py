"""The records that flow through a job: a document, a document with its vector, a failure.

They are named tuples: immutable, picklable, and cheap to make a million times.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Blame = Literal["document", "server"]
TokenCountSource = Literal["server", "verified", "estimated"]

NO_ATTRIBUTES: Mapping[str, Any] = {}


class Document(NamedTuple):
    """Hold one text to embed.

    Attributes:
        id: The same in every run over the same input; unique within a dataset.
        text: What is embedded.
        attributes: Further fields, passed through to the output with their types.
        source: The file it was read from, or "".
        line: Its one-based line (row, for Parquet) in that file, or None.
        mark: What a store knows it by (see marks.py), or nothing; the pieces of a document have
            the document's.
    """

    id: str
    text: str
    attributes: Mapping[str, Any] = NO_ATTRIBUTES
    source: str = ""
    line: int | None = None
    mark: bytes = b""


class Embedded(NamedTuple):
    """Hold a document with its vector.

    Attributes:
        id, text, attributes, source, line, mark: The document's own.
        vector: float32, shape (dimension,), unit length.
        model: The model's name as it was asked for.
        token_count: Tokens the text cost, special tokens and prefix included.
        token_count_source: "server" where the endpoint counted this text alone; "verified" where it
            was counted here and the endpoint's count of the request agrees; "estimated" else.
        truncated: Whether only the text's head was embedded; None where that is not known.
    """

    id: str
    text: str
    attributes: Mapping[str, Any]
    source: str
    line: int | None
    mark: bytes
    vector: NDArray[np.float32]
    model: str
    token_count: int
    token_count_source: TokenCountSource
    truncated: bool | None


class Failed(NamedTuple):
    """Hold one document that has no vector, and why.

    Attributes:
        id: The document's, or None where it could not be read.
        text: The document's, or None where it could not be read.
        attributes: The document's as a JSON object, or None.
        source: The file it was read from, or "".
        line: Its one-based line in that file, or None.
        stage: The step that refused it: "read", "chunk", "embed" or "write".
        kind: The name of the error class, a leaf of the tree in errors.py.
        blame: Whose fault it is, as far as can be told.
        message: What happened, and what to do.
        http_status: The endpoint's last status, or None.
        attempts: Requests that carried this text and failed.
        endpoint: The endpoint's address without secrets, or "".
    """

    id: str | None
    text: str | None
    attributes: str | None
    source: str
    line: int | None
    stage: Literal["read", "chunk", "embed", "write"]
    kind: str
    blame: Blame
    message: str
    http_status: int | None = None
    attempts: int = 0
    endpoint: str = ""
