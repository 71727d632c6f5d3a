"""Items of apache_beam.ml.rag: taken as documents, made of vectors, written by Beam's own sink."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.ml.rag.ingestion.base import VectorDatabaseWriteTransform
from apache_beam.ml.rag.types import Chunk, Content
from apache_beam.testing import test_pipeline

from embed_pipeline.endpoint import Endpoint
from embed_pipeline.errors import BadAttribute
from embed_pipeline.transforms.embed import EmbedText
from embed_pipeline.transforms.rag import ToChunks, chunk
from tests.support.collecting import Collect, seen
from tests.support.rows import row
from tests.support.scripted import DIMENSION, ScriptedEndpoint, vector_of

ITEMS = [
    Chunk.from_text("Why is the sky blue?", id="a", index=2, metadata={"topic": "optics"}),
    Chunk.from_text("How deep is the sea?", id="b"),
]


def embed(endpoint: ScriptedEndpoint) -> EmbedText:
    return EmbedText(Endpoint(url=endpoint.url, model="all-minilm"))


def test_items_come_back_with_their_vectors(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    with test_pipeline.TestPipeline("FnApiRunner") as pipeline:
        made = pipeline | beam.Create(ITEMS, reshuffle=False) | embed(endpoint) | ToChunks()
        made | beam.Reshuffle() | beam.ParDo(Collect(tmp_path / "items"))
    found = sorted((each.value for each in seen(tmp_path / "items")), key=lambda item: item.id)
    assert [(item.id, item.content.text, item.index) for item in found] == [
        ("a", "Why is the sky blue?", 2),
        ("b", "How deep is the sea?", 0),
    ]
    assert found[0].metadata["topic"] == "optics"
    assert (found[0].metadata["model"], found[0].metadata["truncated"]) == ("all-minilm", False)
    assert found[0].dense_embedding == vector_of("Why is the sky blue?").tolist()


def test_beams_own_sink_writes_them_to_a_vector_database(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    reason = "Beam's sink for Qdrant came after the lowest Beam that is tested"
    beams = pytest.importorskip("apache_beam.ml.rag.ingestion.qdrant", reason=reason)
    qdrant = pytest.importorskip("qdrant_client")

    folder = str(tmp_path / "qdrant")
    dense = qdrant.models.VectorParams(size=DIMENSION, distance=qdrant.models.Distance.COSINE)
    client = qdrant.QdrantClient(path=folder)
    client.create_collection("docs", vectors_config={"dense": dense})
    client.close()
    config = beams.QdrantWriteConfig(beams.QdrantConnectionParameters.local(folder), "docs")
    with test_pipeline.TestPipeline("FnApiRunner") as pipeline:
        chunks = pipeline | beam.Create(ITEMS) | embed(endpoint) | ToChunks(ids="uuid")
        chunks | VectorDatabaseWriteTransform(config)
    client = qdrant.QdrantClient(path=folder)
    query = vector_of("Why is the sky blue?").tolist()
    nearest = client.query_points("docs", query=query, using="dense", limit=1).points[0]
    client.close()
    assert nearest.score == pytest.approx(1.0, abs=1e-6)
    assert nearest.payload is not None
    assert (nearest.payload["id"], nearest.payload["topic"]) == ("a", "optics")


def test_an_item_that_fails_ends_a_job_that_reads_no_failures(endpoint: ScriptedEndpoint) -> None:
    pipeline = test_pipeline.TestPipeline("FnApiRunner")
    _ = pipeline | beam.Create([Chunk(Content(), id="a")]) | embed(endpoint) | ToChunks()
    with pytest.raises(Exception, match=r"text is null.*`\.embedded` and `\.failed`"):
        pipeline.run().wait_until_finish()


@pytest.mark.parametrize(
    ("attributes", "index"), [({"chunk_index": 4}, 4), ({"index": 5}, 5), ({}, 0)]
)
def test_a_piece_has_its_index(attributes: dict[str, Any], index: int) -> None:
    assert chunk(row("a", attributes=attributes)).index == index


def test_uuids_are_the_same_in_every_run() -> None:
    first, second = chunk(row("a"), "uuid"), chunk(row("b"), "uuid")
    assert first.id == "b6ed6bdc-3923-52ae-b2cc-29c83056e503"
    assert second.id != first.id


def test_an_attribute_that_would_be_overwritten_is_refused() -> None:
    with pytest.raises(BadAttribute, match="document 'a' has the attributes model, which"):
        chunk(row("a", attributes={"model": "T"}))
