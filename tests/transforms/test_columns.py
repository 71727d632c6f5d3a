"""Which columns mean what."""

from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.pvalue import TaggedOutput
from apache_beam.typehints import typehints

from embed_pipeline.corpus import Corpus
from embed_pipeline.errors import ConfigError
from embed_pipeline.records import Document
from embed_pipeline.transforms.columns import documents, naming
from embed_pipeline.transforms.rows import PYTHON_TYPES

COLUMNS = {"sku": int, "title": str, "body": str, "price": float}
ROW = beam.Row(sku=np.int64(7), title="a", body="b", price=1.5)


def named(**settings: Any) -> Any:
    corpus = Corpus.model_validate({"files": "rows", "id": "sku", "text": "body", **settings})
    return naming(corpus, COLUMNS, "EmbedText")


@pytest.mark.parametrize(
    ("settings", "document"),
    [
        ({}, Document("7", "b", {"title": "a", "price": 1.5})),
        ({"text": "{title}: {body}"}, Document("7", "a: b", {"price": 1.5})),
        ({"attributes": ["price"]}, Document("7", "b", {"price": 1.5})),
        ({"attributes": ["-price"]}, Document("7", "b", {"title": "a"})),
        ({"attributes": []}, Document("7", "b", {})),
        ({"attributes": {"sku": "string"}}, Document("7", "b", {"sku": "7"})),
    ],
)
def test_a_row_is_the_document_its_columns_are_named_for(
    settings: dict[str, Any], document: Document
) -> None:
    assert list(documents(ROW, named(**settings))) == [document]


def test_a_row_without_an_id_is_known_by_its_text() -> None:
    first, second = (next(documents(ROW, named(id=""))), next(documents(ROW, named(id=""))))
    assert first.id == second.id
    assert len(first.id) == 64


def test_columns_keep_their_types_but_where_they_are_declared() -> None:
    assert named(attributes=["-title"]).attributes == {"price": typehints.Optional[float]}
    assert named(attributes={"price": "string"}).attributes == {"price": PYTHON_TYPES["string"]}


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ({"body": None}, "MissingField", "an element's text is null"),
        ({"body": 3}, "WrongType", "an element's text is of type int"),
        ({"sku": None}, "MissingField", "an element's id is null"),
    ],
)
def test_a_row_that_is_no_document_is_a_failure_with_its_attributes(
    values: dict[str, Any], kind: str, message: str
) -> None:
    (found,) = documents(beam.Row(**{**ROW.as_dict(), **values}), named())
    assert isinstance(found, TaggedOutput)
    failed = found.value
    assert (failed.kind, failed.attributes) == (kind, '{"title":"a","price":1.5}')
    assert failed.message.startswith(message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"id": "key"}, "EmbedText: id: there is no column 'key'; the columns are sku, title"),
        ({"text": "{head} {body}"}, "EmbedText: text: there is no column 'head'"),
        ({"attributes": ["prize"]}, "EmbedText: attributes: there is no column 'prize'"),
        ({"attributes": ["-prize"]}, "EmbedText: attributes: there is no column 'prize'"),
    ],
)
def test_a_column_that_is_not_there_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        named(**settings)


def test_columns_named_as_those_that_are_made_are_refused() -> None:
    corpus = Corpus(files="rows", id="key")
    with pytest.raises(ConfigError, match=r"id, vector; .* \(attributes: \[-id, -vector\]\)"):
        naming(corpus, {"key": str, "text": str, "id": int, "vector": Any}, "EmbedText", ["vector"])
