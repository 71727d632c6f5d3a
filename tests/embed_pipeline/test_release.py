"""What is unloaded at the end of a run, and what is left alone."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from embed_pipeline import last_use
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.release import Look, look_before, outliving, release, released_after
from tests.support.ports import free_port
from tests.support.scripted import Reply, ScriptedEndpoint, scripted

HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture
def server() -> Iterator[ScriptedEndpoint]:
    with scripted() as endpoint:
        yield endpoint


def endpoint_of(server: ScriptedEndpoint, **fields: Any) -> Endpoint:
    return Endpoint(url=server.url, model="all-minilm", **fields)


def list_nothing(server: ScriptedEndpoint) -> None:
    server.paths["/api/ps"] = Reply(200, b'{"models": []}')


def list_until(server: ScriptedEndpoint, expiry: datetime) -> None:
    """Let the server tell that the model is loaded until then."""
    server.paths.pop("/api/ps", None)
    server.expires_at = expiry.isoformat()


def sent(server: ScriptedEndpoint) -> list[dict[str, Any]]:
    return [one.body for one in server.exchanges if one.path == "/api/embed"]


def looked(minutes_ago: float, *, loaded: bool | None = False) -> Look:
    return Look(datetime.now(UTC) - timedelta(minutes=minutes_ago), loaded)


def test_a_look_tells_whether_the_model_is_loaded(server: ScriptedEndpoint) -> None:
    assert look_before(endpoint_of(server)).loaded is True
    list_nothing(server)
    assert look_before(endpoint_of(server)).loaded is False


def test_another_model_is_not_ours(server: ScriptedEndpoint) -> None:
    endpoint = Endpoint(url=server.url, model="nomic-embed-text")
    assert look_before(endpoint).loaded is False


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"models": 3}', b'{"models": [{"name": "all-minilm"}]}']
)
def test_a_list_that_is_none_says_nothing(server: ScriptedEndpoint, body: bytes) -> None:
    server.paths["/api/ps"] = Reply(200, body)
    assert look_before(endpoint_of(server)).loaded is None


def test_a_server_that_is_down_says_nothing() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert look_before(Endpoint(url=url, model="all-minilm")).loaded is None


def test_what_the_run_loaded_is_unloaded_without_a_text(server: ScriptedEndpoint) -> None:
    endpoint = endpoint_of(server)
    list_nothing(server)
    look = look_before(endpoint)
    last_use.note(endpoint)
    list_until(server, datetime.now(UTC) + HALF_AN_HOUR)
    release(endpoint, look)
    assert sent(server) == [{"model": "all-minilm", "input": [], "keep_alive": 0}]


def test_the_options_are_those_of_every_request(server: ScriptedEndpoint) -> None:
    endpoint = endpoint_of(server, options={"num_ctx": 128})
    list_until(server, datetime.now(UTC) + HALF_AN_HOUR)
    release(endpoint, looked(1))
    assert [body["options"] for body in sent(server)] == [{"num_ctx": 128}]


@pytest.mark.parametrize("loaded", [True, None])
def test_what_was_loaded_before_or_may_have_been_is_left_alone(
    server: ScriptedEndpoint, loaded: bool | None
) -> None:
    list_until(server, datetime.now(UTC) + HALF_AN_HOUR)
    release(endpoint_of(server), looked(1, loaded=loaded))
    assert server.exchanges == []


def test_what_is_gone_already_is_not_loaded_again(server: ScriptedEndpoint) -> None:
    list_nothing(server)
    release(endpoint_of(server), looked(1))
    assert sent(server) == []


@pytest.mark.parametrize(
    "left",
    [
        timedelta(minutes=5),  # another client asked for the usual 5 minutes
        HALF_AN_HOUR + timedelta(minutes=1),  # or used it after our last request
        timedelta(hours=24),
        timedelta(days=100_000),  # for ever
        timedelta(days=-700_000),  # no moment at all, as of a model that is being loaded
    ],
)
def test_an_expiry_that_is_another_clients_is_left_alone(
    server: ScriptedEndpoint, left: timedelta
) -> None:
    endpoint = endpoint_of(server)
    look = looked(600)
    last_use.note(endpoint)
    list_until(server, datetime.now(UTC) + left)
    release(endpoint, look)
    assert sent(server) == []


def test_who_used_it_after_our_last_request_keeps_it(server: ScriptedEndpoint) -> None:
    endpoint = endpoint_of(server)
    last_use.note(endpoint)
    list_until(server, datetime.now(UTC) + HALF_AN_HOUR + timedelta(seconds=10))
    release(endpoint, looked(600))
    assert sent(server) == []


@pytest.mark.parametrize(
    ("minutes_left", "unloads"), [(30, True), (21, True), (19, False), (31, False)]
)
def test_where_other_processes_sent_the_requests_any_moment_of_the_run_will_do(
    server: ScriptedEndpoint, minutes_left: int, unloads: bool
) -> None:
    list_until(server, datetime.now(UTC) + timedelta(minutes=minutes_left))
    release(endpoint_of(server), looked(10))
    assert bool(sent(server)) is unloads


def test_a_use_before_the_run_does_not_count(server: ScriptedEndpoint) -> None:
    endpoint = endpoint_of(server)
    last_use.note(endpoint)
    look = Look(datetime.now(UTC) + timedelta(seconds=1), loaded=False)
    list_until(server, look.at + HALF_AN_HOUR)
    release(endpoint, look)
    assert len(sent(server)) == 1


@pytest.mark.parametrize("keep_alive", [-1, "-5m"])
def test_a_model_that_is_to_stay_for_ever_stays(server: ScriptedEndpoint, keep_alive: Any) -> None:
    list_until(server, datetime.now(UTC) + timedelta(days=100_000))
    release(endpoint_of(server, keep_alive=keep_alive), looked(1))
    assert sent(server) == []


def test_a_release_that_fails_is_a_warning(
    server: ScriptedEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    server.paths["/api/embed"] = Reply(500, b'{"error": "no memory"}')
    list_until(server, datetime.now(UTC) + HALF_AN_HOUR)
    release(endpoint_of(server), looked(1))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("the model stays loaded until its keep_alive is over: ")
    assert "no memory" in record.getMessage()


def test_a_server_that_went_away_is_a_warning_without_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = f"http://me:secret@127.0.0.1:{free_port()}"
    release(Endpoint(url=url, model="all-minilm"), looked(1))
    assert "the model stays loaded" in caplog.text
    assert "secret" not in caplog.text


def test_each_address_is_released_though_the_run_fails(server: ScriptedEndpoint) -> None:
    def run() -> None:
        for one in (server, other):
            list_until(one, datetime.now(UTC) + HALF_AN_HOUR)
        raise RuntimeError("the run failed")

    with scripted() as other:
        list_nothing(server)
        list_nothing(other)
        with (
            pytest.raises(RuntimeError, match="the run failed"),
            released_after([endpoint_of(server), endpoint_of(other)]),
        ):
            run()
        assert [body["keep_alive"] for body in (*sent(server), *sent(other))] == [0, 0]


def test_a_server_of_the_users_goes_on_after_the_job() -> None:
    endpoint = Endpoint(url="http://127.0.0.1:9", model="all-minilm")
    assert [one.url for one in outliving(endpoint, endpoint)] == ["http://127.0.0.1:9"]


@pytest.mark.parametrize("asked", ["auto", "embedded"])
def test_an_embedded_endpoint_of_the_jobs_own_ends_with_it(
    monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    found = Endpoint(url="http://127.0.0.1:40123", model="all-minilm")
    assert outliving(found.model_copy(update={"url": asked}), found) == []


def test_the_server_that_auto_found_goes_on_after_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    found = Endpoint(url="http://127.0.0.1:9", model="all-minilm")
    assert outliving(Endpoint(model="all-minilm"), found) == [found]


def test_the_endpoint_of_the_machine_ends_by_itself() -> None:
    endpoint = Endpoint(url="worker", model="all-minilm")
    assert outliving(endpoint, endpoint) == []
