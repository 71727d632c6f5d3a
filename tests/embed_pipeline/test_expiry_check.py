"""The model goes when its keep_alive is over, and comes back as the job wants it."""

import itertools
import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from embed_pipeline import errors, interrupt
from embed_pipeline.client import Client
from embed_pipeline.embedded.process import EmbeddedProcess, start_embedded
from embed_pipeline.endpoint import Endpoint, KeepAlive, Retry
from embed_pipeline.expiry_check import TEXT, expiry
from embed_pipeline.verdict import Verdict
from tests.support.scripted import Reply, ScriptedEndpoint

ONCE = Retry(attempts=1)


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedProcess]:
    with start_embedded() as process:
        yield process


def settings(url: str, keep_alive: KeepAlive = "30m") -> Endpoint:
    return Endpoint(url=url, model="all-minilm", keep_alive=keep_alive)


def judged(endpoint: Endpoint, patience: float = 10.0) -> Verdict:
    with Client(endpoint, ONCE) as client:
        client.load()
        return expiry(client, endpoint, ONCE, patience)


def minutes_left(endpoint: Endpoint) -> float | None:
    with Client(endpoint, ONCE) as client:
        models = client.get("/api/ps")["models"]
    if not models:
        return None
    left = datetime.fromisoformat(models[0]["expires_at"]) - datetime.now(UTC)
    return round(left / timedelta(minutes=1))


def test_the_model_goes_and_comes_back(embedded: EmbeddedProcess) -> None:
    endpoint = settings(embedded.url, "20m")
    found = judged(endpoint)
    assert found.verdict == "holds"
    assert found.detail.startswith("kept for 1 s, the model was unloaded after ")
    assert found.detail.endswith("it is loaded again, with keep_alive 20m")
    assert minutes_left(endpoint) == 20


def test_a_later_expiry_of_somebody_else_is_not_shortened(embedded: EmbeddedProcess) -> None:
    with Client(settings(embedded.url, "2h"), ONCE) as administrator:
        administrator.load()
    endpoint = settings(embedded.url)
    found = judged(endpoint)
    assert found.verdict == "not known"
    assert found.detail.startswith("not tried: somebody has the model kept until 20")
    assert minutes_left(endpoint) == 120


def test_a_model_to_be_kept_for_ever_is_not_unloaded(endpoint: ScriptedEndpoint) -> None:
    assert judged(settings(endpoint.url, -1)).verdict == "not known"
    assert endpoint.requests == []


def test_a_model_that_does_not_go_breaks_the_promise(endpoint: ScriptedEndpoint) -> None:
    found = judged(settings(endpoint.url), patience=-1.0)
    assert found.verdict == "broken"
    assert found.detail.startswith("asked to keep the model 1 s, the server has it 0 s later")
    sent = [(request["input"], request["keep_alive"]) for request in endpoint.requests]
    assert sent == [([TEXT], 1), ([TEXT], 1)]  # a second try, in case somebody came in between


def test_the_job_s_keep_alive_is_put_back_whatever_happens(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: Reply(500, b'{"error":"unknown"}')
    with pytest.raises(errors.ServerFault):
        judged(settings(endpoint.url))
    last = endpoint.exchanges[-1]
    assert (last.path, last.body["input"], last.body["keep_alive"]) == ("/api/embed", [], "30m")


def test_a_model_that_others_use_is_not_known_to_go(endpoint: ScriptedEndpoint) -> None:
    moments = itertools.count()

    class Used(ScriptedEndpoint):
        """Be used by somebody else at every moment."""

        @property
        def expires_at(self) -> str:
            return f"2000-01-01T00:00:{next(moments) % 60:02}Z"

        @expires_at.setter
        def expires_at(self, value: str) -> None:
            """Take no notice."""

    used = Used()
    try:
        found = judged(settings(used.url))
    finally:
        used.close()
    assert (found.verdict, found.detail) == (
        "not known",
        "another client uses the model; try again when nobody does",
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Reply(404, b"404 page not found"), "the endpoint does not list what is loaded (/api/ps)"),
        (Reply(200, b'{"models":null}'), "the endpoint does not list the model as loaded"),
    ],
)
def test_what_is_not_listed_is_not_known(
    endpoint: ScriptedEndpoint, answer: Reply, said: str
) -> None:
    endpoint.paths["/api/ps"] = answer
    assert judged(settings(endpoint.url)) == Verdict("keep_alive expiry", "not known", said)
    assert endpoint.requests == []


def test_an_expiry_that_is_no_time_is_none(endpoint: ScriptedEndpoint) -> None:
    loaded = {"models": [{"name": "all-minilm:latest", "expires_at": "soon"}]}
    endpoint.paths["/api/ps"] = Reply(200, json.dumps(loaded).encode())
    assert judged(settings(endpoint.url), patience=-1.0).verdict == "broken"


def test_a_stop_ends_the_waiting(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: interrupt.request_stop(signal.SIGINT)
    with pytest.raises(errors.InterruptedJobError, match="waiting for the model to be unloaded"):
        judged(settings(endpoint.url))
