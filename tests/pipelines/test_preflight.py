"""Before a run: which endpoint it is, which addresses are down, and whether models differ."""

import logging
import socket
from collections.abc import Iterator

import pytest

from embed_pipeline import errors
from embed_pipeline.batch_checks import FEW_TEXTS
from embed_pipeline.endpoint import Batching, Endpoint
from embed_pipeline.pipelines.preflight import preflight, preflight_from_afar
from embed_pipeline.pipelines.terminal import Terminal
from tests.support.scripted import (
    DIGEST,
    Reply,
    ScriptedEndpoint,
    embedded,
    error,
    scripted,
)


@pytest.fixture
def other() -> Iterator[ScriptedEndpoint]:
    with scripted() as found:
        yield found


@pytest.fixture
def dead() -> Iterator[str]:
    """Return an address that is taken, so that nobody else gets it, but not listened to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def asked(*places: ScriptedEndpoint | str, model: str = "all-minilm") -> str:
    urls = [place if isinstance(place, str) else place.url for place in places]
    url = urls[0] if len(urls) == 1 else urls
    return preflight(Endpoint(url=url, model=model), Batching(), Terminal())


@pytest.mark.parametrize(
    ("version", "kind"), [("0.24.0", "a server"), ("0.30.0-embedded.0.1.0", "the embedded one")]
)
def test_the_digest_is_found_and_the_endpoint_told(
    endpoint: ScriptedEndpoint, capsys: pytest.CaptureFixture[str], version: str, kind: str
) -> None:
    endpoint.paths["/api/version"] = Reply(200, f'{{"version":"{version}"}}'.encode())
    assert asked(endpoint) == DIGEST
    assert capsys.readouterr().err == f"endpoint: {kind} at {endpoint.url}, version {version}\n"


def test_each_address_is_told(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(endpoint, other) == DIGEST
    assert capsys.readouterr().err == "".join(
        f"endpoint: a server at {one.url}, version 0.0.0-scripted\n" for one in (endpoint, other)
    )


def test_the_password_of_an_address_is_not_told(
    endpoint: ScriptedEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(endpoint.url.replace("http://", "http://alice:secret@"))
    assert "secret" not in capsys.readouterr().err


def test_the_model_is_looked_for_before_it_is_loaded_and_a_few_texts_are_sent(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.scripts_check = True
    asked(endpoint)
    first = [each.path for each in endpoint.exchanges][:2]
    assert (first, endpoint.loads) == (["/api/version", "/api/tags"], 1)
    assert len(endpoint.requests) == 4
    assert set(endpoint.texts) == set(FEW_TEXTS)


def test_an_address_that_mixes_texts_up_ends_the_run_before_it_begins(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint
) -> None:
    other.scripts_check, other.script = True, lambda texts: embedded(texts[::-1])
    with pytest.raises(errors.VectorsContradicted, match=f"{other.url}: .*nothing was embedded"):
        asked(endpoint, other)


def test_what_the_check_cannot_tell_is_warned_of(
    endpoint: ScriptedEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.scripts_check = True
    endpoint.script = lambda texts: error(500, "out of order") if len(texts) > 1 else None
    assert asked(endpoint) == DIGEST
    assert "tells nothing: POST" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_a_fault_of_the_settings(endpoint: ScriptedEndpoint) -> None:
    with pytest.raises(errors.ConfigError, match="get it with: ollama pull bge-m3"):
        asked(endpoint, model="bge-m3")


def test_one_address_without_the_model_is_a_fault_of_the_settings(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint
) -> None:
    other.models = ["another"]
    with pytest.raises(errors.ConfigError, match=f"{other.url} has no model"):
        asked(endpoint, other)


def test_something_else_at_the_address_is_a_fault_of_the_settings(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.paths["/api/version"] = Reply(200, b"<html>Sign in</html>")
    with pytest.raises(errors.ConfigError, match=r"correct endpoint\.url"):
        asked(endpoint)


def test_an_address_that_asks_for_credentials_is_its_own_error(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint
) -> None:
    other.paths["/api/version"] = error(401, "unauthorized")
    with pytest.raises(errors.Unauthorized, match=other.url):
        asked(endpoint, other)


def test_one_of_several_addresses_may_be_down_and_is_warned_of(
    endpoint: ScriptedEndpoint, dead: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "embed_pipeline"):
        assert asked(dead, endpoint) == DIGEST
    (told,) = [message for message in caplog.messages if "beginning without it" in message]
    assert told.startswith(f"GET {dead}/api/version: ")


def test_where_the_only_address_is_down_that_is_the_error(dead: str) -> None:
    with pytest.raises(errors.ConnectionFailed, match=f"GET {dead}/api/version"):
        asked(dead)


def test_where_every_address_is_down_the_last_ones_is_the_error(dead: str) -> None:
    last = dead.replace("127.0.0.1", "localhost")
    with pytest.raises(errors.ConnectionFailed, match=f"GET {last}/api/version"):
        asked(dead, last)


def test_addresses_with_different_models_are_refused(
    endpoint: ScriptedEndpoint, other: ScriptedEndpoint
) -> None:
    other.digest = "e2" * 32
    with pytest.raises(errors.RefusedError) as caught:
        asked(endpoint, other)
    assert str(caught.value) == (
        "the addresses of endpoint.url have different models as 'all-minilm': "
        f"{endpoint.url} has d1d1d1d1d1d1, {other.url} has e2e2e2e2e2e2; "
        "their vectors do not compare: give all of them the same model"
    )


def test_an_endpoint_only_workers_reach_is_no_error(
    dead: str, endpoint: ScriptedEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    def from_afar(url: str) -> str:
        return preflight_from_afar(Endpoint(url=url, model="all-minilm"), Batching(), Terminal())

    assert from_afar(endpoint.url) == DIGEST
    assert from_afar(dead) == ""
    assert "the workers look for themselves" in capsys.readouterr().err
