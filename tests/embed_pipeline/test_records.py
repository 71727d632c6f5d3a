"""Records: they survive the ways between processes."""

import pickle

import numpy as np

from embed_pipeline.records import Document, Embedded, Failed


def test_a_document_needs_only_id_and_text() -> None:
    assert Document("1", "text") == ("1", "text", {}, "", None, b"")


def test_documents_without_attributes_share_no_state_that_can_change() -> None:
    assert Document("1", "a").attributes == {}
    assert Document("1", "a", {"x": 1}).attributes == {"x": 1}
    assert Document("2", "b").attributes == {}


def test_a_document_survives_pickling() -> None:
    document = Document("1", "text", {"year": 1999, "score": 0.5, "ok": True}, "a.jsonl", 3)
    assert pickle.loads(pickle.dumps(document)) == document  # noqa: S301 (our own bytes)


def test_a_failure_survives_pickling() -> None:
    failed = Failed("1", "t", None, "a.jsonl", 3, "embed", "EmptyText", "document", "why", 400, 2)
    assert pickle.loads(pickle.dumps(failed)) == failed  # noqa: S301 (our own bytes)


def test_an_embedded_document_begins_as_its_document_and_keeps_its_vector() -> None:
    document = Document("1", "text", {"year": 1999}, "a.jsonl", 3)
    vector = np.array([0.6, 0.8], dtype=np.float32)
    row = Embedded(*document, vector, "all-minilm", 5, "server", None)
    copy = pickle.loads(pickle.dumps(row))  # noqa: S301 (our own bytes)
    assert copy[:6] == document
    assert copy.vector.dtype == np.float32
    assert copy.vector.tobytes() == vector.tobytes()
    assert copy[7:] == ("all-minilm", 5, "server", None)
