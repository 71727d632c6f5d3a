"""Provenance: what made the vectors, without secrets and without a clock."""

import base64
from typing import Any

import numpy as np
import orjson

from embed_pipeline import __version__
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.engine import CANARY_TEXTS, Engine
from embed_pipeline.limits import Limits
from embed_pipeline.provenance import footer, provenance
from embed_pipeline.tokenizer import from_model_info
from embed_pipeline.tokens import Tokens
from tests.support.rows import made_by
from tests.support.scripted import DIGEST, WORDS, model_info, vector_of


def test_it_names_model_server_and_settings() -> None:
    found = made_by()
    del found["canary"]
    assert found == {
        "model": "all-minilm",
        "digest": DIGEST,
        "model_license": "",
        "endpoint": "http://127.0.0.1:1",
        "endpoint_kind": "server",
        "endpoint_version": "1.2.3",
        "context": 256,
        "context_source": "server",
        "dimension": 8,
        "dimensions_asked": None,
        "options": {},
        "truncate": False,
        "on_too_long": "truncate",
        "prefix": "",
        "query_prefix": "",
        "tokenizer": None,
        "normalized": True,
        "embed_pipeline": __version__,
    }


def test_the_license_of_the_model_is_told() -> None:
    url = "http://127.0.0.1:4711"
    limits = Limits(256, "server", True, None)
    engine = Engine(url, "1", "m", "d", limits, 1, np.ones((1, 1), np.float32), "MIT")
    assert provenance(Endpoint(url=url, model="m"), engine, Tokens())["model_license"] == "MIT"


def test_the_canary_is_kept_to_the_bit() -> None:
    expected = np.stack([vector_of(text) for text in CANARY_TEXTS])
    stored = base64.b64decode(made_by()["canary"]["vectors"])
    assert np.array_equal(np.frombuffer(stored, "<f4").reshape(expected.shape), expected)


def test_an_embedded_endpoint_is_named_without_its_random_port() -> None:
    found = of("0.30.0-embedded.1", Limits(256, "server", True, None))
    assert (found["endpoint"], found["endpoint_kind"]) == ("embedded", "embedded")


def test_the_settings_of_tokens_and_where_the_context_is_from_are_told() -> None:
    tokens = Tokens(on_too_long="fail", prefix="search_document: ", query_prefix="search_query: ")
    found = of("0.24.0", Limits(512, "probed", False, None), tokens)
    assert (found["context"], found["context_source"]) == (512, "probed")
    assert found["on_too_long"] == "fail"
    assert found["prefix"] == "search_document: "
    assert found["query_prefix"] == "search_query: "


def test_a_tokenizer_is_told_by_its_hash_and_where_it_is_from() -> None:
    tokenizer = from_model_info(model_info(WORDS))
    found = of("0.24.0", Limits(256, "server", True, tokenizer))
    assert found["tokenizer"] == {
        "from": "server",
        "sha256": "ec21c2af04ba39f3f49e6f1e8eef07ce7da16c265c3cf80fc4683e6f93a608b8",
    }


def test_it_holds_nothing_but_json() -> None:
    found = made_by()
    assert orjson.loads(footer(found)["embed_pipeline"]) == found


def of(version: str, limits: Limits, tokens: Tokens | None = None) -> dict[str, Any]:
    """Return the provenance of a server of this version with these limits."""
    url = "http://127.0.0.1:4711"
    engine = Engine(url, version, "m", "d", limits, 1, np.ones((1, 1), np.float32))
    return provenance(Endpoint(url=url, model="m"), engine, tokens or Tokens())
