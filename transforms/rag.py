"""Vectors for Beam's vector-database sinks: `docs | EmbedText(endpoint) | ToChunks()`."""

import uuid
from typing import Any, Literal

import apache_beam as beam
from apache_beam.ml.rag.types import Content, EmbeddableItem, Embedding
from apache_beam.pvalue import PCollection
from apache_beam.typehints.decorators import no_annotations

from embed_pipeline.errors import BadAttribute
from embed_pipeline.records import Embedded
from embed_pipeline.transforms.embed import EmbedResult
from embed_pipeline.transforms.unread import FailUnread

_IDS = uuid.uuid5(uuid.NAMESPACE_DNS, "embed_pipeline")


class ToChunks(beam.PTransform):
    """Make `apache_beam.ml.rag` items (Chunk is another name for them) of embedded documents.

    Takes a PCollection of Embedded, or an EmbedResult, whose first failure then ends the job.
    Windows and timestamps are kept.

    Args:
        ids: "own": the documents' ids; "uuid": UUIDs made of them, the same in every run, for
            sinks that know no other ids; the document's own is in the metadata then, as `id`.
    """

    def __init__(self, ids: Literal["own", "uuid"] = "own") -> None:
        super().__init__()
        self._ids = ids

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, embedded: PCollection | EmbedResult) -> PCollection:
        """Add the steps."""
        if isinstance(embedded, EmbedResult):
            _ = embedded.failed | "Unread" >> FailUnread(
                "take `.embedded` and `.failed` of what EmbedText returns, and read both"
            )
            embedded = embedded.embedded
        return embedded | "Chunk" >> beam.Map(chunk, self._ids).with_output_types(EmbeddableItem)


def chunk(record: Embedded, ids: Literal["own", "uuid"] = "own") -> EmbeddableItem:
    """Return an embedded document as an item.

    Its metadata are the document's attributes, model, token_count, token_count_source and
    truncated; its index is the attribute `index`, or that of a piece.

    Raises:
        BadAttribute: An attribute has the name of one of the others.
    """
    made: dict[str, Any] = {
        "model": record.model,
        "token_count": record.token_count,
        "token_count_source": record.token_count_source,
        "truncated": record.truncated,
    }
    identity = record.id
    if ids == "uuid":
        made["id"] = record.id
        identity = str(uuid.uuid5(_IDS, record.id))
    twice = sorted(made.keys() & record.attributes.keys())
    if twice:
        raise BadAttribute(
            f"document {record.id!r} has the attributes {', '.join(twice)}, which the metadata of "
            "its item tell, too: rename them before it is embedded"
        )
    metadata = {**record.attributes, **made}
    index = metadata.pop("index", metadata.get("chunk_index", 0))
    return EmbeddableItem(
        content=Content(text=record.text),
        id=identity,
        index=index,
        metadata=metadata,
        embedding=Embedding(dense_embedding=record.vector.tolist()),
    )
