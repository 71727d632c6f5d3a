"""The endpoint of this machine is made sure of before it is asked, and when it has gone."""

import os
import signal

import pytest

from embed_pipeline import errors
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.transport import Transport
from embed_pipeline.worker_transport import WorkerTransport, transport_to
from tests.support.on_worker import (
    FakeOllama,
    at_worker,
    await_end,
    children,
    fake,
    listener,
    port,
)
from tests.support.scripted import ScriptedEndpoint

__all__ = ["fake", "port"]


def end(port: int) -> None:
    """Kill the endpoint of a port, both its processes."""
    supervisor = listener(port)
    assert supervisor is not None
    (server,) = children(supervisor)
    os.kill(supervisor, signal.SIGKILL)
    os.kill(server, signal.SIGKILL)
    await_end(supervisor)
    await_end(server)


def asked(transport: Transport) -> bytes:
    return transport.exchange("GET", "/api/tags", None, 60, 10_000)


def test_an_address_is_asked_as_it_is(endpoint: ScriptedEndpoint) -> None:
    transport = transport_to(Endpoint(url=endpoint.url, model="all-minilm"))
    assert type(transport) is Transport
    transport.close()


def test_the_endpoint_is_made_sure_of_once_not_with_each_request(
    endpoint: ScriptedEndpoint,
) -> None:
    transport = transport_to(at_worker(int(endpoint.url.rpartition(":")[2])))
    for _ in range(3):
        asked(transport)
    transport.close()
    paths = [one.path for one in endpoint.exchanges]
    assert paths == ["/api/version", "/api/tags", "/api/tags", "/api/tags", "/api/tags"]


def test_errors_name_it_as_the_job_file_does(endpoint: ScriptedEndpoint) -> None:
    transport = transport_to(at_worker(int(endpoint.url.rpartition(":")[2])))
    with pytest.raises(errors.EndpointError, match=r"^GET worker/nothing: "):
        transport.exchange("GET", "/nothing", None, 60, 10_000)
    transport.close()


def test_a_job_survives_the_end_of_server_and_supervisor(port: int, fake: FakeOllama) -> None:
    with Client(at_worker(port)) as client:
        client.embed(["before"])
        end(port)
        found = client.embed(["after"])
    assert found.attempts == 2
    assert set(found.faults) <= {"ConnectionFailed", "ConnectionLost"}
    assert len(fake.starts) == 2


def test_what_cannot_be_started_at_first_is_the_jobs_fault(port: int, fake: FakeOllama) -> None:
    fake.know(fails="no")
    transport = WorkerTransport(at_worker(port))
    with pytest.raises(errors.ConfigError):
        asked(transport)
    transport.close()


def test_what_was_there_and_does_not_come_back_is_waited_for(port: int, fake: FakeOllama) -> None:
    transport = WorkerTransport(at_worker(port))
    asked(transport)
    end(port)
    fake.know(fails="no memory")
    with pytest.raises(errors.TransientError):
        asked(transport)
    with pytest.raises(errors.ConnectionFailed, match="no memory"):
        asked(transport)
    fake.know(fails="")
    assert b"all-minilm" in asked(transport)
    transport.close()
