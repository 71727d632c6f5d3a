"""Files of rows with their marks, as the snapshots of a store and stopped runs have them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from embed_pipeline import marks
from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.chunking import CHUNK_TYPES
from embed_pipeline.failure_parts import FailureWriter
from embed_pipeline.known import Source
from embed_pipeline.output import Output
from embed_pipeline.parts import PartFile, RowWriter
from embed_pipeline.records import Document, Embedded, Failed
from embed_pipeline.schema import Layout
from embed_pipeline.staging import Run
from tests.support.rows import RUN_ID, made_by, row
from tests.support.scripted import DIMENSION

N: AttributeTypes = {"n": "int64"}
SPLIT: AttributeTypes = {**N, **CHUNK_TYPES}  # of rows that are pieces


def layout(path: Path, types: AttributeTypes | None = None, **output: object) -> Layout:
    """Return the layout of rows below a folder, by default of one attribute n."""
    settings = Output.model_validate({"path": str(path), **output})
    return Layout(settings, DIMENSION, N if types is None else types)


def document(
    identity: str,
    text: str,
    attributes: Mapping[str, Any] | None = None,
    types: AttributeTypes | None = None,
) -> Document:
    """Return a document with its mark."""
    made = Document(identity, text, {"n": 1} if attributes is None else attributes)
    return made._replace(mark=marks.mark_of(made, N if types is None else types))


def embedded(
    identity: str,
    text: str,
    attributes: Mapping[str, Any] | None = None,
    types: AttributeTypes | None = None,
) -> Embedded:
    """Return the row of a document with its mark."""
    made = document(identity, text, attributes, types)
    return row(identity, text, attributes=dict(made.attributes), mark=made.mark)


def piece(identity: str, text: str, index: int, span: tuple[int, int] | None = None) -> Embedded:
    """Return the row of a piece of a document, with the document's mark.

    Args:
        identity: The document's.
        text: The whole document's.
        index: The piece's.
        span: Where it starts and ends; None for the character of that index.
    """
    start, end = span or (index, index + 1)
    whole = document(identity, text)
    place = {"document_id": identity, "chunk_index": index, "chunk_start": start, "chunk_end": end}
    return row(
        f"{identity}#{index}",
        text[start:end],
        attributes={**whole.attributes, **place},
        mark=whole.mark,
    )


def part(how: Layout, *rows: Embedded) -> PartFile:
    """Write rows as one part."""
    writer = RowWriter(Run(how.output.path, RUN_ID), how, made_by())
    for one in rows:
        writer.add(one)
    (found,) = writer.close()
    assert isinstance(found, PartFile)
    return found


def source(how: Layout, *rows: Embedded, run: int = 0) -> Source:
    """Write rows as one part that is known."""
    return Source(part(how, *rows), run)


def failed(identity: str, text: str, **fields: Any) -> Failed:
    """Return the failure of a text that was sent and is to blame."""
    values: dict[str, Any] = {
        "attributes": None,
        "source": "old.jsonl",
        "line": 9,
        "stage": "embed",
        "kind": "UnembeddableText",
        "blame": "document",
        "message": "why",
        "http_status": 400,
        "attempts": 1,
        **fields,
    }
    return Failed(id=identity, text=text, **values)


def failed_piece(identity: str, text: str, index: int, **fields: Any) -> Failed:
    """Return the failure of a document's piece, by the document's id and the piece's text."""
    attributes = (
        f'{{"n":1,"document_id":"{identity}","chunk_index":{index},'
        f'"chunk_start":{index},"chunk_end":{index + len(text)}}}'
    )
    return failed(f"{identity}#{index}", text, attributes=attributes, **fields)


def failures(path: Path, *found: Failed) -> list[PartFile]:
    """Write failures as one part."""
    writer = FailureWriter(Run(str(path), RUN_ID))
    for one in found:
        writer.add(one)
    return list(writer.close())


def rows_of(parts: Sequence[PartFile]) -> list[dict[str, Any]]:
    """Return the rows of files, in their order."""
    return [one for each in parts for one in pq.read_table(each.path).to_pylist()]
