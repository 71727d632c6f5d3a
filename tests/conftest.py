"""Fixtures that every room's tests use."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from embed_pipeline import interrupt
from tests.support.scripted import ScriptedEndpoint, scripted

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--live", action="store_true", help="also test the server of OLLAMA_HOST")
    parser.addoption("--dataflow", action="store_true", help="also test what Dataflow does")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--live"):
        skip = pytest.mark.skip(reason="needs a real server: set OLLAMA_HOST and run `make live`")
        for item in items:
            if item.get_closest_marker("live"):
                item.add_marker(skip)
    if not config.getoption("--dataflow"):
        skip = pytest.mark.skip(reason="needs apache-beam[gcp] and Go: run `make dataflow`")
        for item in items:
            if item.get_closest_marker("dataflow"):
                item.add_marker(skip)


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with scripted() as found:
        yield found


@pytest.fixture(autouse=True)
def _no_stop_left_over() -> Iterator[None]:
    yield
    interrupt.clear()
