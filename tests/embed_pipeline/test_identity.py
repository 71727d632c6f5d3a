"""Which model answers under a name: its digest, its context, and what tells two apart."""

import json
from collections.abc import Iterator

import pytest

from embed_pipeline import errors
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.identity import Identity, find_digest, told_context
from tests.support.scripted import DIGEST, Reply, ScriptedEndpoint, error

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


@pytest.mark.parametrize(
    ("one", "other", "agrees"),
    [
        (Identity("aa", 256), Identity("aa", 256), True),
        (Identity("aa", 256), Identity("aa", 512), False),
        (Identity("aa", None), Identity("aa", 512), True),
        (Identity("aa", 256), Identity("aa", None), True),
        (Identity("aa", 256), Identity("bb", 256), False),
        (Identity("", None), Identity("aa", None), False),
        (Identity("aa", 256), None, True),
    ],
)
def test_two_agree_where_nothing_that_is_told_differs(
    one: Identity, other: Identity | None, agrees: bool
) -> None:
    assert one.agrees(other) is agrees


@pytest.mark.parametrize(
    ("identity", "shown"),
    [
        (Identity("0123456789abcdef", 256), "the digest 0123456789ab with a context of 256 tokens"),
        (Identity("", None), "the digest unknown"),
    ],
)
def test_it_is_shown_shortly(identity: Identity, shown: str) -> None:
    assert str(identity) == shown


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
