"""What makes the vectors of a run, as found before the first text."""

import json

import numpy as np
import pytest

from embed_pipeline import errors
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.engine import CANARY_TEXTS, find_version, inspect
from embed_pipeline.identity import FINGERPRINT_TEXTS
from embed_pipeline.limits import Limits
from embed_pipeline.tokens import Tokens
from tests.support.scripted import (
    DIGEST,
    DIMENSION,
    WORDS,
    Reply,
    ScriptedEndpoint,
    error,
    vector_of,
)

ONCE = Retry(attempts=1)
TOO_LONG = "the input length exceeds the context length"


def settings(endpoint: ScriptedEndpoint, model: str = "all-minilm") -> Endpoint:
    return Endpoint(url=endpoint.url.replace("http://", "http://alice:secret@"), model=model)


def test_the_facts_of_an_engine(endpoint: ScriptedEndpoint) -> None:
    found = inspect(settings(endpoint), ONCE)
    assert found.url == endpoint.url
    assert found.version == "0.0.0-scripted"
    assert (found.model, found.digest) == ("all-minilm", DIGEST)
    assert found.limits == Limits(256, "server", True, None)
    assert found.dimension == DIMENSION
    assert found.canary.dtype == np.float32
    assert found.canary.tolist() == [vector_of(text).tolist() for text in CANARY_TEXTS]


def test_the_model_is_loaded_before_its_context_is_asked_for(endpoint: ScriptedEndpoint) -> None:
    inspect(settings(endpoint), ONCE)
    assert [each.path for each in endpoint.exchanges] == [
        "/api/tags",
        "/api/ps",
        "/api/embed",
        "/api/embed",
        "/api/ps",
        "/api/version",
        "/api/tags",
        "/api/show",
        "/api/ps",
        "/api/embed",
        "/api/embed",
        "/api/show",
    ]
    inputs = [each.body["input"] for each in endpoint.exchanges if each.path == "/api/embed"]
    assert inputs == [[], list(FINGERPRINT_TEXTS), ["a " * 257], list(CANARY_TEXTS)]


def test_the_license_of_the_model_is_named(endpoint: ScriptedEndpoint) -> None:
    endpoint.paths["/api/show"] = Reply(200, b'{"license":"MIT License\\n\\nCopyright (c) X"}')
    assert inspect(settings(endpoint), ONCE).license == "MIT"


def test_the_canary_is_neither_prefixed_nor_cut(endpoint: ScriptedEndpoint) -> None:
    endpoint.vocabulary = WORDS
    inspect(settings(endpoint), ONCE, Tokens(prefix="query: "))
    assert endpoint.requests[-1]["input"] == list(CANARY_TEXTS)
    assert {request["truncate"] for request in endpoint.requests} == {False}


def test_the_tokenizer_is_found_by_the_settings_of_tokens(endpoint: ScriptedEndpoint) -> None:
    endpoint.vocabulary = WORDS
    tokenizer = inspect(settings(endpoint), ONCE).limits.tokenizer
    assert tokenizer is not None
    assert tokenizer.count(["the sky is blue"]) == [6]
    with pytest.raises(errors.ConfigError, match=r"cannot read .*/no/such/tokenizer\.json"):
        inspect(settings(endpoint), ONCE, Tokens(tokenizer="/no/such/tokenizer.json"))


def test_a_missing_model_is_an_error_that_says_how_to_get_it(endpoint: ScriptedEndpoint) -> None:
    endpoint.models = ["llama3:8b", "all-minilm:latest"]
    with pytest.raises(errors.ModelNotFound) as caught:
        inspect(settings(endpoint, "nomic-embed-text"), ONCE)
    assert str(caught.value) == (
        f"{endpoint.url} has no model 'nomic-embed-text' (it has: all-minilm:latest, llama3:8b); "
        "get it with: ollama pull nomic-embed-text"
    )


def test_a_server_without_models_says_so(endpoint: ScriptedEndpoint) -> None:
    endpoint.paths["/api/tags"] = Reply(200, b'{"models":null}')
    with pytest.raises(errors.ModelNotFound, match=r"\(it has: none\)"):
        inspect(settings(endpoint), ONCE)


def test_a_text_without_a_vector_is_a_row_of_zeros_in_the_canary(
    endpoint: ScriptedEndpoint,
) -> None:
    bad = CANARY_TEXTS[3]
    endpoint.script = lambda texts: error(400, TOO_LONG) if bad in texts else None
    canary = inspect(settings(endpoint), ONCE).canary
    assert canary[3].tolist() == [0.0] * DIMENSION
    assert np.linalg.norm(canary, axis=1).round(3).tolist() == [1, 1, 1, 0, *[1] * 20]


def test_an_endpoint_that_gives_no_vector_at_all_is_an_error(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: error(400, TOO_LONG)
    with pytest.raises(errors.TextTooLong):
        inspect(settings(endpoint), ONCE)


def test_an_endpoint_that_fails_on_every_text_is_its_own_error(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: error(500, "unknown")
    with pytest.raises(errors.ServerFault, match="500 unknown"):
        inspect(settings(endpoint), ONCE)


def test_a_moment_of_trouble_leaves_no_gap_in_the_canary(endpoint: ScriptedEndpoint) -> None:
    left = [error(500, "unknown")] * 1
    endpoint.script = lambda _: left.pop() if left else None
    canary = inspect(settings(endpoint), ONCE).canary
    assert canary.tolist() == [vector_of(text).tolist() for text in CANARY_TEXTS]


def test_without_a_list_of_loaded_models_the_context_is_asked_for(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.paths["/api/ps"] = Reply(404, b"404 page not found")
    assert inspect(settings(endpoint), ONCE).limits == Limits(256, "probed", True, None)


@pytest.mark.parametrize(
    "models", [[], [{"name": "other", "context_length": 8}], [{"name": "all-minilm:latest"}]]
)
def test_where_the_server_does_not_say_the_context_is_asked_for(
    endpoint: ScriptedEndpoint, models: list[dict[str, object]]
) -> None:
    endpoint.paths["/api/ps"] = Reply(200, json.dumps({"models": models}).encode())
    assert inspect(settings(endpoint), ONCE).limits == Limits(256, "probed", True, None)


def test_a_server_that_refuses_to_tell_its_version_has_none(endpoint: ScriptedEndpoint) -> None:
    endpoint.paths["/api/version"] = error(400, "no")
    with Client(settings(endpoint), ONCE) as client:
        assert find_version(client) == ""


def test_another_server_at_the_address_is_an_error(endpoint: ScriptedEndpoint) -> None:
    endpoint.paths["/api/version"] = Reply(404, b"404 page not found")
    with pytest.raises(errors.NotAnEndpoint, match=r"correct endpoint\.url"):
        inspect(settings(endpoint), ONCE)


@pytest.mark.parametrize(
    ("version", "kind"), [("0.24.0", "server"), ("", "server"), ("0.24.0-embedded", "embedded")]
)
def test_the_embedded_endpoint_is_known_by_its_version(
    endpoint: ScriptedEndpoint, version: str, kind: str
) -> None:
    endpoint.paths["/api/version"] = Reply(200, json.dumps({"version": version}).encode())
    assert inspect(settings(endpoint), ONCE).kind == kind


def test_the_canary_has_24_different_texts() -> None:
    assert len(set(CANARY_TEXTS)) == 24
