"""Prefixes that models were trained with: told of, never applied."""

import pytest

from embed_pipeline.prefixes import KNOWN, Prefixes, recommended, warning
from embed_pipeline.tokens import Tokens

RETRIEVE = "Represent this sentence for searching relevant passages: "


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("nomic-embed-text", Prefixes("search_document: ", "search_query: ")),
        ("nomic-embed-text-v2-moe", Prefixes("search_document: ", "search_query: ")),
        (
            "embeddinggemma",
            Prefixes("title: none | text: {text}", "task: search result | query: {text}"),
        ),
        ("multilingual-e5-large", Prefixes("passage: ", "query: ")),
        ("e5-small-v2", Prefixes("passage: ", "query: ")),
        ("mxbai-embed-large", Prefixes("", RETRIEVE)),
        ("snowflake-arctic-embed", Prefixes("", RETRIEVE)),
        ("snowflake-arctic-embed2", Prefixes("", "query: ")),
        ("all-minilm", None),
        ("bge-m3", None),
        ("my-nomic-embed-text", None),
        ("", None),
    ],
)
def test_the_longest_known_beginning_of_a_name_counts(
    model: str, expected: Prefixes | None
) -> None:
    assert recommended(model) == expected


@pytest.mark.parametrize(
    "model",
    [
        "nomic-embed-text:latest",
        "nomic-embed-text:v1.5",
        "library/nomic-embed-text",
        "someone/nomic-embed-text:v1.5",
        "registry.example.com:5000/library/nomic-embed-text:v1.5",
        "hf.co/nomic-ai/nomic-embed-text-v1.5-GGUF:Q4_K_M",
        "NOMIC-EMBED-TEXT",
    ],
)
def test_registry_namespace_tag_and_case_do_not_matter(model: str) -> None:
    assert recommended(model) == Prefixes("search_document: ", "search_query: ")


@pytest.mark.parametrize("known", KNOWN.values())
def test_every_known_prefix_is_accepted_by_the_settings(known: Prefixes) -> None:
    tokens = Tokens(prefix=known.document, query_prefix=known.query)
    assert (tokens.prefix, tokens.query_prefix) == known


def test_a_missing_prefix_is_told_with_the_value_to_set() -> None:
    assert warning("nomic-embed-text:v1.5", "") == (
        "the model 'nomic-embed-text:v1.5' was trained with prefixes, and its vectors are worse "
        "without them; its authors recommend tokens.prefix: 'search_document: '"
    )


def test_a_missing_prefix_of_queries_is_told_with_the_value_to_set() -> None:
    assert warning("mxbai-embed-large", query_prefix="") == (
        "the model 'mxbai-embed-large' was trained with prefixes, and its vectors are worse "
        f"without them; its authors recommend tokens.query_prefix: '{RETRIEVE}'"
    )


def test_two_missing_prefixes_are_told_together() -> None:
    assert str(warning("e5-base", "", "")).endswith(
        "recommend tokens.prefix: 'passage: ' and tokens.query_prefix: 'query: '"
    )


@pytest.mark.parametrize(
    ("model", "prefix", "query_prefix"),
    [
        ("nomic-embed-text", "search_document: ", None),
        ("nomic-embed-text", "something of our own: ", "and for queries: "),
        ("nomic-embed-text", None, None),
        ("mxbai-embed-large", "", None),
        ("all-minilm", "", ""),
        ("unknown/model:tag", "", ""),
    ],
)
def test_what_is_given_not_needed_or_not_in_question_is_not_told(
    model: str, prefix: str | None, query_prefix: str | None
) -> None:
    assert warning(model, prefix, query_prefix) is None
