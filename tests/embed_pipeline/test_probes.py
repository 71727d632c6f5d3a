"""The probes: they tell whether a server is well, and are sent until it is."""

from collections.abc import Iterator

import pytest

from embed_pipeline import errors, interrupt
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.outcomes import Effort
from embed_pipeline.probes import PROBES, is_well, stop_if_asked, wait_until_well
from tests.support.scripted import Reply, Script, ScriptedEndpoint, embedded, error

BUSY = "server busy, please try again.  maximum pending requests exceeded"


@pytest.fixture
def client(endpoint: ScriptedEndpoint) -> Iterator[Client]:
    with Client(Endpoint(url=endpoint.url, model="all-minilm"), Retry(attempts=2)) as found:
        yield found


def at_first(*replies: Reply) -> Script:
    """Return a script that answers so at first, and as usual afterwards."""
    waiting = list(replies)
    return lambda _: waiting.pop(0) if waiting else None


def stuck(texts: list[str]) -> Reply:
    """Be a script that gives every text the same vector."""
    return embedded(["stuck"] * len(texts))


def test_a_server_that_embeds_them_is_well(endpoint: ScriptedEndpoint, client: Client) -> None:
    effort = Effort()
    assert is_well(client, effort)
    assert endpoint.texts == list(PROBES)
    assert (effort.requests, effort.faults) == (1, {})


@pytest.mark.parametrize("reply", [error(500, "out of order"), error(503, BUSY)])
def test_a_server_that_does_not_at_once_is_not_well(
    endpoint: ScriptedEndpoint, client: Client, reply: Reply
) -> None:
    endpoint.script = at_first(reply)
    assert not is_well(client, Effort())


def test_a_server_that_gives_them_one_vector_is_not_well(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script, effort = stuck, Effort()
    assert not is_well(client, effort)
    assert effort.faults == {"WrongAnswer": 1}


def test_a_server_that_refuses_them_for_good_is_the_error(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = lambda _: error(401, "unauthorized")
    with pytest.raises(errors.Unauthorized):
        is_well(client, Effort())


def test_a_server_is_waited_for_until_it_is_well(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script, effort = at_first(error(500, "out of order")), Effort()
    wait_until_well(client, effort)
    assert (effort.requests, effort.faults) == (2, {"ServerFault": 1})


def test_a_server_that_never_is_well_is_the_error(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = lambda _: error(500, "out of order")
    with pytest.raises(errors.ServerFault) as caught:
        wait_until_well(client, Effort())
    assert caught.value.attempts == len(endpoint.requests) == 2


@pytest.mark.parametrize("ask", [is_well, wait_until_well])
def test_an_error_while_stopping_is_the_stop(
    endpoint: ScriptedEndpoint, client: Client, ask: object
) -> None:
    assert callable(ask)
    endpoint.script = lambda _: error(500, "out of order")
    interrupt.request_stop(15)
    with pytest.raises(errors.InterruptedJobError):
        ask(client, Effort())


def test_an_error_is_left_alone_where_nobody_asked_for_a_stop() -> None:
    stop_if_asked(errors.ServerFault("why"))
