"""Which model answers under a name: its digest, its context, and what tells two apart."""

import json
from collections.abc import Iterator

import numpy as np
import pytest

from embed_pipeline import errors
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.identity import FINGERPRINT_TEXTS, Identity, find_digest, told_context
from tests.support.scripted import DIGEST, Reply, ScriptedEndpoint, error, vector_of

BUSY = "server busy, please try again.  maximum pending requests exceeded"


@pytest.fixture
def settings(endpoint: ScriptedEndpoint) -> Endpoint:
    return Endpoint(url=endpoint.url, model="all-minilm")


@pytest.fixture
def client(settings: Endpoint) -> Iterator[Client]:
    with Client(settings, Retry(attempts=1)) as found:
        yield found


def loaded(*models: dict[str, object]) -> Reply:
    """Return what `/api/ps` tells where these models are loaded."""
    return Reply(200, json.dumps({"models": models}).encode())


def identity(digest: str, context: int | None = 256, engine: str = "") -> Identity:
    """Return what a scripted endpoint of this digest, context and engine is known by."""
    return Identity(digest, context, np.stack([vector_of(engine + t) for t in FINGERPRINT_TEXTS]))


@pytest.mark.parametrize(
    ("one", "other", "agrees"),
    [
        (identity("aa"), identity("aa"), True),
        (identity("aa"), identity("aa", 512), False),
        (identity("aa", None), identity("aa", 512), True),
        (identity("aa"), identity("aa", None), True),
        (identity("aa"), identity("bb"), False),
        (identity(""), identity("aa"), False),
        (identity("aa"), identity("aa", engine="another "), False),
        (identity("aa"), Identity("aa", 256, None), False),
        (Identity("aa", 256, None), identity("aa"), False),
    ],
)
def test_two_agree_where_nothing_that_is_told_differs(
    one: Identity, other: Identity, agrees: bool
) -> None:
    assert one.agrees(other) is agrees


@pytest.mark.parametrize("places", [range(1), range(3, 4)])
def test_one_short_text_with_another_vector_tells_two_apart(places: range) -> None:
    vectors = [
        vector_of(f"{'another ' if place in places else ''}{text}")
        for place, text in enumerate(FINGERPRINT_TEXTS)
    ]
    assert not identity("aa").agrees(Identity("aa", 256, np.stack(vectors)))


def test_vectors_that_differ_in_their_last_digits_are_the_same() -> None:
    right = identity("aa")
    assert right.fingerprint is not None
    nearly = right.fingerprint + np.float32(1e-4)
    nearly /= np.linalg.norm(nearly, axis=1, keepdims=True)
    assert right.agrees(right._replace(fingerprint=nearly))


def test_vectors_of_another_dimension_are_others() -> None:
    shorter = np.stack([vector_of(text, 4) for text in FINGERPRINT_TEXTS])
    assert not identity("aa").agrees(Identity("aa", 256, shorter))


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (identity("0123456789abcdef"), "the digest 0123456789ab with a context of 256 tokens"),
        (identity("", None), "the digest unknown"),
    ],
)
def test_it_is_shown_shortly(found: Identity, shown: str) -> None:
    assert str(found) == shown


def test_the_digest_is_that_of_the_model_asked_for(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    models = [
        {"name": "all-minilm:22m", "digest": "aa"},
        {"name": "all-minilm:latest", "digest": "bb"},
    ]
    endpoint.paths["/api/tags"] = Reply(200, json.dumps({"models": models}).encode())
    for model, digest in (("ALL-MiniLM", "bb"), ("all-minilm:22m", "aa")):
        assert find_digest(client, settings.model_copy(update={"model": model})) == digest


def test_a_server_that_lists_models_without_digests_has_none(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.paths["/api/tags"] = Reply(200, b'{"models":[{"name":"all-minilm"}]}')
    assert find_digest(client, settings) == ""


def test_a_model_that_is_not_listed_is_named_with_those_that_are(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.models = ["llama3:8b", "bge-m3:latest"]
    with pytest.raises(errors.ModelNotFound, match=r"it has: bge-m3:latest, llama3:8b\); get it"):
        find_digest(client, settings)


def test_a_busy_server_is_asked_as_often_as_it_is_said(
    endpoint: ScriptedEndpoint, settings: Endpoint
) -> None:
    endpoint.paths["/api/tags"] = error(503, BUSY)
    with Client(settings, Retry()) as client, pytest.raises(errors.Overloaded):
        find_digest(client, settings, attempts=1)
    assert len(endpoint.exchanges) == 1


def test_the_context_is_that_of_the_loaded_model(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    assert find_digest(client, settings) == DIGEST
    endpoint.paths["/api/ps"] = loaded(
        {"name": "other", "context_length": 8},
        {"name": "all-minilm:latest", "context_length": 512},
    )
    assert told_context(client, settings) == 512


@pytest.mark.parametrize("name", ["all-minilm:latest", "library/all-minilm", "ALL-MINILM"])
def test_the_loaded_model_is_found_by_each_of_its_names(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint, name: str
) -> None:
    endpoint.models = [name]
    assert told_context(client, settings) == 256


@pytest.mark.parametrize(
    "reply",
    [
        loaded(),
        loaded({"name": "other", "context_length": 8}),
        loaded({"name": "all-minilm"}),
        loaded({"name": "all-minilm", "context_length": 0}),
        Reply(200, b'{"models":null}'),
        Reply(200, b"<html>"),
        Reply(404, b"404 page not found"),
        error(400, "no"),
    ],
)
def test_where_the_server_does_not_tell_there_is_no_context(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint, reply: Reply
) -> None:
    endpoint.paths["/api/ps"] = reply
    assert told_context(client, settings) is None


def test_a_server_that_is_down_is_an_error_and_not_a_context_that_is_not_told(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.paths["/api/ps"] = error(500, "out of order")
    with pytest.raises(errors.ServerFault):
        told_context(client, settings)
