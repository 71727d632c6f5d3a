"""A source that pauses for longer than the endpoint's own keep_alive, with and without the job's.

The pauses are on a clock that the tests turn; the loads are real ones.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from embed_pipeline import release
from embed_pipeline.client import Client
from embed_pipeline.embedded.app import create_app
from embed_pipeline.embedded.model import Model
from embed_pipeline.embedder import Embedder
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.outcomes import Vector
from embed_pipeline.sizing import Prepared
from embed_pipeline.tokens import Tokens

TEXTS = ["Why is the sky blue?", "Blue skies", "C++ and C#", "naïve", "a b c", "the last one"]
OWN_KEEP_ALIVE = 1  # seconds
PAUSE = 10.0


@dataclass
class Service:
    """Hold an endpoint whose time stands still until it is told to go on."""

    http: httpx.Client
    now: float = 0.0

    def paused(self, texts: list[str]) -> Iterator[str]:
        """Give one text after the other, with a pause between them."""
        for number, text in enumerate(texts):
            self.now += PAUSE if number else 0
            yield text

    def loaded(self) -> list[Any]:
        return list(self.http.get("/api/ps").json()["models"])

    def endpoint(self, keep_alive: str) -> Endpoint:
        url = str(self.http.base_url).rstrip("/")
        return Endpoint(url=url, model="all-minilm", keep_alive=keep_alive)


@pytest.fixture
def service(model: Model, serve_app: Callable[[ASGIApp], httpx.Client]) -> Service:
    app = create_app(model, keep_alive=OWN_KEEP_ALIVE, clock=lambda: found.now)
    found = Service(serve_app(app))
    return found


def reloads(service: Service, keep_alive: str) -> int:
    """Embed the texts of the pausing source; return the loads that the run's summary names."""
    settings = service.endpoint(keep_alive), Batching(), Retry(attempts=2), Tokens()
    embedder = Embedder(*settings)
    total = 0
    try:
        for text in service.paused(TEXTS):
            (prepared,) = embedder.prepare([text])
            assert isinstance(prepared, Prepared)
            results, effort = embedder.submit([prepared], threading.Event()).result()
            assert isinstance(results[0], Vector)
            total += effort.reloads
    finally:
        embedder.close()
    return total


def test_a_pausing_source_sees_no_load_with_the_jobs_keep_alive(service: Service) -> None:
    assert reloads(service, "30m") == 0


def test_a_pausing_source_sees_a_load_after_each_pause_without(service: Service) -> None:
    assert reloads(service, f"{OWN_KEEP_ALIVE}s") == len(TEXTS) - 1


def test_a_run_unloads_what_it_has_loaded(service: Service) -> None:
    endpoint = service.endpoint("30m")
    with release.released_after([endpoint]):
        reloads(service, "30m")
        assert len(service.loaded()) == 1
    assert service.loaded() == []


def test_a_run_leaves_what_was_loaded_before(service: Service) -> None:
    endpoint = service.endpoint("30m")
    with Client(endpoint) as other:
        other.load()
    with release.released_after([endpoint]):
        reloads(service, "30m")
    assert len(service.loaded()) == 1


def test_a_run_leaves_what_another_client_has_asked_for_meanwhile(service: Service) -> None:
    with release.released_after([service.endpoint("30m")]):
        reloads(service, "30m")
        with Client(service.endpoint("2h")) as other:
            other.load()
    assert len(service.loaded()) == 1
