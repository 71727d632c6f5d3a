"""One running endpoint for all tests here, a client of it, and what a test serves itself."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from embed_pipeline.embedded.model import Model, prepare
from embed_pipeline.embedded.process import EmbeddedProcess, start_embedded
from embed_pipeline.embedded.server import listen, make_server, run, url_of
from embed_pipeline.embedded.weights import Weights, cache_folder, fetch, locate


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedProcess]:
    with start_embedded() as process:
        yield process


@pytest.fixture(scope="session")
def real_weights() -> Weights:
    """Return the pinned files; of the session, so found before a test changes the environment."""
    return locate() or fetch()


@pytest.fixture(scope="session")
def model() -> Model:
    """Return the real model; of the session, for the same reason."""
    return prepare()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an empty cache."""
    monkeypatch.delenv("EMBED_PIPELINE_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder()


@pytest.fixture
def http(server: EmbeddedProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=100) as client:
        yield client


@pytest.fixture(scope="module")
def serve_app() -> Iterator[Callable[[ASGIApp], httpx.Client]]:
    """Return a function that serves an application until the module's tests end."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(serving(app))


@contextmanager
def serving(app: ASGIApp) -> Iterator[httpx.Client]:
    """Serve an application from a thread of this process."""
    ready = threading.Event()
    with listen("127.0.0.1", 0) as listener:
        server = make_server(app, ready.set)
        thread = threading.Thread(target=run, args=(server, listener))
        thread.start()
        try:
            assert ready.wait(60)
            with httpx.Client(base_url=url_of(listener), timeout=60) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()
