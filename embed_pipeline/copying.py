"""Rows that get a vector which is there already: it is read where it stands, file by file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embed_pipeline import files, marks
from embed_pipeline.attributes import AttributeTypes, conform
from embed_pipeline.chunking import CHUNK_TYPES
from embed_pipeline.parts import PartFile
from embed_pipeline.records import Document
from embed_pipeline.schema import ARROW_TYPES, Layout
from embed_pipeline.staging import Run, new_writer
from embed_pipeline.table_parts import TablePart

AT_ONCE = 10_000  # rows that are copied at once


class Wanted(NamedTuple):
    """Say which row of a file is copied, and for which document, whose text is left out."""

    number: int
    document: Document

    @classmethod
    def restored(cls, found: tuple[int, tuple[Any, ...]]) -> "Wanted":
        """Return what was pickled as plain tuples."""
        number, document = found
        return cls(number, Document(*document))


def copy_rows(
    run: Run,
    layout: Layout,
    provenance: Mapping[str, Any],
    path: str,
    wanted: Sequence[Wanted],
) -> list[PartFile]:
    """Copy rows of a file for other documents; write them into part files.

    The text, the vector, the model and the counts are the row's, id and attributes the document's;
    a piece keeps its place in the whole. One row group is in memory, and AT_ONCE rows more.

    Args:
        run: The run the part files are of.
        layout: What its rows look like; those of the file may lack attributes.
        provenance: For the footers.
        path: The file.
        wanted: The rows; one may be wanted by several documents.
    """
    ordered = sorted(wanted, key=lambda one: one.number)
    writer, parts, made = new_writer(), 0, []
    part: TablePart | None = None
    first = ("", 0)
    for rows, ours in _taken(path, ordered):
        documents = [one.document for one in ours]
        if part is None:
            where = run.part("data", writer, parts)
            part = TablePart(where, layout, provenance, run.origins(writer, parts))
            first = (documents[0].source, documents[0].line or 0)
            parts += 1
        found = marks.words(b"".join([document.mark for document in documents]))
        part.add(_for_documents(rows, documents, layout), found)
        if part.size >= layout.output.part_bytes:
            made.append(part.close()._replace(first=first))
            part = None
    if part is not None:
        made.append(part.close()._replace(first=first))
    return made


def _taken(path: str, ordered: Sequence[Wanted]) -> Iterator[tuple[pa.Table, Sequence[Wanted]]]:
    """Yield rows of a file, AT_ONCE at most, each batch with what wants them."""
    at, begin = 0, 0
    with files.open_input(path) as stream:
        parquet = pq.ParquetFile(stream)
        for group in range(parquet.num_row_groups):
            end = begin + parquet.metadata.row_group(group).num_rows
            last = at
            while last < len(ordered) and ordered[last].number < end:
                last += 1
            if last > at:
                table = parquet.read_row_group(group)
                for start in range(at, last, AT_ONCE):
                    ours = ordered[start : min(start + AT_ONCE, last)]
                    numbers = np.array([one.number - begin for one in ours], np.int64)
                    yield table.take(pa.array(numbers)), ours
            at, begin = last, end


def _for_documents(rows: pa.Table, documents: Sequence[Document], layout: Layout) -> pa.Table:
    """Return rows with the ids and attributes of documents.

    The rows' own attributes are not looked at: they may be of another type by now.
    """
    types: AttributeTypes = layout.attributes or {}
    split = CHUNK_TYPES.keys() <= types.keys()
    own = {name: kind for name, kind in types.items() if not split or name not in CHUNK_TYPES}
    values = [conform(document.attributes, own) for document in documents]
    columns = {
        name: pa.array([one.get(name) for one in values], ARROW_TYPES[kind])
        for name, kind in own.items()
    }
    row_ids = ids = [document.id for document in documents]
    if split:
        columns["document_id"] = pa.array(ids, pa.string())
        numbers = rows["chunk_index"].to_pylist()
        row_ids = [f"{one}#{number}" for one, number in zip(ids, numbers, strict=True)]
    columns[layout.output.column("id")] = pa.array(row_ids, pa.string())
    schema = layout.schema()
    return pa.Table.from_arrays(
        [columns[name] if name in columns else rows[name] for name in schema.names], schema=schema
    )
