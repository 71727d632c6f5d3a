"""Records across a shuffle: exact, and a vector costs its bytes."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam import coders
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.pipeline_context import PipelineContext
from apache_beam.testing import test_pipeline
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from embed_pipeline.records import Document, Embedded, Failed
from embed_pipeline.transforms.coders import EmbeddedCoder, RecordCoder
from tests.support.collecting import Collect, seen
from tests.support.rows import row

# Any string, lone surrogates included, as documents may hold before they are refused.
texts = st.text(st.characters(codec=None, exclude_categories=()))
attributes = st.dictionaries(
    texts, st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
)
documents = st.builds(
    Document,
    texts,
    texts,
    attributes,
    texts,
    st.none() | st.integers(),
    st.binary(max_size=40),
)
vectors = npst.arrays(np.float32, st.integers(0, 400), elements=st.floats(-1, 1, width=32))
rows = st.builds(
    lambda document, *rest: Embedded(*document, *rest),
    documents,
    vectors,
    texts,
    st.integers(0, 2**31),
    st.sampled_from(["server", "verified", "estimated"]),
    st.sampled_from([True, False, None]),
)
failures = st.builds(
    Failed,
    st.none() | texts,
    st.none() | texts,
    st.none() | texts,
    texts,
    st.none() | st.integers(),
    st.sampled_from(["read", "chunk", "embed", "write"]),
    texts,
    st.sampled_from(["document", "server"]),
    texts,
    st.none() | st.integers(400, 599),
    st.integers(0, 30),
    texts,
)


def crossed(kind: type[Any], value: Any) -> Any:
    """Return what a value is behind a shuffle, whose coder travels in the pipeline's proto."""
    context = PipelineContext()
    sent = coders.registry.get_coder(kind)
    proto = sent.to_runner_api(context)
    coder = coders.Coder.from_runner_api(
        beam_runner_api_pb2.Coder.FromString(proto.SerializeToString()), context
    )
    return coder.decode(sent.encode(value))


def typed(fields: Any) -> list[Any]:
    """Return fields with their types, and attributes in their order."""
    return [
        [(key, type(one), one) for key, one in field.items()]
        if isinstance(field, dict)
        else (type(field), field)
        for field in fields
    ]


@given(documents)
def test_a_document_crosses_as_it_is(document: Document) -> None:
    found = crossed(Document, document)
    assert type(found) is Document
    assert typed(found) == typed(document)


@given(failures)
def test_a_failure_crosses_as_it_is(failed: Failed) -> None:
    found = crossed(Failed, failed)
    assert type(found) is Failed
    assert typed(found) == typed(failed)


@given(rows)
def test_a_row_crosses_as_it_is(embedded: Embedded) -> None:
    found = crossed(Embedded, embedded)
    assert type(found) is Embedded
    assert typed(found[:6]) == typed(embedded[:6])
    assert typed(found[7:]) == typed(embedded[7:])
    assert found.vector.dtype == np.float32
    assert found.vector.shape == embedded.vector.shape
    assert found.vector.tobytes() == embedded.vector.tobytes()


@pytest.mark.parametrize(
    "vector",
    [
        np.arange(6, dtype=np.float32)[::2],
        np.array([np.nan, np.inf, -0.0], np.float32),
        np.arange(3, dtype=np.float64),
        np.arange(3, dtype=">f4"),
        np.ones((2, 2), np.float32),
        np.float32(1) * np.ones((), np.float32),
        [0.5, 0.25],
        b"\0\0\x80?",
        None,
    ],
    ids=repr,
)
def test_a_vector_of_any_kind_crosses_as_it_is(vector: Any) -> None:
    found = crossed(Embedded, row("1", vector=vector)).vector
    assert type(found) is type(vector)
    assert getattr(found, "dtype", None) == getattr(vector, "dtype", None)
    assert np.array_equal(found, vector, equal_nan=isinstance(vector, np.ndarray))


def test_a_vector_can_be_written_to_behind_a_shuffle_as_before_it() -> None:
    found = crossed(Embedded, row("1")).vector
    found *= 2
    assert np.linalg.norm(found) == pytest.approx(2)


