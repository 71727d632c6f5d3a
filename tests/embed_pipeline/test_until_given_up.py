"""A client that is given up sends no more; until then it is as the other one."""

import threading
from collections.abc import Iterator

import pytest

from embed_pipeline import errors
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.until_given_up import UntilGivenUp
from tests.support.scripted import ScriptedEndpoint, error


@pytest.fixture
def client(endpoint: ScriptedEndpoint) -> Iterator[Client]:
    with Client(Endpoint(url=endpoint.url, model="all-minilm"), Retry(attempts=9)) as found:
        yield found


def test_it_embeds_with_the_other_client(endpoint: ScriptedEndpoint, client: Client) -> None:
    endpoint.script = lambda _: error(500, "out of order")
    found = UntilGivenUp(client, threading.Event())
    with pytest.raises(errors.ServerFault) as caught:
        found.embed(["word " * 400], 1, truncate=True)
    assert caught.value.attempts == 1
    assert endpoint.requests[0]["truncate"] is True


def test_once_it_is_given_up_nothing_is_sent(endpoint: ScriptedEndpoint, client: Client) -> None:
    given_up = threading.Event()
    found = UntilGivenUp(client, given_up)
    found.embed(["a"])
    given_up.set()
    with pytest.raises(errors.InterruptedJobError):
        found.embed(["b"])
    assert endpoint.texts == ["a"]
