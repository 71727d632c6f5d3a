"""One running endpoint for all tests here, and a client of it."""

from collections.abc import Iterator

import httpx
import pytest

from embed_pipeline.embedded.process import EmbeddedProcess, start_embedded
from embed_pipeline.embedded.weights import Weights, fetch, locate


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedProcess]:
    with start_embedded() as process:
        yield process


@pytest.fixture(scope="session")
def real_weights() -> Weights:
    """Return the pinned files; of the session, so found before a test changes the environment."""
    return locate() or fetch()


@pytest.fixture
def http(server: EmbeddedProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=100) as client:
        yield client
