"""Prefixes that models were trained with: known, and told of, but never applied unasked."""

import re
from typing import NamedTuple

from embed_pipeline.tokens import PLACE


class Prefixes(NamedTuple):
    """Hold what a model's authors put before documents and before queries; "" for nothing."""

    document: str
    query: str


_RETRIEVE = "Represent this sentence for searching relevant passages: "
_INSTRUCT = (
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
)
# By the beginning of the model's name without registry and namespace. From the model cards.
KNOWN = {
    "nomic-embed-text": Prefixes("search_document: ", "search_query: "),
    "nomic-embed-text-v2": Prefixes("search_document: ", "search_query: "),
    "e5-": Prefixes("passage: ", "query: "),
    "multilingual-e5": Prefixes("passage: ", "query: "),
    "embeddinggemma": Prefixes(
        f"title: none | text: {PLACE}", f"task: search result | query: {PLACE}"
    ),
    "mxbai-embed-large": Prefixes("", _RETRIEVE),
    "bge-small-en": Prefixes("", _RETRIEVE),
    "bge-base-en": Prefixes("", _RETRIEVE),
    "bge-large": Prefixes("", _RETRIEVE),
    "snowflake-arctic-embed2": Prefixes("", "query: "),
    "snowflake-arctic-embed": Prefixes("", _RETRIEVE),
    "qwen3-embedding": Prefixes("", _INSTRUCT),
}


def recommended(model: str) -> Prefixes | None:
    """Return the prefixes a model is known to need, or None."""
    name = re.sub(r":.*", "", model.rsplit("/", 1)[-1]).lower()
    found = [start for start in KNOWN if name.startswith(start)]
    return KNOWN[max(found, key=len)] if found else None


def warning(model: str, prefix: str | None = None, query_prefix: str | None = None) -> str | None:
    """Return what to say of a model that was trained with prefixes and is given none, or None.

    Args:
        model: The model's name.
        prefix: What is put before documents; None where that is not the question.
        query_prefix: The same for queries.
    """
    known = recommended(model) or Prefixes("", "")
    missing = [
        f"{setting}: {wanted!r}"
        for setting, wanted, given in (
            ("tokens.prefix", known.document, prefix),
            ("tokens.query_prefix", known.query, query_prefix),
        )
        if wanted and given == ""
    ]
    if not missing:
        return None
    return (
        f"the model '{model}' was trained with prefixes, and its vectors are worse without them; "
        f"its authors recommend {' and '.join(missing)}"
    )
