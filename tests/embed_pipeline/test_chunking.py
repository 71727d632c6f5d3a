"""Documents become pieces: ids, attributes, and what cannot be split."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from embed_pipeline.chunking import CHUNK_TYPES, Chunking, chunked, piece_tokens
from embed_pipeline.errors import ConfigError
from embed_pipeline.limits import ContextSource, Limits
from embed_pipeline.records import Document, Failed
from tests.support.tokenizing import byte_level, wordpiece

LONG = Document("d", "one two three four", {"year": 1999}, "a.jsonl", 7)


KNOWN = Limits(256, "server", refuses=True, tokenizer=wordpiece())


def split(*documents: Document, max_tokens: int = 5) -> list[list[Document | Failed]]:
    return chunked(documents, wordpiece(), max_tokens, 0, "")


def test_a_document_becomes_pieces_with_their_places_and_all_it_had() -> None:
    assert split(LONG) == [
        [
            Document(
                "d#0",
                "one two three ",
                {
                    "year": 1999,
                    "document_id": "d",
                    "chunk_index": 0,
                    "chunk_start": 0,
                    "chunk_end": 14,
                },
                "a.jsonl",
                7,
            ),
            Document(
                "d#1",
                "four",
                {
                    "year": 1999,
                    "document_id": "d",
                    "chunk_index": 1,
                    "chunk_start": 14,
                    "chunk_end": 18,
                },
                "a.jsonl",
                7,
            ),
        ]
    ]


def test_a_document_that_fits_is_one_piece() -> None:
    ((piece,),) = split(Document("d", "one two"))
    assert piece == Document(
        "d#0",
        "one two",
        {"document_id": "d", "chunk_index": 0, "chunk_start": 0, "chunk_end": 7},
    )


def test_pieces_have_the_attributes_that_are_declared_for_the_dataset() -> None:
    ((piece,),) = split(Document("d", "one"))
    kinds = {str: "string", int: "int64"}
    found = {name: kinds[type(value)] for name, value in (piece.attributes or {}).items()}  # type: ignore[union-attr]
    assert found == CHUNK_TYPES


def test_a_batch_keeps_its_order() -> None:
    results = split(Document("a", "one"), LONG, Document("b", "two"))
    assert [[piece.id for piece in pieces] for pieces in results] == [
        ["a#0"],
        ["d#0", "d#1"],
        ["b#0"],
    ]


def test_an_empty_batch_has_no_pieces() -> None:
    assert split() == []


@pytest.mark.parametrize("text", ["", " \n", "a\x00b", "a\ud800b"])
def test_a_document_that_would_be_refused_stays_as_it_is(text: str) -> None:
    document = Document("d", text, {"chunk_index": 7})
    assert split(document, LONG)[0] == [document]


def test_an_attribute_with_the_name_of_a_pieces_own_fails_the_document_only() -> None:
    clashing = Document("c", "one", {"chunk_end": 1, "document_id": 2, "year": 3}, "a.jsonl", 8)

    (failed,), pieces = split(clashing, LONG)

    assert isinstance(failed, Failed)
    assert (failed.id, failed.stage, failed.kind, failed.blame, failed.line) == (
        "c",
        "chunk",
        "BadAttribute",
        "document",
        8,
    )
    assert "chunk_end, document_id; leave them out (corpus.attributes: [-chunk_end, -doc" in (
        failed.message
    )
    assert len(pieces) == 2


def test_a_character_that_does_not_fit_fails_the_document_only() -> None:
    documents = [Document("e", "fox 🦊"), Document("f", "fox")]

    (failed,), (piece,) = chunked(documents, byte_level(), 5, 0, "")

    assert isinstance(failed, Failed)
    assert (failed.id, failed.stage, failed.kind) == ("e", "chunk", "BadCharacter")
    assert piece.id == "f#0"


def test_the_prefix_counts_and_is_in_no_piece() -> None:
    (pieces,) = chunked([LONG], wordpiece(), 6, 0, "a {text} b")
    assert [piece.text for piece in pieces] == ["one two ", "three four"]


# Settings


@pytest.mark.parametrize(("max_tokens", "overlap"), [(10, 10), (10, 11), (1, 1)])
def test_an_overlap_of_a_whole_piece_is_refused(max_tokens: int, overlap: int) -> None:
    with pytest.raises(ValidationError, match=f"less than max_tokens, which is {max_tokens}"):
        Chunking(max_tokens=max_tokens, overlap=overlap)


@pytest.mark.parametrize("values", [{"max_tokens": 0}, {"overlap": -1}, {"max_tokens": "x"}])
def test_numbers_out_of_range_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Chunking(**values)


def test_a_piece_has_as_many_tokens_as_the_model_reads_by_default() -> None:
    assert piece_tokens(Chunking(overlap=64), KNOWN, "") == (wordpiece(), 256)


def test_a_piece_may_have_fewer_tokens_than_the_model_reads() -> None:
    assert piece_tokens(Chunking(max_tokens=100), KNOWN, "") == (wordpiece(), 100)


def test_without_a_tokenizer_the_cure_is_told() -> None:
    with pytest.raises(ConfigError, match=r"set tokens\.tokenizer to the tokenizer\.json"):
        piece_tokens(Chunking(), KNOWN._replace(tokenizer=None), "")


SOURCES: list[tuple[ContextSource, str]] = [("server", ""), ("assumed", r" \(assumed\)")]


@pytest.mark.parametrize(("source", "told"), SOURCES)
def test_a_piece_larger_than_the_context_is_refused_with_both_numbers(
    source: ContextSource, told: str
) -> None:
    with pytest.raises(ConfigError, match=rf"is 257, and the model reads 256 tokens{told}: lower"):
        piece_tokens(Chunking(max_tokens=257), KNOWN._replace(context_source=source), "")


@pytest.mark.parametrize(
    ("max_tokens", "overlap", "prefix", "frame"),
    [(2, 0, "", 2), (8, 6, "", 2), (8, 3, "a b c: ", 6), (None, 254, "", 2)],
)
def test_a_piece_without_room_for_text_of_its_own_is_refused(
    max_tokens: int | None, overlap: int, prefix: str, frame: int
) -> None:
    message = (
        f"a piece has {max_tokens or 256} tokens, of which the special tokens and the prefix take "
        f"{frame} and chunking.overlap {overlap}: no text"
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        piece_tokens(Chunking(max_tokens=max_tokens, overlap=overlap), KNOWN, prefix)
