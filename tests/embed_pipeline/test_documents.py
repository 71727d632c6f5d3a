"""Documents: from what users have, and only with texts worth sending."""

import json
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline import errors
from embed_pipeline.documents import (
    as_document,
    attributes_json,
    failed_document,
    refusal,
    storable,
)
from embed_pipeline.keys import key
from embed_pipeline.records import Document


class Article(NamedTuple):
    id: int
    text: str
    year: int


def test_a_document_is_itself() -> None:
    document = Document("1", "text", {"a": 1}, "a.jsonl", 3)
    assert as_document(document) is document


def test_a_document_with_a_number_as_id_gets_it_as_a_string() -> None:
    assert as_document(Document(7, "text", {"a": 1}, "f", 2)) == Document(  # type: ignore[arg-type]
        "7", "text", {"a": 1}, "f", 2
    )


def test_an_integer_of_numpy_is_an_id() -> None:
    assert as_document({"id": np.int64(7), "text": "t"}) == Document("7", "t")


def test_a_string_gets_its_hash_as_id() -> None:
    assert as_document("text") == Document(key("", "text"), "text")


def test_a_mapping_keeps_its_other_fields_as_attributes() -> None:
    element = {"text": "t", "id": "1", "year": 1999}
    assert as_document(element) == Document("1", "t", {"year": 1999})
    assert element == {"text": "t", "id": "1", "year": 1999}


def test_a_row_is_a_document() -> None:
    assert as_document(beam.Row(id=5, text="t", year=1999)) == Document("5", "t", {"year": 1999})


def test_a_named_tuple_is_a_document() -> None:
    assert as_document(Article(0, "t", 1999)) == Document("0", "t", {"year": 1999})


@pytest.mark.parametrize(
    ("element", "message"),
    [
        ({"id": "1"}, "an element has no text; it has id"),
        (
            {"id": "1", "text": None},
            "an element's text is null: fill it in, or leave the element out",
        ),
        ({"text": "t"}, "an element has no id; it has text"),
        ({"text": "t", "id": ""}, "an element's id is empty: fill it in, or leave the element out"),
        (
            {"text": "t", "id": None, "b": 1},
            "an element's id is null: fill it in, or leave the element out",
        ),
        ({}, "an element has no text; it has nothing"),
        (Document("", "t"), "an element's id is empty: fill it in, or leave the element out"),
        (
            Document("1", None),  # type: ignore[arg-type]
            "an element's text is null: fill it in, or leave the element out",
        ),
    ],
)
def test_a_missing_field_is_named(element: Any, message: str) -> None:
    with pytest.raises(errors.MissingField) as caught:
        as_document(element)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("element", "message"),
    [
        (3, "an element of type int is no document: use Document, str, a mapping or a Row"),
        (b"bytes", "an element of type bytes is no document"),
        (None, "an element of type NoneType is no document"),
        (["a"], "an element of type list is no document"),
        (("id", "text"), "an element of type tuple is no document"),
        ({"text": 3, "id": "1"}, "an element's text is of type int, not str"),
        ({"text": b"t", "id": "1"}, "an element's text is of type bytes, not str"),
        (
            {"text": "t", "id": 1.5},
            "an element's id is of type float, not str; declare its column a string where it is",
        ),
        ({"text": "t", "id": True}, "an element's id is of type bool, not str"),
        (Document("1", 3), "an element's text is of type int, not str"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_type_is_named(element: Any, message: str) -> None:
    with pytest.raises(errors.WrongType) as caught:
        as_document(element)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["a", " a ", "é", "😀", "\u200b", "\x01"])
def test_a_text_worth_sending_is_not_refused(text: str) -> None:
    assert refusal(Document("1", text)) is None


@pytest.mark.parametrize("text", ["", " ", "\n\t\r", "\u00a0\u2003", "\u3000"])
def test_white_space_is_refused(text: str) -> None:
    error = refusal(Document("1", text))
    assert type(error) is errors.EmptyText


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (Document("1", "ab\0c"), "the text holds a NUL at character 2; remove it"),
        (Document("1", "ab\ud83dc"), "the text holds the lone surrogate U+D83D at character 2"),
        (Document("i\udc80", "ab"), "the id holds the lone surrogate U+DC80 at character 1"),
    ],
)
def test_a_bad_character_is_refused_with_its_place(document: Document, message: str) -> None:
    error = refusal(document)
    assert type(error) is errors.BadCharacter
    assert str(error).startswith(message)


@given(st.text(st.characters(codec=None)))
def test_what_is_not_refused_can_be_sent_and_has_content(text: str) -> None:
    if refusal(Document("1", text)) is None:
        assert text.encode().decode() == text
        assert text.strip()
        assert "\0" not in text


@given(st.text(st.characters(codec=None)))
def test_what_is_stored_is_utf8_and_the_text_itself_where_that_can_be(text: str) -> None:
    stored = storable(text)
    stored.encode()
    assert stored == text or any("\ud800" <= character <= "\udfff" for character in text)


def test_a_failure_says_which_document_why_and_from_where() -> None:
    document = Document("7", "bad\ud800", {"year": 1999}, "a.jsonl", 3)
    error = errors.BadCharacter("why")
    assert failed_document(document, error)._asdict() == {
        "id": "7",
        "text": "bad\\ud800",
        "attributes": '{"year":1999}',
        "source": "a.jsonl",
        "line": 3,
        "stage": "embed",
        "kind": "BadCharacter",
        "blame": "document",
        "message": "why",
        "http_status": None,
        "attempts": 0,
        "endpoint": "",
    }


def test_a_failure_at_the_endpoint_has_its_status_and_details() -> None:
    failed = failed_document(
        Document("7", "t"), errors.ServerFault("why", 500), blame="server", attempts=3, endpoint="E"
    )
    assert failed[5:] == ("embed", "ServerFault", "server", "why", 500, 3, "E")


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"a": 1, "b": [True, None, 0.5]}, {"a": 1, "b": [True, None, 0.5]}),
        ({"a": 2**70, "b": 1}, {"a": "1180591620717411303424", "b": 1}),
        (
            {"a": b"abc", "b": Article(1, "t", 2)},
            {"a": "YWJj", "b": {"id": 1, "text": "t", "year": 2}},
        ),
        ({"a": "\ud800"}, {"a": "\\ud800"}),
        ({"a": {1}}, {"a": "{1}"}),
        ({3: "a"}, {"3": "a"}),
    ],
)
def test_attributes_of_a_failure_are_json(
    attributes: dict[Any, Any], expected: dict[str, Any]
) -> None:
    assert json.loads(attributes_json(attributes) or "") == expected


def test_no_attributes_are_none() -> None:
    assert attributes_json({}) is None


class Content(NamedTuple):
    text: str | None


class Item:
    """Have the fields of an `apache_beam.ml.rag` item."""

    def __init__(self, text: str | None, metadata: dict[str, Any] | None = None) -> None:
        self.id, self.index, self.metadata = "a", 2, metadata or {}
        self.content = Content(text)


def test_an_item_is_a_document_with_its_metadata_and_index_as_attributes() -> None:
    assert as_document(Item("t", {"topic": "x"})) == Document("a", "t", {"topic": "x", "index": 2})


def test_an_item_without_a_text_is_refused() -> None:
    with pytest.raises(errors.MissingField, match="text is null"):
        as_document(Item(None))


def test_an_item_whose_metadata_hide_its_own_fields_is_refused() -> None:
    with pytest.raises(errors.BadAttribute, match="an item's metadata have id, text, which"):
        as_document(Item("t", {"id": "b", "text": "u"}))