@pytest.mark.parametrize("kind", [Document, Embedded, Failed])
@pytest.mark.parametrize(
    "value", ["a text", None, ("1", "a"), [1, 2], {"id": 1}, Document("1", "a"), row("1")._asdict()]
)
def test_what_is_no_record_crosses_as_it_is(kind: type[Any], value: Any) -> None:
    found = crossed(kind, value)
    assert type(found) is type(value)
    assert repr(found) == repr(value)


def test_numpy_values_of_attributes_keep_their_types() -> None:
    found = crossed(Document, Document("1", "a", {"n": np.int64(7), "x": np.float32(0.5)}))
    assert typed([found.attributes]) == typed([{"n": np.int64(7), "x": np.float32(0.5)}])


def test_a_row_of_384_values_costs_4_bytes_each_and_little_more() -> None:
    embedded = row("doc-12345", "Short text number 12345 of many.", vector=np.ones(384, np.float32))
    encoded = coders.registry.get_coder(Embedded).encode(embedded)
    fields = sum(map(len, ("doc-12345", embedded.text, embedded.model, "estimated")))
    assert len(encoded) <= 4 * 384 + fields + 60


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        (Document, Document("1", "a text " * 100)),
        (Embedded, row("1", "a text " * 100, vector=np.ones(384, np.float32))),
        (Failed, Failed("1", "a text " * 100, None, "", 1, "embed", "EmptyText", "document", "")),
    ],
)
def test_sizes_are_estimated_within_a_tenth(kind: type[Any], record: Any) -> None:
    coder = coders.registry.get_coder(kind)
    assert coder.estimate_size(record) == pytest.approx(len(coder.encode(record)), rel=0.1)


@pytest.mark.parametrize("kind", [Document, Embedded, Failed])
@pytest.mark.parametrize("value", ["a text", None, row("1", vector=None)])
def test_a_size_is_estimated_of_anything(kind: type[Any], value: Any) -> None:
    assert coders.registry.get_coder(kind).estimate_size(value) > 0


def test_each_record_has_its_coder_in_any_composition() -> None:
    found = coders.registry.get_coder(beam.typehints.KV[str, Embedded])
    assert found.value_coder() == EmbeddedCoder(Embedded)
    assert coders.registry.get_coder(Document) == RecordCoder(Document) != RecordCoder(Failed)
    assert len({RecordCoder(Document), RecordCoder(Document), RecordCoder(Failed)}) == 2
    assert found.value_coder().to_type_hint() is Embedded


def test_documents_may_be_keys_whatever_the_order_of_their_attributes(tmp_path: Path) -> None:
    same = [Document("1", "a", {"x": 1, "y": "b"}), Document("1", "a", {"y": "b", "x": 1})]
    with test_pipeline.TestPipeline("FnApiRunner") as p:
        (
            p
            | beam.Create([*same, Document("2", "a")], reshuffle=False).with_output_types(Document)
            | beam.Map(lambda document: (document, 1)).with_output_types(tuple[Document, int])
            | beam.GroupByKey()
            | beam.MapTuple(lambda document, ones: (document.id, len(list(ones))))
            | beam.ParDo(Collect(tmp_path / "found"))
        )
    assert sorted(each.value for each in seen(tmp_path / "found")) == [("1", 2), ("2", 1)]


def test_rows_cross_a_shuffle_of_a_pipeline(tmp_path: Path) -> None:
    sent = [row(str(number), attributes={"n": number}) for number in range(10)]
    with test_pipeline.TestPipeline("FnApiRunner") as p:
        (
            p
            | beam.Create(sent, reshuffle=False).with_output_types(Embedded)
            | beam.Reshuffle()
            | beam.ParDo(Collect(tmp_path / "found"))
        )
    found = {each.value.id: each.value for each in seen(tmp_path / "found")}
    assert len(found) == 10
    for one in sent:
        assert np.array_equal(found[one.id].vector, one.vector)
        assert found[one.id].attributes == one.attributes
